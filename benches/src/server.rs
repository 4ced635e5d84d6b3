//! How fast does a PostgreSQL server keep the same events? One statement of many rows is one durable commit.

use crate::Done;
use crate::rounds::{BATCHES, Candidate, Plan, clocked, time};
use postgres::{Client, NoTls};

/// A connection to the server that was given.
pub(crate) struct Server {
    client: Client,
    conditions: String,
}

impl Server {
    pub(crate) fn connect(given: &str) -> Done<Self> {
        let mut client = Client::connect(given, NoTls)?;
        client.batch_execute("SET synchronous_commit = on; SET client_min_messages = error")?;
        let mut show = |name: &str| -> Done<String> {
            Ok(client.query_one(format!("SHOW {name}").as_str(), &[])?.try_get(0)?)
        };
        if show("fsync")? != "on" {
            return Err("the server runs with fsync=off: what it keeps is not durable".into());
        }
        let conditions = format!(
            "PostgreSQL {}, synchronous_commit={}, wal_sync_method={}, full_page_writes={}; one INSERT of all rows \
             of a commit, prepared, text bodies",
            show("server_version")?,
            show("synchronous_commit")?,
            show("wal_sync_method")?,
            show("full_page_writes")?
        );
        Ok(Self { client, conditions })
    }
}

impl Candidate for Server {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn conditions(&self) -> String {
        self.conditions.clone()
    }

    fn round(&mut self, plan: &Plan) -> Done<[u64; 3]> {
        let table = format!("chancery_peers_{}", std::process::id());
        let mut rates = [0; 3];
        for (rate, batch) in rates.iter_mut().zip(BATCHES) {
            self.client.batch_execute(&format!(
                "DROP TABLE IF EXISTS {table};
                 CREATE TABLE {table} (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL)"
            ))?;
            let client = &mut self.client;
            let insert = client.prepare(&format!("INSERT INTO {table} (body) SELECT unnest($1::text[])"))?;
            let outcome = clocked(plan.count(batch), batch, |_, events| {
                let rows = events.iter().map(|event| event.json()).collect::<Result<Vec<_>, _>>()?;
                time(|| Ok(client.execute(&insert, &[&rows])?))
            });
            self.client.batch_execute(&format!("DROP TABLE {table}"))?;
            *rate = outcome?;
        }
        Ok(rates)
    }
}
