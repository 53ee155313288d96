//! Files that appear whole or not at all: written under a temporary name in the same folder, then renamed.

use std::io::Write;
use std::path::Path;

use crate::error::DatasetError;

const PREFIX: &str = ".lmcodec-";
const SUFFIX: &str = ".tmp";

/// Writes a file, replacing one that is there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), DatasetError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: the umask takes away what it takes away.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(DatasetError::io(path))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(DatasetError::io(path))?;
    file.persist(path).map_err(|e| DatasetError::Io { path: path.into(), source: e.error })?;
    Ok(())
}

/// Removes what a killed process left half-written in a folder.
pub(crate) fn sweep(folder: &Path) -> Result<(), DatasetError> {
    for entry in std::fs::read_dir(folder).map_err(DatasetError::io(folder))? {
        let entry = entry.map_err(DatasetError::io(folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            std::fs::remove_file(entry.path()).map_err(DatasetError::io(&entry.path()))?;
        }
    }
    Ok(())
}
