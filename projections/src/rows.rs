//! Through what does a fold read and write its rows? An overlay over the stored ones: what one entry did is taken
//! back when it cannot be folded, and each row is written once a batch.

use crate::seen::Seen;
use crate::view::{NOTE, Poison, Row, text};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Reads a stored row of the view that is being folded.
pub(crate) type Load<'a> = dyn Fn(&str) -> Result<Option<Row>, Poison> + 'a;

/// The rows of one view during a batch.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    pending: BTreeMap<String, Option<Row>>,
    /// What stood before the entry that is being folded.
    before: Vec<(String, Option<Option<Row>>)>,
}

/// The rows of one view, as its fold sees them.
pub struct Rows<'a> {
    overlay: &'a mut Overlay,
    load: &'a Load<'a>,
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("pending", &self.overlay.pending.len()).finish_non_exhaustive()
    }
}

impl<'a> Rows<'a> {
    pub(crate) fn new(overlay: &'a mut Overlay, load: &'a Load<'a>) -> Self {
        Self { overlay, load }
    }

    /// The row of this key.
    pub fn get(&self, key: &str) -> Result<Option<Row>, Poison> {
        match self.overlay.pending.get(key) {
            Some(row) => Ok(row.clone()),
            None => (self.load)(key),
        }
    }

    /// Writes a row; one of the same key is replaced.
    pub fn put(&mut self, row: Row) {
        self.set(row.key.clone(), Some(row));
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
        let Some(mut row) = self.get(key)? else { return Ok(false) };
        let mut body: T = row.read()?;
        change(&mut row, &mut body);
        row.changed = seen.position;
        row.body = text(&body)?;
        self.put(row);
        Ok(true)
    }

    /// What the view keeps for itself under a key.
    pub fn memo<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Poison> {
        self.get(&format!("{NOTE}{key}"))?.map(|row| row.read()).transpose()
    }

    /// Forgets it.
    pub fn forget(&mut self, key: &str) {
        self.remove(&format!("{NOTE}{key}"));
    }

    /// Takes a row away, when it is there.
    pub fn remove(&mut self, key: &str) {
        self.set(key.to_owned(), None);
    }

    fn set(&mut self, key: String, row: Option<Row>) {
        let old = self.overlay.pending.insert(key.clone(), row);
        self.overlay.before.push((key, old));
    }
}

impl Overlay {
    /// Keeps what the entry did; gives whether it did anything that a reader may be shown.
    pub(crate) fn keep(&mut self) -> bool {
        let any = self.before.iter().any(|(key, _)| !key.starts_with(NOTE));
        self.before.clear();
        any
    }

    /// Takes back what the entry did.
    pub(crate) fn take_back(&mut self) {
        for (key, old) in self.before.drain(..).rev() {
            match old {
                Some(row) => self.pending.insert(key, row),
                None => self.pending.remove(&key),
            };
        }
    }

    /// Everything that the batch did, in the order of the keys.
    pub(crate) fn drain(&mut self) -> BTreeMap<String, Option<Row>> {
        self.before.clear();
        std::mem::take(&mut self.pending)
    }
}
