//! The models that files are coded with: the embedded one, and others given by path or bytes, found by their SHA-256.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use lmcodec_entropy::llama::FrameLlama;
use lmcodec_entropy::segment::check_model;

use crate::error::Error;

/// The first 16 bytes of the SHA-256 of a model file: how a coded file names its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelId(pub [u8; 16]);

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A model with the name that messages and reports call it by.
#[derive(Debug)]
pub struct Model {
    name: String,
    llama: FrameLlama,
}

impl Model {
    /// Loads a model file.
    ///
    /// # Errors
    /// [`Error::Model`] if the bytes are no model for the DCT arrangement.
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8]) -> Result<Self, Error> {
        let name = name.into();
        let fault = |source| Error::Model { name: name.clone(), source };
        let llama = FrameLlama::from_bytes(bytes).map_err(fault)?;
        check_model(&llama).map_err(fault)?;
        Ok(Self { name, llama })
    }

    /// Loads a model from a file and calls it by the file's stem.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Model`].
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|source| Error::Io { path: path.into(), source })?;
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        Self::from_bytes(name, &bytes)
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The weights.
    pub fn llama(&self) -> &FrameLlama {
        &self.llama
    }

    /// What files coded with this model carry.
    pub fn id(&self) -> ModelId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.llama.sha256()[..16]);
        ModelId(id)
    }

    /// SHA-256 of the model file in hexadecimal.
    pub fn sha256(&self) -> String {
        self.llama.sha256().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The name of the embedded model.
pub const DEFAULT_MODEL: &str = "default";

static DEFAULT: LazyLock<Result<Arc<Model>, String>> = LazyLock::new(|| {
    Model::from_bytes(DEFAULT_MODEL, &default_bytes()).map(Arc::new).map_err(|error| error.to_string())
});

/// The embedded model; loaded at the first call.
///
/// # Errors
/// [`Error::Option`] if this build embeds a damaged model.
pub fn default_model() -> Result<Arc<Model>, Error> {
    DEFAULT.clone().map_err(|message| Error::Option(format!("the embedded model cannot be loaded: {message}")))
}

/// Placeholder until a trained model is embedded: random weights, which round-trip but do not compress.
fn default_bytes() -> Vec<u8> {
    use lmcodec_entropy::arrangement::{DCT_ARRANGEMENT, features};
    use lmcodec_entropy::llama::testing::{random_model, small_config};
    let mut config = small_config();
    config.features = features::BACKBONE_FEATURES;
    config.depth_features = features::STEP_FEATURES;
    config.dc_features = features::DC_FEATURES;
    config.arrangement = DCT_ARRANGEMENT.into();
    random_model(&config, 1)
}

/// The models that a decoder may use: the embedded one, and any that were added.
#[derive(Debug, Clone, Default)]
pub struct ModelRegistry {
    added: Vec<Arc<Model>>,
}

impl ModelRegistry {
    /// Only the embedded model.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a model.
    pub fn add(&mut self, model: Arc<Model>) {
        self.added.push(model);
    }

    /// Adds a model file.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Model`].
    pub fn add_file(&mut self, path: &Path) -> Result<Arc<Model>, Error> {
        let model = Arc::new(Model::from_file(path)?);
        self.add(Arc::clone(&model));
        Ok(model)
    }

    /// The model that a file names.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], with the models that were looked at.
    pub fn find(&self, id: ModelId) -> Result<Arc<Model>, Error> {
        if let Some(model) = self.added.iter().find(|model| model.id() == id) {
            return Ok(Arc::clone(model));
        }
        let default = default_model()?;
        if default.id() == id {
            return Ok(default);
        }
        let looked_in =
            self.added.iter().chain([&default]).map(|model| format!("{} ({}…)", model.name, model.id())).collect();
        Err(Error::UnknownModel { id, looked_in })
    }
}
