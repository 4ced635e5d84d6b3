//! Which host keys are trusted? SPEC 10.6.
//!
//! ```text
//! unknown --observed--> bootstrap --verified--> verified --changed--> changed --verified--> verified
//!                          |                       |                    |
//!                          +------- rejected ------+-----> rejected <---+   rejected --changed--> changed
//!                          any but disabled --disabled--> disabled (terminal)
//! ```
//!
//! 1. Only `verified` is trust, and only for the exact fingerprint.
//! 2. Seeing a key is not trusting it.
//! 3. Whoever ever observed a fingerprint of a host does not verify it there.
//! 4. A changed key loses its trust in the same request.

use super::principal::Kind;
use super::spec::{ActionSpec, Field, Flow, Risk, Shape, Subject};
use super::table::{At, Place, Table};
use super::{Asked, Draft, Ended, Facts, Meta, Refusal, World};
use crate::code::Code;
use crate::format::ids::{Fingerprint, Scope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// People that are remembered for the separation rule, of one host key.
const OBSERVERS: usize = 64;
/// Fingerprints that each of them is remembered to have observed.
const FINGERPRINTS: usize = 16;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    Observe {
        fingerprint: Fingerprint,
        source: Source,
        #[serde(default)]
        comment: Option<String>,
    },
    Verify {
        fingerprint: Fingerprint,
    },
    Reject {
        fingerprint: Fingerprint,
        #[serde(default)]
        reason: Option<String>,
    },
    Disable {
        #[serde(default)]
        reason: Option<String>,
    },
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "SPEC 10.6 documents the fields")]
pub enum Event {
    Observed { fingerprint: Fingerprint, source: Source },
    Changed { from: Fingerprint, to: Fingerprint },
    Verified { fingerprint: Fingerprint },
    Rejected { fingerprint: Fingerprint },
    Disabled {},
}

/// Where an observation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Source {
    SshKeyscan,
    KnownHosts,
    HostPublicKey,
    Generated,
    AccessTest,
}

/// State of a host key that is not disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Trust {
    Bootstrap,
    Verified,
    Changed,
    Rejected,
}

impl Trust {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bootstrap => "bootstrap",
            Self::Verified => "verified",
            Self::Changed => "changed",
            Self::Rejected => "rejected",
        }
    }
}

/// A host key that is not disabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whether it is trusted.
    pub trust: Trust,
    /// The fingerprint last observed.
    pub current: Fingerprint,
    /// Which fingerprints each person observed; one more than are remembered stands for any.
    observers: BTreeMap<String, Vec<Fingerprint>>,
    /// Whether more people observed than are remembered.
    #[serde(default)]
    crowded: bool,
}

impl Record {
    /// Whether somebody observed the current fingerprint, or may have done so: what is not remembered counts.
    pub fn was_observed_by(&self, person: &str) -> bool {
        match self.observers.get(person) {
            Some(own) => own.len() > FINGERPRINTS || own.contains(&self.current),
            None => self.crowded,
        }
    }

    fn remember(&mut self, person: &str) {
        let (known, room) = (self.observers.contains_key(person), self.observers.len() < OBSERVERS);
        if !known && !room {
            self.crowded = true;
            return;
        }
        let own = self.observers.entry(person.to_owned()).or_default();
        if own.len() <= FINGERPRINTS && !own.contains(&self.current) {
            own.push(self.current.clone());
        }
    }
}

/// Host keys that are not disabled, by scope and id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    live: Table<Place, Record>,
}

impl State {
    /// The record of a host key in a scope.
    pub fn get(&self, scope: &str, id: &str) -> Option<&Record> {
        self.live.get(&At { scope, id })
    }

    /// Number of host keys that are not disabled.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }
}

/// What a host key is known by: an id is unique within its scope only.
pub(super) fn key(scope: &Scope, id: &str) -> String {
    format!("{scope} {id}")
}

const FINGERPRINT: Field = Field {
    name: "fingerprint",
    shape: Shape::Fingerprint,
    required: true,
    help: "as `ssh-keygen -lf` prints it",
};

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        id: "host_key.observe",
        entity: "host_key",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Raises,
        help: "Report the key that a host shows; the id is `<algorithm>:<host>:<port>`.",
        fields: &[
            Field { name: "comment", shape: Shape::Text(500), required: false, help: "a remark; private" },
            FINGERPRINT,
            Field {
                name: "source",
                shape: Shape::OneOf(&[
                    "ssh_keyscan",
                    "known_hosts",
                    "host_public_key",
                    "generated",
                    "access_test",
                ]),
                required: true,
                help: "where the observation comes from",
            },
        ],
    },
    ActionSpec {
        id: "host_key.verify",
        entity: "host_key",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Raises,
        help: "Trust exactly this fingerprint, checked on another way than the observation came.",
        fields: &[FINGERPRINT],
    },
    ActionSpec {
        id: "host_key.reject",
        entity: "host_key",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Reduces,
        help: "Say that this fingerprint is not to be trusted.",
        fields: &[FINGERPRINT, super::scope::REASON],
    },
    ActionSpec {
        id: "host_key.disable",
        entity: "host_key",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Reduces,
        help: "Retire the record, for good.",
        fields: &[super::scope::REASON],
    },
];

fn is_host_key_id(id: &str) -> bool {
    let Some((algorithm, rest)) = id.split_once(':') else { return false };
    let Some((host, port)) = rest.rsplit_once(':') else { return false };
    let plain_port = port.len() <= 5 && port.parse::<u16>().is_ok_and(|p| p > 0) && !port.starts_with('0');
    !algorithm.is_empty() && !host.is_empty() && plain_port
}

pub(super) fn decide(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let id = asked.id;
    let draft = |event, names: &[&str]| Draft {
        entity_kind: "host_key",
        entity_id: id.to_owned(),
        event: super::Event::HostKey(event),
        private: super::principal::private(asked.args, names),
        cause: Vec::new(),
    };
    let record = world.host_keys.get(asked.scope.as_str(), id);
    let disabled = facts.has_ended("host_key", &key(asked.scope, id));
    if matches!(action, Action::Observe { .. }) && !is_host_key_id(id) {
        let text = format!("`{id}` is not `<algorithm>:<host>:<port>`");
        return Err(Refusal::new(Code::IdMalformed, text));
    }
    if record.is_none() && !disabled && !matches!(action, Action::Observe { .. }) {
        let text = format!("no host key `{id}` in `{}`", asked.scope);
        return Err(Refusal::new(Code::NotFound, text));
    }
    if disabled {
        return Err(Refusal::new(Code::HostKeyDisabled, format!("host key `{id}` was disabled")));
    }
    match (action, record) {
        (Action::Observe { fingerprint, source, .. }, record) => {
            let observed = Event::Observed { fingerprint: fingerprint.clone(), source: *source };
            let mut drafts = vec![draft(observed, &["comment"])];
            if let Some(record) = record.filter(|record| record.current != *fingerprint) {
                let changed = Event::Changed { from: record.current.clone(), to: fingerprint.clone() };
                drafts.push(draft(changed, &[]));
            }
            Ok(drafts)
        }
        (Action::Verify { fingerprint } | Action::Reject { fingerprint, .. }, Some(record)) => {
            let verify = matches!(action, Action::Verify { .. });
            let done = if verify { Trust::Verified } else { Trust::Rejected };
            if record.trust == done || (verify && record.trust == Trust::Rejected) {
                let text = format!("host key `{id}` is {}", record.trust.as_str());
                return Err(Refusal::new(Code::WrongState, text));
            }
            if record.current != *fingerprint {
                let text = format!("host key `{id}` was last observed with `{}`", record.current);
                return Err(Refusal::new(Code::FingerprintMoved, text));
            }
            let fingerprint = fingerprint.clone();
            let event =
                if verify { Event::Verified { fingerprint } } else { Event::Rejected { fingerprint } };
            Ok(vec![draft(event, &["reason"])])
        }
        (Action::Disable { .. } | Action::Verify { .. } | Action::Reject { .. }, _) => {
            Ok(vec![draft(Event::Disabled {}, &["reason"])])
        }
    }
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event, ended: &mut Vec<Ended>) {
    let at = meta.at();
    if let Event::Disabled {} = event {
        assert!(world.host_keys.live.remove(&at).is_some(), "a disabled host key was live");
        ended.push(Ended {
            kind: "host_key",
            id: at.to_string(),
            state: "disabled",
            position: meta.position,
        });
        return;
    }
    if let Event::Observed { fingerprint, .. } = event {
        let record = world.host_keys.live.entry(Place::new(at.scope, at.id)).or_insert_with(|| Record {
            trust: Trust::Bootstrap,
            current: fingerprint.clone(),
            observers: BTreeMap::new(),
            crowded: false,
        });
        // `host_key.changed` of the same request follows and takes the trust away.
        record.current = fingerprint.clone();
        // A machine verifies nothing, so it takes no room.
        if world.principals.get(meta.actor).is_none_or(|actor| actor.kind == Kind::Human) {
            record.remember(meta.actor);
        }
        return;
    }
    let Some(record) = world.host_keys.live.get_mut(&at) else { panic!("`{at}` is live") };
    record.trust = match event {
        Event::Verified { .. } => Trust::Verified,
        Event::Rejected { .. } => Trust::Rejected,
        Event::Changed { .. } | Event::Observed { .. } | Event::Disabled {} => Trust::Changed,
    };
}
