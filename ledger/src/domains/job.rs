//! What work was asked for, by whom is it done, and what came of it? SPEC 10.14.
//!
//! ```text
//! (nothing) --submitted--> routed --claim--> claimed --started--> started --succeeded--> (terminal)
//!     |                      |                  |                    |      --failed-->   (terminal)
//!     +--blocked--> (terminal)                  |                    +--outcome_missing--> (terminal)
//!                            +--cancelled-------+---- cancelled -----+--> (terminal)
//!                            +--timed_out-------+--> (terminal)
//! ```
//!
//! 1. Who may do it is settled, with a verdict on each candidate, before anything starts.
//! 2. A blocked job never starts and nothing is leased for it.
//! 3. A result counts only from the holder of the newest fence, for the mode that it was started in.
//! 4. What has an outcome keeps it; no outcome by the deadline is an outcome of its own.

use super::route;
use super::spec::{ActionSpec, Field, Flow, Shape, may, need};
use super::table::{At, Place, Table};
use super::{Asked, Draft, Ended, Facts, Meta, Refusal, World};
use crate::code::Code;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    Submit {
        capability: String,
        mode: Mode,
        ttl_ms: i64,
        #[serde(default)]
        command: Option<Vec<String>>,
        #[serde(default)]
        fallback: bool,
        #[serde(default)]
        locality: Option<String>,
        #[serde(default)]
        stage: Option<String>,
        #[serde(default)]
        target: Option<String>,
    },
    Start {
        fence: u64,
        #[serde(default)]
        grant: Option<String>,
        #[serde(default)]
        lease: Option<String>,
    },
    Report {
        evidence: String,
        fence: u64,
        outcome: Outcome,
        #[serde(default)]
        grant: Option<String>,
    },
    Cancel {
        #[serde(default)]
        reason: Option<String>,
    },
    Reject {
        detector: String,
        worker: String,
    },
    Stop {},
    Expire {},
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "SPEC 10.14 documents the fields")]
pub enum Event {
    Submitted {
        capability: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        command: Option<u64>,
        deadline: i64,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        locality: Option<String>,
        mode: Mode,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        target: Option<String>,
    },
    Routed {
        candidates: Vec<route::Candidate>,
        considered: u64,
        eligible: Vec<String>,
        selected: String,
    },
    FallbackDecided {
        fallback_used: bool,
        next: String,
        requested_scope: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        selected_worker: Option<String>,
        #[serde(rename = "where")]
        place: String,
        why: String,
    },
    Blocked {
        candidates: Vec<route::Candidate>,
        considered: u64,
        reason: String,
    },
    Started {
        fence: u64,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        grant: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        lease: Option<String>,
        mode: Mode,
        until: i64,
    },
    ResultAccepted {
        fence: u64,
        network_opened: bool,
        stopped_at: String,
    },
    ResultRejected {
        class: Rejection,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        detector: Option<String>,
        worker: String,
    },
    Succeeded {},
    Failed {},
    TimedOut {},
    Cancelled {
        cause: Cancelled,
    },
    OutcomeMissing {},
}

/// How work is done, and so where it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// On the developer's machine; a governed fallback.
    #[serde(rename = "local_dev_execution_mode")]
    LocalDev,
    /// A worker that only goes through the motions.
    #[serde(rename = "worker_stub_execution")]
    Stub,
    /// Everything up to the network.
    #[serde(rename = "worker_ssh_dry_run")]
    SshDryRun,
    /// Every check before SSH, and no SSH.
    #[serde(rename = "worker_ssh_preflight")]
    SshPreflight,
    /// Reads on a host that is not production; its final gate is closed.
    #[serde(rename = "worker_ssh_live_nonproduction")]
    SshLive,
    /// One of the capability's commands on the worker's own machine.
    #[serde(rename = "worker_local_read_only")]
    LocalReadOnly,
}

impl Mode {
    /// Every word, in the order of the variants.
    pub const NAMES: &'static [&'static str] = &[
        "local_dev_execution_mode",
        "worker_stub_execution",
        "worker_ssh_dry_run",
        "worker_ssh_preflight",
        "worker_ssh_live_nonproduction",
        "worker_local_read_only",
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or_default()
    }

    /// The feature that must be on for it.
    pub fn feature(self) -> Option<&'static str> {
        match self {
            Self::LocalDev | Self::LocalReadOnly | Self::SshLive => Some(self.as_str()),
            Self::Stub | Self::SshDryRun | Self::SshPreflight => None,
        }
    }

    /// Whether it is for a host, whose key must be verified.
    pub fn goes_to_host(self) -> bool {
        matches!(self, Self::SshDryRun | Self::SshPreflight | Self::SshLive)
    }

    /// Whether it acts on a host.
    pub fn is_live(self) -> bool {
        self == Self::SshLive
    }

    /// Where work in this mode stops.
    pub fn stops_at(self) -> &'static str {
        match self {
            Self::Stub => "before_execution",
            Self::SshDryRun => "before_network",
            Self::SshPreflight => "before_ssh",
            Self::LocalDev | Self::LocalReadOnly | Self::SshLive => "completed",
        }
    }
}

/// What a worker says came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Outcome {
    Succeeded,
    Failed,
}

/// Why a result was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Rejection {
    Malformed,
    Mismatched,
    NonAllowlisted,
    SecretLooking,
}

impl Rejection {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Mismatched => "mismatched",
            Self::NonAllowlisted => "non_allowlisted",
            Self::SecretLooking => "secret_looking",
        }
    }
}

/// Who cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Cancelled {
    Request,
    KillSwitch,
}

/// Who holds a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The worker.
    pub worker: SmolStr,
    /// From this instant on it holds it no more.
    pub until: i64,
}

/// A job that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What it is for.
    pub capability: SmolStr,
    /// How it is done.
    pub mode: Mode,
    /// The host that it is for, as the id of its key.
    pub target: Option<SmolStr>,
    /// Which of the capability's commands it runs.
    pub command: Option<u64>,
    /// From this instant on it is over.
    pub deadline: i64,
    /// Workers that may claim it.
    pub eligible: Vec<SmolStr>,
    /// Who holds it.
    pub claim: Option<Claim>,
    /// Number of claims so far: the newest fence.
    pub fence: u64,
    /// The fence under which it was started.
    pub started: Option<u64>,
    /// Open leases for it.
    pub leases: Vec<SmolStr>,
    /// Live grants for it.
    pub grants: Vec<String>,
    /// Position of the entry that submitted it.
    pub position: u64,
}

/// Jobs that are not over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(super) live: Table<Place, Job>,
    /// Scopes of the jobs that are held, by worker and id.
    #[serde(default)]
    held: Table<Place, Vec<SmolStr>>,
}

impl State {
    /// The job.
    pub fn get(&self, at: At<'_>) -> Option<&Job> {
        self.live.get(&at)
    }

    /// Number of jobs that are not over.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Every job, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Job)> {
        self.live.iter()
    }

    /// Scopes in which this worker holds a job of that id.
    pub fn held(&self, id: &str, worker: &str) -> &[SmolStr] {
        self.held.get(&At { scope: worker, id }).map_or(&[], Vec::as_slice)
    }

    pub(super) fn live_mut(&mut self, at: At<'_>) -> &mut Job {
        let Some(job) = self.live.get_mut(&at) else { panic!("job `{at}` is live") };
        job
    }
}

pub(super) const FENCE: Field =
    need("fence", Shape::Int(1, crate::format::limits::INT_MAX), "the fence that `claim.acquired` told");
const GRANT: Field = may("grant", Shape::Id, "the grant under which it is done");

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "job.submit",
        "job",
        "Ask for work: it is routed to eligible workers, with a verdict on each candidate, or blocked.",
        &[
            need("capability", Shape::Id, "what it is for"),
            may(
                "command",
                Shape::List(16, &Shape::Text(128)),
                "the argument vector to run: exactly one of the capability's",
            ),
            may("fallback", Shape::Bool, "whether local development may stand in when no worker is eligible"),
            may("locality", Shape::Id, "where it must run"),
            need("mode", Shape::OneOf(Mode::NAMES), "how it is done, and so where it stops"),
            may(
                "stage",
                Shape::OneOf(&["test", "staging", "production"]),
                "the stage that it is meant for; without it, the ledger's",
            ),
            may("target", Shape::Id, "the host that it is for, as the id of its host key"),
            need("ttl_ms", Shape::Int(1000, 604_800_000), "from now to its deadline, in milliseconds"),
        ],
    ),
    ActionSpec::new(
        "job.start",
        "job",
        "Say that you begin: the durable permit, before any effect.",
        &[FENCE, GRANT, may("lease", Shape::Id, "the lease whose material is used")],
    ),
    ActionSpec::new(
        "job.report",
        "job",
        "Relay the result of a started job; what contradicts its mode is rejected.",
        &[
            need(
                "evidence",
                Shape::Text(32_768),
                "JSON: capability, mode, network_opened, stopped_at, and what the allow-list has",
            ),
            FENCE,
            GRANT,
            need("outcome", Shape::OneOf(&["succeeded", "failed"]), "what came of it"),
        ],
    ),
    ActionSpec::new("job.cancel", "job", "Cancel a job.", &[super::scope::REASON]).flow(Flow::Reduces),
    ActionSpec::new(
        "job.reject",
        "job",
        "Record that a relayed result looked like it held a secret; the system's own.",
        &[
            need("detector", Shape::Id, "which detector found it"),
            need("worker", Shape::Principal, "whose result it was"),
        ],
    )
    .flow(Flow::Reduces),
    ActionSpec::new("job.stop", "job", "Cancel a job that a kill switch stops; the system's own.", &[])
        .flow(Flow::Reduces),
    ActionSpec::new("job.expire", "job", "Record that a job's deadline has passed; the system's own.", &[])
        .flow(Flow::Reduces),
];

pub(super) fn decide(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let at = asked.at();
    let event = |event| asked.draft("job", super::Event::Job(event), &["command", "evidence", "reason"]);
    let over = facts.ending("job", &at.to_string());
    let Some(job) = world.jobs.get(at) else {
        if let Some(state) = over {
            return Err(Refusal::new(Code::JobOver, format!("job `{}` is {state}", asked.id)));
        }
        if let Action::Submit { .. } = action {
            return route::submit(world, action, asked);
        }
        return Err(Refusal::new(Code::NotFound, format!("no job `{}` in `{}`", asked.id, asked.scope)));
    };
    // From its deadline on it is over, whether or not anybody has recorded so.
    if !matches!(action, Action::Expire {}) {
        in_time(job, asked)?;
    }
    let stands = |worker: &str| super::worker::stand(world, facts, worker, asked.scope, Some(job), asked.now);
    match action {
        Action::Submit { .. } => {
            Err(Refusal::new(Code::JobExists, format!("job `{}` is there already", asked.id)))
        }
        Action::Start { fence, grant, lease } => {
            stands(asked.actor)?;
            if job.started.is_some() {
                return Err(Refusal::new(Code::WrongState, format!("job `{}` is started", asked.id)));
            }
            Ok(vec![event(Event::Started {
                fence: *fence,
                grant: grant.clone(),
                lease: lease.clone(),
                mode: job.mode,
                until: job.deadline,
            })])
        }
        Action::Report { evidence, fence, outcome, grant } => {
            stands(asked.actor)?;
            if job.started != Some(*fence) {
                let text = format!("job `{}` was not started under fence {fence}", asked.id);
                return Err(Refusal::new(Code::WrongState, text));
            }
            let open = world.leases.open(job, at.scope, asked.now);
            if open > 0 {
                let text = format!("job `{}` has {open} open leases: close them first", asked.id);
                return Err(Refusal::new(Code::LeaseOpen, text));
            }
            match super::result::check(job, evidence) {
                Err(class) => {
                    let worker = asked.actor.to_owned();
                    Ok(vec![event(Event::ResultRejected { class, detector: None, worker })])
                }
                Ok((stopped_at, network_opened)) => {
                    let mut drafts =
                        vec![event(Event::ResultAccepted { fence: *fence, network_opened, stopped_at })];
                    drafts.extend(grant.as_ref().map(|grant| super::grant::consumed(grant)));
                    drafts.push(asked.bare(
                        "job",
                        match outcome {
                            Outcome::Succeeded => super::Event::Job(Event::Succeeded {}),
                            Outcome::Failed => super::Event::Job(Event::Failed {}),
                        },
                    ));
                    Ok(drafts)
                }
            }
        }
        Action::Cancel { .. } => Ok(vec![event(Event::Cancelled { cause: Cancelled::Request })]),
        Action::Stop {} => Ok(vec![event(Event::Cancelled { cause: Cancelled::KillSwitch })]),
        Action::Reject { detector, worker } => {
            stands(worker)?;
            Ok(vec![event(Event::ResultRejected {
                class: Rejection::SecretLooking,
                detector: Some(detector.clone()),
                worker: worker.clone(),
            })])
        }
        Action::Expire {} => {
            if asked.now < job.deadline {
                return Err(Refusal::new(Code::WrongState, format!("job `{}` has time left", asked.id)));
            }
            let started = job.started.is_some();
            Ok(vec![event(if started { Event::OutcomeMissing {} } else { Event::TimedOut {} })])
        }
    }
}

/// Notes that a worker holds a job.
pub(super) fn hold(world: &mut World, at: At<'_>, worker: &str) {
    world.workers.hold(worker, 1);
    world.jobs.held.entry(Place::new(worker, at.id)).or_default().push(at.scope.into());
}

/// Notes that a worker holds a job no more.
pub(super) fn let_go(world: &mut World, at: At<'_>, worker: &str) {
    world.workers.hold(worker, -1);
    let own = At { scope: worker, id: at.id };
    if let Some(scopes) = world.jobs.held.get_mut(&own) {
        scopes.retain(|scope| scope != at.scope);
        if scopes.is_empty() {
            world.jobs.held.remove(&own);
        }
    }
}

pub(super) fn in_time(job: &Job, asked: &Asked<'_>) -> Result<(), Refusal> {
    if asked.now >= job.deadline {
        return Err(Refusal::new(Code::JobOver, format!("job `{}` is past its deadline", asked.id)));
    }
    Ok(())
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event, ended: &mut Vec<Ended>) {
    let at = meta.at();
    let state = match event {
        Event::Submitted { capability, command, deadline, mode, target, .. } => {
            let job = Job {
                capability: capability.into(),
                mode: *mode,
                target: target.as_deref().map(SmolStr::from),
                command: *command,
                deadline: *deadline,
                eligible: Vec::new(),
                claim: None,
                fence: 0,
                started: None,
                leases: Vec::new(),
                grants: Vec::new(),
                position: meta.position,
            };
            let before = world.jobs.live.insert(Place::new(at.scope, at.id), job);
            assert!(before.is_none(), "a submitted job was new");
            return;
        }
        Event::Routed { eligible, .. } => {
            world.jobs.live_mut(at).eligible = eligible.iter().map(SmolStr::from).collect();
            return;
        }
        Event::FallbackDecided { fallback_used, selected_worker, .. } => {
            let job = world.jobs.live_mut(at);
            if *fallback_used {
                job.mode = Mode::LocalDev;
                job.eligible = selected_worker.iter().map(SmolStr::from).collect();
            }
            return;
        }
        Event::Started { fence, .. } => {
            world.jobs.live_mut(at).started = Some(*fence);
            return;
        }
        Event::ResultAccepted { .. } | Event::ResultRejected { .. } => return,
        Event::Blocked { .. } => "blocked",
        Event::Succeeded {} => "succeeded",
        Event::Failed {} => "failed",
        Event::TimedOut {} => "timed_out",
        Event::Cancelled { .. } => "cancelled",
        Event::OutcomeMissing {} => "outcome_missing",
    };
    let Some(job) = world.jobs.live.remove(&at) else { panic!("job `{at}` is live") };
    if let Some(claim) = &job.claim {
        let_go(world, at, &claim.worker);
    }
    // What a job leaves behind ends with it; an open lease stays, so that it can be closed.
    for grant in &job.grants {
        super::grant::end(world, At { scope: at.scope, id: grant }, "revoked", meta.position, ended);
    }
    super::transcript::end(world, at, meta.position, ended);
    super::lease::job_over(world, at);
    ended.push(Ended { kind: "job", id: at.to_string(), state, position: meta.position });
}
