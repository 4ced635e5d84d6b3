//! Are the rows those of the ledger? Built again elsewhere, and compared row by row; or recognised by one digest.

use crate::ask::AsOf;
use crate::engine::Engine;
use crate::store::{self, Cursor};
use crate::view::{Row, View};
use chancery_ledger::format::canonical::to_bytes;
use chancery_ledger::format::checkpoint::Checkpoint;
use chancery_ledger::format::hash::{Digest, VIEW};
use chancery_ledger::store::Reader;
use chancery_ledger::{Code, Error, Result};
use serde::Serialize;
use std::path::Path;

/// Differing rows that a report names.
const NAMED: usize = 16;
/// Rows of one commit of a copy.
const ROWS: usize = 8192;

/// The rows of a view in one number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ViewDigest {
    /// The view.
    pub view: &'static str,
    /// `b3:…` over the rows in the order of their keys.
    pub digest: String,
    /// Number of rows.
    pub rows: u64,
    /// What it was made from.
    pub as_of: AsOf,
}

/// How a view compares with one that was folded anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// The view.
    pub view: &'static str,
    /// Rows that were compared.
    pub rows: u64,
    /// Rows that differ.
    pub different: u64,
    /// The first of them: key, and how.
    pub named: Vec<(String, &'static str)>,
    /// What was compared.
    pub as_of: AsOf,
}

#[derive(Serialize)]
struct Line<'a> {
    about: &'a str,
    body: &'a str,
    changed: u64,
    key: &'a str,
    rank: i64,
    scope: &'a str,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
}

/// The digest of each view in a views' file.
pub fn digests(path: &Path, views: &[&'static View]) -> Result<Vec<ViewDigest>> {
    let conn = store::open_reader(path)?;
    store::begin_read(&conn)?;
    views
        .iter()
        .map(|view| {
            let at = live(&conn, view)?;
            let (mut hasher, mut rows) = (VIEW.hasher(), 0);
            store::scan(&conn, &at, &mut |row| {
                let body = row.text()?;
                let line = Line {
                    about: &row.about,
                    body: &body,
                    changed: row.changed,
                    key: &row.key,
                    rank: row.rank,
                    scope: &row.scope,
                    state: &row.state,
                    until: row.until,
                };
                let text = to_bytes(&line).map_err(|e| Error::new(Code::ViewsDamaged, e.to_string()))?;
                hasher.update(&text);
                hasher.update(b"\n");
                rows += 1;
                Ok(())
            })?;
            let digest = Digest(*hasher.finalize().as_bytes()).to_string();
            Ok(ViewDigest { view: view.name, digest, rows, as_of: AsOf::from(at) })
        })
        .collect()
}

fn live(conn: &rusqlite::Connection, view: &View) -> Result<Cursor> {
    store::live(conn, view)?.ok_or_else(|| {
        Error::new(Code::ViewsDamaged, format!("the views' file does not have `{}`", view.name))
    })
}

/// Folds the first `entries` of a ledger into a new file, which must not exist.
pub fn build(
    path: &Path,
    ledger: &str,
    views: &'static [&'static View],
    reader: &Reader,
    entries: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<()> {
    let root = reader.frontier(entries)?.root();
    let origin = chancery_ledger::format::ids::Origin::parse(&format!("{ledger}/e1"));
    let origin = origin.map_err(|error| Error::new(Code::Internal, error.to_string()))?;
    let head = Checkpoint { origin, size: entries, root };
    Engine::open(path, ledger, views)?.catch_up(reader, &head, progress)
}

/// Writes the rows of a views' file, as they stand, into a new one with the statements that a fold uses; gives their number.
/// For measurements: what writing them takes at the least.
pub fn copy(path: &Path, to: &Path, views: &[&'static View]) -> Result<u64> {
    let conn = store::open_reader(path)?;
    let writer = store::Writer::open(to, "copy")?;
    let mut written = 0;
    for view in views {
        let at = live(&conn, view)?;
        let fresh = Cursor::new(view, 0, true);
        writer.together(|writer| writer.create(&fresh))?;
        let table = store::Table::new(&fresh.table());
        let mut batch: Vec<Row> = Vec::new();
        let put = |batch: &mut Vec<Row>| {
            let rows = std::mem::take(batch);
            let each = |put: &mut store::Put<'_>| {
                rows.iter().try_for_each(|row| put(&row.key, Some((row, &row.text()?))))
            };
            writer.together(|writer| writer.write(&table, each))
        };
        store::scan(&conn, &at, &mut |row| {
            written += 1;
            batch.push(row);
            if batch.len() == ROWS { put(&mut batch) } else { Ok(()) }
        })?;
        put(&mut batch)?;
        writer.together(|writer| writer.index(view, &fresh))?;
    }
    Ok(written)
}

/// Compares each view of one file with the same of another that was folded to the same entry.
pub fn compare(path: &Path, again: &Path, views: &[&'static View]) -> Result<Vec<Compared>> {
    let (own, other) = (store::open_reader(path)?, store::open_reader(again)?);
    store::begin_read(&own)?;
    store::begin_read(&other)?;
    views
        .iter()
        .map(|view| {
            let (at, wanted) = (live(&own, view)?, live(&other, view)?);
            if (at.entries, at.version) != (wanted.entries, wanted.version) {
                let text = format!(
                    "view `{}` has {} entries in version {}, the other has {} in version {}",
                    view.name, at.entries, at.version, wanted.entries, wanted.version
                );
                return Err(Error::new(Code::ViewBuilding, text));
            }
            let mut compared = Compared {
                view: view.name,
                rows: 0,
                different: 0,
                named: Vec::new(),
                as_of: AsOf::from(at.clone()),
            };
            let mut differs = |key: &str, how: &'static str| {
                compared.different += 1;
                if compared.named.len() < NAMED {
                    compared.named.push((key.to_owned(), how));
                }
            };
            let mut rows = 0;
            store::scan(&own, &at, &mut |row: Row| {
                rows += 1;
                match store::find(&other, &wanted, &row.key)? {
                    None => differs(&row.key, "not what the ledger says"),
                    Some(right) if right != row => differs(&row.key, "changed"),
                    Some(_) => {}
                }
                Ok(())
            })?;
            store::scan(&other, &wanted, &mut |row: Row| {
                if store::find(&own, &at, &row.key)?.is_none() {
                    differs(&row.key, "missing");
                }
                Ok(())
            })?;
            compared.rows = rows;
            Ok(compared)
        })
        .collect()
}

/// Entries that every view of a file has.
pub fn entries(path: &Path, views: &[&'static View]) -> Result<u64> {
    let conn = store::open_reader(path)?;
    let mut least = u64::MAX;
    for view in views {
        least = least.min(live(&conn, view)?.entries);
    }
    Ok(least)
}
