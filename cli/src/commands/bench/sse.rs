//! How fast do those who watch see what is released? Many subscribers, paced and in a burst; nothing lost, nothing twice.

use super::bare::Ready;
use super::http::{SHARED, observe};
use super::load::Load;
use super::served::{Estate, Served};
use super::stream::{Events, Subscriber, opening};
use super::subject::{Bench, HOSTS};
use super::visible::{CONNECTIONS, pace, reference};
use super::wire::{broken, get};
use crate::diagnostic::Diagnostic;
use crate::measure::{Figure, median, nanos, percentile, rate, ratio};
use chancery_ledger::format::entry;
use chancery_ledger::limits::Stopwatch;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Threads that receive a burst, each for its share of the subscribers.
const THREADS: usize = 4;
/// Longest wait for an event that should come.
const WAIT: Duration = Duration::from_secs(60);

/// How many descriptors a process may have open; what Linux says of it.
fn descriptors() -> usize {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1024)
}

/// All subscribers take the whole stream at once: from the first that asks to the last that has everything. Every byte
/// is compared with what it must be.
fn burst(to: SocketAddr, request: &[u8], subscribers: usize, all: &[u8]) -> Result<u64, Diagnostic> {
    let open = || Subscriber::open(to, WAIT).map(|subscriber| (subscriber, 0));
    let mut taken: Vec<(Subscriber, usize)> = (0..subscribers).map(|_| open()).collect::<Result<_, _>>()?;
    let watch = Stopwatch::start();
    let share = |own: &mut [(Subscriber, usize)]| -> Result<(), Diagnostic> {
        own.iter_mut().try_for_each(|(subscriber, _)| subscriber.ask(request))?;
        let mut buffer = Vec::new();
        let mut open = own.len();
        while open > 0 {
            open = 0;
            for (subscriber, seen) in own.iter_mut().filter(|(_, seen)| *seen < all.len()) {
                let came = subscriber.read(&mut buffer, &mut |data| {
                    if all.get(*seen..*seen + data.len()) != Some(data) {
                        return Err(broken(
                            "a stream",
                            &format!("something else than what was to come at {seen}"),
                        ));
                    }
                    *seen += data.len();
                    Ok(())
                })?;
                if !came {
                    return Err(broken("a stream", &format!("nothing came after {seen} bytes")));
                }
                open += usize::from(*seen < all.len());
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let shares = taken.chunks_mut(subscribers.div_ceil(THREADS).max(1));
        let threads: Vec<_> = shares.map(|own| scope.spawn(|| share(own))).collect();
        let broke = || Err(broken("a subscriber", &"its thread broke off"));
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| broke()))
    })?;
    Ok(nanos(watch.elapsed()))
}

/// Subscribers that come back with an old cursor, all at once.
fn bursts(bench: &Bench) -> Result<Vec<Figure>, Diagnostic> {
    let wanted = usize::try_from(bench.entries / 100).unwrap_or(1000).clamp(10, 1000);
    let subscribers = wanted.min(descriptors().saturating_sub(200));
    let estate = Estate::filled(bench, "burst", bench.entries.min(10_000))?;
    let cursor = "1.9".to_owned();
    let mut frames = vec![opening(&cursor)];
    let ledger = Bench::open(&estate.paths)?;
    ledger.reader()?.leaves(10..estate.entries, |position, leaf| {
        let (address, text) = (entry::address(leaf), String::from_utf8_lossy(leaf));
        frames.push(format!(
            "id: 1.{position}\nevent: entry\ndata: {{\"address\":\"{address}\",\"entry\":{text}}}\n\n"
        ));
        Ok(())
    })?;
    ledger.close()?;
    let all = frames.concat().into_bytes();
    let events = (frames.len() as u64 - 1) * subscribers as u64;
    Ready { frames, subscribers, ..Ready::default() }.write(bench)?;
    let (served, other) = (Served::ledger(&estate)?, Served::bare(bench)?);
    let simplest = other.events.ok_or_else(|| broken("the simplest loop", &"it says no address"))?;
    // Minutes of the same again would measure patience.
    let rounds = if events > 5_000_000 { 1 } else { 3 };
    let request = get(&format!("/v1/events?after={cursor}"), &estate.auditor, "");
    let before = served.kilobytes("VmRSS");
    let (mut ours, mut limits) = (Vec::new(), Vec::new());
    let mut most = None;
    for round in 0..rounds {
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                ours.push(burst(served.address, &request, subscribers, &all)?);
                most = served.kilobytes("VmHWM");
            } else {
                limits.push(burst(simplest, &request, subscribers, &all)?);
            }
        }
    }
    let (ours, limit) = (rate(events, median(ours)), rate(events, median(limits)));
    let conditions = format!(
        "{subscribers} subscribers of one principal that come back at once and read {} entries, {} bytes, each byte compared, \
         {rounds} interleaved rounds; {SHARED}",
        events / subscribers.max(1) as u64,
        all.len()
    );
    let mut figures = vec![Figure {
        name: "sse.burst".to_owned(),
        per_second: Some(ours),
        limit: Some(format!("ready frames, each written to each socket, {limit}/s (rate)")),
        ratio: Some(ratio(ours, limit)),
        conditions: conditions.clone(),
        ..Figure::default()
    }];
    if let (Some(before), Some(most)) = (before, most) {
        figures.push(Figure {
            name: "sse.memory".to_owned(),
            kilobytes: Some(most.saturating_sub(before).div_ceil(subscribers.max(1) as u64)),
            conditions: format!("most for each subscriber of the burst, all that the server kept meanwhile included: {before} to {most} kB; {conditions}"),
            ..Figure::default()
        });
    }
    Ok(figures)
}

/// What subscribers of a paced run share.
struct Paced {
    watch: Stopwatch,
    /// Position of the first entry that is to come.
    first: u64,
    /// When each was known to be released: its answer, or the first event of it, whichever came before.
    released: Vec<AtomicU64>,
    /// The position after the last, once that is known.
    end: AtomicU64,
}

impl Paced {
    fn tell(&self, position: u64, at: u64) {
        let slot =
            position.checked_sub(self.first).and_then(|at| self.released.get(usize::try_from(at).ok()?));
        if let Some(slot) = slot {
            slot.fetch_min(at, Ordering::Relaxed);
        }
    }

    /// Receives until the end; gives when each entry came.
    fn receive(&self, subscriber: &mut Subscriber) -> Result<Vec<(u64, u64)>, Diagnostic> {
        let (mut events, mut buffer) = (Events::default(), Vec::new());
        let (mut next, mut silent, mut came) = (self.first, 0, Vec::new());
        while next < self.end.load(Ordering::Acquire) {
            let mut order = Ok(());
            let some = subscriber.read(&mut buffer, &mut |data| {
                events.take(data, &mut |position| {
                    let at = nanos(self.watch.elapsed());
                    if position != next {
                        order = Err(broken("a stream", &format!("entry {position} in place of {next}")));
                    }
                    next += 1;
                    self.tell(position, at);
                    came.push((position, at));
                })
            })?;
            order?;
            silent = if some { 0 } else { silent + 1 };
            if silent > 100 {
                return Err(broken("a stream", &format!("entry {next} did not come")));
            }
        }
        Ok(came)
    }
}

/// Subscribers who watch while requests come at a steady pace.
fn paced(bench: &Bench) -> Result<Figure, Diagnostic> {
    let subscribers = usize::try_from(bench.entries / 1000).unwrap_or(100).clamp(5, 100);
    let estate = Estate::filled(bench, "paced", bench.entries.min(1000))?;
    let served = Served::ledger(&estate)?;
    let (turns, interval, per_second) = pace(bench);
    let asked = (0..turns as u64)
        .map(|turn| observe(&estate.token, "host", turn % HOSTS))
        .collect::<Result<Vec<_>, _>>()?;
    let request = get(&format!("/v1/events?after=1.{}", estate.entries - 1), &estate.auditor, "");
    let mut open = Vec::new();
    for _ in 0..subscribers {
        let mut subscriber = Subscriber::open(served.address, Duration::from_millis(100))?;
        subscriber.ask(&request)?;
        open.push(subscriber);
    }
    let mut load = Load::open(served.address, CONNECTIONS)?;
    let (first, end) = (estate.entries, AtomicU64::new(u64::MAX));
    // Twice as many as are asked for: the clock may decide something as well.
    let released = (0..2 * turns).map(|_| AtomicU64::new(u64::MAX)).collect();
    let paced = Paced { watch: Stopwatch::start(), first, released, end };
    let came = std::thread::scope(|scope| {
        let spawn = |subscriber| scope.spawn(|| paced.receive(subscriber));
        let threads: Vec<_> = open.iter_mut().map(spawn).collect();
        let newest = AtomicU64::new(first);
        let asking = load.due(turns, interval, |wire, turn, _, _| {
            let answer = wire.ask(asked.get(turn).map(Vec::as_slice).unwrap_or_default())?.must(200)?;
            let at = nanos(paced.watch.elapsed());
            let position = reference(answer.text()).and_then(|text| text.strip_prefix("1.")?.parse().ok());
            let position = position.ok_or_else(|| broken("an invoke", &"it says no position"))?;
            paced.tell(position, at);
            newest.fetch_max(position + 1, Ordering::Relaxed);
            Ok(())
        });
        paced.end.store(if asking.is_ok() { newest.into_inner() } else { 0 }, Ordering::Release);
        let broke = || Err(broken("a subscriber", &"its thread broke off"));
        let came: Result<Vec<_>, _> =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| broke())).collect();
        asking.and(came)
    })?;
    let released = |position: u64| {
        let at = usize::try_from(position.saturating_sub(first)).ok()?;
        paced.released.get(at).map(|at| at.load(Ordering::Relaxed))
    };
    let mut times = Vec::new();
    for (position, at) in came.iter().flatten() {
        times.push(at.saturating_sub(released(*position).unwrap_or(*at)));
    }
    times.sort_unstable();
    if times.len() < turns * subscribers {
        return Err(broken("a stream", &"fewer events than entries"));
    }
    Ok(Figure {
        name: "sse.paced".to_owned(),
        p50_ns: Some(percentile(&times, 500)),
        p99_ns: Some(percentile(&times, 990)),
        p999_ns: Some(percentile(&times, 999)),
        conditions: format!(
            "from when an entry is known to be released (its answer, or the first event of it) to each of {subscribers} \
             subscribers, a thread each; {turns} entries at {per_second}/s, {} events counted by id; {SHARED}",
            times.len()
        ),
        ..Figure::default()
    })
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Diagnostic> {
    let mut figures = vec![paced(bench)?];
    figures.extend(bursts(bench)?);
    Ok(figures)
}
