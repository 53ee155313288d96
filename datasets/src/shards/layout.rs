//! Rows → the bytes of a shard. All integers are little-endian; `docs/DATASETS.md` describes the tensors.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView};

use super::{CoefficientPlane, Latents};

/// Key of the only entry of a shard's `__metadata__`; its value is JSON.
pub(super) const METADATA: &str = "lmcodec";

/// Names of the tensors.
pub(super) mod tensor {
    pub const GRID: &str = "grid";
    pub const QUANTIZATION: &str = "quantization";
    pub const LAST: &str = "last";
    pub const BLOCK_OFFSETS: &str = "block_offsets";
    pub const VALUES: &str = "values";
    pub const OFFSETS: &str = "offsets";
    pub const DIMENSIONS: &str = "dimensions";
}

/// The bytes of a shard with these rows, which must be of one kind (and for coefficients, of one number of components; for codes,
/// of one number of dimensions). `facts` is JSON that is stored beside them. Equal rows and facts give equal bytes.
///
/// # Errors
/// A message, if the rows are not of one kind.
pub fn encode(rows: &[Latents], facts: &serde_json::Value) -> Result<Vec<u8>, String> {
    let mut tensors: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    let n = rows.len();
    let mixed = || "rows of different kinds in one shard".to_owned();
    match rows.first() {
        None => return Err("a shard without rows".into()),
        Some(Latents::Coefficients(first)) => {
            let components = first.len();
            let planes: Vec<&[CoefficientPlane]> = rows
                .iter()
                .map(|row| match row {
                    Latents::Coefficients(planes) if planes.len() == components => Ok(planes.as_slice()),
                    _ => Err(mixed()),
                })
                .collect::<Result<_, _>>()?;
            coefficients(&planes, components, &mut tensors);
        }
        Some(Latents::I16(_)) => {
            let (mut offsets, mut values) = (vec![0u64], Vec::new());
            for row in rows {
                let Latents::I16(samples) = row else { return Err(mixed()) };
                values.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
                offsets.push(values.len() as u64 / 2);
            }
            tensors.push((tensor::OFFSETS, Dtype::U64, vec![n + 1], le64(&offsets)));
            tensors.push((tensor::VALUES, Dtype::I16, vec![values.len() / 2], values));
        }
        Some(Latents::F32(_)) => {
            let (mut offsets, mut values) = (vec![0u64], Vec::new());
            for row in rows {
                let Latents::F32(samples) = row else { return Err(mixed()) };
                values.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
                offsets.push(values.len() as u64 / 4);
            }
            tensors.push((tensor::OFFSETS, Dtype::U64, vec![n + 1], le64(&offsets)));
            tensors.push((tensor::VALUES, Dtype::F32, vec![values.len() / 4], values));
        }
        Some(Latents::Codes { dimensions: first, .. }) => {
            let (mut offsets, mut shapes, mut all) = (vec![0u64], Vec::new(), Vec::new());
            for row in rows {
                let Latents::Codes { dimensions, codes } = row else { return Err(mixed()) };
                if dimensions.len() != first.len() {
                    return Err("arrays of different numbers of dimensions in one shard".into());
                }
                shapes.extend(dimensions.iter().flat_map(|d| d.to_le_bytes()));
                all.extend_from_slice(codes);
                offsets.push(all.len() as u64);
            }
            // The smallest type that holds them all.
            let (dtype, values) = match all.iter().max().copied().unwrap_or(0) {
                0..=0xFF => (Dtype::U8, all.iter().map(|&c| c as u8).collect()),
                0x100..=0xFFFF => (Dtype::U16, all.iter().flat_map(|&c| (c as u16).to_le_bytes()).collect()),
                _ => (Dtype::U32, all.iter().flat_map(|c| c.to_le_bytes()).collect()),
            };
            tensors.push((tensor::OFFSETS, Dtype::U64, vec![n + 1], le64(&offsets)));
            tensors.push((tensor::DIMENSIONS, Dtype::U32, vec![n, first.len()], shapes));
            tensors.push((tensor::VALUES, dtype, vec![all.len()], values));
        }
    }
    let views: Vec<(&str, TensorView<'_>)> = tensors
        .iter()
        .map(|(name, dtype, shape, data)| Ok((*name, TensorView::new(*dtype, shape.clone(), data)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()
        .map_err(|e| e.to_string())?;
    // One key only: the order of several would not be fixed.
    let metadata = HashMap::from([(METADATA.to_owned(), facts.to_string())]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
}

fn coefficients(
    rows: &[&[CoefficientPlane]],
    components: usize,
    tensors: &mut Vec<(&'static str, Dtype, Vec<usize>, Vec<u8>)>,
) {
    let (mut grid, mut quantization, mut last, mut values) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut block_offsets, mut offsets) = (vec![0u64], vec![0u64]);
    for planes in rows {
        for plane in *planes {
            grid.extend((plane.blocks_high as u32).to_le_bytes());
            grid.extend((plane.blocks_wide as u32).to_le_bytes());
            quantization.extend(plane.quantization.iter().flat_map(|q| q.to_le_bytes()));
            for block in plane.coefficients.chunks_exact(64) {
                let end = block.iter().rposition(|&c| c != 0).unwrap_or(0);
                last.push(end as u8);
                values.extend(block[..=end].iter().flat_map(|c| c.to_le_bytes()));
            }
        }
        block_offsets.push(last.len() as u64);
        offsets.push(values.len() as u64 / 2);
    }
    let n = rows.len();
    tensors.push((tensor::BLOCK_OFFSETS, Dtype::U64, vec![n + 1], le64(&block_offsets)));
    tensors.push((tensor::OFFSETS, Dtype::U64, vec![n + 1], le64(&offsets)));
    tensors.push((tensor::GRID, Dtype::U32, vec![n, components, 2], grid));
    tensors.push((tensor::QUANTIZATION, Dtype::U16, vec![n, components, 64], quantization));
    tensors.push((tensor::VALUES, Dtype::I16, vec![values.len() / 2], values));
    tensors.push((tensor::LAST, Dtype::U8, vec![last.len()], last));
}

fn le64(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}
