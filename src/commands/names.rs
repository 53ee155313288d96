//! What results are called: `IMG.JPG` becomes `IMG.ljpg` and comes back as `IMG.JPG`.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use lmcodec::FileAttributes;

use super::exit::{Exit, Failure};
use super::files::{Found, Source};
use super::output::Target;

/// What lmcodec files are called; in folders these are decoded and verified.
pub(crate) const CODED_EXTENSIONS: [&str; 3] = ["ljpg", "lvq", "lrvq"];

/// Where `-o` sends the results of several inputs, or of one.
#[derive(Debug)]
pub(crate) enum Destination<'a> {
    /// Beside the input.
    Beside,
    /// Below this folder, in the input's place below its own.
    Folder(&'a Path),
    /// This file (or device), whatever the input is called.
    File(&'a Path),
    Stdout,
}

impl<'a> Destination<'a> {
    /// What `-o` means: a folder if it is one, ends in a separator, or has to hold several files.
    pub(crate) fn of(output: Option<&'a Path>, stdout: bool, found: &[Found], folder: bool) -> Result<Self, Failure> {
        let several = folder || found.len() > 1;
        let stdin = found.iter().any(|found| found.source == Source::Stdin);
        let fault = |message: &str| Err(Failure::new(Exit::Usage, message));
        match output {
            _ if stdout && several => fault("several inputs need a folder as --output"),
            _ if stdout => Ok(Self::Stdout),
            None if stdin => Ok(Self::Stdout),
            None => Ok(Self::Beside),
            Some(output) if output.as_os_str() == "-" => Self::of(None, true, found, folder),
            Some(output) => {
                let ends_in_separator = output.as_os_str().as_encoded_bytes().last().is_some_and(|&b| b == b'/');
                let folder = several || output.is_dir() || ends_in_separator;
                match folder {
                    _ if several && output.exists() && !output.is_dir() => {
                        fault("several inputs need a folder as --output")
                    }
                    true if stdin => fault("standard input needs a file name or - as --output"),
                    true => Ok(Self::Folder(output)),
                    false => Ok(Self::File(output)),
                }
            }
        }
    }

    /// The place of a result whose name `rename` makes of the input's.
    pub(crate) fn place(&self, found: &Found, rename: impl FnOnce(&Path) -> PathBuf) -> Target {
        match (self, &found.source) {
            (Self::Stdout, _) => Target::Stdout,
            (Self::File(path), _) => Target::File(path.to_path_buf()),
            (Self::Folder(folder), _) => Target::File(folder.join(rename(&found.relative))),
            (Self::Beside, source) => Target::File(rename(source.path())),
        }
    }
}

/// `IMG.JPG` → `IMG.ljpg`.
pub(crate) fn coded(path: &Path, extension: &str) -> PathBuf {
    path.with_extension(extension)
}

/// `IMG.JPG` → `IMG.JPG.ljpg`: where another file has the short name.
pub(crate) fn long_coded(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Which of several inputs that would get one short name do not get it: all but the one that the file of that name was made of
/// (`owns`, by the input's position), or all but the first where there is no such file.
pub(crate) fn without_short_name(targets: &[Target], owns: impl Fn(usize, &Path) -> bool) -> Vec<usize> {
    let mut groups: HashMap<&Path, Vec<usize>> = HashMap::new();
    for (index, target) in targets.iter().enumerate() {
        if let Target::File(path) = target {
            groups.entry(path).or_default().push(index);
        }
    }
    let mut others = Vec::new();
    for (path, group) in groups.into_iter().filter(|(_, group)| group.len() > 1) {
        let owner = group.iter().copied().find(|&index| owns(index, path));
        let first = owner.or_else(|| path.symlink_metadata().is_err().then_some(group[0]));
        others.extend(group.into_iter().filter(|&index| Some(index) != first));
    }
    others
}

/// The name of the original: that of the coded file with the extension that the original had, or the original's own name where
/// that is asked for. `None`: the file does not say, and its content has to.
pub(crate) fn original(coded: &Path, attributes: &FileAttributes, own: bool) -> Option<PathBuf> {
    let name = os_name(attributes)?;
    if own {
        return Some(coded.with_file_name(name));
    }
    let stem = stem(coded);
    let Some(extension) = Path::new(&name).extension() else { return Some(coded.with_file_name(stem)) };
    if Path::new(&name).file_stem() != Some(&stem) && Path::new(&stem).extension() == Some(extension) {
        return Some(coded.with_file_name(stem));
    }
    let mut whole = stem;
    whole.push(".");
    whole.push(extension);
    Some(coded.with_file_name(whole))
}

/// [`original`] for files that do not say what it was called.
pub(crate) fn usual(coded: &Path, extension: &str) -> PathBuf {
    let mut name = stem(coded);
    name.push(".");
    name.push(extension);
    coded.with_file_name(name)
}

/// The name of a coded file without what encoding has added or changed.
fn stem(coded: &Path) -> OsString {
    let is_coded = |extension: &OsStr| CODED_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known));
    let stem = if coded.extension().is_some_and(is_coded) { coded.file_stem() } else { coded.file_name() };
    stem.unwrap_or_default().to_owned()
}

/// The original's name as this system writes it, if it is one.
pub(crate) fn os_name(attributes: &FileAttributes) -> Option<OsString> {
    let name = attributes.file_name()?;
    #[cfg(unix)]
    return Some(std::os::unix::ffi::OsStringExt::from_vec(name.to_vec()));
    #[cfg(not(unix))]
    String::from_utf8(name.to_vec())
        .ok()
        .filter(|name| !name.contains([':', '*', '?', '"', '<', '>', '|']))
        .map(OsString::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> FileAttributes {
        let mut attributes = FileAttributes::default();
        attributes.name = Some(name.as_bytes().to_vec());
        attributes
    }

    #[test]
    fn names_come_back() {
        for name in ["IMG_0001.JPG", "x.jpeg", "a.tar.jpg", "photo", ".hidden.jpg", "é ü.Jpg", "codes.npy", "a.jpg.jpg"]
        {
            let path = Path::new("folder").join(name);
            for there in [coded(&path, "ljpg"), long_coded(&path, "ljpg")] {
                assert_eq!(original(&there, &named(name), false).as_deref(), Some(&*path), "{}", there.display());
                let renamed = Path::new("folder/holiday.ljpg");
                assert_eq!(original(renamed, &named(name), true).as_deref(), Some(&*path));
            }
        }
        let back = |coded: &str, name: &str| original(Path::new(coded), &named(name), false);
        assert_eq!(back("d/holiday.ljpg", "IMG.JPG"), Some("d/holiday.JPG".into()));
        assert_eq!(back("d/2013.LJPG", "photo"), Some("d/2013".into()));
        assert_eq!(back("d/x.bin", "a.jpg"), Some("d/x.bin.jpg".into()));
        // A name that leads elsewhere is none.
        assert_eq!(back("d/x.ljpg", "../../etc/passwd"), None);
        assert_eq!(original(Path::new("x.ljpg"), &FileAttributes::default(), true), None);
        assert_eq!(usual(Path::new("d/x.ljpg"), "jpg"), Path::new("d/x.jpg"));
        assert_eq!(usual(Path::new("d/.ljpg"), "jpg"), Path::new("d/.ljpg.jpg"));
    }

    #[test]
    fn of_inputs_with_one_short_name_one_gets_it() {
        let found = |name: &str| Found {
            source: Source::File(name.into()),
            relative: name.into(),
            bytes: 0,
            links: Vec::new(),
        };
        let sources = [found("IMG.JPG"), found("IMG.jpg"), found("other.jpg")];
        let targets: Vec<_> =
            sources.iter().map(|found| Destination::Beside.place(found, |path| coded(path, "ljpg"))).collect();
        assert_eq!(without_short_name(&targets, |_, _| false), [1]);
        assert_eq!(without_short_name(&targets, |index, _| index == 1), [0]);
        // An earlier file of that name is of none of them, perhaps of one that is gone.
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("IMG.ljpg");
        std::fs::write(&path, b"of IMG.jpeg").expect("writes");
        let targets = [Target::File(path.clone()), Target::File(path)];
        assert_eq!(without_short_name(&targets, |_, _| false), [0, 1]);
    }
}
