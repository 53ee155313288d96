//! `lmcodec train`: a model of one's own; only in builds with the feature `finetune`.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};

/// Train a model on a folder of photos, or heads for arrays of codes, and export it (builds with the feature `finetune` only).
#[derive(Debug, Args)]
#[cfg_attr(not(feature = "finetune"), allow(dead_code))]
pub(crate) struct Train {
    /// What to train, on which photos or codes, for how long (see finetune/configs)
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    /// Folder for checkpoints, log and exported model; a run that is there already goes on
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Device: cpu, or in builds with that feature wgpu (the default GPU) or wgpu:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Array of codes (.npy) to code with the model at the end; may be repeated (configurations of frames of codes)
    #[arg(long = "test", value_name = "FILE")]
    tests: Vec<PathBuf>,
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
        use lmcodec_finetune::frames::train::is_frames_config;
        use lmcodec_finetune::train::{read_config, train};

        let usage = |message: String| Failure::new(Exit::Usage, message);
        let device = self.device.parse::<DeviceKind>().and_then(DeviceKind::open).map_err(usage)?;
        if is_frames_config(&self.config).map_err(fault)? {
            return self.run_frames(&device);
        }
        if !self.tests.is_empty() {
            return Err(usage("--test is for configurations of frames of codes".into()));
        }
        let config = read_config(&self.config).map_err(fault)?;
        let outcome = train(&config, &self.out, &device, self.steps).map_err(fault)?;
        if !config.without.is_empty() {
            let validation = outcome.state.validations.last().map_or(f64::NAN, |v| v.1);
            println!("without {:?}: validation {validation:.4} bits/pixel; nothing is exported", config.without);
            return Ok(Exit::Success);
        }
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

    /// Heads for frames of codes.
    fn run_frames(&self, device: &lmcodec_finetune::device::Device) -> Result<Exit, Failure> {
        use lmcodec_finetune::frames::report::finish_frames;
        use lmcodec_finetune::frames::train::{read_frames_config, train_frames};

        let config = read_frames_config(&self.config).map_err(fault)?;
        let outcome = train_frames(&config, &self.out, device, self.steps).map_err(fault)?;
        let report = finish_frames(&config, &self.out, device, &outcome, &self.tests).map_err(fault)?;
        println!("{}: {} bytes, SHA-256 {}", report.model.display(), report.bytes, report.sha256);
        for (name, coded) in &report.tests {
            println!(
                "{name}: {} codes, coded {} bytes, CR {:.2} %, float {:.4} bits/code, cost of integers {:+.3} %",
                coded.codes, coded.coded_bytes, coded.cr_percent, coded.float_bits_per_code, coded.integer_cost_percent
            );
        }
        Ok(Exit::Success)
    }
}

#[cfg(feature = "finetune")]
fn fault(error: lmcodec_finetune::train::TrainError) -> Failure {
    use lmcodec_finetune::train::TrainError;

    let exit = match &error {
        TrainError::Io { .. } => Exit::Io,
        TrainError::Invalid { .. } => Exit::Usage,
        _ => Exit::Failure,
    };
    Failure::new(exit, error.to_string())
}
