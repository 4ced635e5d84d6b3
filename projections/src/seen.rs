//! What does a fold see of an entry? Its envelope and its event, typed; nothing private.

use chancery_ledger::domains::{Event, parse_event};
use chancery_ledger::format::entry;
use chancery_ledger::format::hash::Digest;
use chancery_ledger::{Error, Result};

/// An entry as a fold sees it.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Its position.
    pub position: u64,
    /// Its time, in milliseconds since 1970.
    pub time: i64,
    /// Where it happened.
    pub scope: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Kind of what it is about.
    pub entity_kind: &'a str,
    /// Id of what it is about.
    pub entity_id: &'a str,
    /// The principal that acted.
    pub actor: &'a str,
    /// The action that was asked for, on the first entry of an answer.
    pub action: Option<&'a str>,
    /// Entries that it rests on.
    pub cause: &'a [u64],
    /// Whether it has a private part.
    pub private: bool,
    /// Whether its author signed it.
    pub signed: bool,
    /// The event; nothing when this build does not know the kind or its data.
    pub event: Option<&'a Event>,
    /// Why there is no event.
    pub unread: Option<&'a str>,
    /// Bytes of its leaf.
    pub bytes: usize,
}

impl Seen<'_> {
    /// What it is about, `<kind> <id>`.
    pub fn entity(&self) -> String {
        [self.entity_kind, " ", self.entity_id].concat()
    }

    /// What it is about, where ids are unique within a scope only: `<scope> <id>`.
    pub fn place(&self) -> String {
        [self.scope, " ", self.entity_id].concat()
    }

    /// The domain of its kind.
    pub fn domain(&self) -> &str {
        self.kind.split_once('.').map_or(self.kind, |(domain, _)| domain)
    }
}

/// Reads a leaf, checks that it follows `prev`, and hands it on; gives its content address.
pub(crate) fn see(
    leaf: &[u8],
    position: u64,
    prev: Digest,
    each: &mut dyn FnMut(&Seen<'_>) -> Result<()>,
) -> Result<Digest> {
    let damaged = |why: String| Error::damaged(format!("entry {position}: {why}"));
    let read = entry::read(leaf).map_err(|error| damaged(error.to_string()))?;
    if read.position != position || read.prev != prev {
        return Err(damaged("it does not follow the entry that the views were folded from".to_owned()));
    }
    let event = parse_event(read.kind, read.data.get().as_bytes()).map_err(|error| error.to_string());
    let (event, unread) = match &event {
        Ok(event) => (Some(event), None),
        Err(why) => (None, Some(why.as_str())),
    };
    each(&Seen {
        position,
        time: read.time,
        scope: read.scope,
        kind: read.kind,
        entity_kind: read.entity.kind,
        entity_id: read.entity.id,
        actor: read.actor.principal,
        action: read.by.map(|by| by.action),
        cause: &read.cause,
        private: read.private.is_some(),
        signed: read.attestation.is_some(),
        event,
        unread,
        bytes: leaf.len(),
    })?;
    Ok(entry::address(leaf))
}
