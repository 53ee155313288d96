//! A program that stays up and answers many questions, so that a model is loaded once: one JSON object a line.
//!
//! First line from the program: `{"name": …, "version": …}`. For every request line `{"reference": path, "degraded": path}`
//! (`reference` is left out where a transcript is asked for) one line back: `{"score": number}`, `{"transcript": text}` or
//! `{"error": text}`. The program ends when its standard input does. `eval/external/line_service.py` is the other side.

use super::{ExternalError, MAX_ANSWER};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How long a program may take to end once its input has.
const FAREWELL: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    degraded: &'a str,
}

#[derive(Deserialize)]
struct Greeting {
    name: String,
    version: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply {
    score: Option<f64>,
    transcript: Option<String>,
    error: Option<String>,
}

/// A running program that answers about files.
#[derive(Debug)]
pub struct ExternalService {
    /// What it calls itself.
    pub name: String,
    /// The versions that it states.
    pub version: String,
    /// How long one answer may take.
    pub limit: Duration,
    program: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<std::io::Result<String>>,
    stderr: std::fs::File,
}

impl ExternalService {
    /// Starts a program (words as a POSIX shell would split them, but no shell runs) and waits for its first line.
    ///
    /// # Errors
    /// [`ExternalError`]: no command line, a program that does not start or says nothing within `limit`.
    pub fn start(command_line: &str, limit: Duration) -> Result<Self, ExternalError> {
        let bad = |reason: String| ExternalError::Template { template: command_line.to_string(), reason };
        let words = shell_words::split(command_line).map_err(|e| bad(e.to_string()))?;
        let Some((program, arguments)) = words.split_first() else { return Err(bad("it names no program".into())) };
        let io = |source| ExternalError::Io { program: program.clone(), source };
        let stderr = tempfile::tempfile().map_err(io)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone().map_err(io)?)
            .spawn()
            .map_err(io)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (sender, lines) = sync_channel(1);
        // A thread, because a pipe cannot be read with a time limit. It ends with the program.
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout.expect("stdout is a pipe"));
            loop {
                let mut line = Vec::new();
                let line = match stdout.by_ref().take(MAX_ANSWER + 1).read_until(b'\n', &mut line) {
                    Ok(0) => return,
                    Ok(_) => Ok(String::from_utf8_lossy(&line).into_owned()),
                    Err(error) => Err(error),
                };
                // What follows a line that was cut is no answer.
                let more = matches!(&line, Ok(text) if text.len() as u64 <= MAX_ANSWER);
                if sender.send(line).is_err() || !more {
                    return;
                }
            }
        });
        let mut service = Self {
            name: String::new(),
            version: String::new(),
            limit,
            program: program.clone(),
            child,
            stdin,
            lines,
            stderr,
        };
        let first = service.line()?;
        let greeting: Greeting = serde_json::from_str(&first).map_err(|e| {
            service.unusable(&format!("the first line must be {{\"name\": …, \"version\": …}} ({e})"), &first)
        })?;
        (service.name, service.version) = (greeting.name, greeting.version);
        Ok(service)
    }

    /// A number about a pair of files.
    ///
    /// # Errors
    /// [`ExternalError`]; [`ExternalError::Refused`] if the program answers with an error, after which it can be asked again.
    pub fn score(&mut self, reference: &Path, degraded: &Path) -> Result<f64, ExternalError> {
        let (reply, line) = self.ask(Some(reference), degraded)?;
        let score = reply.score.filter(|s| s.is_finite());
        score.ok_or_else(|| self.unusable("no finite number \"score\" in the answer", &line))
    }

    /// A text about one file.
    ///
    /// # Errors
    /// As of [`Self::score`].
    pub fn transcript(&mut self, degraded: &Path) -> Result<String, ExternalError> {
        let (reply, line) = self.ask(None, degraded)?;
        reply.transcript.ok_or_else(|| self.unusable("no \"transcript\" in the answer", &line))
    }

    fn ask(&mut self, reference: Option<&Path>, degraded: &Path) -> Result<(Reply, String), ExternalError> {
        let text = |path: &Path| {
            let not_utf8 = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "a path that is not UTF-8");
            path.to_str().map(str::to_string).ok_or_else(|| self.io(not_utf8()))
        };
        let (reference, degraded) = (reference.map(text).transpose()?, text(degraded)?);
        let request = Request { reference: reference.as_deref(), degraded: &degraded };
        let mut line = serde_json::to_string(&request).map_err(|e| self.io(e.into()))?;
        line.push('\n');
        let sent =
            self.stdin.as_mut().map_or(Ok(()), |pipe| pipe.write_all(line.as_bytes()).and_then(|()| pipe.flush()));
        // A program that has ended closes the pipe: its last words say more than the pipe's error.
        let answer = if sent.is_ok() { self.line()? } else { return Err(self.ended()) };
        let reply: Reply =
            serde_json::from_str(&answer).map_err(|e| self.unusable(&format!("not a JSON object ({e})"), &answer))?;
        match reply.error {
            Some(message) => Err(ExternalError::Refused { program: self.program.clone(), message }),
            None => Ok((reply, answer)),
        }
    }

    fn line(&mut self) -> Result<String, ExternalError> {
        match self.lines.recv_timeout(self.limit) {
            Ok(Ok(line)) if line.len() as u64 > MAX_ANSWER => {
                Err(self.unusable(&format!("a line of more than {MAX_ANSWER} bytes"), ""))
            }
            Ok(Ok(line)) => Ok(line),
            Ok(Err(error)) => Err(self.io(error)),
            Err(RecvTimeoutError::Timeout) => {
                self.child.kill().map_err(|e| self.io(e))?;
                Err(ExternalError::TooSlow { program: self.program.clone(), limit: self.limit })
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
        }
    }

    /// The program is gone: its status and the last line of its stderr.
    fn ended(&mut self) -> ExternalError {
        self.stdin = None;
        let status = match self.child.wait() {
            Ok(status) => status,
            Err(error) => return self.io(error),
        };
        let mut bytes = Vec::new();
        let read = self.stderr.rewind().and_then(|()| (&self.stderr).take(MAX_ANSWER).read_to_end(&mut bytes));
        let text = if read.is_ok() { String::from_utf8_lossy(&bytes) } else { "".into() };
        let message = text.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("no message").trim().to_string();
        ExternalError::Failed { program: self.program.clone(), status, message }
    }

    fn io(&self, source: std::io::Error) -> ExternalError {
        ExternalError::Io { program: self.program.clone(), source }
    }

    fn unusable(&self, reason: &str, answer: &str) -> ExternalError {
        ExternalError::Answer {
            program: self.program.clone(),
            reason: reason.into(),
            answer: answer.trim().chars().take(200).collect(),
        }
    }
}

impl Drop for ExternalService {
    fn drop(&mut self) {
        self.stdin = None;
        let start = std::time::Instant::now();
        while start.elapsed() < FAREWELL {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Nothing is left to do where these fail.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// A service in sh: greets, then runs `body` for every line, in which `$line` is the request.
    fn service(body: &str) -> Result<ExternalService, ExternalError> {
        let script = format!(
            r#"echo '{{"name":"n","version":"1.2"}}'; while IFS= read -r line; do {body}; done; echo last words >&2; exit 3"#
        );
        ExternalService::start(&shell_words::join(["sh", "-c", &script]), Duration::from_secs(20))
    }

    #[test]
    fn answers_come_in_order_and_an_error_is_no_end() {
        let (a, b) = (Path::new("/x/$(y) \"a\".wav"), Path::new("/x/b.wav"));
        let mut s = service(
            r#"case "$line" in *refuse*) echo '{"error":"bad rate"}';; *reference*) echo '{"score":4.5}';; *) printf '{"transcript":"%s"}\n' "${#line}";; esac"#,
        )
        .unwrap();
        assert_eq!((s.name.as_str(), s.version.as_str()), ("n", "1.2"));
        assert_eq!(s.score(a, b).unwrap(), 4.5);
        match s.score(Path::new("refuse"), b).unwrap_err() {
            ExternalError::Refused { message, .. } => assert_eq!(message, "bad rate"),
            other => panic!("{other}"),
        }
        assert_eq!(s.transcript(b).unwrap(), r#"{"degraded":"/x/b.wav"}"#.len().to_string());
        assert!(matches!(s.transcript(Path::new("reference")), Err(ExternalError::Answer { .. })));
    }

    #[test]
    fn programs_that_are_no_service_are_told_apart() {
        let start = |line: &str| ExternalService::start(line, Duration::from_millis(300)).unwrap_err();
        assert!(matches!(start(""), ExternalError::Template { .. }));
        assert!(matches!(start("'open"), ExternalError::Template { .. }));
        assert!(matches!(start("no-such-program-xyz"), ExternalError::Io { .. }));
        assert!(matches!(start("echo hello"), ExternalError::Answer { .. }));
        assert!(matches!(start("sleep 30"), ExternalError::TooSlow { .. }));
        match start("sh -c 'echo no module >&2; exit 7'") {
            ExternalError::Failed { message, status, .. } => {
                assert_eq!((message.as_str(), status.code()), ("no module", Some(7)));
            }
            other => panic!("{other}"),
        }
        let p = Path::new("x");
        assert!(matches!(service(r#"echo '{"score":"4"}'"#).unwrap().score(p, p), Err(ExternalError::Answer { .. })));
        match service("exit 5").unwrap().score(p, p).unwrap_err() {
            ExternalError::Failed { status, .. } => assert_eq!(status.code(), Some(5)),
            other => panic!("{other}"),
        }
        let mut slow = service("sleep 30").unwrap();
        slow.limit = Duration::from_millis(50);
        assert!(matches!(slow.score(p, p), Err(ExternalError::TooSlow { .. })));
    }
}
