//! What stands between a job and live work over SSH? One item for each job that asked, as long as it is not over.

use super::item::{self, CITED, Fact, Item};
use super::opening::{Care, Opening};
use super::tell::Tell;
use super::{Queue, known, words};
use crate::narrative::Narrative;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::Poison;
use chancery_ledger::domains::preflight::{Check, Event as PreflightEvent};
use chancery_ledger::domains::{Event, Risk};

/// The queue.
pub(super) static QUEUE: Queue = Queue {
    name: "live_gate",
    question: "What stands between a job and live work over SSH?",
    fold,
    also,
    tell,
};

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &Event) -> Result<(), Poison> {
    let Event::Preflight(PreflightEvent::Evaluated { enablement, gates, .. }) = event else { return Ok(()) };
    let about = format!("job {}", seen.entity_id);
    let failed = |checks: &[Check]| -> Vec<Fact> {
        let failed = checks.iter().filter(|check| !check.passed).take(CITED);
        failed.map(|check| Fact { position: seen.position, text: check.name.clone() }).collect()
    };
    let (gates, conditions) = (failed(gates), failed(enablement));
    if gates.is_empty() && conditions.is_empty() {
        return item::close(rows, seen, &item::key(QUEUE.name, seen.scope, &about, "closed"));
    }
    let until = known::job(rows, seen, seen.entity_id)?.map(|job| job.deadline);
    // The first that somebody can open; when nobody can, it ends with the job's deadline.
    let decides = gates.iter().chain(&conditions).find_map(|fact| words::opens(&fact.text));
    let care = match (decides, until) {
        (Some(action), until) => Care::with(action, until),
        (None, Some(until)) => Care::Until(until),
        (None, None) => Care::Owner("job.cancel"),
    };
    let opening = Opening::new(QUEUE.name, seen, about, "closed", Risk::Low, care)
        .fact("job", seen.position, seen.entity_id)
        .all("gate", gates)
        .all("condition", conditions)
        .ends(known::job_chain(seen.scope, seen.entity_id));
    item::open(rows, seen, opening).map(|_| ())
}

fn also(item: &Item) -> &'static [&'static str] {
    match item.facts("condition").is_empty() {
        true => &["job.cancel"],
        false => &["switch.turn_on", "capability.enable", "job.cancel"],
    }
}

fn tell(tell: &Tell<'_>) -> Result<Narrative, Poison> {
    let item = tell.item;
    let named = |name: &str| -> Vec<&'static str> {
        item.facts(name).iter().map(|fact| words::gate(&fact.text)).collect()
    };
    let (gates, conditions) = (named("gate"), named("condition"));
    let why = match (gates.is_empty(), conditions.is_empty()) {
        (false, false) => format!(
            "These gates are closed: {}. These conditions are not met: {}.",
            words::list(&gates),
            words::list(&conditions)
        ),
        (false, true) => format!("These gates are closed: {}.", words::list(&gates)),
        (true, _) => {
            format!("Every gate is open; these conditions are not met: {}.", words::list(&conditions))
        }
    };
    let never = item.facts("condition").iter().any(|fact| words::opens(&fact.text).is_none());
    let draft = tell
        .begin(&format!("Live work of job {}", tell.id("job")), &why)
        .risk("nothing was opened: the checks stop before SSH, whatever they say.");
    let draft = match never {
        true => draft.next("Mend the gates that can be mended; the last condition is never met in this build, so live work stays closed."),
        false => draft.next("Mend what is closed, and have the checks evaluated again."),
    };
    Ok(draft
        .safe("Let the job end: the item ends with it.")
        .safe("Ask for a dry run instead: it stops before the network.")
        .harmful("Reaching the host past the ledger because the gate is closed.")
        .end())
}
