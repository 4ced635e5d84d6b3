//! How is a rate made? Commits are clocked one by one, rounds are interleaved, and the median of the rounds counts.

use crate::Done;
use crate::event::Event;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Events per commit.
pub(crate) const BATCHES: [u64; 3] = [1, 64, 1024];

/// What every candidate is asked to do.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The directory that was given, on the disk that counts.
    pub(crate) on: PathBuf,
    /// As in `chancery bench append --entries`.
    pub(crate) entries: u64,
    pub(crate) rounds: usize,
}

impl Plan {
    /// Events of one round at `batch` a commit: as many as `chancery bench append` takes for one of its turns.
    pub(crate) fn count(&self, batch: u64) -> u64 {
        let entries = match batch {
            1 => self.entries.min(2_000),
            64 => self.entries.min(50_000),
            _ => self.entries,
        };
        (entries / 3).max(batch)
    }
}

/// One way to keep events.
pub(crate) trait Candidate {
    fn name(&self) -> &'static str;
    /// What a reader of its figures must know.
    fn conditions(&self) -> String;
    /// One round: events per second for each of [`BATCHES`].
    fn round(&mut self, plan: &Plan) -> Done<[u64; 3]>;
}

/// A directory that is gone afterwards.
#[derive(Debug)]
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(on: &Path, name: &str) -> Done<Self> {
        let dir = on.join(format!("peers-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(|error| format!("create `{}`: {error}", dir.display()))?;
        Ok(Self(dir))
    }

    /// A file for the store of `batch`.
    pub(crate) fn file(&self, batch: u64) -> PathBuf {
        self.0.join(format!("{batch}.db"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Hands `count` events to `commit`, `batch` at a time, and gives events per second. Events are made before the clock
/// starts, and one commit goes before the first that is clocked.
pub(crate) fn clocked(
    count: u64,
    batch: u64,
    mut commit: impl FnMut(u64, Vec<Event>) -> Done<Duration>,
) -> Done<u64> {
    commit(0, (0..batch).map(Event::nth).collect())?;
    let (mut done, mut number, mut time) = (0, 1, Duration::ZERO);
    while done < count {
        let n = batch.min(count - done);
        time += commit(number, (batch + done..batch + done + n).map(Event::nth).collect())?;
        number += 1;
        done += n;
    }
    let nanos = time.as_nanos().max(1);
    Ok(u64::try_from(u128::from(count) * 1_000_000_000 / nanos)?)
}

/// The time of one call, when it succeeds.
pub(crate) fn time<T>(call: impl FnOnce() -> Done<T>) -> Done<Duration> {
    let watch = Instant::now();
    call()?;
    Ok(watch.elapsed())
}

/// Rates of one candidate over all rounds.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    pub(crate) name: &'static str,
    pub(crate) conditions: String,
    /// For each of [`BATCHES`], sorted.
    rates: [Vec<u64>; 3],
}

impl Rates {
    pub(crate) fn median(&self, at: usize) -> u64 {
        let rates = &self.rates[at];
        rates.get(rates.len() / 2).copied().unwrap_or(0)
    }

    /// Slowest and fastest round.
    pub(crate) fn range(&self, at: usize) -> (u64, u64) {
        let rates = &self.rates[at];
        (rates.first().copied().unwrap_or(0), rates.last().copied().unwrap_or(0))
    }
}

/// Runs all candidates in turn, each round starting with another one.
pub(crate) fn interleave(candidates: &mut [Box<dyn Candidate>], plan: &Plan) -> Done<Vec<Rates>> {
    let mut all: Vec<Rates> = candidates
        .iter()
        .map(|candidate| Rates {
            name: candidate.name(),
            conditions: candidate.conditions(),
            rates: Default::default(),
        })
        .collect();
    let many = candidates.len().max(1);
    for round in 0..plan.rounds {
        for step in 0..candidates.len() {
            let at = (round + step) % many;
            let rates = candidates[at].round(plan).map_err(|e| format!("{}: {e}", all[at].name))?;
            for (sorted, rate) in all[at].rates.iter_mut().zip(rates) {
                sorted.push(rate);
                sorted.sort_unstable();
            }
        }
    }
    Ok(all)
}
