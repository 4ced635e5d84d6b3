//! Which scopes are there? SPEC 10.2.
//!
//! ```text
//! (nothing) --created--> open --closed--> closed (terminal)
//! ```
//!
//! 1. A scope's parent is open.
//! 2. A closed scope is never opened again.
//! 3. What is closed was empty.

use super::spec::{ActionSpec, Field, Flow, Risk, Shape, Subject};
use super::table::Set;
use super::{Asked, Draft, Ended, Facts, Meta, Refusal, World};
use crate::code::Code;
use crate::format::ids::Scope;
use serde::{Deserialize, Serialize};

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Open a scope below this one.
    Create {},
    /// Close a scope below this one.
    Close {
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The scope is open.
    Created {},
    /// The scope is closed for good.
    Closed {},
}

/// Open scopes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    open: Set<Scope>,
}

impl State {
    /// True when the scope was created and not closed; the root always is open.
    pub fn is_open(&self, scope: &Scope) -> bool {
        self.open.has(scope)
    }

    /// Number of open scopes.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// True when no scope is open but the root.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn within(&self, scope: &Scope) -> usize {
        self.open.iter().filter(|open| *open != scope && scope.contains(open)).count()
    }
}

pub(super) const REASON: Field =
    Field { name: "reason", shape: Shape::Text(2000), required: false, help: "why; kept as a private part" };

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        id: "scope.create",
        entity: "scope",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Raises,
        help: "Open a scope below the request's scope; the id is the new segment.",
        fields: &[],
    },
    ActionSpec {
        id: "scope.close",
        entity: "scope",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Reduces,
        help: "Close an empty scope below the request's scope, for good.",
        fields: &[REASON],
    },
];

pub(super) fn decide(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let draft = |event| {
        vec![Draft {
            entity_kind: "scope",
            entity_id: asked.id.to_owned(),
            event: super::Event::Scope(event),
            private: super::principal::private(asked.args, &["reason"]),
            cause: Vec::new(),
        }]
    };
    let child = asked.scope.child(asked.id);
    match action {
        Action::Create {} => {
            let Some(child) = child else {
                let text =
                    format!("`{}` below `{}` is not a scope of up to five segments", asked.id, asked.scope);
                return Err(Refusal::new(Code::ScopeTooDeep, text));
            };
            if facts.has_ended("scope", child.as_str()) {
                return Err(Refusal::new(Code::ScopeEnded, format!("scope `{child}` was closed")));
            }
            if world.scopes.is_open(&child) {
                return Err(Refusal::new(Code::ScopeExists, format!("scope `{child}` is open already")));
            }
            Ok(draft(Event::Created {}))
        }
        Action::Close { .. } => {
            let Some(child) = child.filter(|child| world.scopes.is_open(child)) else {
                let text = format!("no open scope `{}` below `{}`", asked.id, asked.scope);
                return Err(Refusal::new(Code::NotFound, text));
            };
            let (scopes, principals) = (world.scopes.within(&child), world.principals.within(&child));
            let work = world.work_within(&child);
            if scopes + principals + work > 0 {
                let text = format!(
                    "scope `{child}` has {scopes} open scopes, {principals} live principals, and {work} jobs, grants, \
                     leases and holds"
                );
                return Err(Refusal::new(Code::ScopeNotEmpty, text));
            }
            Ok(draft(Event::Closed {}))
        }
    }
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event, ended: &mut Vec<Ended>) {
    let child = Scope::parse(meta.scope).ok().and_then(|parent| parent.child(meta.id));
    let Some(child) = child else { panic!("scope events name a scope") };
    match event {
        Event::Created {} => assert!(world.scopes.open.insert(child), "created scopes were not open"),
        Event::Closed {} => {
            assert!(world.scopes.open.remove(&child), "closed scopes were open");
            ended.push(Ended {
                kind: "scope",
                id: child.to_string(),
                state: "closed",
                position: meta.position,
            });
        }
    }
}
