//! Did a job pass its checks before anything was touched? Names and outcomes only. SPEC 17.

use super::place;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use chancery_ledger::domains::Event;
use chancery_ledger::domains::preflight::{Check, Event as Preflight};
use serde_json::{Map, Value, json};

/// The view.
pub(super) static VIEW: View = View {
    name: "preflights",
    question: "Which checks did a job pass before anything was touched?",
    version: 1,
    access: Access::Read,
    indexes: &[Index::About, Index::State, Index::Rank],
    order: Order::Descending,
    states: &["passed", "stopped"],
    fold,
    show,
};

fn checks(checks: &[Check]) -> Value {
    checks.iter().map(|check| json!({"name": check.name, "passed": check.passed})).collect()
}

/// What may be shown of a preflight to anybody: names and outcomes.
pub(super) fn outcomes(event: &Preflight) -> Value {
    let Preflight::Evaluated { checks: five, enablement, gates, passed, stopped_at } = event;
    let mut members = Map::new();
    members.insert("checks".to_owned(), checks(five));
    for (name, more) in [("enablement", enablement), ("gates", gates)] {
        if !more.is_empty() {
            members.insert(name.to_owned(), checks(more));
        }
    }
    members.insert("passed".to_owned(), json!(passed));
    members.insert("stopped_at".to_owned(), json!(stopped_at));
    Value::Object(members)
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let Some(Event::Preflight(event)) = seen.event else { return Ok(()) };
    let Preflight::Evaluated { passed, .. } = event;
    let mut body = outcomes(event);
    if let Value::Object(members) = &mut body {
        members.insert("by".to_owned(), json!(seen.actor));
        members.insert("job".to_owned(), json!(seen.entity_id));
        members.insert("position".to_owned(), json!(seen.position));
        members.insert("time".to_owned(), json!(seen.time));
    }
    let key = format!("{} {}", place(seen.scope, seen.entity_id), seen.position);
    let row = Row::new(key, seen, body).about(format!("job {}", seen.entity_id));
    rows.put(row.state(if *passed { "passed" } else { "stopped" }));
    Ok(())
}

fn show(row: &Row, _: &Show<'_>) -> Result<Value, Poison> {
    row.value()
}
