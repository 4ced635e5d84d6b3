//! Was this idempotency key answered, and where? Recent keys from memory, older ones from the index, which a
//! thread of its own keeps up to date behind the writer.

use super::bloom::Bloom;
use super::index::Index;
use super::read::Reader;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::format::hash::Digest;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Batches that may wait for the index before the writer does.
const WAITING: usize = 64;

/// Keys of one batch, on their way into the index.
struct Batch {
    keys: Vec<(Digest, u64)>,
    end: u64,
    last: Digest,
}

/// Every key that was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    index: Index,
    seen: Bloom,
    /// Keys that the index may not have yet, and the batches they came in.
    recent: HashMap<Digest, u64>,
    batches: VecDeque<(u64, Vec<Digest>)>,
    /// Position up to which the index has everything.
    indexed: Arc<AtomicU64>,
    send: Option<SyncSender<Batch>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch to {}", self.end)
    }
}

impl Answered {
    /// Opens the index and brings it up to `size`.
    pub(crate) fn open(path: &Path, store: &Reader, size: u64) -> Result<Self> {
        let mut writing = Index::open(path, store, size)?;
        let index = Index::open_existing(path)?;
        let seen = index.filter()?;
        let indexed = Arc::new(AtomicU64::new(size));
        let done = Arc::clone(&indexed);
        let (send, receive) = sync_channel::<Batch>(WAITING);
        let thread = std::thread::spawn(move || {
            for batch in receive {
                // An index that cannot be written stays behind: keys stay in memory, and the next start catches up.
                if writing.add(&batch.keys, batch.end, batch.last).is_err() {
                    return;
                }
                done.store(batch.end, Ordering::Release);
            }
        });
        let (recent, batches) = (HashMap::new(), VecDeque::new());
        Ok(Self { index, seen, recent, batches, indexed, send: Some(send), thread: Some(thread) })
    }

    /// Position of the entry that may have answered this key; its `by.key` decides.
    pub(crate) fn get(&self, key: &Digest) -> Result<Option<u64>> {
        if let Some(position) = self.recent.get(key) {
            return Ok(Some(*position));
        }
        if !self.seen.may_have(&key.0) {
            return Ok(None);
        }
        self.index.get(key)
    }

    /// Takes in the keys that the entries below `end` answered; `last` is the address of the entry before `end`.
    pub(crate) fn add(&mut self, keys: Vec<(Digest, u64)>, end: u64, last: Digest) {
        for (key, position) in &keys {
            self.seen.add(&key.0);
            self.recent.insert(*key, *position);
        }
        self.batches.push_back((end, keys.iter().map(|(key, _)| *key).collect()));
        if let Some(send) = &self.send {
            let _ = send.send(Batch { keys, end, last });
        }
        let indexed = self.indexed.load(Ordering::Acquire);
        while self.batches.front().is_some_and(|batch| batch.0 <= indexed) {
            for key in self.batches.pop_front().map(|batch| batch.1).unwrap_or_default() {
                self.recent.remove(&key);
            }
        }
        if self.seen.is_full()
            && self.batches.is_empty()
            && let Ok(larger) = self.index.filter()
        {
            self.seen = larger;
        }
    }

    /// Position of the entry that records the newest snapshot.
    pub(crate) fn snapshot(&self) -> Result<Option<u64>> {
        self.index.snapshot()
    }

    /// Waits until the index has everything.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.send = None;
        match self.thread.take().map(JoinHandle::join) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(Error::new(Code::Internal, "the index broke an invariant")),
        }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}
