//! Does a transcript stay whole? Read in pages and read again, replayed, cut short.

use super::look::{Told, event};
use super::{By, Drill, Found, finding, text};
use crate::client::{Ask, ask};
use crate::diagnostic::Diagnostic;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::ids::IdempotencyKey;
use chancery_ledger::format::json::Value;
use chancery_ledger::{Code, Entropy};

/// What a reader had before the ledger was closed.
pub(super) struct Polled {
    from: u64,
    cursor: u64,
    told: Vec<Told>,
}

/// The job that is read while it is told.
const READ: &str = "j-read";
/// Entries of a page.
const PAGE: usize = 2;

/// `reconnect_polling`, the first half: a reader polls while events arrive, and goes away.
pub(super) fn poll(drill: &mut Drill) -> Result<Polled, Diagnostic> {
    let from = drill.size()?;
    drill.started(READ, By::Worker)?;
    drill.tell(READ, 1..=2)?;
    let (mut told, cursor) = drill.pages(READ, from, PAGE)?;
    drill.tell(READ, 3..=3)?;
    let (more, cursor) = drill.pages(READ, cursor, PAGE)?;
    told.extend(more);
    Ok(Polled { from, cursor, told })
}

/// The second half: it comes back with its cursor, after the ledger was closed and opened and more has arrived.
pub(super) fn reconnect(drill: &mut Drill, polled: &Polled) -> Found {
    let (nothing, cursor) = drill.pages(READ, polled.cursor, PAGE)?;
    drill.tell(READ, 4..=5)?;
    let (more, _) = drill.pages(READ, cursor, PAGE)?;
    let mut told = polled.told.clone();
    told.extend(more);
    let (whole, _) = drill.page(READ, polled.from, usize::MAX)?;
    let expected: Vec<String> = (1..=5).map(event).collect();
    let said: Vec<&String> = whole.iter().map(|told| &told.operator).collect();
    let right = nothing.is_empty() && told == whole && said == expected.iter().collect::<Vec<_>>();
    let place = format!("job `{READ}` in `{}`, read from entry {}", drill.scope, polled.from);
    let why = format!(
        "pages of {PAGE} entries by cursor, before and after the ledger was closed and opened, gave {} events; one \
         read gave {}",
        told.len(),
        whole.len()
    );
    Ok(finding(right, &place, &why, "a reader that lost its connection asks again from its last cursor"))
}

/// `replay_resilience`: an event that comes twice counts once.
pub(super) fn replay(drill: &mut Drill) -> Found {
    drill.started("j-replay", By::Worker)?;
    let key = IdempotencyKey::parse(&hex(&Entropy::default().take::<16>()?))
        .map_err(|error| Diagnostic::usage(error.to_string()))?;
    let arguments = vec![("fence", Value::Int(1)), ("operator", text(event(1))), ("seq", Value::Int(1))];
    let request =
        Ask { key: Some(key), ..Ask::with("transcript.append", &drill.scope, "j-replay", arguments) };
    let first = ask(&drill.ledger, drill.who(By::Worker), request.clone())?;
    drill.shows(&first);
    let before = drill.size()?;
    let retried = ask(&drill.ledger, drill.who(By::Worker), request)?;
    let appended = drill.size()? - before;
    let again = drill.append(By::Worker, "j-replay", 1, &event(1))?;
    drill.shows(&again);
    let reason = drill.reason(&again)?;
    let right = first.code.is_none()
        && retried.replay
        && retried.position == first.position
        && appended == 0
        && again.code == Some(Code::Quarantined)
        && reason == "replay";
    let place = format!("job `j-replay` in `{}`, event 1", drill.scope);
    let why = format!(
        "a retry under the same key left {appended} entries and the stored answer; the same event under a new key was \
         quarantined as `{reason}`"
    );
    Ok(finding(right, &place, &why, "retry with the same key; look at the quarantine when a worker does not"))
}

/// `partial_transcript`: what was told before a job was cancelled stays readable, and nothing is added to it.
pub(super) fn partial(drill: &mut Drill) -> Found {
    let from = drill.size()?;
    drill.started("j-partial", By::Worker)?;
    drill.tell("j-partial", 1..=3)?;
    let cancelled = drill.must(By::First, "job.cancel", "j-partial", Vec::new())?;
    drill.shows(&cancelled);
    let late = drill.append(By::Worker, "j-partial", 4, &event(4))?;
    drill.shows(&late);
    let reason = drill.reason(&late)?;
    let (kept, _) = drill.page("j-partial", from, usize::MAX)?;
    let right = kept.len() == 3
        && kept.iter().zip(1..).all(|(told, seq)| told.operator == event(seq))
        && late.code == Some(Code::Quarantined)
        && reason == "post_terminal"
        && drill.is_over("j-partial");
    let place = format!("job `j-partial` in `{}`, cancelled after event 3", drill.scope);
    let why = format!(
        "{} of 3 events can be read; the one that came late was quarantined as `{reason}`",
        kept.len()
    );
    Ok(finding(right, &place, &why, "read what there is, and submit another job for the rest"))
}
