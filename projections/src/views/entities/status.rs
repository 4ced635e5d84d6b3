//! What is a reader told of an entity? Whether it is well, why, what it may do, and what waits for it. SPEC 17.

use super::freshness::{Freshness, freshness, sentence};
use super::{Body, STOPPED};
use crate::show::Show;
use crate::view::{Poison, Row};
use chancery_ledger::domains::{ACTIONS, ActionSpec, action_spec};
use chancery_ledger::gate::MATRIX;
use serde_json::{Value, json};

/// States in which something is not well, and in which sentence.
const TROUBLE: &[(&str, &str, &str)] = &[
    ("principal", "pending", "It waits for somebody else to activate it."),
    ("principal", "suspended", "It may not act."),
    ("key", "suspected", "What it signed from a position on is suspect."),
    ("host_key", "bootstrap", "It was observed and nobody reviewed it: it is not trusted."),
    ("host_key", "changed", "The host shows another key than the one that was verified: it is not trusted."),
    ("host_key", "rejected", "It was reviewed and is not trusted."),
    ("switch", "engaged", "What adds to risk is stopped."),
    ("hold", "pending", "It waits for a second principal."),
    ("hold", "approved", "It was confirmed and waits to be asked again."),
    ("worker", "suspended", "It may not work."),
    ("job", "blocked", "There was nobody to do it."),
    ("job", "failed", "It was done, and failed."),
    ("job", "timed_out", "Nobody had begun it when its deadline passed."),
    ("job", "cancelled", "It was cancelled."),
    ("job", "outcome_missing", "It was begun, and nobody said what came of it."),
    ("lease", "failed", "The provider gave nothing."),
    ("preflight", "stopped", "A check did not pass."),
    ("drill", "failed", "What had to happen did not."),
];

/// What is waited for in a state, by an action of whoever may.
const WAITS: &[(&str, &str, &str)] = &[
    ("principal", "pending", "principal.activate"),
    ("principal", "suspended", "principal.reactivate"),
    ("key", "suspected", "key.revoke"),
    ("host_key", "bootstrap", "host_key.verify"),
    ("host_key", "changed", "host_key.verify"),
    ("switch", "engaged", "switch.clear"),
    ("hold", "pending", "hold.approve"),
    ("worker", "suspended", "worker.promote"),
];

/// What a reader is shown.
pub(super) fn show(row: &Row, show: &Show<'_>) -> Result<Value, Poison> {
    let body: Body = row.read()?;
    let (fresh, trouble) = (freshness(&body, show.now), trouble(&body));
    let mut why = vec![json!({
        "text": format!("It is {} since entry {}.", body.state.replace('_', " "), body.since.position),
        "positions": [body.since.position],
    })];
    if let Some(text) = trouble {
        why.push(json!({"text": text, "positions": [body.since.position]}));
    }
    if let Some(cause) = body.fact.as_ref().filter(|_| body.kind == "job" && body.state == "blocked") {
        why.push(json!({"text": format!("What no worker passed first is `{cause}`."), "positions": [body.since.position]}));
    }
    if !body.over || fresh != Freshness::Current {
        why.push(json!({"text": sentence(&body, show.now), "positions": [body.evidence.position]}));
    }
    Ok(json!({
        "kind": body.kind,
        "id": body.id,
        "over": body.over,
        "freshness": fresh,
        "ok": fresh == Freshness::Current && trouble.is_none(),
        "why": why,
        "first": body.first,
        "last": {"by": body.last.by, "event": body.event, "position": body.last.position, "time": body.last.time},
        "related": body.related,
        "can_do": can_do(&body, show).map(|spec| json!({"action": spec.id, "risk": spec.risk})).collect::<Vec<_>>(),
        "needs_me": needs_me(&body, show),
    }))
}

fn trouble(body: &Body) -> Option<&'static str> {
    if body.kind == "job" && body.state == "cancelled" && body.fact.as_deref() == Some(STOPPED) {
        return Some("It was cancelled, because a kill switch was engaged.");
    }
    let row = TROUBLE.iter().find(|(kind, state, _)| *kind == body.kind && *state == body.state);
    row.map(|row| row.2)
}

/// Actions on entities of this kind that the reader's roles allow; nothing is done to what is over.
fn can_do<'a>(body: &'a Body, show: &'a Show<'_>) -> impl Iterator<Item = &'static ActionSpec> {
    let somebody = |id: &str| MATRIX.iter().any(|rule| rule.action == id && !rule.roles.is_empty());
    let all = ACTIONS.iter().copied().flatten().filter(move |spec| {
        !body.over && spec.entity == body.kind && !spec.is_read() && somebody(spec.id) && show.may(spec.id)
    });
    all.collect::<Vec<_>>().into_iter()
}

/// What waits for the reader: it may do it, and the separation rule does not keep it from it.
fn needs_me(body: &Body, show: &Show<'_>) -> Vec<Value> {
    let barred = show.principal.is_some_and(|reader| body.barred.contains(reader));
    let transcript = body.kind == "transcript" && body.fact.as_deref().is_some_and(|aside| aside != "0");
    let waits = WAITS.iter().filter(|(kind, state, _)| *kind == body.kind && *state == body.state);
    let actions = waits.map(|row| row.2).chain(transcript.then_some("transcript.release"));
    let mine = actions.filter(|action| {
        // Who confirms a hold may do what is held.
        let held = if body.kind == "hold" { body.fact.as_deref() } else { None };
        let over = body.evidence.until.is_some_and(|until| show.now >= until);
        !barred && !over && show.may(action) && held.is_none_or(|held| show.may(held))
    });
    mine.filter_map(action_spec)
        .map(|spec| {
            json!({"action": spec.id, "why": spec.help, "positions": [body.since.position], "risk": spec.risk})
        })
        .collect()
}
