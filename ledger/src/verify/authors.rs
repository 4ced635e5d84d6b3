//! Which author keys are in force at a position? Followed from the entries themselves. SPEC 5 and 14.1.
//!
//! This does not use `domains`: a verifier that shared them would share their mistakes.

use super::{Finding, FindingCode};
use crate::format::ids::{KeyId, LogName, Origin, PrincipalId};
use crate::format::key::{LogVerifier, PublicKey};
use crate::format::strict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Use {
    Request,
    Entry,
}

/// A key as the verifier follows it; also its form in a pin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthorKey {
    /// First position that it may sign.
    pub(super) from: u64,
    /// Its id.
    pub(super) id: KeyId,
    /// Last position that it signed, in a pin: it may be suspected later.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) last: Option<u64>,
    /// The running number that its next signature must carry.
    pub(super) next: u64,
    /// Whose it is.
    pub(super) principal: String,
    /// The key.
    pub(super) public: PublicKey,
    /// Entries it signs from here on are suspect.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) suspect: Option<u64>,
    /// Last position that it may sign.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) until: Option<u64>,
    /// What it signs.
    #[serde(rename = "use")]
    pub(super) purpose: Use,
}

/// What an entry does to keys.
#[derive(Debug, Clone)]
pub(super) enum KeyEvent {
    Opened(Box<Opened>),
    Enrolled { id: KeyId, data: EnrolledData },
    Ended(KeyId),
    Suspected { id: KeyId, from: u64 },
    PrincipalRevoked(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnrolledData {
    principal: PrincipalId,
    public: PublicKey,
    #[serde(rename = "use", deserialize_with = "strict::word")]
    purpose: Use,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Heads,
    Entries,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Observe,
    Warn,
    Enforce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Test,
    Staging,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Administrator {
    id: PrincipalId,
    public: PublicKey,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "read to hold the members and types of SPEC 10.1")]
struct Attest {
    #[serde(deserialize_with = "strict::word")]
    agent: Level,
    #[serde(deserialize_with = "strict::word")]
    human: Level,
    #[serde(deserialize_with = "strict::word")]
    service: Level,
    #[serde(deserialize_with = "strict::word")]
    worker: Level,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "read to hold the members and types of SPEC 10.1")]
struct Limits {
    cause: u64,
    depth: u64,
    leaf: u64,
    private: u64,
}

/// Data of `ledger.opened`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "read to hold the members and types of SPEC 10.1")]
pub(super) struct Opened {
    #[serde(deserialize_with = "strict::object")]
    administrator: Administrator,
    #[serde(deserialize_with = "strict::object")]
    attest: Attest,
    #[serde(deserialize_with = "strict::word")]
    form: Form,
    #[serde(deserialize_with = "strict::object")]
    limits: Limits,
    #[serde(default, deserialize_with = "strict::some")]
    pub(super) max_silence_ms: Option<u64>,
    name: String,
    rules: std::num::NonZeroU64,
    #[serde(deserialize_with = "strict::word")]
    stage: Stage,
    #[serde(default, deserialize_with = "strict::some")]
    system_key: Option<PublicKey>,
    vkey: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "read to hold the members and types of SPEC 10.4")]
struct RotatedData {
    to: KeyId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SuspectedData {
    from: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

/// What an entry of this kind does to keys; `None` when its data is not what SPEC 10 has.
pub(super) fn key_event(kind: &str, id: &str, data: &str) -> Option<Option<KeyEvent>> {
    let key = || KeyId::parse(&format!("k:{id}"));
    Some(Some(match kind {
        "ledger.opened" => {
            let opened: Opened = serde_json::from_str(data).ok()?;
            let system = opened.system_key.map(PublicKey::id);
            if system.is_some() != (opened.form == Form::Entries)
                || system == Some(opened.administrator.public.id())
            {
                return None;
            }
            KeyEvent::Opened(Box::new(opened))
        }
        "key.enrolled" => {
            let data: EnrolledData = serde_json::from_str(data).ok()?;
            let id = key().filter(|id| *id == data.public.id())?;
            KeyEvent::Enrolled { id, data }
        }
        "key.rotated" => {
            serde_json::from_str::<RotatedData>(data).ok()?;
            KeyEvent::Ended(key()?)
        }
        "key.revoked" => {
            serde_json::from_str::<Empty>(data).ok()?;
            KeyEvent::Ended(key()?)
        }
        "key.suspected" => {
            let data: SuspectedData = serde_json::from_str(data).ok()?;
            KeyEvent::Suspected { id: key()?, from: data.from }
        }
        "principal.revoked" => KeyEvent::PrincipalRevoked(id.to_owned()),
        _ => return Some(None),
    }))
}

impl Opened {
    /// True when name and log key are those of the origin.
    pub(super) fn fits(&self, origin: &Origin) -> bool {
        LogName::parse(&self.name).is_ok()
            && self.name == origin.name()
            && LogVerifier::parse(&self.vkey).is_some_and(|vkey| vkey.origin == *origin)
    }
}

/// Keys by id, and whether every entry must be signed.
#[derive(Debug, Clone, Default)]
pub(super) struct Authors {
    pub(super) keys: BTreeMap<KeyId, AuthorKey>,
    pub(super) attest_all: bool,
    /// Set when the keys of earlier entries are not known.
    pub(super) partial: bool,
    /// Keys that are not known and suspected all the same: from where on.
    pub(super) strangers: BTreeMap<KeyId, u64>,
}

/// What is known of the signer of an entry.
pub(super) enum Signer {
    /// In force; the signature is to be checked.
    Known { public: PublicKey, purpose: Use },
    /// Enrolled before the range that is looked at.
    Unchecked,
}

impl Authors {
    /// Genesis keys are in force from position 0, and so take effect before entry 0's own signature is checked.
    pub(super) fn open(&mut self, opened: &Opened) {
        self.attest_all = opened.form == Form::Entries;
        self.insert(0, opened.administrator.id.as_str(), opened.administrator.public, Use::Request);
        if let Some(public) = opened.system_key {
            self.insert(0, "system", public, Use::Entry);
        }
    }

    fn insert(&mut self, from: u64, principal: &str, public: PublicKey, purpose: Use) {
        let id = public.id();
        let key = AuthorKey {
            from,
            id,
            last: None,
            next: 1,
            principal: principal.to_owned(),
            public,
            suspect: None,
            until: None,
            purpose,
        };
        self.keys.insert(id, key);
    }

    /// Whether the signer of an entry may sign it, with its running number taken.
    pub(super) fn signer(
        &mut self,
        position: u64,
        id: KeyId,
        seq: u64,
        actor: &str,
        has_by: bool,
    ) -> Result<Signer, Finding> {
        let finding = |code, message: String| Err(Finding::at(code, position, message));
        let Some(key) = self.keys.get_mut(&id) else {
            if self.partial {
                return Ok(Signer::Unchecked);
            }
            return finding(FindingCode::AuthorKey, format!("`{id}` was never enrolled"));
        };
        let in_force = key.from <= position && key.until.is_none_or(|until| position <= until);
        let allowed = match key.purpose {
            Use::Request => has_by && key.principal == actor,
            Use::Entry => true,
        };
        if !in_force || !allowed {
            return finding(FindingCode::AuthorKey, format!("`{id}` may not sign this entry"));
        }
        if key.next != seq {
            let text = format!("`{id}` signs with number {seq}, expected {}", key.next);
            return finding(FindingCode::AuthorSeq, text);
        }
        key.next += 1;
        Ok(Signer::Known { public: key.public, purpose: key.purpose })
    }

    /// Takes in what an entry did; false when it enrols a key that was enrolled before.
    pub(super) fn follow(&mut self, position: u64, event: &KeyEvent) -> bool {
        match event {
            KeyEvent::Opened(_) => {}
            KeyEvent::Enrolled { id, data } => {
                if self.keys.contains_key(id) {
                    return false;
                }
                self.insert(position + 1, data.principal.as_str(), data.public, data.purpose);
            }
            KeyEvent::Ended(id) => {
                if let Some(key) = self.keys.get_mut(id) {
                    key.until = key.until.or(Some(position));
                }
            }
            KeyEvent::Suspected { id, from } => {
                if let Some(key) = self.keys.get_mut(id) {
                    key.suspect = Some(key.suspect.map_or(*from, |before| before.min(*from)));
                } else if self.partial {
                    let before = self.strangers.entry(*id).or_insert(*from);
                    *before = (*before).min(*from);
                }
            }
            KeyEvent::PrincipalRevoked(principal) => {
                for key in self.keys.values_mut().filter(|key| key.principal == *principal) {
                    key.until = key.until.or(Some(position));
                }
            }
        }
        true
    }

    /// Suspected keys, each with the position from which it is.
    pub(super) fn suspected(&self) -> impl Iterator<Item = (KeyId, u64)> {
        let known = self.keys.values().filter_map(|key| Some((key.id, key.suspect?)));
        known.chain(self.strangers.iter().map(|(id, from)| (*id, *from)))
    }
}
