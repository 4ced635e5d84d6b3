//! What must be remembered to decide again, beside the world? What has ended, what is compared with, and which idempotency key
//! opened which hold.
//!
//! What is only compared is kept as a digest: memory grows with what has ended and with what waits, never with what was said.

use crate::domains::hold::Standing;
use crate::domains::table::At;
use crate::domains::{Ended, Event, World, hold, transcript};
use crate::format::canonical::to_bytes;
use crate::format::hash::Digest;
use crate::gate::Request;
use std::collections::HashMap;

/// The beginning of a digest: enough that nobody finds two texts with the same one.
type Short = [u8; 16];

/// What stands for a part that is not the one that is compared with it: no part is `null`.
const OTHER: &[u8] = b"null";

/// The hold that an idempotency key opened.
#[derive(Debug)]
struct Opened {
    hold: String,
    entity: Box<str>,
    args: Short,
    /// Whether the same key was answered once more.
    over: bool,
}

/// What is over, and what is compared with.
#[derive(Debug, Default)]
pub(super) struct Memory {
    ended: HashMap<Short, &'static str>,
    keys: HashMap<Digest, Opened>,
    /// Arguments of live holds.
    holds: HashMap<String, Short>,
    /// Private parts of accepted events, ascending by position, of each job whose transcript is open.
    accepted: HashMap<String, Vec<(u64, Short)>>,
}

fn short(parts: &[&[u8]]) -> Short {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
}

fn name(kind: &str, id: &str) -> Short {
    short(&[kind.as_bytes(), b" ", id.as_bytes()])
}

impl Memory {
    /// The final state of something that has ended.
    pub(super) fn ended(&self, kind: &str, id: &str) -> Option<&'static str> {
        self.ended.get(&name(kind, id)).copied()
    }

    /// The hold that this key opened, with its state; or that the key had its answer already.
    pub(super) fn prior(
        &self,
        world: &World,
        key: &Digest,
        request: &Request,
    ) -> Result<Option<(String, String)>, ()> {
        let Some(known) = self.keys.get(key) else { return Ok(None) };
        let state = match world.holds.get(&known.hold) {
            Some(live) if live.standing == Standing::Pending => return Err(()),
            Some(_) => "approved",
            None => self.ended("hold", &known.hold).unwrap_or_default(),
        };
        let same = *known.entity == *request.id.as_str() && known.args == short(&[&request.args_text]);
        if known.over || !same {
            return Err(());
        }
        Ok(Some((known.hold.clone(), state.to_owned())))
    }

    /// The part that a request is compared with, salt first: the request's own when they are the same, else another.
    pub(super) fn part(
        &self,
        world: &World,
        request: &Request,
        actor: &str,
        (position, slot): (u64, u64),
    ) -> Option<Vec<u8>> {
        let (stored, own) = if slot == 1 {
            let id = world.holds.opened_at(actor, position)?;
            (self.holds.get(id).copied(), Some(request.args_text.clone()))
        } else {
            let job = At { scope: request.scope.as_str(), id: request.id.as_str() };
            let accepted = self.accepted.get(&job.to_string())?;
            let at = accepted.binary_search_by_key(&position, |row| row.0).ok()?;
            let own = transcript::parts(&request.args).and_then(|value| to_bytes(&value).ok());
            (accepted.get(at).map(|row| row.1), own)
        };
        let stored = stored?;
        let text = own.filter(|own| short(&[own]) == stored);
        Some([&[0; 32], text.as_deref().unwrap_or(OTHER)].concat())
    }

    /// Takes in what an entry did. `answers` is the key and the request that it answers.
    pub(super) fn take(
        &mut self,
        event: &Event,
        at: At<'_>,
        (position, private): (u64, Option<&[u8]>),
        answers: Option<(Digest, &Request)>,
        ended: Vec<Ended>,
    ) {
        if let Some((key, request)) = answers {
            if let Some(known) = self.keys.get_mut(&key) {
                known.over = true;
            }
            if let Event::Hold(hold::Event::Opened { hold, .. }) = event {
                let (hold, args) = (hold.clone(), short(&[&request.args_text]));
                self.holds.insert(hold.clone(), args);
                self.keys.insert(key, Opened { hold, entity: request.id.as_str().into(), args, over: false });
            }
        }
        if let (Event::Transcript(transcript::Event::Appended { .. }), Some(text)) = (event, private) {
            self.accepted.entry(at.to_string()).or_default().push((position, short(&[text])));
        }
        for over in ended {
            match over.kind {
                "hold" => drop(self.holds.remove(&over.id)),
                "transcript" => drop(self.accepted.remove(&over.id)),
                _ => {}
            }
            self.ended.insert(name(over.kind, &over.id), over.state);
        }
    }
}
