//! Fine-tuning without the whole program: `finetune_run CONFIG.toml CHECKPOINT OUT [resume]`.

use std::path::Path;

use burn::tensor::Device;
use lmcodec_finetune::checkpoint::Checkpoint;
use lmcodec_finetune::sequence::config::read_config;
use lmcodec_finetune::sequence::train::{RunOptions, finetune};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, checkpoint, out, rest @ ..] = arguments.as_slice() else {
        return Err("CONFIG.toml CHECKPOINT OUT [resume]".into());
    };
    let config = read_config(Path::new(config))?;
    let checkpoint = Checkpoint::open(Path::new(checkpoint))?;
    let options = RunOptions { resume: rest.first().is_some_and(|r| r == "resume"), stop_after: None };
    let outcome = finetune(&config, &checkpoint, Path::new(out), &Device::flex(), options)?;
    println!("{}: {:?}", outcome.head_file.display(), outcome.state.validations.last());
    Ok(())
}
