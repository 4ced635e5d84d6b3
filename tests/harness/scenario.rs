//! How is a story told in text run? A small parser of given, when, then, and an interpreter on a ledger in process.
//!
//! ```text
//! case TITLE
//!   given cast | work | worker ID | job ID | grant ID JOB | sweep | entries | key NAME | clock MS | pass MS | reopen | person ID SCOPE KIND ROLE | keys WHO N | tokens WHO N
//!   given WHO ACTION SCOPE ID …        a request that must be allowed
//!   when WHO ACTION SCOPE ID …         a request; `-` for no id; then `name=text`, `name:=json`, and
//!        @seq=N @not_after=MS @log=ORIGIN @unsigned @token=NAME @signed @key=NAME @by=KEY @forged
//!   then allow KIND… | deny CODE | refuse CODE | conflict CODE | invalid CODE POINTER | error CODE
//!   given WHO ACTION … @confirmed      the same, confirmed by ada in between
//!   when sweep, then swept ACTION…     what the clock made happen
//!   then hold                          a second principal must confirm; `$hold` is the hold's id
//!   then quarantine REASON | reject CLASS | warn WORD
//!   then also KIND NAME=VALUE          an entry of this kind is among those of the answer
//!   then replay | data NAME=VALUE | secret NAME | entry N KIND NAME=VALUE…
//! ```
//!
//! Values may be symbols: `$fp(N)`, `$id(KEY)`, `$pub(KEY)`, `$proof(KEY,WHO)`, `$consent(KEY,OLD,WHO)`, `$text(N)`,
//! `$digest`, `$hold`, `$at` (position of the last answer's first entry), `$print(TEXT)` (fingerprint of leased material),
//! `$evidence` (of a dry run). A KEY is a name given before, a principal, `weak` or `torsion`.

use super::Home;
use super::story::{NAME, Story, fingerprint, scope};
use chancery_ledger::domains::Invalid;
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::fingerprint::fingerprints_of;
use chancery_ledger::format::encoding::{base64, unhex};
use chancery_ledger::format::entry;
use chancery_ledger::format::hash::Digest;
use chancery_ledger::format::ids::IdempotencyKey;
use chancery_ledger::format::json::{self, Value};
use chancery_ledger::format::key::{PrivateKey, PublicKey};
use chancery_ledger::format::statement::enrolment_bytes;
use chancery_ledger::gate::{Attest, Credential, Request, new_request};
use chancery_ledger::store::read_fingerprint_key;
use chancery_ledger::{Answer, Code, Effect, Entropy, Receipt, statement};
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

enum Outcome {
    Answer(Answer),
    Invalid(Invalid),
}

/// A case that is being run.
struct Run<'a> {
    file: &'a str,
    _home: Home,
    story: Story,
    keys: BTreeMap<String, PrivateKey>,
    idempotency: BTreeMap<String, IdempotencyKey>,
    tokens: BTreeMap<String, String>,
    entropy: Entropy,
    /// Outcome of the last `when`, and the size before it.
    last: Option<(Outcome, u64)>,
    receipts: Vec<Receipt>,
    /// Actions of the last sweep.
    swept: Vec<&'static str>,
}

/// Runs one case, and gives the story as it ended.
pub fn run(file: &str, case: &Case) -> (Story, Home) {
    let entries = case.lines.iter().any(|line| line.verb == "given" && line.words == ["entries"]);
    let home = Home::new();
    let form = if entries { Form::Entries } else { Form::Heads };
    let story = Story::begin(home.path("").as_path(), form);
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
            ("given", ["entries"]) => {}
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
            ("given", [_, action, .., "@confirmed"]) if action.contains('.') => {
                let words = &words[..words.len() - 1];
                self.ask(&place, words);
                let hold = self.hold(&place);
                self.story.did("ada", "hold.approve", words[2], &hold, &[]);
                self.ask(&place, words);
                assert_eq!(self.code(), None, "{place}: {}", self.told());
            }
            ("given", ["clock", ms]) => self.story.clock.advance(ms.parse().expect("milliseconds"), 0),
            ("given", ["pass", ms]) => self.story.pass(ms.parse().expect("milliseconds")),
            ("given", ["key", name]) => {
                let key = self.story.fresh_private_key();
                self.keys.insert((*name).to_owned(), key);
            }
            ("given", ["person", id, at, kind, role]) => self.story.enrol(id, at, kind, role),
            ("given", ["keys", who, n]) => self.enrol_more(who, n.parse().expect("a number")),
            ("given", ["tokens", who, n]) => self.issue_many(who, n.parse().expect("a number")),
            ("given", [_, action, ..]) if action.contains('.') => {
                self.ask(&place, &words);
                assert_eq!(self.code(), None, "{place}: {}", self.told());
            }
            ("when", [_, action, ..]) if action.contains('.') => self.ask(&place, &words),
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

    /// The public key that a name stands for.
    fn public(&self, name: &str) -> [u8; 32] {
        match name {
            // The neutral element, and a point with a component of small order (from ed25519-speccheck).
            "weak" => unhex("0100000000000000000000000000000000000000000000000000000000000000").expect("hex"),
            "torsion" => {
                unhex("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d").expect("hex")
            }
            name => self.private(name).public().to_bytes(),
        }
    }

    fn private(&self, name: &str) -> &PrivateKey {
        self.keys.get(name).or_else(|| self.story.keys.get(name)).unwrap_or_else(|| panic!("no key `{name}`"))
    }

    fn resolve(&self, text: &str) -> String {
        let Some(symbol) = text.strip_prefix('$') else { return text.to_owned() };
        let (name, inner) = symbol.split_once('(').unwrap_or((symbol, ")"));
        let inner: Vec<&str> = inner.trim_end_matches(')').split(',').collect();
        let enrolment = |key: &str, who: &str| {
            enrolment_bytes(self.story.ledger.origin().as_str(), who, &self.public(key)).expect("a text")
        };
        match (name, &inner[..]) {
            ("fp", [n]) => fingerprint(n.parse().expect("a number")),
            ("id", [key]) => match PublicKey::from_bytes(&self.public(key)) {
                Some(key) => key.id().entity(),
                None => "0".repeat(32),
            },
            ("pub", [key]) => base64(&self.public(key)),
            ("proof", [key, _]) if ["weak", "torsion"].contains(key) => base64(&[7; 64]),
            ("proof", [key, who]) => base64(&self.private(key).sign(&enrolment(key, who))),
            ("consent", [key, old, who]) => base64(&self.private(old).sign(&enrolment(key, who))),
            ("text", [n]) => "x".repeat(n.parse().expect("a number")),
            ("digest", _) => Digest::ZERO.to_string(),
            ("hold", _) => self.hold("$hold"),
            ("at", _) => self.receipts.last().expect("an answer").entries[0].position.to_string(),
            ("evidence", _) => Story::evidence(""),
            ("print", [text]) => {
                let key = read_fingerprint_key(&self.story.paths.fingerprint_key()).expect("a key");
                fingerprints_of(&key, text.as_bytes()).first().expect("a fingerprint").to_string()
            }
            _ => panic!("`{text}` is no symbol"),
        }
    }

    /// The value with every symbol in it resolved.
    fn resolve_all(&self, value: Value) -> Value {
        match value {
            Value::Text(text) => Value::Text(self.resolve(&text)),
            Value::List(values) => {
                Value::List(values.into_iter().map(|value| self.resolve_all(value)).collect())
            }
            other => other,
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

    /// The newest hold that an answer named.
    fn hold(&self, place: &str) -> String {
        let newest = self.receipts.iter().rev().find_map(|receipt| receipt.hold.clone());
        newest.unwrap_or_else(|| panic!("{place}: no hold in {}", self.told()))
    }

    fn size(&self) -> u64 {
        self.story.ledger.look(|world| world.position)
    }

    fn code(&self) -> Option<Code> {
        match &self.last.as_ref().expect("a request").0 {
            Outcome::Answer(answer) => super::story::code_of(answer),
            Outcome::Invalid(invalid) => Some(invalid.code),
        }
    }

    fn told(&self) -> String {
        match &self.last.as_ref().expect("a request").0 {
            Outcome::Answer(answer) => format!("{answer:?}"),
            Outcome::Invalid(invalid) => format!("{invalid:?}"),
        }
    }

    fn receipt(&self, place: &str) -> &Receipt {
        match &self.last.as_ref().expect("a request").0 {
            Outcome::Answer(Answer::Receipt(receipt)) => receipt,
            _ => panic!("{place}: no receipt, but {}", self.told()),
        }
    }

    fn then(&mut self, place: &str, words: &[&str]) {
        let told = if self.last.is_some() { self.told() } else { String::new() };
        match words {
            ["allow", kinds @ ..] => {
                let receipt = self.receipt(place);
                let found: Vec<&str> = receipt.entries.iter().map(|entry| entry.kind.as_str()).collect();
                assert_eq!((receipt.effect, &found[..]), (Effect::Allow, kinds), "{place}: {told}");
            }
            [word @ ("deny" | "refuse"), code] => {
                assert_eq!(self.code().map(Code::as_str), Some(*code), "{place}: {told}");
                let kind = if *word == "deny" { "decision.denied" } else { "decision.refused" };
                let receipt = self.receipt(place);
                let effect = if *word == "deny" { Effect::Deny } else { Effect::Refuse };
                assert_eq!(receipt.effect, effect, "{place}: {told}");
                assert_eq!(receipt.entries.len(), 1, "{place}: a no is one entry");
                assert!(receipt.message.is_some() || receipt.replay, "{place}: a no says why");
                self.entry(place, receipt.entries[0].position, kind, &[&format!("code={code}")]);
            }
            ["hold"] => {
                let receipt = self.receipt(place);
                assert_eq!(receipt.effect, Effect::Hold, "{place}: {told}");
                assert_eq!(receipt.code, Some(Code::ConfirmationRequired), "{place}: {told}");
                assert!(receipt.hold.is_some() && receipt.entries.len() == 1, "{place}: {told}");
                assert!(
                    ["hold.opened", "decision.held"].contains(&receipt.entries[0].kind.as_str()),
                    "{place}: {told}"
                );
            }
            [word @ ("quarantine" | "reject"), why] => {
                let (kind, name, code) = match *word {
                    "quarantine" => ("transcript.quarantined", "reason", Code::Quarantined),
                    _ => ("job.result_rejected", "class", Code::ResultRejected),
                };
                let receipt = self.receipt(place);
                assert_eq!((receipt.effect, receipt.code), (Effect::Refuse, Some(code)), "{place}: {told}");
                self.entry(place, receipt.entries[0].position, kind, &[&format!("{name}={why}")]);
            }
            ["warn", word] => assert_eq!(self.receipt(place).warning, Some(*word), "{place}: {told}"),
            ["also", kind, rest @ ..] => {
                let receipt = self.receipt(place);
                let found = receipt.entries.iter().find(|entry| entry.kind == *kind);
                let entry = found.unwrap_or_else(|| panic!("{place}: no `{kind}` in {told}"));
                self.entry(place, entry.position, kind, rest);
            }
            ["conflict", code] | ["error", code] | ["invalid", code, _] => {
                assert_eq!(self.code().map(Code::as_str), Some(*code), "{place}: {told}");
                let (outcome, before) = self.last.as_ref().expect("a request");
                let fits = match (words, outcome) {
                    (["conflict", _], Outcome::Answer(Answer::Conflict(_))) => true,
                    (["error", _], Outcome::Answer(Answer::Failed(_))) => true,
                    (["invalid", _, pointer], Outcome::Invalid(invalid)) => invalid.pointer == *pointer,
                    _ => false,
                };
                assert!(fits, "{place}: {told}");
                assert_eq!(self.size(), *before, "{place}: what was not recorded left an entry");
            }
            ["replay"] => {
                let receipt = self.receipt(place);
                assert!(receipt.replay, "{place}: {told}");
                let first = self
                    .receipts
                    .iter()
                    .any(|r| !r.replay && r.entries == receipt.entries && r.effect == receipt.effect);
                assert!(first, "{place}: the answer of before is another: {told}");
                assert_eq!(
                    self.size(),
                    self.last.as_ref().expect("a request").1,
                    "{place}: a replay left an entry"
                );
            }
            ["data", rest @ ..] => {
                let entry = self.receipt(place).entries[0].clone();
                self.entry(place, entry.position, &entry.kind, rest);
            }
            ["secret", name] => {
                let secret = self
                    .receipt(place)
                    .secret
                    .clone()
                    .unwrap_or_else(|| panic!("{place}: no secret in {told}"));
                self.tokens.insert((*name).to_owned(), secret);
            }
            ["entry", position, kind, rest @ ..] => {
                let position = position.parse().expect("a position");
                self.entry(place, position, kind, rest);
            }
            _ => panic!("{place}: `then {}` is no known step", words.join(" ")),
        }
    }

    /// The entry at `position` is of this kind and has this data.
    fn entry(&self, place: &str, position: u64, kind: &str, data: &[&str]) {
        let reader = self.story.ledger.reader().expect("a reader");
        let leaf =
            reader.leaf(position).expect("a store").unwrap_or_else(|| panic!("{place}: no entry {position}"));
        let entry = entry::read(&leaf).expect("an entry");
        assert_eq!(entry.kind, kind, "{place}");
        let found: serde_json::Value = serde_json::from_str(entry.data.get()).expect("data");
        for pair in data {
            let (name, value) = pair.split_once('=').unwrap_or_else(|| panic!("{place}: `{pair}`"));
            let text = match found.get(name) {
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => panic!("{place}: no `{name}` in {found}"),
            };
            assert_eq!(text, self.resolve(value), "{place}: `{name}`");
        }
    }
}
