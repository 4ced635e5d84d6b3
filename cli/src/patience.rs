//! For how long is a server asked again that is away for a while? As long as what depends on it lasts, with growing
//! pauses, and not once a signal has asked for the end.

use crate::diagnostic::Diagnostic;
use crate::remote::Fault;
use chancery_ledger::limits::Stopwatch;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(2);
/// Longest and shortest wait for one answer.
const ANSWER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// Between two looks at whether a signal came.
const LOOK: Duration = Duration::from_millis(20);

/// Whether somebody asked for the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks for it.
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked for.
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits, no longer than until it is asked for.
    pub(crate) fn wait(&self, pause: Duration) {
        let watch = Stopwatch::start();
        while !self.asked() && watch.elapsed() < pause {
            std::thread::park_timeout(LOOK.min(pause));
        }
    }
}

/// How long it lasts, and what ends it before.
#[derive(Debug)]
pub(crate) struct Patience {
    stop: Stop,
    lasts: Cell<(Stopwatch, Duration)>,
}

impl Patience {
    /// From now on.
    pub(crate) fn new(stop: &Stop, lasts: Duration) -> Self {
        Self { stop: stop.clone(), lasts: Cell::new((Stopwatch::start(), lasts)) }
    }

    /// From `since` on it lasts so long.
    pub(crate) fn renew(&self, since: Stopwatch, lasts: Duration) {
        self.lasts.set((since, lasts));
    }

    /// What is left of it.
    pub(crate) fn left(&self) -> Duration {
        let (since, lasts) = self.lasts.get();
        lasts.saturating_sub(since.elapsed())
    }

    /// Tries until there is an answer that stays; `once` is told how long it may wait for one.
    pub(crate) fn until_heard<T>(
        &self,
        mut once: impl FnMut(Duration) -> Result<T, Fault>,
    ) -> Result<T, Diagnostic> {
        let mut pause = FIRST;
        loop {
            let fault = match once(self.left().clamp(ANSWER.0, ANSWER.1)) {
                Ok(heard) => return Ok(heard),
                Err(fault) => fault,
            };
            let Some(wait) = fault.again.map(|wait| wait.max(pause)) else { return Err(fault.diagnostic) };
            if self.stop.asked() || wait >= self.left() {
                return Err(fault.diagnostic);
            }
            self.stop.wait(wait);
            pause = (pause * 2).min(LONGEST);
        }
    }
}
