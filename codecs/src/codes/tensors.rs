//! The tensors of a `.safetensors` file: 8 bytes with the length of a JSON header, the header, the elements.

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensors};

use super::{ByteOrder, CodesError, ElementType, Header};

/// Whether the bytes begin like a header. The format has no magic number.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk() else { return false };
    let length = u64::from_le_bytes(*length);
    length >= 2 && length <= rest.len() as u64 && rest[0] == b'{'
}

/// Finds the elements of the tensor called `name`, or of the only tensor of integers; with `floats` those of floats count too,
/// named or where there are no integers.
pub(super) fn find(bytes: &[u8], name: Option<&str>, floats: bool) -> Result<Header, CodesError> {
    let (header, metadata) = metadata(bytes)?;
    let tensors = metadata.tensors();
    let named = |floats: bool| -> Vec<&TensorInfo> {
        let known = |info: &TensorInfo| element(info.dtype).is_some_and(|element| floats || !element.is_float());
        let wanted = tensors.iter().filter(|(key, info)| name.map_or(known(info), |name| name == key.as_str()));
        wanted.map(|(_, info)| *info).collect()
    };
    let mut wanted = named(false);
    if wanted.is_empty() && floats {
        wanted = named(true);
    }
    let [info] = wanted.as_slice() else {
        let mut found: Vec<String> =
            tensors.iter().map(|(name, info)| format!("{name} ({} {:?})", info.dtype, info.shape)).collect();
        found.sort();
        return Err(CodesError::Tensor { asked: name.unwrap_or_default().into(), found });
    };
    let element = element(info.dtype).filter(|element| floats || !element.is_float());
    let element = element.ok_or_else(|| CodesError::Element { found: info.dtype.to_string() })?;
    Ok(place(info, element, header))
}

/// Finds the elements of all tensors of integers and floats.
pub(super) fn all(bytes: &[u8]) -> Result<Vec<Header>, CodesError> {
    let (header, metadata) = metadata(bytes)?;
    let tensors = metadata.tensors();
    Ok(tensors.values().filter_map(|info| Some(place(info, element(info.dtype)?, header))).collect())
}

fn metadata(bytes: &[u8]) -> Result<(usize, Metadata), CodesError> {
    SafeTensors::read_metadata(bytes).map_err(|error| CodesError::malformed(0, format!("safetensors: {error}")))
}

fn place(info: &TensorInfo, element: ElementType, header: usize) -> Header {
    Header {
        element,
        order: ByteOrder::Little,
        fortran: false,
        shape: info.shape.clone(),
        start: 8 + header + info.data_offsets.0,
    }
}

fn element(dtype: Dtype) -> Option<ElementType> {
    Some(match dtype {
        Dtype::U8 => ElementType::U8,
        Dtype::I8 => ElementType::I8,
        Dtype::U16 => ElementType::U16,
        Dtype::I16 => ElementType::I16,
        Dtype::U32 => ElementType::U32,
        Dtype::I32 => ElementType::I32,
        Dtype::U64 => ElementType::U64,
        Dtype::I64 => ElementType::I64,
        Dtype::F16 => ElementType::F16,
        Dtype::F32 => ElementType::F32,
        Dtype::F64 => ElementType::F64,
        Dtype::BF16 => ElementType::BF16,
        _ => return None,
    })
}
