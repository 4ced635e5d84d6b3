//! Which workers are not fit for work? One item a worker: suspended, silent, unhealthy, or never heard of.

use super::item::{self, Fact, Item};
use super::opening::{Care, Opening};
use super::tell::Tell;
use super::{Queue, notes};
use crate::narrative::{Narrative, id};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::Poison;
use chancery_ledger::domains::worker::Health;
use chancery_ledger::domains::{Event, Risk, principal, worker};
use serde::{Deserialize, Serialize};

/// The queue.
pub(super) static QUEUE: Queue =
    Queue { name: "worker_health", question: "Which workers are not fit for work?", fold, also, tell };

/// A worker that is not revoked.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    /// What was said of its health last, by which entry.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    health: Option<(Health, u64)>,
    promoted: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    suspended: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    until: Option<i64>,
}

impl Known {
    /// What is wrong with it, and the entry that says so.
    fn cause(&self) -> Option<(&'static str, u64)> {
        match (self.suspended, self.health) {
            (Some(position), _) => Some(("suspended", position)),
            (None, Some((Health::Stale, position))) => Some(("silent", position)),
            (None, Some((Health::Unhealthy, position))) => Some(("unhealthy", position)),
            (None, Some((Health::Healthy, _))) => None,
            (None, None) => Some(("never_heard_of", self.promoted)),
        }
    }
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &Event) -> Result<(), Poison> {
    let note = format!("worker {}", seen.place());
    let about = format!("worker {}", seen.entity_id);
    let at = |cause: &str| item::key(QUEUE.name, seen.scope, &about, cause);
    let before: Option<Known> = match event {
        Event::Worker(_) | Event::Principal(principal::Event::Revoked {}) => notes::get(rows, &note)?,
        _ => return Ok(()),
    };
    let old = before.as_ref().and_then(Known::cause);
    let (known, again) = match (event, before) {
        (Event::Worker(worker::Event::Promoted { .. }), None) => {
            (Known { health: None, promoted: seen.position, suspended: None, until: None }, false)
        }
        (Event::Worker(worker::Event::Promoted { .. }), Some(known)) => {
            (Known { suspended: None, ..known }, false)
        }
        (Event::Worker(worker::Event::LivenessChanged { health, until }), Some(known)) => {
            let heard = known.suspended.is_none();
            (Known { health: Some((*health, seen.position)), until: *until, ..known }, heard)
        }
        (Event::Worker(worker::Event::Suspended {}), Some(known)) => {
            (Known { suspended: Some(seen.position), ..known }, false)
        }
        (Event::Worker(worker::Event::Revoked {}) | Event::Principal(_), Some(_)) => {
            if let Some((cause, _)) = old {
                item::close(rows, seen, &at(cause))?;
            }
            notes::remove(rows, &note);
            return Ok(());
        }
        _ => return Ok(()),
    };
    let new = known.cause();
    if let Some((cause, _)) = old.filter(|(cause, _)| new.map(|(cause, _)| cause) != Some(*cause)) {
        item::close(rows, seen, &at(cause))?;
    }
    if let Some((cause, position)) = new
        && (again || old.map(|(cause, _)| cause) != Some(cause))
    {
        open(rows, seen, &about, cause, position, &known)?;
    }
    notes::put(rows, seen, &note, known)
}

fn open(
    rows: &mut Rows<'_>,
    seen: &Seen<'_>,
    about: &str,
    cause: &str,
    position: u64,
    known: &Known,
) -> Result<(), Poison> {
    let until = known.until.filter(|until| *until > seen.time);
    let (risk, care) = match cause {
        "suspended" => (Risk::Low, Care::Owner("worker.promote")),
        "unhealthy" => (Risk::Medium, Care::with("worker.suspend", until)),
        "silent" => (Risk::Medium, Care::Owner("worker.suspend")),
        _ => (Risk::Low, Care::Owner("worker.suspend")),
    };
    let said = vec![Fact { position, text: cause.to_owned() }];
    let opening = Opening::new(QUEUE.name, seen, about.to_owned(), cause, risk, care);
    let opening = opening.fact("worker", seen.position, seen.entity_id).all("said", said);
    item::open(rows, seen, opening.fact("by", seen.position, seen.actor)).map(|_| ())
}

fn also(item: &Item) -> &'static [&'static str] {
    match item.cause.as_str() {
        "suspended" => &["worker.revoke"],
        _ => &["worker.report", "worker.revoke"],
    }
}

fn tell(tell: &Tell<'_>) -> Result<Narrative, Poison> {
    let (item, worker) = (tell.item, tell.id("worker"));
    let by = tell.item.fact("by").map_or("somebody".to_owned(), |fact| id(&fact.text));
    let place = format!("Worker {worker}");
    let draft = match item.cause.as_str() {
        "suspended" => {
            let reason = tell.private(item.last.position, "reason")?;
            let why = match &reason {
                Some(reason) => format!("{by} took it out of service and gave this reason: {reason}."),
                None => format!("{by} took it out of service."),
            };
            tell.begin(&place, &why)
                .missing_if(reason.is_none(), "The entry has no reason that you may read.", tell.on("said"))
                .risk("it gets no work; what it did before stands.")
                .next("Find out whether it is fit again, and put it back into service or revoke it.")
                .safe("Leave it out of service: work goes to other workers.")
                .harmful("Putting it back into service before somebody has looked at why it was taken out.")
        }
        "silent" => tell
            .begin(&place, "It did not say in time how it is: it may have ended, or lost its connection.")
            .risk("a job that it holds may have had an effect that nobody reported.")
            .next("Look at the machine that it runs on; when it runs again, it says so itself.")
            .safe("Take it out of service: nothing is routed to it until it is put back.")
            .harmful("Taking it for idle: whether it still works is not known.")
            .missing("It is not known how it is, nor what it does now.", tell.on("said")),
        "unhealthy" => tell
            .begin(&place, "It says itself that it is unhealthy.")
            .risk("it gets no work, and what it holds may not be finished.")
            .next("Mend it; it says itself when it is healthy.")
            .safe("Take it out of service: nothing is routed to it until it is put back.")
            .harmful("Relying on what it reports of its jobs without looking.")
            .missing("It does not say what is wrong with it.", tell.on("said")),
        _ => tell
            .begin(&place, "It was put into service and has never said how it is.")
            .risk("it gets no work until it says that it is healthy.")
            .next("Start it where it is to run; it says itself how it is.")
            .safe("Leave it: nothing is routed to a worker of which nothing is known.")
            .harmful("Counting on it in a plan: it may never have been started.")
            .missing("It is not known how it is.", tell.on("said")),
    };
    Ok(draft.end())
}
