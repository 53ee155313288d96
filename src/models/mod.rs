//! The models that files are coded with: embedded ones, others given by path or bytes, and those in the model folders,
//! found by their SHA-256.
//!
//! A model is a frame Llama (one file), frame heads (embedding and heads for VQ or RVQ codes, on a frame Llama's blocks) or a
//! sequence Llama (a head set, and the backbone that it names); `arch` in the file's metadata says which.

pub mod folders;
mod kind;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lmcodec_entropy::arrangement::flat::FlatArrangement;
use lmcodec_entropy::chunks::arrangement_of;
use lmcodec_entropy::code_heads::CodeHeads;
use lmcodec_entropy::frame_llama::FrameLlama;
use lmcodec_entropy::segment::check_model;
use lmcodec_entropy::sequence_llama::SequenceLlama;
use lmcodec_entropy::weights::{self, EmbeddedModel};
use sha2::digest::generic_array::GenericArray;

use crate::error::Error;
use crate::model_id::{MAX_NAME, ModelId, ModelReference};
pub use kind::{ModelKind, kind_of};

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
    FrameHeads(Box<CodeHeads>),
    Sequence(Box<SequenceModel>),
}

/// A sequence Llama and the arrangement that its head set was trained for. (No part of the library's interface.)
#[doc(hidden)]
#[derive(Debug)]
pub struct SequenceModel {
    /// Backbone and heads.
    pub llama: SequenceLlama,
    /// How latents become chunks of symbols.
    pub arrangement: FlatArrangement,
}

impl Model {
    /// Loads a frame Llama.
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

    /// Loads frame heads. The frame Llama whose blocks they run on is `backbone` or an embedded model; heads that hold their
    /// blocks need none.
    ///
    /// # Errors
    /// [`Error::Model`] if the bytes are no frame heads, or their backbone is not at hand or none.
    pub fn from_frame_heads(name: impl Into<String>, bytes: &[u8], backbone: Option<&[u8]>) -> Result<Self, Error> {
        let name = name.into();
        let fault = |source| Error::Model { name: name.clone(), source };
        let backbone = backbone.map(FrameLlama::from_bytes).transpose().map_err(fault)?;
        let heads = CodeHeads::from_bytes(bytes, backbone.as_ref().as_slice()).map_err(fault)?;
        Ok(Self { name, weights: Weights::FrameHeads(Box::new(heads)) })
    }

    /// Loads a sequence Llama from its integer backbone and head set.
    ///
    /// # Errors
    /// [`Error::Model`] or [`Error::Arrangement`].
    pub fn from_sequence(name: impl Into<String>, backbone: &[u8], heads: &[u8]) -> Result<Self, Error> {
        let name = name.into();
        let llama =
            SequenceLlama::from_bytes(backbone, heads).map_err(|source| Error::Model { name: name.clone(), source })?;
        let arrangement = arrangement_of(&llama).map_err(|source| Error::Arrangement { name: name.clone(), source })?;
        Ok(Self { name, weights: Weights::Sequence(Box::new(SequenceModel { llama, arrangement })) })
    }

    pub(crate) fn embedded(model: &'static EmbeddedModel) -> Result<Arc<Self>, Error> {
        let llama = model.get().map_err(|source| Error::Model { name: model.name.into(), source })?;
        Ok(Arc::new(Self { name: model.name.into(), weights: Weights::Embedded(llama) }))
    }

    /// Loads a model from a file and calls it by the file's stem. The backbone of a head set is looked for beside it and
    /// in the `folders`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Model`], [`Error::MissingBackbone`].
    pub fn from_file_in(path: &Path, folders: &[PathBuf]) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|source| Error::Io { path: path.into(), source })?;
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        match kind_of(&bytes) {
            Some(ModelKind::SequenceHeads { backbone_sha256 }) => {
                let beside = path.parent().map(Path::to_path_buf).unwrap_or_default();
                let wanted = (backbone_sha256.as_str(), &ModelKind::SequenceBackbone);
                let backbone = folders::find_backbone(wanted, &name, &beside, folders)?;
                Self::from_sequence(name, &backbone, &bytes)
            }
            Some(ModelKind::FrameHeads { backbone_sha256: Some(sha256) }) if !is_embedded(&sha256) => {
                let beside = path.parent().map(Path::to_path_buf).unwrap_or_default();
                let backbone = folders::find_backbone((&sha256, &ModelKind::Frame), &name, &beside, folders)?;
                Self::from_frame_heads(name, &bytes, Some(&backbone))
            }
            Some(ModelKind::FrameHeads { .. }) => Self::from_frame_heads(name, &bytes, None),
            Some(ModelKind::SequenceBackbone) => Err(Error::InvalidOption(format!(
                "{} is a backbone; name the head set that goes with it as the model",
                path.display()
            ))),
            _ => Self::from_bytes(name, &bytes),
        }
    }

    /// Loads the model that a user means: a file, or a model of the `folders` by its name or the beginning of its hash
    /// ([`folders::resolve`]).
    ///
    /// # Errors
    /// As there, and as [`from_file_in`](Self::from_file_in).
    pub fn named(name: &Path, folders: &[PathBuf]) -> Result<Self, Error> {
        Self::from_file_in(&folders::resolve(name, folders)?, folders)
    }

    /// [`from_file_in`](Self::from_file_in) without folders.
    ///
    /// # Errors
    /// As there.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        Self::from_file_in(path, &[])
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The frame Llama, if it is one.
    fn frame(&self) -> Option<&FrameLlama> {
        match &self.weights {
            Weights::Embedded(llama) => Some(llama),
            Weights::Loaded(llama) => Some(llama),
            _ => None,
        }
    }

    /// The frame Llama, or an error that says what the model is instead.
    pub(crate) fn need_frame(&self) -> Result<&FrameLlama, Error> {
        self.frame().ok_or_else(|| self.not_a("a frame model for JPEG files"))
    }

    /// The sequence Llama, if it is one. (For `lmcodec eval sequence`; no part of the library's interface.)
    #[doc(hidden)]
    pub fn sequence(&self) -> Option<&SequenceModel> {
        match &self.weights {
            Weights::Sequence(model) => Some(model),
            _ => None,
        }
    }

    pub(crate) fn need_sequence(&self) -> Result<&SequenceModel, Error> {
        self.sequence().ok_or_else(|| self.not_a("a sequence model"))
    }

    /// The frame heads, if it is some.
    pub(crate) fn frame_heads(&self) -> Option<&CodeHeads> {
        match &self.weights {
            Weights::FrameHeads(heads) => Some(heads),
            _ => None,
        }
    }

    pub(crate) fn need_frame_heads(&self) -> Result<&CodeHeads, Error> {
        self.frame_heads().ok_or_else(|| self.not_a("frame heads"))
    }

    fn not_a(&self, needed: &str) -> Error {
        let kind = match &self.weights {
            Weights::Embedded(_) | Weights::Loaded(_) => "a frame model for JPEG files",
            Weights::FrameHeads(_) => "frame heads for codebook indices",
            Weights::Sequence(_) => "a sequence model",
        };
        Error::InvalidOption(format!("model {} is {kind}, not {needed}", self.name))
    }

    /// How a coded file names it.
    pub(crate) fn reference(&self) -> ModelReference {
        let mut name = self.name.clone();
        while name.len() > MAX_NAME {
            name.pop();
        }
        ModelReference { id: self.id(), name }
    }

    fn hash(&self) -> [u8; 32] {
        match &self.weights {
            Weights::Embedded(llama) => llama.sha256(),
            Weights::Loaded(llama) => llama.sha256(),
            Weights::FrameHeads(heads) => heads.sha256(),
            Weights::Sequence(model) => model.llama.sha256(),
        }
    }

    /// What files coded with this model carry.
    pub fn id(&self) -> ModelId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.hash()[..16]);
        ModelId(id)
    }

    /// SHA-256 of the model file (of a model on a backbone: of its head set) in hexadecimal.
    pub fn sha256(&self) -> String {
        format!("{:x}", GenericArray::from(self.hash()))
    }
}

/// Names and SHA-256 of the embedded models.
pub fn embedded_models() -> Vec<(String, String)> {
    weights::embedded().iter().map(|model| (model.name.to_owned(), model.sha256.to_owned())).collect()
}

fn is_embedded(sha256: &str) -> bool {
    embedded_models().iter().any(|(_, known)| known == sha256)
}

/// The embedded model that [`encode`](crate::encode()) uses unless told otherwise; loaded at the first call.
///
/// # Errors
/// [`Error::Model`] if the program's copy of it is damaged.
pub fn default_model() -> Result<Arc<Model>, Error> {
    Model::embedded(weights::default_model())
}

/// The models that a decoder may use: the embedded ones, any that were added, and those in its folders.
#[derive(Debug, Clone, Default)]
pub struct ModelRegistry {
    added: Vec<Arc<Model>>,
    folders: Vec<PathBuf>,
    /// What was loaded from the folders; shared by clones, so that a model is loaded once.
    loaded: Arc<Mutex<Vec<Arc<Model>>>>,
}

impl ModelRegistry {
    /// Only the embedded models.
    pub fn new() -> Self {
        Self::default()
    }

    /// The embedded models and those in some folders (see [`folders::standard`]).
    pub fn with_folders(folders: Vec<PathBuf>) -> Self {
        Self { folders, ..Self::default() }
    }

    /// Adds a model.
    pub fn add(&mut self, model: Arc<Model>) {
        self.added.push(model);
    }

    /// Adds a model file, or a model of the registry's folders by its name. The backbone of a head set is looked for beside it
    /// and in the registry's folders.
    ///
    /// # Errors
    /// As [`Model::named`].
    pub fn add_file(&mut self, path: &Path) -> Result<Arc<Model>, Error> {
        let model = Arc::new(Model::named(path, &self.folders)?);
        self.add(Arc::clone(&model));
        Ok(model)
    }

    /// The model that a file names.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], with the models and folders that were looked at; what [`Model::from_file_in`] says of a
    /// model file that is there but cannot be used.
    pub fn find(&self, id: ModelId) -> Result<Arc<Model>, Error> {
        self.find_called(id, None)
    }

    /// [`find`](Self::find); the error calls the model by the name that the coded file gives it.
    pub(crate) fn find_reference(&self, model: &ModelReference) -> Result<Arc<Model>, Error> {
        self.find_called(model.id, Some(&model.name))
    }

    fn find_called(&self, id: ModelId, name: Option<&str>) -> Result<Arc<Model>, Error> {
        if let Some(model) = self.added.iter().find(|model| model.id() == id) {
            return Ok(Arc::clone(model));
        }
        if let Some(model) = weights::by_sha256(&id.0) {
            return Model::embedded(model);
        }
        // One load at a time: threads that need the same model share it. A panic elsewhere leaves the list whole.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = loaded.iter().find(|model| model.id() == id) {
            return Ok(Arc::clone(model));
        }
        if let Some(path) = folders::find_model(id, &self.folders) {
            let model = Arc::new(Model::from_file_in(&path, &self.folders)?);
            if model.id() != id {
                let what = format!("{} has SHA-256 {}, not what its name says", path.display(), model.sha256());
                return Err(Error::Mismatch { what });
            }
            loaded.push(Arc::clone(&model));
            return Ok(model);
        }
        let added = self.added.iter().map(|model| format!("{} ({}…)", model.name, model.id()));
        let embedded = weights::embedded().iter().map(|model| format!("{} ({}…)", model.name, &model.sha256[..32]));
        let mut looked_in: Vec<String> = added.chain(embedded).collect();
        looked_in.extend(self.folders.iter().map(|folder| format!("folder {}", folder.display())));
        Err(Error::UnknownModel { id, name: name.filter(|name| !name.is_empty()).map(str::to_owned), looked_in })
    }
}
