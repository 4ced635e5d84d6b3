//! What does the model remember? One list for each kind of thing; nothing is taken out again.

use super::{Said, table::Row};
use chancery_ledger::format::json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub struct Person {
    pub id: String,
    pub kind: String,
    pub role: String,
    pub scope: String,
    /// `pending`, `active`, `suspended` or `revoked`.
    pub standing: &'static str,
    pub registrar: String,
    pub suspender: String,
    /// Roles beside the first, with the instant from which they do not count.
    pub further: Vec<(String, Option<i64>)>,
    /// Whether it has a live author key.
    pub has_key: bool,
}

#[derive(Clone, Debug)]
pub struct Token {
    pub id: String,
    pub principal: String,
    pub within: Option<String>,
    pub once: bool,
    pub expires: i64,
    pub over: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub struct HostKey {
    pub at: String,
    pub id: String,
    /// `bootstrap`, `verified`, `changed`, `rejected` or `disabled`.
    pub trust: &'static str,
    pub current: String,
    /// Who observed which fingerprint.
    pub observers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct Capability {
    pub id: String,
    pub risk: String,
    pub grant: bool,
    pub trust: String,
    pub commands: Vec<Value>,
    /// Scopes, and whether it is enabled or disabled there.
    pub marks: Vec<(String, bool)>,
}

#[derive(Clone, Debug)]
pub struct Feature {
    pub id: String,
    pub at: String,
    pub until: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Kill {
    pub at: String,
    pub target: String,
    pub id: String,
}

#[derive(Clone, Debug)]
pub struct Hold {
    /// What the product calls it.
    pub name: String,
    pub action: String,
    pub at: String,
    pub id: String,
    pub who: String,
    pub args: BTreeMap<String, Value>,
    pub until: i64,
    /// `pending`, `approved`, `denied`, `cancelled`, `expired` or `used`.
    pub state: &'static str,
}

#[derive(Clone, Debug)]
pub struct Worker {
    pub id: String,
    pub at: String,
    pub trust: String,
    pub suspended: bool,
    pub revoked: bool,
    pub declared: Vec<String>,
    pub locality: String,
    pub redaction: bool,
    pub assigned: Vec<String>,
    pub to: Option<String>,
    pub targets: Vec<String>,
    /// Health, and from when on nobody knows.
    pub health: Option<(String, i64)>,
}

#[derive(Clone, Debug)]
pub struct Job {
    pub at: String,
    pub id: String,
    pub capability: String,
    pub mode: String,
    pub target: Option<String>,
    pub command: Option<usize>,
    pub deadline: i64,
    pub eligible: Vec<String>,
    /// Who claimed it, and until when.
    pub claim: Option<(String, i64)>,
    pub fence: i64,
    pub started: Option<i64>,
    /// The recorded end.
    pub over: Option<&'static str>,
    /// Parts of the accepted transcript events.
    pub accepted: Vec<BTreeMap<String, Value>>,
    pub closed: bool,
}

#[derive(Clone, Debug)]
pub struct Grant {
    pub at: String,
    pub id: String,
    pub job: String,
    pub worker: String,
    pub reference: String,
    pub purpose: String,
    pub expires: i64,
    /// `consumed`, `revoked` or `expired`, once that is recorded.
    pub over: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub struct Lease {
    pub at: String,
    pub id: String,
    pub job: String,
    pub worker: String,
    pub fence: i64,
    pub grant: String,
    pub expires: i64,
    pub resolved: bool,
    pub over: Option<&'static str>,
}

/// A quarantined event; its position is learnt from the answer.
#[derive(Clone, Debug)]
pub struct Quarantined {
    pub at: String,
    pub job: String,
    pub position: Option<u64>,
    pub kept: bool,
    pub until: i64,
    pub released: bool,
}

/// Material that was handed out.
#[derive(Clone, Debug)]
pub struct Material {
    pub at: String,
    pub job: String,
    pub worker: String,
    pub text: String,
}

/// An answer under an idempotency key.
#[derive(Clone, Debug)]
pub struct Answered {
    pub who: String,
    pub at: String,
    pub action: String,
    pub key: u64,
    pub id: String,
    pub args: BTreeMap<String, Value>,
    /// The token that asked.
    pub session: Option<String>,
    pub said: Said,
}

/// The model's whole state.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    pub now: i64,
    pub(super) table: Vec<Row>,
    /// Scopes, and whether they are open.
    pub scopes: Vec<(String, bool)>,
    pub people: Vec<Person>,
    /// Defined roles with their actions.
    pub roles: Vec<(String, Vec<String>)>,
    pub tokens: Vec<Token>,
    pub host_keys: Vec<HostKey>,
    pub capabilities: Vec<Capability>,
    pub features: Vec<Feature>,
    pub kills: Vec<Kill>,
    pub holds: Vec<Hold>,
    pub workers: Vec<Worker>,
    pub jobs: Vec<Job>,
    pub grants: Vec<Grant>,
    pub leases: Vec<Lease>,
    pub quarantined: Vec<Quarantined>,
    pub material: Vec<Material>,
    pub answered: Vec<Answered>,
}

impl Oracle {
    /// Nothing but time and the table of roles.
    pub fn at(now: i64) -> Self {
        Self { now, table: super::table::read(), ..Self::default() }
    }

    /// The principal, unless it was revoked.
    pub fn person(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|p| p.id == id && p.standing != "revoked")
    }

    /// The principal, when it lives in exactly this scope.
    pub fn person_in(&self, id: &str, at: &str) -> Option<&Person> {
        self.person(id).filter(|p| p.scope == at)
    }

    pub fn person_mut(&mut self, id: &str) -> &mut Person {
        let found = self.people.iter_mut().find(|p| p.id == id && p.standing != "revoked");
        found.unwrap_or_else(|| panic!("no principal `{id}`"))
    }

    pub fn is_open(&self, at: &str) -> bool {
        at == "/" || self.scopes.iter().any(|(scope, open)| scope == at && *open)
    }

    pub fn worker_of(&self, id: &str) -> Option<&Worker> {
        self.workers.iter().find(|w| w.id == id && !w.revoked)
    }

    /// The job, whether or not it is over.
    pub fn job_at(&self, at: &str, id: &str) -> Option<usize> {
        self.jobs.iter().position(|j| j.at == at && j.id == id)
    }

    /// The job, unless its end is recorded.
    pub fn live_job(&self, at: &str, id: &str) -> Option<&Job> {
        self.job_at(at, id).map(|at| &self.jobs[at]).filter(|j| j.over.is_none())
    }

    pub fn grant_at(&self, at: &str, id: &str) -> Option<usize> {
        self.grants.iter().position(|g| g.at == at && g.id == id)
    }

    pub fn lease_at(&self, at: &str, id: &str) -> Option<usize> {
        self.leases.iter().position(|l| l.at == at && l.id == id)
    }

    pub fn capability_of(&self, id: &str) -> Option<&Capability> {
        self.capabilities.iter().find(|c| c.id == id)
    }

    /// A hold that nobody answered and that has time left.
    pub fn is_pending(&self, at: usize) -> bool {
        self.holds[at].state == "pending" && self.now < self.holds[at].until
    }

    /// Every deadline that is of interest.
    pub fn deadlines(&self) -> Vec<i64> {
        let mut all: Vec<i64> = Vec::new();
        all.extend(self.features.iter().map(|f| f.until));
        all.extend(self.people.iter().flat_map(|p| p.further.iter().filter_map(|f| f.1)));
        all.extend(self.tokens.iter().map(|t| t.expires));
        all.extend(self.holds.iter().filter(|h| ["pending", "approved"].contains(&h.state)).map(|h| h.until));
        all.extend(self.workers.iter().filter_map(|w| w.health.as_ref().map(|h| h.1)));
        for job in self.jobs.iter().filter(|j| j.over.is_none()) {
            all.push(job.deadline);
            all.extend(job.claim.as_ref().map(|c| c.1));
        }
        all.extend(self.grants.iter().filter(|g| g.over.is_none()).map(|g| g.expires));
        all.extend(self.leases.iter().filter(|l| l.over.is_none()).map(|l| l.expires));
        all.retain(|at| *at > self.now);
        all.sort_unstable();
        all.dedup();
        all
    }
}
