//! What time is it? The only file in which time enters; ledger time is made of both clocks. SPEC 11.

use crate::code::Code;
use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
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

/// Ledger time: never backwards, and stopped when the two clocks disagree.
#[derive(Debug)]
pub(crate) struct LedgerTime {
    clock: Clock,
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
        Self { clock, last: last.unwrap_or(0), wall, monotonic, suspect }
    }

    /// What the wall clock shows.
    pub(crate) fn wall(&self) -> i64 {
        self.clock.wall()
    }

    /// The instant for what is decided now, never before the last one.
    pub(crate) fn now(&mut self) -> i64 {
        let (wall, monotonic) = (self.clock.wall(), self.clock.monotonic());
        let jump = (wall - self.wall) - (monotonic - self.monotonic);
        if jump.abs() > JUMP_MS && self.suspect.is_none() {
            self.suspect = Some(format!("the wall clock jumped by {} s", jump / 1000));
        }
        let elapsed = (monotonic - self.monotonic).max(0);
        let now = if self.suspect.is_some() { self.last + elapsed } else { wall.max(self.last + elapsed) };
        if self.suspect.is_none() {
            self.wall = wall;
        }
        self.monotonic = monotonic;
        self.last = self.last.max(now);
        self.last
    }

    /// An error while appending is stopped.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.suspect {
            Some(why) => Err(Error::new(Code::ClockSuspect, why.clone())),
            None => Ok(()),
        }
    }

    /// The operator confirmed what the wall clock shows.
    pub(crate) fn confirm(&mut self) {
        self.suspect = None;
        self.wall = self.clock.wall();
        self.monotonic = self.clock.monotonic();
    }
}
