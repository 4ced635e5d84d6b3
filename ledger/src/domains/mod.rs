//! What may happen? The table of contents: actions, events, the world they fold into, and four short
//! matches. Pure; one file per section of SPEC 10.

mod decision;
pub mod export;
pub mod host_key;
pub mod key;
pub mod ledger;
pub mod principal;
pub mod scope;
pub mod spec;
mod tagged;
pub mod token;
mod world;

pub use decision::Event as DecisionEvent;
pub use spec::{ActionSpec, Field, Invalid, Shape, Subject, nearest};
pub use world::{Ended, Facts, Meta, World};

use crate::code::Code;
use crate::format::canonical::{CanonicalError, write_variant};
use crate::format::ids::Scope;
use crate::format::json::Value;

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
}

/// Every action, in the order of SPEC 9.
pub static ACTIONS: &[&[ActionSpec]] = &[
    scope::ACTIONS,
    principal::ACTIONS,
    key::ACTIONS,
    token::ACTIONS,
    host_key::ACTIONS,
    export::ACTIONS,
    ledger::ACTIONS,
];

/// Every kind of event that this build writes.
pub static KINDS: &[&str] = &[
    "ledger.opened",
    "ledger.snapshotted",
    "ledger.clock_confirmed",
    "decision.denied",
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
        _ => Action::Export(tagged::read(verb, args)?),
    })
}

/// The event that an entry of this kind with this data is.
pub fn parse_event(kind: &str, data: &[u8]) -> Result<Event, serde_json::Error> {
    let (domain, verb) = kind.split_once('.').unwrap_or_default();
    Ok(match domain {
        "ledger" => Event::Ledger(tagged::read(verb, data)?),
        "decision" => Event::Decision(tagged::read(verb, data)?),
        "scope" => Event::Scope(tagged::read(verb, data)?),
        "principal" => Event::Principal(tagged::read(verb, data)?),
        "key" => Event::Key(tagged::read(verb, data)?),
        "token" => Event::Token(tagged::read(verb, data)?),
        "host_key" => Event::HostKey(tagged::read(verb, data)?),
        "export" => Event::Export(tagged::read(verb, data)?),
        _ => return Err(serde::de::Error::custom(format!("no domain `{domain}`"))),
    })
}

/// Writes an event's data into `out`, and gives its kind.
pub fn write_event(event: &Event, out: &mut Vec<u8>) -> Result<&'static str, CanonicalError> {
    let (domain, verb) = match event {
        Event::Ledger(event) => ("ledger.", write_variant(event, out)?),
        Event::Decision(event) => ("decision.", write_variant(event, out)?),
        Event::Scope(event) => ("scope.", write_variant(event, out)?),
        Event::Principal(event) => ("principal.", write_variant(event, out)?),
        Event::Key(event) => ("key.", write_variant(event, out)?),
        Event::Token(event) => ("token.", write_variant(event, out)?),
        Event::HostKey(event) => ("host_key.", write_variant(event, out)?),
        Event::Export(event) => ("export.", write_variant(event, out)?),
    };
    let is_kind = |kind: &&&str| kind.strip_prefix(domain) == Some(verb);
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
    }
}

/// Which ended things a decision must know of: kind, and id as `ended` has it.
pub fn needs(action: &Action, scope: &Scope, id: &str) -> Vec<(&'static str, String)> {
    match action {
        Action::Scope(_) => scope.child(id).map(|child| ("scope", child.to_string())).into_iter().collect(),
        Action::Principal(_) => vec![("principal", id.to_owned())],
        Action::Key(action) => key::named(action).map(|id| ("key", id)).into_iter().collect(),
        Action::Token(_) => vec![("token", id.to_owned())],
        Action::HostKey(_) => vec![("host_key", host_key::key(scope, id))],
        Action::Ledger(_) | Action::Export(_) => Vec::new(),
    }
}

impl World {
    /// The event's own effect; what it ended goes to `ended`. Total over events that `decide` made.
    fn evolve(&mut self, meta: &Meta<'_>, event: &Event, ended: &mut Vec<Ended>) {
        match event {
            Event::Ledger(event) => ledger::evolve(self, event),
            Event::Decision(_) | Event::Export(_) => {}
            Event::Scope(event) => scope::evolve(self, meta, event, ended),
            Event::Principal(event) => principal::evolve(self, meta, event, ended),
            Event::Key(event) => key::evolve(self, meta, event, ended),
            Event::Token(event) => token::evolve(self, meta, event, ended),
            Event::HostKey(event) => host_key::evolve(self, meta, event, ended),
        }
    }
}
