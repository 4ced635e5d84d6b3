//! Where do a ledger's files lie, and how is one written so that it is there after a power loss?

use crate::code::Code;
use crate::error::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Paths of a ledger: its directory, and beside it, never inside, keys and anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The ledger directory.
    pub dir: PathBuf,
    /// The anchor.
    pub anchor: PathBuf,
    /// Directory of key files.
    pub keys: PathBuf,
}

fn beside(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    dir.with_file_name(name)
}

impl Paths {
    /// The paths that a ledger in `dir` has unless something else is said.
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), anchor: beside(dir, ".anchor"), keys: beside(dir, ".keys") }
    }

    /// Where `init` writes the auditor's pin.
    pub fn pin(&self) -> PathBuf {
        beside(&self.dir, ".pin")
    }

    /// The SQLite store.
    pub fn store(&self) -> PathBuf {
        self.dir.join("ledger.db")
    }

    /// The idempotency index.
    pub fn index(&self) -> PathBuf {
        self.dir.join("index.db")
    }

    /// The snapshot of the world.
    pub fn snapshot(&self) -> PathBuf {
        self.dir.join("snapshot")
    }

    /// The lock.
    pub fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// Space that is given back when the disk is full.
    pub fn reserve(&self) -> PathBuf {
        self.dir.join("reserve")
    }

    /// Key file of the log.
    pub fn log_key(&self) -> PathBuf {
        self.keys.join("log.key")
    }

    /// Key file of the system's author key.
    pub fn system_key(&self) -> PathBuf {
        self.keys.join("system.key")
    }
}

/// Syncs the directory that holds `path`, so that its name is durable.
pub(super) fn sync_parent(path: &Path) -> Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |error| Error::io("sync the directory", parent, error);
    File::open(parent).map_err(io)?.sync_all().map_err(io)
}

/// Writes a file whole or not at all: beside it, synced, then renamed over it.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let io = |error| Error::io("write", path, error);
    let mut file = File::create(&beside).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.sync_all().map_err(io)?;
    std::fs::rename(&beside, path).map_err(io)?;
    sync_parent(path)
}

/// Writes a secret to a file of mode 0600 that must not exist yet.
pub fn write_secret(path: &Path, text: &str) -> Result<()> {
    let io = |error| Error::io("write the key file", path, error);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)?;
    file.sync_all().map_err(io)?;
    sync_parent(path)
}

/// Reads a secret, when nobody but its owner can.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::new(Code::KeyFileMissing, format!("no key file `{}`", path.display())));
        }
        Err(error) => return Err(Error::io("open the key file", path, error)),
    };
    let metadata = file.metadata().map_err(|error| Error::io("look at", path, error))?;
    if !metadata.is_file() {
        return Err(Error::new(Code::KeyFileInvalid, format!("`{}` is not a file", path.display())));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        let text = format!("`{}` can be read by others than its owner", path.display());
        return Err(Error::new(Code::KeyFileReadable, text));
    }
    let mut text = Zeroizing::new(String::new());
    let read = (&mut file).take(4096).read_to_string(&mut text);
    read.map_err(|_| Error::new(Code::KeyFileInvalid, format!("`{}` is not a key file", path.display())))?;
    Ok(text)
}
