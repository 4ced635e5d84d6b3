//! What does a look at the world need of the store? Found out by trying, and read while nobody waits for the world.

use crate::error::Result;
use crate::facts::Sources;
use crate::store::Reader;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Tries, at most: what was read may ask for more.
const TRIES: usize = 8;

/// What was read of the store, and what is to be read.
#[derive(Debug, Default)]
struct Looked {
    ended: BTreeMap<(String, String), Option<Option<String>>>,
    parts: BTreeMap<(u64, u64), Option<Option<Vec<u8>>>>,
}

impl Looked {
    /// Reads what was missing; false when nothing was.
    fn read(&mut self, open: &dyn Fn() -> Result<Reader>) -> Result<bool> {
        let missing = self.ended.values().any(Option::is_none) || self.parts.values().any(Option::is_none);
        if missing {
            let reader = open()?;
            for ((kind, id), found) in self.ended.iter_mut().filter(|(_, found)| found.is_none()) {
                *found = Some(reader.ending(kind, id)?);
            }
            for ((position, slot), found) in self.parts.iter_mut().filter(|(_, found)| found.is_none()) {
                *found = Some(reader.part(*position, *slot)?);
            }
        }
        Ok(missing)
    }
}

/// Runs `look`, which must not wait for the disk, until the store was asked for everything that it needs.
pub(crate) fn with_store<T>(
    open: &dyn Fn() -> Result<Reader>,
    look: impl Fn(&Sources<'_>) -> Result<T>,
) -> Result<T> {
    let looked = RefCell::new(Looked::default());
    for _ in 0..TRIES {
        let ended = |kind: &str, id: &str| {
            let mut looked = looked.borrow_mut();
            Ok(looked.ended.entry((kind.to_owned(), id.to_owned())).or_default().clone().flatten())
        };
        let part = |position: u64, slot: u64| {
            let mut looked = looked.borrow_mut();
            Ok(looked.parts.entry((position, slot)).or_default().clone().flatten())
        };
        let found = look(&Sources { ended: &ended, part: &part });
        // What was found without knowing everything is not believed, be it a failure.
        if !looked.borrow_mut().read(open)? {
            return found;
        }
    }
    Err(crate::error::Error::new(crate::code::Code::Internal, "a look at the world asks for more and more"))
}
