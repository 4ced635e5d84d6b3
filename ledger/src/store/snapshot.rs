//! Must a start fold the whole chain? Not when a recorded snapshot of the world is at hand; in doubt, yes. SPEC 11.

use super::files::{Paths, write_new};
use super::read::Reader;
use crate::domains::{Ended, Event, World, ledger, parse_event};
use crate::door::fold_leaf;
use crate::error::{Error, Result};
use crate::format::entry;
use crate::format::hash::{Digest, SNAPSHOT};
use crate::format::tree::{Hash, leaf_hash, root_from_inclusion};

/// Version of the layout of a world in a snapshot.
pub(crate) const VERSION: i64 = 2;

/// A world that was loaded or folded, and what was found on the way.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) world: World,
    /// Position up to which the world came from a snapshot.
    pub(crate) from: u64,
}

/// The snapshot that the chain records under the given head; `None` when there is any doubt about it.
fn recorded(paths: &Paths, store: &Reader, at: Option<u64>, head: (u64, Hash)) -> Option<World> {
    let position = at?;
    let leaf = store.leaf(position).ok()??;
    let path = store.inclusion(position, head.0).ok()?;
    if root_from_inclusion(position, head.0, leaf_hash(&leaf), &path)? != head.1 {
        return None;
    }
    let entry = entry::open(&leaf).ok()?;
    let event = parse_event(entry.kind, entry.data.get().as_bytes()).ok()?;
    let Event::Ledger(ledger::Event::Snapshotted { at, digest, version }) = event else { return None };
    let bytes = std::fs::read(paths.snapshot()).ok()?;
    if i64::try_from(version) != Ok(VERSION) || SNAPSHOT.digest(&bytes) != digest {
        return None;
    }
    let world: World = serde_json::from_slice(&bytes).ok()?;
    (world.position == at && at <= position).then_some(world)
}

/// The world of the first `size` entries, from the snapshot that the entry at `recorded_at` records if it holds.
pub(crate) fn load(
    paths: &Paths,
    store: &Reader,
    recorded_at: Option<u64>,
    head: (u64, Hash),
    size: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Loaded> {
    let mut world = recorded(paths, store, recorded_at, head).unwrap_or_default();
    let from = world.position;
    let mut ended: Vec<Ended> = Vec::new();
    store.leaves(from..size, |position, leaf| {
        if position.is_multiple_of(4096) {
            progress(position, size);
        }
        ended.clear();
        fold_leaf(&mut world, leaf, &mut ended)
    })?;
    Ok(Loaded { world, from })
}

/// Writes the snapshot file of a world and gives its digest.
#[allow(
    clippy::disallowed_methods,
    reason = "a snapshot is no document of the profile: its digest is over the file"
)]
pub(crate) fn take(paths: &Paths, world: &World) -> Result<Digest> {
    let bytes = serde_json::to_vec(world).map_err(|error| {
        Error::new(crate::code::Code::Internal, format!("the world does not serialise: {error}"))
    })?;
    write_new(&paths.snapshot(), &bytes)?;
    Ok(SNAPSHOT.digest(&bytes))
}
