//! What is asked next? A seeded choice from small pools, so that things collide, leaning towards what leads somewhere.

use super::state::Oracle;
use super::{Ask, SYSTEM};
use crate::harness::Seeded;
use crate::harness::governed::{TARGET, typed};
use crate::harness::story::fingerprint;
use chancery_ledger::format::json::Value;

/// One step of a run.
#[derive(Clone, Debug)]
pub enum Step {
    Ask(Box<Ask>),
    /// Time passes, in milliseconds.
    Pass(i64),
    Sweep,
    Reopen,
}

pub const PEOPLE: [&str; 13] =
    ["founder", "ada", "mara", "otto", "vera", "olga", "bot-7", "w-1", "w-2", "w-3", "x-op", "x-w", "p-1"];
pub(super) const WORKERS: [&str; 5] = ["w-1", "w-2", "w-3", "x-w", "otto"];
pub(super) const SCOPES: [&str; 10] =
    ["/acme", "/acme", "/acme", "/acme", "/acme/lab", "/acme/lab", "/acme2", "/", "/acme/old", "/nowhere"];
pub(super) const JOBS: [&str; 5] = ["j-1", "j-2", "j-3", "j-4", "j-5"];
pub(super) const CAPABILITIES: [&str; 6] = ["access", "uptime", "careful", "wipe", "ghost", "access"];
pub(super) const OTHER_TARGET: &str = "ssh-ed25519:host-2.example:22";
pub(super) const MODES: [&str; 6] = [
    "local_dev_execution_mode",
    "worker_stub_execution",
    "worker_ssh_dry_run",
    "worker_ssh_preflight",
    "worker_ssh_live_nonproduction",
    "worker_local_read_only",
];
pub(super) const TTLS: [i64; 5] = [1_000, 5_000, 60_000, 600_000, 3_600_000];

/// A text that looks like a token of a well-known kind.
pub fn secret() -> String {
    format!("{}{}", concat!("gh", "p_"), "Zx8Kq2Lm9Vt4Rw7Ny1Pb6Hc3Jd5Fg0Sa4UeQ")
}

/// What is handed out under a lease.
pub fn material(lease: &str) -> String {
    format!("heron {lease} over the quiet lake")
}

pub(super) struct Draw<'a> {
    pub(super) model: &'a Oracle,
    pub(super) seeded: Seeded,
    pub(super) key: u64,
}

/// The next step.
pub fn draw(model: &Oracle, seed: u64) -> Step {
    let mut draw = Draw { model, seeded: Seeded::new(seed), key: seed };
    match draw.below(100) {
        0..8 => draw.pass(),
        8..12 => Step::Sweep,
        12 => Step::Reopen,
        13..19 => draw.again(),
        19..30 => draw.hold(),
        30..50 => draw.rule(),
        50..58 => draw.work_force(),
        _ => draw.work(),
    }
}

impl Draw<'_> {
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.seeded.below(n)
    }

    /// Once in so many times.
    pub(super) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }

    /// Usually this, now and then one of the others.
    pub(super) fn lean<'t>(&mut self, to: &'t str, from: &[&'t str]) -> &'t str {
        if self.once_in(8) { self.pick(from) } else { to }
    }

    pub(super) fn ttl(&mut self) -> String {
        format!("ttl_ms:={}", TTLS[self.below(TTLS.len())])
    }

    /// At least a minute, as some actions want it.
    pub(super) fn long_ttl(&mut self) -> String {
        format!("ttl_ms:={}", TTLS[2 + self.below(3)])
    }

    pub(super) fn ask(&mut self, who: &str, action: &str, at: &str, id: &str, words: &[&str]) -> Step {
        let Value::Object(args) = typed(words) else { panic!("arguments are an object") };
        let token = self.token(who);
        Step::Ask(Box::new(Ask {
            who: who.to_owned(),
            token,
            action: action.to_owned(),
            at: at.to_owned(),
            id: id.to_owned(),
            args,
            key: self.key,
        }))
    }

    /// Now and then a token instead of a signature.
    pub(super) fn token(&mut self, who: &str) -> Option<String> {
        let mine: Vec<String> =
            self.model.tokens.iter().filter(|t| t.principal == who).map(|t| t.id.clone()).collect();
        let use_one = !mine.is_empty() && self.once_in(3);
        use_one.then(|| mine[self.below(mine.len())].clone())
    }

    /// Time passes: to just before, exactly at, or just after a deadline, or by a little.
    pub(super) fn pass(&mut self) -> Step {
        let deadlines = self.model.deadlines();
        if deadlines.is_empty() || self.once_in(4) {
            return Step::Pass([1, 999, 1_000, 30_000][self.below(4)]);
        }
        let near = deadlines[self.below(deadlines.len().min(3))];
        let off = [-1, 0, 0, 1][self.below(4)];
        Step::Pass((near - self.model.now + off).max(0))
    }

    /// An earlier request under the same key, or nearly the same.
    pub(super) fn again(&mut self) -> Step {
        let all: Vec<usize> =
            (0..self.model.answered.len()).filter(|at| self.model.answered[*at].who != SYSTEM).collect();
        if all.is_empty() {
            return self.pass();
        }
        let last = all.len().min(12);
        let before = &self.model.answered[all[all.len() - 1 - self.seeded.below(last)]];
        let mut args = before.args.clone();
        if self.seeded.below(6) == 0
            && let Some(Value::Int(number)) = args.values_mut().find(|v| matches!(v, Value::Int(_)))
        {
            *number += if *number > 2_000 { -1 } else { 1 };
        }
        let key = if self.seeded.below(4) == 0 { self.key } else { before.key };
        let (who, action) = (before.who.clone(), before.action.clone());
        let (at, id) = (before.at.clone(), before.id.clone());
        Step::Ask(Box::new(Ask { who, token: None, action, at, id, args, key }))
    }

    /// Holds: answered by somebody, or the held request asked again.
    pub(super) fn hold(&mut self) -> Step {
        let live: Vec<usize> = (0..self.model.holds.len())
            .filter(|at| ["pending", "approved"].contains(&self.model.holds[*at].state))
            .collect();
        let at = match (live.is_empty(), self.model.holds.is_empty()) {
            (_, true) => return self.risky(),
            (true, false) => self.below(self.model.holds.len()),
            (false, false) => live[self.seeded.below(live.len())],
        };
        let hold = self.model.holds[at].clone();
        let scope = self.lean(&hold.at, &SCOPES).to_owned();
        match self.below(10) {
            0..4 => {
                let who = self.lean("ada", &PEOPLE);
                let who = if who == hold.who { "founder" } else { who };
                let who = self.lean(who, &[&hold.who, "otto", "mara"]).to_owned();
                self.ask(&who, "hold.approve", &scope, &hold.name, &[])
            }
            4 => {
                let who = self.pick(&["ada", "founder", "otto", "olga"]);
                self.ask(who, "hold.deny", &scope, &hold.name, &[])
            }
            5 => {
                let who = self.lean(&hold.who, &PEOPLE).to_owned();
                self.ask(&who, "hold.cancel", &scope, &hold.name, &[])
            }
            _ => {
                let mut args = hold.args.clone();
                if self.once_in(6)
                    && let Some(Value::Int(number)) = args.values_mut().find(|v| matches!(v, Value::Int(_)))
                {
                    *number += if *number > 2_000 { -1 } else { 1 };
                }
                let who = self.lean(&hold.who, &["ada", "founder"]).to_owned();
                let key = self.key;
                Step::Ask(Box::new(Ask {
                    who,
                    token: None,
                    action: hold.action,
                    at: scope,
                    id: hold.id,
                    args,
                    key,
                }))
            }
        }
    }

    /// What a second principal must confirm.
    pub(super) fn risky(&mut self) -> Step {
        let who = self.lean("founder", &["ada", "mara", "olga", "otto"]);
        let at = self.pick(&SCOPES);
        match self.below(8) {
            0 => {
                let id = self.pick(&["uptime", "fresh"]);
                let at = self.lean("/", &SCOPES);
                self.ask(who, "capability.register", at, id, &["risk=low", "grant:=true"])
            }
            1 | 2 => {
                let id = self.pick(&CAPABILITIES);
                self.ask(who, "capability.enable", at, id, &[])
            }
            3 => {
                let (id, ttl) = (self.pick(&MODES), self.long_ttl());
                self.ask(who, "switch.turn_on", at, id, &[&ttl])
            }
            4 | 5 => {
                let kills = &self.model.kills;
                if kills.is_empty() {
                    return self.ask(who, "switch.clear", at, "w-1", &["target=principal"]);
                }
                let kill = kills[self.seeded.below(kills.len())].clone();
                let target = format!("target={}", kill.target);
                self.ask(who, "switch.clear", &kill.at, &kill.id, &[&target])
            }
            6 => {
                let role = self.pick(&["org_admin", "msp_admin", "platform_admin"]);
                let to = format!("principal={}", self.pick(&["otto", "olga", "vera", "ada"]));
                self.ask(who, "role.assign", at, role, &[&to])
            }
            _ => {
                let actions = self.pick(&[
                    r#"actions:=["host_key.observe"]"#,
                    r#"actions:=["job.cancel","hold.approve"]"#,
                    r#"actions:=["job.expire"]"#,
                    r#"actions:=["ledger.confirm_clock"]"#,
                ]);
                let at = self.lean("/", &SCOPES);
                let id = self.lean("helper", &["auditor", "second"]);
                self.ask(who, "role.define", at, id, &[actions])
            }
        }
    }

    /// Scopes, principals, roles, tokens, host keys, capabilities and switches.
    pub(super) fn rule(&mut self) -> Step {
        let who = self.lean("founder", &PEOPLE);
        let at = self.pick(&SCOPES);
        let person = self.pick(&PEOPLE);
        let home = self.model.person(person).map_or("/acme".to_owned(), |p| p.scope.clone());
        let home = self.lean(&home, &SCOPES).to_owned();
        match self.below(20) {
            0 => {
                let (id, verb) = (self.pick(&["lab", "old", "new"]), self.pick(&["create", "close"]));
                self.ask(who, &format!("scope.{verb}"), at, id, &[])
            }
            1 => {
                let id = self.pick(&["p-1", "p-2", "w-1"]);
                let kind = self.pick(&["human", "human", "worker", "agent"]);
                let role = self.pick(&["msp_operator", "org_user", "worker", "agent", "platform_admin"]);
                let words = [format!("kind={kind}"), format!("role={role}")];
                self.ask(who, "principal.register", at, id, &[&words[0], &words[1]])
            }
            2..5 => {
                // Whoever runs the ledger is seldom lost: much else would stop with it.
                let person =
                    if ["founder", "ada"].contains(&person) { self.lean("otto", &PEOPLE) } else { person };
                let verb =
                    self.pick(&["activate", "suspend", "suspend", "reactivate", "reactivate", "reactivate"]);
                let verb = if self.once_in(12) { "revoke" } else { verb };
                let who = self.lean(who, &["ada", "mara"]);
                self.ask(who, &format!("principal.{verb}"), &home, person, &[])
            }
            5 | 6 => {
                let role =
                    self.pick(&["helper", "msp_operator", "org_user", "msp_viewer", "auditor", "worker"]);
                let to = format!("principal={person}");
                let ttl = self.long_ttl();
                let words: &[&str] = if self.once_in(2) { &[&to, &ttl] } else { &[&to] };
                self.ask(who, "role.assign", &home, role, words)
            }
            7 => {
                let to = format!("principal={person}");
                let further = self.model.person(person).and_then(|p| p.further.first().cloned());
                let role = further.map_or("helper".to_owned(), |f| f.0);
                self.ask(who, "role.unassign", &home, &role, &[&to])
            }
            8 => {
                let id = self.pick(&["tok000000001", "tok000000002", "tok000000003", "tok000000004"]);
                let (to, ttl) = (format!("principal={person}"), self.long_ttl());
                let within = format!("within={}", self.pick(&["/acme", "/acme/lab", "/acme2"]));
                let more = self.pick(&["once:=true", "once:=false", &within]);
                self.ask(who, "token.issue", &home, id, &[&to, &ttl, more])
            }
            9 => {
                let id = self.pick(&["tok000000001", "tok000000002", "tok000000003"]);
                self.ask(who, "token.revoke", &home, id, &[])
            }
            10..13 => {
                let (id, print) = (self.lean(TARGET, &[OTHER_TARGET]), self.lean("1", &["2"]));
                let print = format!("fingerprint={}", fingerprint(print.parse().expect("a number")));
                let verb = self.pick(&["observe", "verify", "verify", "reject"]);
                let verb = if self.once_in(15) { "disable" } else { verb };
                let who = self.lean("otto", &["bot-7", "ada", "w-1", "x-op", "olga"]);
                let at = self.lean("/acme", &SCOPES);
                let words: &[&str] = match verb {
                    "observe" => &[&print, "source=known_hosts"],
                    "disable" => &[],
                    _ => &[&print],
                };
                self.ask(who, &format!("host_key.{verb}"), at, id, words)
            }
            13 => {
                let id = self.pick(&CAPABILITIES);
                self.ask(who, "capability.disable", at, id, &[])
            }
            14 => {
                let id = self.pick(&MODES);
                self.ask(who, "switch.turn_off", at, id, &[])
            }
            15 | 16 => {
                let target = self.pick(&["scope", "principal", "principal", "capability", "capability"]);
                let id = match target {
                    "capability" => self.pick(&CAPABILITIES),
                    _ => self.pick(&["w-1", "w-2", "ada", "otto"]),
                };
                let at = if target == "scope" { self.lean("/acme/lab", &SCOPES) } else { at };
                let target = format!("target={target}");
                self.ask(who, "switch.engage", at, id, &[&target])
            }
            _ => self.risky(),
        }
    }

    /// Workers: what they say, and what is said of them.
    pub(super) fn work_force(&mut self) -> Step {
        let id = self.lean("w-1", &WORKERS);
        let at = self.model.worker_of(id).map_or("/acme".to_owned(), |w| w.at.clone());
        let at = self.lean(&at, &SCOPES).to_owned();
        let who = self.lean("founder", &["otto", "mara", "x-op"]);
        let itself = self.lean(id, &WORKERS);
        match self.below(12) {
            0..5 => {
                let health = if self.once_in(4) { "health=unhealthy" } else { "health=healthy" };
                let ttl = self.ttl();
                self.ask(itself, "worker.report", &at, id, &[health, &ttl])
            }
            5 => {
                let capabilities = self
                    .pick(&[r#"capabilities:=["access","uptime","careful"]"#, r#"capabilities:=["uptime"]"#]);
                let locality = self.pick(&["locality=onsite", "locality=local_dev"]);
                let redaction = if self.once_in(5) { "redaction:=false" } else { "redaction:=true" };
                self.ask(itself, "worker.declare", &at, id, &[capabilities, locality, redaction])
            }
            6 | 7 => {
                let capabilities = self.pick(&[
                    r#"capabilities:=["access","uptime","careful"]"#,
                    r#"capabilities:=["uptime"]"#,
                    r#"capabilities:=["ghost"]"#,
                ]);
                let to = format!("to={}", self.pick(&["/acme", "/acme", "/acme/lab", "/acme2"]));
                let targets = self.lean(r#"targets:=["host-1.example"]"#, &["targets:=[]"]);
                self.ask(who, "worker.assign", &at, id, &[capabilities, &to, targets])
            }
            8 => self.ask(who, "worker.suspend", &at, id, &[]),
            9 | 10 => {
                let trust = self.pick(&["trust=standard", "trust=trusted", "trust=probationary"]);
                self.ask(who, "worker.promote", &at, id, &[trust])
            }
            _ if self.once_in(3) => self.ask(who, "worker.revoke", &at, id, &[]),
            _ => self.ask(who, "worker.suspend", &at, id, &[]),
        }
    }
}
