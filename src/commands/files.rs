//! From the command line to a list of inputs: several files, folders, `-`; what is passed over in folders.

#[cfg(unix)]
use std::collections::HashMap;
#[cfg(unix)]
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{Exit, Failure};
use super::terminal::shown;

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.path()))
    }
}

impl Source {
    /// The path, `-` for standard input.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Stdin => Path::new("-"),
            Self::File(path) => path,
        }
    }

    /// All bytes, and what the file system said of the file before they were read. More than `most` is a limit error, found
    /// before they are read.
    pub(crate) fn read(&self, most: u64) -> Result<(Vec<u8>, Option<Metadata>), Failure> {
        let fault = |error: io::Error| Failure::new(Exit::Io, error.to_string());
        let too_long = |found: String| {
            Failure::new(Exit::Limit, format!("limit exceeded: {found} bytes of input, at most {most} is allowed"))
        };
        let mut bytes = Vec::new();
        let metadata = match self {
            Self::Stdin => {
                io::stdin().lock().take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(fault)?;
                None
            }
            Self::File(path) => {
                let file = fs::File::open(path).map_err(fault)?;
                let metadata = file.metadata().map_err(fault)?;
                if metadata.len() > most {
                    return Err(too_long(metadata.len().to_string()));
                }
                bytes.reserve_exact(usize::try_from(metadata.len()).unwrap_or(0));
                file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(fault)?;
                // A pipe has no name, date or rights that are worth keeping.
                Some(metadata).filter(Metadata::is_file)
            }
        };
        if bytes.len() as u64 > most { Err(too_long(format!("more than {most}"))) } else { Ok((bytes, metadata)) }
    }

    /// The lower-case extension of the file name.
    pub(crate) fn extension(&self) -> Option<String> {
        match self {
            Self::Stdin => None,
            Self::File(path) => Some(path.extension()?.to_string_lossy().to_lowercase()),
        }
    }
}

/// Which files of a folder are meant.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Go through folders and their subfolders
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// In folders, leave out files and folders whose name or path below the folder matches; may be repeated
    #[arg(long, value_name = "GLOB", value_parser = pattern)]
    exclude: Vec<glob::Pattern>,
    /// In folders, also take hidden files and folders and what NAS systems keep of their own (@eaDir, #recycle)
    #[arg(long)]
    hidden: bool,
}

fn pattern(text: &str) -> Result<glob::Pattern, String> {
    glob::Pattern::new(text).map_err(|error| error.to_string())
}

/// What NAS systems keep of their own: thumbnails, indices, what was deleted.
const CLUTTER: [&str; 6] = ["@eaDir", "@Recycle", "@tmp", "#recycle", "#snapshot", "lost+found"];

/// An input, and its path below the folder that was named on the command line (or its file name).
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) source: Source,
    pub(crate) relative: PathBuf,
    /// Bytes, as far as they are known.
    pub(crate) bytes: u64,
    /// Further names of the same file (hard links) in the same search.
    pub(crate) links: Vec<Found>,
}

/// What a command line names.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    pub(crate) found: Vec<Found>,
    /// Whether a folder was named: there may be many, or none.
    pub(crate) folder: bool,
    pub(crate) passed_over: PassedOver,
    /// Folders that could not be read or may not be, and why.
    pub(crate) unread: Vec<(PathBuf, Failure)>,
    /// First name of every file that has several, by device, number and extension (what comes back has the extension that the
    /// coded file states): position in `found`.
    #[cfg(unix)]
    first_names: HashMap<(u64, u64, Option<OsString>), usize>,
}

/// Files and folders that a search has not gone into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PassedOver {
    /// Hidden ones, and NAS clutter.
    pub(crate) hidden: u64,
    /// Symbolic links.
    pub(crate) links: u64,
    /// Those of `--exclude`.
    pub(crate) excluded: u64,
}

impl Selection {
    /// The inputs that a command line names. Folders are searched for the `extensions`, which are lower-case.
    pub(crate) fn find(&self, inputs: &[PathBuf], extensions: &[&str]) -> Result<Inputs, Failure> {
        let mut all = Inputs::default();
        for input in inputs {
            if input.as_os_str() == "-" {
                if inputs.len() > 1 {
                    return Err(Failure::new(Exit::Usage, "- (standard input) must be the only input"));
                }
                let relative = PathBuf::new();
                all.found.push(Found { source: Source::Stdin, relative, bytes: 0, links: Vec::new() });
            } else if self.recursive && input.is_dir() {
                all.folder = true;
                self.search(input, input, extensions, &mut all);
            } else if input.is_dir() {
                let failure = Failure::new(Exit::Usage, "is a folder; --recursive goes through it");
                all.unread.push((input.clone(), failure));
            } else {
                let relative = input.file_name().map(PathBuf::from).unwrap_or_default();
                let bytes = fs::metadata(input).map_or(0, |metadata| metadata.len());
                all.found.push(Found { source: Source::File(input.clone()), relative, bytes, links: Vec::new() });
            }
        }
        Ok(all)
    }

    /// Whatever cannot be read is noted, and the search goes on.
    fn search(&self, root: &Path, folder: &Path, extensions: &[&str], all: &mut Inputs) {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return all.unread.push((folder.into(), Failure::new(Exit::Io, error.to_string()))),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let relative = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
            let Ok(kind) = entry.file_type() else { continue };
            let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
            let fits = extension.is_some_and(|extension| extensions.contains(&extension.as_str()));
            if !kind.is_dir() && !fits {
                continue;
            }
            let text = name.to_string_lossy();
            if !self.hidden && (text.starts_with('.') || CLUTTER.contains(&&*text)) {
                all.passed_over.hidden += 1;
            } else if self.exclude.iter().any(|glob| glob.matches(&text) || glob.matches_path(&relative)) {
                all.passed_over.excluded += 1;
            } else if kind.is_symlink() {
                all.passed_over.links += 1;
            } else if kind.is_dir() {
                self.search(root, &path, extensions, all);
            } else if kind.is_file() {
                all.add(path, relative, entry.metadata().ok().as_ref());
            }
        }
    }
}

impl Inputs {
    /// A file of a folder: a name of its own, or a further name of one that is there already.
    fn add(&mut self, path: PathBuf, relative: PathBuf, metadata: Option<&Metadata>) {
        let bytes = metadata.map_or(0, Metadata::len);
        let found = Found { source: Source::File(path), relative, bytes, links: Vec::new() };
        #[cfg(unix)]
        if let Some(metadata) = metadata
            && std::os::unix::fs::MetadataExt::nlink(metadata) > 1
        {
            use std::os::unix::fs::MetadataExt;
            let extension = found.relative.extension().map(ToOwned::to_owned);
            match self.first_names.entry((metadata.dev(), metadata.ino(), extension)) {
                std::collections::hash_map::Entry::Occupied(first) => {
                    return self.found[*first.get()].links.push(found);
                }
                std::collections::hash_map::Entry::Vacant(none) => {
                    none.insert(self.found.len());
                }
            }
        }
        self.found.push(found);
    }
}
