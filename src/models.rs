//! The models that files are coded with: embedded ones, and others given by path or bytes, found by their SHA-256.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use lmcodec_entropy::llama::FrameLlama;
use lmcodec_entropy::segment::check_model;
use lmcodec_entropy::weights::{self, EmbeddedModel};

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
    weights: Weights,
}

#[derive(Debug)]
enum Weights {
    Embedded(&'static FrameLlama),
    Loaded(Box<FrameLlama>),
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
        Ok(Self { name, weights: Weights::Loaded(Box::new(llama)) })
    }

    fn embedded(model: &'static EmbeddedModel) -> Arc<Self> {
        Arc::new(Self { name: model.name.into(), weights: Weights::Embedded(model.get()) })
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
        match &self.weights {
            Weights::Embedded(llama) => llama,
            Weights::Loaded(llama) => llama,
        }
    }

    /// What files coded with this model carry.
    pub fn id(&self) -> ModelId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.llama().sha256()[..16]);
        ModelId(id)
    }

    /// SHA-256 of the model file in hexadecimal.
    pub fn sha256(&self) -> String {
        self.llama().sha256().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The embedded model that [`encode`](crate::encode()) uses unless told otherwise; loaded at the first call.
pub fn default_model() -> Arc<Model> {
    Model::embedded(weights::default_model())
}

/// The models that a decoder may use: the embedded ones, and any that were added.
#[derive(Debug, Clone, Default)]
pub struct ModelRegistry {
    added: Vec<Arc<Model>>,
}

impl ModelRegistry {
    /// Only the embedded models.
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
        if let Some(model) = weights::by_sha256(&id.0) {
            return Ok(Model::embedded(model));
        }
        let embedded = weights::embedded().iter().map(Model::embedded);
        let looked_in = self
            .added
            .iter()
            .cloned()
            .chain(embedded)
            .map(|model| format!("{} ({}…)", model.name, model.id()))
            .collect();
        Err(Error::UnknownModel { id, looked_in })
    }
}
