//! How a coded file names its model.

use std::fmt;

use sha2::digest::generic_array::GenericArray;

/// The first 16 bytes of the SHA-256 of a model file: how a coded file names its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelId(pub [u8; 16]);

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", GenericArray::from(self.0))
    }
}

/// Longest name of a model in a coded file, in bytes.
pub(crate) const MAX_NAME: usize = 64;

/// How a coded file names a model of one's own: by hash, and by a name for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelReference {
    /// What identifies the model.
    pub id: ModelId,
    /// What it is called; may be empty, at most 64 bytes are kept.
    pub name: String,
}
