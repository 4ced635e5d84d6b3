//! Under which settings is the store opened? Set, read back, and refused when they differ. SPEC 11.

use crate::code::Code;
use crate::error::{Error, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Bytes of a page.
pub const PAGE_SIZE: i64 = 8192;
/// Layout of the tables.
pub(crate) const LAYOUT: &str = "1";
/// Durability of a commit: 2 is FULL, a sync of the WAL before COMMIT returns.
const SYNCHRONOUS: i64 = 2;
/// How long a start waits for readers before it says `locked`.
const READERS_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
/// Frames of WAL after which a commit moves them into the database file, without waiting for readers.
const WAL_FRAMES: i64 = 1000;

/// Refuses SQLite libraries with the WAL-reset race (3.7.0 to 3.51.2 but for the fixed branches) and 3.52.0.
pub fn check_library() -> Result<()> {
    let version = rusqlite::version_number();
    let fixed = version >= 3_051_003
        || (3_050_007..3_051_000).contains(&version)
        || (3_044_006..3_045_000).contains(&version);
    if fixed && version != 3_052_000 {
        return Ok(());
    }
    Err(Error::new(Code::Internal, format!("SQLite {} may damage a WAL", rusqlite::version())))
}

fn pragma(conn: &Connection, name: &str, value: i64) -> Result<()> {
    conn.pragma_update(None, name, value)?;
    let found: i64 = conn.pragma_query_value(None, name, |row| row.get(0))?;
    if found != value {
        return Err(Error::new(Code::Internal, format!("SQLite has {name} = {found}, wanted {value}")));
    }
    Ok(())
}

/// Settings that every connection to a store has, writer or reader.
pub(crate) fn harden(conn: &Connection) -> Result<()> {
    check_library()?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    // PRAGMA mmap_size answers with no row when the library has no mmap at all.
    conn.execute_batch("PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;")?;
    conn.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Creates the tables of an empty store.
pub(crate) fn create_schema(path: &Path) -> Result<()> {
    let conn = Connection::open(path)?;
    harden(&conn)?;
    pragma(&conn, "page_size", PAGE_SIZE)?;
    set_wal(&conn)?;
    pragma(&conn, "synchronous", SYNCHRONOUS)?;
    conn.execute_batch(&format!(
        "BEGIN IMMEDIATE; {} INSERT INTO meta VALUES ('layout', '{LAYOUT}'); COMMIT;",
        include_str!("schema.sql")
    ))?;
    Ok(())
}

fn set_wal(conn: &Connection) -> Result<()> {
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Error::new(Code::Internal, format!("SQLite answers journal_mode = {mode}")));
    }
    Ok(())
}

/// Opens the one writing connection, before any reader: settings are read back, the WAL of whoever wrote last is
/// moved into the database file, and the layout is ours.
pub(crate) fn open_writer(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    harden(&conn)?;
    set_wal(&conn)?;
    pragma(&conn, "synchronous", SYNCHRONOUS)?;
    pragma(&conn, "wal_autocheckpoint", WAL_FRAMES)?;
    conn.execute_batch(
        "PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; PRAGMA cache_size = -65536;",
    )?;
    let page: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
    if page != PAGE_SIZE {
        return Err(Error::damaged(format!("the store has pages of {page} bytes")));
    }
    // A reader that looks at this moment is waited for; from then on nothing waits.
    conn.busy_timeout(READERS_WAIT)?;
    let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    conn.busy_timeout(std::time::Duration::ZERO)?;
    if busy != 0 {
        return Err(Error::new(Code::Locked, "another process reads the store while it is being opened"));
    }
    check_layout(&conn)?;
    Ok(conn)
}

/// Refuses a layout of a newer build.
pub(crate) fn check_layout(conn: &Connection) -> Result<()> {
    let found: rusqlite::Result<String> =
        conn.query_row("SELECT value FROM meta WHERE key = 'layout'", [], |row| row.get(0));
    match found {
        Ok(layout) if layout == LAYOUT => Ok(()),
        Ok(layout) => {
            let text = format!("the store has layout {layout}, this build knows {LAYOUT}");
            Err(Error::new(Code::NewerFormat, text))
        }
        Err(error) => Err(Error::damaged(format!("the store has no layout version: {error}"))),
    }
}
