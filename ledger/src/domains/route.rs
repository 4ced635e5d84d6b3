//! Who may do this job? Eight checks on each candidate, the choice among those who pass, and the fallback. SPEC 10.14.

use super::job::{Action, Event, Mode};
use super::ledger::Stage;
use super::principal::Standing;
use super::worker::{Health, Trust, Worker};
use super::{Asked, Draft, Refusal, World};
use crate::code::Code;
use serde::{Deserialize, Serialize};

/// Candidates whose verdict is recorded; of more, only the number is.
pub const CANDIDATES: usize = 16;

/// The checks, in their order; a candidate's verdict has a `+` or `-` for each.
pub const CHECKS: [&str; 8] =
    ["capability", "trust", "locality", "scope", "policy", "confirmation", "redaction", "audit"];

/// What the eight checks said of one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// `+` or `-` for each of the checks.
    pub checks: String,
    /// The worker.
    pub worker: String,
}

/// Submits a job that is new here: routed, fallen back, or blocked.
pub(super) fn submit(world: &World, action: &Action, asked: &Asked<'_>) -> Result<Vec<Draft>, Refusal> {
    let Action::Submit { capability, mode, ttl_ms, command, fallback, locality, stage, target } = action
    else {
        return Ok(Vec::new());
    };
    let own = world.settings().stage.as_str();
    if stage.as_deref().is_some_and(|stage| stage != own) {
        return Err(Refusal::new(Code::StageOther, format!("this ledger's stage is `{own}`")));
    }
    if mode.goes_to_host() && target.is_none() {
        let text = format!("`{}` is for a host: name it as `target`", mode.as_str());
        return Err(Refusal::new(Code::TargetRequired, text));
    }
    let commands = world.capabilities.get(capability).map_or(&[][..], |known| known.commands.as_slice());
    let index = match command {
        None if commands.is_empty() && *mode != Mode::LocalReadOnly => None,
        None => {
            return Err(Refusal::new(
                Code::CommandNotAllowlisted,
                format!("`{capability}` runs one of its commands"),
            ));
        }
        Some(command) => match commands.iter().position(|known| known == command) {
            Some(index) => Some(index as u64),
            None => {
                let text = format!(
                    "that is none of the {} commands of `{capability}`, to the letter",
                    commands.len()
                );
                return Err(Refusal::new(Code::CommandNotAllowlisted, text));
            }
        },
    };
    let mut drafts = vec![asked.draft(
        "job",
        super::Event::Job(Event::Submitted {
            capability: capability.clone(),
            command: index,
            deadline: asked.now + ttl_ms,
            locality: locality.clone(),
            mode: *mode,
            target: target.clone(),
        }),
        &["command"],
    )];
    let wanted = Wanted { capability, locality: locality.as_deref(), target: target.as_deref() };
    let (candidates, considered, eligible) = candidates(world, &wanted, asked);
    let bare = |event| asked.bare("job", super::Event::Job(event));
    if let Some(selected) = eligible.first() {
        let selected = selected.clone();
        drafts.push(bare(Event::Routed { candidates, considered, eligible, selected }));
        return Ok(drafts);
    }
    let why = candidates.first().map_or("no_candidate", |first| {
        let failed = first.checks.find('-').unwrap_or(0);
        CHECKS.get(failed).copied().unwrap_or("no_candidate")
    });
    let stand_in = fallback.then(|| stand_in(world, asked)).flatten();
    let next = match (&stand_in, *fallback) {
        (Some(_), _) => "run_locally",
        (None, true) => "turn_on_local_development",
        (None, false) => "register_worker",
    };
    drafts.push(bare(Event::FallbackDecided {
        fallback_used: stand_in.is_some(),
        next: next.to_owned(),
        requested_scope: asked.scope.to_string(),
        selected_worker: stand_in.clone(),
        place: "routing".to_owned(),
        why: why.to_owned(),
    }));
    if stand_in.is_none() {
        drafts.push(bare(Event::Blocked { candidates, considered, reason: why.to_owned() }));
    }
    Ok(drafts)
}

struct Wanted<'a> {
    capability: &'a str,
    locality: Option<&'a str>,
    target: Option<&'a str>,
}

/// Every worker that could be asked, with its verdict; the eligible ones, those with the least to do first.
fn candidates(world: &World, wanted: &Wanted<'_>, asked: &Asked<'_>) -> (Vec<Candidate>, u64, Vec<String>) {
    let mut verdicts = Vec::new();
    let mut eligible: Vec<(u32, &str)> = Vec::new();
    let mut considered = 0;
    for (id, worker) in world.workers.sorted() {
        // Workers that live in another organisation are none of this one's business.
        let near = worker.scope.contains(asked.scope) || worker.scope.counting() == asked.scope.counting();
        if !near {
            continue;
        }
        considered += 1;
        let checks = verdict(world, id, worker, wanted, asked);
        if checks.iter().all(|passed| *passed) {
            eligible.push((worker.held, id));
        }
        if verdicts.len() < CANDIDATES {
            let checks = checks.iter().map(|passed| if *passed { '+' } else { '-' }).collect();
            verdicts.push(Candidate { checks, worker: id.to_owned() });
        }
    }
    eligible.sort_unstable();
    eligible.truncate(CANDIDATES);
    (verdicts, considered, eligible.into_iter().map(|(_, id)| id.to_owned()).collect())
}

fn verdict(world: &World, id: &str, worker: &Worker, wanted: &Wanted<'_>, asked: &Asked<'_>) -> [bool; 8] {
    let capability = wanted.capability;
    let has = |list: &[String]| list.iter().any(|one| one == capability);
    let least = world.capabilities.get(capability).map_or(Trust::Trusted, |known| known.trust);
    let healthy = worker.health.is_some_and(|(health, _)| health == Health::Healthy);
    let route = wanted.target.is_none_or(|target| reaches(worker, target));
    let stopped = world.switches.engaged(asked.scope, id, Some(capability)).next().is_some();
    [
        has(&worker.declared) && has(&worker.assigned),
        worker.trust >= least,
        wanted.locality.is_none_or(|locality| locality == worker.locality) && route,
        worker.to.as_ref().is_some_and(|to| to.contains(asked.scope)),
        is_active(world, id, worker) && !worker.is_stale(asked.now) && healthy && !stopped,
        // Whoever had to confirm did, or the gate would not have let the request pass.
        true,
        worker.redaction,
        world.keys.has_any(id) || world.tokens.has_any(id),
    ]
}

/// Whether neither the worker nor its principal is suspended.
fn is_active(world: &World, id: &str, worker: &Worker) -> bool {
    !worker.suspended && world.principals.get(id).is_some_and(|p| p.standing == Standing::Active)
}

/// Whether a worker was assigned the host of a host key.
pub(super) fn reaches(worker: &Worker, target: &str) -> bool {
    let host =
        target.split_once(':').and_then(|(_, rest)| rest.rsplit_once(':')).map_or(target, |(host, _)| host);
    worker.targets.iter().any(|known| known == host)
}

/// The worker that stands in on the developer's machine: at stage `test`, where the feature is on.
fn stand_in(world: &World, asked: &Asked<'_>) -> Option<String> {
    let feature = Mode::LocalDev.as_str();
    let on = world.settings().stage == Stage::Test && world.switches.is_on(feature, asked.scope, asked.now);
    let fit = |id: &str, worker: &Worker| {
        worker.locality == "local_dev"
            && is_active(world, id, worker)
            && !worker.is_stale(asked.now)
            && worker.to.as_ref().is_some_and(|to| to.contains(asked.scope))
    };
    let found = world.workers.sorted().into_iter().find(|(id, worker)| fit(id, worker));
    found.filter(|_| on).map(|(id, _)| id.to_owned())
}
