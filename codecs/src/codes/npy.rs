//! The header of a `.npy` file (`numpy.lib.format`, versions 1.0, 2.0 and 3.0): magic, version, length, and a Python
//! dictionary of `descr`, `fortran_order` and `shape`, padded with spaces.

use super::{ByteOrder, CodesError, ElementType, Header, MAX_RANK, foreign};

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// Digits that numpy since 1.23 leaves room for in the dimension that an array grows along.
const GROWTH_DIGITS: usize = 21;
/// Longest dictionary that is read; numpy's own limit for what it evaluates is 10,000.
const MAX_DICTIONARY: usize = 10_000;

/// Finds the elements of a file that begins with [`MAGIC`].
pub(super) fn find(bytes: &[u8]) -> Result<Header, CodesError> {
    let (start, length) = match bytes.get(6..8) {
        Some([1, 0]) => (10, bytes.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])))),
        Some([2 | 3, 0]) => (12, bytes.get(8..12).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)),
        Some([major, minor]) => {
            return Err(CodesError::malformed(6, format!("npy version {major}.{minor}; 1.0, 2.0 and 3.0 are read")));
        }
        _ => return Err(CodesError::malformed(bytes.len(), "the file ends in the npy version")),
    };
    let length = length.ok_or_else(|| CodesError::malformed(bytes.len(), "the file ends in the header's length"))?;
    if length > MAX_DICTIONARY {
        return Err(CodesError::malformed(8, format!("a header of {length} bytes; at most {MAX_DICTIONARY}")));
    }
    let Some(text) = bytes.get(start..start + length) else {
        return Err(CodesError::malformed(bytes.len(), format!("the file ends in the header of {length} bytes")));
    };
    let mut parser = Parser { text, at: 0, base: start };
    let (element, order, fortran, shape) = parser.dictionary().map_err(|error| match error {
        CodesError::Element { found } if found.contains("|O") => foreign::pickled(&bytes[start + length..]),
        error => error,
    })?;
    Ok(Header { element, order, fortran, shape, start: start + length })
}

/// The bytes that numpy writes before the elements: with room to grow (since 1.23) or without.
pub(super) fn canonical(
    element: ElementType,
    order: ByteOrder,
    fortran: bool,
    shape: &[usize],
    growth: bool,
) -> Vec<u8> {
    let mark = match (element.bytes(), order) {
        (1, _) => '|',
        (_, ByteOrder::Little) => '<',
        (_, ByteOrder::Big) => '>',
    };
    let letter = element.name().chars().next().unwrap_or('u');
    let dimensions: Vec<String> = shape.iter().map(usize::to_string).collect();
    let tuple =
        if let [one] = dimensions.as_slice() { format!("({one},)") } else { format!("({})", dimensions.join(", ")) };
    let fortran_order = if fortran { "True" } else { "False" };
    let mut text = format!(
        "{{'descr': '{mark}{letter}{}', 'fortran_order': {fortran_order}, 'shape': {tuple}, }}",
        element.bytes()
    );
    let axis = if fortran { dimensions.last() } else { dimensions.first() };
    if let Some(axis) = axis.filter(|_| growth) {
        text.push_str(&" ".repeat(GROWTH_DIGITS.saturating_sub(axis.len())));
    }
    // Magic, version, length and dictionary with its line feed are a multiple of 64 bytes; at least no space.
    let padding = (64 - (10 + text.len() + 1) % 64) % 64;
    text.push_str(&" ".repeat(padding));
    text.push('\n');
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&[1, 0]);
    header.extend_from_slice(&(text.len() as u16).to_le_bytes());
    header.extend_from_slice(text.as_bytes());
    header
}

type Dictionary = (ElementType, ByteOrder, bool, Vec<usize>);

/// Reads the few Python literals that such a dictionary has.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    base: usize,
}

impl Parser<'_> {
    fn error(&self, what: &str) -> CodesError {
        CodesError::malformed(self.base + self.at, format!("npy header: {what}"))
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), CodesError> {
        if self.take(byte) { Ok(()) } else { Err(self.error(&format!("`{}` is missing", char::from(byte)))) }
    }

    fn string(&mut self) -> Result<String, CodesError> {
        let quote = self.peek().filter(|byte| b"'\"".contains(byte)).ok_or_else(|| self.error("no string here"))?;
        self.at += 1;
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|&byte| byte == quote).ok_or_else(|| self.error("a string without end"))?;
        self.at += length + 1;
        Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
    }

    fn word(&mut self) -> String {
        self.peek();
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_alphanumeric) {
            self.at += 1;
        }
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }

    fn dictionary(&mut self) -> Result<Dictionary, CodesError> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect(b'{')?;
        while !self.take(b'}') {
            let key = self.string()?;
            self.expect(b':')?;
            match key.as_str() {
                "descr" if descr.is_none() => {
                    if self.peek() == Some(b'[') {
                        return Err(CodesError::Element { found: "a structure".into() });
                    }
                    descr = Some(element(&self.string()?)?);
                }
                "fortran_order" if fortran.is_none() => {
                    fortran = Some(match self.word().as_str() {
                        "True" => true,
                        "False" => false,
                        _ => return Err(self.error("fortran_order is neither True nor False")),
                    });
                }
                "shape" if shape.is_none() => shape = Some(self.tuple()?),
                _ => return Err(self.error(&format!("key `{key}` does not belong here"))),
            }
            if !self.take(b',') {
                self.expect(b'}')?;
                break;
            }
        }
        if self.peek().is_some() {
            return Err(self.error("something follows the dictionary"));
        }
        match (descr, fortran, shape) {
            (Some((element, order)), Some(fortran), Some(shape)) => Ok((element, order, fortran, shape)),
            _ => Err(self.error("descr, fortran_order or shape is missing")),
        }
    }

    fn tuple(&mut self) -> Result<Vec<usize>, CodesError> {
        let mut shape = Vec::new();
        self.expect(b'(')?;
        while !self.take(b')') {
            // Python 2 wrote long integers with an L.
            let word = self.word();
            let number = word.strip_suffix('L').unwrap_or(&word).parse();
            shape.push(number.map_err(|_| self.error("a dimension is no number"))?);
            if shape.len() > MAX_RANK {
                return Err(CodesError::Rank { found: shape.len() });
            }
            if !self.take(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(shape)
    }
}

fn element(descr: &str) -> Result<(ElementType, ByteOrder), CodesError> {
    let unknown = || CodesError::Element { found: format!("`{descr}`") };
    let (mark, name) = descr.split_at_checked(1).ok_or_else(unknown)?;
    let (letter, bytes) = name.split_at_checked(1).ok_or_else(unknown)?;
    let size = bytes.parse().ok().filter(|size| [1, 2, 4, 8].contains(size) && bytes.len() == 1);
    let size: usize = size.ok_or_else(unknown)?;
    let name = format!("{letter}{}", 8 * size);
    let element = ElementType::ALL.into_iter().find(|element| element.name() == name).ok_or_else(unknown)?;
    let order = match (mark, size) {
        ("|" | "<" | ">", 1) | ("<", _) => ByteOrder::Little,
        (">", _) => ByteOrder::Big,
        _ => return Err(unknown()),
    };
    Ok((element, order))
}
