//! The SHA-256 of a model file, as text and back.

use std::fmt;
use std::str::FromStr;

/// SHA-256 of a file. Its text is 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileHash(pub [u8; 32]);

/// Text that is no [`FileHash`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no SHA-256: 64 lower-case hexadecimal digits")]
pub struct NoFileHash(pub String);

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for FileHash {
    type Err = NoFileHash;

    fn from_str(text: &str) -> Result<Self, NoFileHash> {
        let fault = || NoFileHash(text.to_owned());
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(fault());
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
            let digits = std::str::from_utf8(digits).map_err(|_| fault())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| fault())?;
        }
        Ok(Self(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let hash = FileHash(std::array::from_fn(|i| (i * 37) as u8));
        let text = hash.to_string();
        assert!(text.starts_with("00254a6f") && text.len() == 64, "{text}");
        assert_eq!(text.parse(), Ok(hash));
        for wrong in ["", "00", &text[1..], &text.to_uppercase(), &format!("{text}0"), &text.replace('0', "é")] {
            assert_eq!(wrong.parse::<FileHash>(), Err(NoFileHash(wrong.to_owned())));
        }
    }
}
