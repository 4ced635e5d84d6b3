//! Who has seen what needed attention? SPEC 10.20.
//!
//! 1. An acknowledgement is recorded and changes nothing: no item, no risk, no state.

use super::spec::{ActionSpec, Flow, Shape, need};
use super::{Asked, Draft, Refusal, World};
use crate::code::Code;
use crate::format::limits::INT_MAX;
use serde::{Deserialize, Serialize};

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Record that the caller has seen something.
    Acknowledge {
        /// Position of the entry that it is about.
        position: u64,
        /// A remark.
        #[serde(default)]
        note: Option<String>,
    },
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// Somebody has seen something.
    Acknowledged {
        /// Position of the entry that it is about.
        position: u64,
    },
}

pub(super) const ACTIONS: &[ActionSpec] = &[ActionSpec::new(
    "attention.acknowledge",
    "attention",
    "Record that you have seen something; it changes nothing else. The id is the item's.",
    &[
        super::spec::may("note", Shape::Text(2000), "a remark; private"),
        need("position", Shape::Int(0, INT_MAX), "position of the entry that it is about"),
    ],
)
.flow(Flow::Reports)];

pub(super) fn decide(world: &World, action: &Action, asked: &Asked<'_>) -> Result<Vec<Draft>, Refusal> {
    let Action::Acknowledge { position, .. } = action;
    if *position >= world.position {
        let text = format!("there is no entry {position} yet");
        return Err(Refusal::new(Code::FromOutOfRange, text));
    }
    let event = super::Event::Attention(Event::Acknowledged { position: *position });
    let mut draft = asked.draft("attention", event, &["note"]);
    draft.cause = vec![*position];
    Ok(vec![draft])
}
