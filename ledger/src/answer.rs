//! What does somebody who asked get back? A receipt rendered from entries, a conflict, or our failure. SPEC 8.

use crate::code::Code;
use crate::door::Conflict;
use crate::error::Error;
use crate::format::checkpoint::Note;
use crate::format::encoding::hex;
use crate::format::hash::Digest;
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// What became of a request.
#[derive(Debug)]
pub enum Answer {
    /// It stands in the ledger, durable and under a signed head.
    Receipt(Box<Receipt>),
    /// It was answered without an entry.
    Conflict(Conflict),
    /// We failed; whether it stands is said by the code.
    Failed(Error),
}

/// Whether a request was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It happened.
    Allow,
    /// The gate said: a second principal must confirm first.
    Hold,
    /// The gate said no.
    Deny,
    /// The domain said no.
    Refuse,
}

/// One entry of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReceiptEntry {
    /// Its content address.
    pub address: Digest,
    /// Its kind.
    pub kind: String,
    /// Its position.
    pub position: u64,
}

/// The durable answer to a request.
#[derive(Debug, Clone, Serialize)]
pub struct Receipt {
    /// Whether it was allowed.
    pub effect: Effect,
    /// The reason, when it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The reason in a sentence; only on the first answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The entries that it caused.
    pub entries: Vec<ReceiptEntry>,
    /// The hold that is open for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// The head over them.
    #[serde(serialize_with = "serialize_head")]
    pub head: Arc<Note>,
    /// `<epoch>.<position>` of the last entry.
    pub position: String,
    /// True when the request had been answered before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replay: bool,
    /// A secret that is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The ledger's stage.
    pub stage: &'static str,
    /// What passed and should not pass for long: `unsigned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<&'static str>,
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[derive(Serialize)]
struct Head {
    root: String,
    size: u64,
}

fn serialize_head<S: Serializer>(note: &Note, serializer: S) -> Result<S::Ok, S::Error> {
    Head { root: hex(&note.checkpoint.root), size: note.checkpoint.size }.serialize(serializer)
}
