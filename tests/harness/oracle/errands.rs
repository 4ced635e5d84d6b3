//! Which step of a job's life is drawn next? What workers and operators ask for about jobs.

use super::draw::*;
use super::relay::stops_at;
use super::state::Job;
use crate::harness::governed::TARGET;

impl Draw<'_> {
    /// A job, or what is done about one.
    pub(super) fn work(&mut self) -> Step {
        let live: Vec<usize> =
            (0..self.model.jobs.len()).filter(|at| self.model.jobs[*at].over.is_none()).collect();
        if live.is_empty() || self.once_in(if live.len() < 3 { 4 } else { 12 }) {
            return self.submit();
        }
        // What is over is asked about as well: nothing may change it.
        let at = if self.once_in(10) {
            self.below(self.model.jobs.len())
        } else {
            live[live.len() - 1 - self.seeded.below(live.len().min(2))]
        };
        let job = self.model.jobs[at].clone();
        let holder = job.claim.as_ref().map(|(who, _)| who.clone());
        let worker = holder.clone().or(job.eligible.first().cloned()).unwrap_or("w-1".to_owned());
        let worker = self.lean(&worker, &WORKERS).to_owned();
        let scope = self.lean(&job.at, &SCOPES).to_owned();
        let ttl = self.ttl();
        let choice = self.below(24);
        match choice {
            0 => {
                let who = self.pick(&["otto", "ada", "olga", "bot-7"]);
                self.ask(who, "job.cancel", &scope, &job.id, &[])
            }
            1 => {
                let who = self.pick(&["otto", "ada", "w-1", "vera"]);
                self.ask(who, "preflight.evaluate", &scope, &job.id, &[])
            }
            2 => self.release(&job),
            3..6 => self.issue(&job, &scope),
            6 => {
                let id = self.grant_of(&job);
                let who = self.pick(&["otto", "ada", "olga"]);
                self.ask(who, "grant.revoke", &scope, &id, &[])
            }
            7 => self.release_event(&job),
            _ if holder.is_none() || choice == 8 => {
                self.ask(&worker, "claim.acquire", &scope, &job.id, &[&ttl])
            }
            9 => {
                let fence = self.fence(&job);
                self.ask(&worker, "claim.renew", &scope, &job.id, &[&fence, &ttl])
            }
            10..14 => self.lease(&job, &worker, &scope),
            14..17 => self.start(&job, &worker, &scope),
            17..21 => self.append(&job, &worker, &scope),
            _ if job.started.is_none() => self.start(&job, &worker, &scope),
            _ => self.report(&job, &worker, &scope),
        }
    }

    /// The newest fence; now and then another.
    fn fence(&mut self, job: &Job) -> String {
        let fence = match self.below(10) {
            0 => job.fence - 1,
            1 => job.fence + 1,
            _ => job.fence,
        };
        format!("fence:={}", fence.max(1))
    }

    /// A grant for a job when there is one; now and then any.
    fn grant_of(&mut self, job: &Job) -> String {
        let any = format!("g-{}", 1 + self.below(6));
        let own: Vec<String> = self
            .model
            .grants
            .iter()
            .rev()
            .filter(|g| g.at == job.at && g.job == job.id)
            .map(|g| g.id.clone())
            .collect();
        match own.first() {
            Some(_) if !self.once_in(8) => own[self.seeded.below(own.len().min(2))].clone(),
            _ => any,
        }
    }

    fn lease_of(&mut self, job: &Job) -> String {
        let any = format!("l-{}", 1 + self.below(6));
        let own = self.model.leases.iter().rev().find(|l| l.at == job.at && l.job == job.id);
        match own.map(|l| l.id.clone()) {
            Some(own) if !self.once_in(8) => own,
            _ => any,
        }
    }

    fn submit(&mut self) -> Step {
        let who = self.lean("otto", &["bot-7", "olga", "ada", "x-op", "vera", "w-1"]);
        let at = if who == "x-op" { "/acme2" } else { self.pick(&["/acme", "/acme", "/acme", "/acme/lab"]) };
        let at = self.lean(at, &SCOPES);
        let known = &self.model.jobs;
        let free = JOBS.iter().find(|id| !known.iter().any(|j| j.at == at && j.id == **id));
        let id = self.lean(free.unwrap_or(&"j-9"), &JOBS);
        let capability = self.lean("access", &["uptime", "careful", "wipe", "ghost"]);
        let mode = self.lean("worker_ssh_dry_run", &MODES);
        let mode = if self.once_in(3) {
            self.pick(&["worker_stub_execution", "worker_local_read_only"])
        } else {
            mode
        };
        let ttl = format!("ttl_ms:={}", [60_000, 600_000, 3_600_000][self.below(3)]);
        let mut words = vec![format!("capability={capability}"), format!("mode={mode}"), ttl];
        if mode.contains("ssh") && !self.once_in(10) {
            words.push(format!("target={}", self.lean(TARGET, &[OTHER_TARGET])));
        }
        if capability == "uptime" && !self.once_in(8) {
            words.push(self.lean(r#"command:=["uptime"]"#, &[r#"command:=["uptime","-s"]"#]).to_owned());
        }
        if self.once_in(3) {
            words.push("fallback:=true".to_owned());
        }
        if self.once_in(8) {
            words.push(format!("stage={}", self.pick(&["test", "staging", "production"])));
        }
        if self.once_in(8) {
            words.push(format!("locality={}", self.pick(&["onsite", "local_dev"])));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.ask(who, "job.submit", at, id, &words)
    }

    fn release(&mut self, job: &Job) -> Step {
        let who = job.claim.as_ref().map_or("w-1", |(who, _)| who.as_str());
        let who = self.lean(who, &WORKERS).to_owned();
        let fence = self.fence(job);
        self.ask(&who, "claim.release", &job.at, &job.id, &[&fence])
    }

    fn release_event(&mut self, job: &Job) -> Step {
        let events = &self.model.quarantined;
        let (at, id, position) = match events.len() {
            0 => (job.at.clone(), job.id.clone(), 1),
            n => {
                let event = events[self.seeded.below(n)].clone();
                (event.at, event.job, event.position.unwrap_or(1))
            }
        };
        let who = self.lean("ada", &["otto", "mara"]);
        self.ask(who, "transcript.release", &at, &id, &[&format!("position:={position}")])
    }

    fn issue(&mut self, job: &Job, scope: &str) -> Step {
        let who = self.lean("otto", &["ada", "olga", "x-op"]);
        let id = format!("g-{}", 1 + self.below(6));
        let holder = job.claim.as_ref().map(|(who, _)| who.clone()).or(job.eligible.first().cloned());
        let worker = format!("worker={}", self.lean(&holder.unwrap_or("w-1".to_owned()), &WORKERS));
        let purpose = format!("use={}", self.lean(&job.capability, &["uptime"]));
        let (name, ttl) = (format!("job={}", self.lean(&job.id, &JOBS)), self.ttl());
        let words = [&name, &worker, &purpose, &ttl, "reference=test://canary"];
        self.ask(who, "grant.issue", scope, &id, &words)
    }

    fn start(&mut self, job: &Job, worker: &str, scope: &str) -> Step {
        let (fence, grant) = (self.fence(job), format!("grant={}", self.grant_of(job)));
        let lease = format!("lease={}", self.lease_of(job));
        let mut words = vec![fence.as_str()];
        if (job.capability == "access") != self.once_in(8) {
            words.push(&grant);
        }
        if self.once_in(3) {
            words.push(&lease);
        }
        self.ask(worker, "job.start", scope, &job.id, &words)
    }

    fn lease(&mut self, job: &Job, worker: &str, scope: &str) -> Step {
        let id = self.lease_of(job);
        let opened = self.model.leases.iter().any(|l| l.at == job.at && l.id == id && l.over.is_none());
        if !opened || self.once_in(8) {
            let id = format!("l-{}", 1 + self.below(6));
            let (fence, grant) = (self.fence(job), format!("grant={}", self.grant_of(job)));
            let name = format!("job={}", job.id);
            let reference = format!("reference={}", self.lean("test://canary", &["test://other"]));
            let purpose = format!("use={}", self.lean(&job.capability, &["uptime"]));
            let ttl = self.ttl();
            let words = [&fence, &grant, &name, &reference, &purpose, &ttl].map(String::as_str);
            return self.ask(worker, "lease.open", scope, &id, &words);
        }
        let printed = format!("fingerprints:=[{:?}]", material(&id));
        match self.below(8) {
            0..4 => self.ask(worker, "lease.resolve", scope, &id, &[&printed]),
            4..6 => self.ask(worker, "lease.close", scope, &id, &[]),
            6 => self.ask(worker, "lease.fail", scope, &id, &["failure=missing"]),
            _ => {
                let who = self.pick(&["otto", "ada", "olga", "w-1"]);
                self.ask(who, "lease.revoke", scope, &id, &[])
            }
        }
    }

    /// A text that a worker relays: mostly harmless.
    fn said(&mut self, job: &Job) -> String {
        match self.below(14) {
            0 => format!("it printed {}", secret()),
            1 => {
                let lease = self.model.leases.iter().rev().find(|l| l.job == job.id);
                format!("it printed {}", material(lease.map_or("l-1", |l| l.id.as_str())))
            }
            n => format!("step {}", n % 3),
        }
    }

    fn append(&mut self, job: &Job, worker: &str, scope: &str) -> Step {
        let next = job.accepted.len() + 1;
        let seq = match self.below(8) {
            0 => next + 1,
            1 | 2 => next.saturating_sub(1).max(1),
            _ => next,
        };
        let (fence, seq) = (self.fence(job), format!("seq:={seq}"));
        let part = self.pick(&["operator", "technical", "audit"]);
        let text = match self.below(12) {
            0 => String::new(),
            1 => "x".repeat(4_000 + self.below(2)),
            _ => self.said(job),
        };
        let mut words = vec![fence, seq];
        if !self.once_in(15) {
            words.push(format!("{part}={text}"));
        }
        if self.once_in(8) {
            words.push("final:=true".to_owned());
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.ask(worker, "transcript.append", scope, &job.id, &words)
    }

    fn report(&mut self, job: &Job, worker: &str, scope: &str) -> Step {
        let mode = self.lean(&job.mode, &MODES);
        let (capability, said) = (self.lean(&job.capability, &CAPABILITIES), self.said(job));
        let stopped = self.lean(stops_at(mode), &["completed"]);
        let network = self.once_in(12);
        let more = if self.once_in(10) { r#","prompt":"x""# } else { "" };
        let evidence = if self.once_in(15) {
            "nothing".to_owned()
        } else {
            format!(
                r#"{{"capability":"{capability}","mode":"{mode}","network_opened":{network},"stopped_at":"{stopped}","summary":"{said}"{more}}}"#
            )
        };
        let evidence = format!("evidence={evidence}");
        let (fence, outcome) = (self.fence(job), self.pick(&["outcome=succeeded", "outcome=failed"]));
        let grant = format!("grant={}", self.grant_of(job));
        let mut words = vec![fence.as_str(), outcome, &evidence];
        if (job.capability == "access") != self.once_in(10) {
            words.push(&grant);
        }
        self.ask(worker, "job.report", scope, &job.id, &words)
    }
}
