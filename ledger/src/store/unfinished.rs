//! Is this what a creation left that was interrupted? Then nothing was ever recorded in it. SPEC 11.

use super::anchor::Anchor;
use super::files::Paths;
use super::read::Reader;
use crate::code::Code;
use crate::error::{Error, Result};

/// Refuses what an interrupted creation left, and says what can be removed. A ledger that lost its store, its anchor or
/// its keys is none of that: whatever there may once have been something in is left to other checks.
pub fn refuse_unfinished(paths: &Paths) -> Result<()> {
    if !paths.lock().exists() || !nothing_anchored(paths) || !nothing_stored(paths) {
        return Ok(());
    }
    let named = [&paths.dir, &paths.keys, &paths.anchor].into_iter().filter(|path| path.exists());
    let named: Vec<String> = named.map(|path| format!("`{}`", path.display())).collect();
    let text = format!(
        "creating the ledger was interrupted and nothing was recorded in it; left are {}",
        named.join(", ")
    );
    Err(Error::new(Code::CreationUnfinished, text))
}

/// No entry, and no other file of a ledger that was in use.
fn nothing_stored(paths: &Paths) -> bool {
    if !paths.store().exists() {
        return !paths.index().exists() && !paths.snapshot().exists() && !paths.views().exists();
    }
    let empty = std::fs::metadata(paths.store()).is_ok_and(|store| store.len() == 0);
    empty || Reader::open(&paths.store()).and_then(|reader| reader.size()).is_ok_and(|size| size == 0)
}

/// No anchor, one that was not written yet, or one over nothing.
fn nothing_anchored(paths: &Paths) -> bool {
    match Anchor::read(&paths.anchor) {
        Ok(None) => true,
        Ok(Some(note)) => note.checkpoint.size == 0,
        Err(_) => std::fs::read(&paths.anchor).is_ok_and(|bytes| bytes.iter().all(|byte| *byte == 0)),
    }
}
