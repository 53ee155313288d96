//! A prepared folder: its index, and iterators over the latents of its shards.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{INDEX, Latents, MANIFEST, ROWS, ShardEntry, ShardIndex, ShardReader};
use crate::error::DatasetError;
use crate::manifest::Manifest;
use crate::plan::Row;

/// A prepared folder whose shards are all there.
pub struct ShardSet {
    folder: PathBuf,
    index: ShardIndex,
}

impl ShardSet {
    /// Opens a prepared folder. Hashes are not checked here: see [`crate::verify::verify_prepared`].
    ///
    /// # Errors
    /// [`DatasetError::Io`]; [`DatasetError::Manifest`] if the folder holds no index, or a preparation that was interrupted.
    pub fn open(folder: &Path) -> Result<Self, DatasetError> {
        let index = ShardIndex::load(folder)?;
        if !index.complete {
            let message =
                format!("{} shards are finished, more are missing; run the same prepare again", index.shards.len());
            return Err(DatasetError::Manifest { path: folder.join(INDEX), message });
        }
        Ok(Self { folder: folder.into(), index })
    }

    /// Its index.
    #[must_use]
    pub fn index(&self) -> &ShardIndex {
        &self.index
    }

    /// What the rows were made of.
    ///
    /// # Errors
    /// As [`Manifest::load`].
    pub fn manifest(&self) -> Result<Manifest, DatasetError> {
        Manifest::load(&self.folder.join(MANIFEST))
    }

    /// How every row was made, by number.
    ///
    /// # Errors
    /// [`DatasetError::Io`]; [`DatasetError::Manifest`] for a line that is no row.
    pub fn rows(&self) -> Result<Vec<Row>, DatasetError> {
        let path = self.folder.join(ROWS);
        let file = std::fs::File::open(&path).map_err(DatasetError::io(&path))?;
        let mut rows = Vec::new();
        for line in std::io::BufReader::new(file).lines() {
            let line = line.map_err(DatasetError::io(&path))?;
            let number = rows.len() + 1;
            let fault = |message: String| DatasetError::Manifest { path: path.clone(), message };
            rows.push(serde_json::from_str(&line).map_err(|e| fault(format!("line {number}: {e}")))?);
        }
        Ok(rows)
    }

    /// All rows of the shards that `wanted` picks (by split, quality, …), in the order of their numbers. `memory_limit` bounds the
    /// bytes of a shard's tables and of a row.
    pub fn sequential(&self, wanted: impl Fn(&ShardEntry) -> bool, memory_limit: u64) -> LatentIter {
        self.iterator(wanted, memory_limit, None)
    }

    /// The same rows in an order that follows from `seed`: shards are mixed, and rows leave at random from a pool that is filled
    /// until it holds `memory_limit` bytes (the last row may exceed that).
    pub fn shuffled(&self, wanted: impl Fn(&ShardEntry) -> bool, memory_limit: u64, seed: u64) -> LatentIter {
        self.iterator(wanted, memory_limit, Some(ChaCha8Rng::seed_from_u64(seed)))
    }

    fn iterator(
        &self,
        wanted: impl Fn(&ShardEntry) -> bool,
        memory_limit: u64,
        mut rng: Option<ChaCha8Rng>,
    ) -> LatentIter {
        let mut shards: Vec<ShardEntry> = self.index.shards.iter().filter(|s| wanted(s)).cloned().collect();
        shards.sort_by_key(|s| s.first_row);
        if let Some(rng) = &mut rng {
            shards.shuffle(rng);
        }
        shards.reverse();
        LatentIter { folder: self.folder.clone(), shards, open: None, memory_limit, rng, pool: Vec::new(), pooled: 0 }
    }
}

/// Rows with their numbers; ends after the first error.
pub struct LatentIter {
    folder: PathBuf,
    /// Shards to come, the next one last.
    shards: Vec<ShardEntry>,
    open: Option<(ShardReader, ShardEntry, usize)>,
    memory_limit: u64,
    rng: Option<ChaCha8Rng>,
    pool: Vec<(u64, Latents)>,
    pooled: u64,
}

impl LatentIter {
    fn stored(&mut self) -> Result<Option<(u64, Latents)>, DatasetError> {
        loop {
            if let Some((reader, entry, next)) = &mut self.open
                && *next < entry.rows
            {
                let row = reader.read(*next)?;
                let number = entry.first_row + *next as u64;
                *next += 1;
                return Ok(Some((number, row)));
            }
            let Some(entry) = self.shards.pop() else { return Ok(None) };
            let path = self.folder.join(&entry.file);
            let reader = ShardReader::open(&path, self.memory_limit)?;
            if reader.rows() != entry.rows {
                let message = format!("{} rows, {} according to {INDEX}", reader.rows(), entry.rows);
                return Err(DatasetError::Shard { path, message });
            }
            self.open = Some((reader, entry, 0));
        }
    }

    fn step(&mut self) -> Result<Option<(u64, Latents)>, DatasetError> {
        if self.rng.is_none() {
            return self.stored();
        }
        while self.pooled < self.memory_limit {
            let Some(row) = self.stored()? else { break };
            self.pooled += row.1.bytes() as u64;
            self.pool.push(row);
        }
        let Some(rng) = self.rng.as_mut().filter(|_| !self.pool.is_empty()) else { return Ok(None) };
        let row = self.pool.swap_remove(rng.random_range(0..self.pool.len()));
        self.pooled -= row.1.bytes() as u64;
        Ok(Some(row))
    }
}

impl Iterator for LatentIter {
    type Item = Result<(u64, Latents), DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            (self.shards, self.open, self.pool) = (Vec::new(), None, Vec::new());
        }
        step.transpose()
    }
}
