//! Who works, what may it do, and how is it? The roster. SPEC 17.

use super::Mark;
use super::related::ends;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use chancery_ledger::domains::worker::{Event as Worker, Health, Trust};
use chancery_ledger::domains::{Event, claim, principal};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The view.
pub(super) static VIEW: View = View {
    name: "workers",
    question: "Which workers are there, what may they do, and how are they?",
    version: 1,
    access: Access::Read,
    indexes: &[Index::About, Index::State, Index::Rank, Index::Until],
    order: Order::Descending,
    states: &["active", "suspended", "revoked"],
    fold,
    show,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    /// What it is entitled to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    assigned: Option<Assigned>,
    /// Its own claim.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    declared: Option<Declared>,
    /// Jobs that it holds, as scope and id.
    held: BTreeSet<String>,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    node: Option<String>,
    /// What its principal is, when it is not active.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    principal: Option<String>,
    promoted: Mark,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    report: Option<Report>,
    trust: Trust,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Declared {
    capabilities: Vec<String>,
    locality: String,
    position: u64,
    redaction: bool,
    runtimes: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Assigned {
    capabilities: Vec<String>,
    position: u64,
    targets: Vec<String>,
    to: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Report {
    health: Health,
    position: u64,
    time: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    until: Option<i64>,
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    match seen.event {
        Some(Event::Worker(Worker::Promoted { node, trust })) if rows.get(seen.entity_id)?.is_none() => {
            let body = Body {
                id: seen.entity_id.to_owned(),
                promoted: Mark::of(seen),
                trust: *trust,
                node: node.clone(),
                declared: None,
                assigned: None,
                report: None,
                held: BTreeSet::new(),
                principal: None,
            };
            rows.put(Row::new(seen.entity_id, seen, body).state("active"));
            Ok(())
        }
        Some(Event::Worker(event)) => {
            rows.amend(seen.entity_id, seen, |row, body| change(row, body, seen, event))
        }
        Some(Event::Principal(event)) => {
            let standing = match event {
                principal::Event::Suspended {} => Some("suspended".to_owned()),
                principal::Event::Revoked {} => Some("revoked".to_owned()),
                principal::Event::Reactivated {} => None,
                principal::Event::Registered { .. } | principal::Event::Activated { .. } => return Ok(()),
            };
            rows.amend_known(seen.entity_id, seen, |_, body: &mut Body| body.principal = standing)?;
            Ok(())
        }
        Some(Event::Claim(event)) => held(rows, seen, event),
        Some(Event::Job(event)) if ends(event) => free(rows, seen),
        _ => Ok(()),
    }
}

fn change(row: &mut Row, body: &mut Body, seen: &Seen<'_>, event: &Worker) {
    match event {
        Worker::Promoted { node, trust } => {
            body.trust = *trust;
            body.node = node.clone().or(body.node.take());
            row.state = "active".to_owned();
        }
        Worker::Declared { capabilities, locality, redaction, runtimes } => {
            body.declared = Some(Declared {
                capabilities: capabilities.clone(),
                locality: locality.clone(),
                redaction: *redaction,
                runtimes: runtimes.clone(),
                position: seen.position,
            });
        }
        Worker::Assigned { capabilities, targets, to } => {
            body.assigned = Some(Assigned {
                capabilities: capabilities.clone(),
                targets: targets.clone(),
                to: to.clone(),
                position: seen.position,
            });
        }
        Worker::LivenessChanged { health, until } => {
            body.report =
                Some(Report { health: *health, until: *until, position: seen.position, time: seen.time });
            row.until = *until;
        }
        Worker::Suspended {} => row.state = "suspended".to_owned(),
        Worker::Revoked {} => {
            row.state = "revoked".to_owned();
            row.until = None;
        }
    }
}

/// Who holds a job is kept beside the roster, so that it is known when the job is over.
fn held(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &claim::Event) -> Result<(), Poison> {
    if matches!(event, claim::Event::Renewed { .. }) {
        return Ok(());
    }
    free(rows, seen)?;
    if let claim::Event::Acquired { .. } = event {
        let job = super::place(seen.scope, seen.entity_id);
        rows.put(Row::memo(["job ", &job].concat(), seen, seen.actor.to_owned()));
        rows.amend_known(seen.actor, seen, |_, body: &mut Body| {
            body.held.insert(job);
        })?;
    }
    Ok(())
}

fn free(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let job = super::place(seen.scope, seen.entity_id);
    let key = ["job ", &job].concat();
    let Some(worker) = rows.memo::<String>(&key)? else { return Ok(()) };
    rows.forget(&key);
    rows.amend_known(&worker, seen, |_, body: &mut Body| {
        body.held.remove(&job);
    })?;
    Ok(())
}

fn show(row: &Row, show: &Show<'_>) -> Result<Value, Poison> {
    let body: Body = row.read()?;
    let mut shown = row.value()?;
    let health = match &body.report {
        None => "unknown",
        Some(report) if report.until.is_none_or(|until| show.now >= until) => "stale",
        Some(Report { health: Health::Healthy, .. }) => "healthy",
        Some(Report { health: Health::Unhealthy, .. }) => "unhealthy",
        Some(Report { health: Health::Stale, .. }) => "stale",
    };
    if let Value::Object(members) = &mut shown {
        members.insert("health".to_owned(), json!(health));
    }
    Ok(shown)
}
