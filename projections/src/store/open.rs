//! Under which settings is the views' file opened? Rebuildable, so commits need not reach the disk one by one.

use super::failed;
use chancery_ledger::{Code, Error, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// Layout of the tables beside the views' own.
const LAYOUT: &str = "1";

fn harden(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.set_prepared_statement_cache_capacity(128);
    conn.busy_timeout(Duration::from_secs(5))
}

/// Opens or creates the file for folding; one of another layout or of another ledger is refused.
pub(crate) fn open_writer(path: &Path, ledger: &str) -> Result<Connection> {
    let conn = Connection::open(path).map_err(failed)?;
    harden(&conn).map_err(failed)?;
    // NORMAL: a power loss may take the newest commits, cursor and rows together; they are folded again.
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -4096;")
        .map_err(failed)?;
    let known: i64 = conn
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'", [], |row| row.get(0))
        .map_err(failed)?;
    if known == 0 {
        let begin = format!(
            "BEGIN IMMEDIATE; {} INSERT INTO meta VALUES ('layout', '{LAYOUT}');",
            include_str!("schema.sql")
        );
        conn.execute_batch(&begin).map_err(failed)?;
        conn.execute("INSERT INTO meta VALUES ('ledger', ?1)", [ledger]).map_err(failed)?;
        conn.execute_batch("COMMIT").map_err(failed)?;
        return Ok(conn);
    }
    check(&conn, Some(ledger))?;
    Ok(conn)
}

/// Opens the file for reading, while another may be folding.
pub(crate) fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(failed)?;
    harden(&conn).map_err(failed)?;
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4096;").map_err(failed)?;
    check(&conn, None)?;
    Ok(conn)
}

fn check(conn: &Connection, ledger: Option<&str>) -> Result<()> {
    let meta = |key: &str| -> Result<String> {
        conn.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).map_err(failed)
    };
    let layout = meta("layout")?;
    if layout != LAYOUT {
        let text = format!("the views' file has layout {layout}, this build knows {LAYOUT}");
        return Err(Error::new(Code::ViewsDamaged, text));
    }
    let of = meta("ledger")?;
    match ledger {
        Some(ledger) if of != ledger => {
            let text = format!("the views' file was folded from `{of}`, this ledger is `{ledger}`");
            Err(Error::new(Code::ViewsDamaged, text))
        }
        _ => Ok(()),
    }
}
