//! Where do a ledger's files lie, and how is one written so that it is there after a power loss?

use crate::code::Code;
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::fingerprint::FingerprintKey;
use crate::format::ids::PrincipalId;
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

    /// The store's write-ahead log.
    pub fn wal(&self) -> PathBuf {
        self.dir.join("ledger.db-wal")
    }

    /// The idempotency index.
    pub fn index(&self) -> PathBuf {
        self.dir.join("index.db")
    }

    /// The snapshot of the world.
    pub fn snapshot(&self) -> PathBuf {
        self.dir.join("snapshot")
    }

    /// The rows of views, which can be deleted.
    pub fn views(&self) -> PathBuf {
        self.dir.join("projections.db")
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

    /// Key file of an author, where `init` writes it.
    pub fn key_of(&self, principal: &PrincipalId) -> PathBuf {
        self.keys.join(format!("{principal}.key"))
    }

    /// Key file of the fingerprints of leased values.
    pub fn fingerprint_key(&self) -> PathBuf {
        self.keys.join("fingerprint.key")
    }
}

/// Makes a directory and those above it that are missing, so that they are there after a power loss.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    std::fs::create_dir_all(path).map_err(|error| Error::io("create", path, error))?;
    missing.into_iter().try_for_each(sync_parent)
}

/// Syncs the directory that holds `path`, so that its name is durable.
pub fn sync_parent(path: &Path) -> Result<()> {
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
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written.map_err(io)?;
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

/// Reads a secret of one line, when nobody but its owner can.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>> {
    let mut bytes = read_private(path, 4096)?;
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        Error::new(Code::KeyFileInvalid, format!("`{}` is not a key file", path.display()))
    })
}

/// Reads a file of at most `limit` bytes, when nobody but its owner can.
pub fn read_private(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>> {
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
    // Room for all of it at once: bytes that a growing buffer leaves behind are not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 64));
    let read = (&mut file).take(limit as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::io("read", path, error))?;
    if bytes.len() > limit {
        let text = format!("`{}` has more than {limit} bytes", path.display());
        return Err(Error::new(Code::KeyFileInvalid, text));
    }
    Ok(bytes)
}

/// Reads the key of fingerprints.
pub fn read_fingerprint_key(path: &Path) -> Result<FingerprintKey> {
    FingerprintKey::parse_file(&read_secret(path)?).ok_or_else(|| {
        Error::new(Code::KeyFileInvalid, format!("`{}` is not a fingerprint key file", path.display()))
    })
}

/// Reads the key of fingerprints, and makes it first where there is none. Only for a ledger that holds no fingerprint
/// yet: under a new key the old ones find nothing.
pub fn open_fingerprint_key(path: &Path, entropy: &mut Entropy) -> Result<FingerprintKey> {
    if path.try_exists().map_err(|error| Error::io("look for", path, error))? {
        return read_fingerprint_key(path);
    }
    let seed = Zeroizing::new(entropy.take::<32>()?);
    let beside = path.with_extension("key.new");
    let io = |error| Error::io("write the key file", path, error);
    // A crash before the link leaves a file that no fingerprint was made with.
    if beside.try_exists().map_err(io)? {
        std::fs::remove_file(&beside).map_err(io)?;
    }
    write_secret(&beside, &FingerprintKey::from_seed(&seed).to_file())?;
    // Unlike a rename, a link never replaces a key that somebody else has just made. A crash after it leaves one file
    // under two names.
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside).map_err(io)?;
    if let Err(error) = linked
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(io(error));
    }
    sync_parent(path)?;
    read_fingerprint_key(path)
}
