//! What is turned on, and what is stopped? One row for each feature and kill switch in each scope. SPEC 17.

use super::Mark;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use chancery_ledger::domains::Event;
use chancery_ledger::domains::switch::{Event as Switch, Target};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The view.
pub(super) static VIEW: View = View {
    name: "switches",
    question: "Which features are on, until when, and what is stopped by a kill switch?",
    version: 1,
    access: Access::Read,
    indexes: &[Index::About, Index::State, Index::Rank, Index::Until],
    order: Order::Descending,
    states: &["on", "off", "engaged", "clear"],
    fold,
    show,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    id: String,
    /// `feature` or `kill`.
    kind: String,
    last: Mark,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    runbook: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    target: Option<Target>,
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let Some(Event::Switch(event)) = seen.event else { return Ok(()) };
    let mut body = Body {
        id: seen.entity_id.to_owned(),
        kind: "feature".to_owned(),
        last: Mark::of(seen),
        runbook: None,
        target: None,
    };
    let (state, until) = match event {
        Switch::TurnedOn { runbook, until } => {
            body.runbook.clone_from(runbook);
            ("on", Some(*until))
        }
        Switch::TurnedOff {} => ("off", None),
        Switch::Engaged { target } => {
            body.target = Some(*target);
            ("engaged", None)
        }
        Switch::Cleared { target } => {
            body.target = Some(*target);
            ("clear", None)
        }
    };
    let key = match body.target {
        None => format!("feature {} {}", seen.scope, seen.entity_id),
        // A scope has one, whatever the id.
        Some(Target::Scope) => format!("kill {} scope", seen.scope),
        Some(Target::Principal) => format!("kill {} principal {}", seen.scope, seen.entity_id),
        Some(Target::Capability) => format!("kill {} capability {}", seen.scope, seen.entity_id),
    };
    if body.target.is_some() {
        body.kind = "kill".to_owned();
    }
    rows.put(Row::new(key, seen, body).state(state).until(until));
    Ok(())
}

fn show(row: &Row, show: &Show<'_>) -> Result<Value, Poison> {
    let mut shown = row.value()?;
    if let Value::Object(members) = &mut shown {
        let counts = row.state == "engaged" || row.until.is_some_and(|until| show.now < until);
        members.insert("counts".to_owned(), json!(counts));
    }
    Ok(shown)
}
