//! How does a journey told in text run? One step a line, on one ledger, in one of three ways: `fixtures/README.md` has the
//! verbs, `ways` what each way does.

mod checks;
mod damage;
mod end;
mod parse;
mod ways;

pub use ways::Way;

use super::server::Server;
use super::site::Site;
use crate::providers::{End, Vault, private};
use chancery_ledger::format::encoding::base64;
use chancery_ledger::format::ids::PrincipalId;
use chancery_ledger::format::key::{PrivateKey, author_key_file};
use chancery_ledger::format::statement::enrolment_bytes;
use chancery_ledger::store::{Paths, write_secret};
use chancery_ledger::{Clock, Entropy, Ledger};
use parse::{split, text};
use serde_json::Value;
use std::collections::BTreeMap;

/// The first instant of every journey.
const BEGIN: i64 = 1_790_000_000_000;
const NAME: &str = "journey.example";
const ORIGIN: &str = "journey.example/e1";
/// What a clock may go ahead of the time that passed before the writer stops (SPEC 11), in milliseconds.
const JUMP_MS: i64 = 60_000;

/// A journey under way.
pub struct Journey {
    way: Way,
    site: Site,
    file: String,
    names: BTreeMap<String, String>,
    clock: i64,
    /// The clock of a ledger that is open in this process.
    time: Clock,
    ledger: Option<Ledger>,
    /// The server of the ledger, while nobody else needs the directory.
    server: Option<Server>,
    keys: BTreeMap<String, (String, PrivateKey)>,
    /// Number of somebody's next signature, as far as it is known without a look at the ledger.
    seqs: BTreeMap<String, u64>,
    tokens: BTreeMap<String, String>,
    vaults: Vec<Vault>,
    canaries: Vec<String>,
    printed: Vec<String>,
    /// Entries that were looked at.
    entries: BTreeMap<u64, Value>,
    /// Digests of the views, and entries that they were folded from.
    remembered: BTreeMap<String, (u64, Vec<String>)>,
    asked: usize,
}

fn paths(site: &Site) -> Paths {
    Paths::of(&site.path("l"))
}

/// Clauses of a journey that belong to later work.
pub fn later(file: &str) -> Vec<String> {
    text(file).lines().filter_map(|line| line.strip_prefix("later: ")).map(str::to_owned).collect()
}

impl Journey {
    /// Walks a journey to its end, where the ledger verifies and no canary is anywhere.
    pub fn walk(file: &str, way: Way) {
        let mut journey = Self {
            way,
            site: Site::new(),
            file: file.to_owned(),
            names: BTreeMap::new(),
            clock: BEGIN,
            time: Clock::manual(BEGIN),
            ledger: None,
            server: None,
            keys: BTreeMap::new(),
            seqs: BTreeMap::new(),
            tokens: BTreeMap::new(),
            vaults: Vec::new(),
            canaries: Vec::new(),
            printed: Vec::new(),
            entries: BTreeMap::new(),
            remembered: BTreeMap::new(),
            asked: 0,
        };
        journey.set_clock();
        let made = journey.binary(&["init", "--name", NAME, "--stage", "test"]);
        assert_eq!(made.code, 0, "{}", made.stderr);
        if way == Way::Http {
            // Before the first step that counts entries.
            journey.token("founder");
        }
        journey.lines(file);
        journey.end();
    }

    fn set_clock(&self) {
        std::fs::write(self.site.path("clock"), self.clock.to_string()).expect("a clock");
    }

    /// Time passes. A server whose clock jumped takes no requests, so a long time passes while there is none.
    fn pass(&mut self, ms: i64) {
        if ms > JUMP_MS {
            self.release();
        }
        self.clock += ms;
        self.time.advance(ms, ms);
        self.set_clock();
    }

    /// Nobody has the ledger open any more: one process holds it.
    fn release(&mut self) {
        if let Some(ledger) = self.ledger.take() {
            ledger.close().expect("a clean end");
        }
        if let Some(server) = self.server.take() {
            let log = server.log.clone();
            assert_eq!(server.stop(), Some(0), "{}: the server ends well", self.file);
            self.printed.push(std::fs::read_to_string(log).unwrap_or_default());
        }
    }

    fn lines(&mut self, file: &str) {
        for (index, line) in text(file).lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') && !line.starts_with("later: ") {
                let at = format!("{file}:{}: {line}", index + 1);
                self.line(line, &at);
            }
        }
    }

    /// A word with what its names stand for, the longest name first.
    fn fill(&self, word: &str) -> String {
        let mut word = word.to_owned();
        for (name, value) in self.names.iter().rev() {
            word = word.replace(&format!("${name}"), value);
        }
        assert!(!word.contains('$'), "{}: nothing stands for a name in `{word}`", self.file);
        word
    }

    fn line(&mut self, line: &str, at: &str) {
        // What is asked in HTTP's own words may use what only such an answer gave.
        if line.starts_with("http ") && self.way != Way::Http {
            return;
        }
        let words: Vec<String> = split(line).iter().map(|word| self.fill(word)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["include", file] => self.lines(file),
            ["let", name, value] => drop(self.names.insert(name.to_owned(), value.to_owned())),
            ["clock", ms] => self.pass(ms.parse().expect("milliseconds")),
            ["file", name, text] => private(&self.site.path(name), &format!("{text}\n")),
            ["hosts", name, count] => {
                let lines = super::site::known_hosts(1, count.parse().expect("a number"));
                std::fs::write(self.site.path(name), lines).expect("a file");
            }
            ["vault", name, ref answer @ ..] => self.vault(name, answer),
            ["canary", canary] => self.canaries.push(canary.to_owned()),
            ["enrol", id, scope, kind, role] => self.enrol(id, scope, kind, role, at),
            ["held", who, ref rest @ ..] => self.held(who, rest, at),
            ["told", job, ref events @ ..] => self.told(job, &events.join(" "), at),
            ["see", who, path, "=>", ref expected @ ..] => {
                if let Some(seen) = self.look(who, path) {
                    self.printed.push(seen.to_string());
                    self.hold(&seen, &seen.to_string(), expected, at);
                }
            }
            ["absent", name] => assert!(!self.site.path(name).exists(), "{at}"),
            ["entries", least] => {
                let least: u64 = least.parse().expect("a number");
                assert!(self.size() >= least, "{at}: {}", self.size());
            }
            ["http", who, ref rest @ ..] => self.http(who, rest, at),
            ["restart"] => self.release(),
            ["remember", name] => {
                let rows = self.rows(None);
                self.remembered.insert(name.to_owned(), rows);
            }
            ["rebuilt", name] => self.rebuilt(name, at),
            ["forget"] => self.forget(),
            ["head", name] => self.keep_head(name),
            ["export", head, recipe, "=>", ref expected @ ..] => self.export(head, recipe, expected, at),
            ["live", head, what, position, "=>", ref expected @ ..] => {
                self.live(head, what, position.parse().expect("a position"), expected, at);
            }
            [who, ref rest @ ..] => drop(self.step(who, rest, at)),
            [] => {}
        }
    }

    fn vault(&mut self, name: &str, answer: &[&str]) {
        let vault = match answer {
            ["slow"] => Vault::that("HTTP/1.1 200", End::Waits),
            [status, body] => Vault::saying(&status.replace('_', " "), "", body),
            other => panic!("{}: a Vault that answers {other:?}", self.file),
        };
        let config = serde_json::json!({
            "enabled": ["vault"],
            "vault": {"address": format!("http://{}", vault.address), "token_file": "vault-token", "timeout_ms": 300},
        });
        private(&self.site.path("vault-token"), "a-token-of-the-vault\n");
        std::fs::write(self.site.path(&format!("{name}.json")), config.to_string()).expect("a file");
        self.vaults.push(vault);
    }

    fn key(&self, who: &str) -> String {
        let file = if who == "founder" { "l.keys/founder.key".to_owned() } else { format!("{who}.key") };
        self.site.path(&file).to_str().expect("a path").to_owned()
    }

    fn enrol(&mut self, id: &str, scope: &str, kind: &str, role: &str, at: &str) {
        let at_scope = ["--scope", scope, "--id", id];
        let registered = format!("do principal.register kind={kind} role={role}");
        let mut words: Vec<&str> = registered.split(' ').chain(at_scope).chain(["=>", "0"]).collect();
        self.step("founder", &words, at);
        words = ["do", "principal.activate"].into_iter().chain(at_scope).chain(["=>", "0"]).collect();
        // Whoever registers does not activate; the founder does both while there is nobody else.
        let activator = if self.site.path("ada.key").exists() { "ada" } else { "founder" };
        self.step(activator, &words, at);
        let (entity, args) = self.proven(id);
        let mut words = vec!["do", "key.enrol", "--scope", scope, "--id", &entity];
        words.extend(args.iter().map(String::as_str));
        words.extend(["=>", "0"]);
        self.step("founder", &words, at);
    }

    /// A new key of somebody, and what proves that it has it.
    fn proven(&mut self, id: &str) -> (String, Vec<String>) {
        let path = self.key(id);
        if self.way == Way::Cli {
            self.printed_by(&["key", "generate", "--principal", id, "--out", &path]);
            let proof = self.printed_by(&["key", "prove", &path, "--log", ORIGIN]);
            let arg = |name: &str| format!("{name}={}", proof["args"][name].as_str().expect("text"));
            let args = ["principal", "public", "proof"].map(arg).to_vec();
            return (proof["id"].as_str().expect("an id").to_owned(), args);
        }
        let seed = Entropy::default().take::<32>().expect("entropy");
        let principal = PrincipalId::parse(id).expect("an id");
        write_secret(std::path::Path::new(&path), &author_key_file(&principal, &seed)).expect("a key file");
        let key = PrivateKey::from_seed(&seed);
        let public = key.public().to_bytes();
        let proof = base64(&key.sign(&enrolment_bytes(ORIGIN, id, &public).expect("a text")));
        let args =
            vec![format!("principal={id}"), format!("public={}", base64(&public)), format!("proof={proof}")];
        (key.public().id().entity(), args)
    }

    fn held(&mut self, who: &str, rest: &[&str], at: &str) {
        let end = rest.iter().position(|word| *word == "=>").unwrap_or(rest.len());
        let asked = [&rest[..end], &["=>", "1", "confirmation_required"]].concat();
        let held = self.step(who, &asked, at);
        let scope = parse::option(rest, "--scope").unwrap_or("/");
        let hold = held["hold"].as_str().expect("a hold");
        self.step("ada", &["do", "hold.approve", "--scope", scope, "--id", hold, "=>", "0"], at);
        let again = if end == rest.len() { [rest, &["=>", "0"]].concat() } else { rest.to_vec() };
        self.step(who, &again, at);
    }

    /// The accepted events of a job's transcript are these.
    fn told(&mut self, job: &str, events: &str, at: &str) {
        let seen = self.look("founder", &format!("transcripts/{job}?limit=100")).expect("a transcript");
        let found: Vec<String> =
            checks::places(&seen, "items/*/text").into_iter().map(checks::plain).collect();
        assert_eq!(found.join("|"), events, "{at}\nway {}: {seen}", self.way.as_str());
    }
}
