//! How long does the gate take, by the clock and without one, as grants, kill switches and a busy writer are added?

use super::asked::{Case, DEAREST, Plan, plans};
use super::estate::{CAPABILITIES, Estate, NOW, WORKERS};
use super::subject::Bench;
use crate::diagnostic::Diagnostic;
use crate::measure::{Figure, interleave_timed, nanos, percentile, rate, ratio};
use chancery_ledger::domains::World;
use chancery_ledger::gate::{Verdict, declared, evaluate};
use chancery_ledger::limits::Stopwatch;
use chancery_ledger::{Code, Error};
use std::hint::black_box;
use std::sync::mpsc;
use std::time::Duration;

/// Requests that are measured, at the most.
const REQUESTS: u64 = 65_536;
/// Live grants in the world that most rows are about, at the most.
const GRANTS: u64 = 10_000;
/// Requests that are made before the clock starts, so that they are as near as one that has just been read.
const BLOCK: usize = 64;
/// Requests of a glance.
const GLANCE: u64 = 8192;
/// Interleaved rounds; the median counts.
const ROUNDS: usize = 11;
/// Passes of clocked calls.
const PASSES: usize = 3;

/// A world and what is asked of it.
struct Candidate {
    world: World,
    plans: Vec<Plan>,
}

fn internal(text: String) -> Diagnostic {
    Error::new(Code::Internal, text).into()
}

fn ask(world: &World, case: &Case) -> Option<Code> {
    match evaluate(world, &case.facts, &case.request, &case.caller, NOW) {
        Verdict::Allow(_) => None,
        Verdict::Deny(denial) => Some(denial.code),
        Verdict::Hold(_) => Some(Code::ConfirmationRequired),
    }
}

impl Candidate {
    /// A world of so many grants, every answer checked; against the plain reference as well, where that ends today.
    fn new(
        grants: u64,
        hot: u64,
        killed: bool,
        count: u64,
        only: Option<&'static str>,
    ) -> Result<Self, Diagnostic> {
        let estate = Estate::new(grants, killed);
        let world = estate.world().map_err(|error| internal(error.to_string()))?;
        let plans = plans(count, (estate.ordinary, hot), killed, only);
        for plan in &plans {
            let case = &plan.case()?;
            let plain = match estate.ordinary <= GRANTS {
                true => estate.answer(&case.request, &case.caller, &case.facts),
                false => case.expected,
            };
            let found = ask(&world, case);
            if found != case.expected || plain != case.expected {
                let (id, expected) = (case.request.spec.id, case.expected);
                let text =
                    format!("`{id}`: the gate says {found:?}, the reference {plain:?}, not {expected:?}");
                return Err(internal(text));
            }
        }
        Ok(Self { world, plans })
    }

    /// Calls by the clock, sorted; requests are made a block at a time, outside the clock.
    fn clocked(&self) -> Vec<u64> {
        let mut times = Vec::with_capacity(self.plans.len() * PASSES);
        for plans in std::iter::repeat_n(&self.plans, PASSES).flat_map(|plans| plans.chunks(BLOCK)) {
            for case in made(plans) {
                let watch = Stopwatch::start();
                plainly(&self.world, &case);
                times.push(nanos(watch.elapsed()));
            }
        }
        times.sort_unstable();
        times
    }

    /// Time of all calls without a clock inside: a block of fresh requests at a time.
    fn blocks(&self, call: impl Fn(&World, &Case)) -> u64 {
        blocks(&self.plans, |case| call(&self.world, case))
    }
}

fn made(plans: &[Plan]) -> Vec<Case> {
    black_box(plans.iter().filter_map(|plan| plan.case().ok()).collect())
}

fn blocks(plans: &[Plan], call: impl Fn(&Case)) -> u64 {
    let mut time = 0;
    for block in plans.chunks(BLOCK) {
        let block = made(block);
        let watch = Stopwatch::start();
        block.iter().for_each(&call);
        time += nanos(watch.elapsed());
    }
    time
}

fn plainly(world: &World, case: &Case) {
    black_box(evaluate(world, &case.facts, &case.request, &case.caller, NOW));
}

fn looked_up(world: &World, case: &Case) {
    black_box(declared(black_box(case.request.spec.id)));
    plainly(world, case);
}

fn by_the_clock(name: &str, times: &[u64], conditions: &str) -> Figure {
    Figure {
        name: name.to_owned(),
        p50_ns: Some(percentile(times, 500)),
        p99_ns: Some(percentile(times, 990)),
        p999_ns: Some(percentile(times, 999)),
        conditions: conditions.to_owned(),
        ..Figure::default()
    }
}

/// What an empty pair of clock readings shows.
fn clock_pair() -> Figure {
    let mut times: Vec<u64> = (0..100_000).map(|_| nanos(black_box(Stopwatch::start()).elapsed())).collect();
    times.sort_unstable();
    by_the_clock("clock.pair", &times, "two readings with nothing between them; every clocked call has one")
}

/// Clocked calls while another thread has a ledger append a thousand entries a second, come what may.
fn beside_a_writer(bench: &Bench, of: &Candidate) -> Result<Vec<u64>, Diagnostic> {
    let mut subject = bench.subject("gate", false)?;
    let (stop, stopped) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || -> Result<u64, Diagnostic> {
            let (watch, mut sent) = (Stopwatch::start(), 0u64);
            loop {
                let due = Duration::from_millis(sent).saturating_sub(watch.elapsed());
                if !matches!(stopped.recv_timeout(due), Err(mpsc::RecvTimeoutError::Timeout)) {
                    return Ok(sent);
                }
                let request = subject.request(None)?;
                subject.ledger.submit_with(request, Box::new(|_| ()))?;
                sent += 1;
            }
        });
        let times = of.clocked();
        let _ = stop.send(());
        match writer.join() {
            Ok(Ok(0)) | Err(_) => Err(internal("the writer beside the gate did nothing".to_owned())),
            Ok(sent) => sent.map(|_| times),
        }
    })
}

/// The empty clock pair and one pass of clocked calls, in a world that is made in a moment.
pub(crate) fn glance() -> Result<Vec<Figure>, Diagnostic> {
    let base = Candidate::new(WORKERS, WORKERS, false, GLANCE, None)?;
    let build = if cfg!(debug_assertions) { ", debug build: not for quoting" } else { "" };
    let conditions = format!(
        "{WORKERS} workers, {CAPABILITIES} capabilities, {WORKERS} live grants; {GLANCE} distinct requests, shuffled, half \
         of them noes; {PASSES} clocked passes{build}"
    );
    let times = base.clocked();
    Ok(vec![clock_pair(), by_the_clock("gate.evaluate", &times, &conditions)])
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Diagnostic> {
    let count = bench.entries.min(REQUESTS);
    let grants = bench.entries.clamp(WORKERS, GRANTS);
    let (few, many) = (grants / 10, grants * 100.min(bench.entries / 1000).max(2));
    let base = Candidate::new(grants, grants, false, count, None)?;
    let conditions = format!(
        "{WORKERS} workers, {CAPABILITIES} capabilities, {grants} live grants; {count} distinct requests, shuffled, half \
         of them noes; answers checked"
    );
    let clocked = |extra: &str| format!("{conditions}; {PASSES} clocked passes{extra}");
    let mut figures = vec![
        clock_pair(),
        by_the_clock("gate.evaluate", &base.clocked(), &clocked("")),
        by_the_clock(
            "gate.evaluate.writing",
            &beside_a_writer(bench, &base)?,
            &clocked(", a ledger of the same process appends 1,000/s"),
        ),
    ];
    let dearest = Candidate::new(grants, grants, false, count, Some(DEAREST))?;
    figures.push(by_the_clock(
        "gate.evaluate.dearest",
        &dearest.clocked(),
        &clocked(", `lease.open` allowed only"),
    ));
    let killed = Candidate::new(grants, grants, true, count, None)?;
    let rows = [
        ("gate.call", "no clock inside"),
        ("gate.call.by_id", "the action is looked up by its id before"),
        ("gate.call.dearest", "`lease.open` allowed only"),
        ("gate.call.kill", "eight kill switches engaged elsewhere, their noes among the rest"),
    ];
    let medians = interleave_timed(
        ROUNDS,
        &mut [
            &mut || base.blocks(plainly),
            &mut || base.blocks(looked_up),
            &mut || dearest.blocks(plainly),
            &mut || killed.blocks(plainly),
        ],
    );
    for ((name, what), time) in rows.iter().zip(&medians) {
        figures.push(per_call(
            name,
            *time,
            count,
            format!("{conditions}; {what}; {ROUNDS} interleaved rounds"),
        ));
    }
    drop((dearest, killed));
    figures.extend(as_grants_grow(few, many, grants, count)?);
    Ok(figures)
}

fn per_call(name: &str, time: u64, count: u64, conditions: String) -> Figure {
    let (p50, per_second) = (Some(time / count.max(1)), Some(rate(count, time)));
    Figure { name: name.to_owned(), p50_ns: p50, per_second, conditions, ..Figure::default() }
}

/// The same requests where there are few grants and where there are many, over a hot set of them and over all.
fn as_grants_grow(few: u64, many: u64, hot: u64, count: u64) -> Result<Vec<Figure>, Diagnostic> {
    let small = Candidate::new(few, few, false, count, None)?;
    let large = Candidate::new(many, hot, false, count, None)?;
    let uniform = plans(count, (many.max(WORKERS), many), false, None);
    let medians = interleave_timed(
        ROUNDS,
        &mut [&mut || small.blocks(plainly), &mut || large.blocks(plainly), &mut || {
            blocks(&uniform, |case| plainly(&large.world, case))
        }],
    );
    let over = ["all of them".to_owned(), format!("a hot set of {hot}"), "all of them".to_owned()];
    let names = ["gate.grants.few", "gate.grants.many", "gate.grants.uniform"];
    let rows = names.iter().zip([few, many, many]).zip(&over).zip(&medians);
    Ok(rows
        .map(|(((name, grants), over), time)| Figure {
            limit: (*name != "gate.grants.few").then(|| format!("{few} live grants (time)")),
            ratio: (*name != "gate.grants.few").then(|| ratio(*time, medians[0])),
            ..per_call(name, *time, count, format!("{grants} live grants, {count} requests over {over}"))
        })
        .collect())
}
