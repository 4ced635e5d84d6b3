//! In which order is what checked? The constitution as a list of checks; the first that fails names the
//! code. SPEC 9.

use super::request::Request;
use super::roles::{MATRIX, Role, Separation};
use crate::code::Code;
use crate::domains::key::Action as KeyAction;
use crate::domains::ledger::Level;
use crate::domains::principal::{Kind, Principal, SYSTEM, Standing};
use crate::domains::{Action, World};
use crate::format::ids::KeyId;

/// Version of the rule table.
pub const RULES: u64 = 1;

/// The gate's no: you may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denial {
    /// The stable code.
    pub code: Code,
    /// Why, in a sentence.
    pub message: String,
}

fn deny(code: Code, message: String) -> Result<(), Denial> {
    Err(Denial { code, message })
}

/// Whether `actor` may do what `request` asks, in a world folded from the entries before. `scope_ended` is
/// what the shell read of the request's scope: that it was closed.
pub fn evaluate(world: &World, scope_ended: bool, request: &Request, actor: &str) -> Result<(), Denial> {
    let action = request.spec.id;
    if actor == SYSTEM {
        let own = action == "ledger.snapshot";
        let text = format!("`{SYSTEM}` does `ledger.snapshot` only");
        return if own { Ok(()) } else { deny(Code::RoleInsufficient, text) };
    }
    let Some(principal) = world.principals.get(actor) else {
        return deny(Code::PrincipalNotActive, format!("`{actor}` is revoked"));
    };
    if principal.standing != Standing::Active {
        let text = format!("`{actor}` is {}", principal.standing.as_str());
        return deny(Code::PrincipalNotActive, text);
    }
    let scope = &request.scope;
    let open = world.scope_is_open(scope);
    if !principal.scope.contains(scope) || !(open || scope_ended) {
        return deny(Code::ScopeForeign, format!("`{scope}` is not within `{}`", principal.scope));
    }
    if !open {
        return deny(Code::ScopeClosed, format!("`{scope}` is closed"));
    }
    let rule = MATRIX.iter().find(|rule| rule.action == action);
    let Some(rule) = rule.filter(|rule| rule.roles.contains(&principal.role)) else {
        let text = format!("the role `{}` may not do `{action}`", principal.role.as_str());
        return deny(Code::RoleInsufficient, text);
    };
    if request.attestation.is_none() && level(world, principal.kind) == Level::Enforce {
        let text = format!("requests of a {} must be signed by its key", principal.kind.as_str());
        return deny(Code::AttestationRequired, text);
    }
    separation(world, request, actor, rule.separation)
}

fn level(world: &World, kind: Kind) -> Level {
    let attest = &world.settings().attest;
    match kind {
        Kind::Human => attest.human,
        Kind::Agent => attest.agent,
        Kind::Worker => attest.worker,
        Kind::Service => attest.service,
    }
}

fn separation(world: &World, request: &Request, actor: &str, rule: Separation) -> Result<(), Denial> {
    let id = request.id.as_str();
    let of_principal = |pick: fn(&Principal) -> Option<&str>| {
        world.principals.get_in(id, &request.scope).and_then(pick) == Some(actor)
    };
    let (broken, text) = match rule {
        Separation::None => (false, ""),
        Separation::NotRegistrar => {
            let own = of_principal(|p| Some(p.registrar.as_str()));
            // Only the one administrator has nobody to ask; whoever registers elsewhere has it.
            let alone = world.principals.administrators() == 1
                && world.principals.get(actor).is_some_and(|p| p.role == Role::PlatformAdmin);
            (own && !alone, "registered it")
        }
        Separation::NotSuspender => (of_principal(|p| p.suspender.as_deref()), "suspended it"),
        Separation::NotHolder => {
            let holder = match &request.action {
                Action::Key(KeyAction::Enrol { principal, .. }) => principal == actor,
                _ => false,
            };
            (holder, "would hold the key")
        }
        Separation::Holder => {
            // A key of another scope is as good as none: the domain says that there is none here.
            let key = KeyId::parse(&format!("k:{id}")).and_then(|id| world.keys.get(id));
            let here = key.filter(|key| world.principals.get_in(&key.principal, &request.scope).is_some());
            (here.is_some_and(|key| key.principal != actor), "does not hold the key")
        }
        Separation::NotObserver => {
            let record = world.host_keys.get(&request.scope, id);
            (record.is_some_and(|r| r.observers.iter().any(|o| o == actor)), "observed this fingerprint")
        }
    };
    if broken {
        return deny(Code::SeparationRequired, format!("`{actor}` {text}; another principal must do this"));
    }
    Ok(())
}
