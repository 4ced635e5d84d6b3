//! Is what is recorded what the rules answer? Member by member; values that nobody can derive again are taken as found.

use super::recorded::Recorded;
use crate::domains::{DecisionEvent, Draft, Event, hold, ledger, outcome, parse_event, token, write_event};
use crate::door;
use crate::format::canonical::to_bytes;
use crate::format::encoding::unhex;
use crate::format::json::{self, Value};

/// Takes over what was drawn at random or read from a clock: nothing of it is decided.
pub(super) fn adopt(
    draft: &mut Draft,
    recorded: &Recorded,
    is_new_hold: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let drawn = matches!(
        draft.event,
        Event::Hold(hold::Event::Opened { .. })
            | Event::Token(token::Event::Issued { .. })
            | Event::Ledger(ledger::Event::ClockConfirmed { .. })
    );
    if !drawn {
        return Ok(());
    }
    match (&mut draft.event, parse_event(&recorded.kind, &recorded.data)) {
        (
            Event::Hold(hold::Event::Opened { hold, .. }),
            Ok(Event::Hold(hold::Event::Opened { hold: found, .. })),
        ) => {
            let well_formed = found.strip_prefix('h').is_some_and(|hex| unhex::<8>(hex).is_some());
            if !(well_formed && is_new_hold(&found)) {
                return Err("the hold's id is not a new one".to_owned());
            }
            *hold = found;
        }
        (
            Event::Token(token::Event::Issued { hash, .. }),
            Ok(Event::Token(token::Event::Issued { hash: found, .. })),
        ) => *hash = found,
        (
            Event::Ledger(ledger::Event::ClockConfirmed { wall }),
            Ok(Event::Ledger(ledger::Event::ClockConfirmed { wall: found })),
        ) => *wall = found,
        // Another kind, which is told as such.
        _ => {}
    }
    Ok(())
}

/// Compares an entry with what the rules answer; `first` is the position of the request's first entry, when it is a further one.
pub(super) fn compare(recorded: &Recorded, draft: &Draft, first: Option<u64>) -> Result<(), String> {
    let mut data = Vec::with_capacity(256);
    let Ok(kind) = write_event(&draft.event, &mut data) else {
        return Err("what the rules answer cannot be written".to_owned());
    };
    let codes = |event: &Event| match event {
        Event::Decision(DecisionEvent::Denied { code } | DecisionEvent::Refused { code }) => {
            Some(code.clone())
        }
        event => outcome(event).1.map(|code| code.as_str().to_owned()),
    };
    if *recorded.kind != *kind || *recorded.data != *data {
        let found = parse_event(&recorded.kind, &recorded.data);
        let found_code = found.as_ref().ok().and_then(codes).filter(|code| is_code(code));
        let code = codes(&draft.event);
        if *recorded.kind != *kind || found_code != code {
            let (found, ours) = (named(&recorded.kind, found_code.as_deref()), named(kind, code.as_deref()));
            return Err(format!("recorded is {found}, the rules answer {ours}"));
        }
        return Err(format!(
            "`{kind}` differs from what the rules answer in {}",
            member(&recorded.data, &data)
        ));
    }
    if *recorded.entity_kind != *draft.entity_kind || *recorded.entity_id != *draft.entity_id {
        return Err(format!(
            "it is about {} `{}`, the rules answer about {} `{}`",
            recorded.entity_kind, recorded.entity_id, draft.entity_kind, draft.entity_id
        ));
    }
    let private = draft.private.as_ref().map(to_bytes).transpose();
    if !private.is_ok_and(|private| private.as_deref() == recorded.private.as_deref()) {
        return Err(format!("the private part of `{kind}` is not what was asked"));
    }
    let cause = door::cause(draft, first);
    if recorded.cause != cause {
        return Err(format!("it rests on {:?}, the rules answer {cause:?}", recorded.cause));
    }
    Ok(())
}

/// Whether a recorded code is a word: anything else is not shown.
fn is_code(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// A kind with its code.
pub(super) fn named(kind: &str, code: Option<&str>) -> String {
    match code {
        Some(code) => format!("`{kind}` with `{code}`"),
        None => format!("`{kind}`"),
    }
}

/// The kind of an event.
pub(super) fn kind_of(event: &Event) -> Option<&'static str> {
    write_event(event, &mut Vec::new()).ok()
}

/// The first member in which two objects differ.
fn member(found: &[u8], ours: &[u8]) -> String {
    let (Ok(Value::Object(found)), Ok(Value::Object(ours))) = (json::parse(found), json::parse(ours)) else {
        return "its members".to_owned();
    };
    let differs = |name: &&String| found.get(*name) != ours.get(*name);
    let name = ours.keys().chain(found.keys()).find(differs);
    name.map_or_else(|| "how it is written".to_owned(), |name| format!("`{name}`"))
}
