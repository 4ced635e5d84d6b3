//! How does a journey told in text run? One step a line, each a process of the real binary on one ledger.
//!
//! ```text
//! include FILE                        the lines of another journey
//! let NAME VALUE                      `$NAME` stands for it from here on
//! clock MS                            so many milliseconds pass
//! file NAME TEXT                      a private file in the home
//! vault NAME STATUS BODY | slow       a Vault on loopback that answers so; `NAME.json` enables it
//! canary TEXT                         what no file of the ledger and no output may hold
//! enrol ID SCOPE KIND ROLE            registered, activated, with a key of its own
//! held WHO do …                       asked, held, approved by ada, asked again
//! told JOB TEXT|TEXT…                 the accepted events, read from the record
//! absent NAME                         no such file
//! http WHO METHOD PATH [BODY] => STATUS WORD…   asked of a server of the ledger, as the bearer of a token; `-` for nobody
//! remember NAME | rebuilt NAME        the rows of every view are `NAME`; folded again to that entry, they are the same
//! forget                              the file of the views is taken away
//! later: CLAUSE                       what belongs to later work; counted
//! restart                             the server is stopped, and started at the next step of HTTP
//! WHO VERB … => EXIT WORD…            `-` for nobody
//! ```
//!
//! Words of HTTP: `a/b/0=VALUE` what stands at that place of the answer (`*` for any member); `#a/b=N` how many stand there; `has:TEXT`
//! and `not:TEXT` somewhere in the answer, `_` for a space; `=>NAME:a/b` what stands there is `$NAME` from here on; a code.
//!
//! Words: a code or a provider's failure; kinds of the entries, all of them; `+N` entries more than before; `replay`;
//! `NAME=VALUE` in the data of an entry; `checks=A,B`, `gates=…`, `enablement=…` those that failed; `says:TEXT` somewhere
//! in what was printed, `_` for a space.

use super::server::{Server, Told, request};
use super::site::Site;
use super::{Ran, root};
use crate::providers::{End, Vault, private};
use serde_json::Value;
use std::collections::BTreeMap;

/// The first instant of every journey.
const BEGIN: i64 = 1_790_000_000_000;

/// A journey under way.
pub struct Journey {
    site: Site,
    file: String,
    names: BTreeMap<String, String>,
    clock: i64,
    vaults: Vec<Vault>,
    canaries: Vec<String>,
    printed: Vec<String>,
    /// The server of the ledger, while steps of HTTP follow each other.
    server: Option<Server>,
    tokens: BTreeMap<String, String>,
    /// Digests of the views, and entries that they were folded from.
    remembered: BTreeMap<String, (u64, Vec<String>)>,
    pub asked: usize,
    pub later: usize,
    pub steps: usize,
}

/// Words of a line; `'` keeps spaces together.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => (quoted, any) = (!quoted, true),
            ' ' if !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

fn text(name: &str) -> String {
    let path = root().join("fixtures/journeys").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Journey {
    /// Runs a journey to its end, where the ledger verifies and no canary is anywhere.
    pub fn run(file: &str) -> Self {
        let site = Site::new();
        let names = BTreeMap::new();
        let mut journey = Self {
            site,
            file: file.to_owned(),
            names,
            clock: BEGIN,
            vaults: Vec::new(),
            canaries: Vec::new(),
            printed: Vec::new(),
            server: None,
            tokens: BTreeMap::new(),
            remembered: BTreeMap::new(),
            asked: 0,
            later: 0,
            steps: 0,
        };
        journey.set_clock();
        journey.command(&["init", "--name", "journey.example", "--stage", "test"]);
        journey.lines(file);
        // However it went: the rows are those of a rebuild, byte for byte.
        let rows = journey.rows(&[]);
        journey.forget();
        assert_eq!(journey.rows(&[]), rows, "{file}: rows of a rebuild");
        assert_eq!(journey.command(&["view", "verify"]).code, 0, "{file}");
        let pin = journey.site.path("l.pin");
        let ran = journey.command(&["verify", "--pin", pin.to_str().expect("a path")]);
        let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!((ran.code, &report["verdict"]), (0, &"authentic".into()), "{file}: {report}");
        journey.no_canary();
        journey
    }

    fn set_clock(&self) {
        std::fs::write(self.site.path("clock"), self.clock.to_string()).expect("a clock");
    }

    fn command(&mut self, args: &[&str]) -> Ran {
        // One process holds the ledger.
        self.stop();
        let mut command = self.site.command(args);
        command.env("CHANCERY_TEST_CLOCK", self.site.path("clock")).env_remove("CHANCERY_TEST_TRACE");
        command.env_remove("CHANCERY_KEY_FILE");
        let ran = super::ran(super::site::finish(command));
        self.printed.extend([ran.stdout.clone(), ran.stderr.clone()]);
        self.steps += 1;
        ran
    }

    fn lines(&mut self, file: &str) {
        for (index, line) in text(file).lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
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
        if let Some(clause) = line.strip_prefix("later: ") {
            super::site::say(&format!("later: {}: {clause}", self.file));
            self.later += 1;
            return;
        }
        let words: Vec<String> = split(line).iter().map(|word| self.fill(word)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["include", file] => self.lines(file),
            ["let", name, value] => drop(self.names.insert(name.to_owned(), value.to_owned())),
            ["clock", ms] => {
                self.clock += ms.parse::<i64>().expect("milliseconds");
                self.set_clock();
            }
            ["file", name, text] => private(&self.site.path(name), &format!("{text}\n")),
            ["vault", name, ref answer @ ..] => self.vault(name, answer),
            ["canary", canary] => self.canaries.push(canary.to_owned()),
            ["enrol", id, scope, kind, role] => self.enrol(id, scope, kind, role, at),
            ["held", who, ref rest @ ..] => self.held(who, rest, at),
            ["told", job, ref events @ ..] => self.told(job, &events.join(" "), at),
            ["absent", name] => assert!(!self.site.path(name).exists(), "{at}"),
            ["http", who, ref rest @ ..] => self.http(who, rest, at),
            ["restart"] => self.stop(),
            ["remember", name] => {
                let rows = self.rows(&[]);
                self.remembered.insert(name.to_owned(), rows);
            }
            ["rebuilt", name] => self.rebuilt(name, at),
            ["forget"] => self.forget(),
            [who, ref rest @ ..] => drop(self.step(who, rest, at)),
            [] => {}
        }
    }

    /// Entries that the views were folded from, and the digest of each.
    fn rows(&mut self, more: &[&str]) -> (u64, Vec<String>) {
        let ran = self.command(&[&["view", "digest"], more].concat());
        let lines: Vec<Value> = ran.stdout.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
        assert!(lines.len() > 15, "{}: {}", self.file, ran.stderr);
        let entries = lines[0]["as_of"]["entries"].as_u64().expect("a number");
        (entries, lines.iter().map(|line| format!("{} {}", line["view"], line["digest"])).collect())
    }

    fn rebuilt(&mut self, name: &str, at: &str) {
        let remembered =
            self.remembered.get(name).unwrap_or_else(|| panic!("{at}: nothing remembered")).clone();
        let entries = remembered.0.to_string();
        assert_eq!(self.rows(&["--at", &entries]), remembered, "{at}");
    }

    fn forget(&mut self) {
        self.stop();
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(self.site.path("l").join(format!("projections.db{end}")));
        }
    }

    fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            let log = server.log.clone();
            assert_eq!(server.stop(), Some(0), "{}: the server ends well", self.file);
            self.printed.push(std::fs::read_to_string(log).unwrap_or_default());
        }
    }

    /// The token of somebody, issued when it is first asked for.
    fn token(&mut self, who: &str, at: &str) -> String {
        if let Some(token) = self.tokens.get(who) {
            return token.clone();
        }
        let scope = match who {
            "founder" | "ada" => "/".to_owned(),
            _ => self.names.get("S").cloned().unwrap_or_else(|| "/acme".to_owned()),
        };
        let id = format!("{who:t<12}").replace('-', "t");
        let principal = format!("principal={who}");
        let words = [
            "do",
            "token.issue",
            "--scope",
            &scope,
            "--id",
            &id[..12],
            &principal,
            "ttl_ms:=86400000",
            "=>",
            "0",
        ];
        // What shows it is no part of the record, and is not looked at for canaries.
        let said = self.step("founder", &words, at);
        let token = said["secret"].as_str().expect("a secret").to_owned();
        self.tokens.insert(who.to_owned(), token.clone());
        token
    }

    fn http(&mut self, who: &str, rest: &[&str], at: &str) {
        let end = rest.iter().position(|word| *word == "=>").unwrap_or_else(|| panic!("{at}: no `=>`"));
        let [method, path, ref body @ ..] = rest[..end] else { panic!("{at}: a method and a path") };
        let mut headers = vec!["content-type: application/json".to_owned()];
        if who != "-" {
            headers.push(format!("authorization: Bearer {}", self.token(who, at)));
        }
        if path.ends_with("/invoke") {
            headers.push(format!("idempotency-key: journey-http-{:08}", self.asked));
        }
        self.asked += 1;
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let text = request(method, path, &headers, body.first().copied());
        let clock = self.site.path("clock");
        let server = self
            .server
            .get_or_insert_with(|| Server::start(&self.site, &["--clock", clock.to_str().expect("a path")]));
        // What is read has everything that was answered before.
        const FOLDED: [&str; 6] = [
            "/v1/me/attention",
            "/v1/queues",
            "/v1/views",
            "/v1/transcripts",
            "/v1/governance",
            "/v1/entities",
        ];
        let text = match FOLDED.iter().any(|folded| path.starts_with(folded)) {
            true => {
                let position = server.ask("GET", "/healthz", &[], None).headers["chancery-position"].clone();
                let joint = if path.contains('?') { '&' } else { '?' };
                request(method, &format!("{path}{joint}min_position={position}"), &headers, None)
            }
            false => text,
        };
        let told = server.raw(&text).unwrap_or_else(|| panic!("{at}: no answer"));
        self.printed.push(format!("{:?}", told));
        self.hold(&told, &rest[end + 1..], at);
    }

    /// Holds an answer to what is expected.
    fn hold(&mut self, told: &Told, expected: &[&str], at: &str) {
        let all = format!("{at}\n{told:?}");
        assert_eq!(expected[0], told.status.to_string(), "{all}");
        let body: Value = serde_json::from_str(&told.body).unwrap_or_default();
        // The whole of what a person would read, with what separates words made one.
        let text = format!("{told:?}").replace('_', " ");
        for word in &expected[1..] {
            if let Some(sought) = word.strip_prefix("has:") {
                assert!(text.contains(&sought.replace('_', " ")), "`{sought}`: {all}");
            } else if let Some(sought) = word.strip_prefix("not:") {
                assert!(!text.contains(&sought.replace('_', " ")), "`{sought}`: {all}");
            } else if let Some((name, place)) = word.strip_prefix("=>").and_then(|w| w.split_once(':')) {
                let found = places(&body, place);
                let found = found.first().unwrap_or_else(|| panic!("nothing at {place}: {all}"));
                self.names.insert(name.to_owned(), plain(found));
            } else if let Some((place, wanted)) = word.strip_prefix('#').and_then(|w| w.split_once('=')) {
                let found: usize =
                    places(&body, place).iter().map(|value| value.as_array().map_or(0, Vec::len)).sum();
                assert_eq!(wanted, found.to_string(), "{word}: {all}");
            } else if let Some((place, wanted)) = word.split_once('=') {
                let found: Vec<String> = places(&body, place).into_iter().map(plain).collect();
                let same = |found: &String| found.replace('_', " ") == wanted.replace('_', " ");
                assert!(found.iter().any(same), "{word}, found {found:?}: {all}");
            } else {
                assert_eq!(body["code"], *word, "{all}");
            }
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

    /// Who activates what the founder registers.
    fn other(&self) -> &'static str {
        if self.site.path("ada.key").exists() { "ada" } else { "founder" }
    }

    fn enrol(&mut self, id: &str, scope: &str, kind: &str, role: &str, at: &str) {
        let at_scope = ["--scope", scope, "--id", id];
        let registered = format!("do principal.register kind={kind} role={role}");
        let mut words: Vec<&str> = registered.split(' ').chain(at_scope).chain(["=>", "0"]).collect();
        self.step("founder", &words, at);
        words = ["do", "principal.activate"].into_iter().chain(at_scope).chain(["=>", "0"]).collect();
        let activator = self.other();
        self.step(activator, &words, at);
        let key = self.key(id);
        self.command(&["key", "generate", "--principal", id, "--out", &key]);
        let proof = self.command(&["key", "prove", &key, "--log", "journey.example/e1"]);
        let proof: Value = serde_json::from_str(&proof.stdout).expect("JSON");
        let arg = |name: &str| format!("{name}={}", proof["args"][name].as_str().expect("text"));
        let args = [arg("principal"), arg("public"), arg("proof")];
        let id = proof["id"].as_str().expect("an id").to_owned();
        let mut words = vec!["do", "key.enrol", "--scope", scope, "--id", &id];
        words.extend(args.iter().map(String::as_str));
        words.extend(["=>", "0"]);
        self.step("founder", &words, at);
    }

    fn held(&mut self, who: &str, rest: &[&str], at: &str) {
        let end = rest.iter().position(|word| *word == "=>").unwrap_or(rest.len());
        let asked = [&rest[..end], &["=>", "1", "confirmation_required"]].concat();
        let held = self.step(who, &asked, at);
        let scope = rest.iter().position(|word| *word == "--scope").map_or("/", |index| rest[index + 1]);
        let hold = held["hold"].as_str().expect("a hold");
        self.step("ada", &["do", "hold.approve", "--scope", scope, "--id", hold, "=>", "0"], at);
        let again = if end == rest.len() { [rest, &["=>", "0"]].concat() } else { rest.to_vec() };
        self.step(who, &again, at);
    }

    /// Number of entries under the newest head.
    fn size(&mut self) -> u64 {
        let ran = self.command(&["checkpoint"]);
        let printed: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        printed["size"].as_u64().expect("a size")
    }

    fn shown(&mut self, position: u64) -> Value {
        let ran = self.command(&["show", &position.to_string(), "--private"]);
        serde_json::from_str(&ran.stdout).expect("JSON")
    }

    fn told(&mut self, job: &str, events: &str, at: &str) {
        let ran = self.command(&["log", "--kind", "transcript.appended", "--id", job]);
        let lines: Vec<Value> =
            ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let told: Vec<String> = lines
            .iter()
            .map(|line| self.shown(line["position"].as_u64().expect("a position")))
            .map(|shown| shown["parts"]["private"]["operator"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(told.join("|"), events, "{at}");
    }

    /// Runs the binary as somebody and holds what came of it to what is expected; gives what was printed.
    fn step(&mut self, who: &str, words: &[&str], at: &str) -> Value {
        let end = words.iter().position(|word| *word == "=>").unwrap_or_else(|| panic!("{at}: no `=>`"));
        let (mut args, expected) = (words[..end].to_vec(), &words[end + 1..]);
        let key = self.key(who);
        if who != "-" {
            args.extend(["--key-file", &key]);
        }
        let more = expected.iter().find_map(|word| word.strip_prefix('+')?.parse::<u64>().ok());
        let before = more.map(|_| self.size());
        let ran = self.command(&args);
        let all = format!("{at}\nexit {}\n{}{}", ran.code, ran.stdout, ran.stderr);
        let object: Value =
            serde_json::from_str(ran.stdout.lines().next().unwrap_or("{}")).unwrap_or_default();
        let code = object["code"].as_str().or(object["failure"].as_str()).unwrap_or_default();
        let entries = object["entries"].as_array().cloned().unwrap_or_default();
        let kinds: Vec<&str> = entries.iter().filter_map(|entry| entry["kind"].as_str()).collect();
        let mut wanted = Vec::new();
        let mut data: Option<Vec<Value>> = None;
        assert_eq!(expected[0], ran.code.to_string(), "{all}");
        for word in &expected[1..] {
            if let Some(text) = word.strip_prefix("says:") {
                let text = text.replace('_', " ");
                let printed = format!("{}{}", ran.stdout, ran.stderr).replace('_', " ");
                assert!(printed.contains(&text), "`{text}`: {all}");
            } else if word.starts_with('+') {
                let found = self.size() - before.unwrap_or_default();
                assert_eq!(Some(found), more, "{all}");
            } else if *word == "replay" {
                assert_eq!(object["replay"], true, "{all}");
            } else if let Some((name, value)) = word.split_once('=') {
                let data = data.get_or_insert_with(|| {
                    let positions: Vec<u64> =
                        entries.iter().filter_map(|entry| entry["position"].as_u64()).collect();
                    positions.iter().map(|position| self.shown(*position)["entry"]["data"].clone()).collect()
                });
                let found: Vec<String> =
                    data.iter().filter_map(|data| data.get(name)).map(|found| told(name, found)).collect();
                assert!(found.iter().any(|found| found == value), "{word}, found {found:?}: {all}");
            } else if word.contains('.') {
                wanted.push(*word);
            } else {
                assert_eq!(code, *word, "{all}");
            }
        }
        if !wanted.is_empty() {
            assert_eq!(kinds, wanted, "{all}");
        }
        object
    }

    /// No canary stands in a file beside the ones that a journey wrote itself, or in anything that was printed.
    fn no_canary(&self) {
        let mut places: Vec<(String, Vec<u8>)> =
            self.printed.iter().map(|text| ("output".to_owned(), text.clone().into_bytes())).collect();
        for name in ["l", "l.keys", "l.anchor", "l.pin"] {
            files(&self.site.path(name), &mut places);
        }
        assert!(places.len() > 5, "there is something to look at");
        for canary in &self.canaries {
            let (plain, reversed) = (canary.as_bytes(), canary.bytes().rev().collect::<Vec<u8>>());
            for form in [plain, &reversed] {
                for (name, bytes) in &places {
                    let found = bytes.windows(form.len()).any(|window| window == form);
                    assert!(!found, "{}: a canary stands in {name}", self.file);
                }
            }
        }
    }
}

/// What stands at a place of an answer.
fn places<'a>(value: &'a Value, place: &str) -> Vec<&'a Value> {
    let mut found = vec![value];
    for part in place.split('/') {
        found = found
            .into_iter()
            .flat_map(|value| match (part, value) {
                ("*", Value::Array(items)) => items.iter().collect(),
                ("*", Value::Object(members)) => members.values().collect(),
                (part, Value::Array(items)) => {
                    part.parse::<usize>().ok().and_then(|at| items.get(at)).into_iter().collect()
                }
                (part, value) => value.get(part).into_iter().collect::<Vec<_>>(),
            })
            .collect();
    }
    found
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A member of an entry's data as a journey writes it.
fn told(name: &str, value: &Value) -> String {
    if let ("checks" | "gates" | "enablement", Some(checks)) = (name, value.as_array()) {
        let failed = checks.iter().filter(|check| check["passed"] == false);
        let names: Vec<&str> = failed.filter_map(|check| check["name"].as_str()).collect();
        return names.join(",");
    }
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn files(path: &std::path::Path, all: &mut Vec<(String, Vec<u8>)>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a directory") {
            files(&entry.expect("an entry").path(), all);
        }
    } else if path.exists() {
        all.push((path.display().to_string(), std::fs::read(path).expect("a file")));
    }
}
