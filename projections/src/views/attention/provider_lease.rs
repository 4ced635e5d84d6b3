//! Which credentials could not be fetched, and which were fetched and not put away?

use super::item::{self, Item};
use super::opening::{Care, Opening};
use super::tell::Tell;
use super::{Queue, known, notes, words};
use crate::narrative::{Narrative, id};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::Poison;
use chancery_ledger::domains::lease::{Event as LeaseEvent, Failure};
use chancery_ledger::domains::{Event, Risk};
use serde::{Deserialize, Serialize};

/// The queue.
pub(super) static QUEUE: Queue = Queue {
    name: "provider_lease",
    question: "Which credentials could not be fetched, or were not put away?",
    fold,
    also,
    tell,
};

/// A lease that is not over.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    expires: i64,
    grant: String,
    job: String,
    provider: String,
    reference: String,
    resolved: bool,
    worker: String,
}

/// Failures that are the provider's whatever is asked of it; the others are those of one credential.
const OF_PROVIDER: &[Failure] = &[
    Failure::Disabled,
    Failure::Unsupported,
    Failure::ProductionLocal,
    Failure::NotImplemented,
    Failure::Unreachable,
];
const OF_CREDENTIAL: &[Failure] = &[Failure::Missing, Failure::Refused, Failure::Malformed];

fn word(failure: Failure) -> &'static str {
    Failure::NAMES.get(failure as usize).copied().unwrap_or_default()
}

fn about(known: &Known, failure: Failure) -> String {
    match OF_CREDENTIAL.contains(&failure) {
        true => format!("credential {}", known.reference),
        false => format!("provider {}", known.provider),
    }
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &Event) -> Result<(), Poison> {
    match event {
        Event::Lease(event) => lease(rows, seen, event),
        Event::Job(event) if known::is_over(event) => {
            let leases = known::job(rows, seen, seen.entity_id)?.map_or(Vec::new(), |job| job.leases);
            leases.iter().try_for_each(|lease| left(rows, seen, lease))
        }
        _ => Ok(()),
    }
}

fn note(seen: &Seen<'_>, lease: &str) -> String {
    format!("lease {} {lease}", seen.scope)
}

/// The item of a lease that its job has outlived.
fn left_key(seen: &Seen<'_>, lease: &str) -> String {
    item::key(QUEUE.name, seen.scope, &format!("lease {lease}"), "left_open")
}

/// The item of a credential that was not put away.
fn kept(known: &Known) -> String {
    format!("credential {} {}", known.reference, known.worker)
}

fn lease(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &LeaseEvent) -> Result<(), Poison> {
    let note = note(seen, seen.entity_id);
    if let LeaseEvent::Opened { expires, grant, job, provider, reference, .. } = event {
        let known = Known {
            expires: *expires,
            grant: grant.clone(),
            job: job.clone(),
            provider: provider.clone(),
            reference: reference.clone(),
            resolved: false,
            worker: seen.actor.to_owned(),
        };
        return notes::put(rows, seen, &note, known);
    }
    let Some(mut known) = notes::get::<Known>(rows, &note)? else { return Ok(()) };
    if let LeaseEvent::Resolved { .. } = event {
        known.resolved = true;
        for failure in OF_PROVIDER.iter().chain(OF_CREDENTIAL) {
            let key = item::key(QUEUE.name, seen.scope, &about(&known, *failure), word(*failure));
            item::close(rows, seen, &key)?;
        }
        known::change_job(rows, seen, &known.job, |job| job.leases.push(seen.entity_id.to_owned()))?;
        return notes::put(rows, seen, &note, known);
    }
    notes::remove(rows, &note);
    known::change_job(rows, seen, &known.job, |job| job.leases.retain(|lease| lease != seen.entity_id))?;
    item::close(rows, seen, &left_key(seen, seen.entity_id))?;
    match event {
        LeaseEvent::Failed { failure } => {
            let risk = if *failure == Failure::Refused { Risk::High } else { Risk::Medium };
            let opening = opening(seen, &known, about(&known, *failure), word(*failure), risk);
            item::open(rows, seen, opening).map(|_| ())
        }
        LeaseEvent::Expired {} if known.resolved => {
            let about = format!("credential {}", known.reference);
            let opening = opening(seen, &known, about, "not_put_away", Risk::High);
            let chain = known::worker_chain(&known.worker);
            item::open(rows, seen, opening.subject(kept(&known)).ends(chain)).map(|_| ())
        }
        LeaseEvent::Closed {} if known.resolved => {
            item::close(rows, seen, &item::key(QUEUE.name, seen.scope, &kept(&known), "not_put_away"))
        }
        _ => Ok(()),
    }
}

fn opening<'a>(seen: &Seen<'_>, known: &Known, about: String, cause: &'a str, risk: Risk) -> Opening<'a> {
    let decides = if cause == "not_put_away" { "worker.suspend" } else { "grant.issue" };
    Opening::new(QUEUE.name, seen, about, cause, risk, Care::Owner(decides))
        .fact("provider", seen.position, &known.provider)
        .fact("reference", seen.position, &known.reference)
        .fact("worker", seen.position, &known.worker)
        .more("job", seen.position, &known.job)
        .more("lease", seen.position, seen.entity_id)
}

/// The job of a resolved lease is over, and the lease is not.
fn left(rows: &mut Rows<'_>, seen: &Seen<'_>, lease: &str) -> Result<(), Poison> {
    let Some(known) = notes::get::<Known>(rows, &note(seen, lease))? else { return Ok(()) };
    let care = Care::Both("lease.revoke", known.expires);
    let about = format!("lease {lease}");
    let opening = Opening::new(QUEUE.name, seen, about, "left_open", Risk::Medium, care)
        .fact("provider", seen.position, &known.provider)
        .fact("reference", seen.position, &known.reference)
        .fact("worker", seen.position, &known.worker)
        .more("job", seen.position, &known.job)
        .more("lease", seen.position, lease);
    item::open(rows, seen, opening).map(|_| ())
}

fn also(item: &Item) -> &'static [&'static str] {
    match item.cause.as_str() {
        "not_put_away" => &["worker.revoke", "grant.revoke"],
        "left_open" => &["lease.close", "worker.suspend"],
        _ => &["grant.revoke", "job.cancel"],
    }
}

fn tell(tell: &Tell<'_>) -> Result<Narrative, Poison> {
    let item = tell.item;
    let (provider, reference, worker) = (tell.id("provider"), tell.id("reference"), tell.id("worker"));
    let jobs: Vec<String> = item.facts("job").iter().map(|fact| id(&fact.text)).collect();
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
    let jobs = words::list(&jobs);
    Ok(match item.cause.as_str() {
        "not_put_away" => tell
            .begin(
                &format!("Credential {reference}"),
                &format!("Worker {worker} fetched it for {jobs}, and its lease ran out before it said that it put it away."),
            )
            .risk("the worker may still have it.")
            .next("Have the credential changed where it lives, or make sure that the worker has put it away.")
            .safe("Take the worker out of service while somebody looks.")
            .harmful("Handing the same credential to the worker again as if nothing were open.")
            .missing("Whether the worker put it away is not known.", tell.all())
            .end(),
        "left_open" => tell
            .begin(
                &format!("Lease {} of credential {reference}", tell.id("lease")),
                &format!("Job {jobs} is over, and worker {worker} has not said that it put the credential away."),
            )
            .risk("the worker may still have it, with no work to use it for.")
            .next("The worker closes the lease; if it does not, revoke it.")
            .safe("Revoke the lease: that stays open under a kill switch.")
            .harmful("Waiting past the end of the lease: then nobody can say any more that it was put away.")
            .end(),
        cause => {
            let known = OF_PROVIDER.iter().chain(OF_CREDENTIAL).find(|failure| word(**failure) == cause);
            let why = known.map_or("the reason has no words here", |failure| words::failure(*failure));
            tell.begin(
                &format!("Credential {reference} of provider {provider}"),
                &format!("Worker {worker} asked for it for {jobs} and was given nothing: {why}."),
            )
            .risk("jobs that need it do not start; nothing was handed out.")
            .next("Mend the provider or the reference where the worker runs, and let it fetch again under a live grant.")
            .safe("Revoke the grant: nothing can be fetched under it any more.")
            .harmful("Giving the worker the secret on another way: the ledger would not know of it.")
            .end()
        }
    })
}
