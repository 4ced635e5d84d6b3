//! What does governed work look like? Holds, a worker, jobs, a grant, a lease, a transcript, most of it asked for by token.

use super::forge::{int, object};
use super::story::{Story, args, fingerprint};
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::json::Value;
use chancery_ledger::gate::Credential;
use chancery_ledger::{Answer, Receipt};
use std::collections::BTreeMap;

/// A story in which everybody has a token.
pub struct Governed {
    pub story: Story,
    pub tokens: BTreeMap<String, String>,
}

/// A list of texts.
pub fn list(items: &[&str]) -> Value {
    Value::List(items.iter().map(|item| Value::from(*item)).collect())
}

/// Evidence of a job of the capability `probe` in the mode `worker_stub_execution`.
const EVIDENCE: &str = r#"{"capability":"probe","mode":"worker_stub_execution","network_opened":false,"stopped_at":"before_execution"}"#;
/// Milliseconds of a lifetime that outlasts the story.
const LONG: u64 = 600_000_000;
const REFERENCE: &str = "vault://kv/probe#token";

impl Governed {
    /// The people of the story, `uma` who may do little, and `wes` who works.
    pub fn begin(mut story: Story) -> Self {
        story.cast();
        story.enrol("uma", "/acme", "human", "org_user");
        story.enrol("wes", "/acme", "worker", "worker");
        let mut governed = Self { story, tokens: BTreeMap::new() };
        for (n, (who, at)) in
            [("founder", "/"), ("ada", "/"), ("otto", "/acme"), ("uma", "/acme"), ("wes", "/acme")]
                .into_iter()
                .enumerate()
        {
            let token = governed.issue(who, at, &format!("tok{n:09}"), false);
            governed.tokens.insert(who.to_owned(), token);
        }
        governed
    }

    /// A token, asked for and signed by the founder.
    pub fn issue(&mut self, who: &str, at: &str, id: &str, once: bool) -> String {
        let mut members = object(&[("principal", Value::from(who)), ("ttl_ms", int(LONG))]);
        if let (Value::Object(members), true) = (&mut members, once) {
            members.insert("once".to_owned(), Value::Bool(true));
        }
        let request = self.story.request("founder", "token.issue", at, id, members);
        match self.story.ledger.submit(request) {
            Answer::Receipt(receipt) => receipt.secret.clone().expect("a secret"),
            other => panic!("{other:?}"),
        }
    }

    /// Asks by token, whatever the answer; an answer it has.
    pub fn ask(&mut self, who: &str, action: &str, at: &str, id: &str, members: Value) -> Receipt {
        let key = hex(&blake3::hash(format!("{action} {id} {}", self.size()).as_bytes()).as_bytes()[..16]);
        self.ask_under(&key, who, action, at, id, members)
    }

    pub fn size(&self) -> u64 {
        self.story.ledger.look(|world| world.position)
    }

    pub fn ask_under(
        &mut self,
        key: &str,
        who: &str,
        action: &str,
        at: &str,
        id: &str,
        members: Value,
    ) -> Receipt {
        let key = chancery_ledger::format::ids::IdempotencyKey::parse(key).expect("a key");
        let mut request = self.story.request_with("founder", action, at, id, members, key);
        request.attestation = None;
        request.credential = Credential::Token(self.tokens[who].clone());
        match self.story.ledger.submit(request) {
            Answer::Receipt(receipt) => *receipt,
            other => panic!("{who} {action} {id}: {other:?}"),
        }
    }

    /// Asks by token, and panics unless it is allowed.
    pub fn must(&mut self, who: &str, action: &str, at: &str, id: &str, members: Value) -> Receipt {
        let receipt = self.ask(who, action, at, id, members);
        assert!(receipt.code.is_none(), "{who} {action} {id}: {receipt:?}");
        receipt
    }

    /// Asks for what a second principal must confirm; gives the key and the hold.
    pub fn held(&mut self, action: &str, at: &str, id: &str, members: Value) -> (String, String) {
        let key = format!("held-{action}-{id}-key");
        let receipt = self.ask_under(&key, "founder", action, at, id, members);
        (key, receipt.hold.expect("a hold"))
    }

    /// Asks for it, has it confirmed, and asks again.
    pub fn confirmed(&mut self, action: &str, at: &str, id: &str, members: Value) {
        let (key, hold) = self.held(action, at, id, members.clone());
        self.must("ada", "hold.approve", at, &hold, Value::object());
        let receipt = self.ask_under(&key, "founder", action, at, id, members);
        assert!(receipt.code.is_none() && !receipt.replay, "{action} {id}: {receipt:?}");
    }

    /// A capability, a worker that is up to it, and a few requests that stay unconfirmed.
    pub fn prepare(&mut self) {
        let capability = object(&[("risk", Value::from("low")), ("grant", Value::Bool(true))]);
        self.confirmed("capability.register", "/", "probe", capability.clone());
        self.confirmed("capability.enable", "/acme", "probe", Value::object());
        let (key, hold) = self.held("capability.register", "/", "denied", capability.clone());
        self.ask("founder", "capability.register", "/", "denied", capability.clone());
        self.must("ada", "hold.deny", "/", &hold, args(&[("reason", "not this one")]));
        self.ask_under(&key, "founder", "capability.register", "/", "denied", capability.clone());
        self.confirmed("role.define", "/", "watcher", object(&[("actions", list(&["host_key.observe"]))]));
        self.must("founder", "role.assign", "/acme", "watcher", args(&[("principal", "uma")]));
        self.must("founder", "worker.promote", "/acme", "wes", args(&[("trust", "standard")]));
        let declared = object(&[
            ("capabilities", list(&["probe"])),
            ("locality", Value::from("onsite")),
            ("redaction", Value::Bool(true)),
        ]);
        self.must("wes", "worker.declare", "/acme", "wes", declared);
        let assigned = object(&[("capabilities", list(&["probe"])), ("to", Value::from("/acme"))]);
        self.must("founder", "worker.assign", "/acme", "wes", assigned);
        let health = object(&[("health", Value::from("healthy")), ("ttl_ms", int(86_400_000))]);
        self.must("wes", "worker.report", "/acme", "wes", health);
    }

    pub fn submit(&mut self, job: &str, more: &[(&str, Value)]) -> Receipt {
        let mut members = vec![
            ("capability", Value::from("probe")),
            ("mode", Value::from("worker_stub_execution")),
            ("ttl_ms", int(3_600_000)),
        ];
        members.extend(more.iter().cloned());
        self.must("otto", "job.submit", "/acme", job, object(&members))
    }

    /// One job from its submission to its result, with all that can be said on the way.
    pub fn job(&mut self, job: &str) {
        self.submit(job, &[]);
        self.must("wes", "claim.acquire", "/acme", job, object(&[("ttl_ms", int(600_000))]));
        let (grant, lease) = (format!("g-{job}"), format!("l-{job}"));
        let issued = object(&[
            ("job", Value::from(job)),
            ("reference", Value::from(REFERENCE)),
            ("ttl_ms", int(600_000)),
            ("use", Value::from("probe")),
            ("worker", Value::from("wes")),
        ]);
        self.must("otto", "grant.issue", "/acme", &grant, issued);
        let opened = object(&[
            ("fence", int(1)),
            ("grant", Value::from(grant.as_str())),
            ("job", Value::from(job)),
            ("reference", Value::from(REFERENCE)),
            ("ttl_ms", int(600_000)),
            ("use", Value::from("probe")),
        ]);
        self.must("wes", "lease.open", "/acme", &lease, opened);
        let print = format!("f:16:{}", hex(&blake3::hash(job.as_bytes()).as_bytes()[..20]));
        self.must("wes", "lease.resolve", "/acme", &lease, object(&[("fingerprints", list(&[&print]))]));
        let start = object(&[
            ("fence", int(1)),
            ("grant", Value::from(grant.as_str())),
            ("lease", Value::from(lease.as_str())),
        ]);
        self.must("wes", "job.start", "/acme", job, start);
        for (seq, text, last) in [
            (1, "begun", false),
            (1, "begun", false),
            (1, "other", false),
            (9, "late", false),
            (2, "done", true),
        ] {
            let said = object(&[
                ("fence", int(1)),
                ("final", Value::Bool(last)),
                ("operator", Value::from(text)),
                ("seq", int(seq)),
            ]);
            self.ask("wes", "transcript.append", "/acme", job, said);
        }
        self.must("wes", "preflight.evaluate", "/acme", job, Value::object());
        self.must("wes", "lease.close", "/acme", &lease, Value::object());
        let report = |evidence: &str| {
            object(&[
                ("evidence", Value::from(evidence)),
                ("fence", int(1)),
                ("grant", Value::from(grant.as_str())),
                ("outcome", Value::from("succeeded")),
            ])
        };
        self.ask("wes", "job.report", "/acme", job, report("{}"));
        self.must("wes", "job.report", "/acme", job, report(EVIDENCE));
    }

    /// Observations and a review of host keys, a change among them.
    pub fn host_keys(&mut self) {
        let (host, other) = ("ssh-ed25519:host-1.example:22", "ssh-ed25519:host-2.example:22");
        let seen =
            |n: u64| args(&[("fingerprint", &fingerprint(n)), ("source", "ssh_keyscan"), ("comment", "x")]);
        let named = |n: u64| args(&[("fingerprint", &fingerprint(n))]);
        self.must("founder", "host_key.observe", "/acme", host, seen(1));
        self.must("otto", "host_key.observe", "/acme", other, seen(3));
        self.ask("uma", "host_key.verify", "/acme", host, named(1));
        self.must("otto", "host_key.verify", "/acme", host, named(1));
        self.must("founder", "host_key.observe", "/acme", host, seen(2));
        self.ask("otto", "host_key.verify", "/acme", host, named(1));
        self.must(
            "otto",
            "host_key.reject",
            "/acme",
            host,
            args(&[("fingerprint", &fingerprint(2)), ("reason", "no")]),
        );
    }

    /// All of it, and what the clock makes happen afterwards.
    pub fn everything(&mut self) {
        self.host_keys();
        self.prepare();
        self.job("j1");
        self.submit("blocked", &[("locality", Value::from("moon"))]);
        self.submit("left", &[]);
        self.ask(
            "wes",
            "transcript.append",
            "/acme",
            "left",
            object(&[("fence", int(1)), ("operator", Value::from("seen too early")), ("seq", int(1))]),
        );
        let token = self.issue("otto", "/acme", "tokonce00001", true);
        self.tokens.insert("otto-once".to_owned(), token);
        let host = "ssh-ed25519:host-4.example:22";
        let seen = args(&[("fingerprint", &fingerprint(4)), ("source", "known_hosts")]);
        self.must("otto-once", "host_key.observe", "/acme", host, seen);
        self.must("otto", "switch.engage", "/acme", "stop", args(&[("target", "scope")]));
        self.ask(
            "otto",
            "job.submit",
            "/acme",
            "stopped",
            object(&[
                ("capability", Value::from("probe")),
                ("mode", Value::from("worker_stub_execution")),
                ("ttl_ms", int(3_600_000)),
            ]),
        );
        self.confirmed("switch.clear", "/acme", "stop", args(&[("target", "scope")]));
        self.held("capability.register", "/", "late", object(&[("risk", Value::from("low"))]));
        self.story.pass(86_400_000 + 1);
        let swept = self.story.ledger.sweep().expect("a sweep");
        assert!(swept.len() >= 3, "{swept:?}");
        let key = "held-capability.register-late-key";
        let again = object(&[("risk", Value::from("low"))]);
        self.ask_under(key, "founder", "capability.register", "/", "late", again);
    }
}
