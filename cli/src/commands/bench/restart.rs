//! How long until a ledger serves again, with and without its snapshot?

use super::subject::Bench;
use crate::diagnostic::Diagnostic;
use crate::measure::{Figure, median, nanos, rate};
use crate::output::Output;
use chancery_ledger::limits::Stopwatch;

const ROUNDS: usize = 5;

pub(super) fn run(bench: &Bench, _: &Output) -> Result<Vec<Figure>, Diagnostic> {
    let paths = bench.filled("restart", false)?;
    let open = || -> Result<u64, Diagnostic> {
        let watch = Stopwatch::start();
        let ledger = Bench::open(&paths)?;
        let time = nanos(watch.elapsed());
        ledger.close()?;
        Ok(time)
    };
    let with = median((0..ROUNDS).map(|_| open()).collect::<Result<Vec<_>, _>>()?);
    let had = std::fs::remove_file(paths.snapshot()).is_ok();
    // Folding millions of entries five times over would measure patience.
    let rounds = if bench.entries > 1_000_000 { 1 } else { ROUNDS };
    let without = median((0..rounds).map(|_| open()).collect::<Result<Vec<_>, _>>()?);
    let figure = |name: &str, time: u64, conditions: &str| Figure {
        name: name.to_owned(),
        p50_ns: Some(time),
        per_second: Some(rate(bench.entries, time)),
        conditions: conditions.to_owned(),
        ..Figure::default()
    };
    let note = if had { "newest snapshot and the tail after it" } else { "no snapshot was due" };
    Ok(vec![
        figure("restart", with, &format!("{note}, median of {ROUNDS}")),
        figure("restart.full", without, &format!("every entry folded, median of {rounds}")),
    ])
}
