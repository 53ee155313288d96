//! Running a program and measuring what it used: CPU seconds, wall seconds, peak memory. Elsewhere than on Unix only wall
//! seconds are known.
//!
//! `wait4(2)` reports the resources of exactly the child that was waited for, so that runs in other threads do not mix in.
//!
//! Peak memory is the kernel's `ru_maxrss`, which on Linux also covers the moment between fork and exec and thus is never
//! below the resident size of the process that measures. Keep that process small, and read peaks near
//! [`own_resident_bytes`] as "at most".

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use thiserror::Error;

/// What one run used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// User plus system CPU seconds, over all threads; `None` where the system does not tell.
    pub cpu_s: Option<f64>,
    /// Wall-clock seconds from before the start to the end.
    pub wall_s: f64,
    /// Largest resident size in bytes; `None` where the system does not tell.
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

/// Runs `command` to its end. Its stdout is discarded, its stderr goes to `stderr_file`.
pub fn run_measured(command: &mut Command, stderr_file: &Path) -> Result<Usage, ProcessError> {
    let program = command.get_program().to_string_lossy().rsplit('/').next().unwrap_or_default().to_string();
    let io_error = |source| ProcessError::Io { program: program.clone(), source };
    let stderr = File::create(stderr_file).map_err(io_error)?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let start = Instant::now();
    let child = command.spawn().map_err(io_error)?;
    let (status, cpu_s, peak_bytes) = system::wait(child).map_err(io_error)?;
    let wall_s = start.elapsed().as_secs_f64();
    if !status.success() {
        let text = std::fs::read(stderr_file).map_err(io_error)?;
        let text = String::from_utf8_lossy(&text);
        return Err(ProcessError::Failed {
            program,
            status: status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}")),
            message: text.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("no message").trim().to_string(),
        });
    }
    Ok(Usage { cpu_s, wall_s, peak_bytes })
}

/// CPU seconds (user and system, all threads) that this process has used so far.
pub fn own_cpu_seconds() -> Option<f64> {
    system::own_cpu_seconds()
}

/// Largest resident size of this process so far, in bytes: the floor under every [`Usage::peak_bytes`].
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
        peak(&own_usage())
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
        let (cpu_s, peak_bytes) = (usage.cpu_s.unwrap(), usage.peak_bytes.unwrap());
        assert!(cpu_s > 0.001 && cpu_s < usage.wall_s * 2.0 && peak_bytes > 100_000, "{usage:?}");
        match run_measured(Command::new("sh").args(["-c", "echo bad input >&2; exit 3"]), &log).unwrap_err() {
            ProcessError::Failed { program, status, message } => {
                assert_eq!((&*program, &*status, &*message), ("sh", "exit code 3", "bad input"));
            }
            other => panic!("{other}"),
        }
        assert!(matches!(run_measured(&mut Command::new("no-such-program-xyz"), &log), Err(ProcessError::Io { .. })));
        assert!(own_cpu_seconds().unwrap() > 0.0 && own_resident_bytes().unwrap() > 100_000);
    }
}
