//! Files of our own between runs: written whole or not at all, readable by their owner only.

use crate::error::{Doing, Kind, Result};
use std::fs::{DirBuilder, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Makes a directory, and those above it, for its owner only (mode 0700); one that is there stays as it is.
///
/// # Errors
/// [`Kind::File`] with the path.
pub fn make_dir(dir: &Path) -> Result<()> {
    let doing = || format!("making the directory {}", dir.display());
    DirBuilder::new().recursive(true).mode(0o700).create(dir).doing(Kind::File, doing)
}

/// Replaces a file by `text`, or makes it (mode 0600): temporary file, fsync, rename, fsync of the directory. Whoever reads it
/// meanwhile, or after a crash, sees the old text or the new one.
///
/// # Errors
/// [`Kind::File`] with the path; the file holds what it held before.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    write(path, text, 0o600)
}

/// As [`replace`], for a file that others read (mode 0644).
///
/// # Errors
/// As [`replace`].
pub fn publish(path: &Path, text: &str) -> Result<()> {
    write(path, text, 0o644)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).doing(Kind::File, doing)?;
    file.write_all(text.as_bytes()).doing(Kind::File, doing)?;
    file.as_file().set_permissions(Permissions::from_mode(mode)).doing(Kind::File, doing)?;
    file.as_file().sync_all().doing(Kind::File, doing)?;
    file.persist(path).map_err(|e| e.error).doing(Kind::File, doing)?;
    // The rename is durable only when its directory is.
    File::open(dir).and_then(|dir| dir.sync_all()).doing(Kind::File, doing)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/file.json");
        make_dir(path.parent().unwrap()).unwrap();
        for text in ["first", "second"] {
            replace(&path, text).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
        publish(&path, "for everybody").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        let error = replace(&dir.path().join("none/file"), "x").unwrap_err();
        assert!(error.kind() == Kind::File && error.to_string().contains("none/file"), "{error}");
    }
}
