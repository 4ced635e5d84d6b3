//! What does one entry say by itself? All that can be checked without its neighbours, so that it can be done
//! on any thread. SPEC 14.1 step 2.

use super::FindingCode;
use super::authors::{KeyEvent, Use, key_event};
use super::recompute::Recorded;
use crate::format::check::is_canonical;
use crate::format::encoding::{unbase64_into, unhex};
use crate::format::entry::{self, Entry};
use crate::format::export::{End, EntryLine, Line, Part, read_line};
use crate::format::hash::{ARGS, Context, Digest, PRIVATE};
use crate::format::ids::{KeyId, counting};
use crate::format::json;
use crate::format::key::PublicKey;
use crate::format::limits::{PART, PART_DEPTH, PART_NODES};
use crate::format::statement::{entry_bytes_of, request_bytes_of};
use crate::format::tree::{Hash, leaf_hash};
use crate::store::Row;
use serde_json::value::RawValue;

/// What is known of an entry without its neighbours.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) address: Digest,
    pub(super) hash: Hash,
    pub(super) position: u64,
    pub(super) prev: Digest,
    pub(super) time: i64,
    pub(super) n: u64,
    pub(super) counting: Box<str>,
    pub(super) log_fits: bool,
    pub(super) cause_fits: bool,
    pub(super) is_opened: bool,
    pub(super) has_by: bool,
    pub(super) parts: Option<FindingCode>,
    pub(super) signed: Option<Box<Signed>>,
    pub(super) event: Option<KeyEvent>,
    /// What is decided again, where that is asked for.
    pub(super) recorded: Option<Box<Recorded>>,
}

/// What is needed to check an author's signature.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) key: KeyId,
    pub(super) seq: u64,
    pub(super) actor: Box<str>,
    pub(super) leaf: Vec<u8>,
}

/// A line of an export, or a row of a store, taken by itself.
#[derive(Debug)]
pub(super) enum Item {
    Entry(Box<Prepared>),
    Head { size: u64, sig: [u8; 64] },
    Checkpoint(String),
    End(End),
    Bad(FindingCode),
}

/// What all entries of one source have in common.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) origin: String,
    /// Whether parts must be there, or must not.
    pub(super) parts: bool,
    /// Whether the answers are decided again.
    pub(super) recompute: bool,
}

/// Looks at one line of an export.
pub(super) fn line(source: &Source, line: &[u8], leaf: &mut Vec<u8>) -> Item {
    match read_line(line) {
        None => Item::Bad(FindingCode::LineInvalid),
        Some(Line::Head(head)) => match crate::format::encoding::unbase64(head.sig).map(<[u8; 64]>::try_from)
        {
            Some(Ok(sig)) => Item::Head { size: head.size, sig },
            _ => Item::Bad(FindingCode::LineInvalid),
        },
        Some(Line::Checkpoint(note)) => Item::Checkpoint(note),
        Some(Line::End(end)) => Item::End(end),
        Some(Line::Entry(entry)) => entry_line(source, &entry, leaf),
    }
}

fn entry_line<'l>(source: &Source, line: &EntryLine<'_, &'l RawValue>, leaf: &mut Vec<u8>) -> Item {
    let salts = [&line.private, &line.args];
    if salts.into_iter().flatten().any(|part| unhex::<32>(part.salt).is_none()) {
        return Item::Bad(FindingCode::LineInvalid);
    }
    if !unbase64_into(&line.leaf, leaf) {
        return Item::Bad(FindingCode::LeafInvalid);
    }
    let Ok(entry) = entry::open(leaf) else { return Item::Bad(FindingCode::LeafInvalid) };
    let committed = |context: &Context, part: &Part<'_, &RawValue>| {
        let text = part.value.get().as_bytes();
        let salt = unhex::<32>(part.salt)?;
        is_part(text).then(|| context.commit(&salt, text))
    };
    let found = [
        line.private.as_ref().map(|part| committed(&PRIVATE, part)),
        line.args.as_ref().map(|part| committed(&ARGS, part)),
    ];
    let parts = check_parts(source, &entry, found);
    let text = |part: &Option<Part<'_, &'l RawValue>>| part.as_ref().map(|part| part.value.get().as_bytes());
    prepare(source, &entry, leaf, parts, [text(&line.private), text(&line.args)])
}

/// Looks at one row of a store.
pub(super) fn row<'r>(source: &Source, row: &'r Row) -> Item {
    let Ok(entry) = entry::open(&row.leaf) else { return Item::Bad(FindingCode::LeafInvalid) };
    let committed = |context: &Context, blob: &Vec<u8>| {
        let (salt, text) = blob.split_first_chunk::<32>()?;
        (is_canonical(text) && is_part(text)).then(|| context.commit(salt, text))
    };
    let found = [
        row.private.as_ref().map(|blob| committed(&PRIVATE, blob)),
        row.args.as_ref().map(|blob| committed(&ARGS, blob)),
    ];
    let parts = check_parts(source, &entry, found);
    let text = |blob: &'r Option<Vec<u8>>| blob.as_ref().and_then(|blob| blob.get(32..));
    let item = prepare(source, &entry, &row.leaf, parts, [text(&row.private), text(&row.args)]);
    match item {
        Item::Entry(prepared) if prepared.position != row.position => Item::Bad(FindingCode::ColumnMismatch),
        item => item,
    }
}

/// True for the canonical text of an object within the bounds of a part.
fn is_part(text: &[u8]) -> bool {
    text.starts_with(b"{")
        && text.len() <= PART
        && json::depth(text) <= PART_DEPTH
        && json::nodes(text) <= PART_NODES
}

fn check_parts(
    source: &Source,
    entry: &Entry<'_, &RawValue>,
    found: [Option<Option<Digest>>; 2],
) -> Option<FindingCode> {
    let wanted = [entry.private, entry.by.map(|by| by.args)];
    if !source.parts {
        return found.iter().any(Option::is_some).then_some(FindingCode::PartUnexpected);
    }
    let pairs = || wanted.iter().zip(&found);
    if pairs().any(|(wanted, found)| wanted.is_some() && found.is_none()) {
        return Some(FindingCode::PartMissing);
    }
    if pairs().any(|(wanted, found)| wanted.is_none() && found.is_some()) {
        return Some(FindingCode::PartUnexpected);
    }
    pairs()
        .any(|(wanted, found)| found.is_some_and(|found| found != *wanted))
        .then_some(FindingCode::PartMismatch)
}

fn prepare(
    source: &Source,
    entry: &Entry<'_, &RawValue>,
    leaf: &[u8],
    parts: Option<FindingCode>,
    [private, args]: [Option<&[u8]>; 2],
) -> Item {
    let Some(event) = key_event(entry.kind, entry.entity.id, entry.data.get()) else {
        return Item::Bad(FindingCode::LeafInvalid);
    };
    let ascending = entry.cause.windows(2).all(|pair| pair[0] < pair[1]);
    let signed = entry.attestation.map(|attestation| {
        Box::new(Signed {
            key: attestation.key,
            seq: attestation.seq,
            actor: entry.actor.principal.into(),
            leaf: leaf.to_vec(),
        })
    });
    let address = entry::address(leaf);
    let ledger = source.origin.split_once('/').map_or("", |(name, _)| name);
    let recorded = source.recompute.then(|| Box::new(Recorded::new(entry, address, ledger, private, args)));
    Item::Entry(Box::new(Prepared {
        address,
        hash: leaf_hash(leaf),
        position: entry.position,
        prev: entry.prev,
        time: entry.time,
        n: entry.n,
        counting: counting(entry.scope).into(),
        log_fits: entry.log == source.origin,
        cause_fits: ascending && entry.cause.last().is_none_or(|last| *last < entry.position),
        is_opened: entry.kind == "ledger.opened",
        has_by: entry.by.is_some(),
        parts,
        signed,
        event,
        recorded,
    }))
}

/// Message and signature of an entry's author, put together again from the leaf.
pub(super) fn signature_of(leaf: &[u8], purpose: Use) -> Option<(Vec<u8>, [u8; 64])> {
    let entry = entry::read(leaf).ok()?;
    let sig = entry.attestation?.signature()?;
    let message = match purpose {
        Use::Request => request_bytes_of(&entry)?,
        Use::Entry => entry_bytes_of(&entry)?,
    };
    Some((message, sig))
}

/// True when the author's signature in a leaf is strict-valid.
pub(super) fn signature_holds(leaf: &[u8], public: PublicKey, purpose: Use) -> bool {
    signature_of(leaf, purpose).is_some_and(|(message, sig)| public.verifies(&message, &sig))
}
