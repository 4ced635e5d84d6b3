//! What is governed work? A claim, a lease, a durable permit, one real command, a transcript, a result.

use super::begin::{DAY, commands};
use super::cast::{Cast, Seen, broken, text};
use super::look;
use super::tell::positions;
use super::trust::{grant, submission};
use crate::desk::Desk;
use crate::diagnostic::Diagnostic;
use crate::known_hosts;
use crate::pace::Pace;
use crate::patience::Stop;
use crate::provider::Config;
use crate::work::{Seen as Ended, Work};
use chancery_ledger::format::json::Value;

/// For how long a worker holds a job, in milliseconds.
const HELD: u64 = 60_000;
/// Lines of a command's output that are shown.
const SHOWN: usize = 2;

/// Has `hand` see a job through, and gives the entries that came of it. The one place that knows how a worker works.
pub(super) fn see_through(cast: &Cast<'_>, job: &str) -> Result<Vec<Seen>, Diagnostic> {
    let (from, pace) = (cast.size()?, Pace::new(HELD, &Stop::default()));
    let desk = Desk::Near(cast.ledger, cast.who("hand")?);
    let work = Work { desk, worker: "hand", scope: &cast.acme, job: job.to_owned(), pace: &pace };
    match work.see_through(&Config::synthetic(), &cast.paths.fingerprint_key())? {
        Ended::Answer(_) => cast.since(from),
        Ended::Blocked(checks) => Err(broken(format!("these checks did not pass: {}", checks.join(", ")))),
        Ended::NothingGiven(_, failure) => Err(broken(failure.sentence())),
    }
}

/// What an entry of a worker's means.
fn meaning(seen: &Seen) -> String {
    let number = |name: &str| seen.data[name].as_u64().unwrap_or_default();
    match seen.kind.as_str() {
        "claim.acquired" => format!("hand claims the job, under fence {}", number("fence")),
        "lease.opened" => "hand opens a lease under the grant".to_owned(),
        "lease.resolved" => {
            let prints = seen.data["fingerprints"].as_array().map_or(0, Vec::len);
            format!("the credential is resolved; {prints} keyed fingerprints of it are kept, and no value")
        }
        "job.started" => "the permit is durable; only now does anything run".to_owned(),
        "transcript.appended" => format!("hand tells event {}", number("seq")),
        "transcript.closed" => format!("the transcript is closed after event {}", number("events")),
        "transcript.quarantined" => {
            let reason = seen.data["reason"].as_str().unwrap_or_default();
            format!("event {} does not count: {reason}", number("seq"))
        }
        "lease.closed" => "the lease is closed; the credential is put away".to_owned(),
        "job.result_accepted" => "the result is taken".to_owned(),
        "grant.consumed" => "the grant is used up".to_owned(),
        "job.succeeded" => "the job has succeeded".to_owned(),
        kind => kind.replace('.', " "),
    }
}

/// Whether the job ended well.
fn succeeded(seen: &[Seen]) -> bool {
    seen.iter().any(|seen| seen.kind == "job.succeeded")
}

/// What a command printed, as the projection has it.
fn printed(cast: &Cast<'_>, job: &str, argv: &[&str]) -> Result<(), Diagnostic> {
    let mut lines = look::said(cast, job, "technical", SHOWN)?;
    if lines.is_empty() {
        lines = look::said(cast, job, "operator", SHOWN)?;
    }
    let said = format!("`chancery transcript {job} --stream technical`, of `{}`:", argv.join(" "));
    cast.story.show(&[], &said, &lines);
    Ok(())
}

/// Chapter 5: real commands, from claim to result.
pub(super) fn work(cast: &Cast<'_>, key: &known_hosts::Seen) -> Result<(), Diagnostic> {
    cast.story.chapter(
        "Governed work, with real commands",
        "A worker does what a job, a grant, a lease and a claim let it do, to the letter.",
    );
    for program in ["uname", "uptime", "df"] {
        if !super::begin::is_here(program) {
            cast.story.step(&[], &format!("`{program}` is not on this machine; the others are run"));
        }
    }
    for (number, argv) in commands().into_iter().enumerate() {
        let job = format!("facts-{}", number + 1);
        if number == 0 {
            // Chapter 4 submitted it.
            let seen = see_through(cast, &job)?;
            for seen in &seen {
                cast.story.step(&[seen.position], &meaning(seen));
            }
            if !succeeded(&seen) {
                cast.story.step(&[], "it did not succeed; the entries above say why");
            }
            printed(cast, &job, argv)?;
            continue;
        }
        let submitted = cast.must("otto", submission(cast, &job, "worker_local_read_only", key, argv))?;
        let granted = cast.must("otto", grant(cast, &job, "hand"))?;
        let seen = see_through(cast, &job)?;
        let mut at: Vec<u64> = [submitted, granted].iter().flat_map(positions).collect();
        at.extend(seen.iter().map(|seen| seen.position));
        let outcome = if succeeded(&seen) { "the result is taken" } else { "it did not succeed" };
        cast.story.step(&at, &format!("the same way {job}, `{}`: {outcome}", argv.join(" ")));
        printed(cast, &job, argv)?;
    }
    let again = cast.here(
        "lease.open",
        "l-again",
        vec![
            ("fence", Value::Int(1)),
            ("grant", text("g-facts-1")),
            ("job", text("facts-1")),
            ("reference", text("test://facts")),
            ("ttl_ms", Value::Int(DAY / 24)),
            ("use", text(super::begin::FACTS)),
        ],
    );
    let denied = cast.ask("hand", again)?;
    if denied.code.is_none() {
        return Err(broken("a used grant opened a lease"));
    }
    cast.story.answer(&denied, "hand tries the used grant again");
    Ok(())
}
