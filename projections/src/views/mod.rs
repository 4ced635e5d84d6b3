//! Which questions are answered? One file each, one line each.

pub(crate) mod acknowledgements;
pub(crate) mod attention;
mod capabilities;
mod decisions;
mod entities;
mod grants;
mod holds;
mod host_keys;
mod jobs;
mod leases;
mod preflights;
mod principals;
mod related;
mod switches;
mod timeline;
mod transcripts;
mod workers;

pub(crate) use acknowledgements::VIEW as ACKNOWLEDGEMENTS;
pub(crate) use attention::VIEW as ATTENTION;
pub use attention::{QUEUES, Queue};

use crate::letters;
use crate::seen::Seen;
use crate::view::View;
use serde::{Deserialize, Serialize};

/// Every view, in the order in which they are listed.
pub static VIEWS: &[&View] = &[
    &attention::VIEW,
    &acknowledgements::VIEW,
    &entities::VIEW,
    &timeline::VIEW,
    &jobs::VIEW,
    &workers::VIEW,
    &host_keys::VIEW,
    &grants::VIEW,
    &leases::VIEW,
    &holds::VIEW,
    &switches::VIEW,
    &principals::VIEW,
    &capabilities::VIEW,
    &preflights::VIEW,
    &transcripts::OPERATOR,
    &transcripts::TECHNICAL,
    &transcripts::AUDIT,
    &transcripts::QUARANTINE,
    &decisions::VIEW,
    &letters::VIEW,
];

/// The streams of a transcript, and the view of each.
pub static STREAMS: &[(&str, &str)] = &[
    ("operator", "transcript_operator"),
    ("technical", "transcript_technical"),
    ("audit", "transcript_audit"),
    ("quarantine", "transcript_quarantine"),
];

/// The view of this name.
pub fn view(name: &str) -> Option<&'static View> {
    VIEWS.iter().copied().find(|view| view.name == name)
}

/// Key of what is unique within a scope only.
fn place(scope: &str, id: &str) -> String {
    [scope, " ", id].concat()
}

/// Where and when something was recorded, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    by: String,
    position: u64,
    time: i64,
}

impl Mark {
    fn of(seen: &Seen<'_>) -> Self {
        Self { by: seen.actor.to_owned(), position: seen.position, time: seen.time }
    }
}
