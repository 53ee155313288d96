//! `.npy` arrays of integer codes (VQ indices, RVQ codes), and the tables that cut them into utterances.

use std::path::Path;

use npyz::{DType, NpyFile, NpyHeader, Order, TypeChar};

use crate::digest::codes_sha256;
use crate::manifest::ManifestEntry;
use crate::survey::{AnomalyKind, Fault};

/// Arrays of more codes are refused before memory is allocated.
pub const MAX_CODES: u64 = 1 << 28;

/// An array of codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeArray {
    /// Its dimensions, outermost first.
    pub dimensions: Vec<u32>,
    /// The codes in C order.
    pub codes: Vec<u32>,
}

/// Reads a `.npy` file of 1 to 4 dimensions and any integer type; every code must lie in 0..2^32.
///
/// # Errors
/// A [`Fault`] that says what is wrong with the file.
pub fn read_npy(bytes: &[u8]) -> Result<CodeArray, Fault> {
    let undecodable = |message: String| Fault::new(AnomalyKind::Undecodable, message);
    if bytes.is_empty() {
        return Err(Fault::new(AnomalyKind::Empty, "the file has no bytes"));
    }
    let mut data = bytes;
    let header = NpyHeader::from_reader(&mut data).map_err(|e| undecodable(format!("no npy file: {e}")))?;
    let bytes = data;
    let file = NpyFile::with_header(header, bytes);
    let (shape, order, dtype) = (file.shape().to_vec(), file.order(), file.dtype());
    let total = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).unwrap_or(u64::MAX);
    if total == 0 {
        return Err(Fault::new(AnomalyKind::Empty, format!("an array of shape {shape:?} holds no codes")));
    }
    if total > MAX_CODES || !(1..=4).contains(&shape.len()) {
        let message = format!("an array of shape {shape:?}; 1 to 4 dimensions and {MAX_CODES} codes are allowed");
        return Err(Fault::new(AnomalyKind::Size, message));
    }
    let DType::Plain(kind) = &dtype else { return Err(undecodable(format!("element type {}", dtype.descr()))) };
    let (TypeChar::Int | TypeChar::Uint, Some(width)) = (kind.type_char(), kind.num_bytes()) else {
        return Err(undecodable(format!("element type {}; integers are expected", dtype.descr())));
    };
    if total.saturating_mul(width as u64) > bytes.len() as u64 {
        let message = format!("{total} codes of {width} bytes stated, {} bytes there", bytes.len());
        return Err(Fault::new(AnomalyKind::Truncated, message));
    }
    let values: Result<Vec<i128>, std::io::Error> = match (kind.type_char(), width) {
        (TypeChar::Int, 1) => file.into_vec::<i8>().map(wide),
        (TypeChar::Int, 2) => file.into_vec::<i16>().map(wide),
        (TypeChar::Int, 4) => file.into_vec::<i32>().map(wide),
        (TypeChar::Int, 8) => file.into_vec::<i64>().map(wide),
        (_, 1) => file.into_vec::<u8>().map(wide),
        (_, 2) => file.into_vec::<u16>().map(wide),
        (_, 4) => file.into_vec::<u32>().map(wide),
        _ => file.into_vec::<u64>().map(wide),
    };
    let values = values.map_err(|e| undecodable(e.to_string()))?;
    let mut codes = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        let message = || undecodable(format!("code {value} at element {index}; 0 to {} are allowed", u32::MAX));
        codes.push(u32::try_from(value).map_err(|_| message())?);
    }
    let dimensions: Vec<u32> = shape.iter().map(|&d| d as u32).collect();
    if order == Order::Fortran {
        codes = from_fortran(&dimensions, &codes);
    }
    Ok(CodeArray { dimensions, codes })
}

fn wide<T: Into<i128>>(values: Vec<T>) -> Vec<i128> {
    values.into_iter().map(Into::into).collect()
}

fn from_fortran(dimensions: &[u32], codes: &[u32]) -> Vec<u32> {
    (0..codes.len())
        .map(|mut c| {
            // Index in C order → digits, innermost first → index in Fortran order.
            let mut digits = vec![0usize; dimensions.len()];
            for (digit, &d) in digits.iter_mut().zip(dimensions).rev() {
                *digit = c % d as usize;
                c /= d as usize;
            }
            let mut stride = 1;
            let at = digits.iter().zip(dimensions).fold(0, |at, (digit, &d)| {
                let here = at + digit * stride;
                stride *= d as usize;
                here
            });
            codes[at]
        })
        .collect()
}

impl CodeArray {
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
pub fn entries(file: &ManifestEntry, array: &CodeArray, table: Option<&str>) -> Result<Vec<ManifestEntry>, Fault> {
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
    use npyz::WriterBuilder;

    fn npy<T: npyz::Serialize + npyz::AutoSerialize + Copy>(shape: &[u64], order: Order, data: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(shape)
            .order(order)
            .writer(&mut bytes)
            .begin_nd()
            .expect("header");
        writer.extend(data.iter().copied()).expect("data");
        writer.finish().expect("written");
        bytes
    }

    #[test]
    fn both_orders_and_all_integer_types() {
        let c = read_npy(&npy(&[2, 3], Order::C, &[0i64, 1, 2, 3, 4, 70000])).expect("read");
        assert_eq!((c.dimensions.as_slice(), c.codes.as_slice()), (&[2, 3][..], &[0, 1, 2, 3, 4, 70000][..]));
        let f = read_npy(&npy(&[2, 3], Order::Fortran, &[0u8, 3, 1, 4, 2, 5])).expect("read");
        assert_eq!(f.codes, [0, 1, 2, 3, 4, 5]);
        let f = read_npy(&npy(&[2, 2, 2], Order::Fortran, &[0i16, 4, 2, 6, 1, 5, 3, 7])).expect("read");
        assert_eq!(f.codes, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(f.steps(1, 1).expect("there").codes, [4, 5, 6, 7]);
        assert!(f.steps(1, 2).is_none() && f.steps(0, 0).is_none());
    }

    #[test]
    fn faults_name_what_is_wrong() {
        let message = |bytes: Vec<u8>| read_npy(&bytes).map(|_| ()).map_err(|f| f.message).expect_err("a fault");
        assert!(message(npy(&[3], Order::C, &[1i32, -2, 3])).contains("code -2 at element 1"));
        assert!(message(npy(&[2], Order::C, &[1f32, 2.0])).contains("integers are expected"));
        assert!(message(npy::<u8>(&[0, 4], Order::C, &[])).contains("no codes"));
        let whole = npy(&[100], Order::C, &[7u16; 100]);
        for end in 0..whole.len() {
            assert!(read_npy(&whole[..end]).is_err(), "{end}");
        }
        assert!(message(whole[..whole.len() - 1].to_vec()).contains("100 codes of 2 bytes stated"));
    }

    #[test]
    fn a_table_cuts_utterances() {
        let array = read_npy(&npy(&[5, 2], Order::C, &[0u8, 1, 2, 3, 4, 5, 6, 7, 8, 9])).expect("read");
        let file = ManifestEntry::new(Path::new("codes.npy"), "00".into());
        let rows = entries(&file, &array, Some("103-1240-0000\t0\t2\n104-7-0001\t2\t3\n")).expect("rows");
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[1].speaker.as_deref(), rows[1].frames), (Some("104"), Some((2, 3))));
        assert!(entries(&file, &array, Some("103-1240-0000\t4\t2\n")).is_err());
        assert!(entries(&file, &array, Some("103-1240-0000 4 2\n")).is_err());
        assert_eq!(entries(&file, &array, None).expect("rows").len(), 1);
    }
}
