//! Who holds a job, and under which fence? SPEC 10.15.
//!
//! ```text
//! free --acquired--> held --renewed--> held --released--> free       held, time >= until: free
//!                     |  --expired--> free
//! ```
//!
//! 1. At most one worker holds a job at any instant.
//! 2. The fence rises with each claim and never falls.
//! 3. Whoever comes with an older fence is denied, whatever it wants.

use super::job::{Claim, FENCE};
use super::spec::{ActionSpec, Field, Flow, Shape, need};
use super::{Asked, Draft, Facts, Meta, Refusal, World};
use crate::code::Code;
use serde::{Deserialize, Serialize};

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    Acquire { ttl_ms: i64 },
    Renew { fence: u64, ttl_ms: i64 },
    Release { fence: u64 },
    Expire {},
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "SPEC 10.15 documents the fields")]
pub enum Event {
    Acquired { fence: u64, until: i64 },
    Renewed { fence: u64, until: i64 },
    Released { fence: u64 },
    Expired { fence: u64, worker: String },
}

const TTL: Field = need("ttl_ms", Shape::Int(1000, 3_600_000), "for how long, in milliseconds");

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "claim.acquire",
        "claim",
        "Take a routed job that nobody holds; the id is the job's.",
        &[TTL],
    ),
    ActionSpec::new("claim.renew", "claim", "Hold a job for longer.", &[FENCE, TTL]),
    ActionSpec::new("claim.release", "claim", "Give a job back.", &[FENCE]).flow(Flow::Reduces),
    ActionSpec::new("claim.expire", "claim", "Record that a claim ran out; the system's own.", &[])
        .flow(Flow::Reduces),
];

pub(super) fn decide(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let at = asked.at();
    let draft = |event| asked.bare("claim", super::Event::Claim(event));
    let Some(job) = world.jobs.get(at) else {
        if let Some(state) = facts.ending("job", &at.to_string()) {
            return Err(Refusal::new(Code::JobOver, format!("job `{}` is {state}", asked.id)));
        }
        return Err(Refusal::new(Code::NotFound, format!("no job `{}` in `{}`", asked.id, asked.scope)));
    };
    let lapsed = job.claim.as_ref().filter(|claim| asked.now >= claim.until);
    let expired =
        lapsed.map(|claim| draft(Event::Expired { fence: job.fence, worker: claim.worker.to_string() }));
    match action {
        Action::Acquire { ttl_ms } => {
            super::job::in_time(job, asked)?;
            super::worker::stand(world, facts, asked.actor, asked.scope, Some(job), asked.now)?;
            if job.claim.is_some() && expired.is_none() {
                return Err(Refusal::new(Code::ClaimHeld, format!("job `{}` is held", asked.id)));
            }
            if job.started.is_some() {
                let text = format!("job `{}` was started; whether it had an effect is not known", asked.id);
                return Err(Refusal::new(Code::WrongState, text));
            }
            let acquired = draft(Event::Acquired { fence: job.fence + 1, until: asked.now + ttl_ms });
            Ok(expired.into_iter().chain([acquired]).collect())
        }
        Action::Renew { fence, ttl_ms } => {
            super::job::in_time(job, asked)?;
            super::worker::stand(world, facts, asked.actor, asked.scope, Some(job), asked.now)?;
            // A renewal never takes away what was there.
            let held = job.claim.as_ref().map_or(0, |claim| claim.until);
            Ok(vec![draft(Event::Renewed { fence: *fence, until: held.max(asked.now + ttl_ms) })])
        }
        Action::Release { .. } if job.claim.as_ref().is_none_or(|claim| claim.worker != asked.actor) => {
            let text = format!("`{}` does not hold job `{}`", asked.actor, asked.id);
            Err(Refusal::new(Code::WorkerWrong, text))
        }
        Action::Release { .. } if job.started.is_some() => {
            let text = format!("job `{}` was started: report what came of it", asked.id);
            Err(Refusal::new(Code::WrongState, text))
        }
        Action::Release { fence } => Ok(vec![draft(Event::Released { fence: *fence })]),
        Action::Expire {} => match expired {
            Some(expired) => Ok(vec![expired]),
            None => {
                Err(Refusal::new(Code::WrongState, format!("the claim on `{}` did not run out", asked.id)))
            }
        },
    }
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event) {
    let job = world.jobs.live_mut(meta.at());
    match event {
        Event::Acquired { fence, until } => {
            assert_eq!(*fence, job.fence + 1, "fences rise by one");
            assert!(job.claim.is_none(), "a job that is acquired was free");
            job.fence = *fence;
            job.claim = Some(Claim { worker: meta.actor.into(), until: *until });
            super::job::hold(world, meta.at(), meta.actor);
        }
        Event::Renewed { until, .. } => {
            if let Some(claim) = &mut job.claim {
                claim.until = *until;
            }
        }
        Event::Released { .. } | Event::Expired { .. } => {
            if let Some(claim) = job.claim.take() {
                super::job::let_go(world, meta.at(), &claim.worker);
            }
        }
    }
}
