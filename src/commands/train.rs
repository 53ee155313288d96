//! `lmcodec train`: a model of one's own; only in builds with the feature `finetune`.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use lmcodec_eval::plot::{LogAxes, Series, line_chart};
use lmcodec_finetune::codes::config::{is_codes_config, read_codes_config};
use lmcodec_finetune::codes::report::finish_codes;
use lmcodec_finetune::codes::train::train_codes;
use lmcodec_finetune::device::{Device, DeviceKind};
use lmcodec_finetune::frame::card::finish;
use lmcodec_finetune::frame::config::read_config;
use lmcodec_finetune::frame::train::train;
use lmcodec_finetune::run::{Course, Observer, RunError, Unit};

use super::exit::{Exit, Failure};
use super::output;
use super::output::Target;

/// Train a model on a folder of photos, or heads for arrays of codes, and export it.
#[derive(Debug, Args)]
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

impl Train {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let usage = |message: String| Failure::new(Exit::Usage, message);
        let device = self.device.parse::<DeviceKind>().and_then(DeviceKind::open).map_err(usage)?;
        if is_codes_config(&self.config).map_err(fault)? {
            return self.run_codes(&device);
        }
        if !self.tests.is_empty() {
            return Err(usage("--test is for configurations of frames of codes".into()));
        }
        let config = read_config(&self.config).map_err(fault)?;
        let mut watch = Watch::new(&self.out);
        let outcome = train(&config, &self.out, &device, self.steps, &mut watch).map_err(fault)?;
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
    fn run_codes(&self, device: &Device) -> Result<Exit, Failure> {
        let config = read_codes_config(&self.config).map_err(fault)?;
        let mut watch = Watch::new(&self.out);
        let outcome = train_codes(&config, &self.out, device, self.steps, &mut watch).map_err(fault)?;
        let report = finish_codes(&config, &self.out, device, &outcome, &self.tests).map_err(fault)?;
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

/// Shows a run on standard error, and draws its course into `loss.svg` in its folder.
pub(super) struct Watch<'a> {
    folder: &'a Path,
    bar: ProgressBar,
    unit: &'static str,
}

impl<'a> Watch<'a> {
    pub(super) fn new(folder: &'a Path) -> Self {
        Self { folder, bar: ProgressBar::hidden(), unit: "" }
    }
}

impl Observer for Watch<'_> {
    fn begin(&mut self, done: usize, steps: usize, unit: Unit) {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} [{elapsed}<{eta}] {msg}");
        self.bar = ProgressBar::new(steps as u64).with_style(style.unwrap_or(ProgressStyle::default_bar()));
        self.bar.set_position(done as u64);
        self.bar.reset_eta();
        self.unit = unit.text;
    }

    fn step(&mut self, step: usize, bits: f64) {
        self.bar.set_position(step as u64);
        self.bar.set_message(format!("{bits:.4} {}", self.unit));
    }

    fn validated(&mut self, step: usize, course: Course<'_>) {
        if let Some((_, bits)) = course.validations.last().filter(|v| v.0 == step) {
            self.bar.suspend(|| eprintln!("step {step}: validation {bits:.4} {}", self.unit));
        }
        let target = Target::File(self.folder.join("loss.svg"));
        if let Err(failure) = output::write(&target, curve(course).as_bytes(), true, None) {
            // No reason to end a training.
            self.bar.suspend(|| eprintln!("lmcodec: {}", failure.message));
        }
    }

    fn end(&mut self) {
        self.bar.finish();
    }
}

/// The course of a run as an SVG file.
fn curve(course: Course<'_>) -> String {
    let points = |values: &[(usize, f64)]| values.iter().map(|&(step, bits)| (step as f64, bits)).collect::<Vec<_>>();
    let series = [
        Series::line("training", 0, points(course.training)),
        Series::line("validation", 1, points(course.validations)),
    ];
    line_chart("Loss", "step", course.unit.text, &series, LogAxes::default())
}

/// The exit code of an error.
pub(super) fn fault(error: RunError) -> Failure {
    use lmcodec_finetune::checkpoint::CheckpointError;

    let exit = match &error {
        RunError::Io { .. }
        | RunError::Checkpoint(CheckpointError::Io { .. } | CheckpointError::MissingShard { .. }) => Exit::Io,
        RunError::Checkpoint(CheckpointError::NotLlama { .. } | CheckpointError::Dtype { .. }) => Exit::Unsupported,
        RunError::Checkpoint(_) => Exit::Malformed,
        RunError::Invalid { .. }
        | RunError::Exists { .. }
        | RunError::NoData { .. }
        | RunError::Changed { .. }
        | RunError::Crops(_)
        | RunError::Arrangement(_) => Exit::Usage,
        RunError::Sequence(_) => Exit::Limit,
        _ => Exit::Failure,
    };
    Failure::new(exit, error.to_string())
}
