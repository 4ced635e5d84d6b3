//! What does one entry say was asked and answered? Its request put together again, and all that an answer is compared with.

use crate::code::Code;
use crate::format::entry::{By, Entry};
use crate::format::hash::Digest;
use crate::format::ids::KeyId;
use crate::gate::{Attest, Request, recorded_request};
use serde_json::value::RawValue;

/// An entry as it is decided again; it borrows nothing, so that it can come from any thread.
#[derive(Debug)]
pub(in crate::verify) struct Recorded {
    pub(super) position: u64,
    pub(super) address: Digest,
    pub(super) time: i64,
    pub(super) kind: Box<str>,
    pub(super) scope: Box<str>,
    pub(super) entity_kind: Box<str>,
    pub(super) entity_id: Box<str>,
    pub(super) actor: Box<str>,
    pub(super) session: Option<Box<str>>,
    /// Whether it names a launcher, or somebody on whose behalf it was done.
    pub(super) on_behalf: bool,
    pub(super) attestation: Option<Attest>,
    pub(super) by: Option<Answered>,
    pub(super) data: Box<[u8]>,
    pub(super) cause: Vec<u64>,
    pub(super) private: Option<Box<[u8]>>,
}

/// The request that an entry answers.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) key: Digest,
    pub(super) rules: u64,
    /// Whether it names a policy that decided as well.
    pub(super) policy: bool,
    /// The request, or why there can be none of this kind.
    pub(super) request: Result<Box<Request>, Code>,
}

impl Recorded {
    /// What `entry` records; `private` and `args` are the texts of its parts.
    pub(in crate::verify) fn new(
        entry: &Entry<'_, &RawValue>,
        address: Digest,
        ledger: &str,
        private: Option<&[u8]>,
        args: Option<&[u8]>,
    ) -> Self {
        let attestation = entry.attestation.and_then(|attestation| {
            let sig = attestation.signature()?;
            Some(Attest { log: String::new(), key: attestation.key, seq: attestation.seq, sig })
        });
        Self {
            position: entry.position,
            address,
            time: entry.time,
            kind: entry.kind.into(),
            scope: entry.scope.into(),
            entity_kind: entry.entity.kind.into(),
            entity_id: entry.entity.id.into(),
            actor: entry.actor.principal.into(),
            session: entry.actor.session.map(Into::into),
            on_behalf: entry.actor.on_behalf.is_some() || entry.actor.launcher.is_some(),
            attestation,
            by: entry.by.map(|by| answered(entry, &by, ledger, args.unwrap_or_default())),
            data: entry.data.get().as_bytes().into(),
            cause: entry.cause.clone(),
            private: private.map(Into::into),
        }
    }

    /// Key and running number of the attestation.
    pub(super) fn signed_by(&self) -> Option<(KeyId, u64)> {
        self.attestation.as_ref().map(|attestation| (attestation.key, attestation.seq))
    }
}

fn answered(entry: &Entry<'_, &RawValue>, by: &By<'_>, ledger: &str, args: &[u8]) -> Answered {
    let request = recorded_request(by.action, entry.scope, entry.entity.id, ledger, args);
    Answered {
        key: by.key,
        rules: by.rules,
        policy: by.policy.is_some(),
        request: request.map(|request| Box::new(Request { not_after: by.not_after, ..request })),
    }
}
