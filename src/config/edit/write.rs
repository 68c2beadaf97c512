//! A configuration file written whole or not at all.

use crate::error::{Doing, Error, Kind, Result};
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Mode of a new file, less the process's umask.
const MODE: u32 = 0o666;

/// Replaces the file by `text` when it still holds what was read; makes it, and its directory, when it is not there. With
/// `backup`, what it held is kept beside it in `….bak`, whose path is returned.
///
/// # Errors
/// [`Kind::Changed`] when somebody else has changed it meanwhile; [`Kind::File`] when it cannot be written.
pub fn write(path: &Path, read: Option<&str>, text: &str, backup: bool) -> Result<Option<PathBuf>> {
    // A link stays a link: the file that it leads to is replaced.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let dir = target.parent().unwrap_or(Path::new("."));
    let now = match std::fs::read_to_string(&target) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).doing(Kind::File, || format!("reading {} again", path.display())),
    };
    if now.as_deref() != read {
        return Err(
            Error::new(Kind::Changed, format!("{} was changed by somebody else meanwhile", path.display())).hint("run again")
        );
    }
    std::fs::create_dir_all(dir).doing(Kind::File, || format!("making {}", dir.display()))?;
    let kept = match &now {
        Some(now) if backup => {
            let mut name = target.clone().into_os_string();
            name.push(".bak");
            let bak = PathBuf::from(name);
            put(&bak, dir, now, mode(&target)?)?;
            Some(bak)
        }
        _ => None,
    };
    put(&target, dir, text, if now.is_some() { mode(&target)? } else { None })?;
    Ok(kept)
}

fn mode(path: &Path) -> Result<Option<Permissions>> {
    let metadata = std::fs::metadata(path).doing(Kind::File, || format!("looking at {}", path.display()))?;
    Ok(Some(metadata.permissions()))
}

fn put(path: &Path, dir: &Path, text: &str, permissions: Option<Permissions>) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    let made = tempfile::Builder::new().permissions(Permissions::from_mode(MODE)).tempfile_in(dir);
    let mut file = made.doing(Kind::File, doing)?;
    file.write_all(text.as_bytes()).doing(Kind::File, doing)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions).doing(Kind::File, doing)?;
    }
    file.as_file().sync_all().doing(Kind::File, doing)?;
    file.persist(path).map_err(|error| error.error).doing(Kind::File, doing)?;
    // The rename is durable only when its directory is.
    File::open(dir).and_then(|dir| dir.sync_all()).doing(Kind::File, doing)
}
