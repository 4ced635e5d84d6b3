//! Which features are on, and what is stopped? SPEC 10.11.
//!
//! ```text
//! off --turned_on--> on --turned_off--> off          on, time >= until: off
//! clear --engaged--> engaged --cleared--> clear
//! ```
//!
//! 1. A feature is on where it was turned on at every level from `/` down to the scope; the default is off.
//! 2. One principal engages a kill switch; clearing it, and turning a feature on, take two.
//! 3. An engaged kill switch stops what adds to risk and nothing else.

use super::spec::{ActionSpec, Flow, Risk, Shape, need};
use super::table::Table;
use super::{Asked, Draft, Meta, Refusal, World};
use crate::code::Code;
use crate::format::ids::Scope;
use serde::{Deserialize, Serialize};

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    TurnOn {
        ttl_ms: i64,
        #[serde(default)]
        runbook: Option<String>,
    },
    TurnOff {
        #[serde(default)]
        reason: Option<String>,
    },
    Engage {
        target: Target,
        #[serde(default)]
        reason: Option<String>,
    },
    Clear {
        target: Target,
        #[serde(default)]
        reason: Option<String>,
    },
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "SPEC 10.11 documents the fields")]
pub enum Event {
    TurnedOn {
        #[serde(skip_serializing_if = "Option::is_none", default)]
        runbook: Option<String>,
        until: i64,
    },
    TurnedOff {},
    Engaged {
        target: Target,
    },
    Cleared {
        target: Target,
    },
}

/// What a kill switch stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Everything in the scope, whatever the id.
    Scope,
    /// The principal of that id, within the scope.
    Principal,
    /// The capability of that id, within the scope.
    Capability,
}

/// An engaged kill switch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kill {
    /// Where it counts, and below.
    pub scope: Scope,
    /// What it stops.
    pub target: Target,
    /// Which one.
    pub id: String,
    /// Who engaged it.
    pub by: String,
    /// Position of the entry that engaged it.
    pub position: u64,
}

impl Kill {
    /// Whether it is this one: a scope has one of its own, whatever the id.
    fn is(&self, scope: &Scope, target: Target, id: &str) -> bool {
        self.scope == *scope && self.target == target && (target == Target::Scope || self.id == id)
    }
}

/// Where a feature was turned on, until when, and the runbook that was read for it.
type Mark = (Scope, i64, Option<String>);

/// Features that are on somewhere, and engaged kill switches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    features: Table<Box<str>, Vec<Mark>>,
    /// In the order of their scopes, in each the oldest first.
    kills: Vec<Kill>,
}

impl State {
    /// Number of engaged kill switches.
    pub fn len(&self) -> usize {
        self.kills.len()
    }

    /// True when no kill switch is engaged.
    pub fn is_empty(&self) -> bool {
        self.kills.is_empty()
    }

    /// Kill switches that are engaged, in the order of their scopes.
    pub fn kills(&self) -> &[Kill] {
        &self.kills
    }

    /// Those that are engaged in exactly this scope.
    fn at(&self, scope: &str) -> &[Kill] {
        let start = self.kills.partition_point(|kill| kill.scope.as_str() < scope);
        let here = self.kills.get(start..).unwrap_or_default();
        here.get(..here.partition_point(|kill| kill.scope.as_str() == scope)).unwrap_or_default()
    }

    /// Whether an organisation has as many kill switches as it may, beside those on whole scopes.
    fn is_full(&self, counting: &str) -> bool {
        let counts = |kill: &&Kill| kill.target != Target::Scope && kill.scope.counting() == counting;
        self.kills.iter().filter(counts).count() >= super::capability::MARKS
    }

    /// Kill switches that stop this actor, or this capability, or everything, in this scope.
    pub fn engaged<'a>(
        &'a self,
        scope: &Scope,
        actor: &str,
        capability: Option<&str>,
    ) -> impl Iterator<Item = &'a Kill> {
        scope.levels().flat_map(move |level| self.at(level)).filter(move |kill| match kill.target {
            Target::Scope => true,
            Target::Principal => kill.id == actor,
            Target::Capability => capability == Some(kill.id.as_str()),
        })
    }

    /// Whether a feature is on at every level from `/` down to `scope`.
    pub fn is_on(&self, feature: &str, scope: &Scope, now: i64) -> bool {
        let Some(marks) = self.features.get(feature) else { return false };
        let on = marks.iter().filter(|(at, until, _)| now < *until && at.contains(scope)).count();
        on == scope.segments() + 1
    }

    /// Whether a feature is on at exactly this level.
    pub fn is_on_at(&self, feature: &str, scope: &Scope, now: i64) -> bool {
        let marks = self.features.get(feature).map_or(&[][..], Vec::as_slice);
        marks.iter().any(|(at, until, _)| at == scope && now < *until)
    }

    /// Whether somebody acknowledged the runbook when turning the feature on at this level.
    pub fn runbook_at(&self, feature: &str, scope: &Scope, now: i64) -> bool {
        let marks = self.features.get(feature).map_or(&[][..], Vec::as_slice);
        marks.iter().any(|(at, until, runbook)| at == scope && now < *until && runbook.is_some())
    }
}

const TARGET: super::Field = need(
    "target",
    Shape::OneOf(&["scope", "principal", "capability"]),
    "what it stops: everything in the scope, or the principal or capability that the id names",
);

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "switch.turn_on",
        "switch",
        "Turn a feature on at the level of the request's scope; it is on where every level is.",
        &[
            super::spec::may("runbook", Shape::Id, "the runbook that was read"),
            need("ttl_ms", Shape::Int(60_000, 7_776_000_000), "for how long, in milliseconds"),
        ],
    )
    .risk(Risk::High),
    ActionSpec::new(
        "switch.turn_off",
        "switch",
        "Turn a feature off at this level.",
        &[super::scope::REASON],
    )
    .flow(Flow::Reduces),
    ActionSpec::new(
        "switch.engage",
        "switch",
        "Engage a kill switch: what adds to risk is denied from the next entry on.",
        &[super::scope::REASON, TARGET],
    )
    .flow(Flow::Reduces),
    ActionSpec::new(
        "switch.clear",
        "switch",
        "Clear a kill switch that another principal confirms.",
        &[super::scope::REASON, TARGET],
    )
    .risk(Risk::High)
    .flow(Flow::Reports),
];

pub(super) fn decide(world: &World, action: &Action, asked: &Asked<'_>) -> Result<Vec<Draft>, Refusal> {
    let (id, state) = (asked.id, &world.switches);
    let same = |kill: &Kill, target: Target| kill.is(asked.scope, target, id);
    let event = match action {
        Action::TurnOn { ttl_ms, runbook } => {
            Event::TurnedOn { runbook: runbook.clone(), until: asked.now + ttl_ms }
        }
        Action::TurnOff { .. } if state.is_on_at(id, asked.scope, asked.now) => Event::TurnedOff {},
        Action::TurnOff { .. } => {
            let text = format!("the feature `{id}` is not on in `{}`", asked.scope);
            return Err(Refusal::new(Code::NotFound, text));
        }
        Action::Engage { target, .. } => {
            if state.at(asked.scope.as_str()).iter().any(|kill| same(kill, *target)) {
                let text = format!("the kill switch `{id}` is engaged in `{}`", asked.scope);
                return Err(Refusal::new(Code::WrongState, text));
            }
            // A whole scope can always be stopped; there are no more of these than scopes.
            let here = asked.scope.counting();
            if *target != Target::Scope && state.is_full(here) {
                let text = format!(
                    "{} kill switches are engaged in `{here}`: stop a scope",
                    super::capability::MARKS
                );
                return Err(Refusal::new(Code::MarkLimit, text));
            }
            Event::Engaged { target: *target }
        }
        Action::Clear { target, .. } => {
            if !state.kills.iter().any(|kill| same(kill, *target)) {
                let text = format!("no kill switch `{id}` is engaged in `{}`", asked.scope);
                return Err(Refusal::new(Code::NotFound, text));
            }
            Event::Cleared { target: *target }
        }
    };
    Ok(vec![asked.draft("switch", super::Event::Switch(event), &["reason"])])
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event) {
    let scope = meta.scope();
    match event {
        Event::TurnedOn { runbook, until } => {
            let marks = world.switches.features.entry(meta.id.into()).or_default();
            marks.retain(|(at, end, _)| *at != scope && meta.time < *end);
            marks.push((scope, *until, runbook.clone()));
        }
        Event::TurnedOff {} => {
            if let Some(marks) = world.switches.features.get_mut(meta.id) {
                marks.retain(|(at, _, _)| *at != scope);
            }
        }
        Event::Engaged { target } => {
            let kills = &mut world.switches.kills;
            let index = kills.partition_point(|kill| kill.scope <= scope);
            let (id, by, position) = (meta.id.to_owned(), meta.actor.to_owned(), meta.position);
            kills.insert(index, Kill { scope, target: *target, id, by, position });
        }
        Event::Cleared { target } => world.switches.kills.retain(|kill| !kill.is(&scope, *target, meta.id)),
    }
}
