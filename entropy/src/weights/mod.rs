//! Embedded models: what `encode` uses with no download. Each has a model card beside its file.
//!
//! A model that ever wrote files stays here for good, so that those files decode in every later version.

use std::sync::LazyLock;

use crate::error::ModelError;
use crate::file_hash::FileHash;
use crate::frame_llama::FrameLlama;

/// A model that is part of the program.
pub struct EmbeddedModel {
    /// Its name in reports, and the effort that uses it.
    pub name: &'static str,
    /// SHA-256 of the model file in hexadecimal.
    pub sha256: &'static str,
    /// The model file (docs/MODEL.md).
    pub bytes: &'static [u8],
    loaded: LazyLock<Result<FrameLlama, String>>,
}

impl EmbeddedModel {
    /// The model, loaded on first use.
    ///
    /// # Errors
    /// [`ModelError::Damaged`] if the bytes no longer have this SHA-256: files that are coded with them could be read by no other
    /// program.
    pub fn get(&'static self) -> Result<&'static FrameLlama, ModelError> {
        self.loaded.as_ref().map_err(|what| ModelError::Damaged(what.clone()))
    }
}

static EMBEDDED: [EmbeddedModel; 3] = [
    EmbeddedModel {
        name: "default",
        sha256: "f4fc6d0cb138d1d48f4e627d05a0c1f604e5f84ea6fb08a48126de83970b731b",
        bytes: include_bytes!("default.safetensors"),
        loaded: LazyLock::new(|| load(&EMBEDDED[0])),
    },
    EmbeddedModel {
        name: "fast",
        sha256: "ad8d0541eaf6fe19f75c9b10122d6a5962afc7ff7bfab561d3368145f867f8f4",
        bytes: include_bytes!("fast.safetensors"),
        loaded: LazyLock::new(|| load(&EMBEDDED[1])),
    },
    EmbeddedModel {
        name: "best",
        sha256: "d0d77770d50f323b2e67df4a396fb744ff83a68fa83da43272c47a13bd52eb47",
        bytes: include_bytes!("best.safetensors"),
        loaded: LazyLock::new(|| load(&EMBEDDED[2])),
    },
];

fn load(model: &EmbeddedModel) -> Result<FrameLlama, String> {
    let llama = FrameLlama::from_bytes(model.bytes).map_err(|error| error.to_string())?;
    let found = FileHash(llama.sha256()).to_string();
    if found == model.sha256 { Ok(llama) } else { Err(format!("its SHA-256 is {found}, not {}", model.sha256)) }
}

/// All embedded models, the default first.
pub fn embedded() -> &'static [EmbeddedModel] {
    &EMBEDDED
}

/// The default model.
pub fn default_model() -> &'static EmbeddedModel {
    &EMBEDDED[0]
}

/// The model of the lowest effort.
pub fn fast_model() -> &'static EmbeddedModel {
    &EMBEDDED[1]
}

/// The model of the highest effort.
pub fn best_model() -> &'static EmbeddedModel {
    &EMBEDDED[2]
}

/// The embedded model whose SHA-256 begins with `prefix`; none for no bytes, which name no model.
pub fn by_sha256(prefix: &[u8]) -> Option<&'static EmbeddedModel> {
    let is = |m: &&EmbeddedModel| m.sha256.parse().is_ok_and(|FileHash(hash)| hash.starts_with(prefix));
    EMBEDDED.iter().find(is).filter(|_| !prefix.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_model_loads_and_fits_its_arrangement() {
        for model in embedded() {
            let llama = model.get().expect("loads");
            crate::segment::check_model(llama).expect("the arrangement of this version");
            let hash = llama.sha256();
            assert_eq!(by_sha256(&hash[..16]).map(|m| m.name), Some(model.name));
        }
        assert!(by_sha256(&[0; 32]).is_none());
        assert!(by_sha256(&[]).is_none(), "no bytes name no model");
    }
}
