//! Tests that need something from outside the repository: a program, the folder `shared/`, a device.
//!
//! In: tests and what each needs. Out: what cargo's own harness prints, where a test whose [`Need`] is missing is *ignored*,
//! with the reason behind its name, and counted as such; it never passes. [`REQUIRE`] turns what is missing into failures: a
//! machine that has installed a program says so there, and a broken installation cannot hide. The harness is
//! [`libtest_mimic`], so a test file that uses this crate has `harness = false` and no more than
//!
//! ```no_run
//! use lmcodec_needs::{Need, run, test};
//!
//! fn our_files_are_those_of_cjpeg() {}
//!
//! fn main() -> std::process::ExitCode {
//!     run([test("our_files_are_those_of_cjpeg", &[Need::Program("cjpeg")], our_files_are_those_of_cjpeg)])
//! }
//! ```

#![deny(missing_docs)]
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// The environment variable that lists, separated by commas, what must not be missing: programs by name, `shared` for
/// [`Need::Shared`], and the names of [`Need::Other`].
pub const REQUIRE: &str = "LMCODEC_REQUIRE";
/// The environment variable that names the folder `shared`, which holds `data/`. Without it, `../shared` beside the checkout.
pub const SHARED: &str = "LMCODEC_SHARED";

/// What a test cannot do without.
#[derive(Debug, Clone, Copy)]
pub enum Need {
    /// A program on `PATH`.
    Program(&'static str),
    /// A folder, relative to `shared/data`.
    Shared(&'static str),
    /// Anything else.
    Other {
        /// Its name in [`REQUIRE`].
        name: &'static str,
        /// Why it is missing, if it is. Called once for each test, right before it.
        missing: fn() -> Option<String>,
    },
}

impl Need {
    fn name(&self) -> &'static str {
        match self {
            Self::Program(name) | Self::Other { name, .. } => name,
            Self::Shared(_) => "shared",
        }
    }

    fn missing(&self) -> Option<String> {
        match self {
            Self::Program(name) => (!on_path(name)).then(|| format!("{name} is not installed")),
            Self::Shared(folder) => {
                let folder = shared(folder);
                (!folder.is_dir()).then(|| format!("no folder {} (set {SHARED})", folder.display()))
            }
            Self::Other { missing, .. } => missing(),
        }
    }
}

/// The path of `folder` below `shared/data`; it need not exist.
#[must_use]
pub fn shared(folder: &str) -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    std::env::var_os(SHARED).map_or_else(beside, PathBuf::from).join("data").join(folder)
}

/// A test that runs where all its needs are met. It fails by a panic.
#[must_use]
pub fn test(name: &'static str, needs: &'static [Need], body: fn()) -> Trial {
    Trial::ignorable_test(name, move || {
        let required = std::env::var(REQUIRE).unwrap_or_default();
        let Some(reason) = verdict(needs, &required)? else {
            body();
            return Ok(Completion::Completed);
        };
        Ok(Completion::ignored_with(reason))
    })
}

/// Runs the tests as the command line asks, e.g. with a filter.
#[must_use]
pub fn run(tests: impl IntoIterator<Item = Trial>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), tests.into_iter().collect()).exit_code()
}

/// Why a test is not to run, if it is not; an error if it had to.
fn verdict(needs: &[Need], required: &str) -> Result<Option<String>, Failed> {
    for need in needs {
        let Some(reason) = need.missing() else { continue };
        if required.split(',').any(|name| name.trim() == need.name()) {
            return Err(format!("{reason}, and {REQUIRE} asks for {}", need.name()).into());
        }
        return Ok(Some(reason));
    }
    Ok(None)
}

fn on_path(program: &str) -> bool {
    // Splitting panics on targets without such lists; they start no programs either.
    if cfg!(target_family = "wasm") {
        return false;
    }
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(&file).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING: Need = Need::Program("lmcodec-no-such-program");
    const THERE: Need = Need::Other { name: "air", missing: || None };

    #[test]
    fn what_is_missing_is_named_and_what_is_required_fails() {
        assert_eq!(verdict(&[THERE], "air").unwrap(), None);
        let reason = verdict(&[THERE, MISSING], "air, water").unwrap();
        assert_eq!(reason.as_deref(), Some("lmcodec-no-such-program is not installed"));
        let error = verdict(&[MISSING], "air, lmcodec-no-such-program").unwrap_err();
        assert!(error.message().unwrap().ends_with("LMCODEC_REQUIRE asks for lmcodec-no-such-program"));
        let lost = Need::Shared("no such folder");
        assert!(verdict(&[lost], "").unwrap().unwrap().contains("no such folder"));
        assert!(verdict(&[lost], "shared").is_err());
    }

    /// A test with an unmet need does not run, and is counted as ignored.
    #[test]
    fn unmet_needs_are_counted() {
        let tests = vec![test("runs", &[THERE], || ()), test("is ignored", &[MISSING], || panic!("ran"))];
        let arguments = Arguments { quiet: true, test_threads: Some(1), ..Arguments::default() };
        let conclusion = libtest_mimic::run(&arguments, tests);
        assert_eq!((conclusion.num_passed, conclusion.num_ignored, conclusion.num_failed), (1, 1, 0));
    }
}
