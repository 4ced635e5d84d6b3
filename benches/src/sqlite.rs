//! How fast is the disk through SQLite alone? Bare inserts of ready bytes: the limit of every store that is built on it.

use crate::Done;
use crate::rounds::{BATCHES, Candidate, Place, Plan, clocked, time};
use rusqlite::Connection;
use std::path::Path;

#[derive(Debug)]
pub(crate) struct Raw;

fn open(path: &Path) -> Done<Connection> {
    let conn = Connection::open(path)?;
    conn.pragma_update(None, "page_size", 8192)?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.execute_batch("CREATE TABLE event (n INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")?;
    let found = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if (found("page_size")?, found("synchronous")?, mode.as_str()) != (8192, 2, "wal") {
        return Err("the store did not take its settings".into());
    }
    Ok(conn)
}

impl Candidate for Raw {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn conditions(&self) -> String {
        format!(
            "bare inserts of ready bytes, SQLite {}, WAL, synchronous=FULL, 8 KiB pages",
            rusqlite::version()
        )
    }

    fn round(&mut self, plan: &Plan) -> Done<[u64; 3]> {
        let place = Place::new(&plan.on, self.name())?;
        let mut rates = [0; 3];
        for (rate, batch) in rates.iter_mut().zip(BATCHES) {
            let mut conn = open(&place.file(batch))?;
            *rate = clocked(plan.count(batch), batch, |_, events| {
                let rows = events.iter().map(|event| event.json()).collect::<Result<Vec<_>, _>>()?;
                time(|| {
                    let transaction = conn.transaction()?;
                    {
                        let mut insert =
                            transaction.prepare_cached("INSERT INTO event (body) VALUES (?1)")?;
                        for row in &rows {
                            insert.execute([row.as_bytes()])?;
                        }
                    }
                    Ok(transaction.commit()?)
                })
            })?;
        }
        Ok(rates)
    }
}
