//! Which work is there, and how does it stand? One row a job. SPEC 17.

use super::{Mark, place};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use chancery_ledger::domains::job::{Cancelled, Event as Job, Mode, Rejection};
use chancery_ledger::domains::route::{CHECKS, Candidate};
use chancery_ledger::domains::{Event, claim, transcript};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The view.
pub(super) static VIEW: View = View {
    name: "jobs",
    question: "Which jobs are there, who works on them, and what came of them?",
    version: 2,
    access: Access::Read,
    indexes: &[Index::About, Index::State, Index::Rank, Index::Until],
    order: Order::Descending,
    states: &[
        "submitted",
        "routed",
        "claimed",
        "started",
        "blocked",
        "succeeded",
        "failed",
        "timed_out",
        "cancelled",
        "outcome_missing",
    ],
    fold,
    show,
};

/// Rejected results that a row tells of.
const REJECTED: usize = 16;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    /// Why there is nobody to do it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    blocked: Option<String>,
    by: String,
    capability: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    cause: Option<Cancelled>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    claim: Option<Claim>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    command: Option<u64>,
    deadline: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ended: Option<Mark>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    fallback: Option<Fallback>,
    /// Times that it was claimed: the newest fence.
    fence: u64,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    locality: Option<String>,
    mode: Mode,
    rejected: Vec<Rejected>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    result: Option<Taken>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    route: Option<Route>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    started: Option<Started>,
    submitted: Mark,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    target: Option<String>,
    told: Told,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Route {
    candidates: Vec<Candidate>,
    considered: u64,
    eligible: Vec<String>,
    position: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    selected: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Fallback {
    next: String,
    position: u64,
    used: bool,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    worker: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claim {
    fence: u64,
    position: u64,
    until: i64,
    worker: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Started {
    fence: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    grant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    lease: Option<String>,
    position: u64,
    worker: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Taken {
    fence: u64,
    network_opened: bool,
    position: u64,
    stopped_at: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rejected {
    class: Rejection,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    detector: Option<String>,
    position: u64,
    worker: String,
}

/// What its transcript has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Told {
    closed: bool,
    events: u64,
    quarantined: u64,
}

impl Body {
    /// Whether this worker may claim it.
    fn is_for(&self, worker: &str) -> bool {
        let eligible = self.route.iter().flat_map(|route| &route.eligible);
        let fallback = self.fallback.iter().filter_map(|fallback| fallback.worker.as_ref());
        eligible.chain(fallback).any(|id| id == worker)
    }
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let key = place(seen.scope, seen.entity_id);
    match seen.event {
        Some(Event::Job(Job::Submitted { capability, command, deadline, locality, mode, target })) => {
            let body = Body {
                id: seen.entity_id.to_owned(),
                by: seen.actor.to_owned(),
                capability: capability.clone(),
                command: *command,
                deadline: *deadline,
                locality: locality.clone(),
                mode: *mode,
                target: target.clone(),
                submitted: Mark::of(seen),
                route: None,
                fallback: None,
                blocked: None,
                fence: 0,
                claim: None,
                started: None,
                result: None,
                rejected: Vec::new(),
                told: Told::default(),
                cause: None,
                ended: None,
            };
            rows.put(Row::new(key, seen, body).state("submitted").until(Some(*deadline)));
            Ok(())
        }
        Some(Event::Job(event)) => rows.amend(&key, seen, |row, body| work(row, body, seen, event)),
        Some(Event::Claim(event)) => rows.amend(&key, seen, |row, body| held(row, body, seen, event)),
        Some(Event::Transcript(event)) => {
            // What is relayed for a job of that id elsewhere is quarantined here, where there is none.
            rows.amend_known(&key, seen, |_, body: &mut Body| match event {
                transcript::Event::Appended { .. } => body.told.events += 1,
                transcript::Event::Quarantined { .. } => body.told.quarantined += 1,
                transcript::Event::Released { .. } => {
                    body.told.quarantined = body.told.quarantined.saturating_sub(1)
                }
                transcript::Event::Closed { .. } => body.told.closed = true,
            })?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn work(row: &mut Row, body: &mut Body, seen: &Seen<'_>, event: &Job) {
    let position = seen.position;
    let over = match event {
        Job::Submitted { .. } => return,
        Job::Routed { candidates, considered, eligible, selected } => {
            body.route = Some(Route {
                candidates: candidates.clone(),
                considered: *considered,
                eligible: eligible.clone(),
                selected: Some(selected.clone()),
                position,
            });
            row.state = "routed".to_owned();
            return;
        }
        Job::FallbackDecided { fallback_used, next, selected_worker, why, .. } => {
            body.fallback = Some(Fallback {
                next: next.clone(),
                used: *fallback_used,
                why: why.clone(),
                worker: selected_worker.clone(),
                position,
            });
            if *fallback_used {
                body.mode = Mode::LocalDev;
                row.state = "routed".to_owned();
            }
            return;
        }
        Job::Started { fence, grant, lease, .. } => {
            let (grant, lease) = (grant.clone(), lease.clone());
            body.started =
                Some(Started { fence: *fence, grant, lease, worker: seen.actor.to_owned(), position });
            row.state = "started".to_owned();
            return;
        }
        Job::ResultAccepted { fence, network_opened, stopped_at } => {
            let (fence, network_opened, stopped_at) = (*fence, *network_opened, stopped_at.clone());
            body.result = Some(Taken { fence, network_opened, stopped_at, position });
            return;
        }
        Job::ResultRejected { class, detector, worker } => {
            if body.rejected.len() == REJECTED {
                body.rejected.remove(0);
            }
            let (detector, worker) = (detector.clone(), worker.clone());
            body.rejected.push(Rejected { class: *class, detector, worker, position });
            return;
        }
        Job::Blocked { candidates, considered, reason } => {
            body.route = Some(Route {
                candidates: candidates.clone(),
                considered: *considered,
                eligible: Vec::new(),
                selected: None,
                position,
            });
            body.blocked = Some(reason.clone());
            "blocked"
        }
        Job::Succeeded {} => "succeeded",
        Job::Failed {} => "failed",
        Job::TimedOut {} => "timed_out",
        Job::Cancelled { cause } => {
            body.cause = Some(*cause);
            "cancelled"
        }
        Job::OutcomeMissing {} => "outcome_missing",
    };
    row.state = over.to_owned();
    row.until = None;
    body.claim = None;
    body.ended = Some(Mark::of(seen));
    body.told.closed = true;
}

fn held(row: &mut Row, body: &mut Body, seen: &Seen<'_>, event: &claim::Event) {
    match event {
        claim::Event::Acquired { fence, until } => {
            body.fence = *fence;
            let worker = seen.actor.to_owned();
            body.claim = Some(Claim { worker, fence: *fence, until: *until, position: seen.position });
            row.state = "claimed".to_owned();
        }
        claim::Event::Renewed { until, .. } => {
            if let Some(claim) = &mut body.claim {
                claim.until = *until;
            }
        }
        claim::Event::Released { .. } | claim::Event::Expired { .. } => {
            body.claim = None;
            if body.started.is_none() {
                row.state = "routed".to_owned();
            }
        }
    }
}

fn show(row: &Row, show: &Show<'_>) -> Result<Value, Poison> {
    let body: Body = row.read()?;
    let mut shown = row.value()?;
    if let Value::Object(members) = &mut shown {
        // From its deadline on a job is over, whether or not an entry says so.
        let overdue = body.ended.is_none() && show.now >= body.deadline;
        members.insert("overdue".to_owned(), json!(overdue));
        if let Some(route) = &body.route {
            members.insert("verdicts".to_owned(), route.candidates.iter().map(verdict).collect());
        }
        // What is to be run is private: a worker that may claim the job sees it.
        if show.may("job.start") && show.principal.is_none_or(|reader| body.is_for(reader)) {
            let argv = show.private(body.submitted.position, "command")?;
            (!argv.is_null()).then(|| members.insert("argv".to_owned(), argv));
        }
        members.remove("told").map(|told| members.insert("transcript".to_owned(), told));
    }
    Ok(shown)
}

/// What a candidate failed, by the names of the checks.
fn verdict(candidate: &Candidate) -> Value {
    let failed: Vec<&str> = CHECKS
        .iter()
        .zip(candidate.checks.chars())
        .filter(|(_, c)| *c != '+')
        .map(|(name, _)| *name)
        .collect();
    json!({"worker": candidate.worker, "eligible": failed.is_empty(), "failed": failed})
}
