//! What is a read model? One declared question, a fold over entries, and what a reader is shown. SPEC 17.

use crate::body::{Body, Keep};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use chancery_ledger::{Code, Error};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// A read model. Data: the engine, the queries and every surface iterate over [`crate::VIEWS`].
#[derive(Debug)]
pub struct View {
    /// Its name, `[a-z_]+`.
    pub name: &'static str,
    /// The question that it answers, in one sentence.
    pub question: &'static str,
    /// Version of its fold: a change builds the rows anew beside the old ones.
    pub version: u32,
    /// Who may read it.
    pub access: Access,
    /// Which column finds rows fast beside the key.
    pub indexes: &'static [Index],
    /// Which end of the order comes first.
    pub order: Order,
    /// What `state` can be, when that is a fixed set.
    pub states: &'static [&'static str],
    /// What an entry changes.
    pub fold: fn(&mut Rows<'_>, &Seen<'_>) -> Result<(), Poison>,
    /// What a reader is shown of a row.
    pub show: fn(&Row, &Show<'_>) -> Result<Value, Poison>,
}

/// Which rule of the gate a reader needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `view.read`
    Read,
    /// `view.audit`
    Audit,
    /// `view.restricted`
    Restricted,
}

impl Access {
    /// The action that the gate is asked about.
    pub fn action(self) -> &'static str {
        match self {
            Self::Read => "view.read",
            Self::Audit => "view.audit",
            Self::Restricted => "view.restricted",
        }
    }
}

/// A column that is indexed, before the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// By what the row is about.
    About,
    /// By its state.
    State,
    /// By the order alone.
    Rank,
    /// By the instant at which it changes by itself.
    Until,
}

/// Which row comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The one with the smallest rank.
    Ascending,
    /// The one with the largest rank.
    Descending,
}

/// With what the key of a row begins that a fold keeps for itself: it finds other rows by it, and nobody is shown it.
pub const NOTE: char = '~';

/// One row of a view. No private text stands in it: a row names the position, and the reader of the private store
/// joins it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Unique within the view.
    pub key: String,
    /// Where it counts: who may read that scope may read the row; nobody may when it is empty.
    pub scope: String,
    /// What it is about, `<kind> <id>` where it is an entity.
    pub about: String,
    /// In which state, a word.
    pub state: String,
    /// Its place in the order.
    pub rank: i64,
    /// The instant from which on a reader is shown something else, though no entry says so.
    pub until: Option<i64>,
    /// Position of the entry that changed it last.
    pub changed: u64,
    /// What the view keeps.
    pub body: Body,
}

impl Row {
    /// A row at the position of what was seen.
    pub fn new<T: Keep>(key: impl Into<String>, seen: &Seen<'_>, body: T) -> Self {
        Self {
            key: key.into(),
            scope: seen.scope.to_owned(),
            about: seen.entity(),
            state: String::new(),
            rank: rank(seen.position),
            until: None,
            changed: seen.position,
            body: Body::of(body, seen.bytes),
        }
    }

    /// What a view keeps for itself: its folds read it, and nobody is shown it.
    pub fn memo<T: Keep>(key: impl AsRef<str>, seen: &Seen<'_>, body: T) -> Self {
        Self {
            key: note(key.as_ref()),
            scope: String::new(),
            about: String::new(),
            state: String::new(),
            rank: 0,
            until: None,
            changed: seen.position,
            body: Body::of(body, seen.bytes),
        }
    }

    /// With another state.
    pub fn state(self, state: impl Into<String>) -> Self {
        Self { state: state.into(), ..self }
    }

    /// About something else.
    pub fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }

    /// With another place in the order.
    pub fn rank(self, rank: i64) -> Self {
        Self { rank, ..self }
    }

    /// Changing by itself at an instant.
    pub fn until(self, until: Option<i64>) -> Self {
        Self { until, ..self }
    }

    /// The body, typed.
    pub fn read<T: Keep + Clone>(&self) -> Result<T, Poison> {
        self.body.read().map(Arc::unwrap_or_clone).map_err(|poison| poison.of(&self.key))
    }

    /// The body as it is stored.
    pub(crate) fn text(&self) -> Result<Cow<'_, str>, Error> {
        let unwritten = |poison: Poison| Error::new(Code::ViewsDamaged, poison.of(&self.key).reason);
        self.body.text().map_err(unwritten)
    }

    /// The body as it stands.
    pub fn value(&self) -> Result<Value, Poison> {
        self.read()
    }
}

/// A position as a place in an order.
pub(crate) fn rank(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

/// The key of what a view keeps for itself.
pub(crate) fn note(key: &str) -> String {
    let mut note = String::with_capacity(1 + key.len());
    note.push(NOTE);
    note.push_str(key);
    note
}

/// Why an entry cannot be folded into a view, or a row not be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poison {
    reason: String,
    /// With which code, when neither the entry nor the row is to blame but what they are read from.
    fault: Option<Code>,
}

impl Poison {
    /// With a reason in a sentence; the same cause gives the same sentence.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), fault: None }
    }

    /// What is needed could not be read: tried again, it may be.
    pub fn unread(error: &Error) -> Self {
        Self { reason: error.to_string(), fault: Some(error.code) }
    }

    /// What stands in the file of the views is not what was written there.
    pub(crate) fn damaged(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), fault: Some(Code::ViewsDamaged) }
    }

    /// Of the row of this key.
    pub(crate) fn of(self, key: &str) -> Self {
        Self { reason: format!("row `{key}`: {}", self.reason), ..self }
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The failure that it is, when neither the entry nor the row is to blame.
    pub(crate) fn fault(&self) -> Option<Error> {
        self.fault.map(|code| Error::new(code, self.reason.clone()))
    }
}
