//! Who answers rightly, and how fast? Answers are checked first; turns are interleaved; percentiles come from clocked calls.

use super::Done;
use super::candidate::{Candidate, Stretch, arranged};
use super::request::Asked;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Grants of the large world, and of the small one for peers that hold a policy for each grant.
    pub(crate) many: usize,
    pub(crate) few: usize,
    pub(crate) requests: usize,
    /// How many of them a slow gate is asked.
    pub(crate) sample: usize,
    pub(crate) rounds: usize,
    /// About how long a turn and all clocked calls of a gate take.
    pub(crate) turn_nanos: u64,
    pub(crate) clocked_nanos: u64,
}

/// A gate is slow from here on.
const SLOW_NANOS: u64 = 50_000;

/// What was found of one gate.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) conditions: String,
    pub(crate) grants: usize,
    /// How many answers were checked, and what of them was wrong.
    pub(crate) checked: usize,
    pub(crate) wrong: Option<String>,
    /// What its rules could not say, and what came of it.
    pub(crate) lacks: Option<String>,
    /// Picoseconds of a call in each round, sorted; none if it answered wrongly.
    pub(crate) rounds: Vec<u64>,
    /// Nanoseconds of each clocked call, sorted.
    pub(crate) clocked: Vec<u64>,
}

impl Row {
    pub(crate) fn median_picos(&self) -> Option<u64> {
        self.rounds.get(self.rounds.len() / 2).copied()
    }
}

/// The value below which `permille` of a thousand lie.
pub(crate) fn percentile(sorted: &[u64], permille: usize) -> u64 {
    let at = (sorted.len() * permille / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0)
}

/// A gate on its way through the measurement.
struct Entrant {
    gate: Box<dyn Candidate>,
    asked: Vec<Asked>,
    /// Nanoseconds of a call, about.
    about: u64,
    row: Row,
}

/// Answers that are not as expected, by what was expected.
fn wrong(asked: &[Asked], answers: &[bool]) -> Option<String> {
    let mut counts = BTreeMap::new();
    for (one, answer) in asked.iter().zip(answers) {
        if *answer != one.denial.is_none() {
            *counts
                .entry(one.denial.map_or("allowed".to_owned(), |denial| format!("{denial:?}")))
                .or_insert(0) += 1;
        }
    }
    let missing = asked.len() - answers.len().min(asked.len());
    if missing > 0 {
        counts.insert("no answer".to_owned(), missing);
    }
    let told: Vec<String> = counts.iter().map(|(expected, count)| format!("{count} {expected}")).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

impl Entrant {
    /// Asks for every answer, or for a sample of a slow gate, before anything is timed.
    fn check(mut gate: Box<dyn Candidate>, asked: &[Asked], plan: &Plan) -> Done<Self> {
        let (asked, said) = arranged(asked, gate.lacks());
        gate.prepare(&asked)?;
        let probe = Stretch { from: 0, count: said.min(64) };
        gate.turn(&asked, probe)?;
        let about = gate.turn(&asked, probe)?.nanos / probe.count.max(1) as u64;
        let slow = about > SLOW_NANOS;
        let count = if slow { plan.sample.min(said) } else { said };
        let stretch = Stretch { from: 0, count };
        let found = wrong(stretch.of(&asked)?, &gate.answers(&asked, stretch)?);
        let rest = asked.len() - said;
        let shown = Stretch { from: said, count: if slow { rest.min(plan.sample / 8) } else { rest } };
        let lacks = match shown.count {
            0 => None,
            count => {
                let found = wrong(shown.of(&asked)?, &gate.answers(&asked, shown)?);
                Some(format!(
                    "of {count} requests beyond its rules, answered wrongly: {}",
                    found.unwrap_or("none".to_owned())
                ))
            }
        };
        let row = Row {
            name: gate.name(),
            conditions: gate.conditions(),
            grants: gate.grants(),
            checked: count,
            wrong: found,
            lacks,
            ..Row::default()
        };
        Ok(Self { gate, asked, about: about.max(1), row })
    }

    /// As many calls as fit into this time, about.
    fn calls(&self, nanos: u64, least: usize, most: usize) -> Done<usize> {
        Ok(usize::try_from(nanos / self.about)?.max(least).min(most))
    }

    /// One turn of this round, after some calls that warm what the gate before has cooled; the answers were checked.
    fn turn(&mut self, round: usize, plan: &Plan) -> Done<()> {
        let checked = self.row.checked;
        let count = self.calls(plan.turn_nanos, 64, checked)?;
        let stretch = Stretch { from: round * count % (checked - count + 1), count };
        let expected = stretch.of(&self.asked)?.iter().filter(|one| one.denial.is_none()).count();
        let warm = self.calls(plan.turn_nanos / 10, 1, count)?;
        self.gate.turn(&self.asked, Stretch { count: warm, ..stretch })?;
        let turn = self.gate.turn(&self.asked, stretch)?;
        if turn.allowed != expected {
            return Err(
                format!("{}: allowed {} where {expected} are right", self.row.name, turn.allowed).into()
            );
        }
        self.row.rounds.push(u64::try_from(u128::from(turn.nanos) * 1_000 / count.max(1) as u128)?);
        Ok(())
    }

    fn clock(&mut self, plan: &Plan) -> Done<()> {
        let count = self.calls(plan.clocked_nanos, 64, self.row.checked)?;
        self.row.clocked = self.gate.clocked(&self.asked, Stretch { from: 0, count })?;
        self.row.clocked.sort_unstable();
        Ok(())
    }
}

/// Nanoseconds between two readings of the clock with nothing in between, sorted.
pub(crate) fn clock_pair() -> Done<Vec<u64>> {
    let mut times = Vec::with_capacity(65_536);
    for _ in 0..65_536 {
        let watch = Instant::now();
        black_box(());
        times.push(u64::try_from(watch.elapsed().as_nanos())?);
    }
    times.sort_unstable();
    Ok(times)
}

/// Checks all gates, then measures those that answered rightly; each round starts with another one.
pub(crate) fn measure(gates: Vec<(Box<dyn Candidate>, &[Asked])>, plan: &Plan) -> Done<Vec<Row>> {
    let mut all = Vec::with_capacity(gates.len());
    for (gate, asked) in gates {
        let name = gate.name();
        all.push(Entrant::check(gate, asked, plan).map_err(|error| format!("{name}: {error}"))?);
    }
    let right: Vec<usize> = (0..all.len()).filter(|at| all[*at].row.wrong.is_none()).collect();
    for round in 0..plan.rounds {
        for step in 0..right.len() {
            all[right[(round + step) % right.len()]].turn(round, plan)?;
        }
    }
    for at in right {
        all[at].clock(plan)?;
        all[at].row.rounds.sort_unstable();
    }
    Ok(all.into_iter().map(|entrant| entrant.row).collect())
}
