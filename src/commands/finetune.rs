//! `lmcodec finetune`: heads of a pretrained Llama for some latents; only in builds with the feature `finetune`.

use std::path::PathBuf;

use clap::Args;
use lmcodec_finetune::checkpoint::Checkpoint;
use lmcodec_finetune::device::open_all;
use lmcodec_finetune::sequence::config::read_config;
use lmcodec_finetune::sequence::train::{RunOptions, finetune};

use super::exit::{Exit, Failure};
use super::train::{Watch, fault};

/// Fine-tune embedding and heads of a pretrained Llama on latents.
#[derive(Debug, Args)]
pub(crate) struct Finetune {
    /// Arrangement, latents, optimizer (see finetune/configs/sequence_*.toml)
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    /// Pretrained Llama: a Hugging Face folder or a GGUF file (docs/MODELS.md)
    #[arg(long, value_name = "DIR|FILE")]
    checkpoint: PathBuf,
    /// Folder for the head set, checkpoints, log and loss curve
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Device: cpu, or in builds with that feature wgpu (the default GPU) or wgpu:N; several, as in wgpu:0,wgpu:1, share the
    /// batches that a step accumulates
    #[arg(long, default_value = "cpu", value_name = "DEVICE,..")]
    device: String,
    /// Go on with the run that is in the folder
    #[arg(long)]
    resume: bool,
    /// Stop after N steps of this call [default: when the config says]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
}

impl Finetune {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let config = read_config(&self.config).map_err(fault)?;
        let devices = open_all(&self.device).map_err(|message| Failure::new(Exit::Usage, message))?;
        let checkpoint = Checkpoint::open(&self.checkpoint).map_err(|e| fault(e.into()))?;
        let options = RunOptions { resume: self.resume, stop_after: self.steps };
        let mut watch = Watch::new(&self.out);
        let outcome = finetune(&config, &checkpoint, &self.out, &devices, options, &mut watch).map_err(fault)?;
        let best = outcome.state.validations.iter().map(|v| v.1).min_by(f64::total_cmp);
        let line = serde_json::json!({
            "head_set": outcome.head_file, "backbone": checkpoint.name(), "backbone_sha256": checkpoint.sha256(),
            "steps": outcome.state.step, "symbols": outcome.state.seen.symbols, "seconds": outcome.state.seconds,
            "best_validation_bits_per_symbol": best, "ended": outcome.state.ended,
        });
        println!("{line}");
        Ok(Exit::Success)
    }
}
