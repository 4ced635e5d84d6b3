//! How fast is a verdict, against reading and hashing the same bytes at all?

use super::subject::Bench;
use crate::commands::verify::read_pin;
use crate::diagnostic::Diagnostic;
use crate::measure::{Figure, interleave, rate, ratio};
use crate::output::Output;
use chancery_ledger::limits::{scan_and_hash, signatures, strict_loop};
use chancery_ledger::store::{Paths, Reader};
use chancery_ledger::verify::{How, Trust, Verdict, verify_live};
use chancery_ledger::{Code, Error};

const ROUNDS: usize = 5;

fn authentic(paths: &Paths, trust: &Trust, threads: usize, screen: bool) -> Result<(), Diagnostic> {
    let report =
        verify_live(paths, trust, How { threads, screen, columns: false, recompute: false }, &mut |_, _| ())?;
    if report.verdict == Verdict::Authentic {
        return Ok(());
    }
    Err(Error::new(Code::Internal, format!("the measured ledger is {}", report.verdict.as_str())).into())
}

/// Unattested entries: chain, tree, parts and heads; then the same with an author's signature on each.
pub(super) fn run(bench: &Bench, _: &Output) -> Result<Vec<Figure>, Diagnostic> {
    let mut figures = Vec::new();
    let paths = bench.filled("verify", false)?;
    let pin = read_pin(&paths.pin())?;
    let trust = Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin) };
    let reader = Reader::open(&paths.store())?;
    let size = reader.size()?;
    let mut failed = None;
    let mut note = |outcome: Result<(), Diagnostic>| failed = failed.take().or(outcome.err());
    authentic(&paths, &trust, 1, false)?;
    let attested = signatures(&reader)?.len();
    let mut outcomes = Vec::new();
    let medians = interleave(
        ROUNDS,
        &mut [
            &mut || outcomes.push(authentic(&paths, &trust, 1, false)),
            &mut || drop(scan_and_hash(&reader, false)),
            &mut || drop(scan_and_hash(&reader, true)),
        ],
    );
    let two = interleave(ROUNDS, &mut [&mut || outcomes.push(authentic(&paths, &trust, 2, false))]);
    outcomes.into_iter().for_each(&mut note);
    let conditions =
        format!("{size} entries, {attested} signed by their author, {ROUNDS} interleaved rounds");
    for (at, name, limit) in [
        (1, "verify.unattested", "scan, BLAKE3 and SHA-256"),
        (2, "verify.whole", "scan, hashes and a parse"),
    ] {
        figures.push(Figure {
            name: name.to_owned(),
            per_second: Some(rate(size, medians[0])),
            limit: Some(format!("{limit}, one thread (rate)")),
            ratio: Some(ratio(medians[at], medians[0])),
            conditions: conditions.clone(),
            ..Figure::default()
        });
    }
    figures.push(Figure {
        name: "verify.unattested.2".to_owned(),
        per_second: Some(rate(size, two[0])),
        limit: Some("one thread (rate)".to_owned()),
        ratio: Some(ratio(medians[0], two[0])),
        conditions,
        ..Figure::default()
    });
    figures.extend(attested_entries(bench, &mut note)?);
    figures.push(increment(bench)?);
    failed.map_or(Ok(figures), Err)
}

fn attested_entries(
    bench: &Bench,
    note: &mut dyn FnMut(Result<(), Diagnostic>),
) -> Result<Vec<Figure>, Diagnostic> {
    let small = Bench::new(None, false, bench.entries.min(10_000))?;
    let paths = small.filled("attested", true)?;
    let pin = read_pin(&paths.pin())?;
    let trust = Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin) };
    let signed = signatures(&Reader::open(&paths.store())?)?;
    let mut outcomes = Vec::new();
    let cell = std::cell::RefCell::new(&mut outcomes);
    let run = |threads, screen| cell.borrow_mut().push(authentic(&paths, &trust, threads, screen));
    let medians = interleave(
        ROUNDS,
        &mut [
            &mut || {
                let _ = std::hint::black_box(strict_loop(&signed));
            },
            &mut || run(1, false),
            &mut || run(2, false),
            &mut || run(1, true),
            &mut || run(2, true),
        ],
    );
    outcomes.into_iter().for_each(note);
    let names = ["verify.attested", "verify.attested.2", "verify.screen", "verify.screen.2"];
    let figures = names.iter().enumerate().map(|(at, name)| Figure {
        name: (*name).to_owned(),
        per_second: Some(rate(signed.len() as u64, medians[at + 1])),
        limit: Some("a verify_strict loop on one thread (rate)".to_owned()),
        ratio: Some(ratio(medians[0], medians[at + 1])),
        conditions: format!("{} attested entries, {ROUNDS} interleaved rounds", signed.len()),
        ..Figure::default()
    });
    Ok(figures.collect())
}

/// New entries after a pin.
const NEW: u64 = 1_000;

/// A ledger of so many entries that was verified, and then got some more; with what its auditor keeps.
fn grown(bench: &Bench, name: &str, entries: u64, new: u64) -> Result<(Paths, Trust), Diagnostic> {
    let mut subject = bench.subject(name, false)?;
    subject.observe(entries, 1024)?;
    let pin = read_pin(&subject.paths.pin())?;
    let trust = Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin) };
    let how = How { threads: 1, screen: false, columns: false, recompute: false };
    let report = verify_live(&subject.paths, &trust, how, &mut |_, _| ())?;
    subject.observe(new, 1024)?;
    subject.ledger.close()?;
    Ok((subject.paths, Trust { pin: report.pin, ..trust }))
}

/// What is new since a pin, in a long ledger and in one of a tenth of its length.
fn increment(bench: &Bench) -> Result<Figure, Diagnostic> {
    let (long, new) = (bench.entries, NEW.min(bench.entries / 10).max(1));
    let (paths, trust) = grown(bench, "increment", long, new)?;
    let (short_paths, short_trust) = grown(bench, "increment-short", long / 10, new)?;
    let mut outcomes = Vec::new();
    let cell = std::cell::RefCell::new(&mut outcomes);
    let run = |paths: &Paths, trust: &Trust| cell.borrow_mut().push(authentic(paths, trust, 1, false));
    let medians =
        interleave(ROUNDS, &mut [&mut || run(&paths, &trust), &mut || run(&short_paths, &short_trust)]);
    outcomes.into_iter().collect::<Result<(), Diagnostic>>()?;
    Ok(Figure {
        name: "verify.increment".to_owned(),
        p50_ns: Some(medians[0]),
        per_second: Some(rate(new, medians[0])),
        limit: Some("the same after a tenth of the entries (time)".to_owned()),
        ratio: Some(ratio(medians[0], medians[1])),
        conditions: format!("{new} entries after a pin at {long}, one thread, {ROUNDS} interleaved rounds"),
        ..Figure::default()
    })
}
