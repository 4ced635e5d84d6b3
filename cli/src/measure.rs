//! How is a figure made? Percentiles of clocked calls, medians of interleaved rounds, and their table.

use crate::diagnostic::Diagnostic;
use crate::output::Output;
use crate::targets;
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
    /// Bytes of an entry.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) bytes: Option<u64>,
    /// What it is divided by.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) limit: Option<String>,
    /// Two digits after the point, as text: the profile has no floats.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) ratio: Option<String>,
    /// How good is good enough, and whether it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) met: Option<bool>,
    /// The same figure of an earlier run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) against: Option<Box<Against>>,
    pub(crate) conditions: String,
}

/// A figure beside that of an earlier run. All ratios are this one divided by the earlier.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Against {
    pub(crate) earlier: Figure,
    /// Which member is compared.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) measured: Option<String>,
    /// Its ratio.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) times: Option<String>,
    /// That of the ratios to the limit: what a slower machine does not change.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) ratio: Option<String>,
}

/// Figures of one run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) conditions: String,
    /// Conditions of the earlier run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) against: Option<String>,
    pub(crate) figures: Vec<Figure>,
}

impl Figure {
    /// Its ratio to the limit, in hundredths.
    pub(crate) fn hundredths(&self) -> Option<u64> {
        let (whole, rest) = self.ratio.as_deref()?.split_once('.')?;
        Some(whole.parse::<u64>().ok()?.saturating_mul(100).saturating_add(rest.parse().ok()?))
    }

    /// What it measures first of all.
    fn measured(&self) -> Option<(&'static str, u64)> {
        let all = [
            ("per_second", self.per_second),
            ("p50_ns", self.p50_ns),
            ("kilobytes", self.kilobytes),
            ("bytes", self.bytes),
        ];
        all.into_iter().find_map(|(name, value)| Some((name, value?)))
    }

    /// Beside the same of an earlier run.
    fn against(&self, earlier: &Self) -> Against {
        let both = self.measured().zip(earlier.measured()).filter(|(own, other)| own.0 == other.0);
        let ratios = self.hundredths().zip(earlier.hundredths());
        Against {
            earlier: Self { against: None, ..earlier.clone() },
            measured: both.map(|(own, _)| own.0.to_owned()),
            times: both.map(|(own, other)| ratio(own.1, other.1)),
            ratio: ratios.map(|(own, other)| ratio(own, other)),
        }
    }
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

/// Figures of an earlier run, as `--json` wrote them.
pub(crate) fn earlier(path: &Path) -> Result<Figures, Diagnostic> {
    let text = std::fs::read_to_string(path).map_err(|e| crate::diagnostic::io("read", path, e))?;
    serde_json::from_str(&text)
        .map_err(|e| Diagnostic::usage(format!("`{}` holds no figures: {e}", path.display())))
}

/// Prints figures, with their targets, beside those of an earlier run when one is given.
pub(crate) fn report(mut figures: Figures, before: Option<Figures>, out: &Output) {
    figures.figures.iter_mut().for_each(targets::judge);
    if let Some(before) = before {
        for figure in &mut figures.figures {
            let same = before.figures.iter().find(|earlier| earlier.name == figure.name);
            figure.against = same.map(|earlier| Box::new(figure.against(earlier)));
        }
        figures.against = Some(before.conditions);
    }
    if out.json {
        out.json(&figures);
        return;
    }
    out.data(&format!("conditions: {}", figures.conditions));
    if let Some(before) = &figures.against {
        out.data(&format!("earlier:    {before}"));
    }
    figures.figures.iter().for_each(|figure| out.data(&line(figure)));
}

fn line(figure: &Figure) -> String {
    let mut line = format!("{:<34}", figure.name);
    for (name, value) in [("p50", figure.p50_ns), ("p99", figure.p99_ns), ("p999", figure.p999_ns)] {
        if let Some(ns) = value {
            line.push_str(&format!(" {name} {ns} ns"));
        }
    }
    if let Some(rate) = figure.per_second {
        line.push_str(&format!(" {rate}/s"));
    }
    for (unit, value) in [("kB", figure.kilobytes), ("bytes", figure.bytes)] {
        if let Some(value) = value {
            line.push_str(&format!(" {value} {unit}"));
        }
    }
    if let (Some(ratio), Some(limit)) = (&figure.ratio, &figure.limit) {
        line.push_str(&format!("  {ratio} of {limit}"));
    }
    if let (Some(target), Some(met)) = (&figure.target, figure.met) {
        line.push_str(&format!("  {}: {target}", if met { "met" } else { "missed" }));
    }
    if let Some(against) = &figure.against {
        let times = against.times.as_ref().map(|times| format!("{times} times what it was"));
        let was = against.earlier.ratio.as_ref().map(|ratio| format!("was {ratio}"));
        let said: Vec<String> = [times, was].into_iter().flatten().collect();
        line.push_str(&format!("  ({})", said.join(", ")));
    }
    line.push_str(&format!("  [{}]", figure.conditions));
    line
}
