//! How often was somebody told no beyond what is recorded? SPEC 10.22.
//!
//! 1. Denials and refusals of one principal are recorded up to a number in each minute; the rest is one number.

use super::principal::SYSTEM;
use super::spec::{ActionSpec, Flow, Shape, need};
use super::table::Table;
use super::{Asked, Draft, Refusal};
use crate::format::limits::INT_MAX;
use serde::{Deserialize, Serialize};

/// Denials, holds and refusals of one principal that are recorded in one minute.
pub const QUOTA: u32 = 240;
/// A minute, in milliseconds.
pub const MINUTE_MS: i64 = 60_000;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Record how many answers were given without an entry.
    Count {
        /// How many.
        count: u64,
        /// In the minute that begins at this instant.
        minute: i64,
    },
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// So many answers were given without an entry.
    Counted {
        /// How many.
        count: u64,
        /// In the minute that begins at this instant.
        minute: i64,
    },
}

/// How many noes each principal got in its last minute with one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    noes: Table<Box<str>, (i64, u32)>,
}

impl State {
    /// Whether a further no of this principal is only counted.
    pub fn is_over(&self, actor: &str, now: i64) -> bool {
        self.noes.get(actor).is_some_and(|(minute, count)| *minute == minute_of(now) && *count >= QUOTA)
    }

    pub(super) fn no(&mut self, actor: &str, time: i64) {
        if actor == SYSTEM {
            return;
        }
        let minute = minute_of(time);
        match self.noes.get_mut(actor) {
            Some(row) if row.0 == minute => row.1 += 1,
            Some(row) => *row = (minute, 1),
            None => {
                self.noes.insert(actor.into(), (minute, 1));
            }
        }
    }

    pub(super) fn forget(&mut self, actor: &str) {
        self.noes.remove(actor);
    }
}

/// The instant at which the minute of an instant begins.
pub fn minute_of(time: i64) -> i64 {
    time - time.rem_euclid(MINUTE_MS)
}

pub(super) const ACTIONS: &[ActionSpec] = &[ActionSpec::new(
    "door.count",
    "principal",
    "Record how many answers a principal got without an entry in a minute; the system's own.",
    &[
        need("count", Shape::Int(1, INT_MAX), "how many"),
        need("minute", Shape::Int(0, INT_MAX), "the instant at which the minute begins"),
    ],
)
.flow(Flow::Reports)];

pub(super) fn decide(action: &Action, asked: &Asked<'_>) -> Result<Vec<Draft>, Refusal> {
    let Action::Count { count, minute } = action;
    let event = super::Event::Door(Event::Counted { count: *count, minute: *minute });
    Ok(vec![asked.draft("principal", event, &[])])
}
