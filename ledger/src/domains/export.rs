//! Who took private parts out? SPEC 10.7.
//!
//! 1. An export with private parts is an entry before it is a file.
//! 2. It covers entries below its own `to`.

use super::spec::{ActionSpec, Field, Flow, Risk, Shape, Subject};
use super::{Asked, Draft, Refusal, World};
use crate::code::Code;
use crate::format::limits::INT_MAX;
use serde::{Deserialize, Serialize};

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Produce an export with private parts.
    Produce {
        /// First position.
        from: u64,
        /// Position after the last.
        to: u64,
    },
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// An export was produced.
    Produced {
        /// First position.
        from: u64,
        /// Whether private parts were in it.
        parts: bool,
        /// Position after the last.
        to: u64,
    },
}

pub(super) const ACTIONS: &[ActionSpec] = &[ActionSpec {
    id: "export.produce",
    entity: "ledger",
    subject: Subject::Ledger,
    risk: Risk::Low,
    flow: Flow::Raises,
    help: "Record that an export with private parts is produced.",
    fields: &[
        Field { name: "from", shape: Shape::Int(0, INT_MAX), required: true, help: "first position" },
        Field { name: "to", shape: Shape::Int(1, INT_MAX), required: true, help: "position after the last" },
    ],
}];

pub(super) fn decide(world: &World, action: &Action, asked: &Asked<'_>) -> Result<Vec<Draft>, Refusal> {
    let Action::Produce { from, to } = action;
    if from >= to || *to > world.position {
        let text = format!("{from} to {to} is not a range of the {} entries", world.position);
        return Err(Refusal::new(Code::RangeInvalid, text));
    }
    Ok(vec![Draft {
        entity_kind: "ledger",
        entity_id: asked.id.to_owned(),
        event: super::Event::Export(Event::Produced { from: *from, parts: true, to: *to }),
        private: None,
        cause: Vec::new(),
    }])
}
