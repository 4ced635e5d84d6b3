//! How fast are decisions recorded, against the bare store that writes the same rows?

use super::subject::{Bench, Subject};
use crate::diagnostic::Diagnostic;
use crate::measure::{Figure, median, nanos, percentile, rate, ratio};
use chancery_ledger::gate::Request;
use chancery_ledger::limits::{Stopwatch, raw_append};
use chancery_ledger::{Answer, Code, Error};
use std::sync::Mutex;
use std::time::Duration;

fn sorted(times: &[Duration]) -> Vec<u64> {
    let mut sorted: Vec<u64> = times.iter().map(|time| nanos(*time)).collect();
    sorted.sort_unstable();
    sorted
}

/// One caller: from the request in hand to the durable answer, and the bare store's commit and anchor of the same rows.
pub(super) fn record(bench: &Bench) -> Result<Vec<Figure>, Diagnostic> {
    let calls = bench.entries.min(5000);
    let mut figures = Vec::new();
    let mut subject = bench.subject("record", false)?;
    subject.observe(500, 1)?;
    // Ours and the bare store in turns, so that both meet the same minutes of the machine.
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for turn in 0..5 {
        let watch = subject.observe(calls / 5, 1)?;
        ours.extend(sorted(&watch));
        let reader = subject.ledger.reader()?;
        let entries = reader.size()?.min(calls / 5);
        raw.extend(sorted(&raw_append(&reader, &bench.paths(&format!("raw-{turn}")), 1, entries)?));
    }
    ours.sort_unstable();
    raw.sort_unstable();
    let (p50, limit) = (percentile(&ours, 500), percentile(&raw, 500));
    figures.push(Figure {
        name: "record.1".to_owned(),
        p50_ns: Some(p50),
        p99_ns: Some(percentile(&ours, 990)),
        p999_ns: Some(percentile(&ours, 999)),
        limit: Some("the bare store's commit and anchor (p50, time)".to_owned()),
        ratio: Some(ratio(p50, limit)),
        conditions: format!("one caller, {calls} calls; the bare store: p50 {limit} ns"),
        ..Figure::default()
    });
    for callers in [16, 64, 256] {
        figures.push(many(bench, "record", callers)?);
    }
    Ok(figures)
}

/// Requests of each caller, in their order.
pub(super) type Work = Vec<Vec<Request>>;

/// Many callers who observe host keys, on a ledger at a place of its own.
pub(super) fn many(bench: &Bench, place: &str, callers: u64) -> Result<Figure, Diagnostic> {
    let each = (bench.entries.min(20_000) / callers).max(20);
    let name = format!("{place}.{callers}");
    let mut subject = bench.subject(&name, false)?;
    let mut work: Work = Vec::new();
    for caller in 0..callers {
        let mut author = subject.caller(caller)?;
        work.push((0..each).map(|_| subject.request(author.as_mut())).collect::<Result<Vec<_>, _>>()?);
    }
    together(bench, &subject, &name, work, &format!("{callers} threads, {each} calls each"))
}

/// Callers, each an OS thread that waits for its durable answer before it asks again, and the bare store at the
/// same batch.
pub(super) fn together(
    bench: &Bench,
    subject: &Subject,
    name: &str,
    work: Work,
    conditions: &str,
) -> Result<Figure, Diagnostic> {
    let total = work.iter().map(Vec::len).sum::<usize>() as u64;
    let times: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    let ledger = &subject.ledger;
    let reader = ledger.reader()?;
    let before = reader.heads(0..u64::MAX)?.len() as u64;
    let watch = Stopwatch::start();
    std::thread::scope(|scope| {
        for requests in work {
            let times = &times;
            scope.spawn(move || {
                let mut own = Vec::with_capacity(requests.len());
                for request in requests {
                    let watch = Stopwatch::start();
                    if matches!(ledger.submit(request), Answer::Receipt(receipt) if receipt.code.is_none()) {
                        own.push(nanos(watch.elapsed()));
                    }
                }
                if let Ok(mut times) = times.lock() {
                    times.extend(own);
                }
            });
        }
    });
    let wall = nanos(watch.elapsed());
    let mut times = times.into_inner().unwrap_or_default();
    times.sort_unstable();
    if times.len() as u64 != total {
        return Err(Error::new(Code::Internal, "not every caller was told yes").into());
    }
    let heads = reader.heads(0..u64::MAX)?.len() as u64 - before;
    let batch = (total / heads.max(1)).max(1);
    let raw = raw_append(&reader, &bench.paths(&format!("raw-{name}")), batch, total)?;
    let (ours, limit) = (rate(total, wall), rate(total, sorted(&raw).iter().sum()));
    Ok(Figure {
        name: name.to_owned(),
        p50_ns: Some(percentile(&times, 500)),
        p99_ns: Some(percentile(&times, 990)),
        p999_ns: Some(percentile(&times, 999)),
        per_second: Some(ours),
        limit: Some(format!("the bare store at batches of {batch} (rate)")),
        ratio: Some(ratio(ours, limit)),
        conditions: conditions.to_owned(),
        ..Figure::default()
    })
}

/// Batches handed over at once.
pub(super) fn append(bench: &Bench) -> Result<Vec<Figure>, Diagnostic> {
    let mut figures = Vec::new();
    for (batch, entries) in
        [(1, bench.entries.min(2_000)), (64, bench.entries.min(50_000)), (1024, bench.entries)]
    {
        let mut subject = bench.subject(&format!("append-{batch}"), false)?;
        subject.observe(batch.min(256), batch)?;
        let (mut ours, mut raw) = (Vec::new(), Vec::new());
        for turn in 0..3 {
            let times = subject.observe((entries / 3).max(batch), batch)?;
            ours.push(sorted(&times).iter().sum::<u64>());
            let reader = subject.ledger.reader()?;
            let paths = bench.paths(&format!("raw-{batch}-{turn}"));
            let times = raw_append(&reader, &paths, batch, (entries / 3).max(batch))?;
            raw.push(sorted(&times).iter().sum::<u64>());
            let _ = std::fs::remove_dir_all(&paths.dir);
        }
        let count = (entries / 3).max(batch);
        let (ours, limit) = (rate(count, median(ours)), rate(count, median(raw)));
        let bytes = std::fs::metadata(subject.paths.store()).map_or(0, |metadata| metadata.len());
        figures.push(Figure {
            name: format!("append.{batch}"),
            per_second: Some(ours),
            limit: Some(format!("the bare store, {limit}/s (rate)")),
            ratio: Some(ratio(ours, limit)),
            conditions: format!("batches of {batch}, median of 3 times {count}; store of {bytes} bytes"),
            ..Figure::default()
        });
        figures.extend(stored_bytes(&subject, batch)?);
    }
    Ok(figures)
}

/// Bytes in the store beyond leaves and parts, for each entry.
fn stored_bytes(subject: &super::subject::Subject, batch: u64) -> Result<Option<Figure>, Diagnostic> {
    if batch != 64 {
        return Ok(None);
    }
    let reader = subject.ledger.reader()?;
    let size = reader.size()?;
    let (mut position, mut own) = (0, 0u64);
    while position < size {
        let rows = reader.rows(position..size, 512)?;
        for row in &rows {
            let parts = [&row.private, &row.args].into_iter().flatten().map(Vec::len).sum::<usize>();
            own += (row.leaf.len() + parts) as u64;
        }
        position += rows.len().max(1) as u64;
    }
    reader.checkpoint_wal()?;
    let bytes = std::fs::metadata(subject.paths.store()).map_or(0, |metadata| metadata.len());
    Ok(Some(Figure {
        name: "stored.beyond".to_owned(),
        bytes: Some(bytes.saturating_sub(own) / size.max(1)),
        conditions: format!(
            "an entry, beyond leaf and parts, which are {} bytes; batches of 64",
            own / size.max(1)
        ),
        ..Figure::default()
    }))
}
