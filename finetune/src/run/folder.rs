//! The folder of a run: whose it is, how far it has come, and its checkpoints.
//!
//! | file | |
//! |---|---|
//! | `config.toml` | the configuration |
//! | `state.json` | progress, identity, and the name of the checkpoint that belongs to them |
//! | `checkpoint-N/` | parameters and optimizer after step N |
//! | `log.jsonl` | one line for every entry of the log |
//!
//! A checkpoint is written beside its name, synced and renamed, and only then `state.json` is replaced: whenever a process
//! dies, the state names a whole checkpoint, and training goes on from it to the same bits.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Bytes, Tensor};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{Part, RunError};

const CONFIG: &str = "config.toml";
const STATE: &str = "state.json";
const MODEL: &str = "model.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const CHECKPOINT: &str = "checkpoint-";

/// What a run depends on, as SHA-256 in hexadecimal. It goes on with the same alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Of the configuration's TOML.
    pub config: String,
    /// Of what is trained and validated on.
    pub data: String,
    /// Of the weights that training began with, if it did not begin with random ones alone.
    #[serde(default)]
    pub base: Option<String>,
}

/// SHA-256 of some byte strings, hexadecimal; each is preceded by its length, so that they do not run into each other.
pub(crate) fn digest<B: AsRef<[u8]>>(parts: impl IntoIterator<Item = B>) -> String {
    let mut sum = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        sum.update((part.len() as u64).to_le_bytes());
        sum.update(part);
    }
    format!("{:x}", sum.finalize())
}

/// Progress of a run; `S` counts what it has seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunState<S> {
    /// Optimizer steps done.
    pub step: usize,
    /// What they have seen.
    pub seen: S,
    /// Wall-clock seconds over all sessions.
    pub seconds: f64,
    /// Training: (step, mean bits a unit since the entry before).
    pub training: Vec<(usize, f64)>,
    /// Validations: (step, bits a unit).
    pub validations: Vec<(usize, f64)>,
    /// Why the run has ended, if it has.
    pub ended: Option<String>,
    /// Bytes of the log that belong to these steps.
    pub log_bytes: u64,
    /// Folder of the parameters, beside the state file.
    pub checkpoint: String,
    /// What it is a run of.
    pub identity: Identity,
}

/// An open run.
pub(crate) struct RunFolder<S> {
    path: PathBuf,
    /// Progress.
    pub state: RunState<S>,
}

impl<S: Default + Serialize + DeserializeOwned> RunFolder<S> {
    /// Opens a folder for a run of `config` (a TOML value), creating it if it is not there, or going on with the run that is.
    /// What a killed process left half-written is removed.
    pub(crate) fn open(path: &Path, config: &impl Serialize, identity: Identity) -> Result<Self, RunError> {
        let text = toml::to_string_pretty(config).map_err(|e| RunError::invalid(path, e))?;
        let identity = Identity { config: digest([&text]), ..identity };
        lmcodec_files::create_folder(path).map_err(RunError::io(path))?;
        lmcodec_files::sweep(path).map_err(RunError::io(path))?;
        let mut run = Self { path: path.into(), state: RunState { identity, ..RunState::default() } };
        if is_run(path) {
            let state: RunState<S> = read_state(path)?;
            run.check(&state.identity, &text)?;
            run.state = state;
        } else {
            let place = path.join(CONFIG);
            lmcodec_files::write(&place, text.as_bytes()).map_err(RunError::io(&place))?;
        }
        run.remove_other_checkpoints();
        Ok(run)
    }

    /// Refuses to go on with the run of something else.
    fn check(&self, found: &Identity, text: &str) -> Result<(), RunError> {
        let now = &self.state.identity;
        let changed = |part, difference: String| RunError::Changed { folder: self.path.clone(), part, difference };
        let hashes = |old: &str, new: &str| format!("SHA-256 {old}, now {new}");
        if found.config != now.config {
            return Err(changed(Part::Config, self.config_difference(text)));
        }
        if found.data != now.data {
            return Err(changed(Part::Data, hashes(&found.data, &now.data)));
        }
        if found.base != now.base {
            let name = |base: &Option<String>| base.clone().unwrap_or_else(|| "none".into());
            return Err(changed(Part::Base, hashes(&name(&found.base), &name(&now.base))));
        }
        Ok(())
    }

    /// The first entry of the configuration that is not that of the run.
    fn config_difference(&self, text: &str) -> String {
        let entries = |text: &str| {
            let mut all = Vec::new();
            if let Ok(table) = text.parse::<toml::Table>() {
                flatten("", &toml::Value::Table(table), &mut all);
            }
            all
        };
        let (old, new) = (entries(&fs::read_to_string(self.path.join(CONFIG)).unwrap_or_default()), entries(text));
        let value = |all: &[(String, String)], key: &str| {
            all.iter().find(|e| e.0 == key).map_or_else(|| "nothing".into(), |e| e.1.clone())
        };
        let mut keys = old.iter().chain(&new).map(|e| &e.0);
        let differs = keys.find(|key| value(&old, key) != value(&new, key));
        differs.map_or_else(
            || format!("{CONFIG} in the folder is not the one that it was started with"),
            |key| format!("{key} = {}, now {}", value(&old, key), value(&new, key)),
        )
    }

    /// Folder of the run.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it has a checkpoint to go on from.
    pub(crate) fn is_resumed(&self) -> bool {
        !self.state.checkpoint.is_empty()
    }

    /// Parameters and optimizer of the checkpoint that the state names, in place of those given.
    pub(crate) fn load<M: Module>(
        &self,
        model: M,
        optimizer: ModuleOptimizer,
    ) -> Result<(M, ModuleOptimizer), RunError> {
        let place = self.path.join(&self.state.checkpoint);
        let (model_path, path) = (place.join(MODEL), place.join(OPTIMIZER));
        let model = model.try_load_file(&model_path).map_err(|e| RunError::invalid(&model_path, e))?;
        let optimizer = optimizer.load(&path).map_err(|e| RunError::invalid(&path, e))?;
        Ok((model, optimizer))
    }

    /// Writes a checkpoint of the state's step, then the state that names it; then older ones are removed.
    pub(crate) fn save<M: Module>(&mut self, model: &M, optimizer: &ModuleOptimizer) -> Result<(), RunError> {
        if !is_finite(model) {
            return Err(RunError::NotFinite { step: self.state.step, what: "a parameter" });
        }
        let name = format!("{CHECKPOINT}{}", self.state.step);
        let (place, temporary) = (self.path.join(&name), self.path.join(format!("{CHECKPOINT}unfinished")));
        lmcodec_files::remove_folder(&temporary).map_err(RunError::io(&temporary))?;
        lmcodec_files::create_folder(&temporary).map_err(RunError::io(&temporary))?;
        write_record(&temporary.join(MODEL), model.clone().into_record().into_bytes())?;
        write_record(&temporary.join(OPTIMIZER), optimizer.to_record().into_bytes())?;
        lmcodec_files::rename(&temporary, &place).map_err(RunError::io(&place))?;
        self.state.checkpoint = name;
        let path = self.path.join(STATE);
        let json = serde_json::to_string_pretty(&self.state).map_err(|e| RunError::invalid(&path, e))?;
        lmcodec_files::write(&path, json.as_bytes()).map_err(RunError::io(&path))?;
        self.remove_other_checkpoints();
        Ok(())
    }

    /// Removes checkpoints that the state does not name. One that cannot be removed does no harm.
    fn remove_other_checkpoints(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(CHECKPOINT) && *name != self.state.checkpoint {
                let _ = lmcodec_files::remove_folder(&entry.path());
            }
        }
    }
}

/// Writes what burn has put into bytes.
fn write_record(path: &Path, bytes: Result<Bytes, impl ToString>) -> Result<(), RunError> {
    let bytes = bytes.map_err(|e| RunError::invalid(path, e))?;
    lmcodec_files::write(path, &bytes).map_err(RunError::io(path))
}

/// Whether a folder holds a run with a checkpoint.
pub(crate) fn is_run(folder: &Path) -> bool {
    folder.join(STATE).exists()
}

/// The configuration file of a run.
pub(crate) fn config_path(folder: &Path) -> PathBuf {
    folder.join(CONFIG)
}

/// The parameters of a run, as they were last saved.
///
/// # Errors
/// [`RunError`] if the folder holds no run.
pub(crate) fn model_path(folder: &Path) -> Result<PathBuf, RunError> {
    let state: RunState<serde_json::Value> = read_state(folder)?;
    Ok(folder.join(state.checkpoint).join(MODEL))
}

/// Reads the progress of a run.
///
/// # Errors
/// [`RunError`] if the folder holds no run, or one of another training.
pub fn read_state<S: DeserializeOwned>(folder: &Path) -> Result<RunState<S>, RunError> {
    let path = folder.join(STATE);
    let text = fs::read_to_string(&path).map_err(RunError::io(&path))?;
    serde_json::from_str(&text).map_err(|e| RunError::invalid(&path, format!("no state of a run: {e}")))
}

/// Entries of a TOML value by their dotted names.
fn flatten(name: &str, value: &toml::Value, out: &mut Vec<(String, String)>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(&name, value, out);
            }
        }
        _ => out.push((name.into(), value.to_string())),
    }
}

/// Whether every parameter is a finite number.
fn is_finite<M: Module>(model: &M) -> bool {
    struct Finite(bool);
    impl ModuleVisitor for Finite {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 = self.0 && param.val().into_data().iter::<f32>().all(|v| v.is_finite());
        }
    }
    let mut all = Finite(true);
    model.visit(&mut all);
    all.0
}
