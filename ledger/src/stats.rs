//! How busy is the writer? Counters that anybody may read at any time; nothing is decided by them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of a histogram's buckets, in microseconds.
pub const BOUNDS: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 15_000_000,
];

/// How long something took, by bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One more than there are bounds: the last is for what is above them all.
    buckets: [AtomicU64; 17],
    sum: AtomicU64,
}

impl Histogram {
    /// Counts something that took so many microseconds.
    pub fn observe(&self, micros: u64) {
        let at = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts at or below each bound, then of all, and the sum in microseconds.
    pub fn read(&self) -> (Vec<u64>, u64) {
        let mut total = 0;
        let mut add = |bucket: &AtomicU64| {
            total += bucket.load(Ordering::Relaxed);
            total
        };
        (self.buckets.iter().map(&mut add).collect(), self.sum.load(Ordering::Relaxed))
    }
}

/// What the writer did since it started.
#[derive(Debug, Default)]
pub struct Stats {
    /// Time of one commit, from its first statement until its head stands in the anchor.
    pub commits: Histogram,
}
