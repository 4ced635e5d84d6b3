//! What must a fold know of work that is going on? Jobs and engaged kill switches, as long as they are.

use super::{item, notes};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::Poison;
use chancery_ledger::domains::switch::Target;
use chancery_ledger::domains::{Event, claim, job, principal, scope, switch, worker};
use chancery_ledger::format::ids::Scope;
use serde::{Deserialize, Serialize};

/// A job that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) capability: String,
    pub(super) deadline: i64,
    /// Leases that were resolved and not put away.
    pub(super) leases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) locality: Option<String>,
    pub(super) mode: job::Mode,
    pub(super) position: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) worker: Option<String>,
}

impl Job {
    /// What makes work the same work.
    pub(super) fn work(&self) -> String {
        let [target, locality] = [&self.target, &self.locality].map(|text| text.as_deref().unwrap_or("-"));
        format!("capability {} {} {target} {locality}", self.capability, self.mode.as_str())
    }
}

/// An engaged kill switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kill {
    pub(super) id: String,
    /// The item that it opened.
    pub(super) item: String,
    pub(super) position: u64,
}

/// The note of a job.
fn job_key(scope: &str, id: &str) -> String {
    ["job ", scope, " ", id].concat()
}

/// The chain of what ends with a job.
pub(super) fn job_chain(scope: &str, id: &str) -> String {
    ["job ", scope, " ", id].concat()
}

/// The chain of what ends when a worker is taken out of service.
pub(super) fn worker_chain(id: &str) -> String {
    ["worker ", id].concat()
}

/// The chain of what ends when a capability is disabled in a scope.
pub(super) fn capability_chain(scope: &str, id: &str) -> String {
    ["capability ", scope, " ", id].concat()
}

/// The job of an id in the scope of the entry, when it is not over.
pub(super) fn job(rows: &Rows<'_>, seen: &Seen<'_>, id: &str) -> Result<Option<Job>, Poison> {
    notes::get(rows, &job_key(seen.scope, id))
}

/// Changes what is known of a job.
pub(super) fn change_job(
    rows: &mut Rows<'_>,
    seen: &Seen<'_>,
    id: &str,
    change: impl FnOnce(&mut Job),
) -> Result<(), Poison> {
    let Some(mut known) = job(rows, seen, id)? else { return Ok(()) };
    change(&mut known);
    notes::put(rows, seen, &job_key(seen.scope, id), known)
}

/// Whether the event is the last of a job.
pub(super) fn is_over(event: &job::Event) -> bool {
    use job::Event as E;
    match event {
        E::Blocked { .. } | E::Succeeded {} | E::Failed {} => true,
        E::TimedOut {} | E::Cancelled { .. } | E::OutcomeMissing {} => true,
        E::Submitted { .. } | E::Routed { .. } | E::FallbackDecided { .. } | E::Started { .. } => false,
        E::ResultAccepted { .. } | E::ResultRejected { .. } => false,
    }
}

/// What the queues may ask for about this entry.
pub(super) fn learn(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &Event) -> Result<(), Poison> {
    match event {
        Event::Job(job::Event::Submitted { capability, deadline, locality, mode, target, .. }) => {
            let known = Job {
                capability: capability.clone(),
                deadline: *deadline,
                locality: locality.clone(),
                mode: *mode,
                position: seen.position,
                target: target.clone(),
                worker: None,
                leases: Vec::new(),
            };
            notes::put(rows, seen, &job_key(seen.scope, seen.entity_id), known)
        }
        Event::Job(job::Event::FallbackDecided { fallback_used: true, .. }) => {
            change_job(rows, seen, seen.entity_id, |job| job.mode = job::Mode::LocalDev)
        }
        Event::Claim(claim::Event::Acquired { .. }) => {
            change_job(rows, seen, seen.entity_id, |job| job.worker = Some(seen.actor.to_owned()))
        }
        _ => Ok(()),
    }
}

/// What ends with this entry, after every queue has seen it.
pub(super) fn forget(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &Event) -> Result<(), Poison> {
    match event {
        Event::Job(event) if is_over(event) => {
            item::end(rows, seen, &job_chain(seen.scope, seen.entity_id))?;
            notes::remove(rows, &job_key(seen.scope, seen.entity_id));
            Ok(())
        }
        Event::Worker(worker::Event::Suspended {} | worker::Event::Revoked {})
        | Event::Principal(principal::Event::Revoked {}) => {
            item::end(rows, seen, &worker_chain(seen.entity_id))
        }
        Event::Capability(chancery_ledger::domains::capability::Event::Disabled {}) => {
            item::end(rows, seen, &capability_chain(seen.scope, seen.entity_id))
        }
        Event::Scope(scope::Event::Closed {}) => {
            let parent = Scope::parse(seen.scope).ok();
            let Some(child) = parent.and_then(|parent| parent.child(seen.entity_id)) else { return Ok(()) };
            super::rollback::outlive(rows, seen, child.as_str())?;
            item::end(rows, seen, &format!("scope {child}"))
        }
        _ => Ok(()),
    }
}

fn kill_key(scope: &str, target: Target, id: &str) -> String {
    match target {
        Target::Scope => ["kill ", scope, " scope"].concat(),
        Target::Principal => ["kill ", scope, " principal ", id].concat(),
        Target::Capability => ["kill ", scope, " capability ", id].concat(),
    }
}

/// Notes that a kill switch is engaged, or that it is no longer.
pub(super) fn kill(
    rows: &mut Rows<'_>,
    seen: &Seen<'_>,
    event: &switch::Event,
    item: &str,
) -> Result<(), Poison> {
    let (target, engaged) = match event {
        switch::Event::Engaged { target } => (*target, true),
        switch::Event::Cleared { target } => (*target, false),
        switch::Event::TurnedOn { .. } | switch::Event::TurnedOff {} => return Ok(()),
    };
    let key = kill_key(seen.scope, target, seen.entity_id);
    let mut kills: Vec<Kill> = notes::get(rows, &key)?.unwrap_or_default();
    kills.retain(|kill| kill.id != seen.entity_id);
    if engaged {
        kills.push(Kill { id: seen.entity_id.to_owned(), item: item.to_owned(), position: seen.position });
    }
    if kills.is_empty() {
        notes::remove(rows, &key);
        return Ok(());
    }
    notes::put(rows, seen, &key, kills)
}

/// The scope and those above it, the nearest first.
pub(super) fn upward(scope: &str) -> impl Iterator<Item = Scope> {
    std::iter::successors(Scope::parse(scope).ok(), Scope::parent)
}

/// The nearest kill switch that stops a job, with the scope in which it is engaged.
pub(super) fn stopped_by(rows: &Rows<'_>, scope: &str, known: &Job) -> Result<Option<(Scope, Kill)>, Poison> {
    for at in upward(scope) {
        let worker = known.worker.as_deref().unwrap_or_default();
        for (target, id) in [
            (Target::Scope, ""),
            (Target::Capability, known.capability.as_str()),
            (Target::Principal, worker),
        ] {
            let kills: Vec<Kill> = notes::get(rows, &kill_key(at.as_str(), target, id))?.unwrap_or_default();
            if let Some(kill) = kills.into_iter().next() {
                return Ok(Some((at, kill)));
            }
        }
    }
    Ok(None)
}
