//! Who has said that they have seen this? Acknowledgements, under the item and under the entry; they change neither.
//! SPEC 17.9.

use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use chancery_ledger::domains::{Event, attention};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The view.
pub(crate) static VIEW: View = View {
    name: "acknowledgements",
    question: "Who has said that they have seen this?",
    version: 1,
    access: Access::Read,
    indexes: &[Index::About],
    order: Order::Descending,
    states: &["entry", "item"],
    fold,
    show,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    by: String,
    position: u64,
    time: i64,
}

/// What the rows of an item are about.
pub(crate) fn of_item(id: &str) -> String {
    format!("attention {id}")
}

/// What the rows of an entry are about.
pub(crate) fn of_entry(position: u64) -> String {
    format!("entry {position}")
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let Some(Event::Attention(attention::Event::Acknowledged { position })) = seen.event else {
        return Ok(());
    };
    let body = Body { by: seen.actor.to_owned(), position: seen.position, time: seen.time };
    for (state, about) in [("item", of_item(seen.entity_id)), ("entry", of_entry(*position))] {
        rows.put(
            Row::new(format!("{} {state}", seen.position), seen, body.clone()).state(state).about(about),
        );
    }
    Ok(())
}

fn show(row: &Row, _: &Show<'_>) -> Result<Value, Poison> {
    row.value()
}
