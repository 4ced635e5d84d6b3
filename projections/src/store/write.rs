//! How do rows and cursor become one commit?

use super::{COLUMNS, create, failed, int, row, table, unsigned};
use crate::view::{Poison, Row, View};
use chancery_ledger::format::hash::Digest;
use chancery_ledger::{Code, Error, Result};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;
use std::path::Path;

/// How far one version of a view has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) view: String,
    pub(crate) version: u32,
    /// Whether queries read it; otherwise it is being built beside the one that they read.
    pub(crate) live: bool,
    /// Entries that were folded.
    pub(crate) entries: u64,
    /// Content address of the last of them.
    pub(crate) address: Digest,
    /// Its time.
    pub(crate) time: i64,
    /// Size and root of the newest head that lies wholly within.
    pub(crate) head: (u64, String),
    /// Position of the entry that last changed a row.
    pub(crate) changed: u64,
    /// Entries that could not be folded.
    pub(crate) skipped: u64,
}

/// The one connection that folds.
#[derive(Debug)]
pub(crate) struct Writer {
    conn: Connection,
}

pub(super) fn cursor(found: &rusqlite::Row<'_>) -> rusqlite::Result<Cursor> {
    let address: String = found.get(4)?;
    Ok(Cursor {
        view: found.get(0)?,
        version: found.get(1)?,
        live: found.get::<_, i64>(2)? != 0,
        entries: unsigned(found.get(3)?),
        // What does not parse contradicts every chain, and is found at the first fold.
        address: Digest::parse(&address).unwrap_or(Digest([0xff; 32])),
        time: found.get(5)?,
        head: (unsigned(found.get(6)?), found.get(7)?),
        changed: unsigned(found.get(8)?),
        skipped: unsigned(found.get(9)?),
    })
}

pub(super) const CURSOR: &str =
    "SELECT view, version, live, entries, address, time, head_size, head_root, changed, skipped FROM cursor";

impl Writer {
    /// Opens the file for folding.
    pub(crate) fn open(path: &Path, ledger: &str) -> Result<Self> {
        Ok(Self { conn: super::open_writer(path, ledger)? })
    }

    /// Every cursor.
    pub(crate) fn cursors(&self) -> Result<Vec<Cursor>> {
        let mut query = self.conn.prepare_cached(CURSOR).map_err(failed)?;
        let rows = query.query_map([], cursor).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Makes the tables of a view that there is no such version of.
    pub(crate) fn begin_view(&self, view: &View, live: bool) -> Result<()> {
        let sql = format!("BEGIN IMMEDIATE; DROP TABLE IF EXISTS {};", table(view.name, view.version));
        let sql = sql + &create(view);
        self.conn.execute_batch(&sql).map_err(failed)?;
        self.conn
            .execute(
                "INSERT OR REPLACE INTO cursor VALUES (?1, ?2, ?3, 0, ?4, 0, 0, '', 0, 0)",
                params![view.name, view.version, live, Digest::ZERO.to_string()],
            )
            .map_err(failed)?;
        self.conn.execute_batch("COMMIT").map_err(failed)
    }

    /// Drops a version of a view.
    pub(crate) fn drop_view(&self, name: &str, version: u32) -> Result<()> {
        let sql = format!("BEGIN IMMEDIATE; DROP TABLE IF EXISTS {};", table(name, version));
        self.conn.execute_batch(&sql).map_err(failed)?;
        self.conn
            .execute("DELETE FROM cursor WHERE view = ?1 AND version = ?2", params![name, version])
            .map_err(failed)?;
        self.conn.execute_batch("COMMIT").map_err(failed)
    }

    /// Lets queries read this version, and drops every other one of the view.
    pub(crate) fn make_live(&self, view: &View) -> Result<()> {
        let others: Vec<u32> = self
            .cursors()?
            .into_iter()
            .filter(|cursor| cursor.view == view.name && cursor.version != view.version)
            .map(|cursor| cursor.version)
            .collect();
        self.conn
            .execute(
                "UPDATE cursor SET live = 1 WHERE view = ?1 AND version = ?2",
                params![view.name, view.version],
            )
            .map_err(failed)?;
        others.into_iter().try_for_each(|version| self.drop_view(view.name, version))
    }

    /// A stored row.
    pub(crate) fn load(&self, view: &View, key: &str) -> std::result::Result<Option<Row>, Poison> {
        let sql = format!("SELECT {COLUMNS} FROM {} WHERE key = ?1", table(view.name, view.version));
        let found =
            self.conn.prepare_cached(&sql).and_then(|mut query| query.query_row([key], row).optional());
        found.map_err(|error| Poison::new(format!("the stored row cannot be read: {error}")))
    }

    /// Begins a commit.
    pub(crate) fn begin(&self) -> Result<()> {
        self.conn.execute_batch("BEGIN IMMEDIATE").map_err(failed)
    }

    /// Writes what a batch did to the rows of a view.
    pub(crate) fn write(&self, view: &View, rows: BTreeMap<String, Option<Row>>) -> Result<()> {
        let table = table(view.name, view.version);
        let put =
            format!("INSERT OR REPLACE INTO {table} ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
        let remove = format!("DELETE FROM {table} WHERE key = ?1");
        let mut put = self.conn.prepare_cached(&put).map_err(failed)?;
        let mut remove = self.conn.prepare_cached(&remove).map_err(failed)?;
        for (key, row) in rows {
            let done = match row {
                Some(row) => put.execute(params![
                    row.key,
                    row.scope,
                    row.about,
                    row.state,
                    row.rank,
                    row.until,
                    int(row.changed),
                    row.body
                ]),
                None => remove.execute([key]),
            };
            done.map_err(failed)?;
        }
        Ok(())
    }

    /// Takes away every row about something.
    pub(crate) fn forget(&self, view: &View, about: &str) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE about = ?1", table(view.name, view.version));
        self.conn.execute(&sql, [about]).map_err(failed)?;
        Ok(())
    }

    /// Writes a cursor; in the same commit as the rows.
    pub(crate) fn advance(&self, cursor: &Cursor) -> Result<()> {
        let mut update = self
            .conn
            .prepare_cached(
                "UPDATE cursor SET entries = ?3, address = ?4, time = ?5, head_size = ?6, head_root = ?7, \
                 changed = ?8, skipped = ?9 WHERE view = ?1 AND version = ?2",
            )
            .map_err(failed)?;
        let changed = update
            .execute(params![
                cursor.view,
                cursor.version,
                int(cursor.entries),
                cursor.address.to_string(),
                cursor.time,
                int(cursor.head.0),
                cursor.head.1,
                int(cursor.changed),
                int(cursor.skipped)
            ])
            .map_err(failed)?;
        if changed != 1 {
            let text = format!("the views' file has no cursor of `{}`", cursor.view);
            return Err(Error::new(Code::ViewsDamaged, text));
        }
        Ok(())
    }

    /// Ends a commit.
    pub(crate) fn commit(&self) -> Result<()> {
        self.conn.execute_batch("COMMIT").map_err(failed)
    }
}
