//! What does a line of a journey say? Its words, a request that they make, a thing that is looked at.

use crate::harness::governed::typed;
use chancery_ledger::format::json::Value;
use std::collections::BTreeMap;

/// Words of a line; `'` keeps spaces together.
pub fn split(line: &str) -> Vec<String> {
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

/// The text of a journey.
pub fn text(name: &str) -> String {
    let path = crate::harness::root().join("fixtures/journeys").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands after an option, when it is there.
pub fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().position(|word| *word == name).map(|at| words[at + 1])
}

/// A request, as `do` and `preview` take it.
pub struct Asked {
    pub preview: bool,
    pub action: String,
    pub scope: String,
    pub id: Option<String>,
    pub key: Option<String>,
    pub token_file: Option<String>,
    pub args: Value,
}

impl Asked {
    pub fn of(words: &[&str]) -> Self {
        let (mut options, mut plain) = (BTreeMap::new(), Vec::new());
        let mut words_left = words[1..].iter();
        while let Some(word) = words_left.next() {
            match word.strip_prefix("--") {
                Some(name) => {
                    let value = words_left.next().unwrap_or_else(|| panic!("nothing after --{name}"));
                    options.insert(name, (*value).to_owned());
                }
                None => plain.push(*word),
            }
        }
        let mut take = |name: &str| options.remove(name);
        let asked = Self {
            preview: words[0] == "preview",
            action: plain[0].to_owned(),
            scope: take("scope").unwrap_or_else(|| "/".to_owned()),
            id: take("id"),
            key: take("idempotency-key"),
            token_file: take("token-file"),
            args: typed(&plain[1..]),
        };
        assert!(options.is_empty(), "options that no other way knows: {options:?}");
        asked
    }
}

/// What is looked at, as its path under `/v1/` says it.
pub struct Thing {
    parts: Vec<String>,
    pub query: BTreeMap<String, String>,
}

impl Thing {
    pub fn of(path: &str) -> Self {
        let plain = |text: &str| text.replace("%20", " ");
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self {
            parts: path.split('/').map(plain).collect(),
            query: pairs.map(|(name, value)| (name.to_owned(), plain(value))).collect(),
        }
    }

    pub fn parts(&self) -> Vec<&str> {
        self.parts.iter().map(String::as_str).collect()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    pub fn limit(&self) -> Option<usize> {
        self.get("limit").map(|limit| limit.parse().expect("a number"))
    }
}
