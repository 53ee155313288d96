//! `lmcodec export`: checkpoint and head set → the integer files that coding uses; only in builds with the feature `finetune`.

use std::path::{Path, PathBuf};

use clap::Args;
use lmcodec_entropy::sequence_llama::SequenceLlama;
use lmcodec_finetune::checkpoint::Checkpoint;
use lmcodec_finetune::device::DeviceKind;
use lmcodec_finetune::sequence::config::read_config;
use lmcodec_finetune::sequence::data::{Latents, validation_chunks};
use lmcodec_finetune::sequence::export::{integer_bits, integer_files};
use lmcodec_finetune::sequence::head_file;
use lmcodec_finetune::sequence::model::Backbone;
use lmcodec_finetune::sequence::validation::validate;
use sha2::Sha256;
use sha2::digest::Output;

use super::exit::{Exit, Failure};
use super::output;
use super::output::Target;
use super::train::fault;

/// Round a pretrained Llama and a head set to integer files.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Pretrained Llama: a Hugging Face folder or a GGUF file
    #[arg(long, value_name = "DIR|FILE")]
    checkpoint: PathBuf,
    /// Head set that `lmcodec finetune` trained
    #[arg(long, value_name = "FILE")]
    heads: PathBuf,
    /// Folder for backbone.safetensors and heads.safetensors
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    /// Also measure what the rounding costs, on the validation latents of this config
    #[arg(long, value_name = "CONFIG.toml")]
    measure: Option<PathBuf>,
    /// Chunks to measure on
    #[arg(long, value_name = "N", default_value_t = 8)]
    chunks: usize,
}

impl Export {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let target = |name: &str| self.out.join(name);
        for path in [target("backbone.safetensors"), target("heads.safetensors")] {
            if !self.force && path.symlink_metadata().is_ok() {
                let message = format!("{} exists; --force replaces it", path.display());
                return Err(Failure::new(Exit::Io, message));
            }
        }
        let checkpoint = Checkpoint::open(&self.checkpoint).map_err(|e| fault(e.into()))?;
        let files = integer_files(&checkpoint, &self.heads).map_err(fault)?;
        let cost = match &self.measure {
            Some(config) => Some(self.cost(config, &checkpoint, &files.model)?),
            None => None,
        };
        // The head set last: it names the backbone.
        output::write(&Target::File(target("backbone.safetensors")), &files.backbone, self.force, None)?;
        output::write(&Target::File(target("heads.safetensors")), &files.heads, self.force, None)?;
        let hex = |bytes: [u8; 32]| format!("{:x}", Output::<Sha256>::from(bytes));
        let mut line = serde_json::json!({
            "backbone": target("backbone.safetensors"), "backbone_bytes": files.backbone.len(),
            "backbone_sha256": hex(files.model.backbone().sha256()),
            "heads": target("heads.safetensors"), "heads_bytes": files.heads.len(), "heads_sha256": hex(files.model.sha256()),
        });
        if let Some((symbols, float, integer)) = cost {
            line["measured_symbols"] = symbols.into();
            line["float_bits_per_symbol"] = (float / symbols as f64).into();
            line["integer_bits_per_symbol"] = (integer / symbols as f64).into();
            line["cost_percent"] = (100.0 * (integer / float - 1.0)).into();
        }
        println!("{line}");
        Ok(Exit::Success)
    }

    /// (symbols, bits of the float model, bits of the integer model) of validation chunks.
    fn cost(&self, config: &Path, checkpoint: &Checkpoint, model: &SequenceLlama) -> Result<(u64, f64, f64), Failure> {
        let config = read_config(config).map_err(fault)?;
        let device = DeviceKind::Cpu.open().map_err(|message| Failure::new(Exit::Usage, message))?;
        let latents = Latents::load(&config).map_err(fault)?;
        let chunks = validation_chunks(&latents.validation, self.chunks);
        let auto = device.clone().autodiff();
        let (heads, description) = head_file::load(&self.heads, checkpoint.config(), &auto).map_err(fault)?;
        if description.arrangement != config.arrangement {
            let message = format!("{} is for another arrangement than the config", self.heads.display());
            return Err(Failure::new(Exit::Usage, message));
        }
        let backbone = Backbone::load(checkpoint, config.arrangement.chunk as usize, &device);
        let backbone = backbone.map_err(|e| fault(e.into()))?;
        let float = validate(&backbone, &heads, &config.arrangement, &chunks, 1).map_err(fault)?.bits;
        let integer = integer_bits(model, &config.arrangement, &chunks).map_err(fault)?;
        Ok((float.count(), float.total(), integer))
    }
}
