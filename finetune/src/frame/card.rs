//! What a finished run leaves behind: the integer model, its parity report and its model card.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use lmcodec_datasets::manifest::Manifest;
use lmcodec_datasets::photos::{Split, load_folder};
use sha2::{Digest, Sha256};

use super::config::TrainConfig;
use super::export::export;
use super::parity::{Parity, held_out_images, parity};
use super::train::Outcome;
use crate::run::RunError;

/// Qualities at which parity is measured, and held-out photos at each.
const PARITY_QUALITIES: [u8; 4] = [20, 50, 80, 95];
const PARITY_PHOTOS: usize = 12;

/// The files of a finished run.
pub struct Finished {
    /// The integer model.
    pub model: PathBuf,
    /// Its size in bytes.
    pub bytes: usize,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// Parity by quality.
    pub parity: Vec<Parity>,
}

/// Exports a model into `folder`: `model.safetensors`, `parity.json` and `model.md`, its card, which shows the training curve
/// `loss.svg` beside it.
///
/// # Errors
/// [`RunError`] if a file cannot be written, or the exported model does not load.
pub fn finish(config: &TrainConfig, folder: &Path, device: &Device, outcome: &Outcome) -> Result<Finished, RunError> {
    let exported = export(&outcome.model, &config.model.config());
    let photos = load_folder(&config.data.folder)?;
    let manifest = Manifest::of(&photos, &config.data.source, &config.data.licence, config.data.validation_one_in);
    let model = folder.join("model.safetensors");
    let parity: Vec<Parity> = PARITY_QUALITIES
        .iter()
        .map(|&quality| {
            let images = held_out_images(&photos, config.data.validation_one_in, PARITY_PHOTOS, quality);
            parity(&outcome.model, &exported, &images, quality, device).map_err(|e| RunError::invalid(&model, e))
        })
        .collect::<Result<_, _>>()?;
    let sha256 = format!("{:x}", Sha256::digest(&exported));
    let finished = Finished { model, bytes: exported.len(), sha256, parity };
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        lmcodec_files::write(&path, bytes).map_err(RunError::io(&path))
    };
    let json = serde_json::to_string_pretty(&finished.parity).map_err(|e| RunError::invalid(folder, e))?;
    write("parity.json", json.as_bytes())?;
    write("model.md", card(config, &manifest, outcome, &finished)?.as_bytes())?;
    write("model.safetensors", &exported)?;
    Ok(finished)
}

fn card(config: &TrainConfig, manifest: &Manifest, outcome: &Outcome, finished: &Finished) -> Result<String, RunError> {
    let state = &outcome.state;
    let text = toml::to_string_pretty(config).map_err(|e| RunError::invalid(&config.data.folder, e))?;
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write!(
        out,
        "# Model card\n\n\
         A frame Llama (docs/MODEL.md) with {} parameters, exported to integers: {} bytes, SHA-256 `{}`.\n\n\
         ## Data\n\n{} ({}). {} photos trained on, {} held out by hash; the photos are not part of the repository. \
         They are scaled, cropped, flipped and quantized anew at random (`lmcodec-datasets`, module `crops`).\n\n\
         ## Training\n\n`lmcodec train CONFIG.toml --out DIR` with the configuration below: {} steps, {:.1} million frames, {:.0} million \
         coefficients, {:.2} hours.\n\n```toml\n{text}```\n\n\
         ![Bits a pixel over steps: batches of the training, and validation](loss.svg)\n\n\
         Validation (crops of the held-out photos, all qualities and components):\n\n| step | bits/pixel |\n|---|---|\n",
        outcome.model.parameters(),
        finished.bytes,
        finished.sha256,
        manifest.source,
        manifest.licence,
        manifest.count(Split::Train),
        manifest.count(Split::Validation),
        state.step,
        state.seen.frames as f64 / 1e6,
        state.seen.coefficients as f64 / 1e6,
        state.seconds / 3600.0,
    );
    for (step, bpp) in &state.validations {
        let _ = writeln!(out, "| {step} | {bpp:.4} |");
    }
    out.push_str(
        "\n## Parity\n\nWhole held-out photos at half size, 4:2:0: cross-entropy of the float model against the bytes that the integer \
         model and the range coder write.\n\n| quality | photos | float, bits/pixel | coded, bits/pixel | cost % |\n|---|---|---|---|---|\n",
    );
    for p in &finished.parity {
        let per_pixel = |bits: f64| bits / p.pixels.max(1) as f64;
        let _ = writeln!(
            out,
            "| {} | {} | {:.4} | {:.4} | {:+.3} |",
            p.quality,
            p.images,
            per_pixel(p.float_bits),
            per_pixel(8.0 * p.coded_bytes as f64),
            p.cost_percent()
        );
    }
    Ok(out)
}
