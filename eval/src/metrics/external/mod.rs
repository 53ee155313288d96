//! Measures that other programs compute: a command line from a template, its answer a number (ViSQOL) or a text (a speech
//! recogniser for the word error rate).
//!
//! A template is split into words as a POSIX shell would, but no shell runs: `{reference}` and `{degraded}` are replaced
//! inside the words, so paths may hold any character. The program must end with code 0 within the time limit; what it writes
//! to stderr is quoted when it fails. A command line without placeholders is a [`service`] that stays up. [`ExternalProgram`] is
//! either; `docs/METRICS.md` gives the command lines.

pub mod service;

use serde::{Deserialize, Serialize};
use service::ExternalService;
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Most bytes of an answer that are read.
pub const MAX_ANSWER: u64 = 1 << 20;

/// How long an answer may take, the first one of a service too (it loads its model then).
const LIMIT: Duration = Duration::from_secs(600);

/// Where the number is in the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The last word of stdout that is a number.
    LastNumber,
    /// The word after the last occurrence of this label, as `MOS-LQO:` (visqol-python prints more numbers after it).
    After(String),
    /// stdout is JSON; the number is at this pointer (RFC 6901), as `/moslqo`.
    Json(String),
}

/// A program that answers about files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalCommand {
    words: Vec<String>,
    /// First line that the program printed when asked for its version; empty if it was not asked.
    pub version: String,
    /// How long it may run.
    pub limit: Duration,
}

/// Why a program gave no answer.
#[derive(Debug, Error)]
pub enum ExternalError {
    /// The template is no command line, or lacks a placeholder.
    #[error("template {template:?}: {reason}")]
    Template {
        /// The template.
        template: String,
        /// What is wrong.
        reason: String,
    },
    /// The program could not be started, or its output not be read.
    #[error("{program}: {source}")]
    Io {
        /// The program.
        program: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The program ended with a failure.
    #[error("{program}: {status}: {message}")]
    Failed {
        /// The program.
        program: String,
        /// Exit code or signal.
        status: ExitStatus,
        /// Last line of its stderr.
        message: String,
    },
    /// The program ran too long and was ended.
    #[error("{program}: no answer within {limit:?}")]
    TooSlow {
        /// The program.
        program: String,
        /// The limit.
        limit: Duration,
    },
    /// A service answered that it cannot measure these files; it can be asked about others.
    #[error("{program}: {message}")]
    Refused {
        /// The program.
        program: String,
        /// What it said.
        message: String,
    },
    /// The answer is not what was asked for.
    #[error("{program}: {reason}; it answered {answer:?}")]
    Answer {
        /// The program.
        program: String,
        /// What is wrong.
        reason: String,
        /// The answer's first 200 characters.
        answer: String,
    },
}

impl ExternalCommand {
    /// A command from a template that must use each of `placeholders` (such as `"{degraded}"`).
    ///
    /// # Errors
    /// [`ExternalError::Template`]: open quotes, no program, a placeholder that is not used, an unknown one.
    pub fn new(template: &str, placeholders: &[&str]) -> Result<Self, ExternalError> {
        let bad = |reason: String| ExternalError::Template { template: template.to_string(), reason };
        let words = shell_words::split(template).map_err(|e| bad(e.to_string()))?;
        if words.is_empty() {
            return Err(bad("it names no program".into()));
        }
        for placeholder in ["{reference}", "{degraded}"] {
            let used = words.iter().any(|w| w.contains(placeholder));
            if placeholders.contains(&placeholder) && !used {
                return Err(bad(format!("it does not use {placeholder}")));
            }
            if !placeholders.contains(&placeholder) && used {
                return Err(bad(format!("{placeholder} has no meaning here")));
            }
        }
        Ok(Self { words, version: String::new(), limit: LIMIT })
    }

    /// Runs `template` (for instance `visqol-version --version`) and records the first line it prints.
    ///
    /// # Errors
    /// [`ExternalError`], when that fails or prints nothing.
    pub fn with_version_of(mut self, template: &str) -> Result<Self, ExternalError> {
        let command = Self::new(template, &[])?;
        let answer = command.run(&[])?;
        let line = answer.lines().map(str::trim).find(|l| !l.is_empty());
        self.version = line.ok_or_else(|| command.unusable("no version printed", &answer))?.to_string();
        Ok(self)
    }

    /// The words of the template, for the report.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// A number about a pair of files.
    ///
    /// # Errors
    /// [`ExternalError`]; an answer that is NaN or infinite is one.
    pub fn score(&self, reference: &Path, degraded: &Path, answer: &Answer) -> Result<f64, ExternalError> {
        let text = self.run(&[("{reference}", reference), ("{degraded}", degraded)])?;
        let number = match answer {
            Answer::LastNumber => text
                .split(|c: char| c.is_whitespace() || "=:,;()[]{}\"".contains(c))
                .rev()
                .find_map(|w| w.parse::<f64>().ok())
                .ok_or_else(|| self.unusable("no number in the answer", &text))?,
            Answer::After(label) => text
                .rsplit_once(label.as_str())
                .and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok())
                .ok_or_else(|| self.unusable(&format!("no number after {label:?}"), &text))?,
            Answer::Json(pointer) => {
                let json: serde_json::Value =
                    serde_json::from_str(&text).map_err(|e| self.unusable(&format!("not JSON ({e})"), &text))?;
                let value = json.pointer(pointer).and_then(serde_json::Value::as_f64);
                value.ok_or_else(|| self.unusable(&format!("no number at {pointer}"), &text))?
            }
        };
        if !number.is_finite() {
            return Err(self.unusable("the number is not finite", &text));
        }
        Ok(number)
    }

    /// A text about one file: everything the program wrote to stdout, which must be UTF-8.
    ///
    /// # Errors
    /// [`ExternalError`].
    pub fn transcript(&self, degraded: &Path) -> Result<String, ExternalError> {
        self.run(&[("{degraded}", degraded)])
    }

    fn program(&self) -> String {
        self.words[0].clone()
    }

    fn unusable(&self, reason: &str, answer: &str) -> ExternalError {
        ExternalError::Answer {
            program: self.program(),
            reason: reason.into(),
            answer: answer.trim().chars().take(200).collect(),
        }
    }

    fn run(&self, files: &[(&str, &Path)]) -> Result<String, ExternalError> {
        let io = |source| ExternalError::Io { program: self.program(), source };
        // Files, not pipes: a program that writes much cannot block, and the limit holds.
        let (mut stdout, mut stderr) = (tempfile::tempfile().map_err(io)?, tempfile::tempfile().map_err(io)?);
        let mut command = Command::new(&self.words[0]);
        for word in &self.words[1..] {
            command.arg(filled(word, files));
        }
        command.stdin(Stdio::null());
        command.stdout(stdout.try_clone().map_err(io)?).stderr(stderr.try_clone().map_err(io)?);
        let mut child = command.spawn().map_err(io)?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(io)? {
                break status;
            }
            if start.elapsed() > self.limit {
                child.kill().map_err(io)?;
                child.wait().map_err(io)?;
                return Err(ExternalError::TooSlow { program: self.program(), limit: self.limit });
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let read = |file: &mut std::fs::File| -> Result<Vec<u8>, ExternalError> {
            file.rewind().map_err(io)?;
            let mut bytes = Vec::new();
            file.take(MAX_ANSWER + 1).read_to_end(&mut bytes).map_err(io)?;
            Ok(bytes)
        };
        if !status.success() {
            let text = read(&mut stderr)?;
            let text = String::from_utf8_lossy(&text);
            let message = text.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("no message").trim().to_string();
            return Err(ExternalError::Failed { program: self.program(), status, message });
        }
        let bytes = read(&mut stdout)?;
        if bytes.len() as u64 > MAX_ANSWER {
            return Err(self.unusable(&format!("more than {MAX_ANSWER} bytes"), ""));
        }
        String::from_utf8(bytes).map_err(|e| self.unusable("not UTF-8", &String::from_utf8_lossy(e.as_bytes())))
    }
}

/// A program that is started for every question, or a service.
#[derive(Debug)]
pub enum ExternalProgram {
    /// Started for every question; where its number is.
    Command(ExternalCommand, Answer),
    /// Started once.
    Service(ExternalService),
}

impl ExternalProgram {
    /// A program that compares two files: a template with `{reference}` and `{degraded}`, or the command line of a service.
    ///
    /// # Errors
    /// [`ExternalError`]: no command line, one placeholder without the other, a service that does not start.
    pub fn scorer(command_line: &str, answer: Answer) -> Result<Self, ExternalError> {
        Self::new(command_line, &["{reference}", "{degraded}"], answer)
    }

    /// A program that transcribes a file: a template with `{degraded}`, or the command line of a service.
    ///
    /// # Errors
    /// As of [`Self::scorer`].
    pub fn transcriber(command_line: &str) -> Result<Self, ExternalError> {
        Self::new(command_line, &["{degraded}"], Answer::LastNumber)
    }

    fn new(command_line: &str, placeholders: &[&str], answer: Answer) -> Result<Self, ExternalError> {
        if ["{reference}", "{degraded}"].iter().any(|p| command_line.contains(p)) {
            Ok(Self::Command(ExternalCommand::new(command_line, placeholders)?, answer))
        } else {
            Ok(Self::Service(ExternalService::start(command_line, LIMIT)?))
        }
    }

    /// Name and version for reports: what a service states, or the template with file names instead of paths.
    pub fn description(&self) -> String {
        match self {
            Self::Service(service) => format!("{}: {}", service.name, service.version),
            Self::Command(command, _) => {
                let bare = |w: &String| w.rsplit('/').next().unwrap_or_default().to_string();
                command.words.iter().map(bare).collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// A number about a pair of files.
    ///
    /// # Errors
    /// [`ExternalError`].
    pub fn score(&mut self, reference: &Path, degraded: &Path) -> Result<f64, ExternalError> {
        match self {
            Self::Command(command, answer) => command.score(reference, degraded, answer),
            Self::Service(service) => service.score(reference, degraded),
        }
    }

    /// A text about one file.
    ///
    /// # Errors
    /// [`ExternalError`].
    pub fn transcript(&mut self, degraded: &Path) -> Result<String, ExternalError> {
        match self {
            Self::Command(command, _) => command.transcript(degraded),
            Self::Service(service) => service.transcript(degraded),
        }
    }
}

/// The word with its placeholders replaced; paths stay bytes.
fn filled(word: &str, files: &[(&str, &Path)]) -> std::ffi::OsString {
    let mut out = std::ffi::OsString::new();
    let mut rest = word;
    while let Some((at, (placeholder, path))) =
        files.iter().filter_map(|f| rest.find(f.0).map(|at| (at, f))).min_by_key(|(at, _)| *at)
    {
        out.push(&rest[..at]);
        out.push(path);
        rest = &rest[at + placeholder.len()..];
    }
    out.push(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[&str] = &["{reference}", "{degraded}"];

    #[test]
    fn numbers_are_found() {
        let (a, b) = (Path::new("/x/a b.wav"), Path::new("/x/c'd.wav"));
        let last = |template: &str| ExternalCommand::new(template, BOTH).unwrap().score(a, b, &Answer::LastNumber);
        assert_eq!(
            last("sh -c 'echo \"MOS-LQO: 4.25 ($#)\" | tr -d \"()\" | cut -c1-13' {reference} {degraded}").unwrap(),
            4.25
        );
        assert_eq!(last("printf 'score=1e-1\\n' {reference} {degraded}").unwrap(), 0.1);
        let visqol = ExternalCommand::new(
            r"printf 'MOS-LQO:      4.885713\nVNSIM:        0.977704\n' {reference} {degraded}",
            BOTH,
        )
        .unwrap();
        assert_eq!(visqol.score(a, b, &Answer::After("MOS-LQO:".into())).unwrap(), 4.885713);
        assert!(visqol.score(a, b, &Answer::After("WER:".into())).is_err());
        let json =
            ExternalCommand::new(r#"printf '{"r":"%s","d":"%s","m":[{"v":3}]}' {reference} {degraded}"#, BOTH).unwrap();
        assert_eq!(json.score(a, b, &Answer::Json("/m/0/v".into())).unwrap(), 3.0);
        assert!(matches!(json.score(a, b, &Answer::Json("/r".into())), Err(ExternalError::Answer { .. })));
        assert!(matches!(last("echo nan {reference}={degraded}"), Err(ExternalError::Answer { .. })));
        assert!(matches!(last("true {reference} {degraded}"), Err(ExternalError::Answer { .. })));
    }

    #[test]
    fn paths_are_one_word_and_no_shell_sees_them() {
        let command = ExternalCommand::new("printf '%s|' --in={degraded} end", &["{degraded}"]).unwrap();
        assert_eq!(command.transcript(Path::new("/x/$(y) {reference}")).unwrap(), "--in=/x/$(y) {reference}|end|");
    }

    #[test]
    fn failures_are_told_apart() {
        let new = |t: &str| ExternalCommand::new(t, BOTH);
        assert!(matches!(new("visqol {reference}"), Err(ExternalError::Template { .. })));
        assert!(matches!(new("'open {reference} {degraded}"), Err(ExternalError::Template { .. })));
        assert!(matches!(new(""), Err(ExternalError::Template { .. })));
        assert!(ExternalCommand::new("a {reference} {degraded}", &["{degraded}"]).is_err());
        let p = Path::new("x");
        let run = |t: &str| new(t).unwrap().score(p, p, &Answer::LastNumber).unwrap_err();
        assert!(matches!(run("no-such-program-xyz {reference} {degraded}"), ExternalError::Io { .. }));
        match run("sh -c 'echo bad rate >&2; exit 3' {reference} {degraded}") {
            ExternalError::Failed { message, .. } => assert_eq!(message, "bad rate"),
            other => panic!("{other}"),
        }
        let mut slow = new("sleep 30 {reference} {degraded}").unwrap();
        slow.words.truncate(2);
        slow.limit = Duration::from_millis(50);
        assert!(matches!(slow.score(p, p, &Answer::LastNumber), Err(ExternalError::TooSlow { .. })));
        let versioned = new("true {reference} {degraded}").unwrap().with_version_of("echo tool 1.2").unwrap();
        assert_eq!(versioned.version, "tool 1.2");
    }
}
