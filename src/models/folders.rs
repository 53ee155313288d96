//! Model folders: files called by their SHA-256, so that a coded file's model is found without being named.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

#[cfg(feature = "cli")]
use super::Model;
use super::{ModelKind, kind_of};
use crate::error::Error;
use crate::model_id::ModelId;

/// The environment variable that lists model folders, separated as in `PATH`.
pub const VARIABLE: &str = "LMCODEC_MODELS";
/// Extension of model files.
const EXTENSION: &str = "safetensors";
/// Longest safetensors header that is read to find out what a file is.
const MAX_HEADER: u64 = 16 << 20;

/// The folders that the command line looks in: those of [`VARIABLE`], then the user's (`lmcodec/models` in the system's
/// folder for application data, e.g. `$XDG_DATA_HOME`). They need not exist.
pub fn standard() -> Vec<PathBuf> {
    let listed = std::env::var_os(VARIABLE).unwrap_or_default();
    // Not on systems that know no such lists (WASI), where the call panics.
    let listed = if cfg!(target_family = "wasm") {
        vec![PathBuf::from(listed)]
    } else {
        std::env::split_paths(&listed).collect()
    };
    let listed = listed.into_iter().filter(|folder| !folder.as_os_str().is_empty());
    listed.chain(application_data().map(|folder| folder.join("lmcodec").join("models"))).collect()
}

/// The system's folder for application data: `$XDG_DATA_HOME` or `~/.local/share` (XDG base directories), on macOS
/// `~/Library/Application Support`, on Windows `%APPDATA%`.
fn application_data() -> Option<PathBuf> {
    let absolute = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|folder| folder.is_absolute());
    if cfg!(windows) {
        return absolute("APPDATA");
    }
    let home = || std::env::home_dir().filter(|folder| folder.is_absolute());
    if cfg!(target_vendor = "apple") {
        return home().map(|home| home.join("Library").join("Application Support"));
    }
    absolute("XDG_DATA_HOME").or_else(|| home().map(|home| home.join(".local").join("share")))
}

/// A file in a model folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it is; none if it is no safetensors file.
    pub kind: Option<ModelKind>,
    /// Bytes.
    pub bytes: u64,
}

/// The model files of some folders, in order. Folders that do not exist are passed over.
///
/// # Errors
/// [`Error::Io`] for folders that cannot be read.
pub fn list(folders: &[PathBuf]) -> Result<Vec<ModelFile>, Error> {
    let mut files = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for path in model_files(folder)? {
            let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            files.push(ModelFile { kind: header_of(&path).as_deref().and_then(kind_of), path, bytes });
        }
    }
    Ok(files)
}

/// Copies a model file into a folder under its hash (with the feature `cli`). It is loaded first: what cannot be used is not added. (A head set
/// whose backbone is neither beside it nor in the `folders` is an error; add the backbone first.)
///
/// # Errors
/// [`Error::Io`], [`Error::Model`], [`Error::MissingBackbone`], [`Error::InvalidOption`] for files that are no models.
#[cfg(feature = "cli")]
pub fn add(path: &Path, folder: &Path, folders: &[PathBuf]) -> Result<PathBuf, Error> {
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Io { path, source }
    };
    let bytes = fs::read(path).map_err(io(path))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    match kind_of(&bytes) {
        Some(ModelKind::SequenceBackbone) => {
            lmcodec_entropy::sequence_llama::SequenceBackbone::from_bytes(&bytes)
                .map_err(|source| Error::Model { name, source })?;
        }
        Some(_) => drop(Model::from_file_in(path, folders)?),
        None => return Err(Error::InvalidOption(format!("{} is no safetensors file", path.display()))),
    }
    let target = folder.join(format!("{}.{EXTENSION}", hash_of(&bytes)));
    if target.is_file() {
        return Ok(target);
    }
    lmcodec_files::create_folder(folder).map_err(io(folder))?;
    lmcodec_files::write(&target, &bytes).map_err(io(&target))?;
    Ok(target)
}

/// Fewest digits of a hash that name a model.
const LEAST_DIGITS: usize = 8;

/// The file that a user means: one of that path or, if there is none, the file of a model folder whose name (without the
/// extension) is `name`, or whose hash begins with it (8 hexadecimal digits or more).
///
/// # Errors
/// [`Error::ModelNotFound`], with what was looked for; [`Error::InvalidOption`] if a hash's beginning fits several files.
pub fn resolve(name: &Path, folders: &[PathBuf]) -> Result<PathBuf, Error> {
    if name.exists() {
        return Ok(name.into());
    }
    let text = name.to_string_lossy();
    let prefix = text.len() >= LEAST_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for path in model_files(folder)? {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            // The same model in several folders is one.
            let known = found.iter().any(|other| other.file_name() == path.file_name());
            if !known && (stem == text || prefix && stem.starts_with(&text.to_ascii_lowercase())) {
                found.push(path);
            }
        }
    }
    match found.as_slice() {
        [path] => Ok(path.clone()),
        [] => {
            let looked_in = folders.iter().map(|folder| folder.display().to_string()).collect();
            Err(Error::ModelNotFound { name: text.into_owned(), looked_in })
        }
        several => {
            let several: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            Err(Error::InvalidOption(format!("several models begin with {text}: {}", several.join(", "))))
        }
    }
}

/// The file of a model that a coded file names.
pub(super) fn find_model(id: ModelId, folders: &[PathBuf]) -> Option<PathBuf> {
    let prefix = id.to_string();
    let named = |folder: &PathBuf| {
        model_files(folder)
            .ok()?
            .into_iter()
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))
    };
    folders.iter().find_map(named)
}

/// The bytes of a backbone of some kind: a file of that name in a folder, or any such file beside the head set with that hash.
pub(super) fn find_backbone(
    (sha256, kind): (&str, &ModelKind),
    heads: &str,
    beside: &Path,
    folders: &[PathBuf],
) -> Result<Vec<u8>, Error> {
    let beside = if beside.as_os_str().is_empty() { Path::new(".") } else { beside };
    let named = folders.iter().map(PathBuf::as_path).chain([beside]).map(|f| f.join(format!("{sha256}.{EXTENSION}")));
    let others = model_files(beside).unwrap_or_default().into_iter();
    for path in named.filter(|path| path.is_file()).chain(others) {
        if header_of(&path).as_deref().and_then(kind_of).as_ref() == Some(kind) {
            let bytes = fs::read(&path).map_err(|source| Error::Io { path, source })?;
            if hash_of(&bytes) == sha256 {
                return Ok(bytes);
            }
        }
    }
    let looked_in = [beside].into_iter().chain(folders.iter().map(PathBuf::as_path));
    let looked_in = looked_in.map(|folder| folder.display().to_string()).collect();
    Err(Error::MissingBackbone { heads: heads.to_owned(), sha256: sha256.to_owned(), looked_in })
}

fn hash_of(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The safetensors files of a folder, by name.
fn model_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let fault = |source| Error::Io { path: folder.into(), source };
    let entries = fs::read_dir(folder).map_err(fault)?.collect::<Result<Vec<_>, _>>().map_err(fault)?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION) && path.is_file());
    paths.sort();
    Ok(paths)
}

/// The beginning of a safetensors file: length and header. Tensors may be large and are not read.
fn header_of(path: &Path) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let bytes = u64::from_le_bytes(length);
    if bytes > MAX_HEADER {
        return None;
    }
    let mut header = length.to_vec();
    file.take(bytes).read_to_end(&mut header).ok()?;
    (header.len() as u64 == 8 + bytes).then_some(header)
}
