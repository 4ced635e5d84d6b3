//! What is live now? The fold of the whole chain; what is over goes to `ended`.

use super::table::At;
use super::{
    capability, door, grant, hold, host_key, job, key, lease, ledger, principal, role, scope, switch, token,
    transcript, worker,
};
use crate::format::hash::Digest;
use crate::format::ids::{KeyId, Scope};
use crate::format::json::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that decisions are made from, folded out of entries alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct World {
    /// Number of entries folded.
    pub position: u64,
    /// Time of the last of them.
    pub time: i64,
    /// Content address of the last of them.
    pub address: Digest,
    /// How far the wall clock was behind `time` when an operator last confirmed it, in milliseconds.
    pub behind: i64,
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
    /// Defined roles.
    pub roles: role::State,
    /// Registered capabilities.
    pub capabilities: capability::State,
    /// Features that are on, and engaged kill switches.
    pub switches: switch::State,
    /// What waits for a second principal.
    pub holds: hold::State,
    /// Workers that are not revoked.
    pub workers: worker::State,
    /// Jobs that are not over.
    pub jobs: job::State,
    /// Live grants.
    pub grants: grant::State,
    /// Leases that are not over.
    pub leases: lease::State,
    /// Transcripts of jobs that are not over.
    pub transcripts: transcript::State,
    /// How many noes each principal got lately.
    pub door: door::State,
}

impl Default for World {
    fn default() -> Self {
        Self {
            position: 0,
            time: 0,
            address: Digest::ZERO,
            behind: 0,
            counts: BTreeMap::new(),
            settings: None,
            scopes: scope::State::default(),
            principals: principal::State::default(),
            keys: key::State::default(),
            tokens: token::State::default(),
            host_keys: host_key::State::default(),
            roles: role::State::default(),
            capabilities: capability::State::default(),
            switches: switch::State::default(),
            holds: hold::State::default(),
            workers: worker::State::default(),
            jobs: job::State::default(),
            grants: grant::State::default(),
            leases: lease::State::default(),
            transcripts: transcript::State::default(),
            door: door::State::default(),
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
    /// The action that was asked for, on the first entry of a request.
    pub action: Option<&'a str>,
    /// Entries that it rests on.
    pub cause: &'a [u64],
}

impl<'a> Meta<'a> {
    /// Where the entity stands.
    pub fn at(&self) -> At<'a> {
        At { scope: self.scope, id: self.id }
    }

    /// The entry's scope.
    pub fn scope(&self) -> Scope {
        Scope::parse(self.scope).unwrap_or_else(|_| panic!("an entry's scope is a scope"))
    }
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

/// What the shell read for one request, beside the world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Kind, id and final state of what has ended, of all that the request names.
    pub ended: Vec<(&'static str, String, String)>,
    /// Stored parts by position and slot, of all that the request is compared with.
    pub parts: Vec<(u64, u64, Value)>,
    /// The hold that this very idempotency key opened, and its state.
    pub prior: Option<(String, String)>,
}

impl Facts {
    /// The final state of something that has ended.
    pub fn ending(&self, kind: &str, id: &str) -> Option<&str> {
        let row = self.ended.iter().find(|(k, i, _)| *k == kind && i == id)?;
        Some(row.2.as_str())
    }

    /// The final state of something whose id is unique within its scope only.
    pub fn ending_at(&self, kind: &str, at: At<'_>) -> Option<&str> {
        let is = |text: &str| text.split_once(' ') == Some((at.scope, at.id));
        let row = self.ended.iter().find(|(k, i, _)| *k == kind && is(i))?;
        Some(row.2.as_str())
    }

    /// True when this has ended.
    pub fn has_ended(&self, kind: &str, id: &str) -> bool {
        self.ending(kind, id).is_some()
    }

    /// The part of an entry.
    pub fn part(&self, position: u64, slot: u64) -> Option<&Value> {
        let row = self.parts.iter().find(|(at, which, _)| *at == position && *which == slot)?;
        Some(&row.2)
    }

    /// Whether the arguments beside an entry are these.
    pub fn same_args(&self, position: u64, args: &Value) -> bool {
        self.part(position, 1) == Some(args)
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
            hold::used(self, meta, ended);
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

    /// Number of jobs, grants, leases and holds at or below a scope.
    pub(super) fn work_within(&self, scope: &Scope) -> usize {
        let within = |at: &str| Scope::parse(at).is_ok_and(|at| scope.contains(&at));
        self.jobs.iter().filter(|(place, _)| within(place.scope())).count()
            + self.grants.iter().filter(|(place, _)| within(place.scope())).count()
            + self.leases.iter().filter(|(place, _)| within(place.scope())).count()
            + self.holds.iter().filter(|(_, hold)| scope.contains(&hold.scope)).count()
    }

    /// True when `scope` is the root or was created and not closed.
    pub fn scope_is_open(&self, scope: &Scope) -> bool {
        scope.is_root() || self.scopes.is_open(scope)
    }
}
