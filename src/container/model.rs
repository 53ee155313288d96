//! The name of a model that is not embedded: hash, then length and text of its name (UTF-8).

use lmcodec_codecs::varint::{put_varint, varint_length};

use super::reader::{HeaderReader, length};
use crate::error::Error;
use crate::model_id::{MAX_NAME, ModelId, ModelReference};

pub(super) fn put_model(out: &mut Vec<u8>, model: &ModelReference) {
    out.extend_from_slice(&model.id.0);
    put_varint(out, model.name.len() as u64);
    out.extend_from_slice(model.name.as_bytes());
}

pub(super) fn read_model(reader: &mut HeaderReader<'_>) -> Result<ModelReference, Error> {
    let id = ModelId(reader.array("the model's SHA-256")?);
    let start = reader.offset();
    let bytes = length(reader, "the length of the model's name")?;
    if bytes > MAX_NAME {
        return Err(Error::malformed(start, format!("a model name of {bytes} bytes, at most {MAX_NAME}")));
    }
    let name = std::str::from_utf8(reader.take(bytes, "the model's name")?);
    let name = name.map_err(|error| Error::malformed(start, format!("the model's name: {error}")))?;
    Ok(ModelReference { id, name: name.to_owned() })
}

/// Bytes of [`put_model`].
pub(super) fn model_length(model: &ModelReference) -> usize {
    model.id.0.len() + varint_length(model.name.len() as u64) + model.name.len()
}
