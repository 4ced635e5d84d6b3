//! Who may look? SPEC 10.23.
//!
//! 1. A read that is allowed leaves no entry; one that is denied leaves one for each principal, route and minute.
//! 2. No read changes anything: no event belongs to this domain.

use super::Draft;
use super::spec::{ActionSpec, Flow};
use serde::Deserialize;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// What an operator looks at.
    Read {},
    /// What an auditor looks at.
    Audit {},
    /// What only administrators look at: technical detail, and what was quarantined.
    Restricted {},
}

const fn read(id: &'static str, help: &'static str) -> ActionSpec {
    ActionSpec::new(id, "view", help, &[]).flow(Flow::Reads)
}

pub(super) const ACTIONS: &[ActionSpec] = &[
    read("view.read", "Look at queues, status, transcripts and boards; the id is the view's."),
    read("view.audit", "Look at entries, decisions and the audit stream; the id is the view's."),
    read("view.restricted", "Look at technical detail and at what was quarantined; the id is the view's."),
];

/// An allowed read makes nothing happen.
pub(super) fn decide(action: &Action) -> Vec<Draft> {
    match action {
        Action::Read {} | Action::Audit {} | Action::Restricted {} => Vec::new(),
    }
}
