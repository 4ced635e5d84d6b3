//! How far may readers see? The newest head that is signed and anchored, and a way to wait for the next.

use crate::format::checkpoint::Note;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The newest released head: everything under it is durable and will never be taken back.
#[derive(Debug)]
pub struct Released {
    head: Mutex<(Arc<Note>, bool)>,
    moved: Condvar,
}

impl Released {
    pub(crate) fn new(head: Arc<Note>) -> Self {
        Self { head: Mutex::new((head, false)), moved: Condvar::new() }
    }

    /// The newest one.
    pub fn head(&self) -> Arc<Note> {
        Arc::clone(&self.head.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// The newest one, once it is over more than `size` entries, the writer has ended, or `timeout` has passed.
    pub fn wait(&self, size: u64, timeout: Duration) -> Arc<Note> {
        let head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let still = |state: &mut (Arc<Note>, bool)| state.0.checkpoint.size <= size && !state.1;
        let (head, _) =
            self.moved.wait_timeout_while(head, timeout, still).unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&head.0)
    }

    /// Whether the writer has ended: there will be no further one.
    pub fn has_ended(&self) -> bool {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    pub(crate) fn set(&self, head: &Arc<Note>) {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).0 = Arc::clone(head);
        self.moved.notify_all();
    }

    pub(crate) fn end(&self) {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.moved.notify_all();
    }
}
