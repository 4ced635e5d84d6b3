//! When is a host trusted? Observed by an agent, blocked at preflight, reviewed by a person, changed.

use super::begin::{DAY, FACTS, workers};
use super::cast::{Cast, broken, list, text};
use super::look::{item, items};
use super::tell::positions;
use crate::client::Ask;
use crate::diagnostic::Diagnostic;
use crate::known_hosts::Seen;
use crate::machine::{Found, generated};
use chancery_ledger::format::json::Value;
use chancery_ledger::{Code, Entropy, Receipt};

/// The host of a host key's id, `<algorithm>:<host>:<port>`.
fn host(key: &Seen) -> &str {
    let host = key.id.split_once(':').and_then(|(_, rest)| rest.rsplit_once(':'));
    host.map_or(key.id.as_str(), |(host, _)| host)
}

/// A job for the host in this mode, as otto submits it.
pub(super) fn submission(cast: &Cast<'_>, id: &str, mode: &str, target: &Seen, argv: &[&str]) -> Ask {
    let arguments = vec![
        ("capability", text(FACTS)),
        ("command", list(argv)),
        ("mode", text(mode)),
        ("target", text(&target.id)),
        ("ttl_ms", Value::Int(DAY)),
    ];
    cast.here("job.submit", id, arguments)
}

/// A grant `g-JOB` of the credential `test://facts` to a worker, for one job and once.
pub(super) fn grant(cast: &Cast<'_>, job: &str, worker: &str) -> Ask {
    let arguments = vec![
        ("job", text(job)),
        ("reference", text("test://facts")),
        ("ttl_ms", Value::Int(DAY)),
        ("use", text(FACTS)),
        ("worker", text(worker)),
    ];
    cast.here("grant.issue", &format!("g-{job}"), arguments)
}

/// Asks what stands between a job and its host, and tells each check that does not pass.
fn preflight(cast: &Cast<'_>, job: &str, passes: bool) -> Result<(), Diagnostic> {
    let receipt = cast.must("otto", cast.here("preflight.evaluate", job, Vec::new()))?;
    let seen = receipt.entries.first().map(|entry| cast.since(entry.position)).transpose()?;
    let data = seen.and_then(|seen| seen.into_iter().next()).map(|seen| seen.data).unwrap_or_default();
    let no = |check: &serde_json::Value| {
        let (name, why) = (check["name"].as_str()?, check["why"].as_str()?);
        Some(format!("{name} ({why})"))
    };
    let stops: Vec<String> = data["checks"].as_array().into_iter().flatten().filter_map(no).collect();
    if data["passed"] != passes {
        return Err(broken(format!("preflight of `{job}` did not say `{passes}`")));
    }
    let said = if passes { "all checks pass".to_owned() } else { format!("blocked: {}", stops.join(", ")) };
    cast.story.step(&positions(&receipt), &format!("preflight of {job}, {said}"));
    Ok(())
}

/// What scout observed, or asks to be believed.
fn fingerprint(key: &Seen) -> Vec<(&'static str, Value)> {
    vec![("fingerprint", text(&key.fingerprint))]
}

/// Chapter 4: seeing is not trusting.
pub(super) fn review(cast: &Cast<'_>, found: &Found, key: &Seen, argv: &[&str]) -> Result<(), Diagnostic> {
    cast.story.chapter(
        "A blocked preflight, a review, a grant",
        "Seeing is not trusting: a person who did not report a host key reviews it, or nothing goes there.",
    );
    cast.story.step(&[], &format!("host keys of this machine: {}", found.place));
    for key in &found.keys {
        let mut arguments = fingerprint(key);
        arguments.push(("source", text(found.source)));
        let observed = cast.here("host_key.observe", &key.id, arguments);
        cast.does("scout", observed, &format!("scout observes {} {}", key.id, key.fingerprint))?;
    }
    workers(cast, host(key))?;
    let submitted = submission(cast, "facts-1", "worker_local_read_only", key, argv);
    cast.does("otto", submitted, &format!("otto submits facts-1, `{}`: routed", argv.join(" ")))?;
    preflight(cast, "facts-1", false)?;
    if let Some(waiting) = items(cast, "host_key_review")?.first() {
        cast.story.show(&[], "what `chancery queue host_key_review` says:", &item(waiting, false));
    }
    let verify = cast.here("host_key.verify", &key.id, fingerprint(key));
    let own = cast.ask("scout", verify.clone())?;
    if own.code.is_none() {
        return Err(broken("an agent verified its own report"));
    }
    cast.story.answer(&own, "scout asks to verify its own report");
    cast.does("otto", verify, &format!("otto verifies exactly {}", key.fingerprint))?;
    let mut others = Vec::new();
    for other in found.keys.iter().skip(1) {
        let verify = cast.here("host_key.verify", &other.id, fingerprint(other));
        others.extend(positions(&cast.must("otto", verify)?));
    }
    if !others.is_empty() {
        cast.story.step(&others, "and compares the others as well");
    }
    cast.does("otto", grant(cast, "facts-1", "hand"), "otto grants hand one credential, for this job, once")?;
    preflight(cast, "facts-1", true)
}

/// Chapter 8: the host shows another key.
pub(super) fn changed(cast: &Cast<'_>, key: &Seen, argv: &[&str]) -> Result<Seen, Diagnostic> {
    cast.story.chapter(
        "A changed host key",
        "The host shows another key, made up for this demo: its trust is gone at once.",
    );
    let look = submission(cast, "look-1", "worker_ssh_preflight", key, argv);
    cast.does("otto", look, "otto submits look-1, which looks ahead to live work on the host")?;
    preflight(cast, "look-1", false)?;
    let other = generated(&Entropy::default().take()?);
    let mut arguments = fingerprint(&other);
    arguments.push(("source", text("generated")));
    arguments.push(("comment", text("generated by the demo, to show a change")));
    let observed = cast.here("host_key.observe", &key.id, arguments);
    cast.does("scout", observed, &format!("scout observes {}: changed", other.fingerprint))?;
    let stale = cast.here("host_key.verify", &key.id, fingerprint(key));
    no(cast, cast.ask("otto", stale)?, "otto still names the old one")?;
    let dry = submission(cast, "dry-1", "worker_ssh_dry_run", key, argv);
    cast.fails("otto", dry, Code::HostKeyUnverified, "otto submits a dry run to the host")?;
    Ok(Seen { id: key.id.clone(), fingerprint: other.fingerprint })
}

fn no(cast: &Cast<'_>, receipt: Receipt, said: &str) -> Result<(), Diagnostic> {
    if receipt.code.is_none() {
        return Err(broken("an old fingerprint was taken"));
    }
    cast.story.answer(&receipt, said);
    Ok(())
}
