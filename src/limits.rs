//! Bounds on sizes.

use lmcodec_codecs::jpeg;

/// Bounds that are checked before memory is allocated; they hold for encoding and decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bounds of the JPEG part: pixels, coefficients, metadata, scans.
    pub jpeg: jpeg::Limits,
    /// The largest original file, in bytes.
    pub max_original_bytes: u64,
    /// Most codes of a file of codebook indices; each takes two bytes while it is worked on.
    pub max_codes: u64,
    /// Most bytes of keys and values of all threads together, for sequence models and frame heads; fewer threads are used to
    /// stay below.
    pub max_model_bytes: u64,
}

impl Default for Limits {
    /// As [`jpeg::Limits`]; originals of up to 1 GiB, up to 2^28 codes, 8 GiB of keys and values.
    fn default() -> Self {
        Self {
            jpeg: jpeg::Limits::default(),
            max_original_bytes: 1 << 30,
            max_codes: 1 << 28,
            max_model_bytes: 8 << 30,
        }
    }
}

impl Limits {
    /// The default bounds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the largest image, in pixels; no image of that many pixels is turned away for its coefficients.
    #[must_use]
    pub fn max_pixels(mut self, pixels: u64) -> Self {
        self.jpeg.max_pixels = pixels;
        // Four components of two bytes.
        self.jpeg.max_coefficient_bytes = self.jpeg.max_coefficient_bytes.max(pixels.saturating_mul(8));
        self
    }

    /// Sets [`max_original_bytes`](Self::max_original_bytes).
    #[must_use]
    pub fn max_original_bytes(self, bytes: u64) -> Self {
        Self { max_original_bytes: bytes, ..self }
    }

    /// Sets [`max_codes`](Self::max_codes).
    #[must_use]
    pub fn max_codes(self, codes: u64) -> Self {
        Self { max_codes: codes, ..self }
    }

    /// Sets [`max_model_bytes`](Self::max_model_bytes).
    #[must_use]
    pub fn max_model_bytes(self, bytes: u64) -> Self {
        Self { max_model_bytes: bytes, ..self }
    }

    /// The largest coded file, in bytes: twice the largest original, as the longest header is that of an original with nothing
    /// but metadata.
    #[must_use]
    pub fn max_coded_bytes(&self) -> u64 {
        self.max_original_bytes.saturating_mul(2)
    }
}
