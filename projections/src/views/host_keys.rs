//! Which hosts are known by which key, and is it trusted? One row a key. SPEC 17.

use super::{Mark, place};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use chancery_ledger::domains::Event;
use chancery_ledger::domains::host_key::{Event as HostKey, Source};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The view.
pub(super) static VIEW: View = View {
    name: "host_keys",
    question: "Which host keys were seen, by whom, and which are trusted?",
    version: 1,
    access: Access::Read,
    indexes: &[Index::About, Index::State, Index::Rank],
    order: Order::Descending,
    states: &["bootstrap", "verified", "changed", "rejected", "disabled"],
    fold,
    show,
};

/// Observers of one fingerprint that count for the separation rule.
const OBSERVERS: usize = 16;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    fingerprint: String,
    id: String,
    observed: Mark,
    /// Who observed this fingerprint.
    observers: Vec<String>,
    /// The one before it, when it changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    previous: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reviewed: Option<Mark>,
    source: Source,
    /// The fingerprint that was verified last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    trusted: Option<String>,
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let Some(Event::HostKey(event)) = seen.event else { return Ok(()) };
    let key = place(seen.scope, seen.entity_id);
    let known = rows.amend_known(&key, seen, |row, body| change(row, body, seen, event))?;
    match event {
        HostKey::Observed { fingerprint, source } if !known => {
            let body = Body {
                id: seen.entity_id.to_owned(),
                fingerprint: fingerprint.to_string(),
                source: *source,
                observers: vec![seen.actor.to_owned()],
                observed: Mark::of(seen),
                previous: None,
                trusted: None,
                reviewed: None,
            };
            rows.put(Row::new(key, seen, body).state("bootstrap"));
            Ok(())
        }
        _ if !known => Err(Poison::new(format!("`{}` is about a host key that nobody observed", seen.kind))),
        _ => Ok(()),
    }
}

fn change(row: &mut Row, body: &mut Body, seen: &Seen<'_>, event: &HostKey) {
    match event {
        HostKey::Observed { fingerprint, source } => {
            let fingerprint = fingerprint.to_string();
            if body.fingerprint != fingerprint {
                body.previous = Some(std::mem::replace(&mut body.fingerprint, fingerprint));
                body.observers.clear();
            }
            let known = body.observers.iter().any(|observer| observer == seen.actor);
            if !known && body.observers.len() < OBSERVERS {
                body.observers.push(seen.actor.to_owned());
            }
            (body.source, body.observed) = (*source, Mark::of(seen));
        }
        HostKey::Changed { .. } => row.state = "changed".to_owned(),
        HostKey::Verified { fingerprint } => {
            row.state = "verified".to_owned();
            body.trusted = Some(fingerprint.to_string());
            body.reviewed = Some(Mark::of(seen));
        }
        HostKey::Rejected { .. } => {
            row.state = "rejected".to_owned();
            body.reviewed = Some(Mark::of(seen));
        }
        HostKey::Disabled {} => row.state = "disabled".to_owned(),
    }
}

fn show(row: &Row, _: &Show<'_>) -> Result<Value, Poison> {
    row.value()
}
