//! What is live now? The fold of the whole chain; what is over goes to `ended`.

use super::{host_key, key, ledger, principal, scope, token};
use crate::format::hash::Digest;
use crate::format::ids::{KeyId, Scope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that decisions are made from, folded out of entries alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// Number of entries folded.
    pub position: u64,
    /// Time of the last of them.
    pub time: i64,
    /// Content address of the last of them.
    pub address: Digest,
    /// Next `n` of each counting scope.
    pub counts: BTreeMap<String, u64>,
    /// What `ledger.opened` set.
    pub settings: Option<ledger::Settings>,
    /// Open scopes.
    pub scopes: scope::State,
    /// Principals that are not revoked.
    pub principals: principal::State,
    /// Live author keys.
    pub keys: key::State,
    /// Live tokens.
    pub tokens: token::State,
    /// Host keys that are not disabled.
    pub host_keys: host_key::State,
}

impl Default for World {
    fn default() -> Self {
        Self {
            position: 0,
            time: 0,
            address: Digest::ZERO,
            counts: BTreeMap::new(),
            settings: None,
            scopes: scope::State::default(),
            principals: principal::State::default(),
            keys: key::State::default(),
            tokens: token::State::default(),
            host_keys: host_key::State::default(),
        }
    }
}

/// The envelope's part in a fold.
#[derive(Debug, Clone, Copy)]
pub struct Meta<'a> {
    /// Position of the entry.
    pub position: u64,
    /// Time of the entry.
    pub time: i64,
    /// Scope of the entry.
    pub scope: &'a str,
    /// Id of the entity.
    pub id: &'a str,
    /// The principal that acted.
    pub actor: &'a str,
    /// Key and running number of the attestation.
    pub attestation: Option<(KeyId, u64)>,
}

/// What reached a terminal state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Kind of the entity.
    pub kind: &'static str,
    /// Its id; host keys' with their scope before it.
    pub id: String,
    /// The terminal state.
    pub state: &'static str,
    /// Position of the entry that ended it.
    pub position: u64,
}

/// What the shell read from `ended` for one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Kind and id of what has ended, of all that the request names.
    pub ended: Vec<(&'static str, String)>,
}

impl Facts {
    /// True when this has ended.
    pub fn has_ended(&self, kind: &str, id: &str) -> bool {
        self.ended.iter().any(|(k, i)| *k == kind && i == id)
    }
}

impl World {
    /// Settings of an opened ledger; every world with an entry has them.
    pub fn settings(&self) -> &ledger::Settings {
        const NONE: &ledger::Settings = &ledger::Settings::NONE;
        self.settings.as_ref().unwrap_or(NONE)
    }

    /// The `n` that the next entry in `scope` gets.
    pub fn next_n(&self, scope: &str) -> u64 {
        self.counts.get(crate::format::ids::counting(scope)).copied().unwrap_or(0)
    }

    /// Folds one entry in: its envelope, then its event. Only at genesis does the event come first, because it
    /// brings the key that may have signed it.
    pub fn fold(&mut self, meta: &Meta<'_>, address: Digest, event: &super::Event, ended: &mut Vec<Ended>) {
        if meta.position == 0 {
            self.evolve(meta, event, ended);
            self.advance(meta, address);
        } else {
            self.advance(meta, address);
            self.evolve(meta, event, ended);
        }
    }

    /// The envelope's own effect: position, time, chain, counts, and the author's running number.
    fn advance(&mut self, meta: &Meta<'_>, address: Digest) {
        assert_eq!(meta.position, self.position, "entries are folded without a gap");
        self.position += 1;
        self.time = meta.time;
        self.address = address;
        let counting = crate::format::ids::counting(meta.scope);
        match self.counts.get_mut(counting) {
            Some(n) => *n += 1,
            None => {
                self.counts.insert(counting.to_owned(), 1);
            }
        }
        if let Some((key, seq)) = meta.attestation {
            self.keys.used(key, seq);
        }
    }

    /// True when `scope` is the root or was created and not closed.
    pub fn scope_is_open(&self, scope: &Scope) -> bool {
        scope.segments() == 0 || self.scopes.is_open(scope)
    }
}
