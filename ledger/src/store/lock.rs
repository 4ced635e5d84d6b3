//! Who may write? One process at a time, by an exclusive lock on a file of the ledger directory. SPEC 11.

use crate::code::Code;
use crate::error::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

/// The lock; it is released when this is dropped, and by the operating system when the process ends.
#[derive(Debug)]
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that was forked a moment ago holds the same open file until it executes.
        let _ = self.0.unlock();
    }
}

impl Lock {
    /// Takes the lock, or says that another process has it.
    pub fn take(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| Error::io("open the lock", path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                let text = format!("another process writes the ledger: `{}` is locked", path.display());
                Err(Error::new(Code::Locked, text))
            }
            Err(TryLockError::Error(error)) => Err(Error::io("lock", path, error)),
        }
    }
}
