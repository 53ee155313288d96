//! The option `--set NAME=DIR`.

use std::path::PathBuf;

/// Parses `NAME=DIR`.
pub(super) fn parse_set(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, folder)) if !name.is_empty() && !folder.is_empty() => Ok((name.into(), folder.into())),
        _ => Err("expected NAME=DIR".into()),
    }
}
