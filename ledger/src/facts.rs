//! What does the shell read for a request, and from where? What has ended, parts to compare with, an earlier hold.

use crate::code::Code;
use crate::domains::hold::{Event as HoldEvent, Standing};
use crate::domains::{Event, Facts, Need, World, needs, parse_event};
use crate::error::{Error, Result};
use crate::format::entry;
use crate::format::json;
use crate::gate::Request;
use crate::store::Reader;

/// Where facts come from.
pub(crate) struct Sources<'a> {
    /// The final state of what ended, when it did.
    pub(crate) ended: &'a dyn Fn(&str, &str) -> Result<Option<String>>,
    /// A stored part, salt first.
    pub(crate) part: &'a dyn Fn(u64, u64) -> Result<Option<Vec<u8>>>,
}

/// Reads what `actor`'s request needs. `prior` is the hold that its idempotency key opened, with its state.
pub(crate) fn gather(
    world: &World,
    request: &Request,
    actor: &str,
    prior: Option<(String, String)>,
    sources: &Sources<'_>,
) -> Result<Facts> {
    let mut facts = Facts { prior, ..Facts::default() };
    for need in needs(world, request, actor) {
        match need {
            Need::Ended(kind, id) => {
                if let Some(state) = (sources.ended)(kind, &id)? {
                    facts.ended.push((kind, id, state));
                }
            }
            Need::Part(position, slot) => {
                let stored = (sources.part)(position, slot)?;
                let text = stored.as_deref().and_then(|bytes| bytes.get(32..));
                if let Some(value) = text.and_then(|text| json::parse(text).ok()) {
                    facts.parts.push((position, slot, value));
                }
            }
        }
    }
    Ok(facts)
}

/// The hold that the entry at `position` opened, and what became of it by now.
pub(crate) fn hold_at(
    world: &World,
    reader: &Reader,
    (position, now): (u64, i64),
    ended: &dyn Fn(&str, &str) -> Result<Option<String>>,
) -> Result<Option<(String, String)>> {
    let Some(leaf) = reader.leaf(position)? else { return Ok(None) };
    let entry = entry::read(&leaf).map_err(|error| Error::damaged(error.to_string()))?;
    if entry.kind != "hold.opened" {
        return Ok(None);
    }
    let event = parse_event(entry.kind, entry.data.get().as_bytes())
        .map_err(|error| Error::new(Code::LedgerDamaged, error.to_string()))?;
    let Event::Hold(HoldEvent::Opened { hold, .. }) = event else { return Ok(None) };
    let state = hold_state(world, &hold, now, ended)?;
    Ok(Some((hold, state)))
}

/// What became of a hold by now.
pub(crate) fn hold_state(
    world: &World,
    hold: &str,
    now: i64,
    ended: &dyn Fn(&str, &str) -> Result<Option<String>>,
) -> Result<String> {
    Ok(match world.holds.get(hold) {
        Some(live) if now >= live.until => "expired".to_owned(),
        Some(live) if live.standing == Standing::Pending => "pending".to_owned(),
        Some(_) => "approved".to_owned(),
        None => ended("hold", hold)?.unwrap_or_default(),
    })
}
