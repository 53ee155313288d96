//! One line that tells how far a run is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lmcodec::Progress;

use super::terminal::width;
use super::totals::{Totals, bytes, duration, grouped};

/// Shorter runs show no line.
const QUIET: Duration = Duration::from_secs(1);
/// Before that nothing is said of the time that is left.
const UNSURE: Duration = Duration::from_secs(3);
/// Parts of a file that progress is counted in.
const PARTS: u64 = 1000;

/// The line: hidden at first, and always where standard error is no terminal. Clones are the same line.
#[derive(Clone)]
pub(crate) struct ProgressLine {
    bar: ProgressBar,
    state: Arc<State>,
}

struct State {
    doing: &'static str,
    /// Bytes and pixels of each file, as far as they are known, and how many parts of it are done.
    files: Vec<FileState>,
    name: Mutex<String>,
    totals: Mutex<Totals>,
    start: Instant,
}

struct FileState {
    bytes: u64,
    pixels: AtomicU64,
    parts: AtomicU64,
}

impl ProgressLine {
    pub(crate) fn new(doing: &'static str, bytes: impl Iterator<Item = u64>, quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()));
        let files = bytes.map(|bytes| FileState { bytes, pixels: AtomicU64::new(0), parts: AtomicU64::new(0) });
        let state = State {
            doing,
            files: files.collect(),
            name: Mutex::default(),
            totals: Mutex::default(),
            start: Instant::now(),
        };
        Self { bar, state: Arc::new(state) }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_seen(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// The progress of one file.
    pub(crate) fn of_file(&self, index: usize, name: String) -> Progress {
        *self.state.name.lock().unwrap_or_else(PoisonError::into_inner) = name;
        let line = self.clone();
        Progress::new(move |fraction| line.set(index, (fraction * PARTS as f64) as u64))
    }

    /// The pixels of a file.
    pub(crate) fn set_pixels(&self, index: usize, pixels: u64) {
        self.state.files[index].pixels.store(pixels, Ordering::Relaxed);
    }

    /// A file is done, and the run's totals are these now.
    pub(crate) fn finish_file(&self, index: usize, totals: &Totals) {
        *self.state.totals.lock().unwrap_or_else(PoisonError::into_inner) = totals.clone();
        self.set(index, PARTS);
    }

    fn set(&self, index: usize, parts: u64) {
        self.state.files[index].parts.store(parts.min(PARTS), Ordering::Relaxed);
        // Drawing starts with the first message.
        if self.is_seen() && self.state.start.elapsed() > QUIET {
            self.bar.set_message(self.state.status(self.state.start.elapsed()).line(width()));
        }
    }

    /// Prints something above the line.
    pub(crate) fn above(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl State {
    fn status(&self, time: Duration) -> Status {
        let (mut files_done, mut bytes, mut bytes_done) = (0, 0, 0.0);
        let (mut known_bytes, mut known_pixels, mut pixels_done) = (0, 0, 0.0);
        for file in &self.files {
            let share = file.parts.load(Ordering::Relaxed) as f64 / PARTS as f64;
            let pixels = file.pixels.load(Ordering::Relaxed);
            files_done += u64::from(share >= 1.0);
            bytes += file.bytes;
            bytes_done += file.bytes as f64 * share;
            pixels_done += pixels as f64 * share;
            if pixels > 0 {
                known_bytes += file.bytes;
                known_pixels += pixels;
            }
        }
        let seconds = time.as_secs_f64();
        // Files that nobody has looked into are taken to have as many pixels for their bytes as the others.
        let unknown = (bytes - known_bytes) as f64 * known_pixels as f64 / (known_bytes as f64).max(1.0);
        let pixels_left = known_pixels as f64 + unknown - pixels_done;
        let (done, left) =
            if known_pixels > 0 { (pixels_done, pixels_left) } else { (bytes_done, bytes as f64 - bytes_done) };
        let left =
            (done > 0.0 && time > UNSURE).then(|| Duration::from_secs_f64((left.max(0.0) * seconds / done).min(1e9)));
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        Status {
            doing: self.doing,
            files: self.files.len() as u64,
            files_done,
            bytes,
            bytes_done: bytes_done as u64,
            saving: totals.saving().filter(|_| self.doing == "encoding"),
            megapixels_per_second: (pixels_done > 0.0).then(|| pixels_done / 1e6 / seconds),
            left,
            name: self.name.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// What the line says.
struct Status {
    doing: &'static str,
    files: u64,
    files_done: u64,
    bytes: u64,
    bytes_done: u64,
    /// Percent.
    saving: Option<f64>,
    megapixels_per_second: Option<f64>,
    left: Option<Duration>,
    /// The file that was begun last.
    name: String,
}

impl Status {
    /// At most `width` − 1 columns: what matters least is left out, and the name has what remains.
    fn line(&self, width: usize) -> String {
        let width = width.saturating_sub(1);
        let percent = format!("{:.0} %", 100.0 * self.bytes_done as f64 / self.bytes.max(1) as f64);
        let mut line = if self.files > 1 {
            format!("{} {}/{} files, {percent}", self.doing, grouped(self.files_done), grouped(self.files))
        } else {
            format!("{} {percent}", self.doing)
        };
        // In the order of their weight.
        let parts = [
            self.left.map(|left| format!("{} left", duration(Duration::from_secs(left.as_secs())))),
            self.saving.map(|saving| format!("{saving:.1} % saved")),
            Some(format!("{}/{}", bytes(self.bytes_done), bytes(self.bytes))),
            self.megapixels_per_second.map(|rate| format!("{rate:.2} MP/s")),
        ];
        for part in parts.into_iter().flatten() {
            if columns(&line) + 2 + columns(&part) <= width {
                line = format!("{line}, {part}");
            }
        }
        let room = width.saturating_sub(columns(&line) + 2);
        if room >= 8 {
            line = format!("{line}  {}", shortened(&self.name, room));
        }
        line.chars().take(width).collect()
    }
}

/// Characters; wide ones count twice, as terminals draw them.
fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

fn column(character: char) -> usize {
    // East Asian scripts and emoji, about (Unicode annex 11).
    1 + usize::from(matches!(character, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f300}'..='\u{1faff}'))
}

/// The end of a name, which tells files of a folder apart.
fn shortened(name: &str, room: usize) -> String {
    if columns(name) <= room {
        return name.into();
    }
    let (mut left, mut start) = (room - 1, name.len());
    for (at, character) in name.char_indices().rev() {
        if column(character) > left {
            break;
        }
        left -= column(character);
        start = at;
    }
    format!("…{}", &name[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_fits_and_says_what_matters_most() {
        let mut status = Status {
            doing: "encoding",
            files: 40_000,
            files_done: 1_234,
            bytes: 312_000_000_000,
            bytes_done: 12_300_000_000,
            saving: Some(31.24),
            megapixels_per_second: Some(1.318),
            left: Some(Duration::from_secs(7_384)),
            name: "2013/Urlaub/IMG_0001.JPG".into(),
        };
        let pictures = [
            (40, "encoding 1,234/40,000 files, 4 %"),
            (60, "encoding 1,234/40,000 files, 4 %, 2 h 03 min left  …001.JPG"),
            (80, "encoding 1,234/40,000 files, 4 %, 2 h 03 min left, 31.2 % saved, 12.3 GB/312 GB"),
            (
                120,
                "encoding 1,234/40,000 files, 4 %, 2 h 03 min left, 31.2 % saved, 12.3 GB/312 GB, 1.32 MP/s  2013/Urlaub/IMG_0001.JPG",
            ),
        ];
        for (width, picture) in pictures {
            assert_eq!(status.line(width), picture, "{width}");
        }
        status.name = "写真".repeat(30);
        for width in 0..200 {
            assert!(columns(&status.line(width)) < width.max(1), "{width}: {}", status.line(width));
        }
        (status.files, status.name) = (1, "photo.jpg".into());
        assert_eq!(status.line(60), "encoding 4 %, 2 h 03 min left, 31.2 % saved, 12.3 GB/312 GB");
    }

    #[test]
    fn the_time_left_goes_by_pixels() {
        let line = ProgressLine::new("decoding", [1000, 1000, 2000].into_iter(), true);
        line.set_pixels(0, 10_000);
        line.set_pixels(1, 90_000);
        let name = || String::new();
        line.of_file(0, name());
        line.finish_file(0, &Totals::default());
        assert!(line.state.status(Duration::from_secs(2)).left.is_none(), "a guess");
        let status = line.state.status(Duration::from_secs(10));
        // 10,000 of 100,000 pixels in two files are done; the third has as many for its bytes.
        assert_eq!(status.left, Some(Duration::from_secs(190)));
        assert_eq!((status.files_done, status.bytes_done, status.saving), (1, 1000, None));
    }
}
