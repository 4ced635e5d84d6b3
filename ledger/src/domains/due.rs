//! What has the clock already decided and nobody recorded yet? One list for the sweeper. SPEC 8.

use super::World;
use super::worker::Health;
use crate::format::ids::Scope;

/// Something that the system records because its time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The system's action.
    pub action: &'static str,
    /// Where.
    pub scope: Scope,
    /// On what.
    pub id: String,
    /// What tells this occasion from others on the same thing.
    pub occasion: i64,
}

/// What is due at `now`, in a fixed order, `max` of it.
pub fn due(world: &World, now: i64, max: usize) -> Vec<Due> {
    let mut found: Vec<Due> = Vec::new();
    let mut push = |action, scope: &str, id: &str, occasion| {
        if let Ok(scope) = Scope::parse(scope) {
            found.push(Due { action, scope, id: id.to_owned(), occasion });
        }
    };
    for (id, hold) in world.holds.iter().filter(|(_, hold)| now >= hold.until) {
        push("hold.expire", hold.scope.as_str(), id, hold.until);
    }
    for (id, worker) in world.workers.sorted() {
        if let Some((health, until)) = worker.health
            && health != Health::Stale
            && now >= until
        {
            push("worker.expire", worker.scope.as_str(), id, until);
        }
    }
    for (place, lease) in world.leases.iter().filter(|(_, lease)| now >= lease.expires) {
        push("lease.expire", place.scope(), place.id(), lease.expires);
    }
    for (place, grant) in world.grants.iter().filter(|(_, grant)| now >= grant.expires) {
        push("grant.expire", place.scope(), place.id(), grant.expires);
    }
    for (place, job) in world.jobs.iter() {
        let worker = job.claim.as_ref().map_or("", |claim| claim.worker.as_str());
        let stopped = Scope::parse(place.scope()).is_ok_and(|scope| {
            world.switches.engaged(&scope, worker, Some(&job.capability)).next().is_some()
        });
        if now >= job.deadline {
            push("job.expire", place.scope(), place.id(), job.deadline);
        } else if stopped {
            push("job.stop", place.scope(), place.id(), job.deadline);
        } else if let Some(claim) = job.claim.as_ref().filter(|claim| now >= claim.until) {
            push("claim.expire", place.scope(), place.id(), claim.until);
        }
    }
    found.sort_by(|a, b| (a.action, &a.scope, &a.id).cmp(&(b.action, &b.scope, &b.id)));
    found.truncate(max);
    found
}
