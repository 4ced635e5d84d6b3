//! What of a view's rows is at hand while it is folded? What a batch changes, and what was asked for before it: a row is
//! seldom read from the store twice, and one that was never written is seldom asked for at all.

use crate::rows::Load;
use crate::store::Put;
use crate::view::{NOTE, Poison, Row};
use chancery_ledger::Result;
use hashbrown::HashMap;
use std::hash::BuildHasher as _;
use std::sync::Arc;

/// What a row takes beside its texts, about.
const ROW_BYTES: usize = 256;
/// Words of a filter: 256 KiB for each view, of which only what is written to takes memory.
const FILTER: usize = 1 << 15;

/// The rows of one view that are at hand.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    slots: HashMap<Arc<str>, Slot>,
    /// What stood before the entry that is being folded.
    before: Vec<(Arc<str>, Known)>,
    /// Keys that the batch changed.
    changed: Vec<Arc<str>>,
    /// What was ever written, when the view was folded from its first entry on through this.
    written: Option<Filter>,
    bytes: usize,
}

/// What can be read of the store.
type Read<T> = std::result::Result<T, Poison>;

/// What is known of a key: nothing, that it has no row, or its row.
type Known = Option<Option<Row>>;

#[derive(Debug, Default)]
struct Slot {
    known: Known,
    changed: bool,
    /// Whether a fold asked for it since there was last too much at hand.
    asked: bool,
}

/// Keys that may have been written; all others were not.
#[derive(Debug)]
struct Filter(Vec<u64>);

impl Filter {
    /// Two bits for each key.
    fn bits(hash: u64) -> [(usize, u64); 2] {
        let (low, high) = (hash & 0xffff_ffff, hash >> 32);
        [low, high].map(|half| (usize::try_from(half >> 6).unwrap_or_default() % FILTER, 1 << (half & 63)))
    }

    fn add(&mut self, hash: u64) {
        for (at, bit) in Self::bits(hash) {
            if let Some(word) = self.0.get_mut(at) {
                *word |= bit;
            }
        }
    }

    fn may_have(&self, hash: u64) -> bool {
        Self::bits(hash).into_iter().all(|(at, bit)| self.0.get(at).is_none_or(|word| word & bit != 0))
    }
}

fn weight(known: &Known) -> usize {
    let texts = |row: &Row| row.key.len() * 2 + row.scope.len() + row.about.len() + row.body.bytes();
    ROW_BYTES + known.as_ref().and_then(Option::as_ref).map_or(0, texts)
}

impl Overlay {
    /// Of a table in which nothing stands yet.
    pub(crate) fn of_nothing() -> Self {
        Self { written: Some(Filter(vec![0; FILTER])), ..Self::default() }
    }

    /// The row of a key.
    pub(crate) fn get(&mut self, key: &str, load: &Load<'_>) -> Read<Option<&mut Row>> {
        if self.slots.get(key).is_none_or(|slot| slot.known.is_none()) {
            let hash = self.slots.hasher().hash_one(key);
            let known = Some(match &self.written {
                Some(filter) if !filter.may_have(hash) => None,
                _ => load(key)?,
            });
            self.bytes += weight(&known);
            self.slots.entry(self.key(key)).or_default().known = known;
        }
        let Some(slot) = self.slots.get_mut(key) else { return Ok(None) };
        slot.asked = true;
        Ok(slot.known.as_mut().and_then(Option::as_mut))
    }

    /// Writes a row.
    pub(crate) fn put(&mut self, row: Row) {
        let key = self.key(&row.key);
        if let Some(filter) = &mut self.written {
            filter.add(self.slots.hasher().hash_one(&*key));
        }
        self.set(key, Some(row));
    }

    /// Takes a row away.
    pub(crate) fn remove(&mut self, key: &str) {
        self.set(self.key(key), None);
    }

    fn key(&self, key: &str) -> Arc<str> {
        self.slots.get_key_value(key).map_or_else(|| Arc::from(key), |(key, _)| Arc::clone(key))
    }

    fn set(&mut self, key: Arc<str>, row: Option<Row>) {
        let slot = self.slots.entry(Arc::clone(&key)).or_default();
        if !slot.changed {
            slot.changed = true;
            self.changed.push(Arc::clone(&key));
        }
        let known = Some(row);
        self.bytes += weight(&known);
        let old = std::mem::replace(&mut slot.known, known);
        self.before.push((key, old));
    }

    /// Keeps what the entry did; gives whether it did anything that a reader may be shown.
    pub(crate) fn keep(&mut self) -> bool {
        let any = self.before.iter().any(|(key, _)| !key.starts_with(NOTE));
        for (_, old) in self.before.drain(..) {
            self.bytes = self.bytes.saturating_sub(old.as_ref().map_or(0, |_| weight(&old)));
        }
        any
    }

    /// Takes back what the entry did.
    pub(crate) fn take_back(&mut self) {
        for (key, old) in self.before.drain(..).rev() {
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.known = old;
            }
        }
    }

    /// Hands on everything that the batch did, in the order of the keys; a body as text, which is made here.
    pub(crate) fn write(&mut self, put: &mut Put<'_>) -> Result<()> {
        self.changed.sort_unstable();
        for key in &self.changed {
            // Of what was taken back nothing may be known.
            let Some(known) = self.slots.get_mut(key).and_then(|slot| slot.known.as_mut()) else { continue };
            let Some(row) = known else {
                put(key, None)?;
                continue;
            };
            let text = row.text()?;
            put(key, Some((row, &text)))?;
            let (before, now) = (row.body.bytes(), text.len());
            drop(text);
            row.body.weigh(now);
            self.bytes = (self.bytes + now).saturating_sub(before);
        }
        Ok(())
    }

    /// What was changed stands in the store now.
    pub(crate) fn written(&mut self) {
        for key in self.changed.drain(..) {
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.changed = false;
            }
        }
    }

    /// What is at hand takes so many bytes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets go of what nobody has asked for since the last time.
    pub(crate) fn shrink(&mut self) {
        self.slots.retain(|_, slot| std::mem::take(&mut slot.asked));
        self.bytes = self.slots.values().map(|slot| weight(&slot.known)).sum();
        self.slots.shrink_to_fit();
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        // The hasher stays: what was ever written is known by its hashes.
        self.slots.clear();
        self.slots.shrink_to_fit();
        self.bytes = 0;
    }
}
