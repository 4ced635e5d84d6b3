//! What must stand in the ledger before this may be done? Switches, capability, host key, grant, fence, lease. SPEC 9.

use super::constitution::{Context, Found};
use crate::code::Code;
use crate::domains::host_key::Trust;
use crate::domains::job::{Job, Mode};
use crate::domains::switch::Target;
use crate::domains::table::At;
use crate::domains::{Action, Flow, hold};

/// No kill switch stands in the way: on the scope or above it, on the actor, or on the capability.
pub(super) fn kill_switch<'a>(context: &Context<'a>) -> Found<'a> {
    let approves = matches!(context.request.action, Action::Hold(hold::Action::Approve {}));
    let raises = context.flow() == Flow::Raises;
    if !raises && !approves {
        return Found::NotApplicable;
    }
    if context.world.switches.is_empty() {
        return Found::Pass;
    }
    let own = context.principal.map(|principal| &principal.scope);
    let actor = context.caller.principal.as_str();
    // What reports on a job uses no capability, and is stopped with it all the same.
    let capability = context.slots.capability.or(context.slots.job.map(|job| job.capability.as_str()));
    let engaged = context.world.switches.engaged(&context.request.scope, actor, capability);
    for kill in engaged {
        // What is engaged can be cleared, though not with the word of somebody who is stopped.
        if !raises && kill.target != Target::Principal {
            continue;
        }
        // What is engaged elsewhere is no business of the caller's: a foreign scope is answered as foreign.
        if own.is_some_and(|own| own.contains(&kill.scope) || kill.scope.contains(own)) {
            return context.fail(Code::KillSwitch, &kill.id, kill.scope.as_str());
        }
    }
    Found::Pass
}

/// The capability is registered, and enabled here.
pub(super) fn capability<'a>(context: &Context<'a>) -> Found<'a> {
    let Some(id) = context.slots.capability else { return Found::NotApplicable };
    if context.capability.is_some_and(|known| known.is_enabled(&context.request.scope)) {
        return Found::Pass;
    }
    context.fail(Code::CapabilityDisabled, id, context.scope())
}

/// The feature that the mode rests on is on at every level.
pub(super) fn feature<'a>(context: &Context<'a>) -> Found<'a> {
    let Some(feature) = context.slots.mode.and_then(Mode::feature) else { return Found::NotApplicable };
    if context.world.switches.is_on(feature, &context.request.scope, context.now) {
        return Found::Pass;
    }
    context.fail(Code::SwitchOff, feature, context.scope())
}

/// Production does not exist, and the final gate before live work is closed in this build.
pub(super) fn live<'a>(context: &Context<'a>) -> Found<'a> {
    if context.slots.stage == Some("production") {
        return context.fail(Code::ProductionRefused, "production", "");
    }
    match context.slots.mode {
        Some(mode) if mode.is_live() => context.fail(Code::LiveGateClosed, mode.as_str(), ""),
        _ if context.slots.stage.is_some() => Found::Pass,
        _ => Found::NotApplicable,
    }
}

/// The host's key is verified, and was not seen to change since.
pub(super) fn host_key<'a>(context: &Context<'a>) -> Found<'a> {
    let (Some(mode), Some(target)) = (context.slots.mode, context.slots.target) else {
        return Found::NotApplicable;
    };
    if !mode.goes_to_host() {
        return Found::NotApplicable;
    }
    match context.world.host_keys.get(context.scope(), target).map(|record| record.trust) {
        Some(Trust::Verified) => Found::Pass,
        Some(trust) => context.fail(Code::HostKeyUnverified, target, trust.as_str()),
        None => context.fail(Code::HostKeyUnverified, target, "unknown"),
    }
}

/// The grant is live, and for exactly this job, worker, use, scope and credential.
pub(super) fn grant<'a>(context: &Context<'a>) -> Found<'a> {
    let Some(used) = context.slots.grant else {
        let job = context.slots.job.filter(|_| context.slots.under_grant);
        let needs = |job: &&Job| context.world.capabilities.get(&job.capability).is_some_and(|c| c.grant);
        return match job.filter(needs) {
            Some(job) => context.fail(Code::GrantRequired, &job.capability, ""),
            None => Found::NotApplicable,
        };
    };
    let actor = context.caller.principal.as_str();
    let scope = context.scope();
    let Some(grant) = context.grant else {
        return match context.facts.ending_at("grant", At { scope, id: used.id }) {
            Some("consumed") => context.fail(Code::GrantConsumed, used.id, "consumed"),
            Some("revoked") => context.fail(Code::GrantRevoked, used.id, "revoked"),
            Some(_) => context.fail(Code::GrantExpired, used.id, "expired"),
            None => match context.world.grants.elsewhere(used.id, actor) {
                true => context.fail(Code::GrantScope, used.id, scope),
                false => context.fail(Code::GrantUnknown, used.id, scope),
            },
        };
    };
    if context.now >= grant.expires {
        return context.fail(Code::GrantExpired, used.id, "expired");
    }
    if grant.job != used.job {
        return context.fail(Code::GrantJob, used.id, used.job);
    }
    if grant.worker != actor {
        return context.fail(Code::GrantWorker, used.id, actor);
    }
    if grant.purpose != used.purpose {
        return context.fail(Code::GrantUse, used.id, used.purpose);
    }
    match used.reference {
        Some(reference) if grant.reference != reference => {
            context.fail(Code::GrantReference, used.id, reference)
        }
        _ => Found::Pass,
    }
}

/// The caller holds the job under the newest fence, and the lease that it names is open.
pub(super) fn fence<'a>(context: &Context<'a>) -> Found<'a> {
    let actor = context.caller.principal.as_str();
    let mut found = Found::NotApplicable;
    if let Some((job, fence)) = context.slots.fence
        && let Some(live) = context.slots.job
    {
        // Whether there is such a job, whether it is over, and whether the caller is one of its workers, the domain says.
        match &live.claim {
            _ if !live.eligible.iter().any(|worker| worker == actor) => found = Found::Pass,
            Some(claim) if live.fence == fence && claim.worker == actor => {
                if context.now >= claim.until {
                    return context.fail(Code::ClaimExpired, job, actor);
                }
                found = Found::Pass;
            }
            _ => return context.fail(Code::StaleFence, job, actor),
        }
    }
    if let Some(id) = context.slots.lease {
        match context.lease {
            Some(lease)
                if context.now < lease.expires
                    && lease.worker == actor
                    && context.slots.fence == Some((lease.job.as_str(), lease.fence)) =>
            {
                found = Found::Pass;
            }
            _ => return context.fail(Code::LeaseOver, id, ""),
        }
    }
    found
}
