//! Where do the rows of views stand? The one place with SQL of this crate: `projections.db`, which can be deleted.

mod open;
mod query;
mod write;

pub(crate) use open::{open_reader, open_writer};
pub(crate) use query::{Filter, begin_read, counts, end_read, find, live, page, passed, scan};
pub(crate) use write::{Cursor, Put, Table, Writer};

use crate::body::Body;
use crate::view::{Index, Row, View};
use chancery_ledger::{Code, Error, Result};
use rusqlite::Row as Found;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The table of one build of one version of a view.
fn table(name: &str, version: u32, build: u32) -> String {
    format!("view_{name}_{version}_{build}")
}

/// What creates it.
fn create(table: &str) -> String {
    format!(
        "CREATE TABLE {table} (key TEXT PRIMARY KEY, scope TEXT NOT NULL, about TEXT NOT NULL, state TEXT NOT NULL, \
         rank INTEGER NOT NULL, until INTEGER, changed INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    )
}

/// What creates its indexes.
fn index(view: &View, table: &str) -> String {
    let mut sql = String::new();
    for index in view.indexes {
        let (name, columns) = match index {
            Index::About => ("about", "about, rank, key) WHERE (scope <> ''"),
            Index::State => ("state", "state, rank, key) WHERE (scope <> ''"),
            Index::Rank => ("rank", "rank, key) WHERE (scope <> ''"),
            Index::Until => ("until", "until) WHERE (until IS NOT NULL"),
        };
        sql.push_str(&format!("CREATE INDEX IF NOT EXISTS {table}_{name} ON {table} ({columns});"));
    }
    sql
}

/// Keeps a file that is not to be read any more beside the one that takes its place; an older one of these goes.
pub(crate) fn set_aside(path: &Path) -> Result<()> {
    let (log, index) = (beside(path, "-wal"), beside(path, "-shm"));
    let damaged = path.with_extension("damaged");
    for (from, to) in [(path, damaged.clone()), (&log, beside(&damaged, "-wal"))] {
        match std::fs::rename(from, &to) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io("set aside", from, error));
            }
            _ => {}
        }
    }
    // Who still reads the old file has it open; the new one begins with an index of its own.
    match std::fs::remove_file(&index) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", &index, error)),
        _ => Ok(()),
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

const COLUMNS: &str = "key, scope, about, state, rank, until, changed, body";

fn row(found: &Found<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        key: found.get(0)?,
        scope: found.get(1)?,
        about: found.get(2)?,
        state: found.get(3)?,
        rank: found.get(4)?,
        until: found.get(5)?,
        changed: unsigned(found.get(6)?),
        body: Body::stored(found.get(7)?),
    })
}

fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

/// What SQLite says of the views' file: only what its bytes are to blame for is mended by folding everything again.
fn failed(error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as Of;
    let code = match error.sqlite_error_code() {
        Some(Of::DiskFull) => Code::StorageFull,
        Some(
            Of::SystemIoFailure
            | Of::CannotOpen
            | Of::PermissionDenied
            | Of::ReadOnly
            | Of::DatabaseBusy
            | Of::DatabaseLocked
            | Of::OutOfMemory
            | Of::OperationInterrupted
            | Of::FileLockingProtocolFailed,
        ) => Code::Io,
        _ => Code::ViewsDamaged,
    };
    Error { code, message: format!("the file of the views: {error}"), source: Some(Box::new(error)) }
}
