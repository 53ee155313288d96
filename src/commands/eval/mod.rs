//! `lmcodec eval`: rate, distortion, speed and memory beside other codecs; reports and comparisons.

mod bd_rate;
mod codec;
mod compare;
mod documents;
#[cfg(feature = "fid")]
mod fid;
mod image;
mod latents;
mod launch;
mod lmcodec_codec;
mod outputs;
mod paper;
mod ppm;
mod published;
mod recompress;
mod render;
mod sequence;
mod sets;
mod speech;
mod speed;

use std::fmt::Display;
use std::io::IsTerminal;
use std::path::Path;

use clap::{Args, Subcommand};

use super::exit::{Exit, Failure};

/// Evaluate codecs: recompression tables, rate-distortion reports, BD-rates, the tables of the paper.
#[derive(Debug, Args)]
pub(crate) struct Eval {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Image(image::ImageArgs),
    Speech(speech::SpeechArgs),
    Latents(latents::LatentsArgs),
    Sequence(sequence::SequenceArgs),
    Recompress(recompress::RecompressArgs),
    Speed(speed::SpeedArgs),
    BdRate(bd_rate::BdRateArgs),
    Compare(compare::CompareArgs),
    #[cfg(feature = "fid")]
    Fid(fid::FidArgs),
    /// Fréchet inception distance of two folders of images (not in this build: feature `fid`)
    #[cfg(not(feature = "fid"))]
    Fid(super::missing::Missing),
    Paper(paper::PaperArgs),
    Render(render::RenderArgs),
    Documents(documents::DocumentsArgs),
    Ppm(ppm::PpmArgs),
    #[command(hide = true)]
    Codec(codec::CodecArgs),
    #[command(hide = true)]
    Launch(launch::LaunchArgs),
}

impl Eval {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        if let Ok(own) = std::env::current_exe() {
            lmcodec_eval::recompress::process::use_launcher(own.as_os_str(), &launch::WORDS);
        }
        match &self.command {
            Command::Image(args) => args.run(),
            Command::Speech(args) => args.run(),
            Command::Latents(args) => args.run(),
            Command::Sequence(args) => args.run(),
            Command::Recompress(args) => args.run(),
            Command::Speed(args) => args.run(),
            Command::BdRate(args) => args.run(),
            Command::Compare(args) => args.run(),
            #[cfg(feature = "fid")]
            Command::Fid(args) => args.run(),
            #[cfg(not(feature = "fid"))]
            Command::Fid(missing) => missing.run("eval fid", "fid").map(|_| ()),
            Command::Paper(args) => args.run(),
            Command::Render(args) => args.run(),
            Command::Documents(args) => args.run(),
            Command::Ppm(args) => args.run(),
            Command::Codec(args) => args.run(),
            Command::Launch(args) => args.run(),
        }?;
        Ok(Exit::Success)
    }
}

/// Gives an error of a library its exit code.
trait OrExit<T> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Display> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(exit, error.to_string()))
    }
}

/// A file's bytes; the message names it.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(Exit::Io, format!("{}: {error}", path.display())))
}

/// A bar on standard error; nothing where that is no terminal.
fn progress_bar(length: u64) -> indicatif::ProgressBar {
    if std::io::stderr().is_terminal() { indicatif::ProgressBar::new(length) } else { indicatif::ProgressBar::hidden() }
}
