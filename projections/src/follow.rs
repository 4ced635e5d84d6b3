//! Who keeps the views up to date beside a running ledger? One thread, woken by each released head.

use crate::engine::{Engine, Step};
use crate::view::View;
use chancery_ledger::{Code, Error, Ledger, Result};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How long the thread waits for a head before it says that it is still there.
const BEAT: Duration = Duration::from_millis(500);
/// Beats for which it waits for somebody else who folds.
const PATIENCE: u32 = 20;

/// How the follower is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Entries that every view has.
    pub entries: u64,
    /// Entries under the newest released head.
    pub released: u64,
    /// Entries that could not be folded, over all views.
    pub skipped: u64,
    /// How often it looked for something to do: it grows as long as it runs.
    pub beats: u64,
    /// Why it stopped, when it did.
    pub stopped: Option<String>,
}

/// The thread that folds; it ends when it is dropped.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    health: Mutex<Health>,
    moved: Condvar,
    end: AtomicBool,
}

/// Told, on the follower's thread, how far the views are after each batch.
pub type Told = Box<dyn Fn(&Health) + Send>;

impl Follower {
    /// Opens the views' file and follows `ledger` until it is dropped.
    pub fn start(ledger: &Ledger, path: &Path, views: &'static [&'static View], told: Told) -> Result<Self> {
        let (reader, released) = (ledger.reader()?, Arc::clone(ledger.released()));
        let mut engine = Self::engine(path, ledger, views)?;
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = Builder::new().name("chancery-views".to_owned()).spawn(move || {
            let mut seen = engine.entries();
            loop {
                let head = released.wait(seen, BEAT);
                if own.end.load(Ordering::Acquire) {
                    return;
                }
                let step = engine.step(&reader, &head.checkpoint);
                // What is built beside may be further behind than what is read.
                seen = match &step {
                    Ok(Step::Folded(to)) => (*to).min(engine.entries()),
                    _ => head.checkpoint.size,
                };
                let mut health = own.health.lock().unwrap_or_else(PoisonError::into_inner);
                health.entries = engine.entries();
                health.released = head.checkpoint.size;
                health.skipped = engine.skipped();
                health.beats += 1;
                health.stopped = step.as_ref().err().map(Error::to_string);
                told(&health);
                drop(health);
                own.moved.notify_all();
                if step.is_err() || (released.has_ended() && matches!(step, Ok(Step::Whole))) {
                    return;
                }
            }
        });
        let thread = thread.map_err(|error| Error::io("start the fold of", path, error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Waits a while for somebody who folds for a moment, such as a command that reads a view.
    fn engine(path: &Path, ledger: &Ledger, views: &'static [&'static View]) -> Result<Engine> {
        for _ in 0..PATIENCE {
            match Engine::open(path, ledger.origin().name(), views) {
                Err(error) if error.code == Code::Locked => ledger.released().wait(u64::MAX, BEAT),
                other => return other,
            };
        }
        Engine::open(path, ledger.origin().name(), views)
    }

    /// How it is now.
    pub fn health(&self) -> Health {
        self.shared.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until every view has so many entries; gives whether that came within `timeout`.
    pub fn wait(&self, entries: u64, timeout: Duration) -> bool {
        let health = self.shared.health.lock().unwrap_or_else(PoisonError::into_inner);
        let still = |health: &mut Health| health.entries < entries && health.stopped.is_none();
        let (health, _) = self
            .shared
            .moved
            .wait_timeout_while(health, timeout, still)
            .unwrap_or_else(PoisonError::into_inner);
        health.entries >= entries
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
