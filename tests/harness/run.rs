//! Does a ledger answer as the model does? One run of both, step by step, and the chain that it leaves.

use super::leaves::{self, Leaf};
use super::oracle::{self, Ask, Entry, Oracle, Person, Said, Step};
use super::story::{NAME, Story, scope};
use super::{Home, copy_tree};
use chancery_ledger::domains::World;
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::fingerprint::{FingerprintKey, fingerprints_of};
use chancery_ledger::format::ids::IdempotencyKey;
use chancery_ledger::format::json::Value;
use chancery_ledger::format::key::PrivateKey;
use chancery_ledger::gate::{Credential, Request, new_request};
use chancery_ledger::store::{Paths, read_fingerprint_key};
use chancery_ledger::{Answer, Clock, Effect, Receipt};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Who is there beside the founder: id, scope, kind and role.
const CAST: [(&str, &str, &str, &str); 11] = [
    ("ada", "/", "human", "platform_admin"),
    ("mara", "/acme", "human", "msp_admin"),
    ("otto", "/acme", "human", "msp_operator"),
    ("vera", "/acme", "human", "msp_viewer"),
    ("olga", "/acme", "human", "org_admin"),
    ("bot-7", "/acme", "agent", "agent"),
    ("w-1", "/acme", "worker", "worker"),
    ("w-2", "/acme", "worker", "worker"),
    ("w-3", "/acme/lab", "worker", "worker"),
    ("x-op", "/acme2", "human", "msp_operator"),
    ("x-w", "/acme2", "worker", "worker"),
];

/// What is told before a run: requests of the form `who action scope id arguments`, all of them allowed. With `!` the
/// first is confirmed by ada and asked again.
const SETUP: &str = r#"
    ! founder capability.register / access risk=low grant:=true
    ! founder capability.register / uptime risk=low commands:=[["uptime"],["uname","-r"]] trust=probationary
    ! founder capability.register / careful risk=high
    ! founder capability.register / wipe risk=destructive
    ! founder capability.enable /acme access
    ! founder capability.enable / uptime
    ! founder capability.enable /acme careful
    ! founder capability.enable /acme wipe
    ! founder capability.enable /acme2 access
    ! founder switch.turn_on / worker_local_read_only ttl_ms:=86400000
    ! founder switch.turn_on /acme worker_local_read_only ttl_ms:=86400000
    ! founder switch.turn_on / local_dev_execution_mode ttl_ms:=86400000
    ! founder switch.turn_on /acme local_dev_execution_mode ttl_ms:=86400000
    bot-7 host_key.observe /acme ssh-ed25519:host-1.example:22 fingerprint=$print source=known_hosts
    otto host_key.verify /acme ssh-ed25519:host-1.example:22 fingerprint=$print
    bot-7 host_key.observe /acme ssh-ed25519:host-2.example:22 fingerprint=$print source=known_hosts
    founder worker.promote /acme w-1 trust=standard
    founder worker.promote /acme w-2 trust=trusted
    founder worker.promote /acme/lab w-3 trust=standard
    founder worker.promote /acme2 x-w trust=standard
    w-1 worker.declare /acme w-1 capabilities:=["access","uptime","careful"] locality=onsite redaction:=true
    w-2 worker.declare /acme w-2 capabilities:=["access","uptime"] locality=local_dev redaction:=true
    w-3 worker.declare /acme/lab w-3 capabilities:=["access","uptime"] locality=onsite redaction:=true
    x-w worker.declare /acme2 x-w capabilities:=["access","uptime"] locality=onsite redaction:=true
    founder worker.assign /acme w-1 capabilities:=["access","uptime","careful"] to=/acme targets:=["host-1.example"]
    founder worker.assign /acme w-2 capabilities:=["access","uptime"] to=/acme targets:=["host-1.example"]
    founder worker.assign /acme/lab w-3 capabilities:=["access","uptime"] to=/acme/lab targets:=["host-1.example"]
    founder worker.assign /acme2 x-w capabilities:=["access","uptime"] to=/acme2 targets:=["host-1.example"]
    w-1 worker.report /acme w-1 health=healthy ttl_ms:=3600000
    w-2 worker.report /acme w-2 health=healthy ttl_ms:=86400000
    w-3 worker.report /acme/lab w-3 health=healthy ttl_ms:=600000
    x-w worker.report /acme2 x-w health=healthy ttl_ms:=86400000
"#;

/// A ledger that was set up once, and what the model knows of it; every run begins with a copy.
pub struct Template {
    home: Home,
    oracle: Oracle,
    keys: BTreeMap<String, PrivateKey>,
}

/// A run of ledger and model together.
pub struct Run {
    _home: Home,
    /// There is always one, but while it is opened again.
    story: Option<Story>,
    oracle: Oracle,
    prints: FingerprintKey,
    /// The secrets of tokens, by id.
    tokens: BTreeMap<String, String>,
    /// What entries must be, by position.
    expected: BTreeMap<u64, Entry>,
    /// Number of the last request with a key of its own.
    keys: u64,
    /// What was asked and answered, to be shown.
    pub told: Vec<String>,
}

fn person(id: &str, at: &str, kind: &str, role: &str, registrar: &str) -> Person {
    Person {
        id: id.to_owned(),
        kind: kind.to_owned(),
        role: role.to_owned(),
        scope: at.to_owned(),
        standing: "active",
        registrar: registrar.to_owned(),
        suspender: String::new(),
        further: Vec::new(),
        has_key: true,
    }
}

impl Template {
    /// People, capabilities, a verified host, features and workers: told to both, with the same answers.
    pub fn new() -> Self {
        let home = Home::in_memory();
        let mut story = Story::begin(home.path("").as_path(), Form::Heads);
        let mut oracle = Oracle::at(story.clock.wall());
        oracle.people.push(person("founder", "/", "human", "platform_admin", oracle::SYSTEM));
        for (at, id) in [("/", "acme"), ("/", "acme2"), ("/acme", "lab"), ("/acme", "old")] {
            story.must("founder", "scope.create", at, id, &[]);
            let child = if at == "/" { format!("/{id}") } else { format!("{at}/{id}") };
            oracle.scopes.push((child, id != "old"));
        }
        story.must("founder", "scope.close", "/acme", "old", &[]);
        for (id, at, kind, role) in CAST {
            story.enrol(id, at, kind, role);
            oracle.people.push(person(id, at, kind, role, "founder"));
        }
        let mut run = Run::of(home, story, oracle);
        for line in SETUP.lines().map(str::trim).filter(|line| !line.is_empty()) {
            run.set_up(line);
        }
        let Run { _home: home, story, oracle, .. } = run;
        let story = story.expect("a story");
        story.ledger.close().expect("a clean end");
        Self { home, oracle, keys: story.keys }
    }

    /// A run on a copy.
    pub fn run(&self) -> Run {
        let home = Home::in_memory();
        copy_tree(&self.home.path(""), &home.path(""));
        let paths = Paths::of(&home.path("").join("ledger"));
        let story = Story::resume(paths, self.keys.clone(), Clock::manual(self.oracle.now));
        Run::of(home, story, self.oracle.clone())
    }
}

impl Run {
    /// The ledger as far as it was told.
    pub fn ledger(&self) -> &chancery_ledger::Ledger {
        &self.story.as_ref().expect("a story").ledger
    }

    fn of(home: Home, story: Story, oracle: Oracle) -> Self {
        let prints = read_fingerprint_key(&story.paths.fingerprint_key()).expect("the key of fingerprints");
        let (tokens, expected) = (BTreeMap::new(), BTreeMap::new());
        Self { _home: home, story: Some(story), oracle, prints, tokens, expected, keys: 0, told: Vec::new() }
    }

    /// The ledger as it stands, for whoever folds it.
    pub fn now(&self) -> &Story {
        self.story.as_ref().expect("a story")
    }

    fn story(&mut self) -> &mut Story {
        self.story.as_mut().expect("a story")
    }

    fn set_up(&mut self, line: &str) {
        let (confirmed, line) = line.strip_prefix("! ").map_or((false, line), |rest| (true, rest));
        let line = line.replace("$print", &super::story::fingerprint(1));
        let words: Vec<&str> = line.split(' ').collect();
        let Value::Object(args) = super::governed::typed(&words[4..]) else { panic!("arguments") };
        self.keys += 1;
        let mut ask = Ask {
            who: words[0].to_owned(),
            token: None,
            action: words[1].to_owned(),
            at: words[2].to_owned(),
            id: words[3].to_owned(),
            args,
            key: self.keys,
        };
        let step = |run: &mut Self, ask: &Ask| {
            run.ask(ask).unwrap_or_else(|why| panic!("{line}: {why}")).expect("a request")
        };
        let mut said = step(self, &ask);
        if confirmed {
            let id = self.oracle.holds[said.hold.expect("a hold")].name.clone();
            let (who, action) = ("ada".to_owned(), "hold.approve".to_owned());
            let approve = Ask { who, action, id, args: BTreeMap::new(), ..ask.clone() };
            assert_eq!(step(self, &approve).effect, "allow", "{line}");
            self.keys += 1;
            ask.key = self.keys;
            said = step(self, &ask);
        }
        assert_eq!(said.effect, "allow", "{line}");
    }

    /// One step drawn from a number; the difference, when there is one.
    pub fn step(&mut self, seed: u64) -> Result<(), String> {
        match oracle::draw(&self.oracle, seed) {
            Step::Ask(ask) => self.ask(&ask).map(|_| ()),
            Step::Pass(ms) => {
                self.told.push(format!("+{ms} ms"));
                self.story().pass(ms);
                self.oracle.now += ms;
                Ok(())
            }
            Step::Sweep => self.sweep(),
            Step::Reopen => {
                self.told.push("reopen".to_owned());
                self.reopen()
            }
        }
    }

    /// Ends the writer and begins again: the world that is folded from the leaves alone is the one that was decided from.
    fn reopen(&mut self) -> Result<(), String> {
        let before: World = self.story().ledger.look(Clone::clone);
        self.story = self.story.take().map(Story::reopen);
        let after: World = self.story().ledger.look(Clone::clone);
        if before != after {
            return Err(format!("the world folded anew is another:\n{before:?}\n{after:?}"));
        }
        Ok(())
    }

    fn sweep(&mut self) -> Result<(), String> {
        let expected = self.oracle.sweep();
        let first = self.story().ledger.look(|world| world.position);
        let found = self.story().ledger.sweep().expect("a sweep");
        let found: Vec<String> =
            found.iter().map(|due| format!("{} {} {}", due.action, due.scope, due.id)).collect();
        self.told.push(format!("sweep: {found:?}"));
        let named: Vec<String> =
            expected.iter().map(|(due, _)| format!("{} {} {}", due.action, due.at, due.id)).collect();
        if named != found {
            return Err(format!("swept: model {named:?}, ledger {found:?}"));
        }
        let entries = expected.into_iter().flat_map(|(_, entries)| entries);
        self.expected.extend((first..).zip(entries));
        Ok(())
    }

    /// Asks both, and compares effect, code and kinds of entries.
    pub fn ask(&mut self, ask: &Ask) -> Result<Option<Said>, String> {
        let token = ask.token.as_ref();
        // What is out of bounds asks nothing.
        let Some(request) = self.request(ask, token) else { return Ok(None) };
        let said = self.oracle.ask(ask);
        let answer = self.story().ledger.submit(request);
        let shown: Vec<String> = ask.args.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        let token = token.map_or(String::new(), |id| format!(" (token {id})"));
        let text = format!(
            "{}{token} {} {} {} {} key {:x}: {}",
            ask.who,
            ask.action,
            ask.at,
            ask.id,
            shown.join(" "),
            ask.key,
            brief(&answer)
        );
        self.told.push(text);
        if brief(&answer) != expected(&said) {
            return Err(format!("model {}, ledger {}", expected(&said), brief(&answer)));
        }
        if let Answer::Receipt(receipt) = &answer {
            self.learn(ask, &said, receipt);
        }
        Ok(Some(said))
    }

    /// What only the ledger can know: ids of holds, secrets of tokens, positions.
    fn learn(&mut self, ask: &Ask, said: &Said, receipt: &Receipt) {
        if receipt.replay {
            return;
        }
        if let (Some(at), Some(name)) = (said.hold, &receipt.hold) {
            self.oracle.holds[at].name.clone_from(name);
        }
        if let Some(secret) = &receipt.secret {
            self.tokens.insert(ask.id.clone(), secret.clone());
        }
        let first = receipt.entries[0].position;
        if said.entries[0].kind == "transcript.quarantined" {
            self.oracle.quarantined.last_mut().expect("a quarantined event").position = Some(first);
        }
        self.expected.extend((first..).zip(said.entries.iter().cloned()));
    }

    fn request(&mut self, ask: &Ask, token: Option<&String>) -> Option<Request> {
        let mut args = ask.args.clone();
        if ask.action == "lease.resolve" {
            // Fingerprints depend on a key that the model does not have.
            let text = match args.get("fingerprints") {
                Some(Value::List(of)) => of[0].text().unwrap_or_default().to_owned(),
                _ => String::new(),
            };
            let prints = fingerprints_of(&self.prints, text.as_bytes());
            let prints = prints.iter().map(|print| Value::from(print.to_string().as_str())).collect();
            args.insert("fingerprints".to_owned(), Value::List(prints));
        }
        let key = IdempotencyKey::parse(&format!("key-of-a-run-{:020}", ask.key)).expect("a key");
        let story = self.story.as_mut().expect("a story");
        let salt = story.fresh_salt();
        let request =
            new_request(&ask.action, &scope(&ask.at), Some(&ask.id), NAME, Value::Object(args), key, salt);
        let mut request = request.ok()?;
        match token {
            Some(id) => {
                let secret = self.tokens.get(id).cloned();
                request.credential = Credential::Token(secret.unwrap_or_default());
            }
            None => {
                // Whoever has no key signs with one that nobody enrolled.
                if !story.keys.contains_key(&ask.who) {
                    let key = story.fresh_private_key();
                    story.keys.insert(ask.who.clone(), key);
                }
                story.sign(&mut request, &ask.who, None);
            }
        }
        Some(request)
    }

    /// Ends the run: the world is the same when folded anew, and every entry is what the model expects. Gives the chain.
    pub fn end(mut self) -> Result<Vec<Leaf>, String> {
        self.reopen()?;
        let leaves = leaves::read(&self.story().ledger);
        for (position, expected) in &self.expected {
            let leaf = &leaves[usize::try_from(*position).expect("a position")];
            if leaf.kind != expected.kind {
                return Err(format!("entry {position} is {}, not {}", leaf.kind, expected.kind));
            }
            for (name, value) in &expected.data {
                let found = member(leaf, name);
                if found != *value {
                    return Err(format!("entry {position}, {}: {name} is {found}, not {value}", leaf.kind));
                }
            }
        }
        Ok(leaves)
    }
}

/// A member of an entry's data; of checks only name and outcome.
fn member(leaf: &Leaf, name: &str) -> Json {
    match (name, leaf.data[name].as_array()) {
        ("checks", Some(checks)) => {
            let told =
                checks.iter().map(|c| format!("{}={}", c["name"].as_str().unwrap_or_default(), c["passed"]));
            json!(told.collect::<Vec<_>>())
        }
        _ => leaf.data[name].clone(),
    }
}

/// An answer in few words.
fn brief(answer: &Answer) -> String {
    match answer {
        Answer::Receipt(receipt) => {
            let effect = match receipt.effect {
                Effect::Allow => "allow",
                Effect::Hold => "hold",
                Effect::Deny => "deny",
                Effect::Refuse => "refuse",
            };
            let kinds: Vec<&str> = receipt.entries.iter().map(|entry| entry.kind.as_str()).collect();
            told(effect, receipt.code.map(|code| code.as_str()), &kinds, receipt.replay)
        }
        Answer::Conflict(conflict) => told("conflict", Some(conflict.code.as_str()), &[], false),
        Answer::Failed(error) => format!("failed: {error}"),
    }
}

/// What the model expects, in the same words.
fn expected(said: &Said) -> String {
    let kinds: Vec<&str> = said.entries.iter().map(|entry| entry.kind.as_str()).collect();
    told(said.effect, said.code.as_deref(), &kinds, said.replay)
}

fn told(effect: &str, code: Option<&str>, kinds: &[&str], replay: bool) -> String {
    let again = if replay { " again" } else { "" };
    format!("{effect} {} {}{again}", code.unwrap_or("-"), kinds.join("+"))
}
