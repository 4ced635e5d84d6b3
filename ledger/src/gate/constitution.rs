//! In which order is what checked? The constitution as a table of checks; the first that fails names the code. SPEC 9.

use super::denial::Denial;
use super::request::{Caller, Request};
use super::slots::Slots;
use super::{confirm, evidence};
use crate::code::Code;
use crate::domains::capability::Capability;
use crate::domains::grant::Grant;
use crate::domains::lease::Lease;
use crate::domains::ledger::Level;
use crate::domains::principal::{Kind, Principal, SYSTEM, Standing};
use crate::domains::spec::Flow;
use crate::domains::table::At;
use crate::domains::{Action, Facts, World, action_spec, hold, key};
use crate::format::ids::Scope;

/// Version of the rule table.
pub const RULES: u64 = 1;

/// What the gate answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It may be done; when a hold was approved for it, the position of that approval.
    Allow(Option<u64>),
    /// It may not.
    Deny(Denial<'a>),
    /// It may be done once somebody else has confirmed it; the hold that is open for it, when there is one.
    Hold(Option<&'a str>),
}

/// Everything that a check may look at.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) world: &'a World,
    pub(super) facts: &'a Facts,
    pub(super) request: &'a Request,
    pub(super) caller: &'a Caller,
    pub(super) principal: Option<&'a Principal>,
    pub(super) slots: Slots<'a>,
    /// The capability that it uses, when that is registered.
    pub(super) capability: Option<&'a Capability>,
    /// The grant that it uses and the lease that it names, when there are such. They are looked up beside the job, before
    /// the checks, so that the machine waits for memory once and not three times.
    pub(super) grant: Option<&'a Grant>,
    pub(super) lease: Option<&'a Lease>,
    /// Whether the scope that it names is open.
    pub(super) open: bool,
    pub(super) now: i64,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// It does not apply.
    NotApplicable,
    /// It passes.
    Pass,
    /// It passes because a hold was approved, at this position.
    Approved(u64),
    /// It fails.
    Fail(Denial<'a>),
    /// Somebody else must confirm first.
    Hold(Option<&'a str>),
}

/// A row of the constitution.
#[derive(Debug)]
pub struct Check {
    /// Its name, as SPEC 9 has it.
    pub name: &'static str,
    /// When it applies, as SPEC 9 has it.
    pub applies: &'static str,
    /// The codes that it can name, the order of SPEC 9.
    pub codes: &'static [Code],
    test: for<'a> fn(&Context<'a>) -> Found<'a>,
}

macro_rules! checks {
    ($($name:literal $applies:literal $test:path => $($code:ident)*;)*) => {
        /// The constitution, version 1: every check in its order.
        pub static CHECKS: &[Check] = &[$(Check {
            name: $name, applies: $applies, codes: &[$(Code::$code),*], test: $test,
        }),*];

        /// The same rows in the same order, written out so that no call goes through a table.
        fn run<'a>(context: &Context<'a>) -> Verdict<'a> {
            let mut approval = None;
            $(match $test(context) {
                Found::NotApplicable | Found::Pass => {}
                Found::Approved(position) => approval = Some(position),
                Found::Fail(denial) => return Verdict::Deny(denial),
                Found::Hold(hold) => return Verdict::Hold(hold),
            })*
            Verdict::Allow(approval)
        }
    };
}

checks! {
    "kill switch" "the action adds to risk" evidence::kill_switch => KillSwitch;
    "principal active" "always" principal_active => PrincipalNotActive;
    "scope contained" "always" scope_contained => ScopeForeign;
    "scope open" "the action is no read" scope_open => ScopeClosed;
    "role" "always" role => RoleInsufficient;
    "capability enabled" "the action uses a capability" evidence::capability => CapabilityDisabled;
    "feature switch" "the mode has one" evidence::feature => SwitchOff;
    "live gate" "the mode or the stage asked for is live" evidence::live => ProductionRefused LiveGateClosed;
    "host key" "the mode goes to a host" evidence::host_key => HostKeyUnverified;
    "grant" "the capability needs one, or one is named" evidence::grant
        => GrantRequired GrantUnknown GrantExpired GrantRevoked GrantConsumed GrantScope GrantJob GrantWorker GrantUse
           GrantReference;
    "claim and lease" "a fence or a lease is named" evidence::fence => StaleFence ClaimExpired LeaseOver;
    "attestation" "the actor's kind has level `enforce`, and the action is no read" attestation => AttestationRequired;
    "separation" "the action is reviewed" super::separation::check => SeparationRequired;
    "confirmation" "the risk is not low and nothing else confirms it" confirm::check
        => NoRoute HoldDenied HoldExpired HoldCancelled ConfirmationRequired;
}

/// Whether `caller` may do what `request` asks at `now`, in a world folded from the entries before. Total, and
/// without an allocation when the answer is yes.
pub fn evaluate<'a>(
    world: &'a World,
    facts: &'a Facts,
    request: &'a Request,
    caller: &'a Caller,
    now: i64,
) -> Verdict<'a> {
    let context = Context::new(world, facts, request, caller, now);
    context.system().unwrap_or_else(|| run(&context))
}

/// What each check finds, for somebody who wants to know why; the first that fails is the answer.
pub fn explain<'a>(
    world: &'a World,
    facts: &'a Facts,
    request: &'a Request,
    caller: &'a Caller,
    now: i64,
) -> Vec<(&'static Check, Found<'a>)> {
    let context = Context::new(world, facts, request, caller, now);
    if context.system().is_some() {
        return Vec::new();
    }
    let mut found = Vec::with_capacity(CHECKS.len());
    for check in CHECKS {
        let result = (check.test)(&context);
        let ends = matches!(result, Found::Fail(_) | Found::Hold(_));
        found.push((check, result));
        if ends {
            break;
        }
    }
    found
}

impl<'a> Context<'a> {
    fn new(world: &'a World, facts: &'a Facts, request: &'a Request, caller: &'a Caller, now: i64) -> Self {
        let principal = world.principals.get(&caller.principal);
        let slots = super::slots::of(world, request, &caller.principal);
        let at = |id| At { scope: request.scope.as_str(), id };
        let grant = slots.grant.and_then(|used| world.grants.get(at(used.id)));
        let lease = slots.lease.and_then(|id| world.leases.get(at(id)));
        let capability = slots.capability.and_then(|id| world.capabilities.get(id));
        let open = world.scope_is_open(&request.scope);
        Self { world, facts, request, caller, principal, slots, capability, grant, lease, open, now }
    }

    /// The ledger's own principal does what nobody else may, and nothing else.
    fn system(&self) -> Option<Verdict<'a>> {
        let own = self.request.rule.roles.is_empty();
        match (self.caller.principal == SYSTEM, own) {
            (true, true) => Some(Verdict::Allow(None)),
            (true, false) => {
                Some(Verdict::Deny(Denial::new(Code::RoleInsufficient, self.request.spec.id, SYSTEM)))
            }
            (false, _) => None,
        }
    }

    pub(super) fn fail(&self, code: Code, about: &'a str, by: &'a str) -> Found<'a> {
        Found::Fail(Denial::new(code, about, by))
    }

    /// Whether the request adds to risk; to approve does when what is approved does.
    pub(super) fn flow(&self) -> Flow {
        let approved = match &self.request.action {
            Action::Hold(hold::Action::Approve {}) => self.world.holds.get(self.request.id.as_str()),
            _ => None,
        };
        let held = approved.and_then(|hold| action_spec(&hold.action));
        held.unwrap_or(self.request.spec).flow
    }

    pub(super) fn scope(&self) -> &'a str {
        self.request.scope.as_str()
    }
}

fn principal_active<'a>(context: &Context<'a>) -> Found<'a> {
    let actor = context.caller.principal.as_str();
    match context.principal {
        None => context.fail(Code::PrincipalNotActive, actor, "revoked"),
        Some(principal) if principal.standing == Standing::Active => Found::Pass,
        Some(principal) => context.fail(Code::PrincipalNotActive, actor, principal.standing.as_str()),
    }
}

/// How far the caller's authority goes: the principal's scope, or what its token narrows that to.
fn authority<'a>(context: &Context<'a>) -> &'a Scope {
    let own = context.principal.map_or(&context.request.scope, |principal| &principal.scope);
    within(context.world, context.caller, own)
}

/// What the caller's token narrows its principal's scope to, when it does.
pub(crate) fn within<'a>(world: &'a World, caller: &Caller, own: &'a Scope) -> &'a Scope {
    let session = caller.session.as_deref();
    session.and_then(|id| world.tokens.within(id)).unwrap_or(own)
}

fn scope_contained<'a>(context: &Context<'a>) -> Found<'a> {
    let (scope, own) = (&context.request.scope, authority(context));
    let known = context.open || context.facts.has_ended("scope", scope.as_str());
    if own.contains(scope) && known {
        return Found::Pass;
    }
    context.fail(Code::ScopeForeign, scope.as_str(), own.as_str())
}

fn scope_open<'a>(context: &Context<'a>) -> Found<'a> {
    if context.request.spec.is_read() {
        return Found::NotApplicable;
    }
    if context.open {
        return Found::Pass;
    }
    context.fail(Code::ScopeClosed, context.scope(), "")
}

fn role<'a>(context: &Context<'a>) -> Found<'a> {
    let Some(principal) = context.principal else { return Found::NotApplicable };
    let rule = context.request.rule;
    let may = rule.roles.contains(&principal.role) || context.world.roles.may(principal, rule, context.now);
    if may || first_key(context) {
        return Found::Pass;
    }
    context.fail(Code::RoleInsufficient, rule.action, principal.role.as_str())
}

/// Whether a machine that never had a key enrols its first with its token. SPEC 10.4.
pub(super) fn first_key(context: &Context<'_>) -> bool {
    let Action::Key(key::Action::Enrol { principal: holder, .. }) = &context.request.action else {
        return false;
    };
    let own = context.principal.filter(|_| *holder == context.caller.principal);
    let bare = own.is_some_and(|principal| principal.kind != Kind::Human && !principal.keyed);
    bare && context.caller.session.is_some()
}

fn attestation<'a>(context: &Context<'a>) -> Found<'a> {
    let Some(principal) = context.principal else { return Found::NotApplicable };
    if context.request.spec.is_read() || level(context.world, principal.kind) != Level::Enforce {
        return Found::NotApplicable;
    }
    // The proof of possession is its signature.
    if context.request.attestation.is_some() || first_key(context) {
        return Found::Pass;
    }
    context.fail(Code::AttestationRequired, principal.kind.as_str(), "")
}

/// How strictly requests of this kind of principal must be signed.
pub fn level(world: &World, kind: Kind) -> Level {
    let attest = &world.settings().attest;
    match kind {
        Kind::Human => attest.human,
        Kind::Agent => attest.agent,
        Kind::Worker => attest.worker,
        Kind::Service => attest.service,
    }
}
