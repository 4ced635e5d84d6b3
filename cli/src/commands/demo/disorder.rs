//! What does not count? Events that come twice, too early or too late, and a worker that was replaced.

use super::begin::commands;
use super::cast::{Cast, broken, text};
use super::tell::positions;
use super::trust::{grant, submission};
use crate::client::Ask;
use crate::diagnostic::Diagnostic;
use crate::known_hosts::Seen;
use chancery_ledger::Code;
use chancery_ledger::domains::table::At;
use chancery_ledger::format::json::Value;
use std::time::Duration;

/// The shortest claim that there is, in milliseconds.
const SHORTEST: i64 = 1000;

fn event(cast: &Cast<'_>, job: &str, seq: i64, said: &str) -> Ask {
    let arguments = vec![("fence", Value::Int(1)), ("operator", text(said)), ("seq", Value::Int(seq))];
    cast.here("transcript.append", job, arguments)
}

fn claim(cast: &Cast<'_>, job: &str, ttl_ms: i64) -> Ask {
    cast.here("claim.acquire", job, vec![("ttl_ms", Value::Int(ttl_ms))])
}

/// Submits a job that goes through the motions, and grants its credential to `hand`.
fn ready(cast: &Cast<'_>, job: &str, key: &Seen) -> Result<Vec<u64>, Diagnostic> {
    let argv = commands().first().copied().unwrap_or_default();
    let submitted = cast.must("otto", submission(cast, job, "worker_stub_execution", key, argv))?;
    let granted = cast.must("otto", grant(cast, job, "hand"))?;
    Ok([submitted, granted].iter().flat_map(positions).collect())
}

/// Relays what must be quarantined, and tells the reason that the record has.
fn quarantined(cast: &Cast<'_>, request: Ask, reason: &str, said: &str) -> Result<(), Diagnostic> {
    let receipt = cast.ask("hand", request)?;
    let at = receipt.entries.first().map_or(0, |entry| entry.position);
    let found = cast.since(at)?.into_iter().next().map(|seen| seen.data).unwrap_or_default();
    if receipt.code != Some(Code::Quarantined) || found["reason"] != reason {
        return Err(broken(format!("an event was not quarantined as `{reason}`")));
    }
    cast.story.step(&positions(&receipt), &format!("{said}: quarantined, {reason}"));
    Ok(())
}

fn report(cast: &Cast<'_>, job: &str) -> Ask {
    let evidence = serde_json::json!({
        "capability": super::begin::FACTS,
        "mode": "worker_stub_execution",
        "network_opened": false,
        "stopped_at": "before_execution",
    });
    let arguments = vec![
        ("evidence", Value::Text(evidence.to_string())),
        ("fence", Value::Int(1)),
        ("grant", text(&format!("g-{job}"))),
        ("outcome", text("succeeded")),
    ];
    cast.here("job.report", job, arguments)
}

/// Chapter 7: three events and a worker that do not count.
pub(super) fn disorder(cast: &Cast<'_>, key: &Seen) -> Result<(), Diagnostic> {
    cast.story.chapter(
        "Late, twice, out of order, fenced off",
        "What does not count is kept where it arrived, and counts for nothing until a person releases it.",
    );
    let mut at = ready(cast, "slow-1", key)?;
    let claimed = cast.must("hand", claim(cast, "slow-1", SHORTEST))?;
    at.extend(positions(&claimed));
    cast.story.step(&at, "hand claims slow-1 for one second, under fence 1, and falls silent");

    let mut at = ready(cast, "talk-1", key)?;
    let started = vec![("fence", Value::Int(1)), ("grant", text("g-talk-1"))];
    let steps = [
        cast.must("hand", claim(cast, "talk-1", 60_000))?,
        cast.must("hand", cast.here("job.start", "talk-1", started))?,
        cast.must("hand", event(cast, "talk-1", 1, "the first of three"))?,
    ];
    at.extend(steps.iter().flat_map(positions));
    cast.story.step(&at, "meanwhile hand works on talk-1, and tells event 1");
    quarantined(cast, event(cast, "talk-1", 1, "the first of three"), "replay", "event 1 comes again")?;
    quarantined(cast, event(cast, "talk-1", 3, "the third"), "out_of_order", "event 3 comes before event 2")?;
    cast.does("hand", report(cast, "talk-1"), "hand reports the result: taken, and talk-1 is over")?;
    quarantined(
        cast,
        event(cast, "talk-1", 2, "the second"),
        "post_terminal",
        "event 2 comes after the end",
    )?;
    second(cast)
}

/// Waits for the claim to run out, by the ledger's own clock.
fn wait(cast: &Cast<'_>) {
    let at = At { scope: cast.acme.as_str(), id: "slow-1" };
    let until = cast.ledger.look(|world| world.jobs.get(at)?.claim.as_ref().map(|claim| claim.until));
    while let Some(left) = until.map(|until| until - cast.ledger.now()).filter(|left| *left > 0) {
        std::thread::park_timeout(Duration::from_millis(left.unsigned_abs().min(100)));
    }
}

/// The job whose worker fell silent goes to another, and the first comes back.
fn second(cast: &Cast<'_>) -> Result<(), Diagnostic> {
    wait(cast);
    let claimed = cast.must("spare", claim(cast, "slow-1", 60_000))?;
    cast.story.answer(&claimed, "the second is over: spare claims slow-1, under fence 2");
    cast.fails(
        "hand",
        event(cast, "slow-1", 1, "here I am again"),
        Code::StaleFence,
        "hand comes back with fence 1",
    )?;
    cast.does(
        "spare",
        cast.here("claim.release", "slow-1", vec![("fence", Value::Int(2))]),
        "spare, which holds fence 2, is heard, and gives the job back",
    )?;
    Ok(())
}
