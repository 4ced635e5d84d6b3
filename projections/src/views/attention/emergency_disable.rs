//! What is stopped by a kill switch, by whom, and why? One item for each switch that is engaged.

use super::item::{self, Item};
use super::opening::{Care, Opening};
use super::tell::Tell;
use super::{Queue, known, words};
use crate::narrative::{Narrative, id};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::Poison;
use chancery_ledger::domains::switch::{Event as SwitchEvent, Target};
use chancery_ledger::domains::{Event, Risk};

/// The queue.
pub(super) static QUEUE: Queue = Queue {
    name: "emergency_disable",
    question: "What is stopped by a kill switch, by whom, and why?",
    fold,
    also,
    tell,
};

fn word(target: Target) -> &'static str {
    match target {
        Target::Scope => "scope",
        Target::Principal => "principal",
        Target::Capability => "capability",
    }
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &Event) -> Result<(), Poison> {
    let Event::Switch(event) = event else { return Ok(()) };
    let about = format!("switch {}", seen.entity_id);
    match event {
        SwitchEvent::Engaged { target } => {
            let risk = if *target == Target::Scope { Risk::High } else { Risk::Medium };
            let opening =
                Opening::new(QUEUE.name, seen, about, word(*target), risk, Care::Owner("switch.clear"))
                    .fact("switch", seen.position, seen.entity_id)
                    .fact("by", seen.position, seen.actor);
            let key = item::open(rows, seen, opening)?;
            known::kill(rows, seen, event, &key)
        }
        SwitchEvent::Cleared { target } => {
            item::close(rows, seen, &item::key(QUEUE.name, seen.scope, &about, word(*target)))?;
            known::kill(rows, seen, event, "")
        }
        SwitchEvent::TurnedOn { .. } | SwitchEvent::TurnedOff {} => Ok(()),
    }
}

fn also(_: &Item) -> &'static [&'static str] {
    &["grant.revoke", "lease.revoke", "job.cancel"]
}

fn tell(tell: &Tell<'_>) -> Result<Narrative, Poison> {
    let item = tell.item;
    let (switch, by) = (tell.id("switch"), tell.id("by"));
    let at = item.fact("by").map_or(item.first.position, |fact| fact.position);
    let reason = tell.private(at, "reason")?;
    let stops = match item.cause.as_str() {
        "scope" => "everything that adds to risk here and below".to_owned(),
        "principal" => format!("what principal {switch} does here and below"),
        _ => format!("work for the capability {switch} here and below"),
    };
    let why = match &reason {
        Some(reason) => format!("{by} engaged it, which stops {stops}; the reason given was {reason}."),
        None => format!("{by} engaged it, which stops {stops}."),
    };
    let jobs: Vec<String> = item.facts("job").iter().map(|fact| id(&fact.text)).collect();
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
    let risk = match jobs.is_empty() {
        true => "work is denied until it is cleared.".to_owned(),
        false => format!("work is denied until it is cleared; it stopped {}.", words::list(&jobs)),
    };
    Ok(tell
        .begin(&format!("Kill switch {switch}"), &why)
        .missing_if(reason.is_none(), "The entry has no reason that you may read.", tell.on("by"))
        .risk(&risk)
        .next("Find out whether what it was engaged for is over; to clear it takes two.")
        .safe("Close leases, revoke grants, cancel jobs: that stays open.")
        .safe("Leave it engaged: it adds no risk.")
        .harmful("Clearing it to get one job through: it is cleared for everything.")
        .end())
}
