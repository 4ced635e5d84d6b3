//! What does an auditor keep between two audits? Key, newest head, and the state to go on from. SPEC 12.

use super::authors::{AuthorKey, Authors};
use super::walk::Walk;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::format::canonical::to_bytes;
use crate::format::checkpoint::Note;
use crate::format::encoding::{hex, unhex};
use crate::format::export::HexHash;
use crate::format::hash::Digest;
use crate::format::key::LogVerifier;
use crate::format::tree::{Frontier, Hash};
use serde::{Deserialize, Serialize};

/// Version text of the pin's format.
const VERSION: &str = "chancery/v0";

/// An auditor's pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The log key that counts.
    pub key: LogVerifier,
    /// Entries verified.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    state: Option<State>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    pin: String,
    root: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    state: Option<State>,
    vkey: String,
}

/// Where a verification stood: it goes on as if it had not stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    address: Digest,
    attest_all: bool,
    count: Vec<Count>,
    frontier: Vec<HexHash>,
    keys: Vec<AuthorKey>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    longest_silence_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    max_silence_ms: Option<u64>,
    time: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    n: u64,
    scope: String,
}

impl Pin {
    /// A pin to a key and a head, without a state.
    pub fn new(key: LogVerifier, size: u64, root: Hash) -> Self {
        Self { key, size, root, state: None }
    }

    /// A pin to the head of a note that the key signed.
    pub fn of_note(key: LogVerifier, note: &Note) -> Self {
        Self::new(key, note.checkpoint.size, note.checkpoint.root)
    }

    /// The pin that a file holds.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::new(Code::PinInvalid, format!("the pin is not one: {why}"));
        let document: Document = serde_json::from_str(text).map_err(|error| invalid(&error.to_string()))?;
        if document.pin != VERSION {
            return Err(invalid("another version"));
        }
        let key = LogVerifier::parse(&document.vkey).ok_or_else(|| invalid("`vkey` is no verifier key"))?;
        let root = unhex(&document.root).ok_or_else(|| invalid("`root` is not 64 hex digits"))?;
        let state = document.state;
        let pin = Self { key, size: document.size, root, state };
        if pin.state.is_some() && pin.frontier().is_none_or(|frontier| frontier.root() != root) {
            return Err(invalid("`state` does not fit `root`"));
        }
        if pin.to_text()? != text {
            return Err(invalid("it is not canonical, or does not end with its line"));
        }
        Ok(pin)
    }

    /// The text of the pin's file.
    pub fn to_text(&self) -> Result<String> {
        let document = Document {
            pin: VERSION.to_owned(),
            root: hex(&self.root),
            size: self.size,
            state: self.state.clone(),
            vkey: self.key.to_string(),
        };
        let bytes = to_bytes(&document).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
        let mut text = String::from_utf8(bytes).map_err(|e| Error::new(Code::Internal, e.to_string()))?;
        text.push('\n');
        Ok(text)
    }

    /// The frontier that the pin's state holds.
    pub(super) fn frontier(&self) -> Option<Frontier> {
        let hashes = self.state.as_ref()?.frontier.iter().map(|hash| hash.0).collect();
        Frontier::from_parts(self.size, hashes)
    }

    /// Puts a walk that stands at the pin's size into the pin's state.
    pub(super) fn resume(&self, walk: &mut Walk) {
        let Some(state) = &self.state else { return };
        walk.address = Some(state.address);
        walk.time = state.time;
        walk.counts = state.count.iter().map(|count| (count.scope.as_str().into(), count.n)).collect();
        walk.open_counts = false;
        walk.since = 0;
        walk.max_silence_ms = state.max_silence_ms;
        walk.longest_silence = state.longest_silence_ms.unwrap_or_default();
        walk.signed_by = state.keys.iter().filter_map(|key| Some((key.id, key.last?))).collect();
        let keys = state.keys.iter().map(|key| (key.id, key.clone())).collect();
        walk.authors = Authors { keys, attest_all: state.attest_all, ..Authors::default() };
    }

    /// True when the pin holds a state.
    pub(super) fn has_state(&self) -> bool {
        self.state.is_some()
    }

    /// The pin to where an authentic walk ended.
    pub(super) fn at(walk: &Walk) -> Option<Self> {
        let state = State {
            address: walk.address?,
            attest_all: walk.authors.attest_all,
            count: walk.counts.iter().map(|(scope, n)| Count { n: *n, scope: scope.to_string() }).collect(),
            frontier: walk.frontier.hashes().iter().map(|hash| HexHash(*hash)).collect(),
            keys: walk
                .authors
                .keys
                .values()
                .map(|key| AuthorKey { last: walk.signed_by.get(&key.id).copied(), ..key.clone() })
                .collect(),
            longest_silence_ms: Some(walk.longest_silence),
            max_silence_ms: walk.max_silence_ms,
            time: walk.time,
        };
        let complete = !walk.open_counts && !walk.authors.partial;
        let root = walk.frontier.root();
        Some(Self { key: walk.key.clone()?, size: walk.position, root, state: complete.then_some(state) })
    }
}
