//! Who is there to probe? Three tenants whose names begin alike, somebody of every role in one, and what is of value in each.

use crate::harness::server::{Cast, Server, Told, cast};
use chancery_ledger::gate::Role;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What no answer to somebody of `/acme` may have in it.
pub const FOREIGN: &[&str] = &["zedfor", "yanfor", "/beta", "/acme2", "jobfor", "hostfor", "zedzedzedzed"];

pub struct Estate {
    pub cast: Cast,
    pub server: Server,
    /// Tokens by what they are called: each role, and further ones.
    pub tokens: BTreeMap<String, String>,
    /// Positions of an entry of `/acme` and of one of `/beta`.
    pub positions: [u64; 2],
    asked: std::cell::Cell<u64>,
}

impl Estate {
    pub fn new(more: &[&str]) -> Self {
        let cast = cast();
        let server = Server::start(&cast.site, &[&["--failures-per-minute", "100000"], more].concat());
        let tokens = BTreeMap::from([("founder".to_owned(), cast.founder.clone())]);
        let mut estate = Self { cast, server, tokens, positions: [0, 0], asked: std::cell::Cell::new(0) };
        estate.furnish();
        estate
    }

    /// Asks for an action.
    pub fn ask(&self, who: &str, action: &str, scope: &str, id: &str, args: Value) -> Told {
        self.asked.set(self.asked.get() + 1);
        let body = json!({ "scope": scope, "entity": { "id": id }, "args": args }).to_string();
        self.server.invoke(action, &self.tokens[who], &format!("estate-{}", self.asked.get()), &body)
    }

    pub fn must(&self, who: &str, action: &str, scope: &str, id: &str, args: Value) -> Value {
        self.ask(who, action, scope, id, args).ok()
    }

    /// Does what a second one has to confirm.
    fn confirmed(&self, action: &str, scope: &str, id: &str, args: Value) {
        let held = self.ask("founder", action, scope, id, args.clone()).json();
        let hold = held["hold"].as_str().unwrap_or_else(|| panic!("{action} is not held: {held}")).to_owned();
        self.must("pia", "hold.approve", scope, &hold, json!({}));
        self.must("founder", action, scope, id, args);
    }

    /// Registers somebody, with a token that it is called by.
    pub fn enrol(&mut self, scope: &str, id: &str, role: Role, token: &str) -> u64 {
        let kind = role.machine_kind().map_or("human", |kind| kind.as_str());
        self.must("founder", "principal.register", scope, id, json!({"kind": kind, "role": role.as_str()}));
        let said = self.must("founder", "principal.activate", scope, id, json!({}));
        self.issue(id, scope, token, json!({"principal": id, "ttl_ms": 3_600_000}));
        let position = said["receipt"]["position"].as_str().expect("a position");
        position.split('.').nth(1).and_then(|text| text.parse().ok()).expect("a number")
    }

    pub fn issue(&mut self, name: &str, scope: &str, token: &str, args: Value) {
        let said = self.must("founder", "token.issue", scope, token, args);
        let secret = said["receipt"]["secret"].as_str().expect("a secret").to_owned();
        self.tokens.insert(name.to_owned(), secret);
    }

    fn furnish(&mut self) {
        self.must("founder", "scope.create", "/", "acme2", json!({}));
        self.must("founder", "scope.create", "/acme", "lab", json!({}));
        self.enrol("/", "pia", Role::MspAdmin, "piapiapiapia");
        self.positions[0] = self.enrol("/acme", "ownown", Role::OrgUser, "ownownownown");
        self.positions[1] = self.enrol("/beta", "zedfor", Role::OrgAdmin, "zedzedzedzed");
        self.enrol("/acme2", "yanfor", Role::OrgAdmin, "yanyanyanyan");
        self.enrol("/acme/lab", "labrat", Role::OrgUser, "labratlabrat");
        for (scope, job, host) in [("/acme", "jobown", "hostown"), ("/beta", "jobfor", "hostfor")] {
            self.observe(scope, host);
            if job == "jobown" {
                self.confirmed("capability.register", "/", "access", json!({"risk": "low"}));
            }
            self.confirmed("capability.enable", scope, "access", json!({}));
            let args = json!({"capability": "access", "mode": "worker_stub_execution", "ttl_ms": 600_000});
            self.must("founder", "job.submit", scope, job, args);
        }
        // Whoever administers the platform does so from above all: it is the founder.
        self.tokens.insert("platform_admin".to_owned(), self.cast.founder.clone());
        for (n, role) in (0..).zip(Role::ALL.iter().filter(|role| **role != Role::PlatformAdmin)) {
            let id = role.as_str().replace('_', "-");
            self.enrol("/acme", &id, *role, &format!("role{n:0>8}"));
            let token = self.tokens.remove(&id).unwrap_or_else(|| panic!("no token of {id}"));
            self.tokens.insert(role.as_str().to_owned(), token);
        }
        self.issue(
            "revoked",
            "/acme",
            "revokedtoken",
            json!({"principal": "org-admin", "ttl_ms": 3_600_000}),
        );
        self.must("founder", "token.revoke", "/acme", "revokedtoken", json!({}));
        let within = json!({"principal": "org-admin", "ttl_ms": 3_600_000, "within": "/acme/lab"});
        self.issue("narrowed", "/acme", "narrowedabcd", within);
        self.must("founder", "switch.engage", "/beta", "access", json!({"target": "capability"}));
    }

    /// Something of a tenant: a host key that waits for a review.
    pub fn observe(&self, scope: &str, host: &str) {
        let id = format!("ssh-ed25519:{host}.example:22");
        let print = json!({"fingerprint": crate::harness::story::fingerprint(1), "source": "known_hosts"});
        self.must("founder", "host_key.observe", scope, &id, print);
    }

    /// Verifies the ledger as somebody, and gives the operation's id once it is done.
    pub fn verified(&self, who: &str) -> String {
        let token = format!("authorization: Bearer {}", self.tokens[who]);
        let started = self.server.ask("POST", "/v1/verify", &[&token], Some("{}"));
        assert_eq!(started.status, 202, "{started:?}");
        let id = started.json()["id"].as_str().expect("an id").to_owned();
        let path = format!("/v1/operations/{id}");
        self.server.until("it is verified", |s| s.get(&path, &self.tokens[who]).ok()["done"] == true);
        id
    }
}
