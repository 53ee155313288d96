//! What a run has done, as the last line says it.

use std::time::Duration;

use serde_json::{Value, json};

use super::files::PassedOver;

/// What became of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Coded with a model, or decoded, or verified.
    Coded,
    /// Coded without a model, and smaller nevertheless (or that was asked for).
    Stored,
    /// Left as it is: its coded form would take no fewer bytes.
    Kept,
    /// An earlier run has done it.
    Done,
}

/// One file's part of the totals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) outcome: Outcome,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
}

/// The sums of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    pub(crate) files: u64,
    pub(crate) coded: u64,
    pub(crate) stored: u64,
    pub(crate) kept: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    /// Of the files that were worked on, kept ones included.
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    /// Further names (hard links) of files that were worked on.
    pub(crate) links: u64,
    /// Inputs that were deleted.
    pub(crate) removed: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, tally: Tally) {
        self.files += 1;
        let (count, output_bytes) = match tally.outcome {
            Outcome::Coded => (&mut self.coded, tally.output_bytes),
            Outcome::Stored => (&mut self.stored, tally.output_bytes),
            Outcome::Kept => (&mut self.kept, tally.input_bytes),
            Outcome::Done => {
                self.done += 1;
                return;
            }
        };
        *count += 1;
        self.input_bytes += tally.input_bytes;
        self.output_bytes += output_bytes;
    }

    /// Percent of the input's bytes that are saved.
    pub(crate) fn saving(&self) -> Option<f64> {
        (self.input_bytes > 0).then(|| saving(self.input_bytes, self.output_bytes))
    }

    /// The last line of a run that `did` ("encoded", "decoded", "verified") something.
    pub(crate) fn line(&self, did: &str, passed_over: PassedOver, time: Duration) -> String {
        let mut line = format!("{} {did}", plural(self.coded + self.stored, "file"));
        if self.input_bytes > 0 {
            line += &format!(", {} -> {}", bytes(self.input_bytes), bytes(self.output_bytes));
            if let Some(saving) = self.saving().filter(|_| did == "encoded") {
                line += &format!(", {saving:.1} % saved");
            }
        }
        let parts = [
            (self.kept, "kept as it is (no smaller)", "kept as they are (no smaller)"),
            (self.stored, "stored", "stored"),
            (self.links, "hard link", "hard links"),
            (self.done, "done before", "done before"),
            (self.removed, "source deleted", "sources deleted"),
            (passed_over.hidden, "hidden passed over", "hidden passed over"),
            (passed_over.links, "link passed over", "links passed over"),
            (passed_over.excluded, "excluded", "excluded"),
        ];
        for (count, one, many) in parts.into_iter().filter(|part| part.0 > 0) {
            line += &format!(", {} {}", grouped(count), if count == 1 { one } else { many });
        }
        line + &format!(", {} failed, {}", grouped(self.failed), duration(time))
    }

    /// The summary object of `--json`.
    pub(crate) fn json(&self, passed_over: PassedOver, time: Duration) -> Value {
        json!({ "summary": {
            "files": self.files,
            "modelled": self.coded,
            "stored": self.stored,
            "kept": self.kept,
            "done_before": self.done,
            "failed": self.failed,
            "hard_links": self.links,
            "removed": self.removed,
            "input_bytes": self.input_bytes,
            "output_bytes": self.output_bytes,
            "saving_percent": self.saving().map(|saving| (saving * 100.0).round() / 100.0),
            "passed_over": {
                "hidden": passed_over.hidden, "links": passed_over.links, "excluded": passed_over.excluded,
            },
            "seconds": (time.as_secs_f64() * 1e3).round() / 1e3,
        }})
    }
}

/// Percent of `input` bytes that `output` bytes save.
pub(crate) fn saving(input: u64, output: u64) -> f64 {
    if input == 0 { 0.0 } else { 100.0 * (1.0 - output as f64 / input as f64) }
}

/// "1 file", "40,000 files".
pub(crate) fn plural(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// Digits in groups of three.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in the largest decimal unit, with three digits.
pub(crate) fn bytes(count: u64) -> String {
    let (mut value, mut unit) = (count as f64, "B");
    for next in ["kB", "MB", "GB", "TB", "PB"] {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    match (unit, value) {
        ("B", _) => format!("{count} B"),
        (_, 0.0..9.995) => format!("{value:.2} {unit}"),
        (_, 0.0..99.95) => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

/// A time with its two greatest units.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_what_happened() {
        let mut totals = Totals::default();
        let mut add = |outcome, input_bytes, output_bytes| {
            totals.add(Tally { outcome, input_bytes, output_bytes });
        };
        add(Outcome::Coded, 3_000_000, 2_000_000);
        add(Outcome::Stored, 1_000_000, 900_000);
        add(Outcome::Kept, 5_000, 5_100);
        add(Outcome::Done, 77, 55);
        (totals.failed, totals.files) = (1, totals.files + 1);
        let passed = PassedOver { hidden: 2, links: 1, excluded: 0 };
        assert_eq!(
            totals.line("encoded", passed, Duration::from_secs(75)),
            "2 files encoded, 4.00 MB -> 2.90 MB, 27.5 % saved, 1 kept as it is (no smaller), 1 stored, 1 done before, \
             2 hidden passed over, 1 link passed over, 1 failed, 1 min 15 s"
        );
        let json = totals.json(passed, Duration::from_secs(75));
        let summary = &json["summary"];
        assert_eq!((summary["kept"].as_u64(), summary["saving_percent"].as_f64()), (Some(1), Some(27.47)));
        assert_eq!(
            Totals::default().line("verified", PassedOver::default(), Duration::ZERO),
            "0 files verified, 0 failed, 0.0 s"
        );
    }

    #[test]
    fn numbers_for_people() {
        for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (40_000, "40,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(count), text);
        }
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (9_994, "9.99 kB"),
            (9_996, "10.0 kB"),
            (999_600, "1.00 MB"),
            (312_400_000_000, "312 GB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        for (seconds, text) in
            [(9, "9.0 s"), (59, "59 s"), (61, "1 min 01 s"), (7_384, "2 h 03 min"), (90_000, "1 d 01 h")]
        {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }
}
