//! Writes a plan's rows into shards: in parallel, and so that a killed run goes on where it was.
//!
//! `index.json` is written first and after every job; it lists the finished shards with their hashes. A run that finds it with the
//! same plan checks these hashes and makes only what is missing or damaged. All files are renamed into place when they are whole.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use crate::digest::{sha256, sha256_file};
use crate::error::DatasetError;
use crate::manifest::Manifest;
use crate::plan::{Plan, PlannedShard, Recipe, RowContent, draw, plan_sha256};
use crate::rows::make;
use crate::shards::{FORMAT, INDEX, Latents, MANIFEST, ROWS, ShardEntry, ShardIndex, VERSION, encode};

/// What a preparation did.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The index as it is now.
    pub index: ShardIndex,
    /// Shards that were there already.
    pub kept: usize,
    /// Shards that were made.
    pub made: usize,
    /// Files of the wanted splits that are too small for a crop.
    pub too_small: Vec<String>,
}

/// Prepares the files of `manifest`, which lie below `folder`, into the folder `out`. `progress` is called with the rows done and
/// their number.
///
/// # Errors
/// [`DatasetError::InvalidOption`] for a recipe that makes no sense, or an output folder with other things in it;
/// [`DatasetError::OtherPreparation`]; [`DatasetError::Changed`] for a file that is not the manifest's; [`DatasetError::Io`].
/// What was finished before stays.
pub fn prepare(
    folder: &Path,
    manifest: &Manifest,
    recipe: &Recipe,
    out: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Prepared, DatasetError> {
    let plan = draw(manifest, recipe)?;
    let json = |e: serde_json::Error| DatasetError::Manifest { path: out.join(MANIFEST), message: e.to_string() };
    let manifest_json = serde_json::to_string_pretty(manifest).map_err(json)? + "\n";
    let rows_jsonl = plan.rows_jsonl();
    let (manifest_sha256, rows_sha256) = (sha256(manifest_json.as_bytes()), sha256(&rows_jsonl));
    let mut index = ShardIndex {
        format: FORMAT.into(),
        version: VERSION,
        plan_sha256: plan_sha256(recipe, &manifest_sha256, &rows_sha256),
        recipe: recipe.clone(),
        manifest_sha256,
        rows_sha256,
        rows: plan.rows.len() as u64,
        complete: false,
        shards: Vec::new(),
    };
    let mut finished = claim(out, &index)?;
    save(out, &index)?;
    for (name, bytes, hash) in
        [(MANIFEST, manifest_json.as_bytes(), &index.manifest_sha256), (ROWS, &rows_jsonl, &index.rows_sha256)]
    {
        let path = out.join(name);
        if !path.is_file() || sha256_file(&path)?.0 != *hash {
            lmcodec_files::write(&path, bytes).map_err(DatasetError::io(&path))?;
        }
    }
    let kept = finished.len();
    let total = index.rows;
    let done = std::sync::atomic::AtomicU64::new(0);
    let advance = |rows: usize| {
        let rows = rows as u64;
        progress(rows + done.fetch_add(rows, std::sync::atomic::Ordering::Relaxed), total);
    };
    let order: Vec<&PlannedShard> = plan.jobs.iter().flatten().collect();
    for job in &plan.jobs {
        let missing: Vec<&PlannedShard> = job.iter().filter(|s| !finished.contains_key(&s.file)).collect();
        advance(job.iter().filter(|s| finished.contains_key(&s.file)).map(|s| s.rows).sum());
        if missing.is_empty() {
            continue;
        }
        for entry in shards(folder, manifest, recipe, &plan, &index.plan_sha256, &missing, out, &advance)? {
            finished.insert(entry.file.clone(), entry);
        }
        index.shards = order.iter().filter_map(|s| finished.get(&s.file)).cloned().collect();
        save(out, &index)?;
    }
    index.shards = order.iter().filter_map(|s| finished.get(&s.file)).cloned().collect();
    index.complete = true;
    save(out, &index)?;
    Ok(Prepared { made: index.shards.len() - kept, kept, too_small: plan.too_small, index })
}

/// Makes sure that the output folder is ours; returns the shards in it that are whole.
fn claim(out: &Path, index: &ShardIndex) -> Result<BTreeMap<String, ShardEntry>, DatasetError> {
    std::fs::create_dir_all(out).map_err(DatasetError::io(out))?;
    if !out.join(INDEX).exists() {
        lmcodec_files::sweep(out).map_err(DatasetError::io(out))?;
        let other = std::fs::read_dir(out).map_err(DatasetError::io(out))?.next();
        if let Some(other) = other.transpose().map_err(DatasetError::io(out))? {
            let message = format!(
                "{}: is not empty and holds no {INDEX} (but {}); name an empty or a new folder",
                out.display(),
                other.file_name().display()
            );
            return Err(DatasetError::InvalidOption(message));
        }
        return Ok(BTreeMap::new());
    }
    let before = ShardIndex::load(out)?;
    if before.plan_sha256 != index.plan_sha256 {
        let (found, expected) = (before.plan_sha256, index.plan_sha256.clone());
        return Err(DatasetError::OtherPreparation { folder: out.into(), found, expected });
    }
    lmcodec_files::sweep(out).map_err(DatasetError::io(out))?;
    let whole: Vec<Option<ShardEntry>> = before
        .shards
        .into_par_iter()
        .map(|shard| {
            let path = out.join(&shard.file);
            let same = path.is_file() && sha256_file(&path)? == (shard.sha256.clone(), shard.bytes);
            Ok(same.then_some(shard))
        })
        .collect::<Result<_, DatasetError>>()?;
    Ok(whole.into_iter().flatten().map(|s| (s.file.clone(), s)).collect())
}

fn save(out: &Path, index: &ShardIndex) -> Result<(), DatasetError> {
    let path = out.join(INDEX);
    let json = serde_json::to_string_pretty(index)
        .map_err(|e| DatasetError::Manifest { path: path.clone(), message: e.to_string() })?;
    lmcodec_files::write(&path, (json + "\n").as_bytes()).map_err(DatasetError::io(&path))
}

/// Makes shards of the same pieces: every file is opened once for all of them.
#[expect(clippy::too_many_arguments, reason = "the state of one preparation, used once")]
fn shards(
    folder: &Path,
    manifest: &Manifest,
    recipe: &Recipe,
    plan: &Plan,
    plan_sha256: &str,
    shards: &[&PlannedShard],
    out: &Path,
    advance: &(dyn Fn(usize) + Sync),
) -> Result<Vec<ShardEntry>, DatasetError> {
    // By file: the positions in the rows of all shards.
    let rows = shards.iter().flat_map(|s| &plan.rows[s.first_row as usize..s.first_row as usize + s.rows]);
    let mut by_file: BTreeMap<&str, Vec<(usize, &crate::plan::Row)>> = BTreeMap::new();
    rows.enumerate().for_each(|(position, row)| by_file.entry(&row.path).or_default().push((position, row)));
    let groups: Vec<_> = by_file.into_iter().collect();
    let made: Vec<Vec<(usize, Latents)>> = groups
        .par_iter()
        .map(|(_, rows)| {
            let made = make(folder, manifest, &recipe.content, rows);
            advance(rows.len());
            made
        })
        .collect::<Result<_, _>>()?;
    let mut made: Vec<(usize, Latents)> = made.into_iter().flatten().collect();
    made.sort_unstable_by_key(|(position, _)| *position);
    let mut latents: Vec<Latents> = made.into_iter().map(|(_, latents)| latents).collect();
    let mut entries = Vec::with_capacity(shards.len());
    for shard in shards {
        let rest = latents.split_off(shard.rows);
        let path = out.join(&shard.file);
        let facts = facts(recipe, shard, plan_sha256);
        let bytes = encode(&latents, &facts).map_err(|message| DatasetError::Shard { path: path.clone(), message })?;
        lmcodec_files::write(&path, &bytes).map_err(DatasetError::io(&path))?;
        entries.push(ShardEntry {
            file: shard.file.clone(),
            sha256: sha256(&bytes),
            bytes: bytes.len() as u64,
            first_row: shard.first_row,
            rows: shard.rows,
            split: shard.split,
            quality: shard.quality,
        });
        latents = rest;
    }
    Ok(entries)
}

/// What a shard says about itself.
fn facts(recipe: &Recipe, shard: &PlannedShard, plan_sha256: &str) -> serde_json::Value {
    let mut facts = serde_json::json!({
        "format": FORMAT, "version": VERSION, "plan_sha256": plan_sha256, "first_row": shard.first_row, "split": shard.split,
    });
    match &recipe.content {
        RowContent::Coefficients { sampling, .. } => {
            facts["content"] = "coefficients".into();
            facts["quality"] = shard.quality.into();
            facts["sampling"] = serde_json::json!(sampling);
        }
        RowContent::Speech { sample_rate, .. } => {
            facts["content"] = "speech".into();
            facts["sample_rate"] = (*sample_rate).into();
        }
        RowContent::Codes => facts["content"] = "codes".into(),
    }
    facts
}
