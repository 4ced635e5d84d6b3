//! How do rows and cursor become one commit?

use super::{COLUMNS, create, failed, index, int, row};
use crate::view::{Poison, Row, View};
use chancery_ledger::format::hash::Digest;
use chancery_ledger::{Code, Error, Result};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::path::Path;

/// How far one build of one version of a view has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) view: String,
    pub(crate) version: u32,
    /// Which build of this version it is.
    pub(crate) build: u32,
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

impl Cursor {
    /// One that has come nowhere yet.
    pub(crate) fn new(view: &View, build: u32, live: bool) -> Self {
        Self {
            view: view.name.to_owned(),
            version: view.version,
            build,
            live,
            entries: 0,
            address: Digest::ZERO,
            time: 0,
            head: (0, String::new()),
            changed: 0,
            skipped: 0,
        }
    }

    /// Where its rows stand.
    pub(crate) fn table(&self) -> String {
        super::table(&self.view, self.version, self.build)
    }
}

/// What is said to a table, written once for many rows.
#[derive(Debug)]
pub(crate) struct Table {
    load: String,
    put: String,
    remove: String,
}

impl Table {
    /// Of the table of this name.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            load: format!("SELECT {COLUMNS} FROM {name} WHERE key = ?1"),
            put: format!("INSERT OR REPLACE INTO {name} ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
            remove: format!("DELETE FROM {name} WHERE key = ?1"),
        }
    }
}

/// Writes a row with its body as text, or takes away what stands under the key.
pub(crate) type Put<'a> = dyn FnMut(&str, Option<(&Row, &str)>) -> Result<()> + 'a;

/// The one connection that folds.
#[derive(Debug)]
pub(crate) struct Writer {
    conn: Connection,
    /// Whether many batches are still to come.
    behind: bool,
}

pub(super) fn cursor(found: &rusqlite::Row<'_>) -> rusqlite::Result<Cursor> {
    let address: String = found.get(5)?;
    let number = |at: usize| -> rusqlite::Result<u64> {
        let stored: i64 = found.get(at)?;
        u64::try_from(stored).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, stored))
    };
    // It is said to SQL as the name of a table.
    let view: String = found.get(0)?;
    let build: u32 = found.get(2)?;
    if !view.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') || build == u32::MAX {
        return Err(rusqlite::Error::IntegralValueOutOfRange(2, build.into()));
    }
    Ok(Cursor {
        view,
        version: found.get(1)?,
        build,
        live: found.get::<_, i64>(3)? != 0,
        entries: number(4)?,
        // What does not parse contradicts every chain, and is found at the first fold.
        address: Digest::parse(&address).unwrap_or(Digest([0xff; 32])),
        time: found.get(6)?,
        head: (number(7)?, found.get(8)?),
        changed: number(9)?,
        skipped: number(10)?,
    })
}

pub(super) const CURSOR: &str = "SELECT view, version, build, live, entries, address, time, head_size, head_root, changed, skipped FROM cursor";

impl Writer {
    /// Opens the file for folding.
    pub(crate) fn open(path: &Path, ledger: &str) -> Result<Self> {
        Ok(Self { conn: super::open_writer(path, ledger)?, behind: false })
    }

    /// Says whether many batches are still to come: then what they change again and again is carried from the log to
    /// its place once for many of them (8,192 pages, 32 MiB of disk); otherwise soon, so that nobody waits for much.
    pub(crate) fn set_behind(&mut self, behind: bool) -> Result<()> {
        if self.behind != behind {
            self.behind = behind;
            let pages = if behind { 8192 } else { 1000 };
            self.conn.execute_batch(&format!("PRAGMA wal_autocheckpoint = {pages};")).map_err(failed)?;
        }
        Ok(())
    }

    /// Every cursor.
    pub(crate) fn cursors(&self) -> Result<Vec<Cursor>> {
        let mut query = self.conn.prepare_cached(CURSOR).map_err(failed)?;
        let rows = query.query_map([], cursor).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Makes the table of a build, without its indexes; in a commit of the caller's.
    pub(crate) fn create(&self, cursor: &Cursor) -> Result<()> {
        self.conn.execute_batch(&create(&cursor.table())).map_err(failed)?;
        self.conn
            .execute(
                "INSERT INTO cursor VALUES (?1, ?2, ?3, ?4, 0, ?5, 0, 0, '', 0, 0)",
                params![cursor.view, cursor.version, cursor.build, cursor.live, Digest::ZERO.to_string()],
            )
            .map_err(failed)?;
        Ok(())
    }

    /// Makes the indexes of a build that it does not have; in a commit of the caller's. They are written once, in their own
    /// order, where rows that came before would have changed them again and again.
    pub(crate) fn index(&self, view: &View, cursor: &Cursor) -> Result<()> {
        self.conn.execute_batch(&index(view, &cursor.table())).map_err(failed)
    }

    /// Drops a build; in a commit of the caller's.
    pub(crate) fn remove(&self, cursor: &Cursor) -> Result<()> {
        self.conn.execute_batch(&format!("DROP TABLE IF EXISTS {};", cursor.table())).map_err(failed)?;
        self.conn
            .execute(
                "DELETE FROM cursor WHERE view = ?1 AND version = ?2 AND build = ?3",
                params![cursor.view, cursor.version, cursor.build],
            )
            .map_err(failed)?;
        Ok(())
    }

    /// Lets queries read this build, and drops every other one of the view; in a commit of the caller's.
    pub(crate) fn make_live(&self, fresh: &Cursor) -> Result<()> {
        let same = |one: &Cursor| (one.version, one.build) == (fresh.version, fresh.build);
        for old in self.cursors()?.iter().filter(|one| one.view == fresh.view && !same(one)) {
            self.remove(old)?;
        }
        self.conn
            .execute("UPDATE cursor SET live = 1 WHERE view = ?1", params![fresh.view])
            .map_err(failed)?;
        Ok(())
    }

    /// A stored row.
    pub(crate) fn load(&self, table: &Table, key: &str) -> std::result::Result<Option<Row>, Poison> {
        let found = self
            .conn
            .prepare_cached(&table.load)
            .and_then(|mut query| query.query_row([key], row).optional());
        // Not the entry's fault: were it a dead letter, it would be missing from the view for ever.
        found.map_err(|error| Poison::unread(&failed(error)))
    }

    /// Begins a commit.
    pub(crate) fn begin(&self) -> Result<()> {
        self.conn.execute_batch("BEGIN IMMEDIATE").map_err(failed)
    }

    /// Writes what a batch did to the rows of a view.
    pub(crate) fn write(&self, table: &Table, each: impl FnOnce(&mut Put<'_>) -> Result<()>) -> Result<()> {
        let mut put = self.conn.prepare_cached(&table.put).map_err(failed)?;
        let mut remove = self.conn.prepare_cached(&table.remove).map_err(failed)?;
        each(&mut |key, row| {
            let done = match row {
                Some((row, body)) => put.execute(params![
                    row.key,
                    row.scope,
                    row.about,
                    row.state,
                    row.rank,
                    row.until,
                    int(row.changed),
                    body
                ]),
                None => remove.execute([key]),
            };
            done.map(|_| ()).map_err(failed)
        })
    }

    /// Lets the hidden rows about something take the place of those that are shown; in a commit of the caller's.
    pub(crate) fn replace(&self, table: &str, about: &str, scope: &str) -> Result<()> {
        let gone = format!("DELETE FROM {table} WHERE about = ?1 AND scope <> ''");
        self.conn.execute(&gone, [about]).map_err(failed)?;
        let shown =
            format!("UPDATE {table} SET key = substr(key, 2), scope = ?2 WHERE about = ?1 AND scope = ''");
        self.conn.execute(&shown, [about, scope]).map_err(failed)?;
        Ok(())
    }

    /// Forgets the hidden rows about something; in a commit of the caller's.
    pub(crate) fn forget(&self, table: &str, about: &str) -> Result<()> {
        let gone = format!("DELETE FROM {table} WHERE about = ?1 AND scope = ''");
        self.conn.execute(&gone, [about]).map_err(failed)?;
        Ok(())
    }

    /// Writes a cursor; in the same commit as the rows.
    pub(crate) fn advance(&self, cursor: &Cursor) -> Result<()> {
        let mut update = self
            .conn
            .prepare_cached(
                "UPDATE cursor SET entries = ?4, address = ?5, time = ?6, head_size = ?7, head_root = ?8, \
                 changed = ?9, skipped = ?10 WHERE view = ?1 AND version = ?2 AND build = ?3",
            )
            .map_err(failed)?;
        let changed = update
            .execute(params![
                cursor.view,
                cursor.version,
                cursor.build,
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

    /// Takes back what was not committed.
    pub(crate) fn roll_back(&self) {
        // What fails here is rolled back when the connection closes.
        let _ = self.conn.execute_batch("ROLLBACK");
    }

    /// Does all of it in one commit, or nothing.
    pub(crate) fn together<T>(&self, each: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        self.begin()?;
        match each(self) {
            Ok(done) => self.commit().map(|()| done),
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// Ends a commit.
    pub(crate) fn commit(&self) -> Result<()> {
        self.conn.execute_batch("COMMIT").map_err(failed)
    }
}
