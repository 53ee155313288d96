//! `lmcodec-eval ppm`: any image that the `image` crate reads → 8-bit binary PPM (P6), for `cjpeg`.

use super::{CommandResult, write_output};
use clap::Args;
use std::path::PathBuf;

/// Convert an image (PNG, …) to 8-bit binary PPM.
#[derive(Debug, Args)]
pub struct PpmArgs {
    /// Image to read.
    input: PathBuf,
    /// PPM file to write, `-` for stdout.
    output: PathBuf,
    /// Overwrite the output.
    #[arg(long)]
    force: bool,
}

/// Runs the subcommand.
pub fn run(args: &PpmArgs) -> CommandResult {
    let image = image::open(&args.input).map_err(|e| format!("{}: {e}", args.input.display()))?.to_rgb8();
    let mut ppm = format!("P6\n{} {}\n255\n", image.width(), image.height()).into_bytes();
    ppm.extend_from_slice(image.as_raw());
    write_output(&args.output, &ppm, args.force)
}
