//! Jobs, claims, grants and leases: sections 10.14 to 10.17.

use super::gate::goes_to_host;
use super::state::{Grant, Job, Lease, Material, Oracle};
use super::workers::LOCAL_DEV;
use super::{Ask, Decided, entry, one};
use serde_json::json;

impl Oracle {
    /// The job of a request, which is not over: neither recorded so nor past its deadline.
    fn job_in_time(&self, at: &str, id: &str) -> Result<usize, &'static str> {
        let Some(found) = self.job_at(at, id) else { return Err("not_found") };
        let job = &self.jobs[found];
        if job.over.is_some() || self.now >= job.deadline { Err("job_over") } else { Ok(found) }
    }

    pub(super) fn job(&mut self, ask: &Ask) -> Decided {
        if ask.verb() == "submit" {
            return self.submit(ask);
        }
        if ask.verb() == "expire" {
            let Some(at) = self.job_at(&ask.at, &ask.id) else { return Err("not_found") };
            if self.jobs[at].over.is_some() {
                return Err("job_over");
            }
            if self.now < self.jobs[at].deadline {
                return Err("wrong_state");
            }
            let end = if self.jobs[at].started.is_some() { "outcome_missing" } else { "timed_out" };
            self.end(at, end);
            return one(&format!("job.{end}"));
        }
        let at = self.job_in_time(&ask.at, &ask.id)?;
        let job = self.jobs[at].clone();
        match ask.verb() {
            "start" => {
                self.stands(&ask.who, &ask.at, Some(&job))?;
                if job.started.is_some() {
                    return Err("wrong_state");
                }
                self.jobs[at].started = Some(ask.int("fence"));
                let data = vec![
                    ("fence", json!(job.fence)),
                    ("mode", json!(job.mode)),
                    ("until", json!(job.deadline)),
                ];
                Ok(vec![entry("job.started", data)])
            }
            "report" => self.report(ask, at, &job),
            "reject" => {
                self.stands(ask.text("worker"), &ask.at, Some(&job))?;
                Ok(vec![entry("job.result_rejected", vec![("class", json!("secret_looking"))])])
            }
            "cancel" | "stop" => {
                let cause = if ask.verb() == "cancel" { "request" } else { "kill_switch" };
                self.end(at, "cancelled");
                Ok(vec![entry("job.cancelled", vec![("cause", json!(cause))])])
            }
            other => panic!("no action `job.{other}`"),
        }
    }

    fn report(&mut self, ask: &Ask, at: usize, job: &Job) -> Decided {
        self.stands(&ask.who, &ask.at, Some(job))?;
        if job.started != Some(ask.int("fence")) {
            return Err("wrong_state");
        }
        let open = |l: &&Lease| l.at == ask.at && l.job == ask.id && l.over.is_none() && self.now < l.expires;
        if self.leases.iter().any(|l| open(&l)) {
            return Err("lease_open");
        }
        if let Err(class) = Self::evidence(job, ask.text("evidence")) {
            return Ok(vec![entry("job.result_rejected", vec![("class", json!(class))])]);
        }
        let mut said = vec![entry("job.result_accepted", vec![("fence", json!(job.fence))])];
        if ask.has("grant")
            && let Some(grant) = self.grant_at(&ask.at, ask.text("grant"))
        {
            self.grants[grant].over = Some("consumed");
            said.push(entry("grant.consumed", Vec::new()));
        }
        let end = if ask.text("outcome") == "succeeded" { "succeeded" } else { "failed" };
        self.end(at, end);
        said.push(entry(&format!("job.{end}"), Vec::new()));
        Ok(said)
    }

    /// A job is over: its live grants are revoked and its transcript is closed.
    fn end(&mut self, at: usize, how: &'static str) {
        let job = &mut self.jobs[at];
        (job.over, job.closed) = (Some(how), true);
        let (scope, id) = (job.at.clone(), job.id.clone());
        let live = |g: &&mut Grant| g.at == scope && g.job == id && g.over.is_none();
        self.grants.iter_mut().filter(live).for_each(|g| g.over = Some("revoked"));
    }

    fn submit(&mut self, ask: &Ask) -> Decided {
        match self.job_in_time(&ask.at, &ask.id) {
            Ok(_) => return Err("job_exists"),
            Err("job_over") => return Err("job_over"),
            Err(_) => {}
        }
        if ask.has("stage") && ask.text("stage") != "test" {
            return Err("stage_other");
        }
        let mode = ask.text("mode").to_owned();
        if goes_to_host(&mode) && !ask.has("target") {
            return Err("target_required");
        }
        let commands = self.capability_of(ask.text("capability")).map_or(Vec::new(), |c| c.commands.clone());
        let command = match ask.args.get("command") {
            None if commands.is_empty() && mode != "worker_local_read_only" => None,
            None => return Err("command_not_allowlisted"),
            Some(given) => match commands.iter().position(|known| known == given) {
                Some(index) => Some(index),
                None => return Err("command_not_allowlisted"),
            },
        };
        let deadline = self.now + ask.int("ttl_ms");
        let submitted = entry("job.submitted", vec![("deadline", json!(deadline)), ("mode", json!(mode))]);
        let (considered, eligible) = self.route(ask);
        let stand_in = if ask.flag("fallback") { self.stand_in(&ask.at) } else { None };
        let mut job = Job {
            at: ask.at.clone(),
            id: ask.id.clone(),
            capability: ask.text("capability").to_owned(),
            mode,
            target: ask.has("target").then(|| ask.text("target").to_owned()),
            command,
            deadline,
            eligible: eligible.clone(),
            claim: None,
            fence: 0,
            started: None,
            over: None,
            accepted: Vec::new(),
            closed: false,
        };
        let mut said = vec![submitted];
        if let Some(selected) = eligible.first() {
            let data = vec![
                ("considered", json!(considered)),
                ("eligible", json!(eligible)),
                ("selected", json!(selected)),
            ];
            said.push(entry("job.routed", data));
        } else if let Some(worker) = stand_in {
            let data = vec![("fallback_used", json!(true)), ("selected_worker", json!(worker))];
            said.push(entry("job.fallback_decided", data));
            (job.mode, job.eligible) = (LOCAL_DEV.to_owned(), vec![worker]);
        } else {
            said.push(entry("job.fallback_decided", vec![("fallback_used", json!(false))]));
            said.push(entry("job.blocked", vec![("considered", json!(considered))]));
            (job.over, job.closed) = (Some("blocked"), true);
        }
        self.jobs.push(job);
        Ok(said)
    }

    pub(super) fn claim(&mut self, ask: &Ask) -> Decided {
        let (now, until) = (self.now, self.now + ask.int("ttl_ms"));
        if ask.verb() == "expire" {
            let Some(at) = self.job_at(&ask.at, &ask.id) else { return Err("not_found") };
            let job = &mut self.jobs[at];
            if job.over.is_some() {
                return Err("job_over");
            }
            if job.claim.as_ref().is_none_or(|(_, until)| now < *until) {
                return Err("wrong_state");
            }
            job.claim = None;
            return Ok(vec![entry("claim.expired", vec![("fence", json!(job.fence))])]);
        }
        let at = match (ask.verb(), self.job_in_time(&ask.at, &ask.id)) {
            // To give back what is past its deadline takes nothing from anybody.
            ("release", Err("job_over")) => {
                self.job_at(&ask.at, &ask.id).filter(|at| self.jobs[*at].over.is_none()).ok_or("job_over")?
            }
            (_, found) => found?,
        };
        let job = self.jobs[at].clone();
        if ask.verb() == "release" {
            if job.claim.as_ref().is_none_or(|(who, _)| *who != ask.who) {
                return Err("worker_wrong");
            }
            if job.started.is_some() {
                return Err("wrong_state");
            }
            self.jobs[at].claim = None;
            return Ok(vec![entry("claim.released", vec![("fence", json!(job.fence))])]);
        }
        self.stands(&ask.who, &ask.at, Some(&job))?;
        if ask.verb() == "renew" {
            // A renewal never takes away what was there.
            let until = until.max(job.claim.map_or(0, |(_, until)| until));
            self.jobs[at].claim = Some((ask.who.clone(), until));
            return Ok(vec![entry(
                "claim.renewed",
                vec![("until", json!(until)), ("fence", json!(job.fence))],
            )]);
        }
        let lapsed = job.claim.as_ref().is_some_and(|(_, until)| now >= *until);
        if job.claim.is_some() && !lapsed {
            return Err("claim_held");
        }
        if job.started.is_some() {
            return Err("wrong_state");
        }
        let mut said = Vec::new();
        if lapsed {
            said.push(entry("claim.expired", vec![("fence", json!(job.fence))]));
        }
        (self.jobs[at].fence, self.jobs[at].claim) = (job.fence + 1, Some((ask.who.clone(), until)));
        said.push(entry("claim.acquired", vec![("fence", json!(job.fence + 1)), ("until", json!(until))]));
        Ok(said)
    }

    pub(super) fn grant(&mut self, ask: &Ask) -> Decided {
        let found = self.grant_at(&ask.at, &ask.id);
        if found.is_some_and(|at| self.grants[at].over.is_some()) {
            return Err("grant_over");
        }
        if ask.verb() == "issue" {
            if found.is_some() {
                return Err("grant_exists");
            }
            let Ok(job) = self.job_in_time(&ask.at, ask.text("job")) else { return Err("job_unknown") };
            let job = self.jobs[job].clone();
            if !job.eligible.iter().any(|id| id == ask.text("worker")) {
                return Err("worker_wrong");
            }
            if job.capability != ask.text("use") {
                return Err("use_mismatch");
            }
            let live =
                |g: &&Grant| g.at == ask.at && g.job == job.id && g.over.is_none() && self.now < g.expires;
            if self.grants.iter().filter(live).count() >= 8 {
                return Err("grant_limit");
            }
            let expires = self.now + ask.int("ttl_ms");
            self.grants.push(Grant {
                at: ask.at.clone(),
                id: ask.id.clone(),
                job: job.id,
                worker: ask.text("worker").to_owned(),
                reference: ask.text("reference").to_owned(),
                purpose: ask.text("use").to_owned(),
                expires,
                over: None,
            });
            return Ok(vec![entry("grant.issued", vec![("expires", json!(expires))])]);
        }
        let Some(at) = found else { return Err("not_found") };
        if ask.verb() == "expire" && self.now < self.grants[at].expires {
            return Err("wrong_state");
        }
        let how = if ask.verb() == "revoke" { "revoked" } else { "expired" };
        self.grants[at].over = Some(how);
        one(&format!("grant.{how}"))
    }

    pub(super) fn lease(&mut self, ask: &Ask) -> Decided {
        let found = self.lease_at(&ask.at, &ask.id);
        if ask.verb() == "open" {
            if let Some(found) = found {
                let over = self.leases[found].over.is_some();
                return Err(if over { "lease_ended" } else { "lease_exists" });
            }
            let job = self.job_in_time(&ask.at, ask.text("job")).map_err(|_| "job_over")?;
            let job = self.jobs[job].clone();
            self.stands(&ask.who, &ask.at, Some(&job))?;
            let grant =
                self.grants.iter().find(|g| g.at == ask.at && g.id == ask.text("grant") && g.over.is_none());
            let end = grant.map_or(job.deadline, |grant| grant.expires.min(job.deadline));
            let expires = (self.now + ask.int("ttl_ms")).min(end);
            self.leases.push(Lease {
                at: ask.at.clone(),
                id: ask.id.clone(),
                job: job.id,
                worker: ask.who.clone(),
                fence: ask.int("fence"),
                grant: ask.text("grant").to_owned(),
                expires,
                resolved: false,
                over: None,
            });
            return Ok(vec![entry("lease.opened", vec![("expires", json!(expires))])]);
        }
        let Some(at) = found else { return Err("not_found") };
        let lease = self.leases[at].clone();
        if lease.over.is_some() {
            return Err("lease_ended");
        }
        if ["close", "fail", "resolve"].contains(&ask.verb()) && lease.worker != ask.who {
            return Err("not_eligible");
        }
        let (how, kind) = match ask.verb() {
            "resolve" | "fail" if lease.resolved => return Err("wrong_state"),
            "resolve" => {
                let job = self.jobs[self.job_in_time(&ask.at, &lease.job).map_err(|_| "job_over")?].clone();
                self.stands(&ask.who, &ask.at, Some(&job))?;
                if ask.list("fingerprints").is_empty() {
                    return Err("fingerprint_malformed");
                }
                self.leases[at].resolved = true;
                self.material.push(Material {
                    at: ask.at.clone(),
                    job: lease.job,
                    worker: lease.worker,
                    text: super::draw::material(&ask.id),
                });
                return one("lease.resolved");
            }
            "expire" if self.now < lease.expires => return Err("wrong_state"),
            "expire" => ("expired", "lease.expired"),
            "fail" => ("failed", "lease.failed"),
            "close" => ("closed", "lease.closed"),
            _ => ("revoked", "lease.revoked"),
        };
        self.leases[at].over = Some(how);
        one(kind)
    }
}
