//! What did a worker say while it worked, and what of it counts? SPEC 10.18.
//!
//! ```text
//! (nothing) --appended--> open --appended--> open --closed--> closed (terminal); so it is when the job is over
//! an event that does not count: quarantined --released--> released (terminal); it keeps its place of arrival
//! ```
//!
//! 1. The next event is the last accepted and one; nothing else is accepted.
//! 2. What comes after the end is quarantined, always, and changes no outcome.
//! 3. What a release shows stays where it arrived.
//! 4. Neither a worker nor time fills the world: what is quarantined is bounded, and forgotten after thirty days.

use super::spec::{ActionSpec, Field, Flow, Shape, may, need};
use super::table::{At, Place, Table};
use super::{Asked, Draft, Ended, Facts, Meta, Refusal, World};
use crate::code::Code;
use crate::format::json::Value;
use crate::format::limits::INT_MAX;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Bytes of one part of an accepted event.
pub const PART_MAX: usize = 4000;
/// Events that one transcript may have.
pub const EVENTS: usize = 10_000;
/// Quarantined events that one job may have, and after its end each worker for it.
pub const QUARANTINED: usize = 256;
/// Quarantined events, of jobs that are over or elsewhere, that one worker may have.
const STRAYS: usize = 512;
/// How long a quarantined event counts, and can be released, in milliseconds: thirty days.
const KEPT: i64 = 2_592_000_000;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    Append {
        fence: u64,
        seq: u64,
        #[serde(default)]
        operator: Option<String>,
        #[serde(default)]
        technical: Option<String>,
        #[serde(default)]
        audit: Option<String>,
        #[serde(default, rename = "final")]
        last: bool,
    },
    Release {
        position: u64,
        #[serde(default)]
        reason: Option<String>,
    },
    Quarantine {
        detector: String,
        seq: u64,
        worker: String,
    },
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "SPEC 10.18 documents the fields")]
pub enum Event {
    Appended {
        fence: u64,
        seq: u64,
    },
    Quarantined {
        #[serde(skip_serializing_if = "Option::is_none", default)]
        detector: Option<String>,
        reason: Reason,
        seq: u64,
        worker: String,
    },
    Closed {
        events: u64,
    },
    Released {
        position: u64,
    },
}

/// Why an event does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "SPEC 10.18 says what each means")]
pub enum Reason {
    PostTerminal,
    WrongScope,
    EmergencyDisabled,
    SchemaInvalid,
    Oversized,
    Replay,
    ReplayConflict,
    OutOfOrder,
    SecretLooking,
}

impl Reason {
    /// Every word, in the order of the variants, which is the order of the checks.
    pub const NAMES: &'static [&'static str] = &[
        "post_terminal",
        "wrong_scope",
        "emergency_disabled",
        "schema_invalid",
        "oversized",
        "replay",
        "replay_conflict",
        "out_of_order",
        "secret_looking",
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or_default()
    }
}

/// The transcript of a job that is not over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// Positions of the accepted events, the first of them `seq` 1.
    pub accepted: Vec<u64>,
    /// Whether its last event has come.
    pub closed: bool,
    /// Number of events that do not count.
    pub quarantined: usize,
}

/// A quarantined event that nobody released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Quarantined {
    job: Place,
    /// Whether there is something to release.
    kept: bool,
    /// From this instant on it is forgotten.
    until: i64,
    /// Whose it is, when it came after the job's end or is of a job elsewhere.
    stray: Option<SmolStr>,
}

/// Transcripts of jobs that are not over, and quarantined events that nobody released, by position and so by age.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    live: Table<Place, Transcript>,
    quarantine: BTreeMap<u64, Quarantined>,
    strays: Table<SmolStr, Vec<u64>>,
}

impl State {
    /// The transcript of a job.
    pub fn get(&self, job: At<'_>) -> Option<&Transcript> {
        self.live.get(&job)
    }

    /// Number of transcripts of jobs that are not over.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Number of quarantined events.
    pub fn quarantined(&self) -> usize {
        self.quarantine.len()
    }

    /// Whether a worker has as many events of jobs that are over, or elsewhere, as it may have: of this one, or in all.
    fn has_strays(&self, worker: &str, job: At<'_>, now: i64) -> bool {
        let own = self.strays.get(worker).map_or(&[][..], Vec::as_slice);
        let counts = own.iter().filter_map(|position| self.quarantine.get(position));
        let (mut all, mut here) = (0, 0);
        for event in counts.filter(|event| now < event.until) {
            all += 1;
            here += usize::from(event.job.at() == job);
        }
        all >= STRAYS || here >= QUARANTINED
    }

    fn forget(&mut self, position: u64) -> Option<Quarantined> {
        let event = self.quarantine.remove(&position)?;
        if let Some(worker) = &event.stray
            && let Some(own) = self.strays.get_mut(worker)
        {
            own.retain(|at| *at != position);
            if own.is_empty() {
                self.strays.remove(worker);
            }
        }
        Some(event)
    }

    /// Position of the accepted event that has this running number.
    pub fn accepted_at(&self, job: At<'_>, seq: u64) -> Option<u64> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.live.get(&job)?.accepted.get(index).copied()
    }
}

const SEQ: Field = need("seq", Shape::Int(1, INT_MAX), "running number, from 1: the last accepted and one");
const TEXT: Shape = Shape::Text(60_000);

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "transcript.append",
        "transcript",
        "Relay what happens while a job is worked on; the id is the job's. What does not fit is quarantined.",
        &[
            may("audit", TEXT, "for auditors"),
            super::job::FENCE,
            may("final", Shape::Bool, "whether this is the last"),
            may("operator", TEXT, "for operators: plain, and safe to show"),
            SEQ,
            may("technical", TEXT, "for administrators: detail"),
        ],
    )
    .flow(Flow::Reports),
    ActionSpec::new(
        "transcript.release",
        "transcript",
        "Show a quarantined event after review; it stays where it arrived and changes no outcome.",
        &[need("position", Shape::Int(1, INT_MAX), "its position"), super::scope::REASON],
    )
    .flow(Flow::Reports),
    ActionSpec::new(
        "transcript.quarantine",
        "transcript",
        "Record that a relayed event looked like it held a secret; the system's own.",
        &[
            need("detector", Shape::Id, "which detector found it"),
            SEQ,
            need("worker", Shape::Principal, "whose event it was"),
        ],
    )
    .flow(Flow::Reports),
];

pub(super) fn decide(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let at = asked.at();
    let over = facts.ending("job", &at.to_string()).is_some();
    match action {
        Action::Append { seq, .. } => append(world, facts, action, asked, over, *seq),
        Action::Release { position, .. } => {
            let quarantined = world.transcripts.quarantine.get(position);
            let quarantined = quarantined.filter(|event| event.job.at() == at && asked.now < event.until);
            match quarantined.map(|event| event.kept) {
                None => {
                    let text = format!("no quarantined event at {position} of job `{}`", asked.id);
                    Err(Refusal::new(Code::NotFound, text))
                }
                Some(false) => {
                    let text =
                        format!("the event at {position} was not kept: it looked like it held a secret");
                    Err(Refusal::new(Code::NothingToRelease, text))
                }
                Some(true) => {
                    let event = super::Event::Transcript(Event::Released { position: *position });
                    let mut draft = asked.draft("transcript", event, &["reason"]);
                    draft.cause = vec![*position];
                    Ok(vec![draft])
                }
            }
        }
        Action::Quarantine { detector, seq, worker } => {
            fit(world, facts, worker, asked, over)?;
            let event = Event::Quarantined {
                detector: Some(detector.clone()),
                reason: Reason::SecretLooking,
                seq: *seq,
                worker: worker.clone(),
            };
            Ok(vec![asked.draft("transcript", super::Event::Transcript(event), &[])])
        }
    }
}

fn append(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
    over: bool,
    seq: u64,
) -> Result<Vec<Draft>, Refusal> {
    let Action::Append { fence, operator, technical, audit, last, .. } = action else {
        return Ok(Vec::new());
    };
    let at = asked.at();
    let job = world.jobs.get(at);
    let transcript = world.transcripts.live.get(&at);
    fit(world, facts, asked.actor, asked, over)?;
    // From its deadline on a job is over, whether or not anybody has recorded so.
    let over = over || job.is_some_and(|job| asked.now >= job.deadline);
    let expected = transcript.map_or(0, |transcript| transcript.accepted.len() as u64) + 1;
    let parts = [operator, technical, audit];
    let capability = job.map(|job| job.capability.as_str());
    let stopped = world.switches.engaged(asked.scope, asked.actor, capability).next().is_some();
    let reason = if over || transcript.is_some_and(|transcript| transcript.closed) {
        Some(Reason::PostTerminal)
    } else if job.is_none() {
        Some(Reason::WrongScope)
    } else if stopped {
        Some(Reason::EmergencyDisabled)
    } else if parts.iter().all(|part| part.as_deref().is_none_or(str::is_empty)) {
        Some(Reason::SchemaInvalid)
    } else if parts.iter().any(|part| part.as_deref().is_some_and(|text| text.len() > PART_MAX)) {
        Some(Reason::Oversized)
    } else if seq > expected {
        Some(Reason::OutOfOrder)
    } else if seq < expected {
        let before = world.transcripts.accepted_at(at, seq).and_then(|position| facts.part(position, 0));
        let now = super::principal::private(asked.args, NAMES);
        Some(if before == now.as_ref() { Reason::Replay } else { Reason::ReplayConflict })
    } else {
        None
    };
    let draft = |event, names: &[&str]| asked.draft("transcript", super::Event::Transcript(event), names);
    if let Some(reason) = reason {
        let worker = asked.actor.to_owned();
        return Ok(vec![draft(Event::Quarantined { detector: None, reason, seq, worker }, NAMES)]);
    }
    let mut drafts = vec![draft(Event::Appended { fence: *fence, seq }, NAMES)];
    if *last {
        drafts.push(asked.bare("transcript", super::Event::Transcript(Event::Closed { events: seq })));
    }
    Ok(drafts)
}

/// Whether this worker may say anything about the job at all, and there is room for it.
fn fit(world: &World, facts: &Facts, worker: &str, asked: &Asked<'_>, over: bool) -> Result<(), Refusal> {
    let (at, job) = (asked.at(), world.jobs.get(asked.at()));
    if job.is_none() && !over && world.jobs.held(asked.id, worker).is_empty() {
        return Err(Refusal::new(Code::NotFound, format!("no job `{}` in `{}`", asked.id, asked.scope)));
    }
    super::worker::stand(world, facts, worker, asked.scope, job, asked.now)?;
    let full = |t: &Transcript| t.quarantined >= QUARANTINED || t.accepted.len() >= EVENTS;
    let full = match job {
        Some(_) => world.transcripts.live.get(&at).is_some_and(full),
        None => world.transcripts.has_strays(worker, at, asked.now),
    };
    if full {
        let text = format!("the transcript of `{}` is full", asked.id);
        return Err(Refusal::new(Code::TranscriptFull, text));
    }
    Ok(())
}

/// The parts of an event, which are private.
const NAMES: &[&str] = &["audit", "operator", "technical"];

/// Which stored part an event must be compared with.
pub(super) fn needs(world: &World, action: &Action, job: At<'_>) -> Option<u64> {
    let Action::Append { seq, .. } = action else { return None };
    world.transcripts.accepted_at(job, *seq)
}

/// The part that an accepted event of this value has.
pub fn parts(args: &Value) -> Option<Value> {
    super::principal::private(args, NAMES)
}

/// Ends the transcript of a job that is over.
pub(super) fn end(world: &mut World, job: At<'_>, position: u64, ended: &mut Vec<Ended>) {
    if world.transcripts.live.remove(&job).is_some() {
        ended.push(Ended { kind: "transcript", id: job.to_string(), state: "closed", position });
    }
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event) {
    let at = meta.at();
    let state = &mut world.transcripts;
    match event {
        Event::Appended { seq, .. } => {
            let transcript = state.live.entry(Place::new(at.scope, at.id)).or_default();
            transcript.accepted.push(meta.position);
            assert_eq!(transcript.accepted.len() as u64, *seq, "accepted events have no gap");
        }
        Event::Closed { .. } => {
            if let Some(transcript) = state.live.get_mut(&at) {
                transcript.closed = true;
            }
        }
        Event::Quarantined { reason, worker, .. } => {
            while let Some((oldest, _)) =
                state.quarantine.first_key_value().filter(|(_, e)| e.until <= meta.time)
            {
                let oldest = *oldest;
                state.forget(oldest);
            }
            let (job, kept) = (Place::new(at.scope, at.id), *reason != Reason::SecretLooking);
            let stray = if world.jobs.get(at).is_some() {
                state.live.entry(job.clone()).or_default().quarantined += 1;
                None
            } else {
                let worker = SmolStr::from(worker);
                state.strays.entry(worker.clone()).or_default().push(meta.position);
                Some(worker)
            };
            let event = Quarantined { job, kept, until: meta.time.saturating_add(KEPT), stray };
            state.quarantine.insert(meta.position, event);
        }
        Event::Released { position } => {
            assert!(state.forget(*position).is_some(), "a released event was quarantined");
        }
    }
}
