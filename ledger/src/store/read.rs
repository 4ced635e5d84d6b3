//! What stands in the store? Read-only, in snapshots of one transaction each. SPEC 11.

use super::open::{check_layout, harden};
use crate::code::Code;
use crate::door::{Part, Sealed};
use crate::error::{Error, Result};
use crate::format::checkpoint::Checkpoint;
use crate::format::hash::Digest;
use crate::format::tree::{self, Frontier, Hash, TILE_HEIGHT};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// A connection that reads.
#[derive(Debug)]
pub struct Reader {
    conn: Connection,
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The column.
    pub position: u64,
    /// The leaf.
    pub leaf: Vec<u8>,
    /// Salt and text of the private part.
    pub private: Option<Vec<u8>>,
    /// Salt and text of the arguments.
    pub args: Option<Vec<u8>>,
}

impl Row {
    /// The row as it is written.
    pub(crate) fn into_sealed(self) -> Sealed {
        let part = |blob: Option<Vec<u8>>| {
            let blob = blob?;
            let (salt, text) = blob.split_first_chunk::<32>()?;
            Some(Part { salt: *salt, text: text.to_vec() })
        };
        let (private, args) = (part(self.private), part(self.args));
        let address = Digest::ZERO;
        Sealed { position: self.position, kind: "", leaf: self.leaf, address, private, args }
    }
}

/// A row of `ended`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEnded {
    /// Kind of the entity.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// The terminal state.
    pub state: String,
    /// Position of the entry that ended it.
    pub position: u64,
    /// Address of that entry.
    pub digest: Vec<u8>,
}

fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Connects for reading. A reader of a WAL needs its shared memory, which a read-only open cannot make; `query_only`
/// keeps it from writing later. Where nothing can be made beside the store, it is read as a file that nobody changes.
fn connect(path: &Path) -> Result<Connection> {
    let first = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .and_then(|conn| conn.query_row("PRAGMA schema_version", [], |_| Ok(())).map(|()| conn));
    let error = match first {
        Ok(conn) => return Ok(conn),
        Err(error) => error,
    };
    let closed = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    );
    if !closed || std::fs::File::open(path).is_err() {
        return Err(error.into());
    }
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    // What stands in the WAL is not in the file yet: without it, entries that were released would be missing.
    if std::fs::metadata(&wal).is_ok_and(|wal| wal.len() > 0) {
        let text = format!(
            "`{}` holds entries that only whoever may write beside it can read: copy the ledger's directory and \
             its anchor to where you may write, and read the copy",
            Path::new(&wal).display()
        );
        return Err(Error::new(Code::Io, text));
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(immutable(path), flags)?)
}

/// The URI under which SQLite takes a file as it stands, without lock and shared memory.
fn immutable(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}

impl Reader {
    /// Opens a store for reading; a server may be writing it.
    pub fn open(path: &Path) -> Result<Self> {
        let conn = connect(path)?;
        harden(&conn)?;
        conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192;")?;
        conn.busy_timeout(std::time::Duration::from_secs(5))?;
        check_layout(&conn)?;
        Ok(Self { conn })
    }

    /// Keeps everything that follows in one snapshot of the store, until the reader is dropped.
    pub fn pin_snapshot(&self) -> Result<()> {
        self.conn.execute_batch("BEGIN")?;
        self.size()?;
        Ok(())
    }

    /// Number of entries: one more than the largest position.
    pub fn size(&self) -> Result<u64> {
        let last: Option<i64> =
            self.conn.query_row("SELECT max(position) FROM entry", [], |row| row.get(0))?;
        Ok(last.map_or(0, |last| unsigned(last).saturating_add(1)))
    }

    /// Number of entries, when none is missing that a released head covers; else `rolled_back`.
    pub fn size_under(&self, released: &Checkpoint) -> Result<u64> {
        let size = self.size()?;
        match released.size.checked_sub(size) {
            None | Some(0) => Ok(size),
            Some(missing) => {
                let head = released.size;
                let text = format!(
                    "the anchor holds a head of {head} entries, the store has {size}: {missing} are missing"
                );
                Err(Error::new(Code::RolledBack, text))
            }
        }
    }

    /// The mark of the newest commit.
    pub(crate) fn mark(&self) -> Result<Option<String>> {
        let mut query = self.conn.prepare_cached("SELECT value FROM meta WHERE key = 'tail'")?;
        Ok(query.query_row([], |row| row.get(0)).optional()?)
    }

    /// The leaf at a position.
    pub fn leaf(&self, position: u64) -> Result<Option<Vec<u8>>> {
        let mut query = self.conn.prepare_cached("SELECT leaf FROM entry WHERE position = ?1")?;
        Ok(query.query_row([int(position)], |row| row.get(0)).optional()?)
    }

    /// Salt and text of a part: slot 0 is private, 1 the arguments.
    pub fn part(&self, position: u64, slot: u64) -> Result<Option<Vec<u8>>> {
        let mut query = self.conn.prepare_cached("SELECT blob FROM part WHERE id = ?1 AND alg = 0")?;
        Ok(query.query_row([int(position * 2 + slot)], |row| row.get(0)).optional()?)
    }

    /// Hands each leaf in `range` to `each`, in order; a gap is an error.
    pub fn leaves(&self, range: Range<u64>, mut each: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        let mut query = self.conn.prepare_cached(
            "SELECT position, leaf FROM entry WHERE position >= ?1 AND position < ?2 ORDER BY position",
        )?;
        let mut rows = query.query(params![int(range.start), int(range.end)])?;
        let mut next = range.start;
        while let Some(row) = rows.next()? {
            let position = unsigned(row.get(0)?);
            if position != next {
                return Err(Error::damaged(format!("entry {next} is missing from the store")));
            }
            each(position, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
            next += 1;
        }
        if next < range.end {
            return Err(Error::damaged(format!("entry {next} is missing from the store")));
        }
        Ok(())
    }

    /// Rows of `range` with their parts, at most `limit` of them, as they stand.
    pub fn rows(&self, range: Range<u64>, limit: usize) -> Result<Vec<Row>> {
        let mut entries = self.conn.prepare_cached(
            "SELECT position, leaf FROM entry WHERE position >= ?1 AND position < ?2 ORDER BY position LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows: Vec<Row> = entries
            .query_map(params![int(range.start), int(range.end), limit], |row| {
                Ok(Row { position: unsigned(row.get(0)?), leaf: row.get(1)?, private: None, args: None })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(rows) };
        let mut parts = self
            .conn
            .prepare_cached("SELECT id, blob FROM part WHERE id >= ?1 AND id < ?2 AND alg = 0 ORDER BY id")?;
        let ids = params![
            int(first.position.saturating_mul(2)),
            int(last.position.saturating_add(1).saturating_mul(2))
        ];
        let mut found = parts.query(ids)?;
        let mut at = 0;
        while let Some(row) = found.next()? {
            let id = unsigned(row.get(0)?);
            while rows.get(at).is_some_and(|entry| entry.position < id / 2) {
                at += 1;
            }
            if let Some(entry) = rows.get_mut(at).filter(|entry| entry.position == id / 2) {
                let slot = if id.is_multiple_of(2) { &mut entry.private } else { &mut entry.args };
                *slot = Some(row.get(1)?);
            }
        }
        Ok(rows)
    }

    /// Heads of sizes in `range`, ascending, with the signature as it is stored.
    pub fn heads(&self, range: Range<u64>) -> Result<Vec<(u64, Vec<u8>)>> {
        let mut query = self
            .conn
            .prepare_cached("SELECT size, sig FROM head WHERE size >= ?1 AND size < ?2 ORDER BY size")?;
        let rows = query
            .query_map(params![int(range.start), int(range.end)], |row| {
                Ok((unsigned(row.get(0)?), row.get(1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    /// Size of the newest head in the store; the anchor has a newer one.
    pub fn last_head(&self) -> Result<Option<u64>> {
        let size: Option<i64> = self.conn.query_row("SELECT max(size) FROM head", [], |row| row.get(0))?;
        Ok(size.map(unsigned))
    }

    /// Every row of `ended`.
    pub fn ended(&self) -> Result<Vec<StoredEnded>> {
        let mut query = self
            .conn
            .prepare_cached("SELECT kind, id, state, position, digest FROM ended ORDER BY kind, id")?;
        let rows = query
            .query_map([], |row| {
                Ok(StoredEnded {
                    kind: row.get(0)?,
                    id: row.get(1)?,
                    state: row.get(2)?,
                    position: unsigned(row.get(3)?),
                    digest: row.get(4)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    /// The final state of this, when it has ended.
    pub fn ending(&self, kind: &str, id: &str) -> Result<Option<String>> {
        let mut query = self.conn.prepare_cached("SELECT state FROM ended WHERE kind = ?1 AND id = ?2")?;
        Ok(query.query_row(params![kind, id], |row| row.get(0)).optional()?)
    }

    /// Every stored tile root: level, index, hash.
    pub fn tiles(&self) -> Result<Vec<(u32, u64, Vec<u8>)>> {
        let mut query = self.conn.prepare_cached("SELECT level, idx, hash FROM tile ORDER BY level, idx")?;
        let rows = query
            .query_map([], |row| Ok((row.get(0)?, unsigned(row.get(1)?), row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    /// What SQLite's own check says: "ok", or the first problem.
    pub fn integrity(&self) -> Result<String> {
        Ok(self.conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?)
    }

    /// Moves what stands in the WAL into the database file, as far as no reader is in the way; for measurements.
    pub fn checkpoint_wal(&self) -> Result<()> {
        self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }

    fn tile(&self, level: u32, index: u64) -> Result<Hash> {
        let mut query = self.conn.prepare_cached("SELECT hash FROM tile WHERE level = ?1 AND idx = ?2")?;
        let hash: Option<Vec<u8>> =
            query.query_row(params![level, int(index)], |row| row.get(0)).optional()?;
        hash.and_then(|hash| hash.try_into().ok())
            .ok_or_else(|| Error::damaged(format!("tile {index} of level {level} is missing from the store")))
    }

    /// Root of a perfect subtree, from tile roots and, below them, from leaves.
    fn subtree(&self, height: u32, index: u64) -> Result<Hash> {
        let below = height % TILE_HEIGHT;
        let range = (index << below)..((index + 1) << below);
        let mut hashes: Vec<Hash> = Vec::with_capacity(1 << below);
        if height < TILE_HEIGHT {
            self.leaves(range, |_, leaf| {
                hashes.push(tree::leaf_hash(leaf));
                Ok(())
            })?;
        } else {
            for tile in range {
                hashes.push(self.tile(height / TILE_HEIGHT, tile)?);
            }
        }
        tree::perfect_root(&mut hashes).ok_or_else(|| Error::damaged("a subtree is incomplete"))
    }

    /// The frontier of the tree of the first `size` entries.
    pub fn frontier(&self, size: u64) -> Result<Frontier> {
        let hashes = tree::decompose(size)
            .into_iter()
            .map(|(height, index)| self.subtree(height, index))
            .collect::<Result<Vec<Hash>>>()?;
        Frontier::from_parts(size, hashes).ok_or_else(|| Error::damaged("the tree is incomplete"))
    }

    /// Root of the leaves in `range`, whose start is a multiple of the largest power of two in it.
    fn range_root(&self, range: Range<u64>) -> Result<Hash> {
        let mut at = range.start;
        let mut hashes = Vec::new();
        for (height, _) in tree::decompose(range.end - range.start) {
            hashes.push(self.subtree(height, at >> height)?);
            at += 1 << height;
        }
        Frontier::from_parts(range.end - range.start, hashes)
            .map(|frontier| frontier.root())
            .ok_or_else(|| Error::damaged("the tree is incomplete"))
    }

    /// Siblings on the way from an entry to the root of the first `size` entries.
    pub fn inclusion(&self, position: u64, size: u64) -> Result<Vec<Hash>> {
        tree::inclusion_path(position, size, &mut |range| self.range_root(range))
    }

    /// Address of the entry at a position.
    pub fn address(&self, position: u64) -> Result<Digest> {
        let leaf = self.leaf(position)?;
        let leaf =
            leaf.ok_or_else(|| Error::damaged(format!("entry {position} is missing from the store")))?;
        Ok(crate::format::entry::address(&leaf))
    }
}
