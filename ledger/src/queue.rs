//! Who waits for the writer? Two bounded queues; what reduces risk goes first. SPEC 11.

use crate::answer::Answer;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::format::limits::{BATCH, QUEUE};
use crate::gate::Request;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

/// What is done with an answer; it runs on the writer's thread and must not block.
pub type Reply = Box<dyn FnOnce(Answer) + Send>;

/// A request that waits.
pub(crate) struct Waiting {
    pub(crate) request: Request,
    pub(crate) reply: Reply,
}

#[derive(Default)]
struct State {
    reserved: VecDeque<Waiting>,
    main: VecDeque<Waiting>,
    closed: bool,
}

/// The writer's inbox.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

impl Queue {
    /// Adds a request, or says at once that there is no room or no writer.
    pub(crate) fn push(&self, waiting: Waiting) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(Error::new(Code::Stopped, "the writer has ended"));
        }
        let queue = if waiting.request.spec.reduces_risk() { &mut state.reserved } else { &mut state.main };
        if queue.len() >= QUEUE {
            return Err(Error::new(Code::QueueFull, format!("{QUEUE} requests are waiting")));
        }
        queue.push_back(waiting);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Adds many at once, so that they can be one batch; all of them or none.
    pub(crate) fn push_all(&self, waiting: Vec<Waiting>) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(Error::new(Code::Stopped, "the writer has ended"));
        }
        let reducing = waiting.iter().filter(|waiting| waiting.request.spec.reduces_risk()).count();
        let rest = waiting.len() - reducing;
        // What waits in one queue takes no room in the other: a sweep stops jobs while the rest is full.
        if state.reserved.len() + reducing > QUEUE || state.main.len() + rest > QUEUE {
            return Err(Error::new(
                Code::QueueFull,
                format!("there is no room for {} requests", waiting.len()),
            ));
        }
        for waiting in waiting {
            let reserved = waiting.request.spec.reduces_risk();
            if reserved { &mut state.reserved } else { &mut state.main }.push_back(waiting);
        }
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Number of requests that wait.
    pub(crate) fn len(&self) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reserved.len() + state.main.len()
    }

    /// Waits for work: up to a batch of requests; `None` once the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<Vec<Waiting>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.reserved.is_empty() && state.main.is_empty() {
            if state.closed {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let first = state.reserved.len().min(BATCH);
        let second = state.main.len().min(BATCH - first);
        let mut batch: Vec<Waiting> = state.reserved.drain(..first).collect();
        batch.extend(state.main.drain(..second));
        Some(batch)
    }

    /// Puts back what a batch had no room for: it is the first of the next.
    pub(crate) fn put_back(&self, waiting: impl DoubleEndedIterator<Item = Waiting>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for waiting in waiting.rev() {
            let reserved = waiting.request.spec.reduces_risk();
            if reserved { &mut state.reserved } else { &mut state.main }.push_front(waiting);
        }
    }

    /// Takes no more requests; what waits is still answered.
    pub(crate) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.filled.notify_all();
    }

    /// Empties the queue for good.
    pub(crate) fn drain(&self) -> Vec<Waiting> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        let mut waiting: Vec<Waiting> = state.reserved.drain(..).collect();
        waiting.extend(state.main.drain(..));
        waiting
    }
}
