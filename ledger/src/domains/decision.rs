//! Which answers stand in the chain beside events? SPEC 10.8.

use serde::{Deserialize, Serialize};

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The gate said no.
    Denied {
        /// The reason.
        code: String,
    },
    /// The gate said: somebody else must confirm, and the hold for it is open already.
    Held {
        /// The hold.
        hold: String,
    },
    /// The domain said no.
    Refused {
        /// The reason.
        code: String,
    },
}
