//! The subcommands, one file each, and what they share: exit codes, lists of files, output files, progress, reports.

mod batch;
mod codes;
mod completions;
#[cfg(feature = "datasets")]
mod datasets;
mod decode;
mod encode;
#[cfg(feature = "eval")]
mod eval;
mod existing;
mod exit;
#[cfg(feature = "finetune")]
mod export;
mod files;
#[cfg(feature = "finetune")]
mod finetune;
mod inspect;
mod list;
mod metadata;
#[cfg(not(all(feature = "datasets", feature = "eval", feature = "fid", feature = "finetune")))]
mod missing;
mod models;
mod names;
mod output;
mod preserve;
mod progress;
mod remove;
mod terminal;
mod totals;
#[cfg(feature = "finetune")]
mod train;
mod verify;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use lmcodec::models::folders;
use lmcodec::{DecodeOptions, Execution, Kernel, Limits, ModelRegistry};

pub(crate) use exit::{Exit, Failure};

/// Recompress JPEG files byte for byte, with an exact integer Llama as the entropy model.
#[derive(Debug, Parser)]
#[command(version, after_help = exit::TABLE, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Encode(encode::Encode),
    #[command(short_flag = 'd')]
    Decode(decode::Decode),
    #[command(short_flag = 't', visible_alias = "test")]
    Verify(verify::Verify),
    #[command(short_flag = 'l')]
    List(list::List),
    Inspect(inspect::Inspect),
    Metadata(metadata::MetadataCommand),
    Thumbnail(metadata::Thumbnail),
    Models(models::ModelsCommand),
    #[cfg(feature = "finetune")]
    Train(train::Train),
    /// Train a model on a folder of photos, or heads for arrays of codes, and export it (not in this build: feature `finetune`)
    #[cfg(not(feature = "finetune"))]
    Train(missing::Missing),
    #[cfg(feature = "finetune")]
    Finetune(finetune::Finetune),
    /// Fine-tune embedding and head of a pretrained Llama on latents (not in this build: feature `finetune`)
    #[cfg(not(feature = "finetune"))]
    Finetune(missing::Missing),
    #[cfg(feature = "finetune")]
    Export(export::Export),
    /// Round a pretrained Llama and its trained heads to integers (not in this build: feature `finetune`)
    #[cfg(not(feature = "finetune"))]
    Export(missing::Missing),
    #[cfg(feature = "datasets")]
    Datasets(datasets::Datasets),
    /// Prepare folders of media for training (not in this build: feature `datasets`)
    #[cfg(not(feature = "datasets"))]
    Datasets(missing::Missing),
    #[cfg(feature = "eval")]
    Eval(eval::Eval),
    /// Measure codecs, compare reports (not in this build: feature `eval`)
    #[cfg(not(feature = "eval"))]
    Eval(missing::Missing),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// Runs a subcommand. A reader that has gone away is no error.
pub(crate) fn run(cli: Cli) -> Exit {
    let result = match cli.command {
        Command::Encode(encode) => encode.run(),
        Command::Decode(decode) => decode.run(),
        Command::Verify(verify) => verify.run(),
        Command::List(list) => list.run(),
        Command::Inspect(inspect) => inspect.run(),
        Command::Metadata(metadata) => metadata.run(),
        Command::Thumbnail(thumbnail) => thumbnail.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
        Command::Models(models) => models.run(),
        #[cfg(feature = "finetune")]
        Command::Train(train) => train.run(),
        #[cfg(not(feature = "finetune"))]
        Command::Train(missing) => missing.run("train", "finetune"),
        #[cfg(feature = "finetune")]
        Command::Finetune(finetune) => finetune.run(),
        #[cfg(not(feature = "finetune"))]
        Command::Finetune(missing) => missing.run("finetune", "finetune"),
        #[cfg(feature = "finetune")]
        Command::Export(export) => export.run(),
        #[cfg(not(feature = "finetune"))]
        Command::Export(missing) => missing.run("export", "finetune"),
        #[cfg(feature = "datasets")]
        Command::Datasets(datasets) => datasets.run(),
        #[cfg(not(feature = "datasets"))]
        Command::Datasets(missing) => missing.run("datasets", "datasets"),
        #[cfg(feature = "eval")]
        Command::Eval(eval) => eval.run(),
        #[cfg(not(feature = "eval"))]
        Command::Eval(missing) => missing.run("eval", "eval"),
    };
    match result {
        Ok(exit) => exit,
        Err(failure) if failure.broken_pipe => Exit::Success,
        Err(failure) => {
            terminal::say(&format!("lmcodec: {}", failure.message));
            failure.exit
        }
    }
}

/// Options of every subcommand that codes.
#[derive(Debug, Args)]
struct Coding {
    /// Threads, 0 for one a core, which are also the most; they change no bit of any result
    #[arg(short = 'T', long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Files that are worked on side by side, at most [default: as many as threads]; each takes memory of its own
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Print one JSON object a file, one a line, and one of the totals after several
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
    /// Print a line a file also where there are many
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,
    /// Largest image that is accepted, in pixels
    #[arg(long, value_name = "N", default_value_t = Limits::default().jpeg.max_pixels)]
    max_pixels: u64,
    /// Kernel of the model: scalar, avx2, avx512-vnni [default: the fastest]
    #[arg(long, hide = true, value_parser = kernel)]
    kernel: Option<Kernel>,
}

impl Coding {
    /// Threads that work side by side: as many as asked for, at most as many as run at once here.
    fn thread_count(&self) -> usize {
        let all = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        NonZeroUsize::new(self.threads).map_or(all, |threads| threads.min(all)).get()
    }

    /// Files that are worked on side by side.
    fn jobs(&self, threads: usize) -> usize {
        self.jobs.map_or(threads, |jobs| jobs.get().min(threads))
    }

    fn execution(&self) -> Execution {
        // Several files share one pool; see `batch`.
        let mut execution = Execution::new();
        execution.threads = NonZeroUsize::new(self.threads).filter(|threads| threads.get() == 1);
        execution.kernel = self.kernel;
        execution
    }

    /// The default limits, with the largest image as asked.
    fn limits(&self) -> Limits {
        Limits::new().max_pixels(self.max_pixels)
    }

    fn decode_options(&self, models: ModelRegistry) -> DecodeOptions {
        DecodeOptions::new().models(models).limits(self.limits()).execution(self.execution())
    }
}

/// Model files beside the embedded models.
#[derive(Debug, Args)]
struct Models {
    /// Model to decode with, beside the embedded ones and those in the model folders; may be repeated
    #[arg(long = "model", value_name = "FILE|NAME")]
    files: Vec<PathBuf>,
}

impl Models {
    fn registry(&self) -> Result<ModelRegistry, Failure> {
        let mut registry = ModelRegistry::with_folders(folders::standard());
        for file in &self.files {
            registry.add_file(file)?;
        }
        Ok(registry)
    }
}

fn kernel(name: &str) -> Result<Kernel, String> {
    let available = Kernel::available();
    available.iter().copied().find(|kernel| kernel.name() == name).ok_or_else(|| {
        let names: Vec<_> = available.iter().map(|kernel| kernel.name()).collect();
        format!("this processor runs {}", names.join(", "))
    })
}

/// What a failed write to stdout means.
fn stdout_failure(error: &std::io::Error) -> Failure {
    Failure {
        exit: Exit::Io,
        message: format!("standard output: {error}"),
        broken_pipe: error.kind() == std::io::ErrorKind::BrokenPipe,
    }
}
