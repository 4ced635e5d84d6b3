//! Who has a turn? So many requests at once and so many that wait; so many event streams.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Turns for requests.
#[derive(Debug)]
pub(crate) struct Slots {
    turns: Semaphore,
    waiting: AtomicUsize,
    most: usize,
}

impl Slots {
    pub(crate) fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            turns: Semaphore::new(at_once.min(Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            most: waiting,
        }
    }

    /// A turn, after a wait when need be; nothing when too many wait already.
    pub(crate) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Some(turn);
        }
        let waiting = Waiting(&self.waiting);
        if waiting.0.fetch_add(1, Ordering::Relaxed) >= self.most {
            return None;
        }
        self.turns.acquire().await.ok()
    }
}

/// One that waits; dropped when it no longer does, its future dropped included.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Open event streams, by principal.
#[derive(Debug)]
pub(crate) struct Streams {
    open: Mutex<(usize, HashMap<String, usize>)>,
    most: usize,
    most_of_one: usize,
}

/// Why there is no further stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoStream {
    Full,
    Share,
}

/// An open stream; closed when dropped.
#[derive(Debug)]
pub(crate) struct Stream(Arc<Streams>, String);

impl Streams {
    pub(crate) fn new(most: usize, most_of_one: usize) -> Self {
        Self { open: Mutex::default(), most, most_of_one }
    }

    /// Number of open streams.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Opens a stream of a principal.
    pub(crate) fn open(self: &Arc<Self>, principal: &str) -> Result<Stream, NoStream> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.0 >= self.most {
            return Err(NoStream::Full);
        }
        let own = open.1.entry(principal.to_owned()).or_default();
        if *own >= self.most_of_one {
            return Err(NoStream::Share);
        }
        *own += 1;
        open.0 += 1;
        Ok(Stream(Arc::clone(self), principal.to_owned()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.0 -= 1;
        if let Some(own) = open.1.get_mut(&self.1) {
            *own -= 1;
            if *own == 0 {
                open.1.remove(&self.1);
            }
        }
    }
}
