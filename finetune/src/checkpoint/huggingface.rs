//! Hugging Face folders: `config.json` with one `model.safetensors` or shards named by `model.safetensors.index.json`.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use sha2::{Digest, Sha256};

use super::{Checkpoint, CheckpointError, HostTensor, LlamaConfig, Source, Tokenizer, file_sha256, hex};

const INDEX: &str = "model.safetensors.index.json";
/// A longer header is no sane file's.
const MAX_HEADER: u64 = 100 << 20;

/// Where a tensor lies.
#[derive(Debug)]
struct Place {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    start: u64,
    bytes: usize,
}

/// An opened folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    files: Vec<PathBuf>,
    tensors: HashMap<String, Place>,
}

pub(super) fn open(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let config_path = path.join("config.json");
    let text = fs::read_to_string(&config_path).map_err(CheckpointError::io(&config_path))?;
    let config = LlamaConfig::from_json(&text, &config_path)?;
    let files = weight_files(path)?;
    let mut tensors = HashMap::new();
    for (file, shard) in files.iter().enumerate() {
        let (data, metadata) = read_header(shard)?;
        for (name, info) in metadata.tensors() {
            let (start, end) = info.data_offsets;
            let place = Place {
                file,
                dtype: info.dtype,
                shape: info.shape.clone(),
                start: data + start as u64,
                bytes: end - start,
            };
            tensors.insert(name, place);
        }
    }
    if let Some(bias) = tensors.keys().find(|n| n.ends_with(".bias")) {
        return Err(CheckpointError::NotLlama {
            path: path.into(),
            field: bias.clone(),
            found: "present".into(),
            expected: "a model without biases".into(),
        });
    }
    let sha256 = match files.as_slice() {
        [file] => file_sha256(file)?,
        files => {
            let mut all = Sha256::new();
            for file in files {
                all.update(file_sha256(file)?);
            }
            all.finalize().into()
        }
    };
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| CheckpointError::corrupt(&config_path, e))?;
    let folder_name = || fs::canonicalize(path).ok().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()));
    let name = json["_name_or_path"].as_str().filter(|n| !n.is_empty()).map(str::to_owned).or_else(folder_name);
    Ok(Checkpoint {
        config,
        name: name.unwrap_or_default(),
        sha256: hex(&sha256),
        source: Source::HuggingFace(Folder { path: path.into(), files, tensors }),
    })
}

/// The safetensors files in the order of their names.
fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    let single = folder.join("model.safetensors");
    if single.is_file() {
        return Ok(vec![single]);
    }
    let index = folder.join(INDEX);
    if !index.is_file() {
        return Err(CheckpointError::corrupt(folder, format!("neither model.safetensors nor {INDEX} is here")));
    }
    let text = fs::read_to_string(&index).map_err(CheckpointError::io(&index))?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| CheckpointError::corrupt(&index, e))?;
    let map =
        json["weight_map"].as_object().ok_or_else(|| CheckpointError::corrupt(&index, "weight_map is missing"))?;
    let mut shards = BTreeSet::new();
    for (name, shard) in map {
        match shard.as_str() {
            // A path would lead out of the folder.
            Some(s) if !s.is_empty() && !s.contains(['/', '\\']) => shards.insert(s.to_owned()),
            _ => {
                return Err(CheckpointError::corrupt(&index, format!("weight_map.{name} is {shard}, not a file name")));
            }
        };
    }
    if shards.is_empty() {
        return Err(CheckpointError::corrupt(&index, "weight_map is empty"));
    }
    if let Some(shard) = shards.iter().find(|s| !folder.join(s).is_file()) {
        return Err(CheckpointError::MissingShard { folder: folder.into(), shard: shard.clone(), index: INDEX.into() });
    }
    Ok(shards.iter().map(|s| folder.join(s)).collect())
}

/// Offset of the data and the header of a safetensors file; checks that the file is as long as the header says.
fn read_header(path: &Path) -> Result<(u64, Metadata), CheckpointError> {
    let fault = CheckpointError::io(path);
    let corrupt = |message: String| CheckpointError::corrupt(path, format!("no whole safetensors file: {message}"));
    let mut file = File::open(path).map_err(&fault)?;
    let length = file.metadata().map_err(&fault)?.len();
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|_| corrupt(format!("{length} bytes")))?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER || size + 8 > length {
        return Err(corrupt(format!("a header of {size} bytes in a file of {length}")));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header).map_err(&fault)?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|e| corrupt(e.to_string()))?;
    let expected = 8 + size + metadata.data_len() as u64;
    if expected != length {
        return Err(corrupt(format!("{length} bytes instead of {expected}")));
    }
    Ok((8 + size, metadata))
}

impl Folder {
    pub(super) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors.get(name).map(|t| t.shape.clone())
    }

    pub(super) fn tensor(&self, name: &str) -> Result<HostTensor, CheckpointError> {
        let place = self.tensors.get(name).ok_or_else(|| CheckpointError::MissingTensor { name: name.into() })?;
        let path = &self.files[place.file];
        let fault = CheckpointError::io(path);
        let mut file = File::open(path).map_err(&fault)?;
        file.seek(SeekFrom::Start(place.start)).map_err(&fault)?;
        // No more than the file holds: `read_header` compared the two.
        let mut bytes = vec![0; place.bytes];
        file.read_exact(&mut bytes).map_err(&fault)?;
        let values = match place.dtype {
            Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::F16 => bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::BF16 => bytes.chunks_exact(2).map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            other => {
                return Err(CheckpointError::Dtype {
                    name: name.into(),
                    found: format!("{other:?}"),
                    expected: "F32, F16 and BF16".into(),
                });
            }
        };
        Ok(HostTensor { shape: place.shape.clone(), values })
    }

    pub(super) fn tokenizer(&self) -> Result<Option<Tokenizer>, CheckpointError> {
        let path = self.path.join("tokenizer.json");
        if path.is_file() { Tokenizer::from_file(&path).map(Some) } else { Ok(None) }
    }
}
