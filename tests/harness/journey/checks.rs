//! Is what came of a step what the text expects? The same words for every way.

use super::{Journey, Way};
use serde_json::Value;

/// What came of a step.
#[derive(Debug)]
pub struct Said {
    /// As an exit code; over HTTP what the status stands for.
    pub exit: i32,
    pub object: Value,
    /// All that somebody would read.
    pub printed: String,
}

impl Said {
    /// An answer that is one object.
    pub fn of(exit: i32, object: Value) -> Self {
        let printed = object.to_string();
        Self { exit, object, printed }
    }

    fn kinds(&self) -> Vec<&str> {
        let entries = self.object["entries"].as_array().into_iter().flatten();
        entries.filter_map(|entry| entry["kind"].as_str()).collect()
    }

    fn positions(&self) -> Vec<u64> {
        let entries = self.object["entries"].as_array().into_iter().flatten();
        entries.filter_map(|entry| entry["position"].as_u64()).collect()
    }
}

/// Words are compared with spaces and `_` made one.
fn same(text: &str) -> String {
    text.replace('_', " ")
}

impl Journey {
    /// Takes a step and holds what came of it to what is expected; gives what was answered.
    pub(super) fn step(&mut self, who: &str, words: &[&str], at: &str) -> Value {
        let end = words.iter().position(|word| *word == "=>").unwrap_or_else(|| panic!("{at}: no `=>`"));
        let (asked, expected) = (&words[..end], &words[end + 1..]);
        let before = expected.iter().any(|word| word.starts_with('+')).then(|| self.size());
        let said = self.act(who, asked, expected);
        self.printed.push(said.printed.clone());
        let mut right: Vec<&[&str]> = expected.split(|word| *word == "|").collect();
        if self.way != Way::Http {
            right.truncate(1);
        }
        let mut wrong = Vec::new();
        for expected in right {
            match self.differs(&said, expected, before) {
                None => return said.object,
                Some(difference) => wrong.push(difference),
            }
        }
        panic!("{at}\nway {}: {}\n{said:?}", self.way.as_str(), wrong.join("; or "));
    }

    /// The first word that is not so.
    fn differs(&mut self, said: &Said, expected: &[&str], before: Option<u64>) -> Option<String> {
        if expected[0] != said.exit.to_string() {
            return Some(format!("expected exit {}, it is {}", expected[0], said.exit));
        }
        let code = said.object["code"].as_str().or(said.object["failure"].as_str()).unwrap_or_default();
        let mut kinds = Vec::new();
        for word in &expected[1..] {
            let is = if let Some(text) = word.strip_prefix("says:") {
                same(&said.printed).contains(&same(text))
            } else if let Some(more) = word.strip_prefix('+') {
                let found = self.size() - before.unwrap_or_default();
                more == found.to_string()
            } else if *word == "replay" {
                said.object["replay"] == true
            } else if let Some((name, value)) = word.split_once('=') {
                let entries: Vec<Value> = said.positions().into_iter().map(|at| self.entry(at)).collect();
                let mut data = entries.iter().filter_map(|entry| entry["data"].get(name));
                data.any(|found| told(name, found) == value)
            } else if word.contains('.') {
                kinds.push(*word);
                true
            } else {
                code == *word
            };
            if !is {
                return Some(format!("`{word}` is not so"));
            }
        }
        let found = said.kinds();
        (!kinds.is_empty() && kinds != found).then(|| format!("entries are {found:?}, not {kinds:?}"))
    }

    /// Holds a document to the words for it; `text` is the whole of what a person would read.
    pub(super) fn hold(&mut self, body: &Value, text: &str, expected: &[&str], at: &str) {
        let all = format!("{at}\nway {}: {text}", self.way.as_str());
        for word in expected {
            if let Some(sought) = word.strip_prefix("has:") {
                assert!(same(text).contains(&same(sought)), "`{sought}`: {all}");
            } else if let Some(sought) = word.strip_prefix("not:") {
                assert!(!same(text).contains(&same(sought)), "`{sought}`: {all}");
            } else if let Some((name, place)) = word.strip_prefix("=>").and_then(|w| w.split_once(':')) {
                let found = places(body, place);
                let found = found.first().unwrap_or_else(|| panic!("nothing at {place}: {all}"));
                self.names.insert(name.to_owned(), plain(found));
            } else if let Some((place, wanted)) = word.strip_prefix('#').and_then(|w| w.split_once('=')) {
                let lists = places(body, place);
                let found: usize = lists.iter().map(|value| value.as_array().map_or(0, Vec::len)).sum();
                assert_eq!(wanted, found.to_string(), "{word}: {all}");
            } else if let Some((place, wanted)) = word.split_once('=') {
                let found: Vec<String> = places(body, place).into_iter().map(plain).collect();
                assert!(found.iter().any(|one| same(one) == same(wanted)), "{word}, found {found:?}: {all}");
            } else {
                assert_eq!(body["code"], *word, "{all}");
            }
        }
    }
}

/// What stands at a place of an answer.
pub fn places<'a>(value: &'a Value, place: &str) -> Vec<&'a Value> {
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

pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A member of an entry's data as a journey writes it.
fn told(name: &str, value: &Value) -> String {
    if let ("checks" | "gates" | "enablement", Some(checks)) = (name, value.as_array()) {
        let failed = checks.iter().filter(|check| check["passed"] == false);
        let names: Vec<&str> = failed.filter_map(|check| check["name"].as_str()).collect();
        return names.join(",");
    }
    plain(value)
}
