//! What was told while a job was worked on, and to whom may it be shown? Four streams of one transcript. SPEC 17.

use super::place;
use super::preflights::outcomes;
use super::related::ends;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View, rank};
use chancery_ledger::domains::Event;
use chancery_ledger::domains::transcript::{Event as Told, Reason};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What operators read.
pub(super) static OPERATOR: View = stream(
    "transcript_operator",
    "What was told of a job, in plain words that are safe to show?",
    Access::Read,
    |row, show| shown(row, show, &["operator"]),
);

/// What administrators read.
pub(super) static TECHNICAL: View = stream(
    "transcript_technical",
    "What was told of a job, in technical detail?",
    Access::Restricted,
    |row, show| shown(row, show, &["technical"]),
);

/// What auditors read.
pub(super) static AUDIT: View =
    stream("transcript_audit", "What was told of a job for auditors?", Access::Audit, |row, show| {
        shown(row, show, &["audit"])
    });

const fn stream(
    name: &'static str,
    question: &'static str,
    access: Access,
    show: fn(&Row, &Show<'_>) -> Result<Value, Poison>,
) -> View {
    View {
        name,
        question,
        version: 1,
        access,
        indexes: &[Index::About],
        order: Order::Ascending,
        states: &["told", "gap", "released", "preflight", "closed"],
        fold: tell,
        show,
    }
}

/// What does not count.
pub(super) static QUARANTINE: View = View {
    name: "transcript_quarantine",
    question: "Which relayed events do not count, and why?",
    version: 1,
    access: Access::Restricted,
    indexes: &[Index::About, Index::State],
    order: Order::Ascending,
    states: &["quarantined", "withheld", "released"],
    fold: set_aside,
    show: |row, show| shown(row, show, &["operator", "technical", "audit"]),
};

/// A row of a stream. No text: it is read from the private part of the entry at `position`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    /// Of the end: the event that ended it, and how many events count.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    by: Option<String>,
    /// Of a preflight: names and outcomes of its checks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    checks: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    detector: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    events: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    fence: Option<u64>,
    job: String,
    /// Of a gap: the running numbers that never came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    missing: Option<(u64, u64)>,
    /// Where the text is, and where the event arrived.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reason: Option<Reason>,
    /// The release after review.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    released: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    worker: Option<String>,
}

/// What a stream keeps of a job: the last number that counts, and the largest that arrived.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Tally {
    accepted: u64,
    closed: bool,
    largest: u64,
}

fn blank(seen: &Seen<'_>) -> Body {
    Body {
        job: seen.entity_id.to_owned(),
        seq: None,
        position: None,
        fence: None,
        worker: None,
        time: Some(seen.time),
        reason: None,
        detector: None,
        released: None,
        missing: None,
        by: None,
        events: None,
        checks: None,
    }
}

fn put(rows: &mut Rows<'_>, seen: &Seen<'_>, key: String, state: &str, body: Body) -> Result<(), Poison> {
    let at = body.position.unwrap_or(seen.position);
    let about = format!("job {}", body.job);
    let row = Row::new(key, seen, body).about(about);
    rows.put(row.state(state).rank(rank(at)));
    Ok(())
}

fn tell(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    // Most entries are of no stream: nothing is looked up for them.
    match seen.event {
        Some(Event::Transcript(_) | Event::Preflight(_)) => {}
        Some(Event::Job(event)) if ends(event) => {}
        _ => return Ok(()),
    }
    let job = place(seen.scope, seen.entity_id);
    let mut tally: Tally = rows.memo(&format!("tally {job}"))?.unwrap_or_default();
    let at = |position: u64| format!("{job} {position}");
    match seen.event {
        Some(Event::Transcript(Told::Appended { fence, seq })) => {
            let body = Body {
                seq: Some(*seq),
                position: Some(seen.position),
                fence: Some(*fence),
                worker: Some(seen.actor.to_owned()),
                ..blank(seen)
            };
            put(rows, seen, at(seen.position), "told", body)?;
            tally.accepted = *seq;
        }
        Some(Event::Transcript(Told::Quarantined { reason, seq, worker, .. })) => {
            let kept = Kept { reason: *reason, seq: *seq, worker: worker.clone(), time: seen.time };
            rows.put(Row::memo(format!("kept {}", seen.position), seen, kept));
            if *reason != Reason::OutOfOrder {
                return Ok(());
            }
            tally.largest = tally.largest.max(*seq);
        }
        Some(Event::Transcript(Told::Released { position })) => {
            let kept: Option<Kept> = rows.memo(&format!("kept {position}"))?;
            let Some(kept) = kept else { return Err(Poison::new("what was released was not quarantined")) };
            let body = Body {
                seq: Some(kept.seq),
                position: Some(*position),
                worker: Some(kept.worker),
                time: Some(kept.time),
                reason: Some(kept.reason),
                released: Some(seen.position),
                ..blank(seen)
            };
            return put(rows, seen, at(*position), "released", body);
        }
        Some(Event::Transcript(Told::Closed { .. })) => return close(rows, seen, &job, tally),
        Some(Event::Job(event)) if ends(event) && tally.accepted + tally.largest > 0 => {
            return close(rows, seen, &job, tally);
        }
        Some(Event::Preflight(event)) => {
            let body = Body { checks: Some(outcomes(event)), position: Some(seen.position), ..blank(seen) };
            return put(rows, seen, at(seen.position), "preflight", body);
        }
        _ => return Ok(()),
    }
    gap(rows, seen, &job, &tally)?;
    rows.put(Row::memo(format!("tally {job}"), seen, tally));
    Ok(())
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    reason: Reason,
    seq: u64,
    time: i64,
    worker: String,
}

/// A gap stands behind what has come: others should have come before the newest that arrived.
fn gap(rows: &mut Rows<'_>, seen: &Seen<'_>, job: &str, tally: &Tally) -> Result<(), Poison> {
    let key = format!("{job} gap");
    if tally.largest <= tally.accepted {
        if rows.get(&key)?.is_some() {
            rows.remove(&key);
        }
        return Ok(());
    }
    let missing = Some((tally.accepted + 1, tally.largest));
    put(rows, seen, key, "gap", Body { missing, position: Some(seen.position), ..blank(seen) })
}

fn close(rows: &mut Rows<'_>, seen: &Seen<'_>, job: &str, tally: Tally) -> Result<(), Poison> {
    if tally.closed {
        return Ok(());
    }
    // With the event that says it is the last, nothing is missing; a job that ends otherwise leaves the gap.
    let gap = format!("{job} gap");
    if matches!(seen.event, Some(Event::Transcript(_))) && rows.get(&gap)?.is_some() {
        rows.remove(&gap);
    }
    let (by, events) = (Some(seen.kind.to_owned()), Some(tally.accepted));
    put(rows, seen, format!("{job} end"), "closed", Body { by, events, ..blank(seen) })?;
    rows.put(Row::memo(format!("tally {job}"), seen, Tally { closed: true, ..tally }));
    Ok(())
}

fn set_aside(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let job = place(seen.scope, seen.entity_id);
    match seen.event {
        Some(Event::Transcript(Told::Quarantined { detector, reason, seq, worker })) => {
            let body = Body {
                seq: Some(*seq),
                position: Some(seen.position),
                worker: Some(worker.clone()),
                reason: Some(*reason),
                detector: detector.clone(),
                ..blank(seen)
            };
            let state = if *reason == Reason::SecretLooking { "withheld" } else { "quarantined" };
            put(rows, seen, format!("{job} {}", seen.position), state, body)
        }
        Some(Event::Transcript(Told::Released { position })) => {
            rows.amend(&format!("{job} {position}"), seen, |row, body: &mut Body| {
                row.state = "released".to_owned();
                body.released = Some(seen.position);
            })
        }
        _ => Ok(()),
    }
}

fn shown(row: &Row, show: &Show<'_>, members: &[&str]) -> Result<Value, Poison> {
    let body: Body = row.read()?;
    let mut shown = row.value()?;
    let Value::Object(own) = &mut shown else { return Ok(shown) };
    if let Some((from, to)) = body.missing {
        own.insert("missing".to_owned(), json!({"from": from, "to": to}));
    }
    // Of what looked like it held a secret nothing was kept, and nothing is looked for.
    let Some(position) = body.position.filter(|_| row.state != "withheld" && body.seq.is_some()) else {
        return Ok(shown);
    };
    if let [member] = members {
        own.insert("text".to_owned(), show.private(position, member)?);
        return Ok(shown);
    }
    let texts = members.iter().map(|member| Ok(((*member).to_owned(), show.private(position, member)?)));
    own.insert("text".to_owned(), Value::Object(texts.collect::<Result<_, Poison>>()?));
    Ok(shown)
}
