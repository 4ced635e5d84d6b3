//! Who must, or must not, be the one that asks? SPEC 9.

use super::constitution::{Context, Found, first_key};
use super::roles::{Role, Separation};
use crate::code::Code;
use crate::domains::Action;
use crate::domains::grant::Action as GrantAction;
use crate::domains::key::Action as KeyAction;
use crate::domains::principal::Principal;
use crate::domains::role::Action as RoleAction;
use crate::format::ids::KeyId;

/// Whether duties are separate.
pub(super) fn check<'a>(context: &Context<'a>) -> Found<'a> {
    let (world, request) = (context.world, context.request);
    let actor = context.caller.principal.as_str();
    let id = request.id.as_str();
    let of_principal = |pick: fn(&Principal) -> Option<&str>| {
        world.principals.get_in(id, &request.scope).and_then(pick) == Some(actor)
    };
    let (broken, text) = match request.rule.separation {
        Separation::None => return Found::NotApplicable,
        Separation::NotRegistrar => {
            let own = of_principal(|p| Some(p.registrar.as_str()));
            // Only the one administrator has nobody to ask; whoever registers elsewhere has it.
            let alone = world.principals.administrators() == 1
                && context.principal.is_some_and(|p| p.role == Role::PlatformAdmin);
            (own && !alone, "registered it")
        }
        Separation::NotSuspender => (of_principal(|p| p.suspender.as_deref()), "suspended it"),
        Separation::NotHolder => {
            let holder = match &request.action {
                Action::Key(KeyAction::Enrol { principal, .. }) => principal == actor && !first_key(context),
                _ => false,
            };
            (holder, "would hold the key")
        }
        Separation::Holder => {
            // A key of another scope is as good as none: the domain says that there is none here.
            let key = KeyId::from_entity(id).and_then(|id| world.keys.get(id));
            let here = key.filter(|key| world.principals.get_in(&key.principal, &request.scope).is_some());
            (here.is_some_and(|key| key.principal != actor), "does not hold the key")
        }
        Separation::NotObserver => {
            let record = world.host_keys.get(request.scope.as_str(), id);
            (record.is_some_and(|record| record.was_observed_by(actor)), "observed this fingerprint")
        }
        Separation::NotBeneficiary => {
            let own = match &request.action {
                Action::Grant(GrantAction::Issue { worker, .. }) => worker == actor,
                Action::Role(RoleAction::Assign { principal, .. }) => principal == actor,
                _ => false,
            };
            (own, "would have the benefit")
        }
        Separation::NotRequester => {
            let hold = world.holds.get(id).filter(|hold| hold.is_in(&request.scope));
            (hold.is_some_and(|hold| hold.actor == actor), "asked for it")
        }
        Separation::Itself => (id != actor, "is not the worker"),
    };
    if broken { context.fail(Code::SeparationRequired, actor, text) } else { Found::Pass }
}
