//! What did workers say that does not count, and who looks at it? One item for each job and reason.

use super::item::{self, Item};
use super::opening::{Care, Opening};
use super::tell::Tell;
use super::{Queue, known, notes, words};
use crate::narrative::{Narrative, many};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::Poison;
use chancery_ledger::domains::transcript::{self, Reason};
use chancery_ledger::domains::{Event, Risk};

/// The queue.
pub(super) static QUEUE: Queue = Queue {
    name: "transcript_quarantine",
    question: "What did workers say that does not count?",
    fold,
    also,
    tell,
};

fn risk(reason: Reason) -> Risk {
    match reason {
        Reason::SecretLooking | Reason::ReplayConflict | Reason::WrongScope => Risk::High,
        Reason::PostTerminal | Reason::EmergencyDisabled | Reason::OutOfOrder => Risk::Medium,
        Reason::SchemaInvalid | Reason::Oversized => Risk::Medium,
        Reason::Replay => Risk::Low,
    }
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &Event) -> Result<(), Poison> {
    match event {
        Event::Transcript(transcript::Event::Quarantined { reason, worker, detector, .. }) => {
            let deadline = known::job(rows, seen, seen.entity_id)?.map(|job| job.deadline);
            let care = match reason {
                // Nothing of it was kept: what is left to look at is who sent it.
                Reason::SecretLooking => Care::Owner("worker.suspend"),
                Reason::Replay => Care::with("transcript.release", deadline),
                _ => Care::Owner("transcript.release"),
            };
            let about = format!("transcript {}", seen.entity_id);
            let mut opening = Opening::new(QUEUE.name, seen, about, reason.as_str(), risk(*reason), care)
                .fact("job", seen.position, seen.entity_id)
                .more("worker", seen.position, worker);
            if let Some(detector) = detector {
                opening = opening.more("detector", seen.position, detector);
            }
            opening = match reason {
                Reason::SecretLooking => opening
                    .subject(format!("transcript {} {worker}", seen.entity_id))
                    .ends(known::worker_chain(worker)),
                Reason::Replay => opening.ends(known::job_chain(seen.scope, seen.entity_id)),
                _ => opening,
            };
            let key = item::open(rows, seen, opening)?;
            if *reason != Reason::SecretLooking {
                notes::put(rows, seen, &format!("quarantined {}", seen.position), key)?;
            }
            Ok(())
        }
        Event::Transcript(transcript::Event::Released { position }) => {
            let note = format!("quarantined {position}");
            let Some(key) = notes::get::<String>(rows, &note)? else { return Ok(()) };
            notes::remove(rows, &note);
            let left = match rows.get(&key)? {
                Some(row) => row.read::<Item>()?.open.saturating_sub(1),
                None => return Ok(()),
            };
            match left {
                0 => item::close(rows, seen, &key),
                left => item::change(rows, seen, &key, |item| item.open = left),
            }
        }
        _ => Ok(()),
    }
}

fn also(item: &Item) -> &'static [&'static str] {
    match item.cause.as_str() {
        "secret_looking" => &["worker.revoke", "grant.revoke", "lease.revoke"],
        _ => &["job.cancel"],
    }
}

fn tell(tell: &Tell<'_>) -> Result<Narrative, Poison> {
    let item = tell.item;
    let reason = Reason::NAMES.iter().position(|name| *name == item.cause);
    let reason = reason.and_then(|at| REASONS.get(at)).copied().unwrap_or(Reason::SchemaInvalid);
    let workers: Vec<String> =
        item.facts("worker").iter().map(|fact| crate::narrative::id(&fact.text)).collect();
    let workers: Vec<&str> = workers.iter().map(String::as_str).collect();
    let place = format!("Transcript of job {}", tell.id("job"));
    let why = format!(
        "{} of {} did not count: {}.",
        capital(&many(item.count, "event", "events")),
        words::list(&workers),
        words::quarantine(reason)
    );
    let draft = tell.begin(&place, &why);
    let draft = match reason {
        Reason::SecretLooking => draft
            .risk("a worker relayed what looks like a secret; where else it went is not known.")
            .next("Take the worker out of service while somebody looks, and have the credential changed where it lives.")
            .safe("Revoke the grant and the leases of the job: nothing more is handed out for it.")
            .harmful("Going on with the worker as it is: it may tell others what it was handed.")
            .missing("What it was is not known here: nothing of it was kept.", tell.all()),
        Reason::Replay => draft
            .risk("nothing is missing: the same stands in the transcript already.")
            .next("Nothing need be done: it ends with the job.")
            .safe("Leave it.")
            .harmful("Releasing it only to be rid of it: the transcript then shows it twice."),
        Reason::ReplayConflict => draft
            .risk("a worker told two different things under one number; one of them is not what happened.")
            .next("Compare both, and ask whoever runs the worker; release the second only to show it.")
            .safe("Leave it in quarantine: the first keeps its place.")
            .harmful("Taking either for true without another source."),
        Reason::WrongScope => draft
            .risk("a worker spoke in a scope that its job is not in; it may mix up customers.")
            .next("Find out why the worker spoke here before it goes on.")
            .safe("Leave it in quarantine: nobody of this scope is shown it.")
            .harmful("Releasing it here: it may be about another customer."),
        _ => draft
            .risk("the transcript may lack something that happened.")
            .next("Read what was kept, and release it if it may be shown.")
            .safe("Leave it in quarantine: the transcript and the outcome stay as they are.")
            .harmful("Taking the transcript for whole while this is open."),
    };
    Ok(draft.end())
}

/// The reasons in the order of their names.
const REASONS: &[Reason] = &[
    Reason::PostTerminal,
    Reason::WrongScope,
    Reason::EmergencyDisabled,
    Reason::SchemaInvalid,
    Reason::Oversized,
    Reason::Replay,
    Reason::ReplayConflict,
    Reason::OutOfOrder,
    Reason::SecretLooking,
];

/// With a capital letter, as a sentence begins.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}
