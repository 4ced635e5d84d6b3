//! May this job go to its host, and if not, what stands in the way? SPEC 10.19.
//!
//! 1. Five checks, all of them told; it stops before SSH, whatever they say.
//! 2. For a job in `worker_ssh_preflight` nine gates and nine conditions of enablement are told as well; the last of these is
//!    never met in this build.
//! 3. It permits nothing: whoever acts asks the gate.

use super::host_key::Trust;
use super::job::{Job, Mode};
use super::spec::{ActionSpec, Flow};
use super::table::At;
use super::{Asked, Draft, Facts, Refusal, World};
use crate::code::Code;
use crate::format::ids::Scope;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The five checks, in their order.
pub const CHECKS: [&str; 5] =
    ["host_key_trust", "target_route", "command_allowlist", "grant_lease", "live_mode"];
/// The nine gates of live work, in their order.
pub const GATES: [&str; 9] =
    ["worker", "scope", "host_key", "route", "command", "grant", "lease", "provider", "emergency_disable"];
/// The nine conditions under which live work is enabled, in their order.
pub const ENABLEMENT: [&str; 9] = [
    "global_flag",
    "environment_flag",
    "organization_allowlist",
    "environment_allowlist",
    "no_worker_deny",
    "no_organization_deny",
    "no_environment_deny",
    "runbook_acknowledged",
    "final_implementation",
];
/// Whether this build can do live work at all.
const FINAL_IMPLEMENTATION: bool = false;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Evaluate the checks for a job.
    Evaluate {},
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The checks were evaluated.
    Evaluated {
        /// The five, in their order.
        checks: Vec<Check>,
        /// The nine conditions, for `worker_ssh_preflight`.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        enablement: Vec<Check>,
        /// The nine gates, for `worker_ssh_preflight`.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        gates: Vec<Check>,
        /// Whether all passed.
        passed: bool,
        /// Where it stopped: before SSH.
        stopped_at: String,
    },
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
    /// Why not, in a word.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

pub(super) const ACTIONS: &[ActionSpec] = &[ActionSpec::new(
    "preflight.evaluate",
    "preflight",
    "Say what stands between a job and its host, and stop before SSH; the id is the job's.",
    &[],
)
.flow(Flow::Reports)];

fn check(name: &str, failure: Option<&str>) -> Check {
    Check { name: name.to_owned(), passed: failure.is_none(), why: failure.map(str::to_owned) }
}

pub(super) fn decide(
    world: &World,
    facts: &Facts,
    _action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let at = asked.at();
    let Some(job) = world.jobs.get(at) else {
        if let Some(state) = facts.ending("job", &at.to_string()) {
            return Err(Refusal::new(Code::JobOver, format!("job `{}` is {state}", asked.id)));
        }
        return Err(Refusal::new(Code::NotFound, format!("no job `{}` in `{}`", asked.id, asked.scope)));
    };
    super::job::in_time(job, asked)?;
    let findings = Findings::of(world, facts, job, asked);
    let failures = [
        findings.host_key,
        findings.route,
        findings.command,
        findings.credential,
        findings.live(world, job, asked),
    ];
    let checks: Vec<Check> =
        CHECKS.iter().zip(failures).map(|(name, failure)| check(name, failure)).collect();
    let passed = checks.iter().all(|check| check.passed);
    let (mut gates, mut enabled) = (Vec::new(), Vec::new());
    if asks_for_live(job) {
        gates = findings.gates(world, job, asked);
        enabled = enablement(world, job, asked);
    }
    let event = Event::Evaluated {
        checks,
        enablement: enabled,
        gates,
        passed,
        stopped_at: Mode::SshPreflight.stops_at().to_owned(),
    };
    Ok(vec![asked.draft("preflight", super::Event::Preflight(event), &[])])
}

/// Whether a job asks what stands before live work: one in the live mode itself is not taken in this build.
fn asks_for_live(job: &Job) -> bool {
    matches!(job.mode, Mode::SshPreflight | Mode::SshLive)
}

/// Who would do it: the holder, else the one that was selected.
fn worker_of(job: &Job) -> Option<&str> {
    let holder = job.claim.as_ref().map(|claim| claim.worker.as_str());
    holder.or_else(|| job.eligible.first().map(SmolStr::as_str))
}

/// What was found, each the word for why not.
struct Findings {
    worker: Option<&'static str>,
    host_key: Option<&'static str>,
    route: Option<&'static str>,
    command: Option<&'static str>,
    grant: Option<&'static str>,
    lease: Option<&'static str>,
    credential: Option<&'static str>,
}

impl Findings {
    fn of(world: &World, facts: &Facts, job: &Job, asked: &Asked<'_>) -> Self {
        let target = job.target.as_deref();
        let record = target.and_then(|target| world.host_keys.get(asked.scope.as_str(), target));
        let host_key = match (target, record.map(|record| record.trust)) {
            (None, _) => Some("no_target"),
            (_, None) => Some("unknown"),
            (_, Some(Trust::Verified)) => None,
            (_, Some(trust)) => Some(trust.as_str()),
        };
        let own = worker_of(job);
        let worker = own;
        let reached = worker.and_then(|id| world.workers.get(id)).zip(target);
        let route = match reached {
            Some((worker, target)) if super::route::reaches(worker, target) => None,
            _ => Some("not_assigned"),
        };
        let known = world.capabilities.get(&job.capability);
        let listed = known.is_some_and(|known| known.commands.is_empty() || job.command.is_some());
        let live = |id: &&String| {
            let grant = world.grants.get(At { scope: asked.scope.as_str(), id });
            grant.is_some_and(|grant| asked.now < grant.expires && Some(grant.worker.as_str()) == own)
        };
        let granted = known.is_some_and(|known| !known.grant) || job.grants.iter().any(|id| live(&id));
        let grant = (!granted).then_some("no_live_grant");
        let lease =
            (known.is_some_and(|known| known.grant) && job.leases.is_empty()).then_some("no_open_lease");
        let stands =
            worker.map(|id| super::worker::stand(world, facts, id, asked.scope, Some(job), asked.now));
        let worker = match stands {
            None => Some("none"),
            Some(Ok(())) => None,
            Some(Err(refusal)) => Some(refusal.code.as_str()),
        };
        Self {
            worker,
            host_key,
            route,
            command: (!listed).then_some("not_listed"),
            grant,
            lease,
            credential: grant,
        }
    }

    /// The live-mode gate: it is asked for by jobs that look ahead to live work.
    fn live(&self, world: &World, job: &Job, asked: &Asked<'_>) -> Option<&'static str> {
        if !asks_for_live(job) {
            return None;
        }
        let open = enablement(world, job, asked).iter().all(|check| check.passed);
        (!open).then_some("not_enabled")
    }

    fn gates(&self, world: &World, job: &Job, asked: &Asked<'_>) -> Vec<Check> {
        let capability = Some(job.capability.as_str());
        let stopped = world
            .switches
            .engaged(asked.scope, worker_of(job).unwrap_or_default(), capability)
            .next()
            .is_some();
        let scope = self.worker.filter(|why| *why == Code::WorkerScopeWrong.as_str());
        let failures = [
            self.worker,
            scope,
            self.host_key,
            self.route,
            self.command,
            self.grant,
            self.lease,
            self.lease,
            stopped.then_some("engaged"),
        ];
        GATES.iter().zip(failures).map(|(name, failure)| check(name, failure)).collect()
    }
}

/// The scope cut to so many segments.
fn level(scope: &Scope, segments: usize) -> Option<Scope> {
    let mut at = scope.clone();
    while at.segments() > segments {
        at = at.parent()?;
    }
    (at.segments() == segments).then_some(at)
}

/// The nine conditions, as things stand.
pub fn enablement(world: &World, job: &Job, asked: &Asked<'_>) -> Vec<Check> {
    let feature = Mode::SshLive.as_str();
    let on = |segments: usize| {
        let at = level(asked.scope, segments);
        at.is_some_and(|at| world.switches.is_on_at(feature, &at, asked.now))
    };
    let allowed = |segments: usize| {
        let at = level(asked.scope, segments);
        at.is_some_and(|at| world.capabilities.is_enabled(&job.capability, &at))
    };
    let worker = worker_of(job).unwrap_or_default();
    let denied = |segments: usize| {
        let at = level(asked.scope, segments).unwrap_or_else(|| asked.scope.clone());
        let mut engaged = world.switches.engaged(&at, "", None);
        engaged.any(|kill| kill.target == super::switch::Target::Scope && kill.scope == at)
    };
    let mut engaged = world.switches.engaged(asked.scope, worker, None);
    let stopped = engaged.any(|kill| kill.target == super::switch::Target::Principal);
    let met = [
        on(0),
        on(3),
        allowed(2),
        allowed(3),
        !stopped,
        !denied(2),
        !denied(3),
        world.switches.runbook_at(feature, &Scope::root(), asked.now),
        FINAL_IMPLEMENTATION,
    ];
    let word = |met: bool| if met { None } else { Some("not_met") };
    ENABLEMENT.iter().zip(met).map(|(name, met)| check(name, word(met))).collect()
}
