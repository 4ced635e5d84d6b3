//! What did a drill show? SPEC 10.21.
//!
//! 1. A drill is performed on a ledger of stage `test` and nowhere else.
//! 2. Its record says what was observed and which entries show it.

use super::ledger::Stage;
use super::spec::{ActionSpec, Flow, Shape, need};
use super::{Asked, Draft, Refusal, World};
use crate::code::Code;
use crate::format::limits::{CAUSE, INT_MAX};
use serde::{Deserialize, Serialize};

/// The ten items of the rollback drill, in their order.
pub const ITEMS: &[&str] = &[
    "reconnect_polling",
    "replay_resilience",
    "partial_transcript",
    "emergency_disable",
    "feature_disable",
    "provider_disable",
    "worker_revoke",
    "host_key_invalidation",
    "lease_revocation",
    "where_why_next",
];

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Record one item of a drill.
    Record {
        /// The item.
        item: String,
        /// Whether what must happen happened.
        passed: bool,
        /// Entries that show it.
        positions: Vec<u64>,
        /// Where, why, next, in words.
        narrative: String,
    },
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// An item of a drill was performed.
    Recorded {
        /// The item.
        item: String,
        /// Whether what must happen happened.
        passed: bool,
    },
}

pub(super) const ACTIONS: &[ActionSpec] = &[ActionSpec::new(
    "drill.record",
    "drill",
    "Record what an item of the rollback drill showed; the id is the drill's.",
    &[
        need("item", Shape::OneOf(ITEMS), "the item"),
        need("narrative", Shape::Text(2000), "where, why, next; private"),
        need("passed", Shape::Bool, "whether what must happen happened"),
        need(
            "positions",
            Shape::List(CAUSE, &Shape::Int(0, INT_MAX)),
            "ascending positions of entries that show it",
        ),
    ],
)
.flow(Flow::Reports)];

pub(super) fn decide(world: &World, action: &Action, asked: &Asked<'_>) -> Result<Vec<Draft>, Refusal> {
    let Action::Record { item, passed, positions, .. } = action;
    if world.settings().stage != Stage::Test {
        return Err(Refusal::new(Code::StageOther, "drills are performed at stage `test` only"));
    }
    let ascending = positions.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || positions.last().is_some_and(|last| *last >= world.position) {
        return Err(Refusal::new(Code::FromOutOfRange, "positions ascend, and are of entries that exist"));
    }
    let event = super::Event::Drill(Event::Recorded { item: item.clone(), passed: *passed });
    let mut draft = asked.draft("drill", event, &["narrative"]);
    draft.cause.clone_from(positions);
    Ok(vec![draft])
}
