//! The command `lmcodec-eval`. Results go to stdout or named files, messages and progress to stderr.
#![deny(missing_docs)]

mod commands;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Evaluation of lmcodec against its peers.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Recompress(commands::recompress::RecompressArgs),
    BdRate(commands::bd_rate::BdRateArgs),
    Speed(commands::speed::SpeedArgs),
    Ppm(commands::ppm::PpmArgs),
    #[command(hide = true)]
    Codec(commands::codec::CodecArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Recompress(args) => commands::recompress::run(&args),
        Command::BdRate(args) => commands::bd_rate::run(&args),
        Command::Speed(args) => commands::speed::run(&args),
        Command::Ppm(args) => commands::ppm::run(&args),
        Command::Codec(args) => commands::codec::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lmcodec-eval: {error}");
            ExitCode::FAILURE
        }
    }
}
