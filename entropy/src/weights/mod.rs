//! Embedded models: what `encode` uses with no download. Each has a model card beside its file.
//!
//! A model that ever wrote files stays here for good, so that those files decode in every later version.

use std::sync::LazyLock;

use crate::llama::FrameLlama;

/// A model that is part of the program.
pub struct EmbeddedModel {
    /// Its name in reports.
    pub name: &'static str,
    /// The model file (docs/MODEL.md).
    pub bytes: &'static [u8],
    loaded: LazyLock<FrameLlama>,
}

impl EmbeddedModel {
    /// The model, loaded on first use.
    ///
    /// # Panics
    /// Never in a released version: a test loads every embedded model.
    pub fn get(&'static self) -> &'static FrameLlama {
        &self.loaded
    }
}

static EMBEDDED: [EmbeddedModel; 1] = [EmbeddedModel {
    name: "default",
    bytes: include_bytes!("default.safetensors"),
    loaded: LazyLock::new(|| load(EMBEDDED[0].bytes)),
}];

fn load(bytes: &[u8]) -> FrameLlama {
    FrameLlama::from_bytes(bytes).expect("embedded models are valid")
}

/// All embedded models, the default first.
pub fn embedded() -> &'static [EmbeddedModel] {
    &EMBEDDED
}

/// The default model.
pub fn default_model() -> &'static EmbeddedModel {
    &EMBEDDED[0]
}

/// The embedded model whose SHA-256 begins with `prefix`.
pub fn by_sha256(prefix: &[u8]) -> Option<&'static EmbeddedModel> {
    EMBEDDED.iter().find(|m| m.get().sha256().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_model_loads_and_fits_its_arrangement() {
        for model in embedded() {
            crate::segment::check_model(model.get()).expect("the arrangement of this version");
            let hash = model.get().sha256();
            assert_eq!(by_sha256(&hash[..16]).map(|m| m.name), Some(model.name));
        }
        assert!(by_sha256(&[0; 32]).is_none());
    }
}
