//! What does the record itself show? Entries and parts read back from the store, past everything in memory.

use super::{By, Drill, Found, finding, text};
use crate::diagnostic::Diagnostic;
use chancery_ledger::domains::table::At;
use chancery_ledger::format::entry;
use chancery_ledger::format::json::Value;
use chancery_ledger::store::Row;
use chancery_ledger::{Code, Error, Receipt};

/// Kind and data of an entry.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) position: u64,
    pub(super) kind: String,
    pub(super) data: serde_json::Value,
}

/// An accepted event as a reader gets it: where it stands, and what it says to operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) position: u64,
    pub(super) operator: String,
}

fn damaged(error: &dyn std::fmt::Display) -> Diagnostic {
    Error::new(Code::LedgerDamaged, error.to_string()).into()
}

impl Drill {
    /// The entries of an answer, from the store.
    pub(super) fn entries(&self, receipt: &Receipt) -> Result<Vec<Seen>, Diagnostic> {
        let reader = self.ledger.reader()?;
        let mut seen = Vec::new();
        for entry in &receipt.entries {
            let leaf = reader.leaf(entry.position)?.unwrap_or_default();
            let read = entry::read(&leaf).map_err(|error| damaged(&error))?;
            let data = serde_json::from_str(read.data.get()).map_err(|error| damaged(&error))?;
            seen.push(Seen { position: entry.position, kind: read.kind.to_owned(), data });
        }
        Ok(seen)
    }

    /// Why the first entry of an answer says that something does not count.
    pub(super) fn reason(&self, receipt: &Receipt) -> Result<String, Diagnostic> {
        let seen = self.entries(receipt)?;
        let reason = seen.first().and_then(|first| first.data["reason"].as_str());
        Ok(reason.unwrap_or_default().to_owned())
    }

    /// Number of entries.
    pub(super) fn size(&self) -> Result<u64, Diagnostic> {
        Ok(self.ledger.reader()?.size()?)
    }

    /// Accepted events of a job among `entries` entries from `cursor` on, and the cursor after them.
    pub(super) fn page(
        &self,
        job: &str,
        cursor: u64,
        entries: usize,
    ) -> Result<(Vec<Told>, u64), Diagnostic> {
        let reader = self.ledger.reader()?;
        let size = reader.size()?;
        let mut told = Vec::new();
        let mut next = cursor;
        for Row { position, leaf, private, .. } in reader.rows(cursor..size, entries)? {
            next = position + 1;
            let read = entry::read(&leaf).map_err(|error| damaged(&error))?;
            let ours = read.scope == self.scope.as_str() && read.entity.id == job;
            if !ours || read.kind != "transcript.appended" {
                continue;
            }
            // 32 bytes of salt stand before the text of a part.
            let part = private.as_deref().and_then(|blob| blob.get(32..)).unwrap_or_default();
            let part: serde_json::Value = serde_json::from_slice(part).map_err(|error| damaged(&error))?;
            let operator = part["operator"].as_str().unwrap_or_default().to_owned();
            told.push(Told { position, operator });
        }
        Ok((told, next))
    }

    /// Everything of a job from `cursor` on, page by page.
    pub(super) fn pages(
        &self,
        job: &str,
        mut cursor: u64,
        entries: usize,
    ) -> Result<(Vec<Told>, u64), Diagnostic> {
        let mut told = Vec::new();
        loop {
            let (page, next) = self.page(job, cursor, entries)?;
            told.extend(page);
            if next == cursor {
                return Ok((told, cursor));
            }
            cursor = next;
        }
    }

    /// Whether a job is over.
    pub(super) fn is_over(&self, job: &str) -> bool {
        let at = At { scope: self.scope.as_str(), id: job };
        self.ledger.look(|world| world.jobs.get(at).is_none())
    }

    /// Relays an event of a job.
    pub(super) fn append(&self, by: By, job: &str, seq: i64, operator: &str) -> Result<Receipt, Diagnostic> {
        let arguments =
            vec![("fence", Value::Int(1)), ("operator", text(operator)), ("seq", Value::Int(seq))];
        self.ask(by, "transcript.append", job, arguments)
    }

    /// Relays events 1 to `count` of a job, each of which must be accepted.
    pub(super) fn tell(&mut self, job: &str, seqs: std::ops::RangeInclusive<i64>) -> Result<(), Diagnostic> {
        for seq in seqs {
            let receipt = self.append(By::Worker, job, seq, &event(seq))?;
            if let Some(code) = receipt.code {
                return Err(Diagnostic::new(code, receipt.message.unwrap_or_default()));
            }
            self.shows(&receipt);
        }
        Ok(())
    }
}

/// What event `seq` says.
pub(super) fn event(seq: i64) -> String {
    format!("event {seq} of the drill")
}

/// `where_why_next`: a decision to fall back says where, why, next, for which scope, with which worker, and whether.
pub(super) fn decision(drill: &mut Drill) -> Found {
    drill.turn_on("local_dev_execution_mode")?;
    let more = vec![("fallback", Value::Bool(true)), ("locality", text("nowhere"))];
    let receipt = drill.submit("j-where", "worker_stub_execution", more)?;
    drill.shows(&receipt);
    let entries = drill.entries(&receipt)?;
    let decided = entries.iter().find(|entry| entry.kind == "job.fallback_decided");
    let word = |name: &str| decided.and_then(|entry| entry.data[name].as_str()).unwrap_or_default();
    let used = decided.and_then(|entry| entry.data["fallback_used"].as_bool());
    let right = word("requested_scope") == drill.scope.as_str()
        && word("selected_worker") == drill.id_of(By::Worker)
        && ["where", "why", "next"].iter().all(|name| !word(name).is_empty())
        && used == Some(true);
    let at = decided.map_or_else(|| "nowhere".to_owned(), |entry| format!("at entry {}", entry.position));
    let place = format!("{at}, in `{}`, where `{}` was decided", drill.scope, word("where"));
    let why = format!(
        "no worker was eligible ({}), and `{}` stands in; next is `{}`",
        word("why"),
        word("selected_worker"),
        word("next")
    );
    Ok(finding(right, &place, &why, "read every fallback: `chancery log --kind job.fallback_decided`"))
}
