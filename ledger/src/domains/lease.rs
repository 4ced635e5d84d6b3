//! Which secret was fetched, for whom, and is it put away again? SPEC 10.17.
//!
//! ```text
//! (nothing) --opened--> open --resolved--> resolved --closed--> (terminal)      time >= expires: dead
//!                         |  --failed--> (terminal)
//!                         +--closed, revoked, expired--> (terminal), from open and from resolved
//! ```
//!
//! 1. The ledger has fingerprints of the material, under a key that it does not hold, and never the material.
//! 2. It is opened under a live grant and the newest fence, and resolved once.
//! 3. A job takes no result while one of its leases is open.
//! 4. What was handed out is known again as long as its job lasts, whatever other organisations do.

use super::job::{FENCE, Job};
use super::spec::{ActionSpec, Flow, Shape, need};
use super::table::{At, Place, Table};
use super::{Asked, Draft, Ended, Facts, Meta, Refusal, World};
use crate::code::Code;
use crate::fingerprint::Fingerprint;
use crate::format::ids::counting;
use crate::format::reference::Reference;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Fingerprints of one lease.
pub const FINGERPRINTS: usize = crate::format::limits::FINGERPRINTS;
/// Leases that may be open for one job.
const OPEN: usize = 16;
/// Fingerprints of what was handed out for one job.
const HANDED_OUT: usize = 512;
/// Lengths of these: each is one more pass over what the job relays.
const LENGTHS: usize = 64;
/// Jobs of one organisation that are over and of which it is remembered what was handed out.
const REMEMBERED: usize = 1024;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    Open {
        fence: u64,
        grant: String,
        job: String,
        reference: String,
        ttl_ms: i64,
        #[serde(rename = "use")]
        purpose: String,
    },
    Resolve {
        fingerprints: Vec<String>,
    },
    Fail {
        failure: Failure,
    },
    Close {},
    Revoke {
        #[serde(default)]
        reason: Option<String>,
    },
    Expire {},
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "SPEC 10.17 documents the fields")]
pub enum Event {
    Opened { expires: i64, fence: u64, grant: String, job: String, provider: String, reference: String },
    Resolved { fingerprints: Vec<String> },
    Failed { failure: Failure },
    Closed {},
    Revoked {},
    Expired {},
}

/// Why a provider gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "SPEC 10.17 says what each means")]
pub enum Failure {
    Disabled,
    Missing,
    Unsupported,
    ProductionLocal,
    NotImplemented,
    Unreachable,
    Refused,
    Malformed,
}

impl Failure {
    /// Every word, in the order of the variants.
    pub const NAMES: &'static [&'static str] = &[
        "disabled",
        "missing",
        "unsupported",
        "production_local",
        "not_implemented",
        "unreachable",
        "refused",
        "malformed",
    ];
}

/// A lease that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// For which job.
    pub job: SmolStr,
    /// For which worker.
    pub worker: SmolStr,
    /// The fence under which it was opened.
    pub fence: u64,
    /// The grant under which it was opened.
    pub grant: SmolStr,
    /// From this instant on it is dead.
    pub expires: i64,
    /// Fingerprints of what was handed out; none before that.
    pub fingerprints: Vec<String>,
}

/// What was handed out for a job, and to whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Handed {
    fingerprints: Vec<Fingerprint>,
    workers: Vec<SmolStr>,
}

/// Leases that are not over, and what was handed out for the jobs that last, and for those that ended last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    live: Table<Place, Lease>,
    handed_out: Table<Place, Handed>,
    /// Scopes of the jobs for which something was handed out, by worker and id.
    to: Table<Place, Vec<SmolStr>>,
    /// Jobs that are over, by organisation, the oldest first.
    over: BTreeMap<String, VecDeque<Place>>,
}

impl State {
    /// The lease.
    pub fn get(&self, at: At<'_>) -> Option<&Lease> {
        self.live.get(&at)
    }

    /// Number of leases that are not over.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Every lease, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Lease)> {
        self.live.iter()
    }

    /// Number of a job's leases that are open at `now`.
    pub fn open(&self, job: &Job, scope: &str, now: i64) -> usize {
        let open = |id: &&SmolStr| self.get(At { scope, id }).is_some_and(|lease| now < lease.expires);
        job.leases.iter().filter(open).count()
    }

    /// Whether it is remembered that anything was handed out.
    pub fn has_handed_out(&self) -> bool {
        !self.handed_out.is_empty()
    }

    /// Fingerprints of everything that was handed out for a job and is remembered.
    pub fn handed_out(&self, job: At<'_>) -> &[Fingerprint] {
        self.handed_out.get(&job).map_or(&[], |handed| handed.fingerprints.as_slice())
    }

    /// Whether there is room for these beside what was handed out for a job.
    fn has_room(&self, job: At<'_>, more: &[Fingerprint]) -> bool {
        let all: BTreeSet<&Fingerprint> = self.handed_out(job).iter().chain(more).collect();
        let lengths: BTreeSet<usize> = all.iter().map(|print| print.length()).collect();
        all.len() <= HANDED_OUT && lengths.len() <= LENGTHS
    }

    /// Scopes in which something was handed out to a worker for a job of that id.
    pub fn handed_to(&self, worker: &str, id: &str) -> &[SmolStr] {
        self.to.get(&At { scope: worker, id }).map_or(&[], Vec::as_slice)
    }

    fn remember(&mut self, job: At<'_>, worker: &SmolStr, fingerprints: &[String]) {
        let handed = self.handed_out.entry(Place::new(job.scope, job.id)).or_default();
        for print in parsed(fingerprints) {
            if !handed.fingerprints.contains(&print) {
                handed.fingerprints.push(print);
            }
        }
        if !handed.workers.contains(worker) {
            handed.workers.push(worker.clone());
            self.to.entry(Place::new(worker, job.id)).or_default().push(job.scope.into());
        }
    }

    fn forget(&mut self, job: At<'_>) {
        for worker in self.handed_out.remove(&job).map_or(Vec::new(), |handed| handed.workers) {
            let own = At { scope: &worker, id: job.id };
            if let Some(scopes) = self.to.get_mut(&own) {
                scopes.retain(|scope| scope != job.scope);
                if scopes.is_empty() {
                    self.to.remove(&own);
                }
            }
        }
    }
}

/// Keeps what was handed out for a job that is over as long as its organisation has not many newer ones.
pub(super) fn job_over(world: &mut World, job: At<'_>) {
    let leases = &mut world.leases;
    if !leases.handed_out.has(&job) {
        return;
    }
    let over = leases.over.entry(counting(job.scope).to_owned()).or_default();
    over.push_back(Place::new(job.scope, job.id));
    let oldest = if over.len() > REMEMBERED { over.pop_front() } else { None };
    if let Some(oldest) = oldest {
        leases.forget(oldest.at());
    }
}

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "lease.open",
        "lease",
        "Ask for one retrieval of a credential under a grant.",
        &[
            FENCE,
            need("grant", Shape::Id, "the grant"),
            need("job", Shape::Id, "the job"),
            need("reference", Shape::Reference, "the credential that the grant is for"),
            need("ttl_ms", Shape::Int(1000, 3_600_000), "for how long, in milliseconds"),
            need("use", Shape::Id, "the use that the grant is for"),
        ],
    ),
    ActionSpec::new(
        "lease.resolve",
        "lease",
        "Record that the material was handed out, by its fingerprints.",
        &[need(
            "fingerprints",
            Shape::List(FINGERPRINTS, &Shape::Text(80)),
            "keyed fingerprints of the material and its usual encodings",
        )],
    ),
    ActionSpec::new(
        "lease.fail",
        "lease",
        "Record that the provider gave nothing, and why.",
        &[need("failure", Shape::OneOf(Failure::NAMES), "why")],
    )
    .flow(Flow::Reduces),
    ActionSpec::new("lease.close", "lease", "Say that the material was put away.", &[]).flow(Flow::Reduces),
    ActionSpec::new("lease.revoke", "lease", "Revoke a lease, for good.", &[super::scope::REASON])
        .flow(Flow::Reduces),
    ActionSpec::new("lease.expire", "lease", "Record that a lease ran out; the system's own.", &[])
        .flow(Flow::Reduces),
];

pub(super) fn decide(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let at = asked.at();
    let over = facts.ending("lease", &at.to_string());
    let event = match (action, world.leases.get(at)) {
        (Action::Open { fence, grant, job, reference, ttl_ms, .. }, None) if over.is_none() => {
            let known = fit(world, facts, job, asked)?;
            if world.leases.open(known, at.scope, asked.now) >= OPEN {
                let text = format!("job `{job}` has {OPEN} open leases");
                return Err(Refusal::new(Code::LeaseLimit, text));
            }
            // The gate found the grant live: a lease does not outlast it.
            let granted =
                world.grants.get(At { scope: at.scope, id: grant }).map_or(0, |grant| grant.expires);
            let provider = Reference::parse(reference).map_or("", |reference| reference.provider().as_str());
            Event::Opened {
                expires: (asked.now + ttl_ms).min(known.deadline).min(granted),
                fence: *fence,
                grant: grant.clone(),
                job: job.clone(),
                provider: provider.to_owned(),
                reference: reference.clone(),
            }
        }
        (Action::Open { .. }, Some(_)) => {
            return Err(Refusal::new(Code::LeaseExists, format!("lease `{}` is there already", asked.id)));
        }
        (_, None) => {
            if let Some(state) = over {
                return Err(Refusal::new(Code::LeaseEnded, format!("lease `{}` was {state}", asked.id)));
            }
            let text = format!("no lease `{}` in `{}`", asked.id, asked.scope);
            return Err(Refusal::new(Code::NotFound, text));
        }
        (Action::Fail { .. } | Action::Close {}, Some(lease)) if lease.worker != asked.actor => {
            let text = format!("lease `{}` is not `{}`'s", asked.id, asked.actor);
            return Err(Refusal::new(Code::NotEligible, text));
        }
        (Action::Resolve { .. } | Action::Fail { .. }, Some(lease)) if !lease.fingerprints.is_empty() => {
            return Err(Refusal::new(Code::WrongState, format!("lease `{}` is resolved", asked.id)));
        }
        (Action::Resolve { fingerprints }, Some(lease)) => {
            fit(world, facts, &lease.job, asked)?;
            let known = parsed(fingerprints);
            if fingerprints.is_empty() || known.len() < fingerprints.len() {
                let text = "a resolved lease has one to 32 fingerprints `f:<length>:<hex>`";
                return Err(Refusal::new(Code::FingerprintMalformed, text));
            }
            if !world.leases.has_room(At { scope: at.scope, id: &lease.job }, &known) {
                let text = format!(
                    "more than {HANDED_OUT} fingerprints, or of more than {LENGTHS} lengths, for job `{}`",
                    lease.job
                );
                return Err(Refusal::new(Code::LeaseLimit, text));
            }
            Event::Resolved { fingerprints: fingerprints.clone() }
        }
        (Action::Fail { failure }, Some(_)) => Event::Failed { failure: *failure },
        (Action::Close {}, Some(_)) => Event::Closed {},
        (Action::Revoke { .. }, Some(_)) => Event::Revoked {},
        (Action::Expire {}, Some(lease)) if asked.now < lease.expires => {
            return Err(Refusal::new(Code::WrongState, format!("lease `{}` has time left", asked.id)));
        }
        (Action::Expire {}, Some(_)) => Event::Expired {},
    };
    Ok(vec![asked.draft("lease", super::Event::Lease(event), &["reason"])])
}

/// Those of these texts that are fingerprints.
fn parsed(texts: &[String]) -> Vec<Fingerprint> {
    texts.iter().filter_map(|text| Fingerprint::parse(text)).collect()
}

/// The job of a lease, which is not over and whose worker stands.
fn fit<'a>(world: &'a World, facts: &Facts, job: &str, asked: &Asked<'_>) -> Result<&'a Job, Refusal> {
    let at = At { scope: asked.scope.as_str(), id: job };
    let Some(known) = world.jobs.get(at) else {
        return Err(Refusal::new(Code::JobOver, format!("job `{job}` is over")));
    };
    super::job::in_time(known, asked)?;
    super::worker::stand(world, facts, asked.actor, asked.scope, Some(known), asked.now)?;
    Ok(known)
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event, ended: &mut Vec<Ended>) {
    let at = meta.at();
    let state = match event {
        Event::Opened { expires, fence, grant, job, .. } => {
            let lease = Lease {
                job: job.into(),
                worker: meta.actor.into(),
                fence: *fence,
                grant: grant.into(),
                expires: *expires,
                fingerprints: Vec::new(),
            };
            let before = world.leases.live.insert(Place::new(at.scope, at.id), lease);
            assert!(before.is_none(), "an opened lease was new");
            world.jobs.live_mut(At { scope: at.scope, id: job }).leases.push(at.id.into());
            return;
        }
        Event::Resolved { fingerprints } => {
            let Some(lease) = world.leases.live.get_mut(&at) else { panic!("lease `{at}` is live") };
            lease.fingerprints.clone_from(fingerprints);
            let (job, worker) = (lease.job.clone(), lease.worker.clone());
            world.leases.remember(At { scope: at.scope, id: &job }, &worker, fingerprints);
            return;
        }
        Event::Failed { .. } => "failed",
        Event::Closed {} => "closed",
        Event::Revoked {} => "revoked",
        Event::Expired {} => "expired",
    };
    let Some(lease) = world.leases.live.remove(&at) else { panic!("lease `{at}` is live") };
    if let Some(job) = world.jobs.live.get_mut(&At { scope: at.scope, id: &lease.job }) {
        job.leases.retain(|lease| lease != at.id);
    }
    ended.push(Ended { kind: "lease", id: at.to_string(), state, position: meta.position });
}
