//! The members of a ZIP file (PKWARE APPNOTE 6.3) that lie in it as they are: what a `.npz` file is made of.

/// First bytes of a member.
const LOCAL: &[u8] = b"PK\x03\x04";
const ENTRY: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
/// Bytes of the fixed part of each.
const LOCAL_BYTES: usize = 30;
const ENTRY_BYTES: usize = 46;
const END_BYTES: usize = 22;
/// Longest comment at the end of a file.
const MAX_COMMENT: usize = 0xFFFF;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    /// Offset of its bytes; none if they are compressed or encrypted.
    pub(super) start: Option<usize>,
    /// Bytes, as they lie in the file.
    pub(super) length: usize,
}

/// Whether some bytes begin as a ZIP file does.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    bytes.starts_with(LOCAL) || bytes.starts_with(END)
}

/// The members, in the order of the central directory; none if there is no such directory.
pub(super) fn members(bytes: &[u8]) -> Option<Vec<Member>> {
    let last = bytes.len().checked_sub(END_BYTES)?;
    let end = (last.saturating_sub(MAX_COMMENT)..=last).rev().find(|&at| bytes[at..].starts_with(END))?;
    let mut at = number(bytes, end + 16, 4)?;
    let mut members = Vec::new();
    for _ in 0..number(bytes, end + 10, 2)? {
        bytes.get(at..)?.starts_with(ENTRY).then_some(())?;
        let field = |offset, length| number(bytes, at + offset, length);
        let (flags, method, length) = (field(8, 2)?, field(10, 2)?, field(20, 4)?);
        let (name, extra, comment) = (field(28, 2)?, field(30, 2)?, field(32, 2)?);
        let start = data(bytes, field(42, 4)?, length).filter(|_| method == 0 && flags & 1 == 0);
        let from = at + ENTRY_BYTES;
        let name = bytes.get(from..from + name)?;
        at = from + name.len() + extra + comment;
        members.push(Member { name: String::from_utf8_lossy(name).into_owned(), start, length });
    }
    Some(members)
}

/// Where the bytes of the member at some offset begin.
fn data(bytes: &[u8], local: usize, length: usize) -> Option<usize> {
    bytes.get(local..)?.starts_with(LOCAL).then_some(())?;
    let start = local + LOCAL_BYTES + number(bytes, local + 26, 2)? + number(bytes, local + 28, 2)?;
    (start.checked_add(length)? <= bytes.len()).then_some(start)
}

/// A little-endian number of some bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
}
