//! What must be remembered to decide again, beside the world? What has ended, what is compared with, and which idempotency key
//! opened which hold.
//!
//! Memory grows with what has ended and with what waits, not with what was said: of what is only compared a digest is kept, and of
//! what the world no longer asks for nothing.

use crate::domains::table::At;
use crate::domains::{Ended, Event, Facts, World, hold, transcript};
use crate::facts::{self, Sources};
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
    /// Live holds, each with the entry that opened it and its arguments.
    holds: HashMap<String, u64>,
    args: HashMap<u64, Vec<u8>>,
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

/// A part as it is stored, with a salt that says nothing.
fn salted(text: &[u8]) -> Vec<u8> {
    [&[0; 32], text].concat()
}

fn name(kind: &str, id: &str) -> Short {
    short(&[kind.as_bytes(), b" ", id.as_bytes()])
}

impl Memory {
    /// The final state of something that has ended.
    pub(super) fn ended(&self, kind: &str, id: &str) -> Option<&'static str> {
        self.ended.get(&name(kind, id)).copied()
    }

    /// What the rules may look at beside the world; an error is an answer that the writer had not given.
    pub(super) fn facts(
        &self,
        world: &World,
        request: &Request,
        (actor, key, now): (&str, &Digest, i64),
    ) -> Result<Facts, String> {
        let sources = Sources {
            ended: &|kind, id| Ok(self.ended(kind, id).map(str::to_owned)),
            part: &|position, slot| Ok(self.part(request, position, slot)),
        };
        let prior = match self.keys.get(key) {
            None => None,
            Some(known) => {
                let state = facts::hold_state(world, &known.hold, now, sources.ended).unwrap_or_default();
                let same =
                    *known.entity == *request.id.as_str() && known.args == short(&[&request.args_text]);
                if known.over || !same || state == "pending" {
                    return Err("its idempotency key had its answer before".to_owned());
                }
                Some((known.hold.clone(), state))
            }
        };
        facts::gather(world, request, actor, prior, &sources).map_err(|error| error.to_string())
    }

    /// A part that a request is compared with, salt first. Of what was accepted of a transcript only a digest is kept: it is given
    /// as the request's own when they are the same, else as another.
    fn part(&self, request: &Request, position: u64, slot: u64) -> Option<Vec<u8>> {
        if slot == 1 {
            return self.args.get(&position).map(|text| salted(text));
        }
        let job = At { scope: request.scope.as_str(), id: request.id.as_str() };
        let accepted = self.accepted.get(&job.to_string())?;
        let at = accepted.binary_search_by_key(&position, |row| row.0).ok()?;
        let own = transcript::parts(&request.args).and_then(|value| to_bytes(&value).ok());
        let same = own.filter(|own| accepted.get(at).is_some_and(|row| row.1 == short(&[own])));
        Some(salted(same.as_deref().unwrap_or(OTHER)))
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
                self.holds.insert(hold.clone(), position);
                self.args.insert(position, request.args_text.clone());
                let (entity, args) = (request.id.as_str().into(), short(&[&request.args_text]));
                self.keys.insert(key, Opened { hold: hold.clone(), entity, args, over: false });
            }
        }
        if let (Event::Transcript(transcript::Event::Appended { .. }), Some(text)) = (event, private) {
            self.accepted.entry(at.to_string()).or_default().push((position, short(&[text])));
        }
        for over in ended {
            match over.kind {
                "hold" => drop(self.holds.remove(&over.id).and_then(|position| self.args.remove(&position))),
                "transcript" => drop(self.accepted.remove(&over.id)),
                _ => {}
            }
            self.ended.insert(name(over.kind, &over.id), over.state);
        }
    }
}
