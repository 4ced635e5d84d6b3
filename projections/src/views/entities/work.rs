//! What does an entry change for work: capabilities, workers, jobs, and what belongs to a job?

use super::life::{Change, ids, known};
use super::{STOPPED, Word};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::Poison;
use crate::views::related::ends;
use chancery_ledger::domains::capability::Event as Capability;
use chancery_ledger::domains::claim::Event as Claim;
use chancery_ledger::domains::grant::Event as Grant;
use chancery_ledger::domains::job::{Cancelled, Event as Job};
use chancery_ledger::domains::lease::{Event as Lease, Failure};
use chancery_ledger::domains::transcript::Event as Transcript;
use chancery_ledger::domains::worker::{Event as Worker, Health};
use std::collections::BTreeSet;

fn related(rows: &Rows<'_>, seen: &Seen<'_>, kind: &str, id: &str) -> Result<BTreeSet<String>, Poison> {
    Ok(known(rows, seen, kind, id)?.map(|body| body.related.clone()).unwrap_or_default())
}

/// A capability is enabled when it is so somewhere; the scopes are what it is connected with.
pub(super) fn capability(rows: &Rows<'_>, seen: &Seen<'_>, event: &Capability) -> Result<Change, Poison> {
    let own = Change::of("capability", seen.entity_id);
    let mark = format!("scope {}", seen.scope);
    Ok(match event {
        Capability::Registered { .. } => Change::begin("capability", seen.entity_id, "registered"),
        Capability::Enabled {} => own.now("enabled").gains([mark]),
        Capability::Disabled {} => {
            let mut left = related(rows, seen, "capability", seen.entity_id)?;
            left.remove(&mark);
            own.now(if left.is_empty() { "disabled" } else { "enabled" }).loses([mark])
        }
    })
}

pub(super) fn worker(rows: &Rows<'_>, seen: &Seen<'_>, event: &Worker) -> Result<Vec<Change>, Poison> {
    let id = seen.entity_id;
    let own = Change::of("worker", id);
    Ok(vec![match event {
        Worker::Promoted { .. } => {
            // That it was promoted says nothing of how it is.
            let promoted = Change { begins: true, ..own }.now("active");
            let owner = Change::of("principal", id).gains([seen.entity()]);
            return Ok(vec![promoted.gains([format!("principal {id}")]), owner]);
        }
        Worker::Declared { .. } => own,
        Worker::Assigned { capabilities, .. } => {
            let before = related(rows, seen, "worker", id)?;
            let loses: Vec<String> =
                ids(&before, "capability").map(|id| format!("capability {id}")).collect();
            own.loses(loses).gains(capabilities.iter().map(|id| format!("capability {id}")))
        }
        Worker::LivenessChanged { health, until } => match health {
            Health::Healthy => own.saw(Word::Whole, *until),
            Health::Unhealthy => own.saw(Word::Partial, *until),
            // What it had said ran out, and that is recorded now.
            Health::Stale => own.until(Some(seen.time)),
        },
        Worker::Suspended {} => own.now("suspended"),
        Worker::Revoked {} => own.over("revoked"),
    }])
}

pub(super) fn job(rows: &Rows<'_>, seen: &Seen<'_>, event: &Job) -> Result<Vec<Change>, Poison> {
    let id = seen.entity_id;
    let own = Change::of("job", id);
    let mut all = vec![match event {
        Job::Submitted { capability, deadline, target, .. } => {
            let target = target.iter().map(|target| format!("host_key {target}"));
            let begun = Change::begin("job", id, "submitted").saw(Word::Whole, Some(*deadline));
            begun.gains(target.chain([format!("capability {capability}")]))
        }
        Job::Routed { selected, .. } => own.now("routed").gains([format!("worker {selected}")]),
        Job::FallbackDecided { fallback_used: true, selected_worker, .. } => {
            own.now("routed").gains(selected_worker.iter().map(|worker| format!("worker {worker}")))
        }
        Job::FallbackDecided { .. } => own,
        Job::Started { .. } => own.now("started"),
        Job::ResultAccepted { .. } => own,
        Job::ResultRejected { .. } => {
            let until = known(rows, seen, "job", id)?.and_then(|body| body.evidence.until);
            own.saw(Word::Partial, until)
        }
        Job::Blocked { reason, .. } => Change { fact: Some(reason.clone()), ..own.over("blocked") },
        Job::Succeeded {} => own.over("succeeded").saw(Word::Whole, None),
        Job::Failed {} => own.over("failed").saw(Word::Partial, None),
        Job::TimedOut {} => own.over("timed_out"),
        Job::Cancelled { cause: Cancelled::KillSwitch } => {
            Change { fact: Some(STOPPED.to_owned()), ..own.over("cancelled") }
        }
        Job::Cancelled { cause: Cancelled::Request } => own.over("cancelled"),
        // It was begun, and whoever began it was not heard of again.
        Job::OutcomeMissing {} => own.over("outcome_missing").saw(Word::Lost, None),
    }];
    if ends(event) {
        let before = related(rows, seen, "job", id)?;
        // What belongs to a job ends with it, without entries of its own; an open lease stays, so that it can be closed.
        for grant in ids(&before, "grant") {
            if known(rows, seen, "grant", grant)?.is_some_and(|body| !body.over) {
                all.push(Change::of("grant", grant).over("revoked"));
            }
        }
        all.push(Change::of("claim", id).over("free"));
        all.push(Change::of("transcript", id).over("closed"));
    }
    Ok(all)
}

pub(super) fn claim(seen: &Seen<'_>, event: &Claim) -> Vec<Change> {
    let id = seen.entity_id;
    let job = Change::of("job", id);
    match event {
        Claim::Acquired { until, .. } => {
            let worker = format!("worker {}", seen.actor);
            let held = Change::begin("claim", id, "held").saw(Word::Whole, Some(*until));
            vec![held.gains([format!("job {id}"), worker.clone()]), job.now("claimed").gains([worker])]
        }
        Claim::Renewed { until, .. } => vec![Change::of("claim", id).saw(Word::Whole, Some(*until)), job],
        Claim::Released { .. } => {
            let worker = format!("worker {}", seen.actor);
            vec![Change::of("claim", id).now("free").until(None).loses([worker]), job.now("routed")]
        }
        // It held a job and did not say any more.
        Claim::Expired { worker, .. } => vec![
            Change::of("claim", id).now("free").until(None).loses([format!("worker {worker}")]),
            job.now("routed"),
            Change::of("worker", worker).saw(Word::Lost, None),
        ],
    }
}

pub(super) fn grant(rows: &Rows<'_>, seen: &Seen<'_>, event: &Grant) -> Result<Vec<Change>, Poison> {
    let own = Change::of("grant", seen.entity_id);
    let own = match event {
        Grant::Issued { expires, job, worker, .. } => {
            let issued = Change::begin("grant", seen.entity_id, "live").saw(Word::Whole, Some(*expires));
            let issued = issued.gains([format!("job {job}"), format!("worker {worker}")]);
            return Ok(vec![issued, Change::of("job", job).gains([seen.entity()])]);
        }
        Grant::Consumed {} => own.over("consumed"),
        Grant::Revoked {} => own.over("revoked"),
        Grant::Expired {} => own.over("expired"),
    };
    let of = related(rows, seen, "grant", seen.entity_id)?;
    let jobs = ids(&of, "job").map(|job| Change::of("job", job));
    Ok([own].into_iter().chain(jobs).collect())
}

pub(super) fn lease(rows: &Rows<'_>, seen: &Seen<'_>, event: &Lease) -> Result<Vec<Change>, Poison> {
    let own = Change::of("lease", seen.entity_id);
    let own = match event {
        Lease::Opened { expires, grant, job, .. } => {
            let opened = Change::begin("lease", seen.entity_id, "open").saw(Word::Whole, Some(*expires));
            let of = [format!("grant {grant}"), format!("job {job}"), format!("worker {}", seen.actor)];
            return Ok(vec![opened.gains(of), Change::of("job", job).gains([seen.entity()])]);
        }
        Lease::Resolved { .. } => own.now("resolved"),
        Lease::Failed { failure: Failure::Unreachable } => own.over("failed").saw(Word::Lost, None),
        Lease::Failed { .. } => own.over("failed").saw(Word::Partial, None),
        Lease::Closed {} => own.over("closed"),
        Lease::Revoked {} => own.over("revoked"),
        Lease::Expired {} => own.over("expired"),
    };
    let of = related(rows, seen, "lease", seen.entity_id)?;
    let jobs = ids(&of, "job").map(|job| Change::of("job", job));
    Ok([own].into_iter().chain(jobs).collect())
}

/// A transcript is whole as long as everything that was relayed counts, or was released.
pub(super) fn transcript(
    rows: &Rows<'_>,
    seen: &Seen<'_>,
    event: &Transcript,
) -> Result<Vec<Change>, Poison> {
    let id = seen.entity_id;
    let before = known(rows, seen, "transcript", id)?;
    let aside: u64 = before.as_ref().and_then(|body| body.fact.as_ref()?.parse().ok()).unwrap_or_default();
    let job = format!("job {id}");
    let begun = |aside: u64| {
        let word = if aside == 0 { Word::Whole } else { Word::Partial };
        let change = Change { begins: true, ..Change::of("transcript", id) }.saw(word, None);
        let change = if before.is_none() { change.now("open") } else { change };
        Change { fact: Some(aside.to_string()), ..change.gains([job.clone()]) }
    };
    let own = match event {
        Transcript::Appended { .. } => begun(aside),
        Transcript::Quarantined { .. } => begun(aside + 1),
        Transcript::Released { .. } => begun(aside.saturating_sub(1)),
        Transcript::Closed { .. } => Change::of("transcript", id).over("closed"),
    };
    Ok(vec![own, Change::of("job", id).gains([format!("transcript {id}")])])
}
