//! May this have ended? A filter that is asked before the table of what has. SPEC 11.

use crate::error::Result;
use crate::store::{Bloom, Reader};

/// What may have ended: asked before the table is, because most of what is asked about has not.
#[derive(Debug)]
pub(crate) struct Over(Bloom);

impl Over {
    /// Reads what has ended.
    pub(crate) fn open(reader: &Reader) -> Result<Self> {
        let rows = reader.ended()?;
        let mut over = Self(Bloom::with_room(rows.len()));
        for row in rows {
            over.add(&row.kind, &row.id);
        }
        Ok(over)
    }

    /// A filter that holds too much says "perhaps" to everything, and every look-up goes to the disk: it is read anew.
    pub(crate) fn refresh(&mut self, reader: &Reader) -> Result<()> {
        if self.0.is_full() {
            *self = Self::open(reader)?;
        }
        Ok(())
    }

    fn digest(kind: &str, id: &str) -> [u8; 32] {
        *blake3::Hasher::new()
            .update(kind.as_bytes())
            .update(b" ")
            .update(id.as_bytes())
            .finalize()
            .as_bytes()
    }

    pub(crate) fn add(&mut self, kind: &str, id: &str) {
        self.0.add(&Self::digest(kind, id));
    }

    pub(crate) fn may_have(&self, kind: &str, id: &str) -> bool {
        self.0.may_have(&Self::digest(kind, id))
    }
}
