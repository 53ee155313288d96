//! One shard, read row by row: only its tables are kept in memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::layout::{METADATA, tensor};
use super::{CoefficientPlane, Latents};
use crate::error::DatasetError;

const MAX_HEADER_BYTES: u64 = 1 << 20;

/// An open shard.
pub struct ShardReader {
    path: PathBuf,
    file: File,
    facts: serde_json::Value,
    limit: u64,
    /// Start of `values` in the file, bytes of one, its type.
    values: (u64, u64, Dtype),
    /// Start of each row in `values`, and its end.
    offsets: Vec<u64>,
    tables: Tables,
}

enum Tables {
    Samples,
    Codes { dimensions: Vec<u32>, rank: usize },
    Coefficients { last: u64, block_offsets: Vec<u64>, grid: Vec<u32>, quantization: Vec<u16>, components: usize },
}

impl ShardReader {
    /// Opens a shard. `memory_limit` is the number of bytes that its tables, and a row with what it is decoded from, may take.
    ///
    /// # Errors
    /// [`DatasetError::Io`]; [`DatasetError::Shard`] if it is no shard; [`DatasetError::Limit`] if its tables are too large.
    pub fn open(path: &Path, memory_limit: u64) -> Result<Self, DatasetError> {
        let io = |source| DatasetError::Io { path: path.into(), source };
        let fault = |message: String| DatasetError::Shard { path: path.into(), message };
        let mut file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut head = [0u8; 8];
        file.read_exact(&mut head).map_err(|_| fault(format!("{length} bytes are too few for a safetensors file")))?;
        let header = u64::from_le_bytes(head);
        if header > MAX_HEADER_BYTES || header + 8 > length {
            let message =
                format!("a header of {header} bytes in a file of {length}; at most {MAX_HEADER_BYTES} is allowed");
            return Err(fault(message));
        }
        let mut json = vec![0u8; header as usize];
        file.read_exact(&mut json).map_err(io)?;
        let metadata: Metadata = serde_json::from_slice(&json).map_err(|e| fault(format!("header: {e}")))?;
        let data = 8 + header;
        if data + metadata.data_len() as u64 != length {
            let wanted = data + metadata.data_len() as u64;
            return Err(fault(format!("{length} bytes, {wanted} according to its header")));
        }
        let facts = metadata.metadata().as_ref().and_then(|m| m.get(METADATA));
        let facts = facts.ok_or_else(|| fault(format!("no {METADATA} in its metadata")))?;
        let facts = serde_json::from_str(facts).map_err(|e| fault(format!("metadata {METADATA}: {e}")))?;

        let mut source =
            Source { path, file: &mut file, metadata: &metadata, data, left: memory_limit, limit: memory_limit };
        let offsets = source.u64s(tensor::OFFSETS)?;
        let values = source.info(tensor::VALUES, &[Dtype::U8, Dtype::U16, Dtype::U32, Dtype::I16, Dtype::F32])?;
        let width = values.dtype.bitsize() as u64 / 8;
        let rows = offsets.len().saturating_sub(1);
        increasing(&offsets, values.shape.iter().product::<usize>() as u64)
            .map_err(|m| fault(format!("offsets: {m}")))?;
        let shaped = |info: &TensorInfo, name: &str, inner: usize| {
            let good = info.shape.first() == Some(&rows) && info.shape.len() == inner;
            if good { Ok(()) } else { Err(fault(format!("{name} has shape {:?} for {rows} rows", info.shape))) }
        };
        let tables = if metadata.info(tensor::LAST).is_some() {
            let last = source.info(tensor::LAST, &[Dtype::U8])?;
            let block_offsets = source.u64s(tensor::BLOCK_OFFSETS)?;
            let grid = source.info(tensor::GRID, &[Dtype::U32])?;
            let quantization = source.info(tensor::QUANTIZATION, &[Dtype::U16])?;
            shaped(grid, tensor::GRID, 3)?;
            shaped(quantization, tensor::QUANTIZATION, 3)?;
            let components = grid.shape[1];
            if !(1..=4).contains(&components) || grid.shape[2] != 2 || quantization.shape[1..] != [components, 64] {
                return Err(fault(format!("grid {:?}, quantization {:?}", grid.shape, quantization.shape)));
            }
            if block_offsets.len() != offsets.len() || values.dtype != Dtype::I16 {
                return Err(fault(format!("{} block offsets, {} offsets", block_offsets.len(), offsets.len())));
            }
            increasing(&block_offsets, last.data_offsets.1 as u64 - last.data_offsets.0 as u64)
                .map_err(|m| fault(format!("block offsets: {m}")))?;
            let grid = numbers(&source.bytes(tensor::GRID)?, u32::from_le_bytes);
            let quantization = numbers(&source.bytes(tensor::QUANTIZATION)?, u16::from_le_bytes);
            Tables::Coefficients {
                last: data + last.data_offsets.0 as u64,
                block_offsets,
                grid,
                quantization,
                components,
            }
        } else if metadata.info(tensor::DIMENSIONS).is_some() {
            let info = source.info(tensor::DIMENSIONS, &[Dtype::U32])?;
            shaped(info, tensor::DIMENSIONS, 2)?;
            Tables::Codes {
                rank: info.shape[1],
                dimensions: numbers(&source.bytes(tensor::DIMENSIONS)?, u32::from_le_bytes),
            }
        } else if matches!(values.dtype, Dtype::I16 | Dtype::F32) {
            Tables::Samples
        } else {
            return Err(fault(format!("values of type {:?} alone", values.dtype)));
        };
        let (values, limit) = ((data + values.data_offsets.0 as u64, width, values.dtype), memory_limit);
        Ok(Self { path: path.into(), file, facts, limit, values, offsets, tables })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// What the shard says about itself: `plan_sha256`, `first_row`, `content`, for speech `sample_rate`.
    #[must_use]
    pub fn facts(&self) -> &serde_json::Value {
        &self.facts
    }

    /// Reads a row, 0..[`Self::rows`].
    ///
    /// # Errors
    /// [`DatasetError::Io`]; [`DatasetError::Shard`] if there is no such row or it contradicts itself; [`DatasetError::Limit`].
    pub fn read(&mut self, row: usize) -> Result<Latents, DatasetError> {
        let fault = |path: &Path, message: String| DatasetError::Shard {
            path: path.into(),
            message: format!("row {row}: {message}"),
        };
        if row >= self.rows() {
            return Err(fault(&self.path, format!("there are {}", self.rows())));
        }
        let (from, to) = (self.offsets[row], self.offsets[row + 1]);
        let (start, width, dtype) = self.values;
        let blocks = match &self.tables {
            Tables::Coefficients { block_offsets, .. } => block_offsets[row + 1] - block_offsets[row],
            _ => 0,
        };
        // As stored and as returned; codes grow to u32.
        let needed = (to - from) * (width + width.max(4)) + blocks * 129;
        if needed > self.limit {
            return Err(DatasetError::Limit {
                path: self.path.clone(),
                what: "row",
                found: needed,
                allowed: self.limit,
            });
        }
        let bytes = self.range(start + from * width, (to - from) * width)?;
        match &self.tables {
            Tables::Samples if dtype == Dtype::I16 => Ok(Latents::I16(numbers(&bytes, i16::from_le_bytes))),
            Tables::Samples => Ok(Latents::F32(numbers(&bytes, f32::from_le_bytes))),
            Tables::Codes { dimensions, rank } => {
                let dimensions = dimensions[row * rank..(row + 1) * rank].to_vec();
                let codes: Vec<u32> = match dtype {
                    Dtype::U8 => bytes.iter().map(|&c| u32::from(c)).collect(),
                    Dtype::U16 => numbers(&bytes, u16::from_le_bytes).into_iter().map(u32::from).collect(),
                    _ => numbers(&bytes, u32::from_le_bytes),
                };
                let stated = dimensions.iter().try_fold(1u64, |n, &d| n.checked_mul(u64::from(d)));
                if stated != Some(codes.len() as u64) {
                    return Err(fault(&self.path, format!("{} codes for dimensions {dimensions:?}", codes.len())));
                }
                Ok(Latents::Codes { dimensions, codes })
            }
            Tables::Coefficients { last, block_offsets, grid, quantization, components } => {
                let (at, components) = (last + block_offsets[row], *components);
                let grid: Vec<_> = grid[row * components * 2..(row + 1) * components * 2].as_chunks::<2>().0.to_vec();
                let tables: Vec<[u16; 64]> =
                    quantization[row * components * 64..(row + 1) * components * 64].as_chunks::<64>().0.to_vec();
                let stated: u64 = grid.iter().map(|g| u64::from(g[0]) * u64::from(g[1])).fold(0, u64::saturating_add);
                if stated != blocks {
                    return Err(fault(&self.path, format!("{blocks} blocks for grids {grid:?}")));
                }
                let last = self.range(at, blocks)?;
                let values = numbers(&bytes, i16::from_le_bytes);
                planes(&grid, &tables, &last, &values).map_err(|m| fault(&self.path, m))
            }
        }
    }

    fn range(&mut self, at: u64, length: u64) -> Result<Vec<u8>, DatasetError> {
        read_range(&self.path, &mut self.file, at, length)
    }
}

fn planes(grid: &[[u32; 2]], tables: &[[u16; 64]], last: &[u8], values: &[i16]) -> Result<Latents, String> {
    let (mut block, mut at) = (0, 0);
    let mut planes = Vec::with_capacity(grid.len());
    for (&[high, wide], &quantization) in grid.iter().zip(tables) {
        let (blocks_high, blocks_wide) = (high as usize, wide as usize);
        let mut coefficients = vec![0i16; blocks_high * blocks_wide * 64];
        for out in coefficients.chunks_exact_mut(64) {
            let count = usize::from(last[block]) + 1;
            let here = values.get(at..at + count).filter(|_| count <= 64);
            let here = here.ok_or_else(|| format!("block {block} states {count} coefficients"))?;
            out[..count].copy_from_slice(here);
            block += 1;
            at += count;
        }
        planes.push(CoefficientPlane { blocks_high, blocks_wide, quantization, coefficients });
    }
    if at == values.len() {
        Ok(Latents::Coefficients(planes))
    } else {
        Err(format!("{} coefficients left over", values.len() - at))
    }
}

/// Reads tensors within what is left of a memory limit.
struct Source<'a> {
    path: &'a Path,
    file: &'a mut File,
    metadata: &'a Metadata,
    data: u64,
    left: u64,
    limit: u64,
}

impl<'a> Source<'a> {
    fn info(&self, name: &str, dtypes: &[Dtype]) -> Result<&'a TensorInfo, DatasetError> {
        let fault = |message: String| DatasetError::Shard { path: self.path.into(), message };
        let info = self.metadata.info(name).ok_or_else(|| fault(format!("no tensor {name}")))?;
        if dtypes.contains(&info.dtype) {
            Ok(info)
        } else {
            Err(fault(format!("tensor {name} has type {:?}, expected one of {dtypes:?}", info.dtype)))
        }
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, DatasetError> {
        let info = self
            .metadata
            .info(name)
            .ok_or_else(|| DatasetError::Shard { path: self.path.into(), message: format!("no tensor {name}") })?;
        let (from, to) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
        self.left = self.left.checked_sub(to - from).ok_or_else(|| DatasetError::Limit {
            path: self.path.into(),
            what: "table of rows",
            found: to - from,
            allowed: self.limit,
        })?;
        read_range(self.path, self.file, self.data + from, to - from)
    }

    fn u64s(&mut self, name: &str) -> Result<Vec<u64>, DatasetError> {
        self.info(name, &[Dtype::U64])?;
        Ok(numbers(&self.bytes(name)?, u64::from_le_bytes))
    }
}

fn read_range(path: &Path, file: &mut File, at: u64, length: u64) -> Result<Vec<u8>, DatasetError> {
    let mut bytes = vec![0u8; length as usize];
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes)).map_err(DatasetError::io(path))?;
    Ok(bytes)
}

fn numbers<const N: usize, T>(bytes: &[u8], from: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&b| from(b)).collect()
}

fn increasing(offsets: &[u64], end: u64) -> Result<(), String> {
    let ordered = offsets.first() == Some(&0) && offsets.last() == Some(&end) && offsets.is_sorted();
    if ordered { Ok(()) } else { Err(format!("not ordered from 0 to {end}")) }
}
