//! What can work be for, and where is it enabled? One row for a capability, and one for each mark on it. SPEC 17.

use super::Mark;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use chancery_ledger::domains::capability::Event as Capability;
use chancery_ledger::domains::worker::Trust;
use chancery_ledger::domains::{Event, Risk};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The view.
pub(super) static VIEW: View = View {
    name: "capabilities",
    question: "What can work be for, under which conditions, and where is it enabled?",
    version: 1,
    access: Access::Read,
    indexes: &[Index::About, Index::State, Index::Rank],
    order: Order::Descending,
    states: &["registered", "enabled", "disabled"],
    fold,
    show,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    /// Of what is registered: the allow-list, and what it takes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    conditions: Option<Conditions>,
    id: String,
    last: Mark,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Conditions {
    commands: Vec<Vec<String>>,
    grant: bool,
    risk: Risk,
    trust: Trust,
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let Some(Event::Capability(event)) = seen.event else { return Ok(()) };
    let mut body = Body { id: seen.entity_id.to_owned(), last: Mark::of(seen), conditions: None };
    let mark = format!("{} {}", seen.entity_id, seen.scope);
    let (key, state) = match event {
        Capability::Registered { commands, grant, risk, trust } => {
            body.conditions =
                Some(Conditions { commands: commands.clone(), grant: *grant, risk: *risk, trust: *trust });
            (seen.entity_id.to_owned(), "registered")
        }
        Capability::Enabled {} => (mark, "enabled"),
        Capability::Disabled {} => (mark, "disabled"),
    };
    rows.put(Row::new(key, seen, body).state(state));
    Ok(())
}

fn show(row: &Row, _: &Show<'_>) -> Result<Value, Poison> {
    row.value()
}
