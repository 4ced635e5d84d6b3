//! What do the queues say of a story? The steps of a scenario that ask them, over views folded from its ledger.
//!
//! ```text
//! then queue NAME ABOUT|CAUSE|COUNT…      the items of a queue, all of them, in their order
//! then sees WHO NAME ABOUT|CAUSE|COUNT…   the same, as a principal sees them
//! then needs WHO NAME yes|no ACTION…      whether the first item needs this principal, and what it can do about it
//! then owns NAME ACTION|- MS|-            who decides the first item, and in how long the clock does
//! then says NAME PART "TEXT"…             what the first item's narrative says there, all of it; `$q` is a quotation mark
//! then rests NAME PART PLACE…             the entries that this rests on
//! then acknowledged NAME WHO…             who acknowledged the first item, the newest first
//! then attention WHO ok|not N             whether it is OK for somebody, and how many items need it
//! ```

use super::scenario::Run;
use super::story::fingerprint;
use chancery_ledger::Ledger;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json;
use chancery_ledger::gate::abilities;
use chancery_projections::attention::{Reader, attention, items, queue};
use chancery_projections::{Engine, Poison, Show, VIEWS, Views};
use serde_json::Value;
use std::path::Path;

/// The words that these steps begin with.
pub(super) const WORDS: &[&str] =
    &["queue", "sees", "needs", "owns", "says", "rests", "acknowledged", "attention"];

/// Folds everything that a ledger has.
pub fn folded(ledger: &Ledger, path: &Path) -> Views {
    let reader = ledger.reader().expect("a reader");
    let head = ledger.released().head().checkpoint.clone();
    let mut engine = Engine::open(path, ledger.origin().name(), VIEWS).expect("an engine");
    engine.catch_up(&reader, &head, &mut |_, _| ()).expect("a fold");
    assert_eq!(engine.skipped(), 0, "an entry could not be folded");
    Views::open(path).expect("views")
}

/// Reads as somebody does; without a name as who reads the files.
pub fn reading<T>(ledger: &Ledger, now: i64, who: Option<&str>, read: impl FnOnce(Reader<'_>) -> T) -> T {
    let reader = ledger.reader().expect("a reader");
    let part = |position: u64, slot: u64| {
        let stored = reader.part(position, slot).map_err(|error| Poison::new(error.to_string()))?;
        Ok(stored.and_then(|bytes| json::parse(&bytes[32..]).ok()))
    };
    let known = who.map(|who| {
        let name = who.to_owned();
        ledger.look(move |world| {
            let scope = world.principals.get(&name).expect("a principal").scope.clone();
            (scope, abilities(world, &name, now))
        })
    });
    let (within, may) = known.map_or((Scope::root(), None), |(scope, may)| (scope, Some(may)));
    let show = Show { now, principal: who, abilities: may.as_deref(), part: &part };
    read(Reader { within: &within, show: &show })
}

fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name].as_str().unwrap_or_default()
}

impl Run<'_> {
    fn items(&self, who: Option<&str>, name: &str) -> Vec<Value> {
        let views = folded(&self.story.ledger, &self._home.path("views.db"));
        let queue = queue(name).unwrap_or_else(|| panic!("no queue `{name}`"));
        reading(&self.story.ledger, self.story.clock.wall(), who, |reader| {
            items(&views, queue, reader, None, None).expect("a page").items
        })
    }

    fn first(&self, place: &str, who: Option<&str>, name: &str) -> Value {
        self.items(who, name).into_iter().next().unwrap_or_else(|| panic!("{place}: `{name}` is empty"))
    }

    /// The id of a queue's first item.
    pub(super) fn item(&self, name: &str) -> String {
        text(&self.first("$item", None, name), "id").to_owned()
    }

    /// What a sentence is to be: `$q` is a quotation mark, `$fp(N)` a fingerprint.
    fn told_in(&self, sentences: &[&str]) -> Vec<String> {
        let fingerprints = (1..=9).map(|n| (format!("$fp({n})"), fingerprint(n)));
        let symbols: Vec<(String, String)> =
            fingerprints.chain([("$q".to_owned(), "\"".to_owned())]).collect();
        let resolve =
            |text: &&str| symbols.iter().fold((*text).to_owned(), |text, (a, b)| text.replace(a, b));
        sentences.iter().map(resolve).collect()
    }

    pub(super) fn queues(&mut self, place: &str, word: &str, words: &[&str]) {
        let is = |who: Option<&str>, name: &str, expected: &[&str]| {
            let found: Vec<String> = self
                .items(who, name)
                .iter()
                .map(|item| format!("{}|{}|{}", text(item, "about"), text(item, "cause"), item["count"]))
                .collect();
            assert_eq!(found, expected, "{place}: {name}");
        };
        match (word, words) {
            ("queue", [name, expected @ ..]) => is(None, name, expected),
            ("sees", [who, name, expected @ ..]) => is(Some(*who), name, expected),
            ("needs", [who, name, yes, actions @ ..]) => {
                let item = self.first(place, Some(*who), name);
                let can: Vec<&str> =
                    item["can_do"].as_array().expect("actions").iter().filter_map(Value::as_str).collect();
                assert_eq!((item["needs_me"] == true, &can[..]), (*yes == "yes", actions), "{place}");
            }
            ("owns", [name, action, ms]) => {
                let item = self.first(place, None, name);
                let owner = item["owner"]["action"].as_str().unwrap_or("-");
                let left = item["changes_at"].as_i64().map(|at| at - self.story.clock.wall());
                let left = left.map_or("-".to_owned(), |left| left.to_string());
                assert_eq!((owner, left.as_str()), (*action, *ms), "{place}");
            }
            ("says", [name, part, expected @ ..]) => {
                let item = self.first(place, None, name);
                let found = &item["narrative"][*part];
                let found: Vec<&str> = match found.as_array() {
                    Some(sentences) => sentences.iter().map(|sentence| text(sentence, "text")).collect(),
                    None => vec![text(found, "text")],
                };
                assert_eq!(found, self.told_in(expected), "{place}: {part}");
            }
            ("rests", [name, part, places @ ..]) => {
                let found = self.first(place, None, name)["narrative"][*part].clone();
                let sentence = found.as_array().and_then(|all| all.first()).unwrap_or(&found);
                let expected: Vec<u64> = places.iter().map(|name| self.place(name)).collect();
                assert_eq!(sentence["positions"], serde_json::json!(expected), "{place}: {part}");
            }
            ("acknowledged", [name, who @ ..]) => {
                let item = self.first(place, None, name);
                let found = item["acknowledged"].as_array().expect("acknowledgements");
                let found: Vec<&str> = found.iter().map(|one| text(one, "by")).collect();
                assert_eq!(found, who, "{place}");
            }
            ("attention", [who, ok, count]) => {
                let views = folded(&self.story.ledger, &self._home.path("views.db"));
                let told = reading(&self.story.ledger, self.story.clock.wall(), Some(*who), |reader| {
                    attention(&views, reader)
                });
                let told = told.expect("an answer");
                let needs = told["needs_me"].as_array().map_or(0, Vec::len).to_string();
                assert_eq!((told["ok"] == true, needs.as_str()), (*ok == "ok", *count), "{place}: {told}");
            }
            _ => panic!("{place}: `then {word} {}` is no known step", words.join(" ")),
        }
    }
}
