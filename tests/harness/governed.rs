//! Who works in tests? A capability, a worker that may do it, and a job's life, told in a few words.

use super::story::{Story, fingerprint};
use chancery_ledger::format::json::Value;
use chancery_ledger::{Answer, Receipt};

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
}
