//! What needs somebody's attention? Eight queues of items: each arises from entries, and leaves when its cause is resolved.
//! SPEC 17.9.
//!
//! 1. An item has an owner, the roles that decide, or a wake-up, the instant at which the clock does.
//! 2. An acknowledgement is no entry of an item: it changes none, and no order.
//! 3. What ends an item is found by key, never searched for.

mod emergency_disable;
mod execution;
mod host_key_review;
pub(crate) mod item;
mod known;
mod live_gate;
mod notes;
mod opening;
mod provider_lease;
mod rollback;
mod tell;
mod transcript_quarantine;
mod words;
mod worker_health;

use crate::narrative::Narrative;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use chancery_ledger::domains::Event;
use chancery_ledger::gate::{self, Separation};
use item::Item;
use serde_json::{Value, json};
use tell::Tell;

/// A queue.
#[derive(Debug)]
pub struct Queue {
    /// Its name, the state of its rows.
    pub name: &'static str,
    /// What it is about, in one sentence.
    pub question: &'static str,
    fold: fn(&mut Rows<'_>, &Seen<'_>, &Event) -> Result<(), Poison>,
    /// Actions beside the owner's that resolve or reduce an item.
    also: fn(&Item) -> &'static [&'static str],
    tell: fn(&Tell<'_>) -> Result<Narrative, Poison>,
}

/// Every queue; there are no others.
pub static QUEUES: [&Queue; 8] = [
    &worker_health::QUEUE,
    &host_key_review::QUEUE,
    &transcript_quarantine::QUEUE,
    &execution::QUEUE,
    &provider_lease::QUEUE,
    &rollback::QUEUE,
    &emergency_disable::QUEUE,
    &live_gate::QUEUE,
];

const NAMES: &[&str] = &[
    worker_health::QUEUE.name,
    host_key_review::QUEUE.name,
    transcript_quarantine::QUEUE.name,
    execution::QUEUE.name,
    provider_lease::QUEUE.name,
    rollback::QUEUE.name,
    emergency_disable::QUEUE.name,
    live_gate::QUEUE.name,
];

/// The view.
pub(crate) static VIEW: View = View {
    name: "attention",
    question: "What needs somebody's attention, why, and who decides?",
    version: 2,
    access: Access::Read,
    indexes: &[Index::State, Index::About, Index::Rank, Index::Until],
    order: Order::Ascending,
    states: NAMES,
    fold,
    show,
};

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let Some(event) = seen.event else { return Ok(()) };
    known::learn(rows, seen, event)?;
    for queue in QUEUES {
        (queue.fold)(rows, seen, event)?;
    }
    known::forget(rows, seen, event)
}

/// The queue of a row.
fn queue_of(row: &Row) -> Result<&'static Queue, Poison> {
    let found = QUEUES.into_iter().find(|queue| queue.name == row.state);
    found.ok_or_else(|| Poison::new(format!("row `{}` is in no queue", row.key)))
}

/// Whether the reader may do this to the item, as far as its roles and the separation of duties say.
fn may(item: &Item, row: &Row, show: &Show<'_>, action: &str) -> bool {
    let Some((_, rule)) = gate::declared(action) else { return false };
    let own = |name: &str| item.facts(name).iter().any(|fact| show.principal == Some(fact.text.as_str()));
    let apart = match rule.separation {
        Separation::Itself => row.about.split_once(' ').map(|(_, id)| id) == show.principal,
        Separation::NotObserver => !own("observer"),
        _ => true,
    };
    show.may(action) && (apart || show.principal.is_none())
}

/// What a reader may do about an item, what decides it first; and whether the decision is the reader's.
fn options(queue: &Queue, item: &Item, row: &Row, show: &Show<'_>) -> (Vec<String>, bool) {
    let owner = item.owner.as_deref();
    let actions = owner.into_iter().chain((queue.also)(item).iter().copied());
    let mut can: Vec<String> = Vec::new();
    for action in actions.filter(|action| may(item, row, show, action)) {
        if !can.iter().any(|known| known == action) {
            can.push(action.to_owned());
        }
    }
    (can, owner.is_some_and(|action| may(item, row, show, action)))
}

fn show(row: &Row, show: &Show<'_>) -> Result<Value, Poison> {
    let (queue, item): (_, Item) = (queue_of(row)?, row.read()?);
    let (can, needs) = options(queue, &item, row, show);
    let narrative = (queue.tell)(&Tell { item: &item, row, show })?;
    let (_, id) = row.key.split_once(' ').unwrap_or_default();
    let mut value = json!({
        "age_ms": show.now.saturating_sub(item.first.time),
        "can_do": can,
        "cause": item.cause,
        "count": item.count,
        "first": item.first,
        "id": id,
        "last": item.last,
        "narrative": narrative,
        "needs_me": needs,
        "open": item.open,
        "overdue": row.until.is_some_and(|until| show.now >= until),
        "positions": item.evidence(),
        "queue": queue.name,
        "risk": item.risk,
    });
    if let (Some(owner), Value::Object(members)) = (&item.owner, &mut value) {
        members.insert("owner".to_owned(), json!({ "action": owner, "roles": narrative.decides }));
    }
    Ok(value)
}
