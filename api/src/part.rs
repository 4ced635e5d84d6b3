//! What does whoever sees a part of a view learn of the rest? Nothing: what it is shown makes the tag, and says when it
//! changed. SPEC 17.

use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::hash::{Digest, PAGE};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Tags that are kept.
const KEPT: usize = 4096;

/// A question in one state of the read models: as long as nothing is folded and no deadline passes, its answer is the
/// same but for how old things are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State([u8; 32]);

impl State {
    pub(crate) fn of(text: &str) -> Self {
        let Digest(bytes) = PAGE.digest(text.as_bytes());
        Self(bytes)
    }
}

/// Tags of answers that were made, by question and state. A state ends with each fold, whatever it changed: that an answer
/// came sooner tells no more than the position that every answer names.
#[derive(Debug, Default)]
pub(crate) struct Stood(Mutex<HashMap<State, Tag>>);

/// A tag, and how many entries the answer was made from.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    entries: u64,
    pub(crate) text: String,
}

impl Stood {
    /// The tag of the answer to this question in this state.
    pub(crate) fn tag(&self, state: &State) -> Option<Tag> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(state).cloned()
    }

    pub(crate) fn keep(&self, state: State, tag: Tag) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Most of them are of states that are over.
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.entry(state).or_insert(tag);
    }
}

/// An answer with `changed` as far as its own rows say it, and the entity tag of its content: `known`, when it was made
/// from the same entries.
pub(crate) fn of(mut answer: Value, asked: &str, known: Option<Tag>) -> (Value, Tag) {
    let mut changed = 0;
    for (_, member) in answer.as_object().into_iter().flatten().filter(|(name, _)| *name != "as_of") {
        let rows = member.as_array().map_or(std::slice::from_ref(member), Vec::as_slice);
        changed = rows.iter().filter_map(|row| row["changed"].as_u64()).fold(changed, u64::max);
    }
    if let Some(as_of) = answer.get_mut("as_of").and_then(Value::as_object_mut) {
        as_of.insert("changed".to_owned(), changed.into());
    }
    // A state may end while an answer is made: then it has more entries.
    let entries = answer["as_of"]["entries"].as_u64().unwrap_or_default();
    let known = known.filter(|known| known.entries == entries);
    let tag = known.unwrap_or_else(|| Tag { entries, text: tag(&answer, asked) });
    (answer, tag)
}

/// The entity tag: of what it was made from only version and skipped, of the rest all but how old things are.
fn tag(answer: &Value, asked: &str) -> String {
    let mut text = asked.as_bytes().to_vec();
    for name in ["version", "skipped"] {
        text.extend_from_slice(format!(" {}", answer["as_of"][name]).as_bytes());
    }
    for (name, member) in answer.as_object().into_iter().flatten().filter(|(name, _)| *name != "as_of") {
        text.extend_from_slice(format!(" {name} ").as_bytes());
        // Only a writer can fail, and bytes in memory do not.
        let _ = serde_json::to_writer(&mut text, &Ageless(member));
    }
    let digest = PAGE.digest(&text);
    format!("W/\"{}\"", hex(digest.0.first_chunk::<16>().unwrap_or(&[0; 16])))
}

/// A value without how old things are by now: that changes without anything that changes.
struct Ageless<'a>(&'a Value);

impl Serialize for Ageless<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(members) => {
                let mut map = to.serialize_map(None)?;
                for (name, value) in members.iter().filter(|(name, _)| *name != "age_ms") {
                    map.serialize_entry(name, &Ageless(value))?;
                }
                map.end()
            }
            Value::Array(items) => to.collect_seq(items.iter().map(Ageless)),
            plain => plain.serialize(to),
        }
    }
}
