//! How fast is every decision decided again, against a verdict on the same bytes without that?

use super::mix::{ROUND, filled};
use super::subject::Bench;
use crate::commands::verify::read_pin;
use crate::diagnostic::Diagnostic;
use crate::measure::{Figure, interleave, rate, ratio};
use crate::output::Output;
use chancery_ledger::store::Paths;
use chancery_ledger::verify::{How, Trust, Verdict, verify_live};
use chancery_ledger::{Code, Error};

const ROUNDS: usize = 5;

/// Verifies, and gives the number of entries and of decisions that were decided again.
fn authentic(
    paths: &Paths,
    trust: &Trust,
    threads: usize,
    recompute: bool,
) -> Result<(u64, u64), Diagnostic> {
    let how = How { threads, screen: false, columns: false, recompute };
    let report = verify_live(paths, trust, how, &mut |_, _| ())?;
    if report.verdict == Verdict::Authentic {
        return Ok((report.entries, report.decisions.map_or(0, |decisions| decisions.recomputed)));
    }
    let why = report.finding.map_or(String::new(), |finding| finding.message);
    let text = format!("the measured ledger is {}: {why}", report.verdict.as_str());
    Err(Error::new(Code::Internal, text).into())
}

pub(super) fn run(bench: &Bench, _: &Output) -> Result<Vec<Figure>, Diagnostic> {
    let paths = filled(bench, "recompute")?;
    let pin = read_pin(&paths.pin())?;
    let trust = Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin) };
    let (entries, decisions) = authentic(&paths, &trust, 1, true)?;
    // Minutes of the same again would measure patience.
    let rounds = if bench.entries > 500_000 { 1 } else { ROUNDS };
    let mut failed = None;
    let cell = std::cell::RefCell::new(&mut failed);
    let look = |threads, recompute| {
        let outcome = authentic(&paths, &trust, threads, recompute);
        let mut failed = cell.borrow_mut();
        **failed = failed.take().or(outcome.err());
    };
    let medians = interleave(
        rounds,
        &mut [&mut || look(1, true), &mut || look(1, false), &mut || look(2, true), &mut || look(2, false)],
    );
    if let Some(error) = failed {
        return Err(error);
    }
    let figure = |name: &str, threads: &str, again: u64, plain: u64| Figure {
        name: name.to_owned(),
        per_second: Some(rate(decisions, again)),
        limit: Some(format!("the verdict without it, {threads} (rate)")),
        ratio: Some(ratio(plain, again)),
        conditions: format!(
            "whole verdict with every decision decided again, {threads}, {decisions} decisions in {entries} entries; of \
             {ROUND} requests 11 about host keys and 5 about a job, 2 of them noes; by token; {rounds} interleaved rounds"
        ),
        ..Figure::default()
    };
    Ok(vec![
        figure("recompute", "one thread", medians[0], medians[1]),
        figure("recompute.2", "two threads", medians[2], medians[3]),
    ])
}
