//! What may happen? The table of contents: actions, events, the world they fold into, and four short
//! matches. Pure; one file per section of SPEC 10.

pub mod attention;
pub mod capability;
pub mod claim;
mod decision;
pub mod door;
pub mod drill;
mod due;
pub mod export;
pub mod grant;
pub mod hold;
pub mod host_key;
pub mod job;
pub mod key;
pub mod lease;
pub mod ledger;
mod needs;
pub mod preflight;
pub mod principal;
pub mod result;
pub mod role;
pub mod route;
pub mod scope;
pub mod spec;
pub mod switch;
pub mod table;
mod tagged;
pub mod token;
pub mod transcript;
pub mod view;
pub mod worker;
mod world;

pub use decision::Event as DecisionEvent;
pub use due::{Due, due};
pub use needs::{Need, needs};
pub use spec::{ActionSpec, Field, Flow, Invalid, Risk, Shape, Subject, nearest};
pub use world::{Ended, Facts, Meta, World};

use table::At;

use crate::answer::Effect;
use crate::code::Code;
use crate::format::canonical::{CanonicalError, write_variant};
use crate::format::ids::Scope;
use crate::format::json::Value;
use crate::gate::Request;

/// What is asked for, typed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "one variant per domain")]
pub enum Action {
    Ledger(ledger::Action),
    Scope(scope::Action),
    Principal(principal::Action),
    Key(key::Action),
    Token(token::Action),
    HostKey(host_key::Action),
    Export(export::Action),
    Role(role::Action),
    Capability(capability::Action),
    Switch(switch::Action),
    Hold(hold::Action),
    Worker(worker::Action),
    Job(job::Action),
    Claim(claim::Action),
    Grant(grant::Action),
    Lease(lease::Action),
    Transcript(transcript::Action),
    Preflight(preflight::Action),
    Attention(attention::Action),
    Drill(drill::Action),
    Door(door::Action),
    View(view::Action),
}

/// What happened, typed. Stored for ever: variants and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "one variant per domain")]
pub enum Event {
    Ledger(ledger::Event),
    Decision(DecisionEvent),
    Scope(scope::Event),
    Principal(principal::Event),
    Key(key::Event),
    Token(token::Event),
    HostKey(host_key::Event),
    Export(export::Event),
    Role(role::Event),
    Capability(capability::Event),
    Switch(switch::Event),
    Hold(hold::Event),
    Worker(worker::Event),
    Job(job::Event),
    Claim(claim::Event),
    Grant(grant::Event),
    Lease(lease::Event),
    Transcript(transcript::Event),
    Preflight(preflight::Event),
    Attention(attention::Event),
    Drill(drill::Event),
    Door(door::Event),
}

/// Every action, in the order of SPEC 9.
pub static ACTIONS: &[&[ActionSpec]] = &[
    scope::ACTIONS,
    principal::ACTIONS,
    key::ACTIONS,
    token::ACTIONS,
    host_key::ACTIONS,
    export::ACTIONS,
    role::ACTIONS,
    capability::ACTIONS,
    switch::ACTIONS,
    hold::ACTIONS,
    worker::ACTIONS,
    job::ACTIONS,
    claim::ACTIONS,
    grant::ACTIONS,
    lease::ACTIONS,
    transcript::ACTIONS,
    preflight::ACTIONS,
    attention::ACTIONS,
    drill::ACTIONS,
    door::ACTIONS,
    view::ACTIONS,
    ledger::ACTIONS,
];

/// Every kind of event that this build writes.
pub static KINDS: &[&str] = &[
    "ledger.opened",
    "ledger.snapshotted",
    "ledger.clock_confirmed",
    "decision.denied",
    "decision.held",
    "decision.refused",
    "scope.created",
    "scope.closed",
    "principal.registered",
    "principal.activated",
    "principal.suspended",
    "principal.reactivated",
    "principal.revoked",
    "key.enrolled",
    "key.rotated",
    "key.revoked",
    "key.suspected",
    "token.issued",
    "token.revoked",
    "host_key.observed",
    "host_key.changed",
    "host_key.verified",
    "host_key.rejected",
    "host_key.disabled",
    "export.produced",
    "role.defined",
    "role.assigned",
    "role.unassigned",
    "capability.registered",
    "capability.enabled",
    "capability.disabled",
    "switch.turned_on",
    "switch.turned_off",
    "switch.engaged",
    "switch.cleared",
    "hold.opened",
    "hold.approved",
    "hold.denied",
    "hold.cancelled",
    "hold.expired",
    "worker.promoted",
    "worker.declared",
    "worker.assigned",
    "worker.liveness_changed",
    "worker.suspended",
    "worker.revoked",
    "job.submitted",
    "job.routed",
    "job.fallback_decided",
    "job.blocked",
    "job.started",
    "job.result_accepted",
    "job.result_rejected",
    "job.succeeded",
    "job.failed",
    "job.timed_out",
    "job.cancelled",
    "job.outcome_missing",
    "claim.acquired",
    "claim.renewed",
    "claim.released",
    "claim.expired",
    "grant.issued",
    "grant.consumed",
    "grant.revoked",
    "grant.expired",
    "lease.opened",
    "lease.resolved",
    "lease.failed",
    "lease.closed",
    "lease.revoked",
    "lease.expired",
    "transcript.appended",
    "transcript.quarantined",
    "transcript.closed",
    "transcript.released",
    "preflight.evaluated",
    "attention.acknowledged",
    "drill.recorded",
    "door.counted",
];

/// The declaration of the action `id`.
pub fn action_spec(id: &str) -> Option<&'static ActionSpec> {
    ACTIONS.iter().copied().flatten().find(|spec| spec.id == id)
}

/// An event before it is sealed: what it is about, where, and what is private in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Kind of the entity.
    pub entity_kind: &'static str,
    /// Id of the entity.
    pub entity_id: String,
    /// The event.
    pub event: Event,
    /// The private part.
    pub private: Option<Value>,
    /// Entries that it rests on, ascending, beside the first of its own request.
    pub cause: Vec<u64>,
}

/// The domain's no: the entity is not in a state in which this can happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// What stands in the way, in a sentence.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// What a decision may look at beside the world and the action.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who asks.
    pub actor: &'a str,
    /// The origin.
    pub log: &'a str,
    /// Where.
    pub scope: &'a Scope,
    /// Id of the entity.
    pub id: &'a str,
    /// Arguments, for what goes into the private part.
    pub args: &'a Value,
    /// 32 fresh random bytes.
    pub fresh: &'a [u8; 32],
    /// The instant of the request.
    pub now: i64,
    /// What the wall clock shows.
    pub wall: i64,
}

impl<'a> Asked<'a> {
    /// Where the entity stands.
    pub fn at(&self) -> At<'a> {
        At { scope: self.scope.as_str(), id: self.id }
    }

    /// An event on the request's entity; the named arguments are its private part.
    fn draft(&self, entity_kind: &'static str, event: Event, names: &[&str]) -> Draft {
        Draft { private: principal::private(self.args, names), ..self.bare(entity_kind, event) }
    }

    /// An event on the request's entity without a private part.
    fn bare(&self, entity_kind: &'static str, event: Event) -> Draft {
        Draft { entity_kind, entity_id: self.id.to_owned(), event, private: None, cause: Vec::new() }
    }
}

/// The action that `spec` declares with `args`, which were checked against it.
pub fn parse_action(spec: &ActionSpec, args: &[u8]) -> Result<Action, serde_json::Error> {
    let (domain, verb) = spec.id.split_once('.').unwrap_or_default();
    Ok(match domain {
        "ledger" => Action::Ledger(tagged::read(verb, args)?),
        "scope" => Action::Scope(tagged::read(verb, args)?),
        "principal" => Action::Principal(tagged::read(verb, args)?),
        "key" => Action::Key(tagged::read(verb, args)?),
        "token" => Action::Token(tagged::read(verb, args)?),
        "host_key" => Action::HostKey(tagged::read(verb, args)?),
        "export" => Action::Export(tagged::read(verb, args)?),
        "role" => Action::Role(tagged::read(verb, args)?),
        "capability" => Action::Capability(tagged::read(verb, args)?),
        "switch" => Action::Switch(tagged::read(verb, args)?),
        "hold" => Action::Hold(tagged::read(verb, args)?),
        "worker" => Action::Worker(tagged::read(verb, args)?),
        "job" => Action::Job(tagged::read(verb, args)?),
        "claim" => Action::Claim(tagged::read(verb, args)?),
        "grant" => Action::Grant(tagged::read(verb, args)?),
        "lease" => Action::Lease(tagged::read(verb, args)?),
        "transcript" => Action::Transcript(tagged::read(verb, args)?),
        "preflight" => Action::Preflight(tagged::read(verb, args)?),
        "attention" => Action::Attention(tagged::read(verb, args)?),
        "drill" => Action::Drill(tagged::read(verb, args)?),
        "door" => Action::Door(tagged::read(verb, args)?),
        "view" => Action::View(tagged::read(verb, args)?),
        _ => return Err(serde::de::Error::custom(format!("no domain `{domain}`"))),
    })
}

/// The event that an entry of this kind with this data is.
pub fn parse_event(kind: &str, data: &[u8]) -> Result<Event, serde_json::Error> {
    let (domain, verb) = kind.split_once('.').unwrap_or_default();
    Ok(match domain {
        "decision" => Event::Decision(tagged::read(verb, data)?),
        "ledger" => Event::Ledger(tagged::read(verb, data)?),
        "scope" => Event::Scope(tagged::read(verb, data)?),
        "principal" => Event::Principal(tagged::read(verb, data)?),
        "key" => Event::Key(tagged::read(verb, data)?),
        "token" => Event::Token(tagged::read(verb, data)?),
        "host_key" => Event::HostKey(tagged::read(verb, data)?),
        "export" => Event::Export(tagged::read(verb, data)?),
        "role" => Event::Role(tagged::read(verb, data)?),
        "capability" => Event::Capability(tagged::read(verb, data)?),
        "switch" => Event::Switch(tagged::read(verb, data)?),
        "hold" => Event::Hold(tagged::read(verb, data)?),
        "worker" => Event::Worker(tagged::read(verb, data)?),
        "job" => Event::Job(tagged::read(verb, data)?),
        "claim" => Event::Claim(tagged::read(verb, data)?),
        "grant" => Event::Grant(tagged::read(verb, data)?),
        "lease" => Event::Lease(tagged::read(verb, data)?),
        "transcript" => Event::Transcript(tagged::read(verb, data)?),
        "preflight" => Event::Preflight(tagged::read(verb, data)?),
        "attention" => Event::Attention(tagged::read(verb, data)?),
        "drill" => Event::Drill(tagged::read(verb, data)?),
        "door" => Event::Door(tagged::read(verb, data)?),
        _ => return Err(serde::de::Error::custom(format!("no domain `{domain}`"))),
    })
}

/// Writes an event's data into `out`, and gives its kind.
pub fn write_event(event: &Event, out: &mut Vec<u8>) -> Result<&'static str, CanonicalError> {
    let (domain, verb) = match event {
        Event::Decision(event) => ("decision.", write_variant(event, out)?),
        Event::Ledger(event) => ("ledger.", write_variant(event, out)?),
        Event::Scope(event) => ("scope.", write_variant(event, out)?),
        Event::Principal(event) => ("principal.", write_variant(event, out)?),
        Event::Key(event) => ("key.", write_variant(event, out)?),
        Event::Token(event) => ("token.", write_variant(event, out)?),
        Event::HostKey(event) => ("host_key.", write_variant(event, out)?),
        Event::Export(event) => ("export.", write_variant(event, out)?),
        Event::Role(event) => ("role.", write_variant(event, out)?),
        Event::Capability(event) => ("capability.", write_variant(event, out)?),
        Event::Switch(event) => ("switch.", write_variant(event, out)?),
        Event::Hold(event) => ("hold.", write_variant(event, out)?),
        Event::Worker(event) => ("worker.", write_variant(event, out)?),
        Event::Job(event) => ("job.", write_variant(event, out)?),
        Event::Claim(event) => ("claim.", write_variant(event, out)?),
        Event::Grant(event) => ("grant.", write_variant(event, out)?),
        Event::Lease(event) => ("lease.", write_variant(event, out)?),
        Event::Transcript(event) => ("transcript.", write_variant(event, out)?),
        Event::Preflight(event) => ("preflight.", write_variant(event, out)?),
        Event::Attention(event) => ("attention.", write_variant(event, out)?),
        Event::Drill(event) => ("drill.", write_variant(event, out)?),
        Event::Door(event) => ("door.", write_variant(event, out)?),
    };
    // The length is compared first: of the names that are left, most are the one.
    let length = domain.len() + verb.len();
    let is_kind = |kind: &&&str| kind.len() == length && kind.ends_with(verb) && kind.starts_with(domain);
    KINDS.iter().find(is_kind).copied().ok_or(CanonicalError::NoSuchType("kind of that name"))
}

/// What `action` makes happen, or why it cannot.
pub fn decide(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    match action {
        Action::Ledger(action) => ledger::decide(action, asked),
        Action::Scope(action) => scope::decide(world, facts, action, asked),
        Action::Principal(action) => principal::decide(world, facts, action, asked),
        Action::Key(action) => key::decide(world, facts, action, asked),
        Action::Token(action) => token::decide(world, facts, action, asked),
        Action::HostKey(action) => host_key::decide(world, facts, action, asked),
        Action::Export(action) => export::decide(world, action, asked),
        Action::Role(action) => role::decide(world, action, asked),
        Action::Capability(action) => capability::decide(world, action, asked),
        Action::Switch(action) => switch::decide(world, action, asked),
        Action::Hold(action) => hold::decide(world, facts, action, asked),
        Action::Worker(action) => worker::decide(world, facts, action, asked),
        Action::Job(action) => job::decide(world, facts, action, asked),
        Action::Claim(action) => claim::decide(world, facts, action, asked),
        Action::Grant(action) => grant::decide(world, facts, action, asked),
        Action::Lease(action) => lease::decide(world, facts, action, asked),
        Action::Transcript(action) => transcript::decide(world, facts, action, asked),
        Action::Preflight(action) => preflight::decide(world, facts, action, asked),
        Action::Attention(action) => attention::decide(world, action, asked),
        Action::Drill(action) => drill::decide(world, action, asked),
        Action::Door(action) => door::decide(action, asked),
        Action::View(action) => Ok(view::decide(action)),
    }
}

/// What an answer that begins with this event is: its effect, and its code when it is no plain yes.
pub fn outcome(event: &Event) -> (Effect, Option<Code>) {
    match event {
        Event::Decision(DecisionEvent::Denied { code }) => (Effect::Deny, Code::parse(code)),
        Event::Decision(DecisionEvent::Refused { code }) => (Effect::Refuse, Code::parse(code)),
        Event::Decision(DecisionEvent::Held { .. }) | Event::Hold(hold::Event::Opened { .. }) => {
            (Effect::Hold, Some(Code::ConfirmationRequired))
        }
        Event::Job(job::Event::ResultRejected { .. }) => (Effect::Refuse, Some(Code::ResultRejected)),
        Event::Transcript(transcript::Event::Quarantined { .. }) => (Effect::Refuse, Some(Code::Quarantined)),
        _ => (Effect::Allow, None),
    }
}

/// Why an event that was recorded is no plain yes.
pub fn reason(event: &Event) -> Option<String> {
    match event {
        Event::Job(job::Event::ResultRejected { class, .. }) => {
            Some(format!("the result is not taken: {}", class.as_str()))
        }
        Event::Transcript(transcript::Event::Quarantined { reason, .. }) => {
            Some(format!("the event does not count: {}", reason.as_str()))
        }
        _ => None,
    }
}

/// How much can go wrong when this is done, as things stand.
pub fn risk(world: &World, request: &Request) -> Risk {
    risk_of(request, |capability| world.capabilities.get(capability))
}

/// The same, by whoever knows the capability.
pub(crate) fn risk_of<'a>(
    request: &Request,
    known: impl FnOnce(&str) -> Option<&'a capability::Capability>,
) -> Risk {
    match &request.action {
        Action::Role(role::Action::Assign { .. }) => role::risk(request.id.as_str()),
        Action::Job(job::Action::Submit { capability, .. }) => {
            known(capability).map_or(Risk::Low, |known| known.risk)
        }
        _ => request.spec.risk,
    }
}

impl World {
    /// The event's own effect; what it ended goes to `ended`. Total over events that `decide` made.
    fn evolve(&mut self, meta: &Meta<'_>, event: &Event, ended: &mut Vec<Ended>) {
        match event {
            Event::Ledger(event) => ledger::evolve(self, meta, event),
            Event::Scope(event) => scope::evolve(self, meta, event, ended),
            Event::Principal(event) => principal::evolve(self, meta, event, ended),
            Event::Key(event) => key::evolve(self, meta, event, ended),
            Event::Token(event) => token::evolve(self, meta, event, ended),
            Event::HostKey(event) => host_key::evolve(self, meta, event, ended),
            Event::Role(event) => role::evolve(self, meta, event),
            Event::Capability(event) => capability::evolve(self, meta, event),
            Event::Switch(event) => switch::evolve(self, meta, event),
            Event::Hold(event) => hold::evolve(self, meta, event, ended),
            Event::Worker(event) => worker::evolve(self, meta, event, ended),
            Event::Job(event) => job::evolve(self, meta, event, ended),
            Event::Claim(event) => claim::evolve(self, meta, event),
            Event::Grant(event) => grant::evolve(self, meta, event, ended),
            Event::Lease(event) => lease::evolve(self, meta, event, ended),
            Event::Transcript(event) => transcript::evolve(self, meta, event),
            Event::Decision(_) => self.door.no(meta.actor, meta.time),
            Event::Export(_)
            | Event::Preflight(_)
            | Event::Attention(_)
            | Event::Drill(_)
            | Event::Door(_) => {}
        }
    }
}
