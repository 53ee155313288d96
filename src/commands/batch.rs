//! Working on several files at once: workers, reports in the order of the inputs, one progress bar.
//!
//! A worker a thread takes files from a common list; the segments of all files run in one rayon pool, so that many small
//! files and one large file both use every core, and memory holds no more files than there are threads.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lmcodec::Progress;

use super::exit::{Exit, Failure};
use super::{Coding, stdout_failure};

/// Shorter runs show no bar.
const QUIET: Duration = Duration::from_secs(1);
/// Steps of the bar for each file.
const STEPS: u64 = 1000;

/// What to print about a file that worked.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Lines for standard output, or for standard error if that carries data.
    pub(crate) text: String,
    /// Messages for standard error.
    pub(crate) notes: Vec<String>,
    /// Something was reported that is no success after all.
    pub(crate) exit: Option<Exit>,
}

/// How a batch is run and reported.
pub(crate) struct Batch<'a> {
    pub(crate) coding: &'a Coding,
    /// Standard output carries data, so reports go to standard error.
    pub(crate) data_on_stdout: bool,
    /// What the bar says.
    pub(crate) verb: &'static str,
}

impl Batch<'_> {
    /// `work` on every item, reporting in order. The exit code is that of the first failure.
    pub(crate) fn run<T: Sync>(
        &self,
        items: &[T],
        name: impl Fn(&T) -> String + Sync,
        work: impl Fn(&T, Progress) -> Result<Report, Failure> + Sync,
    ) -> Result<Exit, Failure> {
        let threads = self.coding.thread_count();
        // Fails only if the pool exists already, and then it serves as well. Where there are no threads (WebAssembly) rayon
        // works in this one, unless a pool is asked for.
        if cfg!(not(target_family = "wasm")) {
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        }
        let bar = Bar::new(items.len(), self.verb);
        let printer = Mutex::new(Printer { waiting: BTreeMap::new(), next: 0, exit: Exit::Success, failure: None });
        let next = AtomicUsize::new(0);
        let worker = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else { return };
                let result = work(item, bar.progress_of(index));
                bar.set(index, STEPS);
                let Ok(mut printer) = printer.lock() else { return };
                printer.waiting.insert(index, (name(item), result));
                bar.line.suspend(|| printer.print(self));
                if printer.failure.is_some() {
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(items.len()) {
                scope.spawn(worker);
            }
            worker();
        });
        bar.line.finish_and_clear();
        let Ok(printer) = printer.into_inner() else {
            return Err(Failure::new(Exit::Failure, "a worker thread failed"));
        };
        printer.failure.map_or(Ok(printer.exit), Err)
    }
}

/// Prints results in the order of the inputs.
struct Printer {
    waiting: BTreeMap<usize, (String, Result<Report, Failure>)>,
    next: usize,
    exit: Exit,
    /// Standard output is gone: stop.
    failure: Option<Failure>,
}

impl Printer {
    fn print(&mut self, batch: &Batch<'_>) {
        while let Some((name, result)) = self.waiting.remove(&self.next) {
            self.next += 1;
            let written = match result {
                Ok(report) => {
                    report.notes.iter().for_each(|note| eprintln!("lmcodec: {name}: {note}"));
                    self.note(report.exit);
                    put(&report.text, batch.data_on_stdout)
                }
                Err(failure) if failure.broken_pipe => {
                    self.failure = Some(failure);
                    return;
                }
                Err(failure) => {
                    eprintln!("lmcodec: {name}: {}", failure.message);
                    self.note(Some(failure.exit));
                    if batch.coding.json {
                        let line = serde_json::json!({
                            "input": name, "error": failure.message, "exit_code": failure.exit as u8,
                        });
                        put(&format!("{line}\n"), batch.data_on_stdout)
                    } else {
                        Ok(())
                    }
                }
            };
            if let Err(error) = written {
                self.failure = Some(stdout_failure(&error));
                return;
            }
        }
    }

    fn note(&mut self, exit: Option<Exit>) {
        if self.exit == Exit::Success {
            self.exit = exit.unwrap_or(Exit::Success);
        }
    }
}

fn put(text: &str, to_stderr: bool) -> io::Result<()> {
    if to_stderr {
        return io::stderr().write_all(text.as_bytes());
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// One bar for all files: hidden at first, and always where standard error is no terminal.
#[derive(Clone)]
struct Bar {
    line: ProgressBar,
    done: std::sync::Arc<Vec<std::sync::atomic::AtomicU64>>,
    start: Instant,
}

impl Bar {
    fn new(files: usize, verb: &'static str) -> Self {
        let line = ProgressBar::with_draw_target(Some(files as u64 * STEPS), ProgressDrawTarget::stderr());
        let template = "{msg} {bar:40} {percent:>3} % [{elapsed} < {eta}]";
        line.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        if files > 1 {
            line.set_message(format!("{verb} {files} files"));
        } else {
            line.set_message(verb);
        }
        let done = (0..files).map(|_| Default::default()).collect::<Vec<_>>();
        Self { line, done: done.into(), start: Instant::now() }
    }

    fn progress_of(&self, index: usize) -> Progress {
        let bar = self.clone();
        Progress::new(move |fraction| bar.set(index, (fraction * STEPS as f64) as u64))
    }

    fn set(&self, index: usize, steps: u64) {
        self.done[index].store(steps.min(STEPS), Ordering::Relaxed);
        // Drawing starts with the first update that the line gets.
        if self.start.elapsed() > QUIET {
            self.line.set_position(self.done.iter().map(|done| done.load(Ordering::Relaxed)).sum());
        }
    }
}
