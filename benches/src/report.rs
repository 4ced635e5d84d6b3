//! How are the rates told? As figures in the form of `chancery bench --json`, and as one table with the ratios.

use crate::rounds::{BATCHES, Plan, Rates};
use serde::{Deserialize, Serialize};

/// The product's name among the candidates.
const OURS: &str = "chancery";

/// One measured number with what it is divided by.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) p50_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) p99_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) per_second: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) limit: Option<String>,
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

/// `a / b` with two digits after the point.
pub(crate) fn ratio(a: u64, b: u64) -> String {
    let hundredths = u128::from(a) * 100 / u128::from(b.max(1));
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Conditions that hold for all.
pub(crate) fn conditions(plan: &Plan, event_bytes: usize) -> String {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let build = if cfg!(debug_assertions) { "debug build: not for quoting" } else { "release build" };
    format!(
        "{cpus} cpus, {build}, events of {event_bytes} bytes, one writer, median of {} interleaved rounds",
        plan.rounds
    )
}

/// One figure for each candidate and batch, and Chancery's rate over that of each peer.
pub(crate) fn figures(all: &[Rates], plan: &Plan, conditions: String) -> Figures {
    let ours = all.iter().find(|rates| rates.name == OURS);
    let mut figures = Vec::new();
    for rates in all {
        for (at, batch) in BATCHES.into_iter().enumerate() {
            let ((low, high), count) = (rates.range(at), plan.count(batch));
            figures.push(Figure {
                name: format!("{}.append.{batch}", rates.name),
                per_second: Some(rates.median(at)),
                conditions: format!(
                    "commits of {batch}, rounds of {count}, {low} to {high}/s; {}",
                    rates.conditions
                ),
                ..Figure::default()
            });
        }
    }
    let Some(ours) = ours else {
        return Figures { conditions, figures };
    };
    for rates in all.iter().filter(|rates| rates.name != OURS) {
        for (at, batch) in BATCHES.into_iter().enumerate() {
            let (a, b) = (ours.median(at), rates.median(at));
            figures.push(Figure {
                name: format!("{OURS}.append.{batch}/{}", rates.name),
                per_second: Some(a),
                limit: Some(format!("{}, {b}/s (rate)", rates.name)),
                ratio: Some(ratio(a, b)),
                conditions: format!("commits of {batch}"),
                ..Figure::default()
            });
        }
    }
    Figures { conditions, figures }
}

/// The table: events per second at each batch, and Chancery's rate divided by it.
pub(crate) fn table(all: &[Rates], conditions: &str, skipped: &[String]) -> String {
    let ours = all.iter().find(|rates| rates.name == OURS);
    let mut lines = vec![format!("conditions: {conditions}"), String::new()];
    let mut head = format!("{:<15}", "events/second");
    for batch in BATCHES {
        head.push_str(&format!("{:>13}{:>13}", format!("{batch}/commit"), "chancery is"));
    }
    lines.push(head);
    for rates in all {
        let mut line = format!("{:<15}", rates.name);
        for at in 0..BATCHES.len() {
            let share = match ours {
                Some(ours) if rates.name != OURS => {
                    format!("{} of it", ratio(ours.median(at), rates.median(at)))
                }
                _ => "-".to_owned(),
            };
            line.push_str(&format!("{:>13}{share:>13}", rates.median(at)));
        }
        lines.push(line);
    }
    lines.push(String::new());
    lines.extend(all.iter().map(|rates| format!("{}: {}", rates.name, rates.conditions)));
    lines.extend(skipped.iter().cloned());
    lines.join("\n")
}
