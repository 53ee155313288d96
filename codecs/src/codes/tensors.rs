//! The tensors of a `.safetensors` file: 8 bytes with the length of a JSON header, the header, the elements.

use safetensors::{Dtype, SafeTensors};

use super::{ByteOrder, CodesError, ElementType, Header};

/// Whether the bytes begin like a header. The format has no magic number.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk() else { return false };
    let length = u64::from_le_bytes(*length);
    length >= 2 && length <= rest.len() as u64 && rest[0] == b'{'
}

/// Finds the elements of the tensor called `name`, or of the only tensor of integers.
pub(super) fn find(bytes: &[u8], name: Option<&str>) -> Result<Header, CodesError> {
    let (header, metadata) =
        SafeTensors::read_metadata(bytes).map_err(|error| CodesError::malformed(0, format!("safetensors: {error}")))?;
    let tensors = metadata.tensors();
    let wanted: Vec<_> = tensors
        .iter()
        .filter(|(key, info)| name.map_or(element(info.dtype).is_some(), |name| name == key.as_str()))
        .collect();
    let [(_, info)] = wanted.as_slice() else {
        let mut found: Vec<String> =
            tensors.iter().map(|(name, info)| format!("{name} ({} {:?})", info.dtype, info.shape)).collect();
        found.sort();
        return Err(CodesError::Tensor { asked: name.unwrap_or_default().into(), found });
    };
    let element = element(info.dtype).ok_or_else(|| CodesError::Element { found: info.dtype.to_string() })?;
    Ok(Header {
        element,
        order: ByteOrder::Little,
        fortran: false,
        shape: info.shape.clone(),
        start: 8 + header + info.data_offsets.0,
    })
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
        _ => return None,
    })
}
