//! How is a story told in text run? A small parser of given, when, then, and an interpreter on a ledger in process.
//!
//! ```text
//! case TITLE
//!   given entries | staging | warnings   how the ledger begins
//!   given cast | work | worker ID | job ID | grant ID JOB | sweep | entries | key NAME | clock MS | pass MS | reopen | person ID SCOPE KIND ROLE | keys WHO N | tokens WHO N
//!   given WHO ACTION SCOPE ID …        a request that must be allowed
//!   when WHO ACTION SCOPE ID …         a request; `-` for no id; then `name=text`, `name:=json`, and
//!        @seq=N @not_after=MS @log=ORIGIN @unsigned @token=NAME @signed @key=NAME @by=KEY @forged
//!        @times=N               asked so often; `$n` in a word is the number of the time
//!   then allow KIND… | deny CODE | refuse CODE | conflict CODE | invalid CODE POINTER | error CODE
//!        @confirmed             confirmed by another administrator, and asked again
//!   when sweep, then swept ACTION…     what the clock made happen
//!   then hold [again]                  a second principal must confirm; `$hold` is the hold's id
//!   then at NAME, then cites NAME…     names the position of the answer's first entry; it rests on exactly those
//!   then part NAME MEMBER=VALUE…       the private part of the entry at the position that has this name
//!   then before KIND NAME=VALUE…       the entry just before the answer's first
//!   then last KIND NAME=VALUE…         the newest entry, such as a sweep's
//!   then fails NAME=WHY…               checks of a preflight that failed, all of them
//!   then quarantine REASON | reject CLASS | warn WORD (`-` for none)
//!   then also KIND NAME=VALUE          an entry of this kind is among those of the answer
//!   then queue | sees | needs | says | rests | acknowledged | attention …    what the queues say: queues.rs
//!   then replay | data NAME=VALUE | secret NAME | entry N KIND NAME=VALUE…      -1 is the newest
//! ```
//!
//! Values may be symbols: `$fp(N)`, `$id(KEY)`, `$pub(KEY)`, `$proof(KEY,WHO)`, `$consent(KEY,OLD,WHO)`, `$text(N)`,
//! `$digest`, `$hold`, `$at` (position of the last answer's first entry), `$at(NAME)`, `$print(TEXT)` (fingerprint of leased material),
//! `$list(NAME,…)` (positions), `$item(QUEUE)` (id of its first item), `$evidence` (of a dry run), `$sample(DETECTOR)`. A KEY is a name given before, a principal, `weak` or `torsion`.

use super::Home;
use super::story::{NAME, Setting, Story, scope};
use chancery_ledger::domains::Invalid;
use chancery_ledger::domains::ledger::{Form, Level, Stage};
use chancery_ledger::format::ids::IdempotencyKey;
use chancery_ledger::format::json::{self, Value};
use chancery_ledger::format::key::PrivateKey;
use chancery_ledger::gate::{Attest, Credential, Request, new_request};
use chancery_ledger::{Answer, Entropy, Receipt, Tracer, statement};
use std::collections::BTreeMap;

/// One line of a case.
#[derive(Debug, Clone)]
pub struct Line {
    pub number: usize,
    pub verb: String,
    pub words: Vec<String>,
}

/// One case of a file.
#[derive(Debug, Clone)]
pub struct Case {
    pub title: String,
    pub lines: Vec<Line>,
}

/// The cases of a text; a line that is none of the known forms is a panic that names it.
pub fn parse(file: &str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (number, line) = (index + 1, line.trim());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "case" => cases.push(Case { title: rest.to_owned(), lines: Vec::new() }),
            "given" | "when" | "then" => {
                let case =
                    cases.last_mut().unwrap_or_else(|| panic!("{file}:{number}: a step outside a case"));
                case.lines.push(Line { number, verb: verb.to_owned(), words: words(rest) });
            }
            _ => panic!("{file}:{number}: `{verb}` is not case, given, when or then"),
        }
    }
    cases
}

/// Words apart by spaces; double quotes hold one together, and so do single ones, in which double quotes stay.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut raw) = (Vec::new(), String::new(), false, false);
    for c in text.chars() {
        match c {
            '\'' => raw = !raw,
            '"' if !raw => quoted = !quoted,
            ' ' if !quoted && !raw => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The words, as often as `@times` says, each time with its number for `$n`.
fn times(words: &[String]) -> Vec<Vec<String>> {
    let times = words.iter().find_map(|word| word.strip_prefix("@times="));
    let times: u64 = times.map_or(1, |times| times.parse().expect("a number"));
    let words = words.iter().filter(|word| !word.starts_with("@times="));
    (1..=times).map(|n| words.clone().map(|word| word.replace("$n", &n.to_string())).collect()).collect()
}

pub(super) enum Outcome {
    Answer(Answer),
    Invalid(Invalid),
}

/// A case that is being run.
pub(super) struct Run<'a> {
    pub(super) file: &'a str,
    pub(super) _home: Home,
    pub(super) story: Story,
    pub(super) keys: BTreeMap<String, PrivateKey>,
    idempotency: BTreeMap<String, IdempotencyKey>,
    pub(super) tokens: BTreeMap<String, String>,
    entropy: Entropy,
    /// Outcome of the last `when`, and the size before it.
    pub(super) last: Option<(Outcome, u64)>,
    pub(super) receipts: Vec<Receipt>,
    /// Actions of the last sweep.
    pub(super) swept: Vec<&'static str>,
    /// Positions that were given a name.
    pub(super) places: BTreeMap<String, u64>,
}

/// Runs one case, and gives the story as it ended.
pub fn run(file: &str, case: &Case) -> (Story, Home) {
    let begins = |word: &str| case.lines.iter().any(|line| line.verb == "given" && line.words == [word]);
    let home = Home::new();
    let mut setting = Setting::of(if begins("entries") { Form::Entries } else { Form::Heads });
    if begins("staging") {
        setting.stage = Stage::Staging;
    }
    if begins("warnings") {
        setting.people = Level::Warn;
    }
    let story = Story::begin_as(home.path("").as_path(), setting, Tracer::default());
    let mut run = Run {
        file,
        _home: home,
        story,
        keys: BTreeMap::new(),
        idempotency: BTreeMap::new(),
        tokens: BTreeMap::new(),
        entropy: Entropy::default(),
        last: None,
        receipts: Vec::new(),
        swept: Vec::new(),
        places: BTreeMap::new(),
    };
    for line in &case.lines {
        run = run.line(line);
    }
    (run.story, run._home)
}

impl Run<'_> {
    fn line(mut self, line: &Line) -> Self {
        let place = format!("{}:{}", self.file, line.number);
        let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
        match (line.verb.as_str(), &words[..]) {
            ("given", ["reopen"]) => {
                self.story = self.story.reopen();
                return self;
            }
            ("given", ["entries" | "staging" | "warnings"]) => {}
            ("given", ["cast"]) => self.story.cast(),
            ("given", ["work"]) => {
                self.story.cast();
                self.story.work();
            }
            ("given", ["worker", id]) => self.story.worker(id),
            ("given", ["job", id]) => self.story.job(id),
            ("given", ["grant", id, job]) => self.story.grant(id, job),
            ("given" | "when", ["sweep"]) => {
                let swept = self.story.ledger.sweep().expect("a sweep");
                self.swept = swept.into_iter().map(|due| due.action).collect();
            }
            ("then", ["swept", actions @ ..]) => assert_eq!(self.swept, actions, "{place}"),
            ("given", ["clock", ms]) => self.story.clock.advance(ms.parse().expect("milliseconds"), 0),
            ("given", ["pass", ms]) => self.story.pass(ms.parse().expect("milliseconds")),
            ("given", ["key", name]) => {
                let key = self.story.fresh_private_key();
                self.keys.insert((*name).to_owned(), key);
            }
            ("given", ["person", id, at, kind, role]) => self.story.enrol(id, at, kind, role),
            ("given", ["keys", who, n]) => self.enrol_more(who, n.parse().expect("a number")),
            ("given", ["tokens", who, n]) => self.issue_many(who, n.parse().expect("a number")),
            ("given" | "when", [_, action, ..]) if action.contains('.') => {
                for words in times(&line.words) {
                    let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    self.ask_confirmed(&place, &words);
                    let fits = line.verb == "when" || self.code().is_none();
                    assert!(fits, "{place}: {}", self.told());
                }
            }
            ("then", words) => self.then(&place, words),
            _ => panic!("{place}: `{} {}` is no known step", line.verb, words.join(" ")),
        }
        self
    }

    fn enrol_more(&mut self, who: &str, n: usize) {
        for _ in 0..n {
            let key = self.story.fresh_private_key();
            let (public, proof) = self.story.proof(who, &key);
            let id = key.public().id().entity();
            let members = [("principal", who), ("public", public.as_str()), ("proof", proof.as_str())];
            self.story.must("founder", "key.enrol", "/acme", &id, &members);
        }
    }

    fn issue_many(&mut self, who: &str, n: usize) {
        for i in 0..n {
            let words = [
                "founder",
                "token.issue",
                "/acme",
                &format!("many{i:08}"),
                &format!("principal={who}"),
                "ttl_ms:=600000",
            ];
            self.ask("given tokens", &words);
            assert_eq!(self.code(), None, "{}", self.told());
        }
    }

    /// Asks; with `@confirmed`, has another administrator confirm it, and asks again.
    fn ask_confirmed(&mut self, place: &str, words: &[&str]) {
        let plain: Vec<&str> = words.iter().copied().filter(|word| *word != "@confirmed").collect();
        self.ask(place, &plain);
        if plain.len() < words.len() {
            let hold = self.hold(place);
            let second = if words[0] == "ada" { "founder" } else { "ada" };
            self.story.did(second, "hold.approve", words[2], &hold, &[]);
            self.ask(place, &plain);
        }
    }

    fn ask(&mut self, place: &str, words: &[&str]) {
        let [who, action, at, id, rest @ ..] = words else { panic!("{place}: who, action, scope, id") };
        let (mut members, mut options) = (BTreeMap::new(), BTreeMap::new());
        for word in rest {
            if let Some(option) = word.strip_prefix('@') {
                let (name, value) = option.split_once('=').unwrap_or((option, ""));
                let known = ["seq", "not_after", "log", "unsigned", "token", "signed", "key", "by", "forged"];
                assert!(known.contains(&name), "{place}: no option `@{name}`");
                options.insert(name, value);
            } else if let Some((name, value)) = word.split_once(":=") {
                members.insert(
                    name.to_owned(),
                    self.resolve_all(
                        json::parse(self.resolve(value).as_bytes())
                            .unwrap_or_else(|e| panic!("{place}: {e}")),
                    ),
                );
            } else if let Some((name, value)) = word.split_once('=') {
                members.insert(name.to_owned(), Value::Text(self.resolve(value)));
            } else {
                panic!("{place}: `{word}` is no argument");
            }
        }
        let key = match options.get("key") {
            Some(name) => {
                let fresh = self.story.fresh_key();
                self.idempotency.entry((*name).to_owned()).or_insert(fresh).clone()
            }
            None => self.story.fresh_key(),
        };
        let id = self.resolve(id);
        let id = (id != "-").then_some(id.as_str());
        let before = self.size();
        let salt = self.entropy.take().expect("entropy");
        let outcome = match new_request(action, &scope(at), id, NAME, Value::Object(members), key, salt) {
            Err(invalid) => Outcome::Invalid(invalid),
            Ok(mut request) => {
                request.not_after = options
                    .get("not_after")
                    .map(|ms| self.story.clock.wall() + ms.parse::<i64>().expect("milliseconds"));
                self.sign(&mut request, who, &options);
                Outcome::Answer(self.story.ledger.submit(request))
            }
        };
        if let Outcome::Answer(Answer::Receipt(receipt)) = &outcome {
            self.receipts.push((**receipt).clone());
        }
        self.last = Some((outcome, before));
    }

    fn sign(&self, request: &mut Request, who: &str, options: &BTreeMap<&str, &str>) {
        request.credential = match options.get("token") {
            Some(name) => Credential::Token(self.tokens.get(*name).map_or((*name).to_owned(), String::clone)),
            None => Credential::Key,
        };
        let unsigned = options.contains_key("token") && !options.contains_key("signed");
        if unsigned || options.contains_key("unsigned") {
            return;
        }
        let private = self.private(options.get("by").unwrap_or(&who));
        let key = private.public().id();
        let next = self.story.ledger.look(move |world| world.keys.get(key).map_or(1, |key| key.next));
        let seq = options.get("seq").map_or(next, |seq| seq.parse().expect("a number"));
        let log = options.get("log").map_or(self.story.ledger.origin().to_string(), |log| (*log).to_owned());
        request.attestation = Some(Attest { log: log.clone(), key, seq, sig: [0; 64] });
        let mut sig = private.sign(&statement(request, &log, who, seq).expect("a statement"));
        sig[0] ^= u8::from(options.contains_key("forged"));
        request.attestation = Some(Attest { log, key, seq, sig });
    }
}
