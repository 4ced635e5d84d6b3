//! What is a person told? Where, why, status, risk, next, in sentences of which each names the entries that it rests on.
//! SPEC 17.9.

use chancery_ledger::format::plain::one_line;
use serde::{Serialize, Serializer};

/// Positions of entries; never none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    first: u64,
    rest: Vec<u64>,
}

impl Evidence {
    /// One entry.
    pub fn at(position: u64) -> Self {
        Self { first: position, rest: Vec::new() }
    }

    /// One entry, and others.
    pub fn of(first: u64, others: impl IntoIterator<Item = u64>) -> Self {
        let mut all: Vec<u64> = others.into_iter().chain([first]).collect();
        all.sort_unstable();
        all.dedup();
        let first = all.first().copied().unwrap_or(first);
        Self { first, rest: all.into_iter().skip(1).collect() }
    }

    /// With those of another.
    pub fn and(&self, other: &Self) -> Self {
        Self::of(self.first, self.positions().chain(other.positions()))
    }

    /// The positions, ascending.
    pub fn positions(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.positions())
    }
}

/// Something that is said, and what it rests on: there is no other way to say anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sentence {
    text: String,
    positions: Evidence,
}

impl Sentence {
    /// What in `text` could deceive a reader is escaped, whoever wrote it.
    pub fn new(text: &str, positions: Evidence) -> Self {
        Self { text: one_line(text), positions }
    }

    /// What is said.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it rests on.
    pub fn evidence(&self) -> &Evidence {
        &self.positions
    }
}

/// What is told of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Narrative {
    /// Where it is.
    #[serde(rename = "where")]
    pub place: Sentence,
    /// Why it is so.
    pub why: Sentence,
    /// How it stands.
    pub status: Sentence,
    /// What can go wrong.
    pub risk: Sentence,
    /// What to do next.
    pub next: Sentence,
    /// Roles that decide.
    pub decides: Vec<&'static str>,
    /// What can be done without adding to the risk.
    pub safe: Vec<Sentence>,
    /// What is not to be done.
    #[serde(rename = "unsafe")]
    pub harmful: Vec<Sentence>,
    /// What is not known, or not to be shown here.
    pub missing: Vec<Sentence>,
}

/// Characters of a quoted text that are shown.
const QUOTED: usize = 240;

/// An id, or something short that somebody wrote, set apart from our words.
pub(crate) fn id(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}

/// A text that somebody wrote, set apart from our words, and cut.
pub(crate) fn said(text: &str) -> String {
    let mut shown: String = text.replace('"', "'").chars().take(QUOTED).collect();
    if text.chars().nth(QUOTED).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

/// A number of things: `one job`, `3 jobs`.
pub(crate) fn many(count: u64, one: &str, more: &str) -> String {
    match count {
        1 => format!("one {one}"),
        count => format!("{count} {more}"),
    }
}
