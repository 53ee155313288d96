//! Working on several files at once: workers, reports in the order of the inputs, the totals.
//!
//! A worker a thread takes files from a common list; the segments of all files run in one rayon pool, so that many small
//! files and one large file both use every core, and memory holds no more files than there are workers.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use lmcodec::Progress;
use serde_json::json;

use super::Coding;
use super::exit::{Exit, Failure};
use super::files::{Inputs, PassedOver, Source};
use super::progress::ProgressLine;
use super::terminal::{put_path, say, shown};
use super::totals::{Tally, Totals};

/// What to print about a file that worked.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Lines for standard output, or for standard error if that carries data.
    pub(crate) text: String,
    /// Messages for standard error.
    pub(crate) notes: Vec<String>,
    /// Something was reported that is no success after all.
    pub(crate) exit: Option<Exit>,
    /// For the totals.
    pub(crate) tally: Option<Tally>,
    /// Further names that the result was given.
    pub(crate) links: u64,
    /// Whether the input was deleted.
    pub(crate) removed: bool,
}

/// How a batch is run and reported.
pub(crate) struct Batch<'a> {
    pub(crate) coding: &'a Coding,
    /// Standard output carries data, so reports go to standard error.
    pub(crate) data_on_stdout: bool,
    /// What the line says while it runs ("encoding"), and the last line ("encoded").
    pub(crate) words: (&'static str, &'static str),
    /// The reports are what the command is for: they are printed whatever their number, and whoever stops reading has enough.
    pub(crate) reports: bool,
    /// There may be many files: only the totals are told, unless more is asked for.
    pub(crate) many: bool,
    pub(crate) passed_over: PassedOver,
}

/// An item of a batch.
pub(crate) trait Item: Sync {
    fn source(&self) -> &Source;
    /// Bytes, as far as they are known.
    fn bytes(&self) -> u64;
}

impl<'a> Batch<'a> {
    pub(crate) fn new(coding: &'a Coding, words: (&'static str, &'static str), inputs: &Inputs) -> Self {
        let many = inputs.folder || inputs.found.len() > 1;
        Self { coding, data_on_stdout: false, words, reports: false, many, passed_over: inputs.passed_over }
    }

    /// For commands whose reports are what they are for.
    pub(crate) fn reporting(self) -> Self {
        Self { reports: true, ..self }
    }

    /// `work` on every item, reporting in order; then what `inputs` could not be read. The exit code is that of the first
    /// failure. Whatever happens to one file, its report or the readers of the reports, the others are worked on.
    pub(crate) fn run<T: Item>(
        &self,
        items: &[T],
        inputs: &Inputs,
        pixels: impl Fn(&T) -> Option<u64> + Sync,
        work: impl Fn(&T, Progress) -> Result<Report, Failure> + Sync,
    ) -> Exit {
        let start = Instant::now();
        let threads = self.coding.thread_count();
        // Fails only if the pool exists already, and then it serves as well. Where there are no threads (WebAssembly) rayon
        // works in this one, unless a pool is asked for.
        if cfg!(not(target_family = "wasm")) {
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        }
        let line = ProgressLine::new(self.words.0, items.iter().map(Item::bytes), self.coding.quiet);
        let printer = Mutex::new(Printer::default());
        let next = AtomicUsize::new(0);
        let done = AtomicUsize::new(0);
        let worker = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else { return };
                // A fault in one file's code is that file's failure.
                let work = || work(item, line.of_file(index, item.source().to_string()));
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
                    .unwrap_or_else(|_| Err(Failure::new(Exit::Failure, "a fault of this program; please report it")));
                let mut printer = printer.lock().unwrap_or_else(PoisonError::into_inner);
                printer.waiting.insert(index, (shown(item.source().path()), item.source().clone(), result));
                line.above(|| printer.print(self));
                line.finish_file(index, &printer.totals);
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            // What the time left is told by.
            if line.is_seen() && cfg!(not(target_family = "wasm")) {
                scope.spawn(|| {
                    for (index, item) in items.iter().enumerate() {
                        if done.load(Ordering::Relaxed) == items.len() {
                            return;
                        }
                        if let Some(pixels) = pixels(item) {
                            line.set_pixels(index, pixels);
                        }
                    }
                });
            }
            for _ in 1..self.coding.jobs(threads).min(items.len()) {
                scope.spawn(worker);
            }
            worker();
        });
        line.clear();
        let mut printer = printer.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (folder, failure) in &inputs.unread {
            printer.fail(self, &shown(folder), &Source::File(folder.clone()), failure);
        }
        if self.many {
            let time = start.elapsed();
            if self.coding.json {
                printer.put(self, &format!("{}\n", printer.totals.json(self.passed_over, time)));
            } else if !self.coding.quiet {
                say(&format!("lmcodec: {}", printer.totals.line(self.words.1, self.passed_over, time)));
            }
        }
        printer.end(self)
    }

    /// Whether the text of each file is printed.
    fn tells_each(&self) -> bool {
        let coding = self.coding;
        coding.json || coding.verbose || self.reports || !(self.many || coding.quiet || self.data_on_stdout)
    }
}

/// Prints results in the order of the inputs.
#[derive(Default)]
struct Printer {
    waiting: BTreeMap<usize, (String, Source, Result<Report, Failure>)>,
    next: usize,
    exit: Option<Exit>,
    totals: Totals,
    /// Standard output took no more reports.
    lost: Option<io::Error>,
}

impl Printer {
    fn print(&mut self, batch: &Batch<'_>) {
        while let Some((name, source, result)) = self.waiting.remove(&self.next) {
            self.next += 1;
            match result {
                Ok(report) => {
                    if !batch.coding.quiet {
                        report.notes.iter().for_each(|note| say(&format!("lmcodec: {name}: {note}")));
                    }
                    self.note(report.exit);
                    if let Some(tally) = report.tally {
                        self.totals.add(tally);
                    }
                    self.totals.links += report.links;
                    self.totals.removed += u64::from(report.removed);
                    if batch.tells_each() {
                        self.put(batch, &report.text);
                    }
                }
                Err(failure) => self.fail(batch, &name, &source, &failure),
            }
        }
    }

    fn fail(&mut self, batch: &Batch<'_>, name: &str, source: &Source, failure: &Failure) {
        say(&format!("lmcodec: {name}: {}", failure.message));
        self.note(Some(failure.exit));
        (self.totals.files, self.totals.failed) = (self.totals.files + 1, self.totals.failed + 1);
        if batch.coding.json {
            let mut line = json!({ "error": failure.message, "exit_code": failure.exit as u8 });
            put_path(&mut line, "input", source.path());
            self.put(batch, &format!("{line}\n"));
        }
    }

    fn note(&mut self, exit: Option<Exit>) {
        self.exit = self.exit.or(exit);
    }

    fn put(&mut self, batch: &Batch<'_>, text: &str) {
        if batch.data_on_stdout {
            let _ = io::stderr().write_all(text.as_bytes());
        } else if self.lost.is_none() {
            let mut stdout = io::stdout().lock();
            self.lost = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).err();
        }
    }

    fn end(self, batch: &Batch<'_>) -> Exit {
        let exit = self.exit.unwrap_or(Exit::Success);
        match self.lost {
            // Who reads only the first lines of what a command has to tell has got them.
            Some(error) if batch.reports && error.kind() == ErrorKind::BrokenPipe => exit,
            Some(error) => {
                say(&format!("lmcodec: standard output: {error}; all files were worked on, some reports are lost"));
                if exit == Exit::Success { Exit::Io } else { exit }
            }
            None => exit,
        }
    }
}
