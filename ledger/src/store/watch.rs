//! Are the files that were opened still those that the paths name? SPEC 11.
//!
//! What is written to a file that was moved away or replaced is durable and will never be found again.

use super::files::Paths;
use crate::code::Code;
use crate::error::{Error, Result};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Device and inode that each path named when the ledger was opened.
#[derive(Debug)]
pub(crate) struct Watch(Vec<(PathBuf, (u64, u64))>);

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Watch {
    /// Looks at the files that a writer has open: store, WAL, anchor, lock.
    pub(crate) fn over(paths: &Paths) -> Result<Self> {
        let mut wal = paths.store().into_os_string();
        wal.push("-wal");
        let watched =
            [paths.store(), wal.into(), paths.anchor.clone(), paths.lock()].into_iter().map(|path| {
                let identity = identity(&path).map_err(|error| Error::io("look at", &path, error))?;
                Ok((path, identity))
            });
        Ok(Self(watched.collect::<Result<_>>()?))
    }

    /// An error when a path names another file than it did, or none.
    pub(crate) fn check(&self) -> Result<()> {
        match self.0.iter().find(|(path, before)| identity(path).ok() != Some(*before)) {
            None => Ok(()),
            Some((path, _)) => {
                let text = format!("`{}` was moved or replaced while the ledger had it open", path.display());
                Err(Error::new(Code::Io, text))
            }
        }
    }
}
