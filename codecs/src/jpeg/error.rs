//! What can go wrong while a JPEG file is parsed or rewritten, and how much memory it may take.

use thiserror::Error;

/// Why a JPEG file could not be parsed or rewritten.
///
/// Every variant says what was found; `offset` is a byte offset into the buffer that was
/// being read (the JPEG file for `parse`, the serialized form for
/// `SideInformation::from_bytes`).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JpegError {
    /// The bytes contradict the format: truncated headers, impossible lengths or tables.
    #[error("malformed JPEG data at byte {offset}: {what}")]
    Malformed {
        /// What was found and what was expected.
        what: String,
        /// Byte offset of the finding.
        offset: usize,
    },
    /// A legal (or at least existing) kind of file that is not modelled; the caller stores such
    /// a file verbatim.
    #[error("unsupported JPEG feature at byte {offset}: {what}")]
    Unsupported {
        /// The feature that was found.
        what: String,
        /// Byte offset of the finding.
        offset: usize,
    },
    /// A size that the [`Limits`] do not allow; found before anything of that size is allocated.
    #[error("limit exceeded: {what} is {found}, at most {allowed} is allowed")]
    Limit {
        /// The quantity that is limited.
        what: &'static str,
        /// The value that the file asks for.
        found: u64,
        /// The largest value that is allowed.
        allowed: u64,
    },
    /// An image that was given to `write` (or pixels given to the encoder) that no JPEG
    /// bitstream of the described kind can hold.
    #[error("cannot be coded: {what}")]
    Uncodable {
        /// What does not fit.
        what: String,
    },
}

impl JpegError {
    pub(crate) fn malformed(offset: usize, what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), offset }
    }

    pub(crate) fn unsupported(offset: usize, what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), offset }
    }

    pub(crate) fn uncodable(what: impl Into<String>) -> Self {
        Self::Uncodable { what: what.into() }
    }
}

/// Bounds that are checked before memory is allocated.
///
/// The default admits a 4:2:0 photo of about 350 megapixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Largest `width * height` of the frame header, in pixels.
    pub max_pixels: u64,
    /// Largest total size of the coefficients of all components, in bytes (2 bytes each).
    pub max_coefficient_bytes: u64,
    /// Largest total size of metadata and other bytes kept verbatim, in bytes, after
    /// decompression.
    pub max_side_bytes: u64,
    /// Largest number of scans; bounds the time that a small progressive file can take.
    pub max_scans: u32,
    /// Largest number of marker segments, runs of other bytes, and tables in DQT and DHT segments.
    pub max_segments: u32,
    /// A file of `n` bytes may ask for at most `n` times this number of coefficient bytes, plus
    /// 16 MiB. A coded block takes at least one bit, so whole files stay below 1024.
    pub max_coefficient_bytes_per_file_byte: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pixels: 1 << 29,
            max_coefficient_bytes: 1 << 30,
            max_side_bytes: 1 << 28,
            max_scans: 500,
            max_segments: 1 << 16,
            max_coefficient_bytes_per_file_byte: 4096,
        }
    }
}

impl Limits {
    pub(crate) fn check(what: &'static str, found: u64, allowed: u64) -> Result<(), JpegError> {
        if found > allowed {
            return Err(JpegError::Limit { what, found, allowed });
        }
        Ok(())
    }
}
