//! What was each principal answered? Every recorded answer, with its effect and code. SPEC 17.

use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use chancery_ledger::Effect;
use chancery_ledger::domains::{Event, hold, outcome};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The view.
pub(super) static VIEW: View = View {
    name: "decisions",
    question: "What did this principal ask for, and what was it answered?",
    version: 1,
    access: Access::Audit,
    indexes: &[Index::About, Index::State, Index::Rank],
    order: Order::Descending,
    states: &["allow", "deny", "hold", "refuse"],
    fold,
    show,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    action: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    code: Option<String>,
    effect: String,
    entity: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    hold: Option<String>,
    position: u64,
    signed: bool,
    time: i64,
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let (Some(action), Some(event)) = (seen.action, seen.event) else { return Ok(()) };
    let (effect, code) = outcome(event);
    let effect = match effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
        Effect::Hold => "hold",
        Effect::Refuse => "refuse",
    };
    let hold = match event {
        Event::Hold(hold::Event::Opened { hold, .. }) => Some(hold.clone()),
        Event::Decision(chancery_ledger::domains::DecisionEvent::Held { hold }) => Some(hold.clone()),
        _ => None,
    };
    let body = Body {
        action: action.to_owned(),
        code: code.map(|code| code.as_str().to_owned()),
        effect: effect.to_owned(),
        entity: seen.entity(),
        hold,
        position: seen.position,
        signed: seen.signed,
        time: seen.time,
    };
    let row = Row::new(format!("{:016}", seen.position), seen, body);
    rows.put(row.about(format!("principal {}", seen.actor)).state(effect));
    Ok(())
}

fn show(row: &Row, _: &Show<'_>) -> Result<Value, Poison> {
    row.value()
}
