//! `lmcodec eval ppm`: any image that the `image` crate reads → 8-bit binary PPM (P6), for `cjpeg`.

use std::path::PathBuf;

use clap::Args;

use super::outputs;
use crate::commands::exit::{Exit, Failure};

/// Convert an image (PNG, …) to 8-bit binary PPM.
#[derive(Debug, Args)]
pub(super) struct PpmArgs {
    /// Image to read
    input: PathBuf,
    /// PPM file to write, `-` for stdout
    output: PathBuf,
    /// Overwrite the output
    #[arg(long)]
    force: bool,
}

impl PpmArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        outputs::check([self.output.as_path()], self.force)?;
        let bytes = super::read(&self.input)?;
        let image = ::image::load_from_memory(&bytes)
            .map_err(|e| Failure::new(Exit::Malformed, format!("{}: {e}", self.input.display())))?
            .to_rgb8();
        let mut ppm = format!("P6\n{} {}\n255\n", image.width(), image.height()).into_bytes();
        ppm.extend_from_slice(image.as_raw());
        outputs::write(&self.output, &ppm, self.force)
    }
}
