//! Which entry answered an idempotency key? A disposable index, rebuilt from the chain. SPEC 11.

use super::bloom::Bloom;
use super::read::Reader;
use crate::error::Result;
use crate::format::entry;
use crate::format::hash::Digest;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;

/// The open index; it has seen every entry below its cursor.
#[derive(Debug)]
pub(crate) struct Index {
    conn: Connection,
    cursor: u64,
}

fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Index {
    /// Opens the index and brings it up to `size`; one that is not of this ledger, or damaged, is made anew.
    pub(crate) fn open(path: &Path, store: &Reader, size: u64) -> Result<Self> {
        let mut index = match Self::connect(path).and_then(|index| index.belongs(store, size)) {
            Ok(index) => index,
            Err(_) => {
                for suffix in ["", "-wal", "-shm"] {
                    let mut name = path.as_os_str().to_owned();
                    name.push(suffix);
                    let _ = std::fs::remove_file(name);
                }
                Self::connect(path)?
            }
        };
        index.catch_up(store, size)?;
        Ok(index)
    }

    /// Opens an index that is known to be good, for a second connection to it.
    pub(crate) fn open_existing(path: &Path) -> Result<Self> {
        let index = Self::connect(path)?;
        index.conn.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(index)
    }

    fn connect(path: &Path) -> Result<Self> {
        let conn = Connection::open(path)?;
        super::open::harden(&conn)?;
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384;
             CREATE TABLE IF NOT EXISTS answered (key BLOB PRIMARY KEY, position INTEGER NOT NULL)
                 STRICT, WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1),
                 position INTEGER NOT NULL, address BLOB NOT NULL, snapshot INTEGER) STRICT;
             INSERT OR IGNORE INTO cursor VALUES (1, 0, x'', NULL);",
        )?;
        let cursor: i64 = conn.query_row("SELECT position FROM cursor", [], |row| row.get(0))?;
        Ok(Self { conn, cursor: u64::try_from(cursor).unwrap_or(u64::MAX) })
    }

    /// The index itself, when the entry below its cursor is the store's.
    fn belongs(self, store: &Reader, size: u64) -> Result<Self> {
        let address: Vec<u8> = self.conn.query_row("SELECT address FROM cursor", [], |row| row.get(0))?;
        let ours =
            self.cursor == 0 || (self.cursor <= size && store.address(self.cursor - 1)?.0[..] == address[..]);
        if ours { Ok(self) } else { Err(crate::error::Error::damaged("the index is another ledger's")) }
    }

    fn catch_up(&mut self, store: &Reader, size: u64) -> Result<()> {
        while self.cursor < size {
            let end = size.min(self.cursor + 65_536);
            let mut found = Vec::new();
            let mut last = Digest::ZERO;
            store.leaves(self.cursor..end, |position, leaf| {
                let read = entry::read(leaf)
                    .map_err(|error| crate::error::Error::damaged(format!("entry {position}: {error}")))?;
                found.extend(read.by.map(|by| (by.key, position)));
                if position + 1 == end {
                    last = entry::address(leaf);
                }
                Ok(())
            })?;
            self.add(&found, end, last)?;
        }
        Ok(())
    }

    /// Adds what entries below `end` answered; `last` is the address of the entry before `end`.
    pub(crate) fn add(&mut self, answered: &[(Digest, u64)], end: u64, last: Digest) -> Result<()> {
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        let written = self.write(answered, end, last);
        if written.is_err() && !self.conn.is_autocommit() {
            // Whether this works is seen when it is tried again.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        written
    }

    fn write(&mut self, answered: &[(Digest, u64)], end: u64, last: Digest) -> Result<()> {
        {
            let mut insert = self
                .conn
                .prepare_cached("INSERT OR REPLACE INTO answered (key, position) VALUES (?1, ?2)")?;
            for (key, position) in answered {
                insert.execute(params![&key.0[..16], int(*position)])?;
            }
            let mut cursor = self.conn.prepare_cached("UPDATE cursor SET position = ?1, address = ?2")?;
            cursor.execute(params![int(end), last.0])?;
        }
        self.conn.execute_batch("COMMIT")?;
        self.cursor = end;
        Ok(())
    }

    /// Position of the entry that may have answered this key; its `by.key` decides.
    pub(crate) fn get(&self, key: &Digest) -> Result<Option<u64>> {
        let mut query = self.conn.prepare_cached("SELECT position FROM answered WHERE key = ?1")?;
        let found: Option<i64> = query.query_row([&key.0[..16]], |row| row.get(0)).optional()?;
        Ok(found.map(|position| u64::try_from(position).unwrap_or(u64::MAX)))
    }

    /// A filter that has every key of the index, with room for as many again.
    pub(crate) fn filter(&self) -> Result<Bloom> {
        let mut filter = Bloom::with_room(usize::try_from(self.cursor).unwrap_or(usize::MAX));
        let mut query = self.conn.prepare("SELECT key FROM answered")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            filter.add(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?);
        }
        Ok(filter)
    }

    /// Position of the entry that records the newest snapshot.
    pub(crate) fn snapshot(&self) -> Result<Option<u64>> {
        let found: Option<i64> = self.conn.query_row("SELECT snapshot FROM cursor", [], |row| row.get(0))?;
        Ok(found.map(|position| u64::try_from(position).unwrap_or(u64::MAX)))
    }

    /// Remembers which entry records the newest snapshot.
    pub(crate) fn set_snapshot(&self, position: u64) -> Result<()> {
        self.conn.execute("UPDATE cursor SET snapshot = ?1", [int(position)])?;
        Ok(())
    }
}
