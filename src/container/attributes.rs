//! What a file system says of an original, kept in the header so that decoding can give it back.

use lmcodec_codecs::varint::put_varint;

use super::reader::{HeaderReader, length};
use crate::error::Error;

/// Name, dates and rights of the original file, each where it is known. They change nothing of what is decoded.
///
/// ```
/// # fn main() -> Result<(), lmcodec::Error> {
/// use lmcodec::{EncodeOptions, FileAttributes};
///
/// let mut attributes = FileAttributes::default();
/// attributes.name = Some(b"IMG_0001.JPG".to_vec());
/// let coded = lmcodec::store(b"bytes", "an example", &EncodeOptions::new().attributes(attributes.clone()))?.bytes;
/// assert_eq!(lmcodec::attributes(&coded)?, attributes);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FileAttributes {
    /// The file's name without its folder, as the system has it: bytes on Unix, WTF-8 elsewhere. Not empty. What a file says
    /// is whatever its writer put there: see [`file_name`](Self::file_name).
    pub name: Option<Vec<u8>>,
    /// When the content changed last: seconds since 1970-01-01 00:00 UTC, and nanoseconds after that, below 10^9.
    pub modified: Option<(i64, u32)>,
    /// Permission bits, 0..=0o7777 (POSIX `st_mode`).
    pub mode: Option<u32>,
    /// User and group, by number.
    pub owner: Option<(u32, u32)>,
    /// Extended attributes: names and values.
    pub extended: Vec<(Vec<u8>, Vec<u8>)>,
}

const NAME: u64 = 1;
const MODIFIED: u64 = 2;
const MODE: u64 = 4;
const OWNER: u64 = 8;
const EXTENDED: u64 = 16;

impl FileAttributes {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The name, if it names a file in a folder and nothing else: not `.` or `..`, no separator of any system, no NUL.
    #[must_use]
    pub fn file_name(&self) -> Option<&[u8]> {
        let name = self.name.as_deref()?;
        let plain = !matches!(name, b"" | b"." | b"..") && !name.iter().any(|byte| b"/\\\0".contains(byte));
        (plain && name.len() <= 255).then_some(name)
    }

    /// The block's bytes without its length.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let flag = |set: bool, flag: u64| if set { flag } else { 0 };
        let flags = flag(self.name.is_some(), NAME)
            | flag(self.modified.is_some(), MODIFIED)
            | flag(self.mode.is_some(), MODE)
            | flag(self.owner.is_some(), OWNER)
            | flag(!self.extended.is_empty(), EXTENDED);
        put_varint(&mut out, flags);
        if let Some(name) = &self.name {
            put_bytes(&mut out, name);
        }
        if let Some((seconds, nanoseconds)) = self.modified {
            put_varint(&mut out, zigzag(seconds));
            put_varint(&mut out, u64::from(nanoseconds));
        }
        if let Some(mode) = self.mode {
            put_varint(&mut out, u64::from(mode));
        }
        if let Some((user, group)) = self.owner {
            put_varint(&mut out, u64::from(user));
            put_varint(&mut out, u64::from(group));
        }
        if !self.extended.is_empty() {
            put_varint(&mut out, self.extended.len() as u64);
            for (name, value) in &self.extended {
                put_bytes(&mut out, name);
                put_bytes(&mut out, value);
            }
        }
        out
    }

    /// Appends the block with its length.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.to_bytes());
    }

    /// Reads the block and its length. What a later version may have put at its end is passed over.
    pub(super) fn read(reader: &mut HeaderReader<'_>) -> Result<Self, Error> {
        let size = length(reader, "the attributes' length")?;
        let mut block = reader.part(size, "the attributes")?;
        let mut found = Self::default();
        let flags = block.varint("the attributes' flags")?;
        if flags & NAME != 0 {
            found.name = Some(bytes(&mut block, "the file's name")?);
        }
        if flags & MODIFIED != 0 {
            let seconds = unzigzag(block.varint("the date's seconds")?);
            let nanoseconds = number(&mut block, "the date's nanoseconds", 999_999_999)?;
            found.modified = Some((seconds, nanoseconds));
        }
        if flags & MODE != 0 {
            found.mode = Some(number(&mut block, "the permission bits", 0o7777)?);
        }
        if flags & OWNER != 0 {
            found.owner = Some((number(&mut block, "the user", u32::MAX)?, number(&mut block, "the group", u32::MAX)?));
        }
        if flags & EXTENDED != 0 {
            for _ in 0..length(&mut block, "the number of extended attributes")? {
                let name = bytes(&mut block, "an extended attribute's name")?;
                found.extended.push((name, bytes(&mut block, "an extended attribute's value")?));
            }
        }
        Ok(found)
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn bytes(reader: &mut HeaderReader<'_>, what: &str) -> Result<Vec<u8>, Error> {
    let size = length(reader, what)?;
    Ok(reader.take(size, what)?.to_vec())
}

fn number(reader: &mut HeaderReader<'_>, what: &str, most: u32) -> Result<u32, Error> {
    let start = reader.offset();
    let found = reader.varint(what)?;
    let fits = u32::try_from(found).ok().filter(|&number| number <= most);
    fits.ok_or_else(|| Error::malformed(start, format!("{what}: {found}, at most {most} is possible")))
}

/// Seconds within ±2^62, beyond which no file system goes, as a number of 63 bits.
fn zigzag(seconds: i64) -> u64 {
    let seconds = seconds.clamp(-(1 << 62), (1 << 62) - 1);
    ((seconds << 1) ^ (seconds >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_attributes_cost_some_thirty_bytes() {
        let attributes = FileAttributes {
            name: Some(b"IMG_0001.JPG".to_vec()),
            modified: Some((1_383_300_000, 123_456_789)),
            mode: Some(0o644),
            ..FileAttributes::default()
        };
        let mut out = Vec::new();
        attributes.put(&mut out);
        assert_eq!(out.len(), 26);
        assert_eq!(FileAttributes::read(&mut HeaderReader::new(&out)).expect("reads"), attributes);
        // What a later version adds.
        out[0] += 3;
        out[1] |= 64;
        out.extend_from_slice(b"new");
        assert_eq!(FileAttributes::read(&mut HeaderReader::new(&out)).expect("reads"), attributes);
    }

    #[test]
    fn only_plain_names_are_file_names() {
        let named = |name: &[u8]| FileAttributes { name: Some(name.to_vec()), ..FileAttributes::default() };
        for name in [&b""[..], b".", b"..", b"../x", b"/etc/passwd", b"a\\b", b"a\0", &[b'x'; 256]] {
            assert_eq!(named(name).file_name(), None);
        }
        for name in [&b"IMG.JPG"[..], b"bad\xff.jpg", b"...", b" ", &[b'x'; 255]] {
            assert_eq!(named(name).file_name(), Some(name));
        }
    }

    proptest! {
        #[test]
        fn all_attributes_come_back(
            name in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
            modified in proptest::option::of((-(1i64 << 62)..1 << 62, 0..1_000_000_000u32)),
            mode in proptest::option::of(0..0o10000u32),
            owner in proptest::option::of(any::<(u32, u32)>()),
            extended in proptest::collection::vec(any::<(Vec<u8>, Vec<u8>)>(), 0..4),
        ) {
            let attributes = FileAttributes { name, modified, mode, owner, extended };
            let mut out = Vec::new();
            attributes.put(&mut out);
            let mut reader = HeaderReader::new(&out);
            prop_assert_eq!(FileAttributes::read(&mut reader).expect("reads"), attributes);
            prop_assert_eq!(reader.offset(), out.len());
            for end in 0..out.len() {
                prop_assert!(FileAttributes::read(&mut HeaderReader::new(&out[..end])).is_err());
            }
        }

        #[test]
        fn arbitrary_blocks_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = FileAttributes::read(&mut HeaderReader::new(&bytes));
        }
    }
}
