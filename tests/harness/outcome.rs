//! What must have come of a request? The `then` steps of a scenario, and what symbols in it stand for.

use super::scenario::{Outcome, Run};
use super::story::{Story, code_of, fingerprint};
use chancery_ledger::fingerprint::fingerprints_of;
use chancery_ledger::format::encoding::{base64, unhex};
use chancery_ledger::format::hash::Digest;
use chancery_ledger::format::json::Value;
use chancery_ledger::format::key::{PrivateKey, PublicKey};
use chancery_ledger::format::statement::enrolment_bytes;
use chancery_ledger::store::read_fingerprint_key;
use chancery_ledger::{Answer, Code, Effect, Receipt};

impl Run<'_> {
    /// The public key that a name stands for.
    pub(super) fn public(&self, name: &str) -> [u8; 32] {
        match name {
            // The neutral element, and a point with a component of small order (from ed25519-speccheck).
            "weak" => unhex("0100000000000000000000000000000000000000000000000000000000000000").expect("hex"),
            "torsion" => {
                unhex("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d").expect("hex")
            }
            name => self.private(name).public().to_bytes(),
        }
    }

    pub(super) fn private(&self, name: &str) -> &PrivateKey {
        self.keys.get(name).or_else(|| self.story.keys.get(name)).unwrap_or_else(|| panic!("no key `{name}`"))
    }

    pub(super) fn resolve(&self, text: &str) -> String {
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
            ("at", [name]) if !name.is_empty() => self.place(name).to_string(),
            ("at", _) => self.receipts.last().expect("an answer").entries[0].position.to_string(),
            ("item", [queue]) => self.item(queue),
            ("list", names) => {
                let places: Vec<u64> = names.iter().map(|name| self.place(name)).collect();
                format!("{places:?}")
            }
            ("sample", [detector]) => sample(detector),
            ("evidence", _) => Story::evidence(""),
            ("print", [text]) => {
                let key = read_fingerprint_key(&self.story.paths.fingerprint_key()).expect("a key");
                fingerprints_of(&key, text.as_bytes()).first().expect("a fingerprint").to_string()
            }
            _ => panic!("`{text}` is no symbol"),
        }
    }

    /// The value with every symbol in it resolved.
    pub(super) fn resolve_all(&self, value: Value) -> Value {
        match value {
            Value::Text(text) => Value::Text(self.resolve(&text)),
            Value::List(values) => {
                Value::List(values.into_iter().map(|value| self.resolve_all(value)).collect())
            }
            other => other,
        }
    }

    /// The newest hold that an answer named.
    pub(super) fn hold(&self, place: &str) -> String {
        let newest = self.receipts.iter().rev().find_map(|receipt| receipt.hold.clone());
        newest.unwrap_or_else(|| panic!("{place}: no hold in {}", self.told()))
    }

    pub(super) fn size(&self) -> u64 {
        self.story.ledger.look(|world| world.position)
    }

    pub(super) fn code(&self) -> Option<Code> {
        match &self.last.as_ref().expect("a request").0 {
            Outcome::Answer(answer) => code_of(answer),
            Outcome::Invalid(invalid) => Some(invalid.code),
        }
    }

    pub(super) fn told(&self) -> String {
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

    pub(super) fn then(&mut self, place: &str, words: &[&str]) {
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
            ["hold", again @ ..] => {
                let receipt = self.receipt(place);
                assert_eq!(receipt.effect, Effect::Hold, "{place}: {told}");
                assert_eq!(receipt.code, Some(Code::ConfirmationRequired), "{place}: {told}");
                assert!(receipt.hold.is_some() && receipt.entries.len() == 1, "{place}: {told}");
                let kind = if again == ["again"] { "decision.held" } else { "hold.opened" };
                assert_eq!(receipt.entries[0].kind, kind, "{place}: {told}");
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
            ["at", name] => {
                let position = self.receipt(place).entries[0].position;
                self.places.insert((*name).to_owned(), position);
            }
            ["part", name, pairs @ ..] => {
                let reader = self.story.ledger.reader().expect("a reader");
                let part = reader.part(self.place(name), 0).expect("a store");
                let part = part.unwrap_or_else(|| panic!("{place}: `{name}` has no private part"));
                let part: serde_json::Value = serde_json::from_slice(&part[32..]).expect("JSON");
                for pair in pairs.iter() {
                    let (member, value) = pair.split_once('=').unwrap_or_else(|| panic!("{place}: `{pair}`"));
                    assert_eq!(
                        part[member].as_str(),
                        Some(self.resolve(value).as_str()),
                        "{place}: `{member}`"
                    );
                }
            }
            ["cites", names @ ..] => {
                let first = self.receipt(place).entries[0].position;
                let expected: Vec<u64> = names.iter().map(|name| self.place(name)).collect();
                assert_eq!(self.leaf(place, first)["cause"], serde_json::json!(expected), "{place}");
            }
            ["before", kind, rest @ ..] => {
                let first = self.receipt(place).entries[0].position;
                self.entry(place, first - 1, kind, rest);
            }
            ["last", kind, rest @ ..] => self.entry(place, self.size() - 1, kind, rest),
            ["fails", rest @ ..] => {
                let first = self.receipt(place).entries[0].position;
                let leaf = self.leaf(place, first);
                let checks = leaf["data"]["checks"].as_array().expect("checks");
                let failed = checks.iter().filter(|check| check["passed"] == false);
                let failed: Vec<String> = failed
                    .map(|check| {
                        let word = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
                        format!("{}={}", word("name"), word("why"))
                    })
                    .collect();
                assert_eq!(failed, rest, "{place}");
                assert_eq!(leaf["data"]["passed"], rest.is_empty(), "{place}");
            }
            ["warn", word] => {
                let expected = (*word != "-").then_some(*word);
                assert_eq!(self.receipt(place).warning, expected, "{place}: {told}");
            }
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
                    // What is not to be relayed is only known to be so once it is known who asks.
                    (["invalid", _, pointer], Outcome::Answer(Answer::Conflict(conflict))) => {
                        conflict.message.contains(&format!("`{pointer}`"))
                    }
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
                let position: i64 = self.resolve(position).parse().expect("a position");
                let from_end = || self.size() - position.unsigned_abs();
                let position = u64::try_from(position).unwrap_or_else(|_| from_end());
                self.entry(place, position, kind, rest);
            }
            [word, rest @ ..] if super::queues::WORDS.contains(word) => self.queues(place, word, rest),
            _ => panic!("{place}: `then {}` is no known step", words.join(" ")),
        }
    }

    pub(super) fn place(&self, name: &str) -> u64 {
        *self.places.get(name).unwrap_or_else(|| panic!("no place `{name}`"))
    }

    fn leaf(&self, place: &str, position: u64) -> serde_json::Value {
        let reader = self.story.ledger.reader().expect("a reader");
        let leaf =
            reader.leaf(position).expect("a store").unwrap_or_else(|| panic!("{place}: no entry {position}"));
        serde_json::from_slice(&leaf).expect("an entry")
    }

    /// The entry at `position` is of this kind and has this data.
    fn entry(&self, place: &str, position: u64, kind: &str, data: &[&str]) {
        let leaf = self.leaf(place, position);
        assert_eq!(leaf["kind"], kind, "{place}");
        let found = &leaf["data"];
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

/// A text in which this detector finds a secret.
fn sample(detector: &str) -> String {
    let file = std::fs::read_to_string(super::root().join("fixtures/secrets/samples.txt")).expect("samples");
    let line = file.lines().find_map(|line| line.strip_prefix(detector)?.strip_prefix(" + "));
    line.unwrap_or_else(|| panic!("no sample of `{detector}`")).replace('|', "")
}
