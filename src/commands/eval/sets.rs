//! The option `--set NAME=DIR`, and names of sets.

use std::path::PathBuf;

use crate::commands::exit::{Exit, Failure};

/// Parses `NAME=DIR`.
pub(super) fn parse_set(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, folder)) if !name.is_empty() && !folder.is_empty() => Ok((name.into(), folder.into())),
        _ => Err("expected NAME=DIR".into()),
    }
}

/// Refuses two sets of one name, which a report could not tell apart.
pub(super) fn distinct_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let mut seen = Vec::new();
    for name in names {
        if seen.contains(&name) {
            return Err(Failure::new(Exit::Usage, format!("two sets are called {name}")));
        }
        seen.push(name);
    }
    Ok(())
}
