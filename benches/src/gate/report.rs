//! How are the gates told? As one table, and as figures in the form of the other measurements.

use super::rounds::{Plan, Row, percentile};
use crate::report::{Figure, Figures, ratio};

/// The name of what all are compared with.
pub(crate) const FLOOR: &str = "floor";

/// Conditions that hold for all.
pub(crate) fn conditions(plan: &Plan) -> String {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let build = if cfg!(debug_assertions) { "debug build: not for quoting" } else { "release build" };
    format!(
        "{cpus} cpus, {build}, one thread, 1,000 agents, 50 capabilities, {} and {} grants, {} distinct requests of which \
         half are denials, median of {} interleaved rounds, percentiles of clocked calls",
        plan.many, plan.few, plan.requests, plan.rounds
    )
}

/// The floor's median in the world of the same size.
fn floor(all: &[Row], grants: usize) -> Option<u64> {
    all.iter().find(|row| row.name == FLOOR && row.grants == grants)?.median_picos()
}

/// Calls per second.
fn rate(picos: u64) -> u64 {
    1_000_000_000_000 / picos.max(1)
}

const WRONG: &str = "WRONG and not timed: ";

/// Whether the figure says that the gate answered wrongly.
pub(crate) fn is_wrong(figure: &Figure) -> bool {
    figure.conditions.starts_with(WRONG)
}

fn note(row: &Row) -> String {
    let lacks = row.lacks.as_ref().map(|lacks| format!("; {lacks}")).unwrap_or_default();
    format!("{}; {} answers checked{lacks}", row.conditions, row.checked)
}

/// Two figures for each gate, its median with the ratio to the floor and its percentiles, which are not divided.
pub(crate) fn figures(all: &[Row], clock: &[u64], conditions: String) -> Figures {
    let pair = Figure {
        name: "clock.pair".to_owned(),
        p50_ns: Some(percentile(clock, 500)),
        p99_ns: Some(percentile(clock, 990)),
        conditions: "two readings of the clock with nothing in between; it is in every percentile".to_owned(),
        ..Figure::default()
    };
    let mut figures = vec![pair];
    for row in all {
        let name = format!("gate.{}.{}", row.name, row.grants);
        if let Some(wrong) = &row.wrong {
            let conditions = format!("{WRONG}{wrong}; {}", note(row));
            figures.push(Figure { name, conditions, ..Figure::default() });
            continue;
        }
        let Some(median) = row.median_picos() else { continue };
        let floor = floor(all, row.grants).filter(|_| row.name != FLOOR);
        let (low, high) = (row.rounds.last().copied().unwrap_or(0), row.rounds.first().copied().unwrap_or(0));
        figures.push(Figure {
            name: name.clone(),
            per_second: Some(rate(median)),
            limit: floor.map(|floor| format!("{FLOOR}, {}/s (time)", rate(floor))),
            ratio: floor.map(|floor| ratio(median, floor)),
            conditions: format!("no clock inside, {} to {}/s; {}", rate(low), rate(high), note(row)),
            ..Figure::default()
        });
        figures.push(Figure {
            name: format!("{name}.clocked"),
            p50_ns: Some(percentile(&row.clocked, 500)),
            p99_ns: Some(percentile(&row.clocked, 990)),
            conditions: format!("{} clocked calls", row.clocked.len()),
            ..Figure::default()
        });
    }
    Figures { conditions, figures }
}

/// Nanoseconds with one digit after the point.
fn nanos(picos: u64) -> String {
    format!("{}.{}", picos / 1_000, picos % 1_000 / 100)
}

/// The table: the median and how many times the floor it is; beside it, and not comparable with it, the percentiles.
pub(crate) fn table(all: &[Row], clock: &[u64], conditions: &str, skipped: &[String]) -> String {
    let mut lines = vec![format!("conditions: {conditions}"), String::new()];
    let head = ["grants", "median ns", "x floor", "clocked p50", "p99"];
    let right = |cells: [&str; 5]| {
        let [grants, median, times, p50, p99] = cells;
        format!("{grants:>7}{median:>14}{times:>11}{p50:>13}{p99:>11}")
    };
    lines.push(format!("{:<22}{}", "gate", right(head)));
    let (p50, p99) = (percentile(clock, 500).to_string(), percentile(clock, 990).to_string());
    lines.push(format!("{:<22}{}", "empty clock pair", right(["", "", "", &p50, &p99])));
    for row in all {
        let grants = row.grants.to_string();
        let line = match row.median_picos() {
            None => right([&grants, "WRONG", "-", "-", "-"]),
            Some(median) => {
                let times = floor(all, row.grants).map_or("-".to_owned(), |floor| ratio(median, floor));
                let p50 = percentile(&row.clocked, 500).to_string();
                right([&grants, &nanos(median), &times, &p50, &percentile(&row.clocked, 990).to_string()])
            }
        };
        lines.push(format!("{:<22}{line}", row.name));
    }
    lines.push(String::new());
    for row in all {
        let wrong = row.wrong.as_ref().map(|wrong| format!("WRONG: {wrong}; ")).unwrap_or_default();
        lines.push(format!("{} at {}: {wrong}{}", row.name, row.grants, note(row)));
    }
    lines.extend(skipped.iter().cloned());
    lines.join("\n")
}
