//! How fast does cqrs-es record over its SQLite repository? A command is handled, its events are serialised and stored.

use crate::Done;
use crate::event::Event;
use crate::rounds::{BATCHES, Candidate, Place, Plan, clocked, time};
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::Path;

/// The table of the repository's own migration.
const TABLE: &str = "CREATE TABLE events (aggregate_type text NOT NULL, aggregate_id text NOT NULL,
    sequence integer CHECK (sequence >= 0) NOT NULL, event_type text NOT NULL, event_version text NOT NULL,
    payload text NOT NULL, metadata text NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence)) STRICT";

/// An aggregate that records what it is told.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Host {
    seen: u64,
}

/// Nothing is refused.
#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        self.kind.clone()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Host {
    const TYPE: &'static str = "host";
    type Command = Vec<Event>;
    type Event = Event;
    type Error = Refused;
    type Services = ();

    async fn handle(&mut self, told: Vec<Event>, (): &(), sink: &EventSink<Self>) -> Result<(), Refused> {
        for event in told {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _: Event) {
        self.seen += 1;
    }
}

async fn open(path: &Path) -> Done<sqlx::Pool<sqlx::Sqlite>> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    sqlx::query(TABLE).execute(&pool).await?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&pool).await?;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&pool).await?;
    if (synchronous, mode.as_str()) != (2, "wal") {
        return Err("the store did not take its settings".into());
    }
    Ok(pool)
}

/// The framework, with the runtime that its repository needs.
#[derive(Debug)]
pub(crate) struct Cqrs {
    runtime: tokio::runtime::Runtime,
}

impl Cqrs {
    pub(crate) fn new() -> Done<Self> {
        Ok(Self { runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()? })
    }
}

impl Candidate for Cqrs {
    fn name(&self) -> &'static str {
        "cqrs-es"
    }

    fn conditions(&self) -> String {
        format!(
            "cqrs-es 0.5 with sqlite-es 0.5, SQLite {}, WAL, synchronous=FULL; load, handle, commit of one new \
             aggregate, one command a commit",
            rusqlite::version()
        )
    }

    fn round(&mut self, plan: &Plan) -> Done<[u64; 3]> {
        let place = Place::new(&plan.on, self.name())?;
        let mut rates = [0; 3];
        for (rate, batch) in rates.iter_mut().zip(BATCHES) {
            let pool = self.runtime.block_on(open(&place.file(batch)))?;
            let framework = sqlite_es::sqlite_cqrs::<Host>(pool.clone(), Vec::new(), ());
            *rate = clocked(plan.count(batch), batch, |number, events| {
                let id = format!("host-{number}");
                time(|| Ok(self.runtime.block_on(framework.execute(&id, events))?))
            })?;
            self.runtime.block_on(pool.close());
        }
        Ok(rates)
    }
}
