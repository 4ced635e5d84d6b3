//! What does an entry touch beside what it is about? Found in its event, and in what the view kept of earlier ones.

use super::place;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::{Poison, Row};
use chancery_ledger::domains::DecisionEvent as Decision;
use chancery_ledger::domains::grant::Event as Grant;
use chancery_ledger::domains::hold::Event as Hold;
use chancery_ledger::domains::job::Event as Job;
use chancery_ledger::domains::key::Event as Key;
use chancery_ledger::domains::lease::Event as Lease;
use chancery_ledger::domains::role::Event as Role;
use chancery_ledger::domains::switch::{Event as Switch, Target};
use chancery_ledger::domains::token::Event as Token;
use chancery_ledger::domains::{Event, claim, ledger, transcript};
use std::collections::BTreeSet;

/// Jobs that are not over, for one host key: what is beyond is not told of changes of it.
const JOBS: usize = 64;

/// Entities as `<kind> <id>`, without the one that the entry is about; what is needed later is kept in memos.
pub(super) fn of(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<BTreeSet<String>, Poison> {
    let mut found = BTreeSet::new();
    let mut add = |kind: &str, id: &str| {
        found.insert([kind, " ", id].concat());
    };
    let own = match seen.entity_kind {
        "grant" | "lease" | "host_key" => place(seen.scope, seen.entity_id),
        _ => seen.entity_id.to_owned(),
    };
    let memo = ["of ", seen.entity_kind, " ", &own].concat();
    if matches!(seen.entity_kind, "claim" | "transcript" | "preflight") {
        add("job", seen.entity_id);
    }
    let mut keep: Option<(String, Vec<String>)> = None;
    match seen.event {
        Some(Event::Ledger(ledger::Event::Opened(settings))) => {
            if let Some(first) = &settings.administrator {
                add("principal", first.id.as_str());
                let key = first.public.id().entity();
                add("key", &key);
                keep = Some((format!("of key {key}"), vec![format!("principal {}", first.id)]));
            }
        }
        Some(Event::Key(Key::Enrolled { principal, .. })) => {
            keep = Some((memo, vec![format!("principal {principal}")]));
        }
        Some(Event::Key(Key::Rotated { to })) => add("key", &to.entity()),
        Some(Event::Token(Token::Issued { principal, .. })) => {
            keep = Some((memo, vec![format!("principal {principal}")]));
        }
        Some(Event::Role(Role::Assigned { principal, .. } | Role::Unassigned { principal })) => {
            add("principal", principal);
        }
        Some(Event::Switch(Switch::Engaged { target } | Switch::Cleared { target })) => match target {
            Target::Principal => add("principal", seen.entity_id),
            Target::Capability => add("capability", seen.entity_id),
            Target::Scope => {}
        },
        Some(Event::Hold(Hold::Opened { hold, .. })) => {
            add("hold", hold);
            add("principal", seen.actor);
            keep =
                Some((format!("of hold {hold}"), vec![format!("principal {}", seen.actor), seen.entity()]));
        }
        Some(Event::Decision(Decision::Held { hold })) => add("hold", hold),
        Some(Event::Worker(_)) => add("principal", seen.entity_id),
        Some(Event::Claim(event)) => match event {
            claim::Event::Expired { worker, .. } => add("worker", worker),
            _ => add("worker", seen.actor),
        },
        Some(Event::Grant(Grant::Issued { job, worker, .. })) => {
            keep = Some((memo, vec![format!("job {job}"), format!("worker {worker}")]));
        }
        Some(Event::Lease(Lease::Opened { grant, job, .. })) => {
            let of = vec![format!("job {job}"), format!("grant {grant}"), format!("worker {}", seen.actor)];
            keep = Some((memo, of));
        }
        Some(Event::Transcript(transcript::Event::Quarantined { worker, .. })) => add("worker", worker),
        Some(Event::Transcript(transcript::Event::Appended { .. })) => add("worker", seen.actor),
        Some(Event::Job(event)) => {
            if let Job::Submitted { capability, target, .. } = event {
                add("capability", capability);
                if let Some(target) = target {
                    add("host_key", target);
                    aim(rows, seen, target)?;
                }
            }
            for (kind, id) in of_job(seen, event) {
                add(kind, id);
            }
            if ends(event) {
                miss(rows, seen)?;
            }
        }
        _ => {}
    }
    if let Some((key, of)) = keep {
        found.extend(of.iter().cloned());
        rows.put(Row::memo(key, seen, of));
    } else if matches!(seen.entity_kind, "key" | "token" | "hold" | "grant" | "lease" | "host_key") {
        let of: Option<Vec<String>> = rows.memo(&["of ", seen.entity_kind, " ", &own].concat())?;
        found.extend(of.unwrap_or_default());
    }
    found.remove(&seen.entity());
    Ok(found)
}

fn of_job<'a>(seen: &'a Seen<'_>, event: &'a Job) -> Vec<(&'static str, &'a str)> {
    match event {
        Job::Routed { selected, .. } => vec![("worker", selected)],
        Job::FallbackDecided { selected_worker, .. } => {
            selected_worker.iter().map(|worker| ("worker", worker.as_str())).collect()
        }
        Job::Started { grant, lease, .. } => {
            let grant = grant.iter().map(|id| ("grant", id.as_str()));
            let lease = lease.iter().map(|id| ("lease", id.as_str()));
            grant.chain(lease).chain([("worker", seen.actor)]).collect()
        }
        Job::ResultAccepted { .. } => vec![("worker", seen.actor)],
        Job::ResultRejected { worker, .. } => vec![("worker", worker)],
        _ => Vec::new(),
    }
}

/// Whether a job is over with this.
pub(super) fn ends(event: &Job) -> bool {
    match event {
        Job::Blocked { .. }
        | Job::Succeeded {}
        | Job::Failed {}
        | Job::TimedOut {}
        | Job::Cancelled { .. }
        | Job::OutcomeMissing {} => true,
        Job::Submitted { .. }
        | Job::Routed { .. }
        | Job::FallbackDecided { .. }
        | Job::Started { .. }
        | Job::ResultAccepted { .. }
        | Job::ResultRejected { .. } => false,
    }
}

/// A job is for this host from now on: what happens to the host's key happens to it.
fn aim(rows: &mut Rows<'_>, seen: &Seen<'_>, target: &str) -> Result<(), Poison> {
    let key = format!("of host_key {}", place(seen.scope, target));
    let mut jobs: Vec<String> = rows.memo(&key)?.unwrap_or_default();
    if jobs.len() < JOBS {
        jobs.push(format!("job {}", seen.entity_id));
        rows.put(Row::memo(key, seen, jobs));
        rows.put(Row::memo(format!("target {}", seen.place()), seen, target.to_owned()));
    }
    Ok(())
}

/// It is over, and no longer for any host.
fn miss(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let own = format!("target {}", seen.place());
    let Some(target) = rows.memo::<String>(&own)? else { return Ok(()) };
    rows.forget(&own);
    let key = format!("of host_key {}", place(seen.scope, &target));
    let mut jobs: Vec<String> = rows.memo(&key)?.unwrap_or_default();
    jobs.retain(|job| *job != format!("job {}", seen.entity_id));
    match jobs.is_empty() {
        true => rows.forget(&key),
        false => rows.put(Row::memo(key, seen, jobs)),
    }
    Ok(())
}
