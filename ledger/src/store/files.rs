//! Where do a ledger's files lie, and how is one written so that it is there after a power loss?

use crate::code::Code;
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::fingerprint::FingerprintKey;
use crate::format::ids::PrincipalId;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
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
    // `.` and `..` have no name of their own: what is beside them is beside what they stand for.
    let dir = &match dir.file_name() {
        Some(_) => dir.to_owned(),
        None => dir.canonicalize().unwrap_or_else(|_| dir.to_owned()),
    };
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    dir.with_file_name(name)
}

/// Where a path leads, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for ancestor in absolute.ancestors() {
        if let Ok(found) = ancestor.canonicalize() {
            return found.join(absolute.strip_prefix(ancestor).unwrap_or(Path::new("")));
        }
    }
    absolute
}

impl Paths {
    /// Refuses keys or an anchor within the ledger directory: a copy of it would carry them, and an older one, put
    /// back with its anchor, would not be known for one.
    pub(crate) fn check_apart(&self) -> Result<()> {
        let dir = resolved(&self.dir);
        for (what, path, flag) in [("anchor", &self.anchor, "--anchor"), ("keys", &self.keys, "--keys")] {
            if resolved(path).starts_with(&dir) {
                let text = format!(
                    "`{}` ({what}) lies within the ledger directory `{}`: name a place outside it with `{flag}`",
                    path.display(),
                    self.dir.display()
                );
                return Err(Error::new(Code::MalformedValue, text));
            }
        }
        Ok(())
    }

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

/// Makes a directory that only its owner can look into, and those above it that are missing, so that they are there
/// after a power loss. One that is there stays as it is.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    let made = match path.parent() {
        _ if path.is_dir() => Ok(()),
        Some(above) => {
            std::fs::create_dir_all(above).and_then(|()| DirBuilder::new().mode(0o700).create(path))
        }
        None => DirBuilder::new().mode(0o700).create(path),
    };
    made.map_err(|error| Error::io("create", path, error))?;
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
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{}.new", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    let beside = path.with_file_name(name);
    let io = |error| Error::io("write", path, error);
    // A name of its own that must be new: nobody else's file is written to, nor what a link leads to.
    let mut file = File::create_new(&beside).map_err(io)?;
    let written =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&beside, path));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&beside);
        return Err(io(error));
    }
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
        Error::new(
            Code::KeyFileInvalid,
            format!("`{}` is neither a key file nor a token file: it is not text", path.display()),
        )
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
