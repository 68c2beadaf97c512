//! The file that keeps which methods were called: read, merged and written whole under a lock that other processes wait for.
//!
//! A damaged file is put aside and told of, never emptied. The lock is a file of its own that stays, because the other one is
//! replaced at each save.

use crate::config::MethodUsage;
use crate::error::{Doing, Error, Kind, Result};
use crate::files;
use crate::usage::{self, Document, Run, Snapshot, Unreadable};
use chrono::{DateTime, SecondsFormat, Utc};
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a process waits for others that save: each takes milliseconds.
const LOCK_WAIT: Duration = Duration::from_secs(3);

/// Pause between two looks at the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A run, or another command, that counts what it calls.
#[derive(Debug, Clone)]
pub struct Counting {
    file: Option<PathBuf>,
    token: String,
    started: DateTime<Utc>,
    before: Snapshot,
}

impl Counting {
    /// Begins; `token` tells this run from all others. From here on, the process counts what the configuration says.
    #[must_use]
    pub fn begin(wanted: &MethodUsage, token: &str) -> Self {
        usage::set_level(wanted.level());
        Self { file: wanted.file.clone(), token: token.to_owned(), started: Utc::now(), before: Snapshot::begin() }
    }

    /// Keeps what was counted since the begin, once however often it is called; what goes wrong is a warning.
    pub fn keep(&self) {
        let Some(file) = &self.file else { return };
        let run = Run::new(self.started, &self.token, &self.before);
        if run.calls.is_empty() {
            return;
        }
        match save(file, run) {
            Ok(None) => {}
            Ok(Some(aside)) => {
                log::warn!("{} was damaged; it was kept as {}, and counting begins anew", file.display(), aside.display());
            }
            Err(error) => log::warn!("method usage is not kept: {error}"),
        }
    }
}

/// Adds a run to the file, which is made when it is not there. Gives the path under which a damaged file was put aside.
///
/// # Errors
/// [`Kind::File`] with the path, or when others hold the lock for too long; [`Kind::Config`] for a file of a newer program.
pub fn save(file: &Path, run: Run) -> Result<Option<PathBuf>> {
    files::make_dir(dir(file))?;
    let _lock = lock(file)?;
    let (mut document, aside) = match read(file)? {
        Ok(document) => (document.unwrap_or_default(), None),
        Err(Unreadable::Newer(version)) => return Err(newer(file, version)),
        Err(Unreadable::Corrupt) => (Document::default(), Some(put_aside(file, "corrupt")?)),
    };
    if document.add(run) {
        let text = serde_json::to_string_pretty(&document).doing(Kind::Internal, || "writing method usage as JSON")?;
        files::replace(file, &(text + "\n"))?;
    }
    Ok(aside)
}

/// What the file holds; none when it is not there.
///
/// # Errors
/// [`Kind::File`] when it cannot be read or is damaged, [`Kind::Config`] when a newer program wrote it.
pub fn load(file: &Path) -> Result<Option<Document>> {
    match read(file)? {
        Ok(document) => Ok(document),
        Err(Unreadable::Newer(version)) => Err(newer(file, version)),
        Err(Unreadable::Corrupt) => Err(Error::new(Kind::File, format!("{} is damaged", file.display()))
            .hint("the next run puts it aside and begins anew; `etl-sync methods archive` does so now")),
    }
}

/// Puts the file aside under a name with the time, so that the next run begins anew; gives that name, none without a file.
///
/// # Errors
/// [`Kind::File`] with the path.
pub fn archive(file: &Path) -> Result<Option<PathBuf>> {
    if !file.exists() {
        return Ok(None);
    }
    let _lock = lock(file)?;
    put_aside(file, "until").map(Some)
}

fn dir(file: &Path) -> &Path {
    file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn read(file: &Path) -> Result<Result<Option<Document>, Unreadable>> {
    match std::fs::read(file) {
        // Bytes that are no text are damage, too.
        Ok(bytes) => {
            Ok(String::from_utf8(bytes).map_err(|_| Unreadable::Corrupt).and_then(|text| Document::parse(&text)).map(Some))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Ok(None)),
        Err(error) => Err(error).doing(Kind::File, || format!("reading {}", file.display())),
    }
}

fn newer(file: &Path, version: u32) -> Error {
    Error::new(Kind::Config, format!("{} has version {version} of its form, a newer program wrote it", file.display()))
        .hint("use that program, or another file: method_usage in pipeline.yml")
}

/// `method_usage.json` becomes `method_usage.corrupt-20261122T042750.123456Z.json`.
fn put_aside(file: &Path, word: &str) -> Result<PathBuf> {
    let stamp = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true).replace(['-', ':'], "");
    let aside = file.with_extension(format!("{word}-{stamp}.json"));
    std::fs::rename(file, &aside).doing(Kind::File, || format!("renaming {} to {}", file.display(), aside.display()))?;
    Ok(aside)
}

/// The lock of the file, held until this is dropped; the kernel frees it when a process dies.
fn lock(file: &Path) -> Result<File> {
    let mut path = file.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let doing = || format!("locking {}", path.display());
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).doing(Kind::File, doing)?;
    let until = Instant::now() + LOCK_WAIT;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(error).doing(Kind::File, doing),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => {
                let text = format!("{}: other processes hold it for more than {} s", path.display(), LOCK_WAIT.as_secs());
                return Err(Error::new(Kind::File, text).hint("look which process has it open"));
            }
        }
    }
}
