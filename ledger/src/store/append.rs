//! How does a batch become durable? One transaction; what it holds, it holds whole. SPEC 11.

use crate::door::Sealed;
use crate::error::Result;
use crate::format::hash::Digest;
use crate::format::tree::{Subtree, TILE_HEIGHT};
use rusqlite::{Connection, params};

/// What ended, with the address of the entry that ended it.
#[derive(Debug, Clone)]
pub(crate) struct EndedRow {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) state: &'static str,
    pub(crate) position: u64,
    pub(crate) digest: Digest,
}

/// Everything that one commit makes durable.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) entries: &'a [Sealed],
    pub(crate) tiles: &'a [Subtree],
    pub(crate) ended: &'a [EndedRow],
    /// Size and signature of the head before, which stood in the anchor until now.
    pub(crate) previous: Option<(u64, [u8; 64])>,
    /// The mark of the store with these entries.
    pub(crate) mark: &'a str,
}

fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Writes the batch in one transaction. On an error nobody knows whether it stands: the caller ends the process.
pub(crate) fn append(conn: &Connection, batch: &Batch<'_>) -> Result<()> {
    conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    {
        let mut entry = conn.prepare_cached("INSERT INTO entry (position, leaf) VALUES (?1, ?2)")?;
        let mut part = conn.prepare_cached("INSERT INTO part (id, alg, grp, blob) VALUES (?1, 0, 0, ?2)")?;
        let mut blob = Vec::new();
        for sealed in batch.entries {
            entry.execute(params![int(sealed.position), sealed.leaf])?;
            for (slot, stored) in [(0, &sealed.private), (1, &sealed.args)] {
                if let Some(stored) = stored {
                    blob.clear();
                    blob.extend_from_slice(&stored.salt);
                    blob.extend_from_slice(&stored.text);
                    part.execute(params![int(sealed.position * 2 + slot), blob])?;
                }
            }
        }
    }
    if !batch.tiles.is_empty() {
        let mut tile = conn.prepare_cached("INSERT INTO tile (level, idx, hash) VALUES (?1, ?2, ?3)")?;
        for subtree in batch.tiles {
            tile.execute(params![subtree.height / TILE_HEIGHT, int(subtree.index), subtree.hash])?;
        }
    }
    if !batch.ended.is_empty() {
        let mut ended = conn.prepare_cached(
            "INSERT INTO ended (kind, id, state, position, digest) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for row in batch.ended {
            ended.execute(params![row.kind, row.id, row.state, int(row.position), row.digest.0])?;
        }
    }
    if let Some((size, sig)) = batch.previous {
        conn.prepare_cached("INSERT INTO head (size, sig) VALUES (?1, ?2)")?
            .execute(params![int(size), sig])?;
    }
    conn.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES ('tail', ?1)")?
        .execute([batch.mark])?;
    conn.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

/// Moves the WAL into the database file and leaves it empty.
pub(crate) fn empty_wal(conn: &Connection) -> Result<()> {
    conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}
