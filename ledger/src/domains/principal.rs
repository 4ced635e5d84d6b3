//! Who can act? SPEC 10.3.
//!
//! ```text
//! (nothing) --registered--> pending --activated--> active <--reactivated-- suspended
//!                              |                     |  --suspended-->        |
//!                              +------ revoked ------+------ revoked ---------+--> revoked (terminal)
//! ```
//!
//! 1. Whoever registers does not activate, but for the bootstrap of the second administrator.
//! 2. An id is used once.
//! 3. Revocation ends every key and token of the principal in the same entry.
//! 4. One platform administrator is always active.

use super::role::Assigned;
use super::spec::{ActionSpec, Field, Flow, Risk, Shape, Subject};
use super::table::Table;
use super::{Asked, Draft, Ended, Facts, Meta, Refusal, World};
use crate::code::Code;
use crate::format::ids::{PrincipalId, Scope};
use crate::format::json::Value;
use crate::gate::Role;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The ledger's own principal.
pub const SYSTEM: &str = "system";

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    Register {
        kind: Kind,
        role: Role,
        #[serde(default)]
        name: Option<String>,
    },
    Activate {},
    Suspend {
        #[serde(default)]
        reason: Option<String>,
    },
    Reactivate {},
    Revoke {
        #[serde(default)]
        reason: Option<String>,
    },
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "SPEC 10.3 documents the fields")]
pub enum Event {
    Registered { kind: Kind, role: Role },
    Activated { basis: Basis },
    Suspended {},
    Reactivated {},
    Revoked {},
}

/// What a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Kind {
    Human,
    Agent,
    Worker,
    Service,
}

/// Why an activation was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A second principal looked.
    Review,
    /// There was no second administrator yet.
    Bootstrap,
}

/// State of a principal that is not revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Standing {
    Pending,
    Active,
    Suspended,
}

/// A principal that is not revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// What it is.
    pub kind: Kind,
    /// What it may do.
    pub role: Role,
    /// Where it lives and how far its authority goes.
    pub scope: Scope,
    /// Whether it may act.
    pub standing: Standing,
    /// Who registered it; nobody may activate what it registered.
    pub registrar: String,
    /// Who suspended it last.
    pub suspender: Option<String>,
    /// Its roles beside the first.
    #[serde(default)]
    pub assigned: Vec<Assigned>,
    /// Whether it ever had a key: who never had one may enrol its first by itself, when it is a machine.
    #[serde(default)]
    pub keyed: bool,
}

/// Principals that are not revoked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    live: Table<SmolStr, Principal>,
}

impl State {
    /// The principal, wherever it lives.
    pub fn get(&self, id: &str) -> Option<&Principal> {
        self.live.get(id)
    }

    /// The principal, when it lives in exactly this scope: elsewhere is as good as nowhere.
    pub fn get_in(&self, id: &str, scope: &Scope) -> Option<&Principal> {
        self.live.get(id).filter(|principal| principal.scope == *scope)
    }

    /// Number of principals that are not revoked.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Number of active platform administrators.
    pub fn administrators(&self) -> usize {
        let active = |p: &&Principal| p.role == Role::PlatformAdmin && p.standing == Standing::Active;
        self.live.iter().map(|row| row.1).filter(active).count()
    }

    pub(super) fn within(&self, scope: &Scope) -> usize {
        self.live.iter().filter(|(_, principal)| scope.contains(&principal.scope)).count()
    }

    /// It has, or had, a key; the system has one too, and is no principal.
    pub(super) fn has_key(&mut self, id: &str) {
        if let Some(principal) = self.live.get_mut(id) {
            principal.keyed = true;
        }
    }

    pub(super) fn live_mut(&mut self, id: &str) -> &mut Principal {
        let Some(principal) = self.live.get_mut(id) else { panic!("principal `{id}` is live") };
        principal
    }
}

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        id: "principal.register",
        entity: "principal",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Raises,
        help: "Register a principal in the request's scope; it is pending until somebody else activates it.",
        fields: &[
            Field {
                name: "kind",
                shape: Shape::OneOf(&["human", "agent", "worker", "service"]),
                required: true,
                help: "what it is",
            },
            Field {
                name: "name",
                shape: Shape::Text(200),
                required: false,
                help: "a name for people; private",
            },
            Field { name: "role", shape: Shape::OneOf(Role::NAMES), required: true, help: "what it may do" },
        ],
    },
    ActionSpec {
        id: "principal.activate",
        entity: "principal",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Raises,
        help: "Activate a pending principal that somebody else registered.",
        fields: &[],
    },
    ActionSpec {
        id: "principal.suspend",
        entity: "principal",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Reduces,
        help: "Suspend an active principal.",
        fields: &[super::scope::REASON],
    },
    ActionSpec {
        id: "principal.reactivate",
        entity: "principal",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Raises,
        help: "Reactivate a principal that somebody else suspended.",
        fields: &[],
    },
    ActionSpec {
        id: "principal.revoke",
        entity: "principal",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Reduces,
        help: "Revoke a principal with all its keys and tokens, for good.",
        fields: &[super::scope::REASON],
    },
];

/// The private part that holds the named arguments which were given.
pub(super) fn private(args: &Value, names: &[&str]) -> Option<Value> {
    let given = |name: &&str| args.get(name).map(|value| ((*name).to_owned(), value.clone()));
    let members: BTreeMap<_, _> = names.iter().filter_map(given).collect();
    (!members.is_empty()).then_some(Value::Object(members))
}

/// The first administrator, as `ledger.opened` names it.
pub(super) fn found(world: &mut World, id: &PrincipalId) {
    let founder = Principal {
        kind: Kind::Human,
        role: Role::PlatformAdmin,
        scope: Scope::root(),
        standing: Standing::Active,
        registrar: SYSTEM.to_owned(),
        suspender: None,
        assigned: Vec::new(),
        keyed: true,
    };
    world.principals.live.insert(id.as_str().into(), founder);
}

/// Refuses to widen the authority of a role that the actor may not give: who could issue a token for an
/// administrator would be one.
pub(super) fn hold_to_own(world: &World, asked: &Asked<'_>, role: Role) -> Result<(), Refusal> {
    let actor = world.principals.get(asked.actor);
    if actor.is_some_and(|actor| may_give(actor, role, asked.scope)) {
        return Ok(());
    }
    let text = format!("`{}` may not give the role `{}` in `{}`", asked.actor, role.as_str(), asked.scope);
    Err(Refusal::new(Code::RoleAboveOwn, text))
}

/// The same for every role that a principal has.
pub(super) fn hold_to_all(world: &World, asked: &Asked<'_>, owner: &Principal) -> Result<(), Refusal> {
    hold_to_own(world, asked, owner.role)?;
    owner.assigned.iter().try_for_each(|one| super::role::hold_to(world, asked, &one.role))
}

fn may_give(registrar: &Principal, role: Role, scope: &Scope) -> bool {
    match role {
        Role::PlatformAdmin => registrar.role == Role::PlatformAdmin && scope.segments() == 0,
        Role::MspAdmin | Role::MspOperator | Role::MspViewer | Role::Auditor => {
            matches!(registrar.role, Role::PlatformAdmin | Role::MspAdmin)
        }
        _ => true,
    }
}

pub(super) fn decide(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let id = asked.id;
    if let Action::Register { kind, role, .. } = action {
        if facts.has_ended("principal", id) {
            return Err(Refusal::new(Code::PrincipalEnded, format!("`{id}` was revoked")));
        }
        if id == SYSTEM || world.principals.get(id).is_some() {
            return Err(Refusal::new(Code::PrincipalExists, format!("`{id}` is taken")));
        }
        if !role.fits(*kind) {
            let text = format!("a {} cannot have the role `{}`", kind.as_str(), role.as_str());
            return Err(Refusal::new(Code::RoleKindMismatch, text));
        }
        hold_to_own(world, asked, *role)?;
        return Ok(draft(asked, Event::Registered { kind: *kind, role: *role }));
    }
    let Some(principal) = world.principals.get_in(id, asked.scope) else {
        return Err(Refusal::new(Code::NotFound, format!("no principal `{id}` in `{}`", asked.scope)));
    };
    if let Action::Activate {} | Action::Reactivate {} = action {
        hold_to_all(world, asked, principal)?;
    }
    let standing = principal.standing;
    let (fits, event) = match action {
        Action::Activate {} | Action::Register { .. } => {
            let bootstrap = principal.registrar == asked.actor;
            let basis = if bootstrap { Basis::Bootstrap } else { Basis::Review };
            (standing == Standing::Pending, Event::Activated { basis })
        }
        Action::Suspend { .. } => (standing == Standing::Active, Event::Suspended {}),
        Action::Reactivate {} => (standing == Standing::Suspended, Event::Reactivated {}),
        Action::Revoke { .. } => (true, Event::Revoked {}),
    };
    if !fits {
        let text = format!("`{id}` is {}", standing.as_str());
        return Err(Refusal::new(Code::WrongState, text));
    }
    let loses = matches!(event, Event::Suspended {} | Event::Revoked {});
    let is_administrator = principal.role == Role::PlatformAdmin && standing == Standing::Active;
    if loses && is_administrator && world.principals.administrators() == 1 {
        let text = format!("`{id}` is the only active platform administrator");
        return Err(Refusal::new(Code::LastAdministrator, text));
    }
    Ok(draft(asked, event))
}

fn draft(asked: &Asked<'_>, event: Event) -> Vec<Draft> {
    vec![Draft {
        entity_kind: "principal",
        entity_id: asked.id.to_owned(),
        event: super::Event::Principal(event),
        private: private(asked.args, &["name", "reason"]),
        cause: Vec::new(),
    }]
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Agent => "agent",
            Self::Worker => "worker",
            Self::Service => "service",
        }
    }
}

impl Standing {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event, ended: &mut Vec<Ended>) {
    let id = meta.id;
    if let Event::Registered { kind, role } = event {
        let Ok(scope) = Scope::parse(meta.scope) else { panic!("an entry's scope is a scope") };
        let registrar = meta.actor.to_owned();
        let principal = Principal {
            kind: *kind,
            role: *role,
            scope,
            standing: Standing::Pending,
            registrar,
            suspender: None,
            assigned: Vec::new(),
            keyed: false,
        };
        let before = world.principals.live.insert(id.into(), principal);
        assert!(before.is_none(), "a registered id was free");
        return;
    }
    if let Event::Revoked {} = event {
        assert!(world.principals.live.remove(id).is_some(), "a revoked principal was live");
        ended.push(Ended { kind: "principal", id: id.to_owned(), state: "revoked", position: meta.position });
        super::key::end_all(world, id, meta.position, ended);
        super::token::end_all(world, id, meta.position, ended);
        super::worker::end(world, id, meta.position, ended);
        world.door.forget(id);
        return;
    }
    let principal = world.principals.live_mut(id);
    principal.standing = match event {
        Event::Suspended {} => {
            principal.suspender = Some(meta.actor.to_owned());
            Standing::Suspended
        }
        _ => Standing::Active,
    };
}
