//! What the output of an earlier run is: the same work done already, that of another file, or something else.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

use lmcodec::Limits;
use lmcodec::container::{Checksum, Content, Header};
use lmcodec::jpeg::SideInformation;

use super::files::Source;
use super::names::os_name;
use super::preserve::since_epoch;

/// Bytes that hold nearly every header; longer ones are read whole.
const USUAL_HEADER: u64 = 1 << 16;

/// The header of a coded file, if it is one and has a whole header.
pub(crate) fn header(path: &Path) -> Option<Header> {
    head(path).map(|head| head.0)
}

/// The header of a coded file, and the file's first bytes, all of the header among them.
pub(crate) fn head(path: &Path) -> Option<(Header, Vec<u8>)> {
    let mut file = open(path)?;
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(USUAL_HEADER).read_to_end(&mut bytes).ok()?;
    if let Ok((header, _)) = Header::read(&bytes) {
        return Some((header, bytes));
    }
    if bytes.len() as u64 == USUAL_HEADER && bytes.starts_with(&lmcodec::sniff::MAGIC) {
        file.read_to_end(&mut bytes).ok()?;
        return Header::read(&bytes).ok().map(|found| (found.0, bytes));
    }
    None
}

/// A regular file: what is read from a pipe to look at it is gone.
fn open(path: &Path) -> Option<File> {
    std::fs::metadata(path).ok().filter(Metadata::is_file)?;
    File::open(path).ok()
}

/// The name of the file that a coded file was made of.
pub(crate) fn owner(path: &Path) -> Option<OsString> {
    os_name(&header(path)?.attributes)
}

/// Whether a coded file says that it was made of this very file: size and date, or else size and checksum.
pub(crate) fn is_of(header: &Header, original: &Path, metadata: &Metadata) -> bool {
    if header.original_length != metadata.len() {
        return false;
    }
    let dated =
        header.attributes.modified.is_some() && header.attributes.modified == metadata.modified().ok().map(since_epoch);
    dated || std::fs::read(original).is_ok_and(|bytes| Checksum::of(&bytes) == header.original_checksum)
}

/// Whether two paths are names of one file.
pub(crate) fn is_same(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |path: &Path| std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        id(a).is_some() && id(a) == id(b)
    }
    #[cfg(not(unix))]
    std::fs::canonicalize(a).ok().is_some_and(|a| std::fs::canonicalize(b).ok() == Some(a))
}

/// The pixels of a JPEG file or a coded one, from its first bytes.
pub(crate) fn pixels(source: &Source) -> Option<u64> {
    let Source::File(path) = source else { return None };
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("ljpg")) {
        let side = match header(path)?.content {
            Content::Jpeg(content) => content.side,
            Content::SequenceJpeg(content) => content.side,
            _ => return None,
        };
        let frame = SideInformation::from_bytes(&side, &Limits::default().jpeg).ok()?.frame;
        return Some(u64::from(frame.width) * u64::from(frame.height));
    }
    let mut bytes = Vec::new();
    open(path)?.take(USUAL_HEADER).read_to_end(&mut bytes).ok()?;
    lmcodec::sniff::jpeg_size(&bytes).map(|(width, height)| u64::from(width) * u64::from(height))
}
