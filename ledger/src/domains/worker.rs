//! Who executes, and is it fit to? SPEC 10.13.
//!
//! ```text
//! (nothing) --promoted--> active --suspended--> suspended --promoted--> active
//!                            |                      |
//!                            +------- revoked ------+--> revoked (terminal)
//! liveness: unknown --liveness_changed--> healthy | unhealthy, time >= until: stale
//! ```
//!
//! 1. What a worker declares is a claim; what it was assigned is an entitlement; it needs both.
//! 2. Staleness is a comparison with the clock; its entry only reports it, once.
//! 3. An unfit worker is refused before anything that it relays is looked at.

use super::job::Job;
use super::principal::{Kind, Principal, Standing};
use super::spec::{ActionSpec, Field, Flow, Shape, may, need};
use super::table::Table;
use super::{Asked, Draft, Ended, Facts, Meta, Refusal, World};
use crate::code::Code;
use crate::format::ids::Scope;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    Promote {
        trust: Trust,
        #[serde(default)]
        node: Option<String>,
    },
    Declare {
        capabilities: Vec<String>,
        locality: String,
        redaction: bool,
        #[serde(default)]
        runtimes: Vec<String>,
    },
    Assign {
        capabilities: Vec<String>,
        to: String,
        #[serde(default)]
        targets: Vec<String>,
    },
    Report {
        health: Health,
        ttl_ms: i64,
    },
    Suspend {
        #[serde(default)]
        reason: Option<String>,
    },
    Revoke {
        #[serde(default)]
        reason: Option<String>,
    },
    Expire {},
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "SPEC 10.13 documents the fields")]
pub enum Event {
    Promoted {
        #[serde(skip_serializing_if = "Option::is_none", default)]
        node: Option<String>,
        trust: Trust,
    },
    Declared {
        capabilities: Vec<String>,
        locality: String,
        redaction: bool,
        runtimes: Vec<String>,
    },
    Assigned {
        capabilities: Vec<String>,
        targets: Vec<String>,
        to: String,
    },
    LivenessChanged {
        health: Health,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        until: Option<i64>,
    },
    Suspended {},
    Revoked {},
}

/// How far a worker is trusted, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Trust {
    Probationary,
    Standard,
    Trusted,
}

impl Trust {
    /// Every word, in rising order.
    pub const NAMES: &'static [&'static str] = &["probationary", "standard", "trusted"];
}

/// What a worker says, or the clock says, about its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Health {
    Healthy,
    Unhealthy,
    Stale,
}

/// A worker that is not revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Where its principal lives.
    pub scope: Scope,
    /// How far it is trusted.
    pub trust: Trust,
    /// Whether it was suspended.
    pub suspended: bool,
    /// What it says it can do.
    pub declared: Vec<String>,
    /// Where it says it runs.
    pub locality: String,
    /// Whether it says that it redacts what it relays.
    pub redaction: bool,
    /// What it may do.
    pub assigned: Vec<String>,
    /// Scope of the jobs that it may do.
    pub to: Option<Scope>,
    /// Hosts that it may go to.
    pub targets: Vec<String>,
    /// Its health, and from when on nobody knows.
    pub health: Option<(Health, i64)>,
    /// Jobs that it holds.
    pub held: u32,
}

impl Worker {
    /// Whether nobody knows how it is.
    pub fn is_stale(&self, now: i64) -> bool {
        self.health.is_none_or(|(health, until)| health == Health::Stale || now >= until)
    }
}

/// Workers that are not revoked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    live: Table<SmolStr, Worker>,
}

impl State {
    /// The worker, wherever it lives.
    pub fn get(&self, id: &str) -> Option<&Worker> {
        self.live.get(id)
    }

    /// Number of workers.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Every worker, in the order of the ids.
    pub fn sorted(&self) -> Vec<(&str, &Worker)> {
        self.live.sorted().into_iter().map(|(id, worker)| (&**id, worker)).collect()
    }

    pub(super) fn hold(&mut self, id: &str, by: i32) {
        if let Some(worker) = self.live.get_mut(id) {
            worker.held = worker.held.saturating_add_signed(by);
        }
    }
}

const CAPABILITIES: Field = need("capabilities", Shape::List(64, &Shape::Id), "ids of capabilities");

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "worker.promote",
        "worker",
        "Make an active principal of kind worker a governed worker, or set its trust, or end its suspension.",
        &[
            may("node", Shape::Id, "the machine that it runs on"),
            need("trust", Shape::OneOf(Trust::NAMES), "how far it is trusted"),
        ],
    ),
    ActionSpec::new(
        "worker.declare",
        "worker",
        "Say what you can do and where you run: a claim, not an entitlement.",
        &[
            CAPABILITIES,
            need("locality", Shape::Id, "where it runs, such as `onsite` or `local_dev`"),
            need("redaction", Shape::Bool, "whether it redacts what it relays"),
            may("runtimes", Shape::List(16, &Shape::Id), "runtimes that it stands in relation to"),
        ],
    ),
    ActionSpec::new(
        "worker.assign",
        "worker",
        "Entitle a worker: for which jobs, in which scope, to which hosts.",
        &[
            CAPABILITIES,
            may("targets", Shape::List(64, &Shape::Id), "hosts that it may go to"),
            need("to", Shape::Scope, "scope of the jobs that it may do, at or below the request's"),
        ],
    ),
    ActionSpec::new(
        "worker.report",
        "worker",
        "Say how you are, and for how long that may be relied on.",
        &[
            need("health", Shape::OneOf(&["healthy", "unhealthy"]), "how it is"),
            need("ttl_ms", Shape::Int(1000, 86_400_000), "for how long, in milliseconds"),
        ],
    )
    .flow(Flow::Reports),
    ActionSpec::new("worker.suspend", "worker", "Take a worker out of service.", &[super::scope::REASON])
        .flow(Flow::Reduces),
    ActionSpec::new(
        "worker.revoke",
        "worker",
        "Take a worker out of service, for good.",
        &[super::scope::REASON],
    )
    .flow(Flow::Reduces),
    ActionSpec::new("worker.expire", "worker", "Record that a worker fell silent; the system's own.", &[])
        .flow(Flow::Reduces),
];

pub(super) fn decide(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let id = asked.id;
    if facts.has_ended("worker", id) {
        return Err(Refusal::new(Code::WorkerRevoked, format!("worker `{id}` was revoked")));
    }
    let worker = world.workers.get(id).filter(|worker| worker.scope == *asked.scope);
    if let Action::Promote { trust, node } = action {
        let principal = world.principals.get_in(id, asked.scope);
        let fits = |p: &Principal| p.kind == Kind::Worker && p.standing == Standing::Active;
        if !principal.is_some_and(fits) {
            let text = format!("no active principal `{id}` of kind worker in `{}`", asked.scope);
            return Err(Refusal::new(Code::PrincipalUnknown, text));
        }
        if worker.is_some_and(|worker| worker.trust == *trust && !worker.suspended) {
            return Err(Refusal::new(
                Code::WrongState,
                format!("worker `{id}` is promoted, with that trust"),
            ));
        }
        let event = Event::Promoted { node: node.clone(), trust: *trust };
        return Ok(vec![asked.draft("worker", super::Event::Worker(event), &[])]);
    }
    let Some(worker) = worker else {
        return Err(Refusal::new(Code::NotFound, format!("no worker `{id}` in `{}`", asked.scope)));
    };
    let event = match action {
        Action::Promote { trust, node } => Event::Promoted { node: node.clone(), trust: *trust },
        Action::Declare { capabilities, locality, redaction, runtimes } => Event::Declared {
            capabilities: capabilities.clone(),
            locality: locality.clone(),
            redaction: *redaction,
            runtimes: runtimes.clone(),
        },
        Action::Assign { capabilities, to, targets } => {
            let within =
                Scope::parse(to).is_ok_and(|to| asked.scope.contains(&to) && world.scope_is_open(&to));
            if !within {
                let text = format!("`{to}` is no open scope at or below `{}`", asked.scope);
                return Err(Refusal::new(Code::ScopeNotBelow, text));
            }
            if let Some(unknown) = capabilities.iter().find(|id| world.capabilities.get(id).is_none()) {
                return Err(Refusal::new(Code::CapabilityUnknown, format!("no capability `{unknown}`")));
            }
            Event::Assigned { capabilities: capabilities.clone(), targets: targets.clone(), to: to.clone() }
        }
        Action::Report { health, ttl_ms } => {
            Event::LivenessChanged { health: *health, until: Some(asked.now + ttl_ms) }
        }
        Action::Suspend { .. } if worker.suspended => {
            return Err(Refusal::new(Code::WrongState, format!("worker `{id}` is suspended")));
        }
        Action::Suspend { .. } => Event::Suspended {},
        Action::Revoke { .. } => Event::Revoked {},
        Action::Expire {} => {
            let lapsed =
                worker.health.is_some_and(|(health, until)| health != Health::Stale && asked.now >= until);
            if !lapsed {
                return Err(Refusal::new(
                    Code::WrongState,
                    format!("worker `{id}` did not just fall silent"),
                ));
            }
            Event::LivenessChanged { health: Health::Stale, until: None }
        }
    };
    Ok(vec![asked.draft("worker", super::Event::Worker(event), &["reason"])])
}

/// The eight refusals: whether this worker may claim this job, or relay for it, now. Of a job that is over only what
/// concerns the worker itself can be asked.
pub(super) fn stand(
    world: &World,
    facts: &Facts,
    id: &str,
    scope: &Scope,
    job: Option<&Job>,
    now: i64,
) -> Result<(), Refusal> {
    let no = |code, text: String| Err(Refusal::new(code, text));
    if facts.has_ended("worker", id) {
        return no(Code::WorkerRevoked, format!("worker `{id}` was revoked"));
    }
    let Some(worker) = world.workers.get(id) else {
        return no(Code::WorkerWrong, format!("`{id}` is no worker of this job"));
    };
    if !worker.to.as_ref().is_some_and(|to| to.contains(scope)) {
        return no(Code::WorkerScopeWrong, format!("worker `{id}` is not assigned to `{scope}`"));
    }
    if let Some(job) = job {
        let has = |list: &[String]| list.iter().any(|one| job.capability == *one);
        if job.mode != super::job::Mode::LocalDev && !(has(&worker.declared) && has(&worker.assigned)) {
            let text = format!("worker `{id}` is not up to `{}`", job.capability);
            return no(Code::WorkerCapabilityMissing, text);
        }
        if !job.eligible.iter().any(|eligible| eligible == id) {
            return no(Code::WorkerWrong, format!("worker `{id}` was not found eligible for this job"));
        }
    }
    if worker.suspended {
        return no(Code::WorkerDisabled, format!("worker `{id}` is suspended"));
    }
    if worker.is_stale(now) {
        return no(Code::WorkerStale, format!("nobody knows how worker `{id}` is"));
    }
    if worker.health.is_some_and(|(health, _)| health == Health::Unhealthy) {
        return no(Code::WorkerUnhealthy, format!("worker `{id}` says that it is unhealthy"));
    }
    let Some(job) = job else { return Ok(()) };
    let least = world.capabilities.get(&job.capability).map_or(Trust::Trusted, |capability| capability.trust);
    if job.mode != super::job::Mode::LocalDev && worker.trust < least {
        return no(
            Code::WorkerUntrusted,
            format!("worker `{id}` is trusted too little for `{}`", job.capability),
        );
    }
    Ok(())
}

/// Ends the worker whose principal was revoked.
pub(super) fn end(world: &mut World, id: &str, position: u64, ended: &mut Vec<Ended>) {
    if world.workers.live.remove(id).is_some() {
        ended.push(Ended { kind: "worker", id: id.to_owned(), state: "revoked", position });
    }
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event, ended: &mut Vec<Ended>) {
    let id = meta.id;
    if let Event::Promoted { trust, .. } = event {
        let worker = world.workers.live.entry(id.into()).or_insert_with(|| Worker {
            scope: meta.scope(),
            trust: *trust,
            suspended: false,
            declared: Vec::new(),
            locality: String::new(),
            redaction: false,
            assigned: Vec::new(),
            to: None,
            targets: Vec::new(),
            health: None,
            held: 0,
        });
        worker.trust = *trust;
        worker.suspended = false;
        return;
    }
    if let Event::Revoked {} = event {
        assert!(world.workers.live.has(id), "a revoked worker was live");
        end(world, id, meta.position, ended);
        return;
    }
    let Some(worker) = world.workers.live.get_mut(id) else { panic!("worker `{id}` is live") };
    match event {
        Event::Declared { capabilities, locality, redaction, .. } => {
            worker.declared.clone_from(capabilities);
            worker.locality.clone_from(locality);
            worker.redaction = *redaction;
        }
        Event::Assigned { capabilities, targets, to } => {
            worker.assigned.clone_from(capabilities);
            worker.targets.clone_from(targets);
            worker.to = Scope::parse(to).ok();
        }
        Event::LivenessChanged { health, until } => {
            let until = until.unwrap_or_else(|| worker.health.map_or(meta.time, |(_, until)| until));
            worker.health = Some((*health, until));
        }
        Event::Suspended {} => worker.suspended = true,
        Event::Promoted { .. } | Event::Revoked {} => {}
    }
}
