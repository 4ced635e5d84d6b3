//! How fast are views built anew, and how soon is in them what was appended?

use super::mix::filled;
use super::served::{kilobytes, own_process};
use super::subject::Bench;
use crate::diagnostic::Diagnostic;
use crate::measure::{Figure, interleave, nanos, percentile, rate, ratio};
use crate::output::Output;
use chancery_ledger::format::checkpoint::Checkpoint;
use chancery_ledger::format::entry;
use chancery_ledger::limits::Stopwatch;
use chancery_ledger::store::{Anchor, Paths, Reader};
use chancery_ledger::{Answer, Code, Error};
use chancery_projections::{Follower, VIEWS, build, copy};
use std::cell::RefCell;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

const ROUNDS: usize = 3;
/// Entries a second beside which visibility is measured.
const RATE: u64 = 1_000;
/// Of them, so many seconds.
const SECONDS: u64 = 5;

fn remove(path: &Path) {
    for end in ["db", "db-wal", "db-shm", "lock"] {
        // What is not there need not go.
        let _ = std::fs::remove_file(path.with_extension(end));
    }
}

fn internal(text: &str) -> Error {
    Error::new(Code::Internal, text)
}

pub(super) fn run(bench: &Bench, _: &Output) -> Result<Vec<Figure>, Diagnostic> {
    let paths = filled(bench, "rebuild")?;
    let note = Anchor::read(&paths.anchor)?.ok_or_else(|| internal("the measured ledger has no anchor"))?;
    let head: Checkpoint = note.checkpoint;
    let reader = Reader::open(&paths.store())?;
    let (built, copied) = (paths.dir.join("built.db"), paths.dir.join("copied.db"));
    let name = head.origin.name().to_owned();
    build(&built, &name, VIEWS, &reader, head.size, &mut |_, _| ())?;
    let failed: RefCell<Option<Error>> = RefCell::new(None);
    let keep = |outcome: Result<u64, Error>| match outcome {
        Ok(rows) => rows,
        Err(error) => {
            failed.borrow_mut().get_or_insert(error);
            0
        }
    };
    remove(&copied);
    let rows = keep(copy(&built, &copied, VIEWS));
    let medians = interleave(
        ROUNDS,
        &mut [
            &mut || {
                remove(&built);
                keep(build(&built, &name, VIEWS, &reader, head.size, &mut |_, _| ()).map(|()| 0));
            },
            &mut || {
                let read = reader.leaves(0..head.size, |_, leaf| {
                    let read = entry::read(leaf).map_err(|error| internal(&error.to_string()))?;
                    std::hint::black_box(read.position);
                    Ok(())
                });
                keep(read.map(|()| 0));
            },
            &mut || {
                remove(&copied);
                keep(copy(&built, &copied, VIEWS));
            },
        ],
    );
    if let Some(error) = failed.into_inner() {
        return Err(error.into());
    }
    let [fold, scan, raw] = medians[..] else { return Err(internal("three medians").into()) };
    let conditions = format!(
        "{} governed entries into {} views, {rows} rows; {ROUNDS} interleaved rounds",
        head.size,
        VIEWS.len()
    );
    let of = |limit: &str, time: u64, name: &str| Figure {
        name: name.to_owned(),
        per_second: Some(rate(head.size, fold)),
        limit: Some(limit.to_owned()),
        ratio: Some(ratio(time, fold)),
        conditions: conditions.clone(),
        ..Figure::default()
    };
    let mut figures = vec![
        of("reading and parsing every leaf (rate)", scan, "rebuild"),
        of("inserting the rows as they end up, same statements (rate)", raw, "rebuild.rows"),
    ];
    figures.extend(memory(&paths, head.size)?);
    figures.push(visible(bench)?);
    Ok(figures)
}

/// The most memory that a process of its own takes while it builds every view anew; nothing where no kernel says it.
fn memory(paths: &Paths, entries: u64) -> Result<Option<Figure>, Diagnostic> {
    let mut command = own_process()?;
    command.args(["view", "rebuild", "--json", "--dir"]).arg(&paths.dir);
    let mut child = command.stdout(Stdio::null()).spawn().map_err(|error| internal(&error.to_string()))?;
    let (_wake, sleep) = mpsc::channel::<()>();
    let mut most = None;
    // The kernel keeps the largest that it ever was: the last look counts.
    let ended = loop {
        most = kilobytes(child.id(), "VmHWM").max(most);
        if let Some(ended) = child.try_wait().map_err(|error| internal(&error.to_string()))? {
            break ended;
        }
        // Nobody sends: it waits for as long.
        let _ = sleep.recv_timeout(Duration::from_millis(1));
    };
    if !ended.success() {
        return Err(internal("the measured ledger's views cannot be built").into());
    }
    Ok(most.map(|most| Figure {
        name: "rebuild.memory".to_owned(),
        kilobytes: Some(most),
        conditions: format!("the most of a process that builds all views anew, {entries} entries"),
        ..Figure::default()
    }))
}

/// From the answer to a request until every view has its entry, at a steady rate; open loop.
fn visible(bench: &Bench) -> Result<Figure, Diagnostic> {
    let mut subject = bench.subject("visible", false)?;
    let watch = Stopwatch::start();
    let (told, heard) = mpsc::channel();
    let path = subject.paths.views();
    let follower = Follower::start(
        &subject.ledger,
        &path,
        VIEWS,
        Box::new(move |health| {
            let _ = told.send((health.entries, nanos(watch.elapsed())));
        }),
    )?;
    let (answer, answered) = mpsc::channel();
    let requests = (0..RATE * SECONDS).map(|_| subject.request(None)).collect::<Result<Vec<_>, _>>()?;
    let (_wake, sleep) = mpsc::channel::<()>();
    for (number, request) in (0u64..).zip(requests) {
        let due = Duration::from_nanos(number * 1_000_000_000 / RATE);
        if let Some(ahead) = due.checked_sub(watch.elapsed()) {
            // Nobody sends: it waits for as long as is left.
            let _ = sleep.recv_timeout(ahead);
        }
        let answer = answer.clone();
        let reply = Box::new(move |said: Answer| {
            if let Answer::Receipt(receipt) = said {
                let last = receipt.entries.last().map(|entry| entry.position);
                let _ = answer.send((last.unwrap_or_default(), nanos(watch.elapsed())));
            }
        });
        subject.ledger.submit_with(request, reply)?;
    }
    drop(answer);
    let answers: Vec<(u64, u64)> = answered.iter().collect();
    let newest = answers.iter().map(|(position, _)| position + 1).max().unwrap_or_default();
    if !follower.wait(newest, Duration::from_secs(60)) {
        return Err(internal("the views did not follow").into());
    }
    drop(follower);
    let seen: Vec<(u64, u64)> = heard.iter().collect();
    let mut times: Vec<u64> = answers
        .iter()
        .filter_map(|(position, at)| {
            let first = seen.iter().find(|(entries, _)| entries > position)?;
            Some(first.1.saturating_sub(*at))
        })
        .collect();
    times.sort_unstable();
    let (p50, p99) = (percentile(&times, 500), percentile(&times, 990));
    subject.ledger.close()?;
    Ok(Figure {
        name: "visible".to_owned(),
        p50_ns: Some(p50),
        p99_ns: Some(p99),
        p999_ns: Some(percentile(&times, 999)),
        conditions: format!(
            "from the answer until all {} views have it, {RATE} requests a second for {SECONDS} s, open loop",
            VIEWS.len()
        ),
        ..Figure::default()
    })
}
