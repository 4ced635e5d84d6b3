//! How is a figure made? Percentiles of clocked calls, medians of interleaved rounds, and their table.

use crate::diagnostic::Diagnostic;
use crate::output::Output;
use chancery_ledger::limits::Stopwatch;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// One measured number with the limit it is divided by.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) p50_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) p99_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) p999_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) per_second: Option<u64>,
    /// Memory of a process.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) kilobytes: Option<u64>,
    /// What it is divided by.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) limit: Option<String>,
    /// Two digits after the point, as text: the profile has no floats.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) ratio: Option<String>,
    pub(crate) conditions: String,
}

/// Figures of one run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) conditions: String,
    pub(crate) figures: Vec<Figure>,
}

/// Nanoseconds of a duration.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The value below which `permille` of a thousand lie.
pub(crate) fn percentile(sorted: &[u64], permille: usize) -> u64 {
    let at = (sorted.len() * permille / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0)
}

/// The median.
pub(crate) fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    percentile(&values, 500)
}

/// `a / b` with two digits after the point.
pub(crate) fn ratio(a: u64, b: u64) -> String {
    let hundredths = u128::from(a) * 100 / u128::from(b.max(1));
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Events per second.
pub(crate) fn rate(events: u64, nanoseconds: u64) -> u64 {
    u64::try_from(u128::from(events) * 1_000_000_000 / u128::from(nanoseconds.max(1))).unwrap_or(u64::MAX)
}

/// Runs every candidate in turn for `rounds` rounds, each round starting with another one, and gives the median
/// time of each.
pub(crate) fn interleave(rounds: usize, candidates: &mut [&mut dyn FnMut()]) -> Vec<u64> {
    in_turns(rounds, candidates, &mut |candidate| {
        let watch = Stopwatch::start();
        candidate();
        nanos(watch.elapsed())
    })
}

/// The same, of candidates that say themselves how long it took: some of what they do is not to be counted.
pub(crate) fn interleave_timed(rounds: usize, candidates: &mut [&mut dyn FnMut() -> u64]) -> Vec<u64> {
    in_turns(rounds, candidates, &mut |candidate| candidate())
}

fn in_turns<C: ?Sized>(
    rounds: usize,
    candidates: &mut [&mut C],
    time: &mut dyn FnMut(&mut C) -> u64,
) -> Vec<u64> {
    let mut times = vec![Vec::with_capacity(rounds); candidates.len()];
    for round in 0..rounds {
        for step in 0..candidates.len() {
            let at = (round + step) % candidates.len();
            times[at].push(time(&mut *candidates[at]));
        }
    }
    times.into_iter().map(median).collect()
}

/// Prints figures, beside those of an earlier run when one is given.
pub(crate) fn report(figures: &Figures, against: Option<&Path>, out: &Output) -> Result<(), Diagnostic> {
    let before: Option<Figures> = match against {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| crate::diagnostic::io("read", path, e))?;
            let parsed = serde_json::from_str(&text);
            Some(
                parsed
                    .map_err(|e| Diagnostic::usage(format!("`{}` holds no figures: {e}", path.display())))?,
            )
        }
    };
    if out.json {
        out.json(figures);
        return Ok(());
    }
    out.data(&format!("conditions: {}", figures.conditions));
    for figure in &figures.figures {
        let mut line = format!("{:<34}", figure.name);
        for (name, value) in [("p50", figure.p50_ns), ("p99", figure.p99_ns), ("p999", figure.p999_ns)] {
            if let Some(ns) = value {
                line.push_str(&format!(" {name} {ns} ns"));
            }
        }
        if let Some(rate) = figure.per_second {
            line.push_str(&format!(" {rate}/s"));
        }
        if let Some(kilobytes) = figure.kilobytes {
            line.push_str(&format!(" {kilobytes} kB"));
        }
        if let (Some(ratio), Some(limit)) = (&figure.ratio, &figure.limit) {
            line.push_str(&format!("  {ratio} of {limit}"));
        }
        let earlier = before.as_ref().and_then(|b| b.figures.iter().find(|f| f.name == figure.name));
        if let Some(earlier) = earlier.and_then(|f| f.ratio.as_ref()) {
            line.push_str(&format!("  (was {earlier})"));
        }
        line.push_str(&format!("  [{}]", figure.conditions));
        out.data(&line);
    }
    Ok(())
}
