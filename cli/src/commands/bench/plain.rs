//! What is the right answer? The checks of SPEC 9 once more, over plain rows, without a table or a shortcut.

use super::estate::{Estate, Grant, Job, Lease, NOW};
use chancery_ledger::Code;
use chancery_ledger::domains::principal::Kind;
use chancery_ledger::domains::spec::{Flow, Risk};
use chancery_ledger::domains::{Action, Facts, claim, grant, host_key, job, lease, transcript};
use chancery_ledger::gate::{Caller, Request};

/// What a request is about.
#[derive(Default)]
struct About<'a> {
    capability: Option<&'a str>,
    mode: Option<job::Mode>,
    stage: Option<&'a str>,
    target: Option<&'a str>,
    job: Option<(&'a str, u64)>,
    /// Grant, use and credential.
    grant: Option<(&'a str, &'a str, Option<&'a str>)>,
    starts: bool,
    lease: Option<&'a str>,
}

fn within(scope: &str, outer: &str) -> bool {
    outer == "/" || scope == outer || scope.starts_with(&format!("{outer}/"))
}

fn and_above(scope: &str) -> Vec<&str> {
    let mut levels = vec!["/"];
    levels.extend(scope.match_indices('/').skip(1).map(|(end, _)| &scope[..end]));
    levels.push(scope);
    levels
}

impl Estate {
    fn job(&self, scope: &str, id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id && job.scope == scope)
    }

    fn grant(&self, scope: &str, id: &str) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.id == id && grant.scope == scope)
    }

    fn lease(&self, scope: &str, id: &str) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.id == id && lease.scope == scope)
    }

    fn about<'a>(&'a self, request: &'a Request, actor: &str) -> About<'a> {
        let (scope, id) = (request.scope.as_str(), request.id.as_str());
        let settled = |id: &str| {
            self.job(scope, id).map_or(About::default(), |job| About {
                capability: Some(&job.capability),
                mode: Some(job.mode),
                target: job.target.as_deref(),
                ..About::default()
            })
        };
        match &request.action {
            Action::Job(job::Action::Submit { capability, mode, target, stage, .. }) => About {
                capability: Some(capability),
                mode: Some(*mode),
                stage: stage.as_deref(),
                target: target.as_deref(),
                ..About::default()
            },
            Action::Job(job::Action::Start { fence, grant, lease }) => {
                let about = settled(id);
                let purpose = about.capability.unwrap_or_default();
                let grant = grant.as_deref().map(|grant| (grant, purpose, None));
                About { job: Some((id, *fence)), grant, starts: true, lease: lease.as_deref(), ..about }
            }
            Action::Claim(claim::Action::Renew { fence, .. })
            | Action::Transcript(transcript::Action::Append { fence, .. }) => {
                About { job: Some((id, *fence)), ..About::default() }
            }
            Action::Lease(lease::Action::Open { fence, grant, job, purpose, reference, .. }) => About {
                job: Some((job, *fence)),
                grant: Some((grant, purpose, Some(reference))),
                ..settled(job)
            },
            Action::Lease(_) => match self.lease(scope, id).filter(|lease| lease.worker == actor) {
                Some(lease) => {
                    let about = settled(&lease.job);
                    let purpose = about.capability.unwrap_or_default();
                    let grant = Some((lease.grant.as_str(), purpose, None));
                    About { job: Some((&lease.job, lease.fence)), grant, lease: Some(id), ..about }
                }
                None => About { lease: Some(id), ..About::default() },
            },
            Action::Grant(grant::Action::Issue { job, .. }) => {
                About { capability: settled(job).capability, ..About::default() }
            }
            _ => About::default(),
        }
    }

    /// The code of the first check that says no, a hold counted as one; `None` is a yes.
    pub(super) fn answer(&self, request: &Request, caller: &Caller, facts: &Facts) -> Option<Code> {
        let (scope, actor) = (request.scope.as_str(), caller.principal.as_str());
        let about = self.about(request, actor);
        let principal = self.principals.iter().find(|one| one.id == actor);
        let registered = |id: &str| self.capabilities.iter().find(|one| one.id == id);
        let stopped =
            |capability: &str| self.kills.iter().any(|(id, at)| id == capability && within(scope, at));
        if request.spec.flow == Flow::Raises && about.capability.is_some_and(stopped) {
            return Some(Code::KillSwitch);
        }
        let Some(principal) = principal.filter(|one| one.active) else {
            return Some(Code::PrincipalNotActive);
        };
        let open = self.scopes.iter().any(|one| one == scope);
        if !within(scope, &principal.scope) || !(open || facts.has_ended("scope", scope)) {
            return Some(Code::ScopeForeign);
        }
        if !open {
            return Some(Code::ScopeClosed);
        }
        if !request.rule.roles.contains(&principal.role) {
            return Some(Code::RoleInsufficient);
        }
        let capability = about.capability.and_then(registered);
        if about.capability.is_some() && capability.is_none_or(|one| within(scope, &one.disabled)) {
            return Some(Code::CapabilityDisabled);
        }
        let on = |feature: &str| {
            let is_on = |level: &str| self.features.iter().any(|(id, at)| id == feature && at == level);
            and_above(scope).into_iter().all(is_on)
        };
        if about.mode.and_then(job::Mode::feature).is_some_and(|feature| !on(feature)) {
            return Some(Code::SwitchOff);
        }
        if about.stage == Some("production") {
            return Some(Code::ProductionRefused);
        }
        if about.mode.is_some_and(job::Mode::is_live) {
            return Some(Code::LiveGateClosed);
        }
        if about.mode.is_some_and(job::Mode::goes_to_host)
            && let Some(target) = about.target
            && !self.host_keys.iter().any(|key| key.verified && key.id == target && key.scope == scope)
        {
            return Some(Code::HostKeyUnverified);
        }
        self.under(&about, scope, actor, facts)
            .or_else(|| self.held(&about, scope, actor))
            .or_else(|| (principal.kind == Kind::Service).then_some(Code::AttestationRequired))
            .or_else(|| self.reviewed(request, actor))
            .or_else(|| confirmed(request, capability.map(|one| one.risk), facts))
    }

    fn under(&self, about: &About<'_>, scope: &str, actor: &str, facts: &Facts) -> Option<Code> {
        let Some((id, purpose, reference)) = about.grant else {
            let needs = |id: &str| self.capabilities.iter().any(|one| one.id == id && one.grant);
            return (about.starts && about.capability.is_some_and(needs)).then_some(Code::GrantRequired);
        };
        let Some(grant) = self.grant(scope, id) else {
            return Some(match facts.ending("grant", &format!("{scope} {id}")) {
                Some("consumed") => Code::GrantConsumed,
                Some("revoked") => Code::GrantRevoked,
                Some(_) => Code::GrantExpired,
                None if self.grants.iter().any(|one| one.id == id && one.worker == actor) => Code::GrantScope,
                None => Code::GrantUnknown,
            });
        };
        if NOW >= grant.expires {
            return Some(Code::GrantExpired);
        }
        if about.job.is_none_or(|(job, _)| job != grant.job) {
            return Some(Code::GrantJob);
        }
        if grant.worker != actor {
            return Some(Code::GrantWorker);
        }
        if grant.purpose != purpose {
            return Some(Code::GrantUse);
        }
        reference.is_some_and(|reference| reference != grant.reference).then_some(Code::GrantReference)
    }

    fn held(&self, about: &About<'_>, scope: &str, actor: &str) -> Option<Code> {
        if let Some((id, fence)) = about.job
            && let Some(job) = self.job(scope, id)
        {
            if job.fence != fence || job.worker != actor {
                return Some(Code::StaleFence);
            }
            if NOW >= job.until {
                return Some(Code::ClaimExpired);
            }
        }
        let id = about.lease?;
        let mine = self.lease(scope, id).is_some_and(|lease| NOW < lease.expires && lease.worker == actor);
        (!mine).then_some(Code::LeaseOver)
    }

    fn reviewed(&self, request: &Request, actor: &str) -> Option<Code> {
        let own = match &request.action {
            Action::HostKey(host_key::Action::Verify { .. }) => {
                let (scope, id) = (request.scope.as_str(), request.id.as_str());
                self.host_keys.iter().any(|key| key.id == id && key.scope == scope && key.observer == actor)
            }
            Action::Grant(grant::Action::Issue { worker, .. }) => worker == actor,
            _ => false,
        };
        own.then_some(Code::SeparationRequired)
    }
}

fn confirmed(request: &Request, risk: Option<Risk>, facts: &Facts) -> Option<Code> {
    let submits = matches!(request.action, Action::Job(job::Action::Submit { .. }));
    match risk.filter(|_| submits).unwrap_or(request.spec.risk) {
        Risk::Low => None,
        Risk::Destructive => Some(Code::NoRoute),
        Risk::Medium | Risk::High => Some(match facts.prior.as_ref().map(|(_, state)| state.as_str()) {
            Some("denied") => Code::HoldDenied,
            Some("expired") => Code::HoldExpired,
            Some("cancelled") => Code::HoldCancelled,
            _ => Code::ConfirmationRequired,
        }),
    }
}
