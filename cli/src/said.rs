//! What was answered? A receipt as it is printed and served: the same text from near and far. SPEC 16.

use crate::diagnostic::Diagnostic;
use chancery_ledger::domains::ledger::Stage;
use chancery_ledger::{Code, Receipt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A receipt, read from its text.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Said {
    pub(crate) effect: String,
    #[serde(rename = "code")]
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) entries: Vec<SaidEntry>,
    pub(crate) hold: Option<String>,
    /// `<epoch>.<position>` of the last entry.
    pub(crate) position: String,
    #[serde(default)]
    pub(crate) replay: bool,
    pub(crate) secret: Option<String>,
    pub(crate) stage: Stage,
    pub(crate) warning: Option<String>,
    /// The text itself.
    #[serde(skip)]
    pub(crate) text: String,
    /// Its leaves, where they came with it.
    #[serde(skip)]
    pub(crate) leaves: Vec<Value>,
}

/// An entry of a receipt.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SaidEntry {
    pub(crate) address: String,
    pub(crate) kind: String,
    pub(crate) position: u64,
}

impl Said {
    /// Reads the text of a receipt.
    pub(crate) fn read(text: &str) -> Result<Self, Diagnostic> {
        let said = serde_json::from_str::<Self>(text);
        let said = said
            .map_err(|error| Diagnostic::new(Code::Internal, format!("the answer is no receipt: {error}")))?;
        Ok(Self { text: text.to_owned(), ..said })
    }

    /// A receipt of a ledger that this process has open.
    pub(crate) fn of(receipt: &Receipt) -> Result<Self, Diagnostic> {
        Self::read(&text(receipt)?)
    }

    /// Why the answer is no; nothing when it is yes.
    pub(crate) fn no(&self) -> Option<Code> {
        self.reason.as_deref().map(|reason| Code::parse(reason).unwrap_or(Code::Internal))
    }

    /// The reason as it was said.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

/// The text of a value as it is printed.
pub(crate) fn text<T: Serialize>(value: &T) -> Result<String, Diagnostic> {
    serde_json::to_string(value).map_err(|error| Diagnostic::new(Code::Internal, error.to_string()))
}
