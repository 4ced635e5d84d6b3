//! Through what does a fold read and write its rows? An overlay over the stored ones: what one entry did is taken
//! back when it cannot be folded, and each row is written once a batch.

use crate::body::{Body, Keep};
use crate::overlay::Overlay;
use crate::seen::Seen;
use crate::view::{Poison, Row, note};
use std::cell::RefCell;
use std::sync::Arc;

/// Reads a stored row of the view that is being folded.
pub(crate) type Load<'a> = dyn Fn(&str) -> Result<Option<Row>, Poison> + 'a;

/// The rows of one view, as its fold sees them.
pub struct Rows<'a> {
    /// What is asked for is kept at hand, though asking changes nothing that a fold could see.
    overlay: RefCell<&'a mut Overlay>,
    load: &'a Load<'a>,
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

impl<'a> Rows<'a> {
    pub(crate) fn new(overlay: &'a mut Overlay, load: &'a Load<'a>) -> Self {
        Self { overlay: RefCell::new(overlay), load }
    }

    /// The row of this key.
    pub fn get(&self, key: &str) -> Result<Option<Row>, Poison> {
        Ok(self.overlay.borrow_mut().get(key, self.load)?.cloned())
    }

    /// The body of the row of this key, typed.
    pub fn read<T: Keep>(&self, key: &str) -> Result<Option<Arc<T>>, Poison> {
        let mut overlay = self.overlay.borrow_mut();
        let Some(row) = overlay.get(key, self.load)? else { return Ok(None) };
        row.body.at_hand().map(Some).map_err(|poison| poison.of(key))
    }

    /// Writes a row; one of the same key is replaced.
    pub fn put(&mut self, row: Row) {
        self.overlay.get_mut().put(row);
    }

    /// Changes the row of this key, which must be there.
    pub fn amend<T: Keep + Clone>(
        &mut self,
        key: &str,
        seen: &Seen<'_>,
        change: impl FnOnce(&mut Row, &mut T),
    ) -> Result<(), Poison> {
        match self.amend_known(key, seen, change)? {
            true => Ok(()),
            false => {
                Err(Poison::new(format!("`{}` is about something that the view does not have", seen.kind)))
            }
        }
    }

    /// Changes the row of this key, and gives whether it is there.
    pub fn amend_known<T: Keep + Clone>(
        &mut self,
        key: &str,
        seen: &Seen<'_>,
        change: impl FnOnce(&mut Row, &mut T),
    ) -> Result<bool, Poison> {
        let Some(mut row) = self.get(key)? else { return Ok(false) };
        // What stood before stays as it was: the entry may be taken back.
        let mut body: T = row.read()?;
        change(&mut row, &mut body);
        row.changed = seen.position;
        row.body = Body::of(body, row.body.bytes().max(seen.bytes));
        self.put(row);
        Ok(true)
    }

    /// What the view keeps for itself under a key.
    pub fn memo<T: Keep + Clone>(&self, key: &str) -> Result<Option<T>, Poison> {
        Ok(self.read(&note(key))?.map(Arc::unwrap_or_clone))
    }

    /// Forgets it.
    pub fn forget(&mut self, key: &str) {
        self.remove(&note(key));
    }

    /// Takes a row away, when it is there.
    pub fn remove(&mut self, key: &str) {
        self.overlay.get_mut().remove(key);
    }
}
