//! Who has which roles beside the first? SPEC 10.9.
//!
//! ```text
//! (nothing) --defined--> defined --defined--> defined       (nothing) --assigned--> assigned --unassigned--> (nothing)
//!                                                           assigned, time >= until: no longer counts
//! ```
//!
//! 1. Nobody gives a role to itself, nor one above its own: what it may not do, it gives to nobody.
//! 2. A defined role holds what its definer may do, at the most, and is the same everywhere.
//! 3. An assignment ends by comparison with the clock.
//! 4. By no role does a machine decide about what another does.

use super::principal::{Kind, Principal};
use super::spec::{ActionSpec, Field, Flow, Risk, Shape, may, need};
use super::table::Table;
use super::{Asked, Draft, Meta, Refusal, World};
use crate::code::Code;
use crate::gate::{MATRIX, Role, Rule};
use serde::{Deserialize, Serialize};

/// Roles that can be assigned to one principal.
pub const MAX: usize = 8;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    Define {
        actions: Vec<String>,
    },
    Assign {
        principal: String,
        #[serde(default)]
        ttl_ms: Option<i64>,
    },
    Unassign {
        principal: String,
        #[serde(default)]
        reason: Option<String>,
    },
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "SPEC 10.9 documents the fields")]
pub enum Event {
    Defined {
        actions: Vec<String>,
    },
    Assigned {
        principal: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        until: Option<i64>,
    },
    Unassigned {
        principal: String,
    },
}

/// A role that a principal has beside its first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assigned {
    /// The role: one of the matrix, or a defined one.
    pub role: String,
    /// From this instant on it does not count.
    pub until: Option<i64>,
}

/// Defined roles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    defined: Table<Box<str>, Vec<String>>,
}

impl State {
    /// Number of defined roles.
    pub fn len(&self) -> usize {
        self.defined.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.defined.is_empty()
    }

    /// Whether one of a principal's further roles may do what `rule` is about.
    pub fn may(&self, principal: &Principal, rule: &Rule, now: i64) -> bool {
        // A role that was defined anew may hold more than when a machine got it.
        if principal.assigned.is_empty() || (principal.kind != Kind::Human && rule.separation.is_personal()) {
            return false;
        }
        let live = |one: &&Assigned| one.until.is_none_or(|until| now < until);
        principal.assigned.iter().filter(live).any(|one| match Role::parse(&one.role) {
            Some(role) => rule.roles.contains(&role),
            None => {
                let actions = self.defined.get(one.role.as_str());
                !rule.roles.is_empty()
                    && actions.is_some_and(|actions| actions.iter().any(|action| action == rule.action))
            }
        })
    }
}

const PRINCIPAL: Field =
    need("principal", Shape::Principal, "whose role it is; it lives in the request's scope");

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "role.define",
        "role",
        "Define a role, in `/`, as a list of actions, each of which you may do yourself; defined again, it is replaced.",
        &[need("actions", Shape::List(64, &Shape::Text(64)), "ids of actions, such as `host_key.observe`")],
    )
    .risk(Risk::Medium),
    ActionSpec::new(
        "role.assign",
        "role",
        "Give a principal a further role: one of the matrix, or a defined one.",
        &[PRINCIPAL, may("ttl_ms", Shape::Int(60_000, 31_536_000_000), "for how long; without it, until unassigned")],
    ),
    ActionSpec::new(
        "role.unassign",
        "role",
        "Take a further role away.",
        &[PRINCIPAL, super::scope::REASON],
    )
    .flow(Flow::Reduces),
];

/// Giving an administrator's role takes two principals.
pub(super) fn risk(id: &str) -> Risk {
    match Role::parse(id) {
        Some(Role::PlatformAdmin | Role::MspAdmin | Role::OrgAdmin) => Risk::High,
        _ => Risk::Low,
    }
}

/// Whether a principal may do an action, by its first role or by a further one.
pub(super) fn may_do(world: &World, actor: &str, action: &str, now: i64) -> bool {
    let rule = MATRIX.iter().find(|rule| rule.action == action && !rule.roles.is_empty());
    world
        .principals
        .get(actor)
        .zip(rule)
        .is_some_and(|(own, rule)| rule.roles.contains(&own.role) || world.roles.may(own, rule, now))
}

/// Refuses to give, or to give means to, a role that is above the actor's own.
pub(super) fn hold_to(world: &World, asked: &Asked<'_>, id: &str) -> Result<(), Refusal> {
    match Role::parse(id) {
        Some(role) => super::principal::hold_to_own(world, asked, role),
        None => hold_to_actions(world, asked, world.roles.defined.get(id).map_or(&[][..], Vec::as_slice)),
    }
}

fn hold_to_actions(world: &World, asked: &Asked<'_>, actions: &[String]) -> Result<(), Refusal> {
    match actions.iter().find(|action| !may_do(world, asked.actor, action, asked.now)) {
        None => Ok(()),
        Some(action) => {
            let text = format!("`{action}` is no action that `{}` may do", asked.actor);
            Err(Refusal::new(Code::RoleAboveOwn, text))
        }
    }
}

/// Refuses to give a machine what only people decide.
fn people_only(owner: &Principal, actions: &[String]) -> Result<(), Refusal> {
    let personal = |action: &&String| {
        MATRIX.iter().any(|rule| rule.action == action.as_str() && rule.separation.is_personal())
    };
    match actions.iter().find(personal).filter(|_| owner.kind != Kind::Human) {
        None => Ok(()),
        Some(action) => {
            let text = format!("`{action}` is for people: no {} gets it", owner.kind.as_str());
            Err(Refusal::new(Code::RoleKindMismatch, text))
        }
    }
}

pub(super) fn decide(world: &World, action: &Action, asked: &Asked<'_>) -> Result<Vec<Draft>, Refusal> {
    let id = asked.id;
    let event = match action {
        Action::Define { actions } => {
            if Role::parse(id).is_some() {
                return Err(Refusal::new(Code::RoleBuiltIn, format!("`{id}` is a role of the matrix")));
            }
            if asked.scope.segments() > 0 {
                let text = format!("roles are defined in `/`, not in `{}`", asked.scope);
                return Err(Refusal::new(Code::ScopeNotRoot, text));
            }
            hold_to_actions(world, asked, actions)?;
            Event::Defined { actions: actions.clone() }
        }
        Action::Assign { principal, ttl_ms } => {
            let Some(owner) = world.principals.get_in(principal, asked.scope) else {
                let text = format!("no principal `{principal}` in `{}`", asked.scope);
                return Err(Refusal::new(Code::PrincipalUnknown, text));
            };
            if Role::parse(id).is_some_and(|role| !role.fits(owner.kind)) {
                let text = format!("a {} cannot have the role `{id}`", owner.kind.as_str());
                return Err(Refusal::new(Code::RoleKindMismatch, text));
            }
            if Role::parse(id).is_none() {
                let Some(actions) = world.roles.defined.get(id) else {
                    return Err(Refusal::new(Code::RoleUnknown, format!("no role `{id}`")));
                };
                people_only(owner, actions)?;
            }
            hold_to(world, asked, id)?;
            let live = |one: &&Assigned| one.until.is_none_or(|until| asked.now < until);
            if owner.role.as_str() == id || owner.assigned.iter().filter(live).any(|one| one.role == id) {
                return Err(Refusal::new(Code::RoleAssigned, format!("`{principal}` has the role `{id}`")));
            }
            if owner.assigned.iter().filter(live).count() >= MAX {
                return Err(Refusal::new(Code::RoleLimit, format!("`{principal}` has {MAX} further roles")));
            }
            Event::Assigned { principal: principal.clone(), until: ttl_ms.map(|ttl| asked.now + ttl) }
        }
        Action::Unassign { principal, .. } => {
            let owner = world.principals.get_in(principal, asked.scope);
            let counts = |one: &Assigned| one.role == id && one.until.is_none_or(|until| asked.now < until);
            if !owner.is_some_and(|owner| owner.assigned.iter().any(counts)) {
                let text = format!("`{principal}` has no further role `{id}` in `{}`", asked.scope);
                return Err(Refusal::new(Code::NotFound, text));
            }
            Event::Unassigned { principal: principal.clone() }
        }
    };
    Ok(vec![asked.draft("role", super::Event::Role(event), &["reason"])])
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event) {
    match event {
        Event::Defined { actions } => {
            world.roles.defined.insert(meta.id.into(), actions.clone());
        }
        Event::Assigned { principal, until } => {
            let owner = world.principals.live_mut(principal);
            owner
                .assigned
                .retain(|one| one.role != meta.id && one.until.is_none_or(|until| meta.time < until));
            owner.assigned.push(Assigned { role: meta.id.to_owned(), until: *until });
        }
        Event::Unassigned { principal } => {
            world.principals.live_mut(principal).assigned.retain(|one| one.role != meta.id);
        }
    }
}
