//! How is a gate asked? For answers that are checked, in turns without a clock inside, and call by call.

use super::Done;
use super::request::{Asked, Denial, Request};
use std::hint::black_box;
use std::time::Instant;

/// A gate that lives in this process.
pub(crate) trait Gate {
    fn name(&self) -> String;
    /// What a reader of its figures must know.
    fn conditions(&self) -> String;
    /// How many grants its world has.
    fn grants(&self) -> usize;
    /// What its rules cannot say; such requests are shown to it, and not timed.
    fn lacks(&self) -> &'static [Denial] {
        &[]
    }
    /// Makes inputs before any clock runs, for those who measure that.
    fn prepare(&mut self, _asked: &[Asked]) -> Done<()> {
        Ok(())
    }
    /// May it? `nth` is the request's number in what was prepared.
    fn answer(&mut self, nth: usize, request: &Request) -> Done<bool>;
}

/// What a turn took, and how many requests were allowed in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) nanos: u64,
    pub(crate) allowed: usize,
}

/// A stretch of the requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) from: usize,
    pub(crate) count: usize,
}

impl Stretch {
    pub(crate) fn of<'a>(&self, asked: &'a [Asked]) -> Done<&'a [Asked]> {
        Ok(asked.get(self.from..self.from + self.count).ok_or("there are not so many requests")?)
    }
}

/// A gate, wherever it lives.
pub(crate) trait Candidate {
    fn name(&self) -> String;
    fn conditions(&self) -> String;
    fn grants(&self) -> usize;
    fn lacks(&self) -> &'static [Denial];
    fn prepare(&mut self, asked: &[Asked]) -> Done<()>;
    fn answers(&mut self, asked: &[Asked], stretch: Stretch) -> Done<Vec<bool>>;
    /// One clock around the whole stretch.
    fn turn(&mut self, asked: &[Asked], stretch: Stretch) -> Done<Turn>;
    /// A pair of clock readings around each call.
    fn clocked(&mut self, asked: &[Asked], stretch: Stretch) -> Done<Vec<u64>>;
}

impl<G: Gate> Candidate for G {
    fn name(&self) -> String {
        Gate::name(self)
    }

    fn conditions(&self) -> String {
        Gate::conditions(self)
    }

    fn grants(&self) -> usize {
        Gate::grants(self)
    }

    fn lacks(&self) -> &'static [Denial] {
        Gate::lacks(self)
    }

    fn prepare(&mut self, asked: &[Asked]) -> Done<()> {
        Gate::prepare(self, asked)
    }

    fn answers(&mut self, asked: &[Asked], stretch: Stretch) -> Done<Vec<bool>> {
        let numbered = stretch.of(asked)?.iter().enumerate();
        numbered.map(|(n, one)| self.answer(stretch.from + n, &one.request)).collect()
    }

    fn turn(&mut self, asked: &[Asked], stretch: Stretch) -> Done<Turn> {
        let asked = stretch.of(asked)?;
        let (mut allowed, watch) = (0, Instant::now());
        for (n, one) in asked.iter().enumerate() {
            allowed += usize::from(black_box(self.answer(stretch.from + n, black_box(&one.request))?));
        }
        Ok(Turn { nanos: u64::try_from(watch.elapsed().as_nanos())?, allowed })
    }

    fn clocked(&mut self, asked: &[Asked], stretch: Stretch) -> Done<Vec<u64>> {
        let mut times = Vec::with_capacity(stretch.count);
        for (n, one) in stretch.of(asked)?.iter().enumerate() {
            let watch = Instant::now();
            black_box(self.answer(stretch.from + n, black_box(&one.request))?);
            times.push(u64::try_from(watch.elapsed().as_nanos())?);
        }
        Ok(times)
    }
}

/// The requests that this gate's rules can say, in their order, before those that they cannot; and how many those are.
pub(crate) fn arranged(asked: &[Asked], lacks: &[Denial]) -> (Vec<Asked>, usize) {
    let lacking = |one: &&Asked| one.denial.is_some_and(|denial| lacks.contains(&denial));
    let mut all: Vec<Asked> = asked.iter().filter(|one| !lacking(one)).cloned().collect();
    let said = all.len();
    all.extend(asked.iter().filter(lacking).cloned());
    (all, said)
}
