//! Name, dates, rights and extended attributes of files: read from one, given to another. A result is never readable for more
//! people than what it was made of.

use std::fs::{File, FileTimes, Metadata};
use std::path::Path;
use std::time::{Duration, SystemTime};

use lmcodec::FileAttributes;

/// Bytes of extended attributes that a header takes.
#[cfg(unix)]
const MOST_EXTENDED: usize = 1 << 16;
/// Extended attributes of users begin so.
#[cfg(unix)]
const USERS: &[u8] = b"user.";
/// Access lists: they take the place of the group's permission bits, so they go along or those bits go.
#[cfg(unix)]
const ACCESS_LIST: &str = "system.posix_acl_access";

/// What a header keeps of a file. The owner only if it is another than who runs this; of extended attributes those of users.
pub(crate) fn attributes(path: &Path, metadata: &Metadata) -> FileAttributes {
    let mut attributes = FileAttributes::default();
    attributes.name = path.file_name().map(|name| name.as_encoded_bytes().to_vec());
    attributes.modified = metadata.modified().ok().map(since_epoch);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        attributes.mode = Some(metadata.mode() & 0o777);
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            attributes.owner = Some((metadata.uid(), metadata.gid()));
        }
        let mut bytes = 0;
        for (name, value) in extended(path) {
            bytes += name.len() + value.len();
            if bytes <= MOST_EXTENDED {
                attributes.extended.push((name, value));
            }
        }
    }
    attributes
}

/// The extended attributes of users, by name.
#[cfg(unix)]
fn extended(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    use std::os::unix::ffi::OsStringExt;
    let names = xattr::list(path).into_iter().flatten();
    let values = names.filter(|name| name.as_encoded_bytes().starts_with(USERS)).filter_map(|name| {
        let value = xattr::get(path, &name).ok().flatten()?;
        Some((name.into_vec(), value))
    });
    let mut values: Vec<_> = values.collect();
    values.sort();
    values
}

/// Gives a new file, which only its owner can open yet, what belongs to it: the dates, the owner and the extended attributes of
/// `attributes`; and the rights that both `attributes` and the file it was made of (`source`) grant. What the system does not
/// permit is left; what it refuses to keep of extended attributes is told.
pub(crate) fn give(file: &File, attributes: &FileAttributes, source: (&Path, &Metadata)) -> Vec<String> {
    let mut notes = Vec::new();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
        let (path, metadata) = source;
        let (user, group) = attributes.owner.unwrap_or((metadata.uid(), metadata.gid()));
        let mut group_is_kept = true;
        if let Ok(now) = file.metadata() {
            // Only root may give files away; a group of one's own goes along where it can.
            if (now.uid(), now.gid()) != (user, group) && fchown(file, Some(user), Some(group)).is_err() {
                group_is_kept = now.gid() == group || fchown(file, None, Some(group)).is_ok();
            }
        }
        let mut mode = attributes.mode.unwrap_or(0o777) & metadata.mode() & 0o777;
        let access = xattr::get(path, ACCESS_LIST).ok().flatten();
        // The bits of the group are the access list's mask where there is one, and mean other people in another group.
        if access.is_some() || !group_is_kept {
            mode &= !0o070;
        }
        let mut lost = 0;
        // A header from elsewhere must not set those that the system goes by.
        let stated = attributes.extended.iter().filter(|(name, _)| name.starts_with(USERS)).cloned();
        for (name, value) in stated.chain(extended(path)) {
            lost += usize::from(xattr::FileExt::set_xattr(file, std::ffi::OsStr::from_bytes(&name), &value).is_err());
        }
        if lost > 0 {
            notes.push(format!("{lost} extended attributes cannot be kept here"));
        }
        let _ = file.set_permissions(std::fs::Permissions::from_mode(mode));
        if let Some(access) = access {
            let _ = xattr::FileExt::set_xattr(file, ACCESS_LIST, &access);
        }
    }
    let modified = attributes.modified.and_then(time).or_else(|| source.1.modified().ok());
    if let Some(time) = modified
        && let Err(error) = file.set_times(FileTimes::new().set_modified(time))
    {
        notes.push(format!("the date cannot be kept here: {error}"));
    }
    notes
}

/// Seconds and nanoseconds since 1970, also before it.
pub(crate) fn since_epoch(time: SystemTime) -> (i64, u32) {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => (after.as_secs() as i64, after.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            match before.subsec_nanos() {
                0 => (-(before.as_secs() as i64), 0),
                nanoseconds => (-(before.as_secs() as i64) - 1, 1_000_000_000 - nanoseconds),
            }
        }
    }
}

fn time((seconds, nanoseconds): (i64, u32)) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let start =
        if seconds < 0 { SystemTime::UNIX_EPOCH.checked_sub(whole) } else { SystemTime::UNIX_EPOCH.checked_add(whole) };
    start?.checked_add(Duration::from_nanos(nanoseconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_there_and_back_also_before_1970() {
        for date in [(0, 0), (1_383_300_000, 1), (-1, 999_999_999), (-86_400, 0), (-86_400, 5)] {
            assert_eq!(time(date).map(since_epoch), Some(date));
        }
    }
}
