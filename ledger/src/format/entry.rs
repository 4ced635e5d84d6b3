//! What is in an entry? The envelope's members, how one is sealed, and how one is opened again. SPEC 6.

use super::canonical::{self, CanonicalError, Raw};
use super::check::is_canonical;
use super::hash::{Digest, ENTRY};
use super::ids::{KeyId, is_dotted, is_id, is_origin, is_scope, is_word};
use super::limits::{CAUSE, INT_MAX, LEAF};
use super::strict;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The format version that this build writes and reads.
pub const VERSION: u64 = 0;

/// An entry whose strings borrow from the bytes it was read from or will be written to. `D` is the
/// event's data: raw text on both ways. Members stand in canonical order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry<'a, D> {
    /// Who acted.
    #[serde(borrow, deserialize_with = "strict::object")]
    pub actor: Actor<'a>,
    /// The author's signature, when the author signed.
    #[serde(
        borrow,
        skip_serializing_if = "Option::is_none",
        default,
        deserialize_with = "strict::some_object"
    )]
    pub attestation: Option<Attestation<'a>>,
    /// 16 random bytes in hex.
    pub blind: &'a str,
    /// The request that this entry answers.
    #[serde(
        borrow,
        skip_serializing_if = "Option::is_none",
        default,
        deserialize_with = "strict::some_object"
    )]
    pub by: Option<By<'a>>,
    /// Positions of entries that this one rests on, ascending.
    pub cause: Vec<u64>,
    /// The event's data.
    pub data: D,
    /// What it is about.
    #[serde(borrow, deserialize_with = "strict::object")]
    pub entity: Entity<'a>,
    /// The event's kind.
    pub kind: &'a str,
    /// The origin.
    pub log: &'a str,
    /// Index within the counting scope.
    pub n: u64,
    /// Index within the log.
    pub position: u64,
    /// Content address of the entry before.
    pub prev: Digest,
    /// Commitment to the private part.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "strict::some")]
    pub private: Option<Digest>,
    /// Where it happened.
    pub scope: &'a str,
    /// Milliseconds since 1970, never smaller than before.
    pub time: i64,
    /// Format version.
    pub v: u64,
}

/// Who acted, and on whose behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor<'a> {
    /// The principal on whose behalf it acted.
    #[serde(
        rename = "for",
        skip_serializing_if = "Option::is_none",
        default,
        deserialize_with = "strict::some"
    )]
    pub on_behalf: Option<&'a str>,
    /// The principal that launched the actor.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "strict::some")]
    pub launcher: Option<&'a str>,
    /// The principal.
    pub principal: &'a str,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "strict::some")]
    pub session: Option<&'a str>,
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entity<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its kind.
    pub kind: &'a str,
}

/// The request that an entry answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct By<'a> {
    /// The action asked for.
    pub action: &'a str,
    /// Commitment to the arguments.
    pub args: Digest,
    /// Scoped hash of the idempotency key.
    pub key: Digest,
    /// The request is void from this instant on.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "strict::some")]
    pub not_after: Option<i64>,
    /// Digest of the policy that decided.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "strict::some")]
    pub policy: Option<Digest>,
    /// Version of the rule table that decided.
    pub rules: u64,
}

/// An author's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation<'a> {
    /// The key.
    pub key: KeyId,
    /// The key's running number, from 1.
    pub seq: u64,
    /// The signature in base64; absent only in the statement that is signed.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "strict::some")]
    pub sig: Option<&'a str>,
}

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Larger than a leaf may be.
    #[error("the leaf has {0} bytes, {LEAF} are allowed")]
    TooLarge(usize),
    /// Not canonical JSON of the profile.
    #[error("the leaf is not canonical")]
    NotCanonical,
    /// A member is missing, unknown, or of the wrong type.
    #[error("the leaf's members are wrong: {0}")]
    Members(String),
    /// A member does not match its grammar.
    #[error("`{0}` does not match its grammar")]
    Grammar(&'static str),
    /// The writer could not print it.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

/// The content address of a leaf.
pub fn address(leaf: &[u8]) -> Digest {
    ENTRY.digest(leaf)
}

/// Writes the leaf of `entry` into `out`, which is cleared first.
pub fn seal(entry: &Entry<'_, Raw<'_>>, out: &mut Vec<u8>) -> Result<(), EntryError> {
    out.clear();
    canonical::write(entry, out)?;
    if out.len() > LEAF {
        return Err(EntryError::TooLarge(out.len()));
    }
    Ok(())
}

/// Reads a leaf, refusing whatever [`seal`] would not print.
pub fn open(leaf: &[u8]) -> Result<Entry<'_, &RawValue>, EntryError> {
    if leaf.len() > LEAF {
        return Err(EntryError::TooLarge(leaf.len()));
    }
    if !is_canonical(leaf) {
        return Err(EntryError::NotCanonical);
    }
    read(leaf)
}

/// Reads a leaf that is known to be canonical: one of our own store, which the chain check covers.
pub fn read(leaf: &[u8]) -> Result<Entry<'_, &RawValue>, EntryError> {
    let entry: Entry<'_, &RawValue> =
        strict::from_slice(leaf).map_err(|e| EntryError::Members(e.to_string()))?;
    check_grammar(&entry)?;
    Ok(entry)
}

fn check_grammar(entry: &Entry<'_, &RawValue>) -> Result<(), EntryError> {
    let check = |ok: bool, name| if ok { Ok(()) } else { Err(EntryError::Grammar(name)) };
    let max = INT_MAX.unsigned_abs();
    check(entry.v == VERSION, "v")?;
    check(is_origin(entry.log), "log")?;
    check(entry.position <= max && entry.n <= max, "position")?;
    check((0..=INT_MAX).contains(&entry.time), "time")?;
    check(super::encoding::unhex::<16>(entry.blind).is_some(), "blind")?;
    check(is_dotted(entry.kind), "kind")?;
    check(is_scope(entry.scope), "scope")?;
    check(is_word(entry.entity.kind) && is_id(entry.entity.id), "entity")?;
    let actor = &entry.actor;
    let names = [Some(actor.principal), actor.on_behalf, actor.launcher, actor.session];
    check(names.into_iter().flatten().all(is_id), "actor")?;
    check(entry.data.get().starts_with('{'), "data")?;
    check(entry.cause.len() <= CAUSE, "cause")?;
    if let Some(by) = &entry.by {
        check(is_dotted(by.action) && by.rules >= 1, "by")?;
        check(by.not_after.is_none_or(|t| (0..=INT_MAX).contains(&t)), "by")?;
    }
    if let Some(attestation) = &entry.attestation {
        check((1..=max).contains(&attestation.seq), "attestation")?;
        check(attestation.signature().is_some(), "attestation")?;
    }
    Ok(())
}

impl Attestation<'_> {
    /// The 64 bytes of the signature.
    pub fn signature(&self) -> Option<[u8; 64]> {
        super::encoding::unbase64(self.sig?)?.try_into().ok()
    }
}
