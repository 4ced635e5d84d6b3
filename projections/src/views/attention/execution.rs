//! Which work failed, was blocked or was stopped, and was not done since? One item for each kind of work and cause.

use super::item::{self, Item};
use super::known::{self, Job};
use super::opening::{Care, Opening};
use super::tell::Tell;
use super::{Queue, words};
use crate::narrative::{Evidence, Narrative, id, many};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::Poison;
use chancery_ledger::domains::job::{Cancelled, Event as JobEvent, Rejection};
use chancery_ledger::domains::{Event, Risk};

/// The queue.
pub(super) static QUEUE: Queue = Queue {
    name: "execution",
    question: "Which work failed, was blocked or was stopped, and was not done since?",
    fold,
    also,
    tell,
};

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &Event) -> Result<(), Poison> {
    let Event::Job(event) = event else { return Ok(()) };
    let Some(job) = known::job(rows, seen, seen.entity_id)? else { return Ok(()) };
    let resolved = |rows: &mut Rows<'_>, causes: &[&str]| {
        let key = |cause: &&str| item::key(QUEUE.name, seen.scope, &job.work(), cause);
        causes.iter().try_for_each(|cause| item::close(rows, seen, &key(cause)))
    };
    match event {
        JobEvent::Routed { .. } => resolved(rows, &["blocked", "stopped"]),
        JobEvent::Succeeded {} => resolved(rows, &["failed", "timed_out", "outcome_missing"]),
        JobEvent::Blocked { considered, reason, .. } => {
            let care = Care::Owner(words::mends(reason));
            let opening = work(seen, &job, "blocked", Risk::Medium, care)
                .fact("reason", seen.position, reason)
                .fact("considered", seen.position, &considered.to_string());
            item::open(rows, seen, opening).map(|_| ())
        }
        JobEvent::Failed {} => again(rows, seen, &job, "failed", Risk::Medium),
        JobEvent::TimedOut {} => again(rows, seen, &job, "timed_out", Risk::Medium),
        JobEvent::OutcomeMissing {} => again(rows, seen, &job, "outcome_missing", Risk::High),
        JobEvent::Cancelled { cause: Cancelled::KillSwitch } => {
            let mut opening = work(seen, &job, "stopped", Risk::Medium, Care::Owner("job.submit"));
            if let Some((scope, kill)) = known::stopped_by(rows, seen.scope, &job)? {
                item::tell(rows, seen, &kill.item, "job", seen.entity_id)?;
                opening = opening.fact("switch", seen.position, &kill.id);
                // An entry of a scope above is not for everybody who reads this one.
                opening = match scope.as_str() == seen.scope {
                    true => opening.fact("engaged", kill.position, scope.as_str()),
                    false => opening.fact("above", seen.position, scope.as_str()),
                };
            }
            item::open(rows, seen, opening).map(|_| ())
        }
        JobEvent::ResultRejected { class, worker, .. } => {
            let risk = if *class == Rejection::SecretLooking { Risk::High } else { Risk::Medium };
            let care = Care::Both("job.cancel", job.deadline);
            let opening =
                Opening::new(QUEUE.name, seen, format!("job {}", seen.entity_id), class.as_str(), risk, care)
                    .fact("job", seen.position, seen.entity_id)
                    .fact("worker", seen.position, worker)
                    .fact("class", seen.position, class.as_str())
                    .ends(known::job_chain(seen.scope, seen.entity_id));
            item::open(rows, seen, opening).map(|_| ())
        }
        JobEvent::Submitted { .. }
        | JobEvent::FallbackDecided { .. }
        | JobEvent::Started { .. }
        | JobEvent::ResultAccepted { .. }
        | JobEvent::Cancelled { cause: Cancelled::Request } => Ok(()),
    }
}

fn again(rows: &mut Rows<'_>, seen: &Seen<'_>, job: &Job, cause: &str, risk: Risk) -> Result<(), Poison> {
    item::open(rows, seen, work(seen, job, cause, risk, Care::Owner("job.submit"))).map(|_| ())
}

/// What happened to work of a kind: the capability, how it is done, and the host that it is for.
fn work<'a>(seen: &Seen<'_>, job: &Job, cause: &'a str, risk: Risk, care: Care) -> Opening<'a> {
    let about = format!("capability {}", job.capability);
    let mut opening = Opening::new(QUEUE.name, seen, about, cause, risk, care)
        .subject(job.work())
        .fact("capability", seen.position, &job.capability)
        .fact("mode", seen.position, words::mode(job.mode))
        .more("job", seen.position, seen.entity_id)
        .ends(known::capability_chain(seen.scope, &job.capability));
    if let Some(target) = &job.target {
        opening = opening.fact("target", seen.position, target);
    }
    if let Some(locality) = &job.locality {
        opening = opening.fact("locality", seen.position, locality);
    }
    if let Some(worker) = &job.worker {
        opening = opening.more("worker", seen.position, worker);
    }
    opening
}

fn also(item: &Item) -> &'static [&'static str] {
    match item.cause.as_str() {
        "blocked" => &["worker.assign", "worker.promote", "job.submit", "capability.disable"],
        "stopped" => &["switch.clear", "capability.disable"],
        "failed" | "timed_out" | "outcome_missing" => &["capability.disable", "worker.suspend"],
        _ => &["worker.suspend"],
    }
}

fn tell(tell: &Tell<'_>) -> Result<Narrative, Poison> {
    let item = tell.item;
    let jobs: Vec<String> = item.facts("job").iter().map(|fact| id(&fact.text)).collect();
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
    let place = match item.fact("target") {
        Some(target) => format!("Work for {} on host {}", tell.id("capability"), id(&target.text)),
        None => format!("Work for {}", tell.id("capability")),
    };
    let place = match item.fact("locality") {
        Some(locality) => format!("{place}, to be done at {},", id(&locality.text)),
        None => place,
    };
    let text = |name: &str| item.fact(name).map_or("", |fact| fact.text.as_str());
    let how = text("mode");
    let which = match jobs.len() {
        1 => format!("Job {}, {how},", words::list(&jobs)),
        _ => format!("Jobs {}, {how},", words::list(&jobs)),
    };
    let not_all = jobs.len() as u64 != item.count;
    let draft = match item.cause.as_str() {
        "blocked" => tell
            .begin(&place, &format!("{which} found no worker: {}.", words::route(text("reason"))))
            .risk("the work is not done; nothing was started and no credential was handed out.")
            .next(&format!(
                "Make a worker fit for it; {} looked at. Then ask for the work again under another id.",
                match text("considered") {
                    "0" => "none was".to_owned(),
                    "1" => "one was".to_owned(),
                    count => format!("{count} were"),
                }
            ))
            .safe("Leave it: a blocked job never starts.")
            .harmful("Assigning a worker to hosts or scopes that it does not need, only to get it through."),
        "stopped" => return stopped(tell, &place, &which),
        "failed" => tell
            .begin(&place, &format!("{which} was done and did not succeed: the worker says so."))
            .risk("the work is not done, or is done in part.")
            .next("Read the transcript, mend the cause, and ask for the work again under another id.")
            .safe("Leave it: a job that is over is not started again.")
            .harmful("Asking again and again without a look: what was done in part may be done twice."),
        "timed_out" => tell
            .begin(&place, &format!("{which} was not begun before its deadline."))
            .risk("the work is not done; nothing was started.")
            .next("Find out why no worker took it, and ask for the work again under another id.")
            .safe("Leave it: a job that is over is not started again.")
            .harmful("Longer deadlines alone: without a worker it waits longer."),
        "outcome_missing" => tell
            .begin(
                &place,
                &format!("{which} was begun, and nobody said what came of it before its deadline."),
            )
            .risk("it may have had an effect, in whole or in part.")
            .next("Look at the host itself; ask for the work again only when it is known what was done.")
            .safe("Leave it: a job that is over is not started again.")
            .harmful("Asking for the work again as if nothing had happened.")
            .missing("What came of it is not known: no result was taken.", tell.all()),
        _ => return rejected(tell, text("class")),
    };
    let text = "Older jobs of the same cause are not named here; their entries are.";
    Ok(draft.missing_if(not_all, text, tell.all()).end())
}

/// Why work stopped: which kill switch, by whom, and for which reason.
fn stopped(tell: &Tell<'_>, place: &str, which: &str) -> Result<Narrative, Poison> {
    let item = tell.item;
    let switch = tell.id("switch");
    let reason = match item.fact("engaged") {
        Some(engaged) => tell.private(engaged.position, "reason")?,
        None => None,
    };
    let (why, at) = match (item.fact("engaged"), item.fact("above")) {
        (Some(engaged), _) => {
            let why =
                format!("{which} was stopped: the kill switch {switch} is engaged in {}", id(&engaged.text));
            (why, Evidence::at(engaged.position))
        }
        (None, Some(above)) => {
            let why = format!(
                "{which} was stopped: the kill switch {switch} is engaged above, in {}",
                id(&above.text)
            );
            (why, Evidence::at(above.position))
        }
        (None, None) => (format!("{which} was stopped by a kill switch"), tell.all()),
    };
    let why = match &reason {
        Some(reason) => format!("{why}; the reason given was {reason}."),
        None => format!("{why}."),
    };
    Ok(tell
        .begin(place, &why)
        .missing_if(reason.is_none(), "There is no reason for the stop that you may read here.", at)
        .risk("the work is not done; what was begun may be done in part.")
        .next("When the kill switch is cleared, ask for the work again under another id: it passes the gate anew.")
        .safe("Close leases and revoke grants of the job: that stays open under a kill switch.")
        .harmful("Doing the work past the ledger while it is stopped.")
        .end())
}

fn rejected(tell: &Tell<'_>, class: &str) -> Result<Narrative, Poison> {
    let known =
        [Rejection::Malformed, Rejection::Mismatched, Rejection::NonAllowlisted, Rejection::SecretLooking];
    let class = known.into_iter().find(|one| one.as_str() == class).unwrap_or(Rejection::Malformed);
    let place = format!("Job {}", tell.id("job"));
    let times = many(tell.item.count, "result", "results");
    let why = format!("Of worker {}, {times} was not taken: {}.", tell.id("worker"), words::rejection(class));
    let draft = tell
        .begin(&place, &why.replace("results was", "results were"))
        .risk("the job has no outcome yet, and what was done is known from the worker alone.")
        .next("Ask whoever runs the worker; it may report again until the deadline.")
        .safe("Cancel the job: nothing of it is taken any more.")
        .harmful("Taking the worker's word for what was done.");
    let secret = class == Rejection::SecretLooking;
    Ok(draft.missing_if(secret, "What it said is not known here: nothing of it was kept.", tell.all()).end())
}
