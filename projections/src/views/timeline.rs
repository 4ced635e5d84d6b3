//! What happened to this? Every entry, under each thing that it is about. SPEC 17.

use super::related;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The view.
pub(super) static VIEW: View = View {
    name: "timeline",
    question: "What happened to this, in which order?",
    version: 1,
    access: Access::Read,
    indexes: &[Index::About, Index::Rank],
    order: Order::Ascending,
    states: &[],
    fold,
    show,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    actor: String,
    cause: Vec<u64>,
    entity: String,
    kind: String,
    position: u64,
    time: i64,
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let body = Body {
        action: seen.action.map(str::to_owned),
        actor: seen.actor.to_owned(),
        cause: seen.cause.to_vec(),
        entity: seen.entity(),
        kind: seen.kind.to_owned(),
        position: seen.position,
        time: seen.time,
    };
    // One body, under each of them.
    let (at, own) = (format!("{:016}", seen.position), seen.entity());
    let row = Row::new("", seen, body);
    let row = Row { body: row.body.written()?, ..row };
    for about in related::of(rows, seen)?.into_iter().chain([own]) {
        let row = Row { key: [&at, " ", &about].concat(), state: seen.domain().to_owned(), ..row.clone() };
        rows.put(row.about(about));
    }
    Ok(())
}

fn show(row: &Row, _: &Show<'_>) -> Result<Value, Poison> {
    row.value()
}
