//! `lmcodec train`: a model of one's own; only in builds with the feature `finetune`.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};

/// Train a model on a folder of photos and export it (builds with the feature `finetune` only).
#[derive(Debug, Args)]
#[cfg_attr(not(feature = "finetune"), allow(dead_code))]
pub(crate) struct Train {
    /// What to train, on which photos, for how long (see finetune/configs/default.toml)
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    /// Folder for checkpoints, log and exported model; a run that is there already goes on
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Device: cpu, or wgpu in builds with that feature
    #[arg(long, default_value = "cpu", value_parser = ["cpu", "wgpu"])]
    device: String,
    /// Stop after N steps of this call [default: when the config says]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
}

#[cfg(not(feature = "finetune"))]
impl Train {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        Err(Failure::new(
            Exit::Usage,
            "this build cannot train; rebuild with: cargo build --release --features finetune (or --features wgpu for GPUs)",
        ))
    }
}

#[cfg(feature = "finetune")]
impl Train {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        use lmcodec_finetune::card::finish;
        use lmcodec_finetune::device::DeviceKind;
        use lmcodec_finetune::train::{TrainError, read_config, train};

        let fault = |error: TrainError| {
            let exit = match &error {
                TrainError::Io { .. } => Exit::Io,
                TrainError::Invalid { .. } => Exit::Usage,
                _ => Exit::Failure,
            };
            Failure::new(exit, error.to_string())
        };
        let usage = |message: String| Failure::new(Exit::Usage, message);
        let config = read_config(&self.config).map_err(fault)?;
        let device = self.device.parse::<DeviceKind>().and_then(DeviceKind::open).map_err(usage)?;
        let outcome = train(&config, &self.out, &device, self.steps).map_err(fault)?;
        let finished = finish(&config, &self.out, &device, &outcome).map_err(fault)?;
        // What cannot be loaded must not be reported as a model.
        let model = lmcodec::Model::from_file(&finished.model)?;
        println!("{}: {} bytes, SHA-256 {}", finished.model.display(), finished.bytes, model.sha256());
        for p in &finished.parity {
            println!(
                "quality {}: float {:.0} bits, coded {:.0} bits, cost {:+.3} %",
                p.quality,
                p.float_bits,
                8.0 * p.coded_bytes as f64,
                p.cost_percent()
            );
        }
        Ok(Exit::Success)
    }
}
