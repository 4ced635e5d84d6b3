//! What must be read from the store before this can be decided? What has ended, and parts to compare with.

use super::table::At;
use super::{Action, World, host_key, job, key, lease, principal, transcript};
use crate::gate::Request;

/// Something that the shell reads for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Whether a thing of this kind and id has ended, and how.
    Ended(&'static str, String),
    /// A part of the entry at this position: 0 the private one, 1 the arguments.
    Part(u64, u64),
}

/// What `actor`'s request needs.
pub fn needs(world: &World, request: &Request, actor: &str) -> Vec<Need> {
    let mut needs = Vec::new();
    let (scope, id) = (&request.scope, request.id.as_str());
    let at = At { scope: scope.as_str(), id };
    let mut ended = |kind, id: String| needs.push(Need::Ended(kind, id));
    if !world.scope_is_open(scope) {
        ended("scope", scope.to_string());
    }
    match &request.action {
        Action::Scope(_) => {
            if let Some(child) = scope.child(id) {
                ended("scope", child.to_string());
            }
        }
        Action::Principal(_) => ended("principal", id.to_owned()),
        Action::Key(action) => {
            if let Some(id) = key::named(action) {
                ended("key", id);
            }
        }
        Action::Token(_) => ended("token", id.to_owned()),
        Action::HostKey(_) => ended("host_key", host_key::key(scope, id)),
        Action::Hold(_) => {
            ended("hold", id.to_owned());
            // Whoever would have the benefit does not approve: the arguments say who that is.
            needs.extend(world.holds.get(id).map(|hold| Need::Part(hold.position, 1)));
        }
        Action::Worker(_) => ended("worker", id.to_owned()),
        Action::Job(action) => {
            ended("job", at.to_string());
            ended("worker", actor.to_owned());
            if let job::Action::Reject { worker, .. } = action {
                ended("worker", worker.to_string());
            }
            if let job::Action::Start { grant: Some(grant), .. }
            | job::Action::Report { grant: Some(grant), .. } = action
            {
                ended("grant", At { id: grant, ..at }.to_string());
            }
        }
        Action::Claim(_) => {
            ended("job", at.to_string());
            ended("worker", actor.to_owned());
        }
        Action::Preflight(_) => {
            ended("job", at.to_string());
            let job = world.jobs.get(at);
            let holder = job.and_then(|job| job.claim.as_ref()).map(|claim| &claim.worker);
            if let Some(worker) = holder.or_else(|| job.and_then(|job| job.eligible.first())) {
                ended("worker", worker.to_string());
            }
        }
        Action::Grant(_) => ended("grant", at.to_string()),
        Action::Lease(action) => {
            ended("lease", at.to_string());
            ended("worker", actor.to_owned());
            let used = match action {
                lease::Action::Open { grant, .. } => Some(grant.as_str()),
                lease::Action::Resolve { .. } => world.leases.get(at).map(|lease| lease.grant.as_str()),
                _ => None,
            };
            if let Some(grant) = used {
                ended("grant", At { id: grant, ..at }.to_string());
            }
        }
        Action::Transcript(action) => {
            ended("job", at.to_string());
            ended("worker", actor.to_owned());
            if let transcript::Action::Quarantine { worker, .. } = action {
                ended("worker", worker.to_string());
            }
            if let Some(position) = transcript::needs(world, action, at) {
                needs.push(Need::Part(position, 0));
            }
        }
        Action::Ledger(_)
        | Action::Export(_)
        | Action::Role(_)
        | Action::Capability(_)
        | Action::Switch(_)
        | Action::Attention(_)
        | Action::Drill(_)
        | Action::Door(_)
        | Action::View(_) => {}
    }
    let confirmed = super::risk(world, request) != super::Risk::Low && !request.rule.separation.is_review();
    if confirmed && actor != principal::SYSTEM {
        let bound =
            world.holds.of(actor).filter(|(_, hold)| hold.action == request.spec.id && hold.entity == id);
        needs.extend(bound.map(|(_, hold)| Need::Part(hold.position, 1)));
    }
    needs
}
