//! Which keys sign requests? SPEC 10.4.
//!
//! ```text
//! (nothing) --enrolled--> live --rotated--> rotated (terminal)
//!                           |  --revoked--> revoked (terminal)
//!                           +--suspected--> live, entries from `from` are suspect
//! ```
//!
//! 1. A key is enrolled once, with proof of possession.
//! 2. Its running number never goes back.
//! 3. Validity is judged by position.
//! 4. A machine that never had a key enrols its first one by itself; every other key is given by somebody else.

use super::spec::{ActionSpec, Field, Flow, Risk, Shape, Subject};
use super::{Asked, Draft, Ended, Facts, Meta, Refusal, World};
use crate::code::Code;
use crate::format::encoding::unbase64;
use crate::format::ids::KeyId;
use crate::format::key::PublicKey;
use crate::format::limits::INT_MAX;
use crate::format::statement::enrolment_bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Live keys that one principal may have.
pub const MAX: usize = 8;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    Enrol {
        principal: String,
        proof: String,
        public: String,
    },
    Rotate {
        consent: String,
        proof: String,
        public: String,
    },
    Revoke {
        #[serde(default)]
        reason: Option<String>,
    },
    Suspect {
        from: u64,
    },
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "SPEC 10.4 documents the fields")]
pub enum Event {
    Enrolled {
        principal: String,
        public: PublicKey,
        #[serde(rename = "use")]
        purpose: Use,
    },
    Rotated {
        to: KeyId,
    },
    Revoked {},
    Suspected {
        from: u64,
    },
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// Requests of its principal.
    Request,
    /// Entries, for the system.
    Entry,
}

/// A live key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Whose it is.
    pub principal: String,
    /// The key.
    pub public: PublicKey,
    /// What it signs.
    pub purpose: Use,
    /// The running number that its next signature must carry.
    pub next: u64,
    /// Entries it signed from this position on are suspect.
    pub suspect: Option<u64>,
}

/// Live keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    live: BTreeMap<KeyId, Key>,
    of: BTreeMap<String, BTreeSet<KeyId>>,
}

impl State {
    /// The live key.
    pub fn get(&self, id: KeyId) -> Option<&Key> {
        self.live.get(&id)
    }

    /// Number of live keys.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The live keys of a principal.
    pub fn of(&self, principal: &str) -> impl Iterator<Item = (KeyId, &Key)> {
        let ids = self.of.get(principal).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.live.get(id)?)))
    }

    /// True when a principal has a live key.
    pub fn has_any(&self, principal: &str) -> bool {
        self.of.contains_key(principal)
    }

    pub(super) fn used(&mut self, id: KeyId, seq: u64) {
        let Some(key) = self.live.get_mut(&id) else { panic!("an attestation's key was live") };
        assert_eq!(key.next, seq, "running numbers have no gap");
        key.next += 1;
    }

    fn insert(&mut self, principal: &str, public: PublicKey, purpose: Use) {
        let id = public.id();
        let key = Key { principal: principal.to_owned(), public, purpose, next: 1, suspect: None };
        assert!(self.live.insert(id, key).is_none(), "an enrolled key was not live");
        self.of.entry(principal.to_owned()).or_default().insert(id);
    }

    fn remove(&mut self, id: KeyId) {
        let Some(key) = self.live.remove(&id) else { panic!("an ended key was live") };
        if let Some(ids) = self.of.get_mut(&key.principal) {
            ids.remove(&id);
            if ids.is_empty() {
                self.of.remove(&key.principal);
            }
        }
    }
}

const PUBLIC: Field =
    Field { name: "public", shape: Shape::Bytes(32), required: true, help: "the new ed25519 public key" };
const PROOF: Field = Field {
    name: "proof",
    shape: Shape::Bytes(64),
    required: true,
    help: "signature of the new key over the enrolment text",
};

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        id: "key.enrol",
        entity: "key",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Raises,
        help: "Enrol an author key for another principal, or a machine's own first one, with proof of possession.",
        fields: &[
            Field { name: "principal", shape: Shape::Principal, required: true, help: "whose key it is" },
            PROOF,
            PUBLIC,
        ],
    },
    ActionSpec {
        id: "key.rotate",
        entity: "key",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Raises,
        help: "Replace one's own key; the old and the new one sign.",
        fields: &[
            Field {
                name: "consent",
                shape: Shape::Bytes(64),
                required: true,
                help: "signature of the old key over the enrolment text of the new",
            },
            PROOF,
            PUBLIC,
        ],
    },
    ActionSpec {
        id: "key.revoke",
        entity: "key",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Reduces,
        help: "Revoke a key, for good.",
        fields: &[super::scope::REASON],
    },
    ActionSpec {
        id: "key.suspect",
        entity: "key",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Reduces,
        help: "Mark what a key signed from a position on as suspect; it signs no more requests.",
        fields: &[Field {
            name: "from",
            shape: Shape::Int(0, INT_MAX),
            required: true,
            help: "first position that is suspect",
        }],
    },
];

/// Enters a key that `ledger.opened` names.
pub(super) fn found(world: &mut World, principal: &str, public: PublicKey, purpose: Use) {
    world.keys.insert(principal, public, purpose);
}

/// Ends every key of a principal.
pub(super) fn end_all(world: &mut World, principal: &str, position: u64, ended: &mut Vec<Ended>) {
    for id in world.keys.of.get(principal).cloned().unwrap_or_default() {
        world.keys.remove(id);
        ended.push(Ended { kind: "key", id: id.entity(), state: "revoked", position });
    }
}

fn live<'w>(world: &'w World, asked: &Asked<'_>) -> Result<(KeyId, &'w Key), Refusal> {
    let found = KeyId::parse(&format!("k:{}", asked.id)).and_then(|id| Some((id, world.keys.get(id)?)));
    found.filter(|(_, key)| world.principals.get_in(&key.principal, asked.scope).is_some()).ok_or_else(|| {
        Refusal::new(Code::NotFound, format!("no live key `{}` in `{}`", asked.id, asked.scope))
    })
}

/// The new key, when it is sound.
fn sound(public: &str) -> Result<PublicKey, Refusal> {
    PublicKey::from_base64(public)
        .filter(|key| key.is_torsion_free())
        .ok_or_else(|| Refusal::new(Code::WeakKey, "the public key is weak, has torsion, or is no point"))
}

/// The enrolment text, when the new key's holder proved possession.
fn proven(key: PublicKey, log: &str, principal: &str, proof: &str) -> Result<Vec<u8>, Refusal> {
    let text = enrolment_bytes(log, principal, &key.to_bytes()).unwrap_or_default();
    if !signed(key, &text, proof) {
        let text = format!("the proof of possession for `{principal}` does not verify");
        return Err(Refusal::new(Code::BadProof, text));
    }
    Ok(text)
}

/// Refuses a key that was enrolled before.
fn free(world: &World, facts: &Facts, key: PublicKey) -> Result<(), Refusal> {
    if facts.has_ended("key", &key.id().entity()) {
        return Err(Refusal::new(Code::KeyEnded, format!("key `{}` has ended", key.id())));
    }
    if world.keys.get(key.id()).is_some() {
        return Err(Refusal::new(Code::KeyExists, format!("key `{}` is enrolled", key.id())));
    }
    Ok(())
}

/// The entity's id of the new key that an action brings.
pub(super) fn named(action: &Action) -> Option<String> {
    match action {
        Action::Enrol { public, .. } | Action::Rotate { public, .. } => {
            PublicKey::from_base64(public).map(|key| key.id().entity())
        }
        _ => None,
    }
}

fn signed(key: PublicKey, text: &[u8], signature: &str) -> bool {
    unbase64(signature)
        .and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())
        .is_some_and(|signature| key.verifies(text, &signature))
}

pub(super) fn decide(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let draft = |id: &str, event| Draft {
        entity_kind: "key",
        entity_id: id.to_owned(),
        event: super::Event::Key(event),
        private: super::principal::private(asked.args, &["reason"]),
        cause: Vec::new(),
    };
    match action {
        Action::Enrol { principal, proof, public } => {
            let Some(owner) = world.principals.get_in(principal, asked.scope) else {
                let text = format!("no principal `{principal}` in `{}`", asked.scope);
                return Err(Refusal::new(Code::PrincipalUnknown, text));
            };
            super::principal::hold_to_all(world, asked, owner)?;
            let key = sound(public)?;
            if key.id().entity() != asked.id {
                let text = format!("the public key's id is `{}`, not `{}`", key.id().entity(), asked.id);
                return Err(Refusal::new(Code::KeyIdMismatch, text));
            }
            proven(key, asked.log, principal, proof)?;
            free(world, facts, key)?;
            if world.keys.of.get(principal).is_some_and(|keys| keys.len() >= MAX) {
                return Err(Refusal::new(Code::KeyLimit, format!("`{principal}` has {MAX} live keys")));
            }
            let event = Event::Enrolled { principal: principal.clone(), public: key, purpose: Use::Request };
            Ok(vec![draft(asked.id, event)])
        }
        Action::Rotate { consent, proof, public } => {
            let (_, old) = live(world, asked)?;
            // Whoever stole it would get a fresh one without anybody's review.
            if old.suspect.is_some() {
                let text = format!("key `{}` is suspected: have another enrolled with `key.enrol`", asked.id);
                return Err(Refusal::new(Code::WrongState, text));
            }
            let key = sound(public)?;
            let text = proven(key, asked.log, &old.principal, proof)?;
            if !signed(old.public, &text, consent) {
                return Err(Refusal::new(Code::BadConsent, "the old key's consent does not verify"));
            }
            free(world, facts, key)?;
            let principal = old.principal.clone();
            let enrolled = Event::Enrolled { principal, public: key, purpose: Use::Request };
            Ok(vec![draft(asked.id, Event::Rotated { to: key.id() }), draft(&key.id().entity(), enrolled)])
        }
        Action::Revoke { .. } => {
            live(world, asked)?;
            Ok(vec![draft(asked.id, Event::Revoked {})])
        }
        Action::Suspect { from } => {
            live(world, asked)?;
            if *from > world.position {
                let text = format!("position {from} is ahead of the ledger's {} entries", world.position);
                return Err(Refusal::new(Code::FromOutOfRange, text));
            }
            Ok(vec![draft(asked.id, Event::Suspected { from: *from })])
        }
    }
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event, ended: &mut Vec<Ended>) {
    if let Event::Enrolled { principal, public, purpose } = event {
        world.keys.insert(principal, *public, *purpose);
        world.principals.has_key(principal);
        return;
    }
    let Some(id) = KeyId::parse(&format!("k:{}", meta.id)) else { panic!("a key's entity is its id") };
    match event {
        Event::Suspected { from } => {
            let Some(key) = world.keys.live.get_mut(&id) else { panic!("a suspected key was live") };
            key.suspect = Some(key.suspect.map_or(*from, |before| before.min(*from)));
        }
        _ => {
            world.keys.remove(id);
            let state = if matches!(event, Event::Rotated { .. }) { "rotated" } else { "revoked" };
            ended.push(Ended { kind: "key", id: id.entity(), state, position: meta.position });
        }
    }
}
