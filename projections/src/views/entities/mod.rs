//! Is this well, what needs me, and what can I do? The status of every entity that the ledger knows. SPEC 17.

mod freshness;
mod life;
mod people;
mod status;
mod work;

use super::Mark;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::{Access, Index, Order, Poison, Row, View};
use life::Change;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The view.
pub(super) static VIEW: View = View {
    name: "entities",
    question: "How is this, is it well, what needs me, and what can I do?",
    version: 2,
    access: Access::Read,
    indexes: &[Index::About, Index::State, Index::Rank, Index::Until],
    order: Order::Descending,
    states: &[],
    fold,
    show: status::show,
};

/// What a row keeps.
/// The fact of a job that a kill switch cancelled.
const STOPPED: &str = "kill_switch";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    /// Principals that the separation rule keeps from what it waits for.
    barred: BTreeSet<String>,
    /// Kind of the last entry.
    event: String,
    /// What was last observed of it.
    evidence: Evidence,
    /// One fact more, where the life cycle needs it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    fact: Option<String>,
    first: Mark,
    id: String,
    kind: String,
    last: Mark,
    /// Whether it has reached a state that it does not leave.
    over: bool,
    /// What it is connected with, as `<kind> <id>`.
    related: BTreeSet<String>,
    /// Since when it is in this state.
    since: Mark,
    state: String,
}

/// What the newest observation says.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Evidence {
    position: u64,
    time: i64,
    /// What holds from this instant on is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    until: Option<i64>,
    word: Word,
}

/// How it looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// Nothing was observed yet.
    Nothing,
    /// It was there, whole.
    Whole,
    /// A part of it failed.
    Partial,
    /// It was not to be reached.
    Lost,
}

/// Where the status of an entity stands: kinds whose ids are unique within a scope have it in the key.
fn key(kind: &str, scope: &str, id: &str) -> String {
    match kind {
        "ledger" | "principal" | "key" | "token" | "role" | "capability" | "hold" | "worker" => {
            [kind, " ", id].concat()
        }
        _ => [kind, " ", scope, " ", id].concat(),
    }
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    for change in life::changes(rows, seen)? {
        apply(rows, seen, change)?;
    }
    Ok(())
}

/// Makes one change; a row that is not there begins with it, when it is one that may begin.
fn apply(rows: &mut Rows<'_>, seen: &Seen<'_>, change: Change) -> Result<(), Poison> {
    let key = key(&change.kind, seen.scope, &change.id);
    let before = rows.get(&key)?;
    if before.is_none() && !change.begins {
        return Ok(());
    }
    let mark = Mark::of(seen);
    let (mut row, mut body) = match before {
        Some(row) => {
            let body: Body = row.read()?;
            (row, body)
        }
        None => {
            let body = Body {
                kind: change.kind.clone(),
                id: change.id.clone(),
                state: String::new(),
                over: false,
                first: mark.clone(),
                last: mark.clone(),
                event: String::new(),
                since: mark.clone(),
                evidence: Evidence {
                    word: Word::Nothing,
                    position: seen.position,
                    time: seen.time,
                    until: None,
                },
                related: BTreeSet::new(),
                barred: BTreeSet::new(),
                fact: None,
            };
            let row = Row::new(key, seen, ()).about(format!("{} {}", change.kind, change.id));
            (Row { scope: change.scope.clone().unwrap_or_else(|| seen.scope.to_owned()), ..row }, body)
        }
    };
    if let Some(state) = change.state.filter(|state| *state != body.state) {
        (body.state, body.since) = (state, mark.clone());
    }
    body.over |= change.over;
    body.last = mark;
    seen.kind.clone_into(&mut body.event);
    if let Some((word, until)) = change.evidence {
        body.evidence = Evidence { word, position: seen.position, time: seen.time, until };
    }
    if let Some(until) = change.until {
        body.evidence.until = until;
    }
    body.related.retain(|known| !change.loses.contains(known));
    body.related.extend(change.gains);
    if let Some(barred) = change.barred {
        body.barred = barred;
    }
    if change.fact.is_some() {
        body.fact = change.fact;
    }
    if body.over {
        body.evidence.until = None;
        body.barred.clear();
    }
    row.state.clone_from(&body.state);
    row.until = body.evidence.until;
    row.rank = crate::view::rank(seen.position);
    row.changed = seen.position;
    row.body = crate::body::Body::of(body, row.body.bytes().max(seen.bytes));
    rows.put(row);
    Ok(())
}
