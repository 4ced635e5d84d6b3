//! Which role may do what? The matrix as data; silent means deny. SPEC 9.

use crate::domains::principal::{Kind, Standing};
use crate::domains::{ACTIONS, ActionSpec, World};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// What a principal may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the matrix says what each may")]
pub enum Role {
    PlatformAdmin,
    MspAdmin,
    MspOperator,
    MspViewer,
    OrgAdmin,
    OrgUser,
    Auditor,
    Agent,
    Worker,
    Service,
}

use Role::{
    Agent, Auditor, MspAdmin, MspOperator, MspViewer, OrgAdmin, OrgUser, PlatformAdmin, Service, Worker,
};

impl Role {
    /// Every role's word, in the order of SPEC 9.
    pub const NAMES: &'static [&'static str] = &[
        "platform_admin",
        "msp_admin",
        "msp_operator",
        "msp_viewer",
        "org_admin",
        "org_user",
        "auditor",
        "agent",
        "worker",
        "service",
    ];

    /// Every role, in the order of [`Self::NAMES`].
    pub const ALL: &'static [Role] = &[
        PlatformAdmin,
        MspAdmin,
        MspOperator,
        MspViewer,
        OrgAdmin,
        OrgUser,
        Auditor,
        Agent,
        Worker,
        Service,
    ];

    /// The role of this word.
    pub fn parse(word: &str) -> Option<Self> {
        let at = Self::NAMES.iter().position(|name| *name == word)?;
        Self::ALL.get(at).copied()
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or_default()
    }

    /// Whether a principal of this kind may have it: a machine has its own, a human one of people's.
    pub fn fits(self, kind: Kind) -> bool {
        self.machine_kind().map_or(kind == Kind::Human, |machine| machine == kind)
    }

    /// The kind of machine that this role is for; `None` for people's roles.
    pub fn machine_kind(self) -> Option<Kind> {
        match self {
            Agent => Some(Kind::Agent),
            Worker => Some(Kind::Worker),
            Service => Some(Kind::Service),
            _ => None,
        }
    }
}

/// Who must, or must not, be the one that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separation {
    /// Nobody in particular.
    None,
    /// Not the one that registered the principal.
    NotRegistrar,
    /// Not the one that suspended the principal.
    NotSuspender,
    /// Not the holder of the key.
    NotHolder,
    /// The holder of the key.
    Holder,
    /// Not one that ever observed the current fingerprint.
    NotObserver,
    /// Not the one that would have the benefit.
    NotBeneficiary,
    /// Not the one that asked for what is held.
    NotRequester,
    /// The worker itself.
    Itself,
}

impl Separation {
    /// Whether somebody looks at what another did, so that nobody need confirm it once more.
    pub fn is_review(self) -> bool {
        match self {
            Self::NotRegistrar
            | Self::NotSuspender
            | Self::NotHolder
            | Self::NotObserver
            | Self::NotRequester => true,
            Self::None | Self::Holder | Self::NotBeneficiary | Self::Itself => false,
        }
    }

    /// Whether it is about what another does or gets, and so for a person to decide, never for a machine.
    pub fn is_personal(self) -> bool {
        self.is_review() || self == Self::NotBeneficiary
    }
}

/// A row of the matrix.
#[derive(Debug)]
pub struct Rule {
    /// The action.
    pub action: &'static str,
    /// Roles that may.
    pub roles: &'static [Role],
    /// Separation of duties.
    pub separation: Separation,
}

const _: () = assert!(Role::NAMES.len() == Role::ALL.len());
const ADMINS: &[Role] = &[PlatformAdmin, MspAdmin];
const ALL_ADMINS: &[Role] = &[PlatformAdmin, MspAdmin, OrgAdmin];
const OPERATORS: &[Role] = &[PlatformAdmin, MspAdmin, MspOperator];
const OPERATORS_AND_ORG: &[Role] = &[PlatformAdmin, MspAdmin, MspOperator, OrgAdmin];
const WORKERS: &[Role] = &[Worker];
/// What nobody but the ledger itself does.
const SYSTEM_ONLY: &[Role] = &[];

const fn rule(action: &'static str, roles: &'static [Role], separation: Separation) -> Rule {
    Rule { action, roles, separation }
}

/// The row of an action; every declared action has one.
fn rule_of(action: &str) -> Option<&'static Rule> {
    MATRIX.iter().find(|rule| rule.action == action)
}

/// Declaration and row of an action, by its id.
pub fn declared(action: &str) -> Option<(&'static ActionSpec, &'static Rule)> {
    static BY_ID: LazyLock<HashMap<&str, (&ActionSpec, &Rule)>> = LazyLock::new(|| {
        let rows = ACTIONS.iter().copied().flatten();
        rows.filter_map(|spec| Some((spec.id, (spec, rule_of(spec.id)?)))).collect()
    });
    BY_ID.get(action).copied()
}

/// Every action that the roles of a principal allow, in the order of SPEC 9; none when it may not act.
pub fn abilities(world: &World, principal: &str, now: i64) -> Vec<&'static str> {
    let Some(principal) = world.principals.get(principal).filter(|one| one.standing == Standing::Active)
    else {
        return Vec::new();
    };
    let may = |rule: &&Rule| rule.roles.contains(&principal.role) || world.roles.may(principal, rule, now);
    MATRIX.iter().filter(may).map(|rule| rule.action).collect()
}

/// The matrix, version 1.
pub static MATRIX: &[Rule] = &[
    rule("scope.create", ADMINS, Separation::None),
    rule("scope.close", ADMINS, Separation::None),
    rule("principal.register", ALL_ADMINS, Separation::None),
    rule("principal.activate", ALL_ADMINS, Separation::NotRegistrar),
    rule("principal.suspend", ALL_ADMINS, Separation::None),
    rule("principal.reactivate", ALL_ADMINS, Separation::NotSuspender),
    rule("principal.revoke", ALL_ADMINS, Separation::None),
    rule("key.enrol", ALL_ADMINS, Separation::NotHolder),
    rule("key.rotate", Role::ALL, Separation::Holder),
    rule("key.revoke", ALL_ADMINS, Separation::None),
    rule("key.suspect", ADMINS, Separation::None),
    rule("token.issue", ALL_ADMINS, Separation::None),
    rule("token.revoke", ALL_ADMINS, Separation::None),
    rule(
        "host_key.observe",
        &[PlatformAdmin, MspAdmin, MspOperator, OrgAdmin, Agent, Worker, Service],
        Separation::None,
    ),
    rule("host_key.verify", OPERATORS, Separation::NotObserver),
    rule("host_key.reject", OPERATORS, Separation::None),
    rule("host_key.disable", OPERATORS_AND_ORG, Separation::None),
    rule("export.produce", &[PlatformAdmin, MspAdmin, Auditor], Separation::None),
    rule("role.define", ADMINS, Separation::None),
    rule("role.assign", ALL_ADMINS, Separation::NotBeneficiary),
    rule("role.unassign", ALL_ADMINS, Separation::None),
    rule("capability.register", ADMINS, Separation::None),
    rule("capability.enable", ADMINS, Separation::None),
    rule("capability.disable", OPERATORS_AND_ORG, Separation::None),
    rule("switch.turn_on", ADMINS, Separation::None),
    rule("switch.turn_off", ALL_ADMINS, Separation::None),
    rule("switch.engage", OPERATORS_AND_ORG, Separation::None),
    rule("switch.clear", ADMINS, Separation::None),
    rule("hold.approve", OPERATORS_AND_ORG, Separation::NotRequester),
    rule("hold.deny", OPERATORS_AND_ORG, Separation::NotRequester),
    rule("hold.cancel", Role::ALL, Separation::None),
    rule("hold.expire", SYSTEM_ONLY, Separation::None),
    rule("worker.promote", ADMINS, Separation::None),
    rule("worker.declare", WORKERS, Separation::Itself),
    rule("worker.assign", ADMINS, Separation::None),
    rule("worker.report", WORKERS, Separation::Itself),
    rule("worker.suspend", OPERATORS, Separation::None),
    rule("worker.revoke", ADMINS, Separation::None),
    rule("worker.expire", SYSTEM_ONLY, Separation::None),
    rule("job.submit", &[PlatformAdmin, MspAdmin, MspOperator, OrgAdmin, Agent, Service], Separation::None),
    rule("job.start", WORKERS, Separation::None),
    rule("job.report", WORKERS, Separation::None),
    rule("job.cancel", OPERATORS_AND_ORG, Separation::None),
    rule("job.reject", SYSTEM_ONLY, Separation::None),
    rule("job.stop", SYSTEM_ONLY, Separation::None),
    rule("job.expire", SYSTEM_ONLY, Separation::None),
    rule("claim.acquire", WORKERS, Separation::None),
    rule("claim.renew", WORKERS, Separation::None),
    rule("claim.release", WORKERS, Separation::None),
    rule("claim.expire", SYSTEM_ONLY, Separation::None),
    rule("grant.issue", OPERATORS, Separation::NotBeneficiary),
    rule("grant.revoke", OPERATORS_AND_ORG, Separation::None),
    rule("grant.expire", SYSTEM_ONLY, Separation::None),
    rule("lease.open", WORKERS, Separation::None),
    rule("lease.resolve", WORKERS, Separation::None),
    rule("lease.fail", WORKERS, Separation::None),
    rule("lease.close", WORKERS, Separation::None),
    rule("lease.revoke", OPERATORS_AND_ORG, Separation::None),
    rule("lease.expire", SYSTEM_ONLY, Separation::None),
    rule("transcript.append", WORKERS, Separation::None),
    rule("transcript.release", ADMINS, Separation::None),
    rule("transcript.quarantine", SYSTEM_ONLY, Separation::None),
    rule("preflight.evaluate", &[PlatformAdmin, MspAdmin, MspOperator, Worker], Separation::None),
    rule(
        "attention.acknowledge",
        &[PlatformAdmin, MspAdmin, MspOperator, OrgAdmin, Auditor],
        Separation::None,
    ),
    rule("drill.record", OPERATORS, Separation::None),
    rule("door.count", SYSTEM_ONLY, Separation::None),
    rule("view.read", Role::ALL, Separation::None),
    rule("view.audit", &[PlatformAdmin, MspAdmin, MspOperator, OrgAdmin, Auditor], Separation::None),
    rule("view.restricted", ADMINS, Separation::None),
    rule("ledger.snapshot", SYSTEM_ONLY, Separation::None),
    rule("ledger.confirm_clock", &[PlatformAdmin], Separation::None),
];
