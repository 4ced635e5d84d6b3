//! Was this idempotency key answered, and where? Recent keys from memory, older ones from the index, which a
//! thread of its own keeps up to date behind the writer.

use super::bloom::Bloom;
use super::index::Index;
use super::read::Reader;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::format::hash::Digest;
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Transactions that may wait for the index before the writer does.
const WAITING: usize = 16;
/// Keys that go into the index in one transaction.
const TOGETHER: usize = 4096;
/// How long after a failure the index is tried again, when nothing comes before.
const AGAIN: Duration = Duration::from_millis(200);
/// Entries up to which a start waits for the filter; beyond, it is read beside the first answers.
const SMALL: u64 = 200_000;

/// Keys on their way into the index.
struct Batch {
    keys: Vec<(Digest, u64)>,
    end: u64,
    last: Digest,
}

/// What the thread of the index says of itself.
#[derive(Debug, Default)]
struct Progress {
    /// Position up to which the index has everything.
    indexed: AtomicU64,
    /// Whether it could not be written when it was last tried.
    failing: AtomicBool,
}

/// Every key that was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    path: PathBuf,
    index: Index,
    seen: Seen,
    /// Keys that the index may not have yet, and the batches they came in.
    recent: HashMap<Digest, u64>,
    batches: VecDeque<(u64, Vec<Digest>)>,
    waiting: Batch,
    /// How many keys may wait for an index that cannot be written.
    most: usize,
    /// How far the index is.
    progress: Arc<Progress>,
    send: Option<SyncSender<Batch>>,
    thread: Option<JoinHandle<()>>,
}

/// The filter over the index, or the thread that reads it and what was answered meanwhile.
#[derive(Debug)]
enum Seen {
    Ready(Bloom),
    Loading(JoinHandle<Result<Bloom>>, Vec<Digest>),
    /// It could not be read: every look-up goes to the index.
    Absent,
}

impl Seen {
    fn open(path: &Path, index: &Index, size: u64) -> Result<Self> {
        if size <= SMALL {
            return Ok(Self::Ready(index.filter()?));
        }
        Ok(Self::load(path, Vec::new()))
    }

    fn load(path: &Path, since: Vec<Digest>) -> Self {
        let path = path.to_owned();
        Self::Loading(std::thread::spawn(move || Index::open_existing(&path)?.filter()), since)
    }

    fn may_have(&self, key: &Digest) -> bool {
        match self {
            Self::Ready(filter) => filter.may_have(&key.0),
            Self::Loading(..) | Self::Absent => true,
        }
    }

    fn add(&mut self, key: &Digest) {
        match self {
            Self::Ready(filter) => filter.add(&key.0),
            Self::Loading(_, since) => since.push(*key),
            Self::Absent => {}
        }
    }

    /// Takes the filter over once it was read, and has a larger one read when it is full. What the index does not
    /// have yet, a filter that is read from it would not have either: it is added afterwards.
    fn settle(&mut self, path: &Path, recent: &HashMap<Digest, u64>) {
        let ready = matches!(self, Self::Loading(thread, _) if thread.is_finished());
        if ready
            && let Self::Loading(thread, since) = std::mem::replace(self, Self::Absent)
            && let Ok(Ok(mut filter)) = thread.join()
        {
            since.iter().for_each(|key| filter.add(&key.0));
            *self = Self::Ready(filter);
        }
        if matches!(self, Self::Ready(filter) if filter.is_full()) {
            *self = Self::load(path, recent.keys().copied().collect());
        }
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch to {}", self.end)
    }
}

impl Answered {
    /// Opens the index and brings it up to `size`. When it cannot be written later, `most` keys wait for it.
    pub(crate) fn open(path: &Path, store: &Reader, size: u64, most: usize) -> Result<Self> {
        let writing = Index::open(path, store, size)?;
        let index = Index::open_existing(path)?;
        let seen = Seen::open(path, &index, size)?;
        let progress = Arc::new(Progress { indexed: AtomicU64::new(size), failing: AtomicBool::new(false) });
        let says = Arc::clone(&progress);
        let (send, receive) = sync_channel::<Batch>(WAITING);
        let named = std::thread::Builder::new().name("chancery-index".to_owned());
        let thread = named.spawn(move || keep(writing, &receive, &says));
        let thread = thread.map_err(|error| Error::io("start the thread of", path, error))?;
        let (recent, batches) = (HashMap::new(), VecDeque::new());
        let path = path.to_owned();
        let waiting = Batch { keys: Vec::new(), end: 0, last: Digest::ZERO };
        Ok(Self {
            path,
            waiting,
            index,
            seen,
            recent,
            batches,
            most,
            progress,
            send: Some(send),
            thread: Some(thread),
        })
    }

    /// Position of the entry that may have answered this key; its `by.key` decides.
    pub(crate) fn get(&self, key: &Digest) -> Result<Option<u64>> {
        if let Some(position) = self.recent.get(key) {
            return Ok(Some(*position));
        }
        if !self.seen.may_have(key) {
            return Ok(None);
        }
        self.index.get(key)
    }

    /// Takes in the keys that the entries below `end` answered; `last` is the address of the entry before `end`. An
    /// error when too many wait for an index that cannot be written: the caller ends the process.
    pub(crate) fn add(&mut self, keys: Vec<(Digest, u64)>, end: u64, last: Digest) -> Result<()> {
        for (key, position) in &keys {
            self.seen.add(key);
            self.recent.insert(*key, *position);
        }
        self.waiting.keys.extend(keys);
        (self.waiting.end, self.waiting.last) = (end, last);
        // Few large transactions: the index shares a disk with the store, and delays its syncs.
        if self.waiting.keys.len() >= TOGETHER {
            self.hand_over();
        }
        let indexed = self.progress.indexed.load(Ordering::Acquire);
        while self.batches.front().is_some_and(|batch| batch.0 <= indexed) {
            let Some((end, keys)) = self.batches.pop_front() else { break };
            for key in keys {
                // A held request is answered again under its key: only what the index has goes.
                if self.recent.get(&key).is_some_and(|position| *position < end) {
                    self.recent.remove(&key);
                }
            }
        }
        self.seen.settle(&self.path, &self.recent);
        if self.recent.len() > self.most && self.progress.failing.load(Ordering::Acquire) {
            let text = format!(
                "`{}` cannot be written, and {} idempotency keys wait for it",
                self.path.display(),
                self.recent.len()
            );
            return Err(Error::new(Code::Io, text));
        }
        Ok(())
    }

    /// Gives the index what waits for it.
    fn hand_over(&mut self) {
        let empty = Batch { keys: Vec::new(), end: 0, last: Digest::ZERO };
        let batch = std::mem::replace(&mut self.waiting, empty);
        self.batches.push_back((batch.end, batch.keys.iter().map(|(key, _)| *key).collect()));
        if let (Some(send), false) = (&self.send, batch.end == 0) {
            let _ = send.send(batch);
        }
    }

    /// Position of the entry that records the newest snapshot.
    pub(crate) fn snapshot(&self) -> Result<Option<u64>> {
        self.index.snapshot()
    }

    /// Waits until the index has everything.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.hand_over();
        self.send = None;
        match self.thread.take().map(JoinHandle::join) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(Error::new(Code::Internal, "the index broke an invariant")),
        }
    }
}

/// Writes what comes into the index. What cannot be written is kept and tried again: the writer does not wait for it, and
/// says when it is too much. What is left at the end, the next start finds in the chain.
fn keep(mut index: Index, receive: &Receiver<Batch>, says: &Progress) {
    let mut waiting: VecDeque<Batch> = VecDeque::new();
    loop {
        let next = match waiting.is_empty() {
            true => receive.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => receive.recv_timeout(AGAIN),
        };
        let over = matches!(next, Err(RecvTimeoutError::Disconnected));
        waiting.extend(next);
        while let Some(batch) = waiting.front() {
            let failed = index.add(&batch.keys, batch.end, batch.last).is_err();
            says.failing.store(failed, Ordering::Release);
            if failed {
                break;
            }
            says.indexed.store(batch.end, Ordering::Release);
            waiting.pop_front();
        }
        if over {
            return;
        }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}
