//! What makes an item? A cause on a subject, facts that its narrative needs, what ends it, and who or what comes next.

use super::item::{Fact, key};
use crate::seen::Seen;
use chancery_ledger::domains::Risk;

/// Who or what comes next: one of them there always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// The roles that may do this.
    Owner(&'static str),
    /// The clock, at this instant.
    Until(i64),
    /// The roles that may do this, and the clock if they do not.
    Both(&'static str, i64),
}

impl Care {
    /// The roles that may do this, and the clock when an instant is known.
    pub(super) fn with(action: &'static str, until: Option<i64>) -> Self {
        until.map_or(Self::Owner(action), |until| Self::Both(action, until))
    }
}

/// What opens an item, or happens to it once more.
#[derive(Debug)]
pub(super) struct Opening<'a> {
    pub(super) queue: &'static str,
    pub(super) scope: String,
    pub(super) about: String,
    pub(super) subject: String,
    pub(super) cause: &'a str,
    pub(super) risk: Risk,
    pub(super) care: Care,
    pub(super) facts: Vec<(&'static str, Vec<Fact>)>,
    pub(super) more: Vec<(&'static str, Fact)>,
    pub(super) ends: Vec<String>,
}

impl<'a> Opening<'a> {
    pub(super) fn new(
        queue: &'static str,
        seen: &Seen<'_>,
        about: String,
        cause: &'a str,
        risk: Risk,
        care: Care,
    ) -> Self {
        let scope = seen.scope.to_owned();
        let (facts, more, ends) = (Vec::new(), Vec::new(), Vec::new());
        Self { queue, scope, subject: about.clone(), about, cause, risk, care, facts, more, ends }
    }

    /// Told from others by more than what it is about.
    pub(super) fn subject(self, subject: String) -> Self {
        Self { subject, ..self }
    }

    /// A fact of which the newest counts.
    pub(super) fn fact(mut self, name: &'static str, position: u64, text: &str) -> Self {
        self.facts.push((name, vec![Fact { position, text: text.to_owned() }]));
        self
    }

    /// Facts that replace all of this name.
    pub(super) fn all(mut self, name: &'static str, facts: Vec<Fact>) -> Self {
        self.facts.push((name, facts));
        self
    }

    /// A fact that stands beside those of before.
    pub(super) fn more(mut self, name: &'static str, position: u64, text: &str) -> Self {
        self.more.push((name, Fact { position, text: text.to_owned() }));
        self
    }

    /// Ends when this chain does.
    pub(super) fn ends(mut self, chain: String) -> Self {
        self.ends.push(chain);
        self
    }

    /// The key of the item.
    pub(super) fn key(&self) -> String {
        key(self.queue, &self.scope, &self.subject, self.cause)
    }
}
