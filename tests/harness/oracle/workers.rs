//! Workers, whether one stands for a job, and which are eligible: sections 10.13 and 10.14.

use super::state::{Job, Oracle, Worker};
use super::{Ask, Decided, contains, counting, entry, one};
use serde_json::json;

pub const LOCAL_DEV: &str = "local_dev_execution_mode";

/// Trust in rising order.
fn rank(trust: &str) -> usize {
    ["probationary", "standard", "trusted"].iter().position(|t| *t == trust).unwrap_or(2)
}

impl Oracle {
    pub(super) fn worker(&mut self, ask: &Ask) -> Decided {
        let at = self.workers.iter().position(|w| w.id == ask.id);
        if at.is_some_and(|at| self.workers[at].revoked) {
            return Err("worker_revoked");
        }
        if ask.verb() == "promote" {
            let principal = self.person_in(&ask.id, &ask.at);
            if !principal.is_some_and(|p| p.kind == "worker" && p.standing == "active") {
                return Err("principal_unknown");
            }
            let trust = ask.text("trust").to_owned();
            let Some(at) = at else {
                self.workers.push(Worker {
                    id: ask.id.clone(),
                    at: ask.at.clone(),
                    trust,
                    suspended: false,
                    revoked: false,
                    declared: Vec::new(),
                    locality: String::new(),
                    redaction: false,
                    assigned: Vec::new(),
                    to: None,
                    targets: Vec::new(),
                    health: None,
                });
                return one("worker.promoted");
            };
            let worker = &mut self.workers[at];
            if worker.trust == trust && !worker.suspended {
                return Err("wrong_state");
            }
            worker.trust = trust;
            worker.suspended = false;
            return one("worker.promoted");
        }
        let Some(at) = at.filter(|at| self.workers[*at].at == ask.at) else { return Err("not_found") };
        if ask.verb() == "assign" {
            let to = ask.text("to").to_owned();
            if !contains(&ask.at, &to) || !self.is_open(&to) {
                return Err("scope_not_below");
            }
            let capabilities = ask.list("capabilities");
            if capabilities.iter().any(|id| self.capability_of(id).is_none()) {
                return Err("capability_unknown");
            }
            let worker = &mut self.workers[at];
            (worker.assigned, worker.targets, worker.to) = (capabilities, ask.list("targets"), Some(to));
            return one("worker.assigned");
        }
        let now = self.now;
        let worker = &mut self.workers[at];
        match ask.verb() {
            "declare" => {
                worker.declared = ask.list("capabilities");
                worker.locality = ask.text("locality").to_owned();
                worker.redaction = ask.flag("redaction");
                one("worker.declared")
            }
            "report" => {
                let until = now + ask.int("ttl_ms");
                worker.health = Some((ask.text("health").to_owned(), until));
                Ok(vec![entry("worker.liveness_changed", vec![("until", json!(until))])])
            }
            "suspend" if worker.suspended => Err("wrong_state"),
            "suspend" => {
                worker.suspended = true;
                one("worker.suspended")
            }
            "revoke" => {
                worker.revoked = true;
                one("worker.revoked")
            }
            _ => {
                let lapsed = worker.health.as_ref().is_some_and(|(h, until)| h != "stale" && now >= *until);
                if !lapsed {
                    return Err("wrong_state");
                }
                worker.health = Some(("stale".to_owned(), now));
                Ok(vec![entry("worker.liveness_changed", vec![("health", json!("stale"))])])
            }
        }
    }

    fn is_active(&self, id: &str) -> bool {
        self.person(id).is_some_and(|p| p.standing == "active")
    }

    pub(super) fn is_stale(&self, worker: &Worker) -> bool {
        worker.health.as_ref().is_none_or(|(health, until)| health == "stale" || self.now >= *until)
    }

    /// Whether a worker stands for a job in a scope; of no job that is not over, only what concerns the worker.
    pub(super) fn stands(&self, who: &str, at: &str, job: Option<&Job>) -> Result<(), &'static str> {
        if self.workers.iter().any(|w| w.id == who && w.revoked) {
            return Err("worker_revoked");
        }
        let Some(worker) = self.worker_of(who) else { return Err("worker_wrong") };
        if !worker.to.as_ref().is_some_and(|to| contains(to, at)) {
            return Err("worker_scope_wrong");
        }
        // On the developer's machine neither capability nor trust is asked of whoever stands in.
        let governed = job.filter(|job| job.mode != LOCAL_DEV);
        let lacks = |job: &Job| {
            !worker.declared.contains(&job.capability) || !worker.assigned.contains(&job.capability)
        };
        if governed.is_some_and(lacks) {
            return Err("worker_capability_missing");
        }
        if job.is_some_and(|job| !job.eligible.iter().any(|id| id == who)) {
            return Err("worker_wrong");
        }
        if worker.suspended {
            return Err("worker_disabled");
        }
        if self.is_stale(worker) {
            return Err("worker_stale");
        }
        if worker.health.as_ref().is_some_and(|(health, _)| health == "unhealthy") {
            return Err("worker_unhealthy");
        }
        let least = |job: &Job| self.capability_of(&job.capability).map_or(2, |c| rank(&c.trust));
        if governed.is_some_and(|job| rank(&worker.trust) < least(job)) {
            return Err("worker_untrusted");
        }
        Ok(())
    }

    /// Whether a worker was assigned the host of a host key's id.
    pub(super) fn reaches(worker: &Worker, target: &str) -> bool {
        let host = target.split(':').nth(1).unwrap_or(target);
        worker.targets.iter().any(|known| known == host)
    }

    /// The workers that are looked at for a job, and the eligible of them in the order of the choice.
    pub(super) fn route(&self, ask: &Ask) -> (usize, Vec<String>) {
        let capability = ask.text("capability");
        let near =
            |w: &&Worker| !w.revoked && (contains(&w.at, &ask.at) || counting(&w.at) == counting(&ask.at));
        let least = self.capability_of(capability).map_or(2, |c| rank(&c.trust));
        let known = |list: &[String]| list.iter().any(|id| id == capability);
        let considered: Vec<&Worker> = self.workers.iter().filter(near).collect();
        let fit = |w: &&&Worker| {
            let healthy = w.health.as_ref().is_some_and(|(health, _)| health == "healthy");
            let credential = self.person(&w.id).is_some_and(|p| p.has_key)
                || self
                    .tokens
                    .iter()
                    .any(|t| t.principal == w.id && t.over.is_none() && self.now < t.expires);
            known(&w.declared)
                && known(&w.assigned)
                && rank(&w.trust) >= least
                && (!ask.has("locality") || w.locality == ask.text("locality"))
                && (!ask.has("target") || Self::reaches(w, ask.text("target")))
                && w.to.as_ref().is_some_and(|to| contains(to, &ask.at))
                && !w.suspended
                && self.is_active(&w.id)
                && !self.is_stale(w)
                && healthy
                && !self.is_stopped(&ask.at, &w.id, Some(capability))
                && w.redaction
                && credential
        };
        // A claim that ran out counts until that is recorded.
        let held = |id: &str| {
            let holds = |j: &&Job| j.over.is_none() && j.claim.as_ref().is_some_and(|(who, _)| who == id);
            self.jobs.iter().filter(holds).count()
        };
        let mut eligible: Vec<(usize, String)> =
            considered.iter().filter(fit).map(|w| (held(&w.id), w.id.clone())).collect();
        eligible.sort();
        (considered.len(), eligible.into_iter().map(|(_, id)| id).collect())
    }

    /// The worker that stands in on the developer's machine.
    pub(super) fn stand_in(&self, at: &str) -> Option<String> {
        let fit = |w: &&Worker| {
            !w.revoked
                && w.locality == "local_dev"
                && w.to.as_ref().is_some_and(|to| contains(to, at))
                && !w.suspended
                && self.is_active(&w.id)
                && !self.is_stale(w)
        };
        let mut found: Vec<&Worker> = self.workers.iter().filter(fit).collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.first().filter(|_| self.is_on(LOCAL_DEV, at)).map(|w| w.id.clone())
    }
}
