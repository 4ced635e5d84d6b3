//! Which job may use which credential? SPEC 10.16.
//!
//! ```text
//! (nothing) --issued--> live --consumed--> (terminal)     live, time >= expires: dead
//!                         |  --revoked--> (terminal)
//!                         +--expired--> (terminal)
//! ```
//!
//! 1. It is for one job, one worker, one credential, one use, one scope, until one instant.
//! 2. It is used up when the result is taken, and never used again.
//! 3. Nobody issues one to itself. It is a permission, never the material.

use super::spec::{ActionSpec, Flow, Shape, need};
use super::table::{At, Place, Table};
use super::{Asked, Draft, Ended, Facts, Meta, Refusal, World};
use crate::code::Code;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Live grants for one job.
pub const MAX: usize = 8;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    Issue {
        job: String,
        reference: String,
        ttl_ms: i64,
        #[serde(rename = "use")]
        purpose: String,
        worker: String,
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
#[allow(missing_docs, reason = "SPEC 10.16 documents the fields")]
pub enum Event {
    Issued {
        expires: i64,
        job: String,
        reference: String,
        #[serde(rename = "use")]
        purpose: String,
        worker: String,
    },
    Consumed {},
    Revoked {},
    Expired {},
}

/// A live grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// For which job.
    pub job: SmolStr,
    /// For which worker.
    pub worker: SmolStr,
    /// For which credential.
    pub reference: SmolStr,
    /// For which use.
    pub purpose: SmolStr,
    /// From this instant on it is dead.
    pub expires: i64,
}

/// Live grants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct State {
    live: Table<Place, Grant>,
    /// Scopes in which there is a grant of an id: made of the above, and so not stored.
    #[serde(skip)]
    scopes: Table<Box<str>, Vec<Box<str>>>,
}

#[derive(Deserialize)]
struct Stored {
    live: Table<Place, Grant>,
}

impl From<Stored> for State {
    fn from(stored: Stored) -> Self {
        let mut state = Self { live: stored.live, ..Self::default() };
        for (place, _) in state.live.sorted() {
            state.scopes.entry(place.id().into()).or_default().push(place.scope().into());
        }
        state
    }
}

impl State {
    /// The grant.
    pub fn get(&self, at: At<'_>) -> Option<&Grant> {
        self.live.get(&at)
    }

    /// Number of live grants.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Every grant, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Grant)> {
        self.live.iter()
    }

    /// Whether this worker has a grant of that id in another scope.
    pub fn elsewhere(&self, id: &str, worker: &str) -> bool {
        let scopes = self.scopes.get(id).map_or(&[][..], Vec::as_slice);
        scopes.iter().filter_map(|scope| self.get(At { scope, id })).any(|grant| grant.worker == worker)
    }

    fn insert(&mut self, at: At<'_>, grant: Grant) -> Option<Grant> {
        let scopes = self.scopes.entry(at.id.into()).or_default();
        // In order, as they are after a snapshot: two worlds of the same entries are equal.
        if let Err(index) = scopes.binary_search_by(|scope| (**scope).cmp(at.scope)) {
            scopes.insert(index, at.scope.into());
        }
        self.live.insert(Place::new(at.scope, at.id), grant)
    }

    fn remove(&mut self, at: At<'_>) -> Option<Grant> {
        if let Some(scopes) = self.scopes.get_mut(at.id) {
            scopes.retain(|scope| **scope != *at.scope);
            if scopes.is_empty() {
                self.scopes.remove(at.id);
            }
        }
        self.live.remove(&at)
    }
}

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "grant.issue",
        "grant",
        "Let one worker use one credential for one job, once, until an instant.",
        &[
            need("job", Shape::Id, "the job, in the request's scope"),
            need("reference", Shape::Reference, "where the credential is kept; never the credential"),
            need("ttl_ms", Shape::Int(1000, 86_400_000), "for how long, in milliseconds"),
            need("use", Shape::Id, "what for: the job's capability"),
            need("worker", Shape::Principal, "the worker, one that may claim the job"),
        ],
    ),
    ActionSpec::new("grant.revoke", "grant", "Revoke a grant, for good.", &[super::scope::REASON])
        .flow(Flow::Reduces),
    ActionSpec::new("grant.expire", "grant", "Record that a grant ran out; the system's own.", &[])
        .flow(Flow::Reduces),
];

pub(super) fn decide(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let at = asked.at();
    let live = world.grants.get(at);
    let event = match (action, live) {
        (Action::Issue { job, reference, ttl_ms, purpose, worker }, None) => {
            if let Some(state) = facts.ending("grant", &at.to_string()) {
                return Err(Refusal::new(Code::GrantOver, format!("grant `{}` was {state}", asked.id)));
            }
            let known = world.jobs.get(At { scope: at.scope, id: job });
            let Some(known) = known.filter(|job| asked.now < job.deadline) else {
                let text = format!("no job `{job}` that is not over in `{}`", asked.scope);
                return Err(Refusal::new(Code::JobUnknown, text));
            };
            if !known.eligible.iter().any(|one| one == worker) {
                let text = format!("`{worker}` was not found eligible for job `{job}`");
                return Err(Refusal::new(Code::WorkerWrong, text));
            }
            if known.capability != *purpose {
                let text = format!("job `{job}` is for `{}`, not for `{purpose}`", known.capability);
                return Err(Refusal::new(Code::UseMismatch, text));
            }
            let counts = |id: &&String| {
                world.grants.get(At { scope: at.scope, id }).is_some_and(|grant| asked.now < grant.expires)
            };
            if known.grants.iter().filter(counts).count() >= MAX {
                return Err(Refusal::new(Code::GrantLimit, format!("job `{job}` has {MAX} live grants")));
            }
            Event::Issued {
                expires: asked.now + ttl_ms,
                job: job.into(),
                reference: reference.clone(),
                purpose: purpose.clone(),
                worker: worker.clone(),
            }
        }
        (Action::Issue { .. }, Some(_)) => {
            return Err(Refusal::new(Code::GrantExists, format!("grant `{}` is there already", asked.id)));
        }
        (Action::Revoke { .. } | Action::Expire {}, None) => {
            if let Some(state) = facts.ending("grant", &at.to_string()) {
                return Err(Refusal::new(Code::GrantOver, format!("grant `{}` was {state}", asked.id)));
            }
            let text = format!("no grant `{}` in `{}`", asked.id, asked.scope);
            return Err(Refusal::new(Code::NotFound, text));
        }
        (Action::Revoke { .. }, Some(_)) => Event::Revoked {},
        (Action::Expire {}, Some(live)) if asked.now < live.expires => {
            return Err(Refusal::new(Code::WrongState, format!("grant `{}` has time left", asked.id)));
        }
        (Action::Expire {}, Some(_)) => Event::Expired {},
    };
    Ok(vec![asked.draft("grant", super::Event::Grant(event), &["reason"])])
}

/// The entry that says a grant was used up.
pub(super) fn consumed(id: &str) -> Draft {
    Draft {
        entity_kind: "grant",
        entity_id: id.to_owned(),
        event: super::Event::Grant(Event::Consumed {}),
        private: None,
        cause: Vec::new(),
    }
}

pub(super) fn end(world: &mut World, at: At<'_>, state: &'static str, position: u64, ended: &mut Vec<Ended>) {
    let Some(grant) = world.grants.remove(at) else { return };
    if let Some(job) = world.jobs.live.get_mut(&At { scope: at.scope, id: &grant.job }) {
        job.grants.retain(|other| other != at.id);
    }
    ended.push(Ended { kind: "grant", id: at.to_string(), state, position });
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event, ended: &mut Vec<Ended>) {
    let at = meta.at();
    match event {
        Event::Issued { expires, job, reference, purpose, worker } => {
            world.jobs.live_mut(At { scope: at.scope, id: job }).grants.push(at.id.to_owned());
            let grant = Grant {
                job: job.into(),
                worker: worker.into(),
                reference: reference.into(),
                purpose: purpose.into(),
                expires: *expires,
            };
            let before = world.grants.insert(at, grant);
            assert!(before.is_none(), "an issued grant was new");
        }
        Event::Consumed {} => end(world, at, "consumed", meta.position, ended),
        Event::Revoked {} => end(world, at, "revoked", meta.position, ended),
        Event::Expired {} => end(world, at, "expired", meta.position, ended),
    }
}
