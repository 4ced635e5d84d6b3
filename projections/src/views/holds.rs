//! What waits for a second principal? One row a hold, with exactly what was asked for. SPEC 17.

use super::Mark;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use chancery_ledger::domains::hold::Event as Hold;
use chancery_ledger::domains::{Event, Risk};
use chancery_ledger::format::canonical::to_bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The view.
pub(super) static VIEW: View = View {
    name: "holds",
    question: "What waits for a second principal, who asked for it, and until when?",
    version: 1,
    access: Access::Read,
    indexes: &[Index::About, Index::State, Index::Rank, Index::Until],
    order: Order::Descending,
    states: &["pending", "approved", "denied", "cancelled", "expired", "used"],
    fold,
    show,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    action: String,
    /// Times that it was asked for again while it was pending.
    again: u64,
    /// Who answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    answered: Option<Mark>,
    /// Who asked, where and when.
    asked: Mark,
    deadline: i64,
    entity: String,
    id: String,
    risk: Risk,
    /// What used the approval up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    used: Option<Mark>,
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    used(rows, seen)?;
    match seen.event {
        Some(Event::Hold(Hold::Opened { hold, risk, until })) => {
            let body = Body {
                id: hold.clone(),
                action: seen.action.unwrap_or_default().to_owned(),
                entity: seen.entity(),
                asked: Mark::of(seen),
                risk: *risk,
                deadline: *until,
                again: 0,
                answered: None,
                used: None,
            };
            rows.put(Row::new(hold.as_str(), seen, body).state("pending").until(Some(*until)));
            Ok(())
        }
        Some(Event::Hold(event)) => rows.amend(seen.entity_id, seen, |row, body: &mut Body| {
            body.answered = Some(Mark::of(seen));
            row.state = state(event).to_owned();
            if row.state != "approved" {
                row.until = None;
            }
        }),
        Some(Event::Decision(chancery_ledger::domains::DecisionEvent::Held { hold })) => {
            rows.amend(hold, seen, |_, body: &mut Body| body.again += 1)
        }
        _ => Ok(()),
    }?;
    if let Some(Event::Hold(Hold::Approved {})) = seen.event {
        rows.put(Row::memo(format!("approved {}", seen.position), seen, seen.entity_id.to_owned()));
    }
    Ok(())
}

fn state(event: &Hold) -> &'static str {
    match event {
        Hold::Opened { .. } => "pending",
        Hold::Approved {} => "approved",
        Hold::Denied {} => "denied",
        Hold::Cancelled {} => "cancelled",
        Hold::Expired {} => "expired",
    }
}

/// The request that was held, asked again, cites the approval and uses it up; a no does not.
fn used(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let Some(action) = seen.action else { return Ok(()) };
    for approval in seen.cause {
        let key = format!("approved {approval}");
        let Some(hold) = rows.memo::<String>(&key)? else { continue };
        let mut done = false;
        rows.amend_known(&hold, seen, |row, body: &mut Body| {
            let same = body.action == action && body.entity == seen.entity() && body.asked.by == seen.actor;
            done = same && row.scope == seen.scope && row.state == "approved";
            if done {
                row.state = "used".to_owned();
                row.until = None;
                body.used = Some(Mark::of(seen));
            }
        })?;
        if done {
            rows.forget(&key);
        }
    }
    Ok(())
}

fn show(row: &Row, show: &Show<'_>) -> Result<Value, Poison> {
    let body: Body = row.read()?;
    let mut shown = row.value()?;
    let Value::Object(members) = &mut shown else { return Ok(shown) };
    let waits = matches!(row.state.as_str(), "pending" | "approved");
    members.insert("expired".to_owned(), json!(waits && show.now >= body.deadline));
    // Who may confirm must see what exactly; the arguments are private, so nobody else does.
    if waits && show.may("hold.approve") {
        let part = (show.part)(body.asked.position, 1)?;
        let text = part.map(|part| to_bytes(&part)).transpose();
        let text = text.map_err(|error| Poison::new(error.to_string()))?;
        let arguments = text.map(|text| serde_json::from_slice::<Value>(&text)).transpose();
        let arguments = arguments.map_err(|error| Poison::new(error.to_string()))?;
        members.insert("arguments".to_owned(), arguments.unwrap_or_default());
    }
    Ok(shown)
}
