//! `--published SET=FILE`: curves from files in reports on images.

use std::path::PathBuf;

use lmcodec_eval::image::published::add;
use lmcodec_eval::image::report::ImageReport;
use lmcodec_eval::rate::rate_points::RateCurve;

use super::read;
use crate::commands::exit::{Exit, Failure};

/// A curve, the set it belongs to, and the name of its file.
pub(super) struct Published {
    set: String,
    file: String,
    curve: RateCurve,
}

/// Reads the curves.
pub(super) fn read_published(files: &[(String, PathBuf)]) -> Result<Vec<Published>, Failure> {
    let one = |(set, path): &(String, PathBuf)| {
        let curve = RateCurve::from_json(&read(path)?)
            .map_err(|e| Failure::new(Exit::Malformed, format!("{}: {e}", path.display())))?;
        // The name alone: no path of the measuring machine enters a report.
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Published { set: set.clone(), file, curve })
    };
    files.iter().map(one).collect()
}

/// Puts them into a report.
pub(super) fn add_published(report: &mut ImageReport, curves: &[Published]) -> Result<(), Failure> {
    for Published { set, file, curve } in curves {
        add(report, set, curve, file).map_err(|e| Failure::new(Exit::Malformed, format!("{file}: {e}")))?;
    }
    Ok(())
}
