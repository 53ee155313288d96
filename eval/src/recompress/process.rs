//! Running a program and measuring what it used: CPU seconds, wall seconds, peak memory. Elsewhere than on Unix only wall
//! seconds are known.
//!
//! `wait4(2)` reports the resources of exactly the child that was waited for, so that runs in other threads do not mix in.
//! The kernel's peak of a child (`ru_maxrss`) also covers the moment between fork and exec, and so is never below the peak of
//! the process that started it. A process that holds images and results is therefore no place to start from: with a
//! [launcher](use_launcher), every program is started by a small process of its own, which measures it and says what it found.
//! A reading that is not above the starting process's own peak says nothing and is `None`: not measured.

use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;
use thiserror::Error;

/// What one run used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// User plus system CPU seconds, over all threads; `None` where the system does not tell.
    pub cpu_s: Option<f64>,
    /// Wall-clock seconds from before the start to the end.
    pub wall_s: f64,
    /// Largest resident size in bytes; `None` where it was not measured.
    pub peak_bytes: Option<u64>,
}

/// Why a run failed.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// The program could not be started or waited for.
    #[error("{program}: {source}")]
    Io {
        /// Name of the program.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The program ended with a failure.
    #[error("{program}: {status}: {message}")]
    Failed {
        /// Name of the program.
        program: String,
        /// Exit code or signal, in words.
        status: String,
        /// The last line it wrote to stderr.
        message: String,
    },
}

/// How a program ended: what a launcher writes to its stdout, as one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
enum Ending {
    /// It ran to its end; `failure` is its exit code or signal in words, if it was no success.
    Ran { usage: Usage, failure: Option<String> },
    /// It could not be started or waited for.
    NotRun(String),
}

static LAUNCHER: OnceLock<(OsString, Vec<OsString>)> = OnceLock::new();

/// From now on, [`run_measured`] starts programs through `program` with `arguments`: it must call [`launch`] with the
/// arguments that follow these. The first call in a process counts.
pub fn use_launcher(program: &OsStr, arguments: &[&str]) {
    LAUNCHER.get_or_init(|| (program.into(), arguments.iter().map(OsString::from).collect()));
}

/// Runs `command` to its end. Its stdout is discarded, its stderr goes to `stderr_file`.
///
/// # Errors
/// [`ProcessError`].
pub fn run_measured(command: &mut Command, stderr_file: &Path) -> Result<Usage, ProcessError> {
    let program = command.get_program().to_string_lossy().rsplit('/').next().unwrap_or_default().to_string();
    let io_error = |source| ProcessError::Io { program: program.clone(), source };
    let stderr = File::create(stderr_file).map_err(io_error)?;
    let ending = match LAUNCHER.get() {
        Some((launcher, arguments)) => launched(launcher, arguments, command, stderr).map_err(io_error)?,
        None => started_here(command.stderr(stderr)).map_err(io_error)?,
    };
    match ending {
        Ending::Ran { usage, failure: None } => Ok(usage),
        Ending::Ran { failure: Some(status), .. } => {
            let text = std::fs::read(stderr_file).map_err(io_error)?;
            let text = String::from_utf8_lossy(&text);
            let message = text.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("no message").trim().to_string();
            Err(ProcessError::Failed { program, status, message })
        }
        Ending::NotRun(reason) => Err(io_error(io::Error::other(reason))),
    }
}

/// The launcher's side: runs a program with this process's stderr, and gives the line that it must print to its stdout.
pub fn launch(program: &OsStr, arguments: &[OsString]) -> String {
    let ending = started_here(Command::new(program).args(arguments));
    let ending = ending.unwrap_or_else(|error| Ending::NotRun(error.to_string()));
    // A number or a text: there is nothing in it that JSON does not know.
    serde_json::to_string(&ending).unwrap_or_default()
}

fn launched(launcher: &OsStr, arguments: &[OsString], command: &Command, stderr: File) -> io::Result<Ending> {
    let mut outer = Command::new(launcher);
    outer.args(arguments).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    let output = outer.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn()?.wait_with_output()?;
    serde_json::from_slice(&output.stdout)
        .map_err(|e| io::Error::other(format!("the launcher ({}) said nothing of use: {e}", output.status)))
}

fn started_here(command: &mut Command) -> io::Result<Ending> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let (status, cpu_s, peak) = system::wait(command.spawn()?)?;
    let wall_s = start.elapsed().as_secs_f64();
    let peak_bytes = peak.filter(|&peak| peak > system::floor());
    let failure = status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"));
    Ok(Ending::Ran { usage: Usage { cpu_s, wall_s, peak_bytes }, failure: (!status.success()).then_some(failure) })
}

/// CPU seconds (user and system, all threads) that this process has used so far.
pub fn own_cpu_seconds() -> Option<f64> {
    system::own_cpu_seconds()
}

/// Largest resident size of this process so far, in bytes.
pub fn own_resident_bytes() -> Option<u64> {
    system::own_resident_bytes()
}

#[cfg(unix)]
mod system {
    use std::io;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, ExitStatus};

    /// Unit of `ru_maxrss`: bytes on Apple systems, KiB elsewhere.
    const MAXRSS_UNIT: u64 = if cfg!(target_vendor = "apple") { 1 } else { 1024 };

    fn seconds(t: libc::timeval) -> f64 {
        t.tv_sec as f64 + t.tv_usec as f64 * 1e-6
    }

    fn cpu(usage: &libc::rusage) -> Option<f64> {
        Some(seconds(usage.ru_utime) + seconds(usage.ru_stime))
    }

    fn peak(usage: &libc::rusage) -> Option<u64> {
        Some(usage.ru_maxrss as u64 * MAXRSS_UNIT)
    }

    pub(super) fn own_cpu_seconds() -> Option<f64> {
        cpu(&own_usage())
    }

    pub(super) fn own_resident_bytes() -> Option<u64> {
        high_water().or_else(|| peak(&own_usage()))
    }

    /// What the peak of a child cannot read below. Linux alone counts the starting process's memory as the child's.
    pub(super) fn floor() -> u64 {
        if cfg!(target_os = "linux") { own_resident_bytes().unwrap_or(u64::MAX) } else { 0 }
    }

    /// The peak of this program alone (`VmHWM`, KiB). `ru_maxrss` would also tell of the process that started it.
    fn high_water() -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
        Some(1024 * line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?)
    }

    fn own_usage() -> libc::rusage {
        // SAFETY: rusage is plain integers, for which zero is a value; getrusage writes to the struct it is given and
        // cannot fail with RUSAGE_SELF.
        unsafe {
            let mut usage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_SELF, &mut usage);
            usage
        }
    }

    /// Waits for a child of this process. Nothing else may wait for it.
    pub(super) fn wait(child: Child) -> io::Result<(ExitStatus, Option<f64>, Option<u64>)> {
        let pid = child.id() as libc::pid_t;
        loop {
            let mut status = 0;
            // SAFETY: as in `own_usage`; `status` and `usage` outlive the call.
            let (result, usage) = unsafe {
                let mut usage = std::mem::zeroed();
                (libc::wait4(pid, &mut status, 0, &mut usage), usage)
            };
            if result == pid {
                return Ok((ExitStatus::from_raw(status), cpu(&usage), peak(&usage)));
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;
    use std::process::{Child, ExitStatus};

    pub(super) fn own_cpu_seconds() -> Option<f64> {
        None
    }

    pub(super) fn own_resident_bytes() -> Option<u64> {
        None
    }

    pub(super) fn floor() -> u64 {
        u64::MAX
    }

    pub(super) fn wait(mut child: Child) -> io::Result<(ExitStatus, Option<f64>, Option<u64>)> {
        Ok((child.wait()?, None, None))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn measures_a_child_and_reports_its_failure() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("stderr");
        let usage =
            run_measured(Command::new("sh").args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]), &log)
                .unwrap();
        let cpu_s = usage.cpu_s.unwrap();
        assert!(cpu_s > 0.001 && cpu_s < usage.wall_s * 2.0, "{usage:?}");
        match run_measured(Command::new("sh").args(["-c", "echo bad input >&2; exit 3"]), &log).unwrap_err() {
            ProcessError::Failed { program, status, message } => {
                assert_eq!((&*program, &*status, &*message), ("sh", "exit code 3", "bad input"));
            }
            other => panic!("{other}"),
        }
        assert!(matches!(run_measured(&mut Command::new("no-such-program-xyz"), &log), Err(ProcessError::Io { .. })));
        assert!(own_cpu_seconds().unwrap() > 0.0 && own_resident_bytes().unwrap() > 100_000);
    }

    /// A shell of one megabyte started from here reads as this process's peak, which is what must not be reported.
    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_not_taken_for_its_child() {
        let held = std::hint::black_box(vec![1u8; 64 << 20]);
        let dir = tempfile::tempdir().unwrap();
        let usage = run_measured(Command::new("sh").args(["-c", "true"]), &dir.path().join("stderr")).unwrap();
        assert_eq!(usage.peak_bytes, None);
        drop(held);
    }

    #[test]
    fn a_launcher_says_how_the_program_ended() {
        let line = launch("sh".as_ref(), &["-c".into(), "exit 3".into()]);
        assert!(
            matches!(serde_json::from_str(&line).unwrap(), Ending::Ran { failure: Some(f), .. } if f == "exit code 3")
        );
        let line = launch("no-such-program-xyz".as_ref(), &[]);
        assert!(matches!(serde_json::from_str(&line).unwrap(), Ending::NotRun(_)));
    }
}
