//! `.npy` arrays of integer codes (VQ indices, RVQ codes), and the tables that cut them into utterances.

use std::path::Path;

use lmcodec_codecs::codes::{self, CodesError};

use crate::anomaly::{AnomalyKind, Fault};
use crate::digest::codes_sha256;
use crate::manifest::ManifestEntry;

/// Arrays of more codes are refused before memory is allocated.
pub const MAX_CODES: u64 = 1 << 28;

/// An array of codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpyCodes {
    /// Its dimensions, outermost first.
    pub dimensions: Vec<u32>,
    /// The codes in C order.
    pub codes: Vec<u32>,
}

/// Reads a `.npy` file of 1 to 4 dimensions and any integer type; every code must lie in 0..2^32.
///
/// # Errors
/// A [`Fault`] that says what is wrong with the file.
pub fn read_npy(bytes: &[u8]) -> Result<NpyCodes, Fault> {
    let undecodable = |error: CodesError| Fault::new(AnomalyKind::Undecodable, error.to_string());
    if bytes.is_empty() {
        return Err(Fault::new(AnomalyKind::Empty, "the file has no bytes"));
    }
    let header = codes::header(bytes, None).map_err(undecodable)?;
    let shape = &header.shape;
    let total = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64)).unwrap_or(u64::MAX);
    if total == 0 {
        return Err(Fault::new(AnomalyKind::Empty, format!("an array of shape {shape:?} holds no codes")));
    }
    if total > MAX_CODES || !(1..=4).contains(&shape.len()) {
        let message = format!("an array of shape {shape:?}; 1 to 4 dimensions and {MAX_CODES} codes are allowed");
        return Err(Fault::new(AnomalyKind::Size, message));
    }
    let (width, there) = (header.element.bytes(), bytes.len().saturating_sub(header.start));
    if total.saturating_mul(width as u64) > there as u64 {
        let message = format!("{total} codes of {width} bytes stated, {there} bytes there");
        return Err(Fault::new(AnomalyKind::Truncated, message));
    }
    let codes = codes::wide_codes(bytes, &header).map_err(undecodable)?;
    Ok(NpyCodes { dimensions: shape.iter().map(|&d| d as u32).collect(), codes })
}

impl NpyCodes {
    /// The steps `first..first + count` of the outermost dimension.
    #[must_use]
    pub fn steps(&self, first: u64, count: u64) -> Option<Self> {
        let (end, all) = (first.checked_add(count)?, u64::from(*self.dimensions.first()?));
        if count == 0 || end > all {
            return None;
        }
        let step = self.codes.len() / all as usize;
        let mut dimensions = self.dimensions.clone();
        dimensions[0] = count as u32;
        Some(Self { dimensions, codes: self.codes[first as usize * step..end as usize * step].to_vec() })
    }
}

/// The rows of an array: one an utterance if there is a table; one an index of the outermost dimension if there are three or
/// more dimensions ([N, T, L], [N, H, W]); else the whole array. `file` knows its path and hash.
///
/// # Errors
/// A [`Fault`] about the table.
pub fn entries(file: &ManifestEntry, array: &NpyCodes, table: Option<&str>) -> Result<Vec<ManifestEntry>, Fault> {
    let cut = |first: u64, count: u64| {
        let piece = array.steps(first, count)?;
        Some(ManifestEntry {
            content_sha256: Some(codes_sha256(&piece.dimensions, &piece.codes)),
            dimensions: Some(piece.dimensions),
            frames: Some((first, count)),
            ..file.clone()
        })
    };
    let steps = u64::from(array.dimensions[0]);
    let Some(table) = table else {
        if array.dimensions.len() >= 3 {
            return Ok((0..steps).filter_map(|i| cut(i, 1)).collect());
        }
        return Ok(vec![ManifestEntry { frames: None, ..cut(0, steps).unwrap_or_else(|| file.clone()) }]);
    };
    let mut rows = Vec::new();
    for (number, line) in table.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let fault =
            |why: &str| Fault::new(AnomalyKind::List, format!("line {} of its .tsv: {line:.60?}: {why}", number + 1));
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let &[utterance, first, count] = fields.as_slice() else {
            return Err(fault("expected utterance, first step, steps, separated by tabs"));
        };
        let (Ok(first), Ok(count)) = (first.parse(), count.parse()) else {
            return Err(fault("first step and steps are not whole numbers"));
        };
        let entry =
            cut(first, count).ok_or_else(|| fault(&format!("outside the {steps} steps of the array, or empty")))?;
        let (speaker, chapter) = crate::shape::libri_name(Path::new(utterance)).unzip();
        rows.push(ManifestEntry { utterance: Some(utterance.into()), speaker, chapter, ..entry });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lmcodec_codecs::codes::{ByteOrder, CodeSide, ElementType};

    fn npy(element: ElementType, fortran: bool, shape: &[usize], elements: &[u8]) -> Vec<u8> {
        let side = CodeSide::numpy(element, ByteOrder::Little, fortran, shape);
        [&side.before, elements].concat()
    }

    #[test]
    fn both_orders_and_all_integer_types() {
        let wide: Vec<u8> = [0i64, 1, 2, 3, 4, 70000].iter().flat_map(|v| v.to_le_bytes()).collect();
        let c = read_npy(&npy(ElementType::I64, false, &[2, 3], &wide)).expect("read");
        assert_eq!((c.dimensions.as_slice(), c.codes.as_slice()), (&[2, 3][..], &[0, 1, 2, 3, 4, 70000][..]));
        let f = read_npy(&npy(ElementType::U8, true, &[2, 3], &[0, 3, 1, 4, 2, 5])).expect("read");
        assert_eq!(f.codes, [0, 1, 2, 3, 4, 5]);
        let f = read_npy(&npy(ElementType::I8, true, &[2, 2, 2], &[0, 4, 2, 6, 1, 5, 3, 7])).expect("read");
        assert_eq!(f.codes, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(f.steps(1, 1).expect("there").codes, [4, 5, 6, 7]);
        assert!(f.steps(1, 2).is_none() && f.steps(0, 0).is_none());
    }

    #[test]
    fn faults_name_what_is_wrong() {
        let fault = |bytes: &[u8]| read_npy(bytes).map(|_| ()).expect_err("a fault");
        let negative = fault(&npy(ElementType::I8, false, &[3], &[1, 254, 3]));
        assert!(negative.message.contains("element [1] is -2; codes are 0..4294967296"), "{}", negative.message);
        let mut floats = npy(ElementType::I32, false, &[2], &[0; 8]);
        let letter = floats.windows(3).position(|w| w == b"<i4").expect("the type") + 1;
        floats[letter] = b'f';
        assert!(fault(&floats).message.contains("`<f4`; codes are integers"));
        assert_eq!(fault(&npy(ElementType::U8, false, &[0, 4], &[])).kind, AnomalyKind::Empty);
        assert_eq!(fault(&npy(ElementType::U8, false, &[1; 5], &[0])).kind, AnomalyKind::Size);
        assert_eq!(fault(&npy(ElementType::U8, false, &[1 << 20, 1 << 20], &[0])).kind, AnomalyKind::Size);
        assert_eq!(fault(b"no array").kind, AnomalyKind::Undecodable);
        let whole = npy(ElementType::U16, false, &[100], &[7; 200]);
        for end in 0..whole.len() {
            assert!(read_npy(&whole[..end]).is_err(), "{end}");
        }
        let short = fault(&whole[..whole.len() - 1]);
        assert_eq!(
            (short.kind, short.message.as_str()),
            (AnomalyKind::Truncated, "100 codes of 2 bytes stated, 199 bytes there")
        );
    }

    #[test]
    fn a_table_cuts_utterances() {
        let array = read_npy(&npy(ElementType::U8, false, &[5, 2], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9])).expect("read");
        let file = ManifestEntry::new(Path::new("codes.npy"), "00".into());
        let rows = entries(&file, &array, Some("103-1240-0000\t0\t2\n104-7-0001\t2\t3\n")).expect("rows");
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[1].speaker.as_deref(), rows[1].frames), (Some("104"), Some((2, 3))));
        assert!(entries(&file, &array, Some("103-1240-0000\t4\t2\n")).is_err());
        assert!(entries(&file, &array, Some("103-1240-0000 4 2\n")).is_err());
        assert_eq!(entries(&file, &array, None).expect("rows").len(), 1);
    }
}
