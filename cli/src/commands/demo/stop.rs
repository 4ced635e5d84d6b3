//! How is everything stopped, and put right again? A kill switch, the queues before, what people decide, the queues after.

use super::begin::commands;
use super::cast::{Cast, broken, text};
use super::look::{item, items, open};
use super::trust::submission;
use crate::diagnostic::Diagnostic;
use crate::known_hosts::Seen;
use chancery_ledger::Code;
use chancery_ledger::format::json::Value;
use serde_json::Value as Json;

/// Chapter 9: one stops, two go on.
pub(super) fn kill_switch(cast: &Cast<'_>, key: &Seen) -> Result<(), Diagnostic> {
    cast.story.chapter(
        "A kill switch",
        "One principal stops what adds to risk, from the next entry on; to clear it takes two.",
    );
    let engage = cast.here("switch.engage", "all", vec![("target", text("scope"))]);
    cast.does("otto", engage, "otto engages it in /acme")?;
    let argv = commands().first().copied().unwrap_or_default();
    let job = submission(cast, "late-1", "worker_local_read_only", key, argv);
    cast.fails("otto", job, Code::KillSwitch, "otto submits a job")?;
    let claim = cast.here("claim.acquire", "slow-1", vec![("ttl_ms", Value::Int(60_000))]);
    cast.fails("spare", claim, Code::KillSwitch, "spare claims one that was submitted before")?;
    Ok(())
}

/// Tells how much is open where, and each item: the first that matters most in full.
fn tell(cast: &Cast<'_>, whole: &str) -> Result<u64, Diagnostic> {
    let queues = open(cast)?;
    let lines: Vec<String> = queues.iter().map(|(name, open)| format!("{name:<22} {open:>2}")).collect();
    cast.story.show(&[], "what is open, as `chancery queue` counts it:", &lines);
    for (name, _) in queues.iter().filter(|(_, open)| *open > 0) {
        for (number, one) in items(cast, name)?.iter().enumerate() {
            let lines = item(one, name == whole && number == 0);
            cast.story.show(&[], &format!("{name}:"), &lines);
        }
    }
    Ok(queues.iter().map(|(_, open)| open).sum())
}

/// Chapter 10: what needs somebody.
pub(super) fn before(cast: &Cast<'_>) -> Result<(), Diagnostic> {
    cast.story.chapter(
        "The queues before",
        "What needs somebody, and why; each sentence rests on the entries in its brackets.",
    );
    tell(cast, "host_key_review").map(|_| ())
}

/// Releases the events in quarantine that somebody can release; nothing was kept of what looked like a secret.
fn release(cast: &Cast<'_>) -> Result<(), Diagnostic> {
    let waiting = items(cast, "transcript_quarantine")?;
    for one in waiting.iter().filter(|item| item["cause"] != "secret_looking") {
        let about = one["about"].as_str().and_then(|about| about.split(' ').nth(1)).unwrap_or_default();
        let at = one["positions"][0].as_i64().unwrap_or_default();
        let cause = one["cause"].as_str().unwrap_or_default();
        let release = cast.here("transcript.release", about, vec![("position", Value::Int(at))]);
        cast.does("founder", release, &format!("founder looks at entry {at}, {cause}, and releases it"))?;
    }
    Ok(())
}

/// Chapter 11: what people decide, and what is left.
pub(super) fn after(cast: &Cast<'_>, changed: &Seen) -> Result<(), Diagnostic> {
    cast.story.chapter(
        "People decide; the queues after",
        "An item leaves when its cause is resolved, never because somebody has seen it.",
    );
    let clear = cast.here("switch.clear", "all", vec![("target", text("scope"))]);
    let held =
        cast.fails("founder", clear.clone(), Code::ConfirmationRequired, "founder clears the kill switch")?;
    let hold = held.hold.ok_or_else(|| broken("clearing a kill switch was not held"))?;
    cast.does("ada", cast.here("hold.approve", &hold, Vec::new()), "ada approves")?;
    cast.does("founder", clear, "founder asks again: cleared, by two")?;
    let reject = vec![("fingerprint", text(&changed.fingerprint))];
    cast.does(
        "otto",
        cast.here("host_key.reject", &changed.id, reject),
        "otto rejects the new host key: nothing goes there",
    )?;
    cast.does("otto", cast.here("job.cancel", "look-1", Vec::new()), "otto cancels look-1")?;
    cast.does("otto", cast.here("job.cancel", "slow-1", Vec::new()), "otto cancels slow-1")?;
    release(cast)?;
    let left = tell(cast, "")?;
    let secret = items(cast, "transcript_quarantine")?;
    if !secret.iter().any(|item: &Json| item["about"] == "transcript leak-1") {
        return Err(broken("what the leak left open is not open"));
    }
    let more = if left > 1 { "; what else is open, this machine's own commands gave cause for" } else { "" };
    let said = format!("one is left on purpose: the worker that printed a secret is yours to suspend{more}");
    cast.story.step(&[], &said);
    Ok(())
}
