//! What did a drill show that does not work, and what of that which it stopped was not restored?

use super::item::{self, Item};
use super::opening::{Care, Opening};
use super::tell::Tell;
use super::{Queue, known, notes, words};
use crate::narrative::{Evidence, Narrative};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::Poison;
use chancery_ledger::domains::{Event, Risk, capability, drill, switch, worker};
use chancery_ledger::format::ids::Scope;
use serde::{Deserialize, Serialize};

/// The queue.
pub(super) static QUEUE: Queue = Queue {
    name: "rollback",
    question: "What did a drill show that does not work, or leave stopped?",
    fold,
    also,
    tell,
};

/// Something that was stopped and not restored.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stop {
    id: String,
    /// The item that it has, when a drill showed it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    item: Option<String>,
    position: u64,
    scope: String,
    what: String,
}

impl Stop {
    fn about(&self) -> String {
        format!("{} {}", self.what, self.id)
    }
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &Event) -> Result<(), Poison> {
    match event {
        Event::Switch(switch::Event::TurnedOff {}) => stop(rows, seen, "feature"),
        Event::Switch(switch::Event::TurnedOn { .. }) => restored(rows, seen, "feature"),
        Event::Switch(switch::Event::Engaged { .. }) => stop(rows, seen, "switch"),
        Event::Switch(switch::Event::Cleared { .. }) => restored(rows, seen, "switch"),
        Event::Capability(capability::Event::Disabled {}) => stop(rows, seen, "capability"),
        Event::Capability(capability::Event::Enabled {}) => restored(rows, seen, "capability"),
        Event::Worker(worker::Event::Suspended {}) => stop(rows, seen, "worker"),
        Event::Worker(worker::Event::Promoted { .. } | worker::Event::Revoked {}) => {
            restored(rows, seen, "worker")
        }
        Event::Drill(drill::Event::Recorded { item, passed }) => recorded(rows, seen, item, *passed),
        _ => Ok(()),
    }
}

fn stop_key(seen: &Seen<'_>, what: &str) -> String {
    format!("stop {what} {}", seen.place())
}

/// Notes that something was stopped: a drill may show it.
fn stop(rows: &mut Rows<'_>, seen: &Seen<'_>, what: &str) -> Result<(), Poison> {
    restored(rows, seen, what)?;
    let (id, scope) = (seen.entity_id.to_owned(), seen.scope.to_owned());
    let stop = Stop { id, item: None, position: seen.position, scope, what: what.to_owned() };
    let key = stop_key(seen, what);
    notes::put(rows, seen, &key, stop)?;
    notes::put(rows, seen, &format!("stopped {}", seen.position), key)
}

/// It goes on: what was noted is forgotten, and so is its item.
fn restored(rows: &mut Rows<'_>, seen: &Seen<'_>, what: &str) -> Result<(), Poison> {
    let key = stop_key(seen, what);
    let Some(stop) = notes::get::<Stop>(rows, &key)? else { return Ok(()) };
    if let Some(item) = &stop.item {
        item::close(rows, seen, item)?;
    }
    notes::remove(rows, &format!("stopped {}", stop.position));
    notes::remove(rows, &key);
    Ok(())
}

/// The key of the item of a drill's item that did not pass.
fn failed_key(scope: &str, name: &str) -> String {
    item::key(QUEUE.name, scope, &format!("drill {name}"), "not_passed")
}

fn recorded(rows: &mut Rows<'_>, seen: &Seen<'_>, name: &str, passed: bool) -> Result<(), Poison> {
    let within = Scope::parse(seen.scope).ok();
    for position in seen.cause {
        let Some(key) = notes::get::<String>(rows, &format!("stopped {position}"))? else { continue };
        let Some(mut stop) = notes::get::<Stop>(rows, &key)? else { continue };
        // A drill may cite what was stopped elsewhere: that is not of its scope.
        let at = Scope::parse(&stop.scope).ok().zip(within.as_ref());
        if stop.item.is_some() || !at.is_some_and(|(at, within)| within.contains(&at)) {
            continue;
        }
        let decides = match stop.what.as_str() {
            "feature" => "switch.turn_on",
            "switch" => "switch.clear",
            "capability" => "capability.enable",
            _ => "worker.promote",
        };
        let opening =
            Opening::new(QUEUE.name, seen, stop.about(), "not_restored", Risk::Medium, Care::Owner(decides))
                .subject(format!("{} {}", stop.about(), stop.scope))
                .fact("what", stop.position, &stop.what)
                .fact("id", stop.position, &stop.id)
                .fact("drill", seen.position, seen.entity_id);
        stop.item = Some(item::open(rows, seen, opening)?);
        notes::put(rows, seen, &key, stop)?;
    }
    match passed {
        // It passes here, and so what did not pass here or above is resolved.
        true => known::upward(seen.scope)
            .try_for_each(|scope| item::close(rows, seen, &failed_key(scope.as_str(), name))),
        false => {
            let about = format!("drill {name}");
            let opening =
                Opening::new(QUEUE.name, seen, about, "not_passed", Risk::High, Care::Owner("drill.record"))
                    .fact("item", seen.position, name)
                    .fact("drill", seen.position, seen.entity_id)
                    .fact("by", seen.position, seen.actor);
            item::open(rows, seen, opening).map(|_| ())
        }
    }
}

/// What a drill showed outlives the scope that it was performed in: it is carried to the scope above.
pub(super) fn outlive(rows: &mut Rows<'_>, seen: &Seen<'_>, closed: &str) -> Result<(), Poison> {
    for name in drill::ITEMS {
        let key = failed_key(closed, name);
        let Some(row) = rows.get(&key)? else { continue };
        let shown: Item = row.read()?;
        item::close(rows, seen, &key)?;
        item::carry(rows, seen, shown, &row.about, seen.scope)?;
    }
    Ok(())
}

fn also(item: &Item) -> &'static [&'static str] {
    match item.cause.as_str() {
        "not_passed" => &["switch.engage", "capability.disable"],
        _ => &[],
    }
}

fn tell(tell: &Tell<'_>) -> Result<Narrative, Poison> {
    let item = tell.item;
    if item.cause == "not_passed" {
        let name = item.fact("item").map_or("", |fact| fact.text.as_str());
        let at = item.fact("drill").map_or(item.last.position, |fact| fact.position);
        let told = tell.private(at, "narrative")?;
        let what = words::drill(name);
        let why = match &told {
            Some(told) => {
                format!("The drill {} tried {what}, and it did not work: {told}.", tell.id("drill"))
            }
            None => format!("The drill {} tried {what}, and it did not work.", tell.id("drill")),
        };
        return Ok(tell
            .begin("Rollback drill", &why)
            .missing_if(told.is_none(), "What the drill told is not to be read here.", Evidence::at(at))
            .risk("what was to be relied on in an emergency was seen not to work.")
            .next("Find out why, mend it, and run the drill again.")
            .safe("Do not start work that relies on it.")
            .harmful("Recording it as passed without another drill.")
            .end());
    }
    let what = match item.fact("what").map_or("", |fact| fact.text.as_str()) {
        "feature" => "Feature",
        "switch" => "Kill switch",
        "capability" => "Capability",
        _ => "Worker",
    };
    let why = format!("The drill {} stopped it, and it was not restored since.", tell.id("drill"));
    Ok(tell
        .begin(&format!("{what} {}", tell.id("id")), &why)
        .risk("work that needs it is denied, though nobody meant to stop it for good.")
        .next("Restore it, or close the scope in which the drill was performed.")
        .safe("Leave it stopped: what is stopped adds no risk.")
        .harmful("Restoring it in a hurry in another scope than the one in which it was stopped.")
        .end())
}
