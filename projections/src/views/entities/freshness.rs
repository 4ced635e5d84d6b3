//! How well is it known how something is, as of an instant? Five words, the first that fits. SPEC 17.

use super::{Body, Word};
use serde::Serialize;

/// The words, in the order of their precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Freshness {
    /// Nothing was ever observed of it.
    Unknown,
    /// The newest observation is that it was not to be reached.
    Unreachable,
    /// What was observed held until an instant that has passed.
    Stale,
    /// The newest observation is that a part of it failed.
    Degraded,
    /// None of these.
    Current,
}

/// The first word that fits.
pub(super) fn freshness(body: &Body, now: i64) -> Freshness {
    match body.evidence.word {
        Word::Nothing => Freshness::Unknown,
        Word::Lost => Freshness::Unreachable,
        Word::Whole | Word::Partial if body.evidence.until.is_some_and(|until| now >= until) => {
            Freshness::Stale
        }
        Word::Partial => Freshness::Degraded,
        Word::Whole => Freshness::Current,
    }
}

/// A sentence of what it rests on.
pub(super) fn sentence(body: &Body, now: i64) -> String {
    let at = body.evidence.position;
    match freshness(body, now) {
        Freshness::Unknown => format!("Nothing was observed of it since entry {at}."),
        Freshness::Unreachable => format!("Entry {at} says that it was not to be reached."),
        Freshness::Stale => {
            let until = body.evidence.until.unwrap_or_default();
            format!("What entry {at} says of it held until {until}, and nothing was recorded since.")
        }
        Freshness::Degraded => format!("Entry {at} says that a part of it failed."),
        Freshness::Current => match body.evidence.until {
            Some(until) => format!("What entry {at} says of it holds until {until}."),
            None => format!("Entry {at} is the newest word on it."),
        },
    }
}
