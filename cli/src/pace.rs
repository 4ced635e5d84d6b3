//! How fast does a worker work? For how long it holds a job, how long a command may run, how often it says that it is
//! still there, and what ends it.

use crate::patience::Stop;
use crate::work::int;
use chancery_ledger::format::json::Value;
use chancery_ledger::limits::Stopwatch;
use std::cell::Cell;
use std::time::Duration;

/// The longest time between two renewals when nothing else is said.
const BEAT: Duration = Duration::from_secs(5);

/// A worker's times.
#[derive(Debug)]
pub(crate) struct Pace {
    /// For how long a job is held.
    pub(crate) ttl_ms: u64,
    /// How long a command may run.
    pub(crate) limit: Duration,
    /// How often the claim is renewed while it runs.
    pub(crate) beat: Duration,
    /// What ends it.
    pub(crate) stop: Stop,
    /// For how long its word counts that it is healthy, when it says so itself, and since when.
    health: Option<(u64, Cell<Option<Stopwatch>>)>,
}

impl Pace {
    /// What follows from how long a job is held.
    pub(crate) fn new(ttl_ms: u64, stop: &Stop) -> Self {
        let ttl = Duration::from_millis(ttl_ms);
        Self { ttl_ms, limit: ttl - ttl / 4, beat: BEAT.min(ttl / 3), stop: stop.clone(), health: None }
    }

    /// With other times, where they were given; renewed before half of its time is over, whatever was given.
    pub(crate) fn with(self, limit_ms: Option<u64>, beat_ms: Option<u64>) -> Self {
        let limit = limit_ms.map_or(self.limit, Duration::from_millis);
        let beat = beat_ms.map_or(self.beat, Duration::from_millis).min(self.ttl() / 2);
        Self { limit, beat, ..self }
    }

    /// Saying by itself that it is healthy, for so long each time.
    pub(crate) fn reporting(self, ttl_ms: u64) -> Self {
        Self { health: Some((ttl_ms, Cell::new(None))), ..self }
    }

    /// For how long a job is held.
    pub(crate) fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    /// How long a lease must last: it cannot be renewed, so longer than the command may run.
    pub(crate) fn lease_ms(&self) -> u64 {
        self.ttl_ms.saturating_add(u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX))
    }

    /// What it says of its health, when a third of the time is over for which its word counts.
    pub(crate) fn health_due(&self) -> Option<Vec<(&'static str, Value)>> {
        let (ttl_ms, told) = self.health.as_ref()?;
        let fresh = told.get().is_some_and(|told| told.elapsed() < Duration::from_millis(ttl_ms / 3));
        (!fresh).then(|| vec![("health", Value::from("healthy")), ("ttl_ms", int(*ttl_ms))])
    }

    /// It was said.
    pub(crate) fn told_health(&self) {
        if let Some((_, told)) = &self.health {
            told.set(Some(Stopwatch::start()));
        }
    }
}
