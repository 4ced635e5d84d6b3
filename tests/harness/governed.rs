//! Who works in tests? A capability, a worker that may do it, and a job's life, told in a few words.

use super::story::{Story, code_of, fingerprint};
use chancery_ledger::domains::door::{MINUTE_MS, QUOTA};
use chancery_ledger::domains::hold;
use chancery_ledger::fingerprint::fingerprints_of;
use chancery_ledger::format::json::Value;
use chancery_ledger::store::read_fingerprint_key;
use chancery_ledger::{Answer, Code, Receipt};

/// The host key of the host that jobs are for.
pub const TARGET: &str = "ssh-ed25519:host-1.example:22";

/// Arguments of all kinds: `name=text`, `name:=json`.
pub fn typed(words: &[&str]) -> Value {
    let mut members = std::collections::BTreeMap::new();
    for word in words {
        let (name, value) = match word.split_once(":=") {
            Some((name, json)) => {
                (name, chancery_ledger::format::json::parse(json.as_bytes()).expect("JSON"))
            }
            None => {
                let (name, text) = word.split_once('=').expect("name=text");
                (name, Value::from(text))
            }
        };
        members.insert(name.to_owned(), value);
    }
    Value::Object(members)
}

impl Story {
    /// Asks with arguments of all kinds.
    pub fn put(&mut self, who: &str, action: &str, at: &str, id: &str, words: &[&str]) -> Answer {
        let request = self.request(who, action, at, id, typed(words));
        self.ledger.submit(request)
    }

    /// Asks, and panics unless it is allowed.
    pub fn did(&mut self, who: &str, action: &str, at: &str, id: &str, words: &[&str]) -> Receipt {
        match self.put(who, action, at, id, words) {
            Answer::Receipt(receipt) if receipt.code.is_none() => *receipt,
            other => panic!("{who} {action} {id} {words:?}: {other:?}"),
        }
    }

    /// Asks for what a second principal must confirm, has `ada` confirm it, and asks again.
    pub fn confirmed(&mut self, who: &str, action: &str, at: &str, id: &str, words: &[&str]) -> Receipt {
        let held = match self.put(who, action, at, id, words) {
            Answer::Receipt(receipt) => receipt.hold.unwrap_or_else(|| panic!("{action}: nothing is held")),
            other => panic!("{who} {action} {id}: {other:?}"),
        };
        self.did("ada", "hold.approve", at, &held, &[]);
        self.did(who, action, at, id, words)
    }

    /// After [`Self::cast`]: two capabilities that are enabled in /acme, a verified host, and the worker w-1.
    pub fn work(&mut self) {
        for (capability, more) in
            [("access_test", &["grant:=true"][..]), ("uptime", &[r#"commands:=[["uptime"],["uname","-r"]]"#])]
        {
            let mut words = vec!["risk=low"];
            words.extend(more);
            self.confirmed("founder", "capability.register", "/", capability, &words);
            self.confirmed("founder", "capability.enable", "/acme", capability, &[]);
        }
        let observed = [("fingerprint", fingerprint(1)), ("source", "access_test".to_owned())];
        let observed: Vec<(&str, &str)> =
            observed.iter().map(|(name, text)| (*name, text.as_str())).collect();
        self.must("bot-7", "host_key.observe", "/acme", TARGET, &observed);
        self.must("otto", "host_key.verify", "/acme", TARGET, &[("fingerprint", &fingerprint(1))]);
        self.worker("w-1");
    }

    /// A worker in /acme that may do both capabilities.
    pub fn worker(&mut self, id: &str) {
        self.enrol(id, "/acme", "worker", "worker");
        self.did("founder", "worker.promote", "/acme", id, &["trust=standard"]);
        let both = r#"capabilities:=["access_test","uptime"]"#;
        self.did(id, "worker.declare", "/acme", id, &[both, "locality=onsite", "redaction:=true"]);
        let assigned = [both, "to=/acme", r#"targets:=["host-1.example"]"#];
        self.did("founder", "worker.assign", "/acme", id, &assigned);
        self.did(id, "worker.report", "/acme", id, &["health=healthy", "ttl_ms:=3600000"]);
    }

    /// A job of one hour in dry run, routed to w-1.
    pub fn job(&mut self, id: &str) {
        let target = format!("target={TARGET}");
        let words = ["capability=access_test", "mode=worker_ssh_dry_run", "ttl_ms:=3600000", &target];
        self.did("otto", "job.submit", "/acme", id, &words);
    }

    /// A grant of half an hour on a job for w-1.
    pub fn grant(&mut self, id: &str, job: &str) {
        let job = format!("job={job}");
        let words = [&job, "worker=w-1", "reference=test://canary", "use=access_test", "ttl_ms:=1800000"];
        self.did("otto", "grant.issue", "/acme", id, &words);
    }

    /// Evidence of a dry run, as `evidence` takes it.
    pub fn evidence(more: &str) -> String {
        format!(
            r#"{{"capability":"access_test","mode":"worker_ssh_dry_run","network_opened":false,"stopped_at":"before_network"{more}}}"#
        )
    }

    /// A request with one text argument that has any content.
    pub fn with_text(
        &mut self,
        who: &str,
        action: &str,
        at: &str,
        id: &str,
        words: &[&str],
        text: (&str, &str),
    ) -> Answer {
        let mut value = typed(words);
        if let Value::Object(members) = &mut value {
            members.insert(text.0.to_owned(), Value::from(text.1));
        }
        let request = self.request(who, action, at, id, value);
        self.ledger.submit(request)
    }

    /// Asks, and panics unless the answer has this code; the hold that it names.
    pub fn told(
        &mut self,
        code: Code,
        who: &str,
        action: &str,
        at: &str,
        id: &str,
        words: &[&str],
    ) -> Option<Box<Receipt>> {
        let answer = self.put(who, action, at, id, words);
        assert_eq!(code_of(&answer), Some(code), "{who} {action} {id} {words:?}: {answer:?}");
        match answer {
            Answer::Receipt(receipt) => Some(receipt),
            _ => None,
        }
    }

    /// Lets time pass, and records what it made happen.
    fn sweep_after(&mut self, ms: i64) -> Vec<&'static str> {
        self.pass(ms);
        self.ledger.sweep().expect("a sweep").into_iter().map(|due| due.action).collect()
    }

    /// Every kind of event of governed work, in a ledger that has nobody yet.
    pub fn governed_everything(&mut self) {
        self.cast();
        self.work();
        self.authority();
        self.work_that_succeeds();
        self.work_that_ends_otherwise();
        self.work_that_nobody_ends();
        self.words();
        self.holds();
    }

    /// Roles, switches and a capability, given and taken.
    fn authority(&mut self) {
        let helper = r#"actions:=["host_key.disable"]"#;
        self.confirmed("founder", "role.define", "/", "helper", &[helper]);
        self.did("founder", "role.assign", "/acme", "helper", &["principal=bot-7", "ttl_ms:=600000"]);
        self.did("founder", "role.unassign", "/acme", "helper", &["principal=bot-7", "reason=done"]);
        let feature = "worker_local_read_only";
        self.confirmed("founder", "switch.turn_on", "/acme", feature, &["ttl_ms:=600000", "runbook=reads"]);
        self.did("founder", "switch.turn_off", "/acme", feature, &["reason=done"]);
        self.did("otto", "switch.engage", "/acme", "bot-7", &["target=principal", "reason=odd \u{2713}"]);
        self.confirmed("founder", "switch.clear", "/acme", "bot-7", &["target=principal"]);
        self.did("otto", "capability.disable", "/acme", "uptime", &["reason=odd"]);
        self.confirmed("founder", "capability.enable", "/acme", "uptime", &[]);
    }

    /// A job under a grant and a lease, with a transcript and a result.
    fn work_that_succeeds(&mut self) {
        self.job("j-1");
        self.grant("g-1", "j-1");
        self.did("otto", "preflight.evaluate", "/acme", "j-1", &[]);
        self.did("w-1", "claim.acquire", "/acme", "j-1", &["ttl_ms:=600000"]);
        self.did("w-1", "claim.renew", "/acme", "j-1", &["fence:=1", "ttl_ms:=900000"]);
        self.lease("l-1", "g-1", "j-1");
        let key = read_fingerprint_key(&self.paths.fingerprint_key()).expect("a key");
        let prints = fingerprints_of(&key, b"canary-of-the-story");
        let print = prints.first().expect("a fingerprint");
        self.did("w-1", "lease.resolve", "/acme", "l-1", &[&format!(r#"fingerprints:=["{print}"]"#)]);
        self.did("w-1", "job.start", "/acme", "j-1", &["fence:=1", "grant=g-1", "lease=l-1"]);
        let first = ["fence:=1", "seq:=1", "operator=it began", "technical=pid 1", "audit=by the runbook"];
        self.did("w-1", "transcript.append", "/acme", "j-1", &first);
        let early = ["fence:=1", "seq:=3", "operator=too early"];
        let kept = self.told(Code::Quarantined, "w-1", "transcript.append", "/acme", "j-1", &early);
        let position = kept.expect("a receipt").entries[0].position;
        self.did("founder", "transcript.release", "/acme", "j-1", &[&format!("position:={position}")]);
        let last = ["fence:=1", "seq:=2", "operator=it ended", "final:=true"];
        self.did("w-1", "transcript.append", "/acme", "j-1", &last);
        self.did("w-1", "lease.close", "/acme", "l-1", &[]);
        let empty = ["fence:=1", "grant=g-1", "outcome=succeeded", "evidence={}"];
        self.told(Code::ResultRejected, "w-1", "job.report", "/acme", "j-1", &empty);
        let evidence = format!("evidence={}", Self::evidence(""));
        let whole = ["fence:=1", "grant=g-1", "outcome=succeeded", &evidence];
        self.did("w-1", "job.report", "/acme", "j-1", &whole);
    }

    /// Jobs that fail, are cancelled, and find nobody.
    fn work_that_ends_otherwise(&mut self) {
        let stub =
            ["capability=uptime", r#"command:=["uptime"]"#, "mode=worker_stub_execution", "ttl_ms:=3600000"];
        self.did("otto", "job.submit", "/acme", "j-2", &stub);
        self.did("w-1", "claim.acquire", "/acme", "j-2", &["ttl_ms:=600000"]);
        self.did("w-1", "job.start", "/acme", "j-2", &["fence:=1"]);
        let evidence = r#"evidence={"capability":"uptime","mode":"worker_stub_execution","network_opened":false,"stopped_at":"before_execution"}"#;
        self.did("w-1", "job.report", "/acme", "j-2", &["fence:=1", "outcome=failed", evidence]);
        self.job("j-3");
        self.grant("g-3", "j-3");
        self.did("w-1", "claim.acquire", "/acme", "j-3", &["ttl_ms:=600000"]);
        self.lease("l-2", "g-3", "j-3");
        self.did("w-1", "lease.fail", "/acme", "l-2", &["failure=missing"]);
        self.lease("l-3", "g-3", "j-3");
        self.did("otto", "lease.revoke", "/acme", "l-3", &["reason=odd"]);
        self.did("otto", "grant.revoke", "/acme", "g-3", &["reason=odd"]);
        self.did("w-1", "claim.release", "/acme", "j-3", &["fence:=1"]);
        self.did("otto", "job.cancel", "/acme", "j-3", &["reason=odd"]);
        let nowhere = [&stub[..], &["locality=nowhere", "fallback:=true"]].concat();
        self.did("otto", "job.submit", "/acme", "j-4", &nowhere);
    }

    /// Jobs whose time runs out, before they were started and after.
    fn work_that_nobody_ends(&mut self) {
        let target = format!("target={TARGET}");
        let short = ["capability=access_test", "mode=worker_ssh_dry_run", "ttl_ms:=60000", &target];
        for (job, grant) in [("j-5", "g-5"), ("j-6", "g-6")] {
            self.did("otto", "job.submit", "/acme", job, &short);
            let of = format!("job={job}");
            let words = [&of, "worker=w-1", "reference=test://canary", "use=access_test", "ttl_ms:=30000"];
            self.did("otto", "grant.issue", "/acme", grant, &words);
            self.did("w-1", "claim.acquire", "/acme", job, &["ttl_ms:=30000"]);
        }
        let words = [
            "fence:=1",
            "grant=g-5",
            "job=j-5",
            "reference=test://canary",
            "use=access_test",
            "ttl_ms:=30000",
        ];
        self.did("w-1", "lease.open", "/acme", "l-5", &words);
        self.did("w-1", "job.start", "/acme", "j-6", &["fence:=1", "grant=g-6"]);
        let swept = self.sweep_after(30_000);
        let expected = ["claim.expire", "claim.expire", "grant.expire", "grant.expire", "lease.expire"];
        assert_eq!(swept, expected);
        assert_eq!(self.sweep_after(30_000), ["job.expire", "job.expire"]);
    }

    /// What is said about it all, and a worker's end.
    fn words(&mut self) {
        let seen = ["position:=1", "note=seen"];
        self.did("otto", "attention.acknowledge", "/acme", "item-1", &seen);
        let shown = ["item=worker_revoke", "passed:=true", "positions:=[1,2]", "narrative=it ends"];
        self.did("otto", "drill.record", "/acme", "d-1", &shown);
        self.did("otto", "worker.suspend", "/acme", "w-1", &["reason=odd"]);
        self.did("founder", "worker.promote", "/acme", "w-1", &["trust=trusted", "node=machine-1"]);
        let swept = self.sweep_after(3_600_000);
        assert_eq!(swept, ["worker.expire"]);
        self.did("founder", "worker.revoke", "/acme", "w-1", &["reason=gone"]);
        for n in 0..QUOTA {
            self.told(Code::RoleInsufficient, "bot-7", "scope.create", "/acme", &format!("s-{n}"), &[]);
        }
        self.told(Code::OverQuota, "bot-7", "scope.create", "/acme", "lab", &[]);
        self.pass(MINUTE_MS);
    }

    /// Holds that were not used.
    fn holds(&mut self) {
        let feature = ["ttl_ms:=60000"];
        let held = |story: &mut Self| {
            let code = Code::ConfirmationRequired;
            let receipt = story.told(code, "founder", "switch.turn_on", "/acme", "feature-1", &feature);
            receipt.and_then(|receipt| receipt.hold).expect("a hold")
        };
        let first = held(self);
        assert_eq!(held(self), first);
        self.did("ada", "hold.deny", "/acme", &first, &["reason=no"]);
        let second = held(self);
        self.did("founder", "hold.cancel", "/acme", &second, &[]);
        held(self);
        assert_eq!(self.sweep_after(hold::TTL_MS), ["hold.expire"]);
    }

    /// A lease of ten minutes for w-1, under the first fence.
    pub fn lease(&mut self, id: &str, grant: &str, job: &str) {
        let (grant, job) = (format!("grant={grant}"), format!("job={job}"));
        let words =
            ["fence:=1", &grant, &job, "reference=test://canary", "use=access_test", "ttl_ms:=600000"];
        self.did("w-1", "lease.open", "/acme", id, &words);
    }
}
