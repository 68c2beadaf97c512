//! Files that hold passwords: who may read them, and reading one.
//!
//! A file that its group or the world can read is refused (password files) or ignored with a warning (`~/.my.cnf`,
//! `~/.pgpass`), as the databases' own clients do.

use secrecy::SecretString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Permission bits of group and others.
const OTHERS: u32 = 0o077;

/// Whether the group or others have any right on the file. A file that cannot be looked at is treated as closed:
/// reading it then gives the error.
pub(super) fn others_may_read(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & OTHERS != 0)
}

/// The password in a file of its own; one line end at its end is not part of it.
///
/// # Errors
/// What is wrong, without the file's content.
pub(super) fn password_file(path: &Path) -> Result<SecretString, String> {
    let meta = std::fs::metadata(path).map_err(|error| format!("password file cannot be read: {error}"))?;
    if !meta.is_file() {
        return Err("password file is not a regular file".to_owned());
    }
    let mode = meta.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(format!("password file has mode {mode:04o}; only its owner may read it (0600 or 0400)"));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("password file cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| "password file is not UTF-8".to_owned())?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err("password file is empty".to_owned());
    }
    if line.contains(['\n', '\0']) {
        return Err("password file holds more than one line".to_owned());
    }
    Ok(SecretString::from(line))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn password_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        for (content, mode, want) in [
            (&b"p w\n"[..], 0o600, Ok("p w")),
            (b"pw\r\n", 0o400, Ok("pw")),
            (b" pw ", 0o600, Ok(" pw ")),
            (b"sEcret", 0o640, Err("mode 0640")),
            (b"sEcret", 0o604, Err("mode 0604")),
            (b"\n", 0o600, Err("empty")),
            (b"a\nb\n", 0o600, Err("more than one line")),
            (b"sEcret\xff", 0o600, Err("UTF-8")),
        ] {
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            match (password_file(&path), want) {
                (Ok(got), Ok(want)) => assert_eq!(got.expose_secret(), want),
                (Err(got), Err(want)) => assert!(got.contains(want) && !got.contains("sEcret"), "{got}"),
                (got, want) => panic!("{:?} instead of {want:?}", got.map(|_| "a password")),
            }
            std::fs::remove_file(&path).unwrap();
        }
        assert!(password_file(dir.path()).unwrap_err().contains("regular"));
        assert!(password_file(&path).unwrap_err().contains("cannot be read"));
    }
}
