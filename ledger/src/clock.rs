//! What time is it? The only file in which time enters; ledger time is made of both clocks. SPEC 11.

use crate::code::Code;
use crate::error::{Error, Result};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Difference between the progress of both clocks that stops appending, in milliseconds.
const JUMP_MS: i64 = 60_000;
/// How far before the last entry a start may lie, in milliseconds.
const BEHIND_MS: i64 = 300_000;

/// A source of wall and monotonic time, both in milliseconds.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's.
    System(Instant),
    /// One that a test moves: wall, monotonic.
    Manual(Arc<(AtomicI64, AtomicI64)>),
    /// A file with the wall time in decimal, read at each look; for ledgers of stage `test`.
    File(std::path::PathBuf, Instant),
}

impl Clock {
    /// The machine's clock.
    #[allow(clippy::disallowed_methods, reason = "time enters here")]
    pub fn system() -> Self {
        Self::System(Instant::now())
    }

    /// A clock that reads its wall time from a file.
    #[allow(clippy::disallowed_methods, reason = "time enters here")]
    pub fn file(path: std::path::PathBuf) -> Self {
        Self::File(path, Instant::now())
    }

    /// A clock that starts at `wall` and moves when it is told to.
    pub fn manual(wall: i64) -> Self {
        Self::Manual(Arc::new((AtomicI64::new(wall), AtomicI64::new(0))))
    }

    /// Moves a manual clock: the wall by one amount, the monotonic time by another.
    pub fn advance(&self, wall_ms: i64, monotonic_ms: i64) {
        if let Self::Manual(times) = self {
            times.0.fetch_add(wall_ms, Ordering::SeqCst);
            times.1.fetch_add(monotonic_ms, Ordering::SeqCst);
        }
    }

    /// Milliseconds since 1970 by the wall clock.
    #[allow(clippy::disallowed_methods, reason = "time enters here")]
    pub fn wall(&self) -> i64 {
        match self {
            Self::System(_) => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
            Self::Manual(times) => times.0.load(Ordering::SeqCst),
            Self::File(path, _) => {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                text.trim().parse().unwrap_or_default()
            }
        }
    }

    /// Milliseconds on the monotonic clock since some start.
    pub fn monotonic(&self) -> i64 {
        match self {
            Self::System(start) | Self::File(_, start) => {
                i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX)
            }
            Self::Manual(times) => times.1.load(Ordering::SeqCst),
        }
    }
}

/// Ledger time: never backwards, and stopped when the two clocks disagree. One for all who hold it: whoever looks first
/// sees a jump, and then everybody does.
#[derive(Debug, Clone)]
pub(crate) struct LedgerTime {
    clock: Clock,
    state: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    last: i64,
    wall: i64,
    monotonic: i64,
    suspect: Option<String>,
}

impl LedgerTime {
    /// Ledger time after the entry of instant `last`; `None` when there is none. So far may the wall clock be
    /// behind as it was `confirmed` to be.
    pub(crate) fn start(clock: Clock, last: Option<i64>, confirmed: i64) -> Self {
        let (wall, monotonic) = (clock.wall(), clock.monotonic());
        let behind = last.map_or(0, |last| last.saturating_sub(confirmed).saturating_sub(wall));
        let suspect = (behind > BEHIND_MS)
            .then(|| format!("the wall clock is {} s earlier than the last entry allows", behind / 1000));
        let kept = Kept { last: last.unwrap_or(0), wall, monotonic, suspect };
        Self { clock, state: Arc::new(Mutex::new(kept)) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the wall clock shows.
    pub(crate) fn wall(&self) -> i64 {
        self.clock.wall()
    }

    /// The instant for what is decided now, never before the last one.
    pub(crate) fn now(&self) -> i64 {
        let mut kept = self.kept();
        let (wall, monotonic) = (self.clock.wall(), self.clock.monotonic());
        let jump = (wall - kept.wall) - (monotonic - kept.monotonic);
        if jump.abs() > JUMP_MS && kept.suspect.is_none() {
            kept.suspect = Some(format!("the wall clock jumped by {} s", jump / 1000));
        }
        let elapsed = (monotonic - kept.monotonic).max(0);
        let now = if kept.suspect.is_some() { kept.last + elapsed } else { wall.max(kept.last + elapsed) };
        if kept.suspect.is_none() {
            kept.wall = wall;
        }
        kept.monotonic = monotonic;
        kept.last = kept.last.max(now);
        kept.last
    }

    /// An error while appending is stopped.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.kept().suspect {
            Some(why) => Err(Error::new(Code::ClockSuspect, why.clone())),
            None => Ok(()),
        }
    }

    /// The operator confirmed what the wall clock shows.
    pub(crate) fn confirm(&self) {
        let mut kept = self.kept();
        kept.suspect = None;
        kept.wall = self.clock.wall();
        kept.monotonic = self.clock.monotonic();
    }
}
