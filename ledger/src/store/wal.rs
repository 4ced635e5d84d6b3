//! May the write-ahead log grow? A reader that holds its snapshot keeps it from being emptied. SPEC 11.

use crate::error::Result;
use rusqlite::Connection;
use std::path::PathBuf;
use std::time::Duration;

/// How long a reader is waited for, once; one that stays is asked after with every batch and not waited for again.
const WAIT: Duration = Duration::from_secs(1);

/// The write-ahead log of a store, with the bytes that it may have.
#[derive(Debug)]
pub(crate) struct Wal {
    path: PathBuf,
    most: u64,
    held: bool,
}

impl Wal {
    pub(crate) fn new(path: PathBuf, most: u64) -> Self {
        Self { path, most, held: false }
    }

    /// Whether it has room; when it has not, it is moved into the store and emptied, if readers allow it.
    pub(crate) fn has_room(&mut self, conn: &Connection) -> Result<bool> {
        if std::fs::metadata(&self.path).map_or(0, |wal| wal.len()) <= self.most {
            self.held = false;
            return Ok(true);
        }
        conn.busy_timeout(if self.held { Duration::ZERO } else { WAIT })?;
        let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        conn.busy_timeout(Duration::ZERO)?;
        self.held = busy != 0;
        Ok(!self.held)
    }
}
