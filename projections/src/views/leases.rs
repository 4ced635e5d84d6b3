//! Which secret was asked for, for whom, and what came of it? Never the secret, nor what it is known by. SPEC 17.

use super::{Mark, place};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use chancery_ledger::domains::Event;
use chancery_ledger::domains::lease::{Event as Lease, Failure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The view.
pub(super) static VIEW: View = View {
    name: "leases",
    question: "Which retrievals of secrets were opened, under which grant, and how did they end?",
    version: 1,
    access: Access::Read,
    indexes: &[Index::About, Index::State, Index::Rank, Index::Until],
    order: Order::Descending,
    states: &["open", "resolved", "failed", "closed", "revoked", "expired"],
    fold,
    show,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ended: Option<Mark>,
    expires: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    failure: Option<Failure>,
    fence: u64,
    grant: String,
    id: String,
    job: String,
    opened: Mark,
    provider: String,
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    resolved: Option<Mark>,
    worker: String,
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let Some(Event::Lease(event)) = seen.event else { return Ok(()) };
    let key = place(seen.scope, seen.entity_id);
    let Lease::Opened { expires, fence, grant, job, provider, reference } = event else {
        return rows.amend(&key, seen, |row, body| change(row, body, seen, event));
    };
    let body = Body {
        id: seen.entity_id.to_owned(),
        expires: *expires,
        fence: *fence,
        grant: grant.clone(),
        job: job.clone(),
        opened: Mark::of(seen),
        provider: provider.clone(),
        reference: reference.clone(),
        worker: seen.actor.to_owned(),
        resolved: None,
        failure: None,
        ended: None,
    };
    let row = Row::new(key, seen, body).about(format!("job {job}"));
    rows.put(row.state("open").until(Some(*expires)));
    Ok(())
}

fn change(row: &mut Row, body: &mut Body, seen: &Seen<'_>, event: &Lease) {
    let state = match event {
        Lease::Opened { .. } => return,
        Lease::Resolved { .. } => {
            body.resolved = Some(Mark::of(seen));
            row.state = "resolved".to_owned();
            return;
        }
        Lease::Failed { failure } => {
            body.failure = Some(*failure);
            "failed"
        }
        Lease::Closed {} => "closed",
        Lease::Revoked {} => "revoked",
        Lease::Expired {} => "expired",
    };
    row.state = state.to_owned();
    row.until = None;
    body.ended = Some(Mark::of(seen));
}

fn show(row: &Row, show: &Show<'_>) -> Result<Value, Poison> {
    let mut shown = row.value()?;
    if let Value::Object(members) = &mut shown {
        let counts = row.until.is_some_and(|until| show.now < until);
        members.insert("counts".to_owned(), json!(counts));
    }
    Ok(shown)
}
