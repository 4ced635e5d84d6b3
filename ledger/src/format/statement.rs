//! What exactly does an author sign? Requests, entries, and proofs of possession. SPEC 5.

use super::canonical::{CanonicalError, Raw, write};
use super::entry::{Actor, Attestation, Entity, Entry};
use super::hash::Digest;
use super::ids::KeyId;
use serde::Serialize;
use serde_json::value::RawValue;

const REQUEST: &[u8] = b"chancery/request/v1\n";
const ENTRY: &[u8] = b"chancery/entry/v1\n";
const ENROL: &[u8] = b"chancery/enrol/v1\n";

/// What an author states when it asks for something.
#[derive(Debug, Clone, Serialize)]
pub struct RequestStatement<'a> {
    /// The action.
    pub action: &'a str,
    /// The author, as the token or key names it.
    pub actor: Actor<'a>,
    /// Commitment to the arguments.
    pub args: Digest,
    /// The key that signs.
    pub author: KeyId,
    /// What it is about.
    pub entity: Entity<'a>,
    /// Scoped hash of the idempotency key.
    pub key: Digest,
    /// Origin, with its epoch.
    pub log: &'a str,
    /// The request is void from this instant on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<i64>,
    /// Where.
    pub scope: &'a str,
    /// The key's running number.
    pub seq: u64,
}

#[derive(Serialize)]
struct Enrolment<'a> {
    log: &'a str,
    principal: &'a str,
    public: String,
}

fn framed<T: Serialize>(prefix: &[u8], value: &T) -> Result<Vec<u8>, CanonicalError> {
    let mut bytes = Vec::with_capacity(768);
    bytes.extend_from_slice(prefix);
    write(value, &mut bytes)?;
    Ok(bytes)
}

/// The bytes that an author signs for a request.
pub fn request_bytes(statement: &RequestStatement<'_>) -> Result<Vec<u8>, CanonicalError> {
    framed(REQUEST, statement)
}

/// The bytes that the author of an entry's request signed, put together from the entry alone; `None`
/// when the entry has no `by` or no attestation.
pub fn request_bytes_of(entry: &Entry<'_, &RawValue>) -> Option<Vec<u8>> {
    let (by, attestation) = (entry.by?, entry.attestation?);
    request_bytes(&RequestStatement {
        action: by.action,
        actor: entry.actor,
        args: by.args,
        author: attestation.key,
        entity: entry.entity,
        key: by.key,
        log: entry.log,
        not_after: by.not_after,
        scope: entry.scope,
        seq: attestation.seq,
    })
    .ok()
}

/// The bytes that the system signs for an entry: the entry without the signature itself.
pub fn entry_bytes(entry: &Entry<'_, Raw<'_>>) -> Result<Vec<u8>, CanonicalError> {
    framed(ENTRY, entry)
}

/// The bytes that the system signed for an entry that was read, put together from the entry alone.
pub fn entry_bytes_of(entry: &Entry<'_, &RawValue>) -> Option<Vec<u8>> {
    let attestation = entry.attestation?;
    let unsigned = Entry {
        attestation: Some(Attestation { sig: None, ..attestation }),
        data: Raw(entry.data.get().as_bytes()),
        actor: entry.actor,
        blind: entry.blind,
        by: entry.by,
        cause: entry.cause.clone(),
        entity: entry.entity,
        kind: entry.kind,
        log: entry.log,
        n: entry.n,
        position: entry.position,
        prev: entry.prev,
        private: entry.private,
        scope: entry.scope,
        time: entry.time,
        v: entry.v,
    };
    entry_bytes(&unsigned).ok()
}

/// The bytes that a new key signs to prove that its holder has it, and an old key to consent to it.
pub fn enrolment_bytes(log: &str, principal: &str, public: &[u8; 32]) -> Result<Vec<u8>, CanonicalError> {
    framed(ENROL, &Enrolment { log, principal, public: super::encoding::base64(public) })
}
