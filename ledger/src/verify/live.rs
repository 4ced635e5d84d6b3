//! Is this live ledger what its anchor signed? The rows of the store, and everything that it keeps beside them.
//! SPEC 14.2.

use super::pool::{Chunk, Pool};
use super::prepare::{Item, Source};
use super::recompute::Recompute;
use super::report::{Beside, Ending};
use super::walk::{Stop, Walk};
use super::{Finding, FindingCode, How, Report, Trust};
use crate::code::Code;
use crate::domains::{Event, World, ledger, parse_event};
use crate::door::fold_leaf;
use crate::error::{Error, Result};
use crate::format::checkpoint::{Note, Signed};
use crate::format::entry;
use crate::format::ids::Origin;
use crate::format::key::LogVerifier;
use crate::format::tree::{Frontier, Subtree, TILE_HEIGHT};
use crate::store::{Anchor, Paths, Reader, StoredEnded};

/// Rows that are looked at as one piece of work.
const ROWS: usize = 512;

/// Verifies a live ledger up to the head in its anchor; a server may be writing it meanwhile. `progress` is told
/// entries read and entries there are.
pub fn verify_live(
    paths: &Paths,
    trust: &Trust,
    how: How,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report> {
    // The anchor first: the store never lags it.
    let anchored = Anchor::read(&paths.anchor)?;
    let reader = Reader::open(&paths.store())?;
    reader.pin_snapshot()?;
    let stored = reader.size()?;
    let size = anchored.as_ref().map_or(stored, |note| note.checkpoint.size.min(stored));
    let origin = origin(&reader, anchored.as_ref())?;
    if let Some(note) = &anchored {
        own_anchor(&reader, note, trust)?;
    }
    // A head that lies below the pin is compared with what is stored there, so that is read again.
    let linked = |pin: &super::Pin| trust.heads.iter().all(|head| head.0 >= pin.size);
    let usable =
        |pin: &super::Pin| pin.has_state() && pin.size <= size && pin.key.origin == origin && linked(pin);
    // Decisions rest on the world, which no pin has: they are recomputed from entry 0.
    let resume = trust.pin.as_ref().filter(|pin| usable(pin) && !how.recompute);
    let frontier = resume.and_then(super::Pin::frontier).unwrap_or_default();
    let from = frontier.size();
    let mut walk = Walk::new(origin.clone(), frontier, trust);
    let mut beside = Beside { parts: true, no_anchor: anchored.is_none(), ..Beside::default() };
    if trust.key.as_ref().is_some_and(|key| key.origin != origin) {
        return Ok(Report::new(&walk, None, Ending::OtherLog, beside));
    }
    if let Some(pin) = resume.filter(|pin| pin.size > 0) {
        pin.resume(&mut walk);
    }
    walk.recompute = how.recompute.then(|| Box::new(Recompute::new(&origin, from, true)));
    let source = Source { origin: origin.as_str().to_owned(), parts: true, recompute: how.recompute };
    let mut heads = reader.heads(from + 1..size + 1)?.into_iter().peekable();
    let stop = Pool::run(how, &source, |pool| -> Result<Option<Stop>> {
        let mut next = from;
        let mut stop = None;
        while stop.is_none() && (next < size || pool.is_busy()) {
            while next < size && pool.has_room() {
                let rows = reader.rows(next..size, ROWS)?;
                next = rows.last().map_or(size, |row| row.position + 1);
                pool.give(Chunk::Rows(rows));
                progress(next, size);
            }
            let Some(looked) = pool.take() else { continue };
            for (item, _) in looked.items {
                stop = step(&mut walk, item).err();
                while let (None, Some((_, sig))) = (&stop, heads.next_if(|head| head.0 <= walk.position)) {
                    stop = stored_head(&mut walk, &sig).err();
                }
                if stop.is_some() {
                    break;
                }
            }
            pool.check_authors(std::mem::take(&mut walk.jobs));
            if pool.has_bad_author() {
                break;
            }
        }
        Ok(pool.first_of(stop))
    })?;
    let mut stop = stop;
    let mut ending = Ending::Whole;
    if stop.is_none() && walk.position < size {
        let text = "an entry is missing from the store";
        stop = Some(Finding::at(FindingCode::ColumnMismatch, walk.position, text).into());
    }
    if stop.is_none()
        && let Some(newest) = beyond_anchor(paths, &reader)?
    {
        let text = format!("a head of {newest} entries stands in the store, and the anchor is older");
        stop = Some(Finding::nowhere(FindingCode::CheckpointMisplaced, text).into());
    }
    if let (None, Some(note)) = (&stop, &anchored) {
        match walk.checkpoint(note) {
            Ok(true) => ending = Ending::BehindAnchor(note.checkpoint.size),
            Ok(false) => {}
            Err(found) => stop = Some(found),
        }
    }
    let differs = stop.is_none() && ending == Ending::Whole && !walk.end();
    if !how.columns || differs {
        beside.columns = Some("not looked at".to_owned());
    } else if from > 0 {
        beside.columns = Some(format!("not looked at: the pin's state was gone on from, at {from}"));
    } else if stop.is_none() && ending == Ending::Whole {
        let columns = columns(&reader, size);
        if let Err(why) = &columns {
            stop = Some(Finding::nowhere(FindingCode::ColumnMismatch, why.clone()).into());
        }
        beside.columns = Some(columns.map_or_else(|why| why, |()| "ok".to_owned()));
    }
    Ok(Report::new(&walk, stop, ending, beside))
}

/// Refuses another ledger's anchor, which says nothing of this one: it claims no signature by the key that entry 0
/// names, and nobody who verifies trusts another key.
fn own_anchor(reader: &Reader, note: &Note, trust: &Trust) -> Result<()> {
    let leaf = reader.leaf(0)?.unwrap_or_default();
    let Ok(entry) = entry::open(&leaf) else { return Ok(()) };
    let opened = parse_event(entry.kind, entry.data.get().as_bytes());
    let Ok(Event::Ledger(ledger::Event::Opened(settings))) = opened else { return Ok(()) };
    let Some(key) = LogVerifier::parse(&settings.vkey) else { return Ok(()) };
    let trusted = trust.key.as_ref().is_none_or(|trusted| *trusted == key);
    if !trusted || key.origin.as_str() != entry.log || note.signed_by(&key) != Signed::Unknown {
        return Ok(());
    }
    let text = format!(
        "the anchor holds a head of `{}` that the log key of this ledger, `{}`, did not sign",
        note.checkpoint.origin, key.origin
    );
    Err(Error::new(Code::AnchorDamaged, text))
}

/// The origin that the anchor's head or, without one, the first entry names.
fn origin(reader: &Reader, anchored: Option<&Note>) -> Result<Origin> {
    if let Some(note) = anchored {
        return Ok(note.checkpoint.origin.clone());
    }
    let leaf = reader.leaf(0)?.unwrap_or_default();
    let entry = entry::open(&leaf).map_err(|error| Error::damaged(format!("entry 0: {error}")))?;
    Origin::parse(entry.log).map_err(|error| Error::damaged(error.to_string()))
}

/// The newest head among the rows when the anchor does not have it: each stood in the anchor before the rows after it
/// were written. The anchor is read again, after the snapshot that the rows are of.
fn beyond_anchor(paths: &Paths, reader: &Reader) -> Result<Option<u64>> {
    let anchored = Anchor::read(&paths.anchor)?.map(|note| note.checkpoint.size);
    Ok(reader.last_head()?.filter(|newest| anchored.is_some_and(|size| size < *newest)))
}

fn step(walk: &mut Walk, item: Item) -> std::result::Result<(), Stop> {
    match item {
        Item::Entry(mut entry) => walk.entry(&mut entry).map_err(Stop::from),
        Item::Bad(code) => Err(Finding::at(code, walk.position, "the row is not an entry").into()),
        _ => Ok(()),
    }
}

fn stored_head(walk: &mut Walk, sig: &[u8]) -> std::result::Result<(), Stop> {
    let Ok(sig) = sig.try_into() else {
        return Err(Finding::nowhere(FindingCode::ColumnMismatch, "a stored head has no signature").into());
    };
    walk.head(walk.position, sig)
}

/// Derives what the store keeps beside the leaves, and says what differs.
fn columns(reader: &Reader, size: u64) -> std::result::Result<(), String> {
    let failed = |error: Error| error.to_string();
    let integrity = reader.integrity().map_err(failed)?;
    if integrity != "ok" {
        return Err(format!("SQLite's own check: {integrity}"));
    }
    let mut tiles: Vec<(u32, u64, Vec<u8>)> = Vec::new();
    let mut frontier = Frontier::default();
    let mut world = World::default();
    let mut ended: Vec<StoredEnded> = Vec::new();
    reader
        .leaves(0..size, |position, leaf| {
            let mut over = Vec::new();
            fold(&mut world, leaf, &mut over)?;
            let digest = entry::address(leaf).0.to_vec();
            ended.extend(over.into_iter().map(|e: crate::domains::Ended| StoredEnded {
                kind: e.kind.to_owned(),
                id: e.id,
                state: e.state.to_owned(),
                position,
                digest: digest.clone(),
            }));
            frontier.push_with(crate::format::tree::leaf_hash(leaf), |tile: Subtree| {
                tiles.push((tile.height / TILE_HEIGHT, tile.index, tile.hash.to_vec()));
            });
            Ok(())
        })
        .map_err(failed)?;
    tiles.sort();
    let mut stored = reader.tiles().map_err(failed)?;
    // What a server appended meanwhile is under a newer head than the one that is looked at.
    stored.retain(|(level, index, _)| (index + 1).saturating_mul(256u64.saturating_pow(*level)) <= size);
    if stored != tiles {
        return Err("the stored tile roots are not those of the leaves".to_owned());
    }
    ended.sort_by(|a, b| (&a.kind, &a.id).cmp(&(&b.kind, &b.id)));
    let mut stored = reader.ended().map_err(failed)?;
    stored.retain(|row| row.position < size);
    if stored != ended {
        return Err("the stored list of what has ended is not that of the entries".to_owned());
    }
    Ok(())
}

/// Folds a leaf of a store that nobody vouches for: events that could not have happened are told, not fatal.
fn fold(world: &mut World, leaf: &[u8], ended: &mut Vec<crate::domains::Ended>) -> Result<()> {
    let position = world.position;
    let folded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fold_leaf(world, leaf, ended)));
    folded.unwrap_or_else(|_| {
        Err(Error::damaged(format!("entry {position} cannot have happened after those before")))
    })
}
