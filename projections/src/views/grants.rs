//! Which job may use which credential, and until when? One row a grant. SPEC 17.

use super::related::ends;
use super::{Mark, place};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use chancery_ledger::domains::Event;
use chancery_ledger::domains::grant::Event as Grant;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The view.
pub(super) static VIEW: View = View {
    name: "grants",
    question: "Which job may use which credential, by which worker, and until when?",
    version: 1,
    access: Access::Read,
    indexes: &[Index::About, Index::State, Index::Rank, Index::Until],
    order: Order::Descending,
    states: &["live", "consumed", "revoked", "expired"],
    fold,
    show,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ended: Option<Mark>,
    expires: i64,
    id: String,
    issued: Mark,
    job: String,
    reference: String,
    #[serde(rename = "use")]
    purpose: String,
    worker: String,
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let key = place(seen.scope, seen.entity_id);
    let state = match seen.event {
        Some(Event::Grant(Grant::Issued { expires, job, reference, purpose, worker })) => {
            let body = Body {
                id: seen.entity_id.to_owned(),
                expires: *expires,
                issued: Mark::of(seen),
                job: job.clone(),
                reference: reference.clone(),
                purpose: purpose.clone(),
                worker: worker.clone(),
                ended: None,
            };
            let row = Row::new(key, seen, body).about(format!("job {job}"));
            rows.put(row.state("live").until(Some(*expires)));
            let of = format!("job {}", place(seen.scope, job));
            let mut live: Vec<String> = rows.memo(&of)?.unwrap_or_default();
            live.push(seen.entity_id.to_owned());
            rows.put(Row::memo(of, seen, live));
            return Ok(());
        }
        Some(Event::Grant(Grant::Consumed {})) => "consumed",
        Some(Event::Grant(Grant::Revoked {})) => "revoked",
        Some(Event::Grant(Grant::Expired {})) => "expired",
        Some(Event::Job(event)) if ends(event) => return job_over(rows, seen),
        _ => return Ok(()),
    };
    let mut of = String::new();
    rows.amend(&key, seen, |row, body| {
        end(row, body, seen, state);
        of = format!("job {}", place(seen.scope, &body.job));
    })?;
    let mut live: Vec<String> = rows.memo(&of)?.unwrap_or_default();
    live.retain(|id| id != seen.entity_id);
    match live.is_empty() {
        true => rows.forget(&of),
        false => rows.put(Row::memo(of, seen, live)),
    }
    Ok(())
}

fn end(row: &mut Row, body: &mut Body, seen: &Seen<'_>, state: &str) {
    row.state = state.to_owned();
    row.until = None;
    body.ended = Some(Mark::of(seen));
}

/// When a job is over, its live grants are revoked without an entry of their own.
fn job_over(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let of = format!("job {}", place(seen.scope, seen.entity_id));
    let Some(live) = rows.memo::<Vec<String>>(&of)? else { return Ok(()) };
    for id in live {
        rows.amend(&place(seen.scope, &id), seen, |row, body| end(row, body, seen, "revoked"))?;
    }
    rows.forget(&of);
    Ok(())
}

fn show(row: &Row, show: &Show<'_>) -> Result<Value, Poison> {
    let mut shown = row.value()?;
    if let Value::Object(members) = &mut shown {
        // Valid while the instant is before the end, whether or not an entry says so.
        let counts = row.state == "live" && row.until.is_some_and(|until| show.now < until);
        members.insert("counts".to_owned(), json!(counts));
    }
    Ok(shown)
}
