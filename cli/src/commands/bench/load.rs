//! What do connections ask at the same time, and how long does each answer take? Closed loops, and one that is open.

use super::wire::{Answer, Wire};
use crate::diagnostic::Diagnostic;
use crate::measure::nanos;
use chancery_ledger::limits::Stopwatch;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

/// Connections to one server.
#[derive(Debug)]
pub(super) struct Load {
    wires: Vec<Wire>,
}

/// What a load took.
#[derive(Debug, Default, Clone)]
pub(super) struct Took {
    /// From the first request to the last answer.
    pub(super) wall: u64,
    /// Each answer, sorted.
    pub(super) each: Vec<u64>,
}

impl Load {
    pub(super) fn open(to: SocketAddr, connections: usize) -> Result<Self, Diagnostic> {
        Ok(Self { wires: (0..connections).map(|_| Wire::open(to)).collect::<Result<_, _>>()? })
    }

    /// Every connection does its work, each on a thread of its own, and gives the times of its answers.
    fn together(
        &mut self,
        work: impl Fn(usize, &mut Wire) -> Result<Vec<u64>, Diagnostic> + Sync,
    ) -> Result<Took, Diagnostic> {
        let (work, watch) = (&work, Stopwatch::start());
        let done: Vec<_> = std::thread::scope(|scope| {
            let spawn = |(at, wire)| scope.spawn(move || work(at, wire));
            let threads: Vec<_> = self.wires.iter_mut().enumerate().map(spawn).collect();
            let broke = || Err(super::wire::broken("a connection", &"its thread broke off"));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| broke())).collect()
        });
        let wall = nanos(watch.elapsed());
        let mut each = Vec::new();
        for times in done {
            each.extend(times?);
        }
        each.sort_unstable();
        Ok(Took { wall, each })
    }

    /// Every connection asks the same `count` times; what is answered has this status, and a body of about so many bytes:
    /// some tell the time.
    pub(super) fn same(
        &mut self,
        request: &[u8],
        count: usize,
        status: u16,
        bytes: usize,
    ) -> Result<Took, Diagnostic> {
        self.together(|_, wire| {
            let mut times = Vec::with_capacity(count);
            for _ in 0..count {
                let watch = Stopwatch::start();
                let answer = wire.ask(request)?;
                times.push(nanos(watch.elapsed()));
                let length = answer.must(status)?.body.len();
                if length.abs_diff(bytes) > bytes / 16 {
                    return Err(super::wire::broken(
                        "an answer",
                        &format!("{length} bytes in place of {bytes}"),
                    ));
                }
            }
            Ok(times)
        })
    }

    /// Every connection asks what is its own, and `check` looks at each answer.
    pub(super) fn own(
        &mut self,
        requests: &[Vec<Vec<u8>>],
        check: impl Fn(Answer<'_>) -> Result<(), Diagnostic> + Sync,
    ) -> Result<Took, Diagnostic> {
        self.together(|at, wire| {
            let own = requests.get(at).map(Vec::as_slice).unwrap_or_default();
            let mut times = Vec::with_capacity(own.len());
            for request in own {
                let watch = Stopwatch::start();
                let answer = wire.ask(request)?;
                times.push(nanos(watch.elapsed()));
                check(answer)?;
            }
            Ok(times)
        })
    }

    /// An open loop: turn `n` is due at `n` times the interval, whatever became of the turns before it. It goes to the
    /// connection that is free by rank, which is told the watch and when the turn was due; late ones are done at once.
    pub(super) fn due(
        &mut self,
        turns: usize,
        interval: Duration,
        turn: impl Fn(&mut Wire, usize, &Stopwatch, Duration) -> Result<(), Diagnostic> + Sync,
    ) -> Result<(), Diagnostic> {
        let (connections, watch) = (self.wires.len(), Stopwatch::start());
        self.together(|at, wire| {
            for number in (at..turns).step_by(connections.max(1)) {
                let due = interval * u32::try_from(number).unwrap_or(u32::MAX);
                // Nobody sends: it waits for as long as is left.
                let (_nobody, pause) = mpsc::channel::<()>();
                let _ = pause.recv_timeout(due.saturating_sub(watch.elapsed()));
                turn(wire, number, &watch, due)?;
            }
            Ok(Vec::new())
        })?;
        Ok(())
    }
}
