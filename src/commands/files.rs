//! From the command line to pairs of input and output: several files, folders, `-`, `-o`.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    File(PathBuf),
}

/// Where bytes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Source {
    /// All bytes; more than `most` is a limit error, found before they are read.
    pub(crate) fn read(&self, most: u64) -> Result<Vec<u8>, Failure> {
        let fault = |error: io::Error| Failure::new(Exit::Io, error.to_string());
        let too_long = |found: String| {
            Failure::new(Exit::Limit, format!("limit exceeded: {found} bytes of input, at most {most} is allowed"))
        };
        let mut bytes = Vec::new();
        match self {
            Self::Stdin => io::stdin().lock().take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(fault)?,
            Self::File(path) => {
                let file = fs::File::open(path).map_err(fault)?;
                let metadata = file.metadata().map_err(fault)?;
                if metadata.is_dir() {
                    return Err(Failure::new(Exit::Usage, "is a folder; --recursive goes through it"));
                }
                if metadata.len() > most {
                    return Err(too_long(metadata.len().to_string()));
                }
                bytes.reserve_exact(usize::try_from(metadata.len()).unwrap_or(0));
                file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(fault)?
            }
        };
        if bytes.len() as u64 > most { Err(too_long(format!("more than {most}"))) } else { Ok(bytes) }
    }

    /// The lower-case extension of the file name.
    pub(crate) fn extension(&self) -> Option<String> {
        match self {
            Self::Stdin => None,
            Self::File(path) => Some(path.extension()?.to_string_lossy().to_lowercase()),
        }
    }
}

/// An input, and its path below the folder that was named on the command line (or its file name).
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) source: Source,
    relative: PathBuf,
    /// Whether it was found in a folder, not named itself.
    in_folder: bool,
}

/// The inputs that a command line names. Folders are searched for the `extensions`, which are lower-case.
pub(crate) fn find(inputs: &[PathBuf], recursive: bool, extensions: &[&str]) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    for input in inputs {
        if input.as_os_str() == "-" {
            if inputs.len() > 1 {
                return Err(Failure::new(Exit::Usage, "- (standard input) must be the only input"));
            }
            found.push(Found { source: Source::Stdin, relative: PathBuf::new(), in_folder: false });
        } else if input.is_dir() && recursive {
            let before = found.len();
            search(input, input, extensions, &mut found)?;
            if found.len() == before {
                let list = extensions.join(", .");
                return Err(Failure::new(Exit::Usage, format!("{}: no files named .{list} below it", input.display())));
            }
        } else {
            let relative = input.file_name().map(PathBuf::from).unwrap_or_default();
            found.push(Found { source: Source::File(input.clone()), relative, in_folder: false });
        }
    }
    Ok(found)
}

/// Links to folders are not followed, so that the search ends.
fn search(root: &Path, folder: &Path, extensions: &[&str], found: &mut Vec<Found>) -> Result<(), Failure> {
    let fault = |error: io::Error| Failure::new(Exit::Io, format!("{}: {error}", folder.display()));
    let mut entries = fs::read_dir(folder).map_err(fault)?.collect::<Result<Vec<_>, _>>().map_err(fault)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(fault)?;
        if kind.is_dir() {
            search(root, &path, extensions, found)?;
            continue;
        }
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        if path.is_file() && extension.is_some_and(|extension| extensions.contains(&extension.as_str())) {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
            found.push(Found { source: Source::File(path), relative, in_folder: true });
        }
    }
    Ok(())
}

/// One file to work on.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) source: Source,
    pub(crate) target: Target,
}

/// The output of every input: beside it, under the name that `rename` gives; or where `-o` says, which is a folder if it is
/// one, ends in a separator, or has to hold several files.
pub(crate) fn targets(
    found: Vec<Found>,
    output: Option<&Path>,
    rename: impl Fn(&Path) -> PathBuf,
) -> Result<Vec<Job>, Failure> {
    let several = found.len() > 1 || found.iter().any(|found| found.in_folder);
    let folder = output.filter(|output| {
        several || output.is_dir() || output.as_os_str().as_encoded_bytes().last().is_some_and(|&b| b == b'/')
    });
    if several && output.is_some_and(|output| output.as_os_str() == "-" || output.is_file()) {
        return Err(Failure::new(Exit::Usage, "several inputs need a folder as --output"));
    }
    let mut taken: HashMap<PathBuf, Source> = HashMap::new();
    let mut jobs = Vec::with_capacity(found.len());
    for Found { source, relative, .. } in found {
        let target = match (&source, output, folder) {
            (_, Some(output), _) if output.as_os_str() == "-" => Target::Stdout,
            (Source::Stdin, _, Some(_)) => {
                return Err(Failure::new(Exit::Usage, "standard input needs a file name or - as --output"));
            }
            (Source::File(_), _, Some(folder)) => Target::File(folder.join(rename(&relative))),
            (_, Some(output), None) => Target::File(output.into()),
            (Source::Stdin, None, None) => Target::Stdout,
            (Source::File(path), None, None) => Target::File(rename(path)),
        };
        if let Target::File(path) = &target
            && let Some(other) = taken.insert(path.clone(), source.clone())
        {
            return Err(Failure::new(
                Exit::Usage,
                format!("{other} and {source} would both become {target}; name them one at a time with -o"),
            ));
        }
        jobs.push(Job { source, target });
    }
    Ok(jobs)
}
