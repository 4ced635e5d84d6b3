//! What can work be for, and where is it allowed? SPEC 10.10.
//!
//! ```text
//! (nothing) --registered--> registered --enabled--> enabled here --disabled--> disabled here --enabled--> …
//! ```
//!
//! 1. What is not registered and enabled is disabled.
//! 2. A disabled mark at any level counts more than enabled marks above it.
//! 3. A capability's risk, trust and commands are settled when it is registered.

use super::spec::{ActionSpec, Flow, Risk, Shape, may, need};
use super::table::Table;
use super::worker::Trust;
use super::{Asked, Draft, Meta, Refusal, World};
use crate::code::Code;
use crate::format::ids::Scope;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Marks of one capability in one organisation with which it can be enabled in a further scope.
pub const MARKS: usize = 256;
/// Marks that are looked through one after the other.
const FEW: usize = 16;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    Register {
        risk: Risk,
        #[serde(default)]
        commands: Vec<Vec<String>>,
        #[serde(default)]
        grant: bool,
        #[serde(default)]
        trust: Option<Trust>,
        #[serde(default)]
        name: Option<String>,
    },
    Enable {},
    Disable {
        #[serde(default)]
        reason: Option<String>,
    },
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "SPEC 10.10 documents the fields")]
pub enum Event {
    Registered { commands: Vec<Vec<String>>, grant: bool, risk: Risk, trust: Trust },
    Enabled {},
    Disabled {},
}

/// A registered capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// How much can go wrong.
    pub risk: Risk,
    /// Argument vectors that may be run for it, exactly; none when it runs no command.
    pub commands: Vec<Vec<String>>,
    /// Whether it is used under a grant only.
    pub grant: bool,
    /// The least trust that a worker needs.
    pub trust: Trust,
    /// In the order of their scopes.
    marks: Vec<(Scope, bool)>,
}

/// Registered capabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    live: Table<SmolStr, Capability>,
}

impl State {
    /// The capability.
    pub fn get(&self, id: &str) -> Option<&Capability> {
        self.live.get(id)
    }

    /// Number of capabilities.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Whether it is registered, enabled at `scope` or above, and disabled at none of these.
    pub fn is_enabled(&self, id: &str, scope: &Scope) -> bool {
        self.live.get(id).is_some_and(|capability| capability.is_enabled(scope))
    }
}

impl Capability {
    /// Whether it is enabled at `scope` or above, and disabled at none of these.
    pub fn is_enabled(&self, scope: &Scope) -> bool {
        // Marks of others must not make it slow: a few are looked through, of many only those of each level.
        if self.marks.len() <= FEW {
            let mut above = self.marks.iter().filter(|(at, _)| at.contains(scope)).peekable();
            return above.peek().is_some() && above.all(|(_, on)| *on);
        }
        let mut above = scope.levels().filter_map(|at| self.mark(at)).peekable();
        above.peek().is_some() && above.all(|on| on)
    }

    /// The mark of exactly this scope.
    fn mark(&self, at: &str) -> Option<bool> {
        let index = self.marks.binary_search_by(|mark| mark.0.as_str().cmp(at)).ok()?;
        self.marks.get(index).map(|mark| mark.1)
    }
}

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "capability.register",
        "capability",
        "Register what work can be for, in `/`; it is enabled nowhere yet.",
        &[
            may(
                "commands",
                Shape::List(32, &Shape::List(16, &Shape::Text(128))),
                "argument vectors that may be run for it, each exactly",
            ),
            may("grant", Shape::Bool, "whether it is used under a grant only"),
            may("name", Shape::Text(200), "a name for people; private"),
            need("risk", Shape::OneOf(Risk::NAMES), "how much can go wrong"),
            may(
                "trust",
                Shape::OneOf(Trust::NAMES),
                "least trust that a worker needs; without it, `standard`",
            ),
        ],
    )
    .risk(Risk::Medium),
    ActionSpec::new(
        "capability.enable",
        "capability",
        "Enable a capability in the request's scope and below.",
        &[],
    )
    .risk(Risk::Medium),
    ActionSpec::new(
        "capability.disable",
        "capability",
        "Disable a capability in the request's scope and below.",
        &[super::scope::REASON],
    )
    .flow(Flow::Reduces),
];

pub(super) fn decide(world: &World, action: &Action, asked: &Asked<'_>) -> Result<Vec<Draft>, Refusal> {
    let id = asked.id;
    let live = world.capabilities.get(id);
    let mark = live.and_then(|live| live.mark(asked.scope.as_str()));
    let event = match (action, live) {
        (Action::Register { .. }, Some(_)) => {
            return Err(Refusal::new(Code::CapabilityExists, format!("capability `{id}` is registered")));
        }
        (Action::Register { risk, commands, grant, trust, .. }, None) => {
            if asked.scope.segments() > 0 {
                let text = format!("capabilities are registered in `/`, not in `{}`", asked.scope);
                return Err(Refusal::new(Code::ScopeNotRoot, text));
            }
            if commands.iter().any(Vec::is_empty) {
                return Err(Refusal::new(Code::CommandEmpty, "a command has at least the program's name"));
            }
            let trust = trust.unwrap_or(Trust::Standard);
            Event::Registered { commands: commands.clone(), grant: *grant, risk: *risk, trust }
        }
        (Action::Enable {} | Action::Disable { .. }, None) => {
            return Err(Refusal::new(Code::NotFound, format!("no capability `{id}`")));
        }
        (Action::Enable {} | Action::Disable { .. }, Some(live)) => {
            let on = matches!(action, Action::Enable {});
            if mark == Some(on) {
                let word = if on { "enabled" } else { "disabled" };
                let text = format!("capability `{id}` is {word} in `{}`", asked.scope);
                return Err(Refusal::new(Code::WrongState, text));
            }
            // What only takes away is never refused for want of room; there are no more marks than scopes.
            // What other organisations have takes no room here.
            let here = asked.scope.counting();
            let full = || live.marks.iter().filter(|mark| mark.0.counting() == here).count() >= MARKS;
            if on && mark.is_none() && full() {
                let text = format!("capability `{id}` has {MARKS} marks in `{here}`");
                return Err(Refusal::new(Code::MarkLimit, text));
            }
            if on { Event::Enabled {} } else { Event::Disabled {} }
        }
    };
    Ok(vec![asked.draft("capability", super::Event::Capability(event), &["name", "reason"])])
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event) {
    let on = match event {
        Event::Registered { commands, grant, risk, trust } => {
            let capability = Capability {
                risk: *risk,
                commands: commands.clone(),
                grant: *grant,
                trust: *trust,
                marks: Vec::new(),
            };
            let before = world.capabilities.live.insert(meta.id.into(), capability);
            assert!(before.is_none(), "a registered capability was new");
            return;
        }
        Event::Enabled {} => true,
        Event::Disabled {} => false,
    };
    let Some(capability) = world.capabilities.live.get_mut(meta.id) else {
        panic!("`{}` is registered", meta.id)
    };
    let scope = meta.scope();
    match capability.marks.binary_search_by(|mark| mark.0.cmp(&scope)) {
        Ok(index) => capability.marks[index].1 = on,
        Err(index) => capability.marks.insert(index, (scope, on)),
    }
}
