//! How soon does a queue show what was appended? An open loop of requests, each followed by a read that waits for it.

use super::http::{SHARED, observe};
use super::load::Load;
use super::served::{Estate, Served};
use super::subject::Bench;
use super::wire::{broken, get, segment};
use crate::diagnostic::Diagnostic;
use crate::measure::{Figure, nanos, percentile};
use std::sync::Mutex;
use std::time::Duration;

/// Requests a second.
pub(super) const PACE: u64 = 1000;
/// Connections that take turns: enough that each is free again when its next turn is due.
pub(super) const CONNECTIONS: usize = 64;

/// The reference of the last entry that an invoke caused.
pub(super) fn reference(body: &str) -> Option<String> {
    let said: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(said["receipt"]["position"].as_str()?.to_owned())
}

/// How many turns, and one each: as many a second as there may be.
pub(super) fn pace(bench: &Bench) -> (usize, Duration, u64) {
    let per_second = (bench.entries / 10).clamp(20, PACE);
    let seconds = (bench.entries / 10_000).clamp(1, 10);
    let turns = usize::try_from(per_second * seconds).unwrap_or(1000);
    (turns, Duration::from_nanos(1_000_000_000 / per_second), per_second)
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Diagnostic> {
    let estate = Estate::filled(bench, "http.visible", bench.entries.min(10_000))?;
    let served = Served::ledger(&estate)?;
    let (turns, interval, per_second) = pace(bench);
    let host = |turn: usize| format!("ssh-ed25519:seen-{turn}.example:22");
    let asked =
        (0..turns as u64).map(|turn| observe(&estate.token, "seen", turn)).collect::<Result<Vec<_>, _>>()?;
    // From the answer to the row, and from the instant at which the request was due to the row.
    let times: Mutex<(Vec<u64>, Vec<u64>)> = Mutex::default();
    let mut load = Load::open(served.address, CONNECTIONS)?;
    load.due(turns, interval, |wire, turn, watch, due| {
        let request = asked.get(turn).map(Vec::as_slice).unwrap_or_default();
        let answer = wire.ask(request)?.must(200)?;
        let answered = watch.elapsed();
        let at = reference(answer.text()).ok_or_else(|| broken("an invoke", &"it says no position"))?;
        let about = segment(&format!("host_key {}", host(turn)));
        let path = format!("/v1/views/attention?state=host_key_review&about={about}&min_position={at}");
        let page = wire.ask(&get(&path, &estate.token, ""))?.must(200)?;
        let seen = watch.elapsed();
        if !page.text().contains(&host(turn)) {
            return Err(broken("a queue", &"the item is not in it"));
        }
        if let Ok(mut times) = times.lock() {
            times.0.push(nanos(seen - answered));
            times.1.push(nanos(seen.saturating_sub(due)));
        }
        Ok(())
    })?;
    let (mut answered, mut due) = times.into_inner().unwrap_or_default();
    answered.sort_unstable();
    due.sort_unstable();
    let figure = |name: &str, times: &[u64], what: &str| Figure {
        name: name.to_owned(),
        p50_ns: Some(percentile(times, 500)),
        p99_ns: Some(percentile(times, 990)),
        p999_ns: Some(percentile(times, 999)),
        conditions: format!(
            "{what}; {turns} new items at {per_second}/s over {CONNECTIONS} connections, an open loop, the read's round trip \
             included; {SHARED}"
        ),
        ..Figure::default()
    };
    Ok(vec![
        figure("http.visible", &answered, "from the answer of an invoke to its item in a queue"),
        figure("http.visible.due", &due, "from when the request was due to its item in a queue"),
    ])
}
