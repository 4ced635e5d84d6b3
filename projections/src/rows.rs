//! Through what does a fold read and write its rows? An overlay over the stored ones: what one entry did is taken
//! back when it cannot be folded, and each row is written once a batch.

use crate::overlay::Overlay;
use crate::seen::Seen;
use crate::view::{NOTE, Poison, Row, text};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::RefCell;

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

    /// Looks at the row of this key where it stands.
    fn look<T>(&self, key: &str, see: impl FnOnce(Option<&Row>) -> T) -> Result<T, Poison> {
        self.overlay.borrow_mut().get(key, self.load).map(see)
    }

    /// The row of this key.
    pub fn get(&self, key: &str) -> Result<Option<Row>, Poison> {
        self.look(key, |row| row.cloned())
    }

    /// The body of the row of this key, typed.
    pub fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Poison> {
        self.look(key, |row| row.map(Row::read).transpose())?
    }

    /// Writes a row; one of the same key is replaced.
    pub fn put(&mut self, row: Row) {
        self.overlay.get_mut().put(row);
    }

    /// Changes the row of this key, which must be there.
    pub fn amend<T: Serialize + DeserializeOwned>(
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
    pub fn amend_known<T: Serialize + DeserializeOwned>(
        &mut self,
        key: &str,
        seen: &Seen<'_>,
        change: impl FnOnce(&mut Row, &mut T),
    ) -> Result<bool, Poison> {
        // The old body is read where it stands; all of the row but it is copied.
        let found = self.look(key, |row| row.map(|row| Ok((row.without_body(), row.read()?))))?;
        let Some((mut row, mut body)): Option<(Row, T)> = found.transpose()? else { return Ok(false) };
        change(&mut row, &mut body);
        row.changed = seen.position;
        row.body = text(&body)?;
        self.put(row);
        Ok(true)
    }

    /// What the view keeps for itself under a key.
    pub fn memo<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Poison> {
        self.read(&note(key))
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

/// The key of what a view keeps for itself.
fn note(key: &str) -> String {
    let mut note = String::with_capacity(1 + key.len());
    note.push(NOTE);
    note.push_str(key);
    note
}
