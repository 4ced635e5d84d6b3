//! How do requests become durable answers? The one writer thread: a batch at a time, in the order of SPEC 11.

use crate::answer::{Answer, Effect, Receipt, ReceiptEntry};
use crate::clock::LedgerTime;
use crate::code::Code;
use crate::domains::door::minute_of;
use crate::domains::{self, Facts};
use crate::door::{Conflict, Door, Recorded, Sealed, Unrecorded};
use crate::error::{Error, Result};
use crate::fingerprint::FingerprintKey;
use crate::format::checkpoint::{Checkpoint, Note};
use crate::format::entry;
use crate::format::hash::{ARGS, Digest};
use crate::format::key::PrivateKey;
use crate::format::limits::{ANSWER, COMMIT};
use crate::format::tree::{Frontier, Subtree, leaf_hash};
use crate::gate::{self, Caller, Request};
use crate::limits::Stopwatch;
use crate::over::Over;
use crate::published::{Counted, Published};
use crate::queue::{Queue, Reply, Waiting};
use crate::released::Released;
use crate::stats::Stats;
use crate::store::{self, Anchor, Answered, Batch, EndedRow, Marker, Paths, Reader, SPACE_MIN, Wal, Watch};
use crate::trace::{Point, Step, Tracer};
use crate::{door, facts, relay};
use std::collections::HashMap;
use std::sync::Arc;

/// Free bytes below which the reserve file is given back.
const SPACE_LAST: u64 = 4 << 20;

/// Everything that the writer's thread owns.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) door: Door,
    pub(crate) time: LedgerTime,
    pub(crate) frontier: Frontier,
    pub(crate) log_key: PrivateKey,
    pub(crate) marker: Marker,
    /// The newest head: it stands in the anchor, and goes into the store with the next batch.
    pub(crate) head: Arc<Note>,
    pub(crate) released: Arc<Released>,
    pub(crate) conn: rusqlite::Connection,
    pub(crate) reader: Reader,
    pub(crate) answered: Answered,
    pub(crate) over: Over,
    pub(crate) anchor: Anchor,
    pub(crate) watch: Watch,
    pub(crate) wal: Wal,
    pub(crate) paths: Paths,
    pub(crate) trace: Tracer,
    pub(crate) published: Arc<Published>,
    pub(crate) counted: Counted,
    pub(crate) fingerprints: Arc<FingerprintKey>,
    pub(crate) stats: Arc<Stats>,
}

/// What is left of the disk and of the write-ahead log when a batch begins.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Free bytes, where they are known.
    space: Option<u64>,
    /// Whether the write-ahead log may grow.
    wal: bool,
}

impl Room {
    /// For what the system records of its own.
    const AMPLE: Self = Self { space: None, wal: true };

    /// Whether there is room for what does not reduce risk.
    fn check(self) -> Result<()> {
        if self.space.is_some_and(|free| free < SPACE_MIN) {
            let text = format!("less than {} MiB are free on the ledger's disk", SPACE_MIN >> 20);
            return Err(Error::new(Code::StorageFull, text));
        }
        if !self.wal {
            let text = "a reader keeps the write-ahead log from being emptied, and it is full";
            return Err(Error::new(Code::WalFull, text));
        }
        Ok(())
    }
}

/// Whether one more answer fits a commit.
fn has_room(entries: &[Sealed]) -> bool {
    entries.len() + ANSWER <= COMMIT
}

/// What a receipt is made from.
struct Outcome {
    effect: Effect,
    code: Option<Code>,
    message: Option<String>,
    entries: Vec<ReceiptEntry>,
    secret: Option<String>,
    hold: Option<String>,
    replay: bool,
    warning: Option<&'static str>,
}

/// What is ready to be answered once the batch is durable.
enum Ready {
    Recorded(Box<Outcome>),
    /// An entry of this batch or of the store answered the same key before.
    Replay(Digest, Box<Request>),
    /// The same for a token that ended with that answer; or else the conflict.
    Again(Digest, Box<(Request, Caller, Conflict)>),
    Conflict(Conflict),
    Failed(Error),
}

impl Writer {
    /// Serves the queue until it is closed. An error means that nobody knows what is durable: the caller ends
    /// the process.
    pub(crate) fn run(mut self, queue: &Queue) -> Result<()> {
        while let Some(batch) = queue.take() {
            self.batch(batch, queue, false)?;
        }
        // What was counted and not recorded yet, this minute's as well: nobody will know of it later.
        let mut left = usize::MAX;
        while (1..left).contains(&self.counted.len()) {
            left = self.counted.len();
            self.batch(Vec::new(), queue, true)?;
        }
        self.answered.finish()?;
        // A clean end leaves no WAL behind; whether it works changes nothing that was promised.
        let _ = store::empty_wal(&self.conn);
        Ok(())
    }

    /// Answers one batch, or as much of it as a commit may hold. What was counted in minutes that are over is recorded
    /// with it; when the ledger is closing, all that was counted.
    pub(crate) fn batch(&mut self, batch: Vec<Waiting>, queue: &Queue, closing: bool) -> Result<()> {
        let first = self.door.world.position;
        let mut ready: Vec<(Reply, Ready)> = Vec::with_capacity(batch.len());
        let mut entries: Vec<Sealed> = Vec::with_capacity(batch.len());
        let mut keys: HashMap<Digest, u64> = HashMap::with_capacity(batch.len());
        let room = Room { space: free_space(&self.paths), wal: self.wal.has_room(&self.conn)? };
        self.over.refresh(&self.reader)?;
        let minute = if closing { i64::MAX } else { minute_of(self.time.now()) };
        self.count(&mut entries, &mut keys, minute);
        let mut batch = batch.into_iter();
        while has_room(&entries)
            && let Some(waiting) = batch.next()
        {
            let outcome = self.request(waiting.request, &mut entries, &mut keys, room);
            ready.push((waiting.reply, outcome));
        }
        queue.put_back(batch);
        if !entries.is_empty()
            && let Err(error) = self.make_durable(first, &entries)
        {
            for (reply, _) in ready {
                reply(Answer::Failed(Error::new(Code::OutcomeUnknown, error.to_string())));
            }
            return Err(error);
        }
        let indexed = match entries.last() {
            Some(last) => self.answered.add(keys.into_iter().collect(), last.position + 1, last.address),
            None => Ok(()),
        };
        self.published.take(&mut self.door.unpublished);
        self.released.set(&self.head);
        for (reply, outcome) in ready {
            reply(self.render(outcome));
        }
        self.trace.step(Step::Answered { size: self.door.world.position });
        indexed
    }

    /// Records what was only counted in minutes before this one; it is kept until it is recorded.
    fn count(&mut self, entries: &mut Vec<Sealed>, keys: &mut HashMap<Digest, u64>, minute: i64) {
        for (actor, at, count) in self.counted.before(minute) {
            if !has_room(entries) {
                return;
            }
            // Whoever is no more has no scope in which it could be said.
            let Some(principal) = self.door.world.principals.get(&actor) else {
                self.counted.forget(actor, at);
                continue;
            };
            let Ok(salt) = self.door.entropy.take() else { return };
            let occasion = (at, self.door.world.position);
            let name = self.door.origin.name();
            let Some(request) = relay::counted(&principal.scope, &actor, occasion, count, name, salt) else {
                return;
            };
            if let Ready::Recorded(_) = self.request(request, entries, keys, Room::AMPLE) {
                self.counted.forget(actor, at);
            }
        }
    }

    /// Steps 2 to 8 for one request: nothing is durable yet.
    fn request(
        &mut self,
        mut request: Request,
        entries: &mut Vec<Sealed>,
        keys: &mut HashMap<Digest, u64>,
        room: Room,
    ) -> Ready {
        let now = self.time.now();
        let mut caller = match self.door.authenticate(&request, now) {
            Ok(caller) => caller,
            Err(conflict) => return self.again(request, keys, now, conflict),
        };
        let warning = self.warning(&request, &caller);
        if relay::is_relay(&request) {
            let known = relay::handed_out(&self.door.world, &request, &caller.principal);
            relay::search(&self.fingerprints, &known, &mut request);
        }
        if request.tainted.is_some() {
            match self.without_secret(&request, &caller, entries, now) {
                Ok(Ok(clean)) => request = clean,
                Ok(Err(conflict)) => return Ready::Conflict(conflict),
                Err(error) => return Ready::Failed(error),
            }
            caller = Caller::by_key(domains::principal::SYSTEM);
        }
        let key = gate::idempotency_digest(&caller.principal, &request.scope, request.spec.id, &request.key);
        let prior = match self.find(&key, keys, now) {
            Ok(Prior::None) => None,
            Ok(Prior::Answered) => return Ready::Replay(key, Box::new(request)),
            // A hold is not final: the same request under the same key asks again.
            Ok(Prior::Held(position, hold)) => match self.same_request(position, &request) {
                Ok(true) => Some(hold),
                Ok(false) => return Ready::Replay(key, Box::new(request)),
                Err(error) => return Ready::Failed(error),
            },
            Err(error) => return Ready::Failed(error),
        };
        if let Err(conflict) = self.door.check_fresh(&request, now) {
            return Ready::Conflict(conflict);
        }
        let confirms = request.spec.id == "ledger.confirm_clock";
        if !confirms && let Err(error) = self.time.check() {
            return Ready::Failed(error);
        }
        if !request.spec.reduces_risk()
            && let Err(error) = room.check()
        {
            return Ready::Failed(error);
        }
        let facts = match self.facts(&request, &caller, prior, entries) {
            Ok(facts) => facts,
            Err(error) => return Ready::Failed(error),
        };
        let instants = (now, self.time.wall());
        let over_before = self.door.ended.len();
        let answered = self.door.answer(&request, &caller, key, &facts, instants);
        for ended in self.door.ended.iter().skip(over_before) {
            self.over.add(ended.kind, &ended.id);
        }
        match answered {
            Ok(Err(Unrecorded::Read)) => {
                let message = "it may be read, and reading leaves no entry".to_owned();
                Ready::Conflict(Conflict { code: Code::NothingToRecord, message })
            }
            Ok(Err(Unrecorded::Counted)) => {
                self.counted.add(&caller.principal, minute_of(now));
                let text = format!(
                    "more than {} noes in a minute; further ones are only counted",
                    domains::door::QUOTA
                );
                Ready::Conflict(Conflict { code: Code::OverQuota, message: text })
            }
            Ok(Ok(recorded)) => {
                if confirms && recorded.code.is_none() {
                    self.time.confirm();
                }
                let Recorded { effect, code, message, entries: sealed, secret, hold } = recorded;
                keys.extend(sealed.first().map(|first| (key, first.position)));
                let receipt = |e: &Sealed| ReceiptEntry {
                    address: e.address,
                    kind: e.kind.to_owned(),
                    position: e.position,
                };
                let receipts = sealed.iter().map(receipt).collect();
                entries.extend(sealed);
                Ready::Recorded(Box::new(Outcome {
                    effect,
                    code,
                    message,
                    entries: receipts,
                    secret,
                    hold,
                    replay: false,
                    warning,
                }))
            }
            Err(error) => Ready::Failed(error),
        }
    }

    /// What is not answered because the token ended: the answer that it ended with was perhaps lost on the way.
    fn again(&self, request: Request, keys: &HashMap<Digest, u64>, now: i64, conflict: Conflict) -> Ready {
        let spent = door::authenticate_spent(&self.door.world, &self.door.origin, &request, now);
        let Ok(caller) = spent else { return Ready::Conflict(conflict) };
        let key = gate::idempotency_digest(&caller.principal, &request.scope, request.spec.id, &request.key);
        match self.find(&key, keys, now) {
            Ok(Prior::Answered) => Ready::Again(key, Box::new((request, caller, conflict))),
            Ok(Prior::None | Prior::Held(..)) => Ready::Conflict(conflict),
            Err(error) => Ready::Failed(error),
        }
    }

    /// `unsigned`, where that is to be warned of.
    fn warning(&self, request: &Request, caller: &Caller) -> Option<&'static str> {
        let world = &self.door.world;
        let kind = world.principals.get(&caller.principal)?.kind;
        let warns = gate::level(world, kind) == domains::ledger::Level::Warn;
        (warns && request.attestation.is_none()).then_some("unsigned")
    }

    /// What the system records in place of a relayed event that looks like it holds a secret; nothing, when the
    /// caller may not relay at all.
    fn without_secret(
        &mut self,
        request: &Request,
        caller: &Caller,
        entries: &[Sealed],
        now: i64,
    ) -> Result<std::result::Result<Request, Conflict>> {
        let facts = self.facts(request, caller, None, entries)?;
        let allowed = gate::evaluate(&self.door.world, &facts, request, caller, now);
        if let gate::Verdict::Allow(_) = allowed
            && let Some(clean) = relay::without_secret(
                request,
                &caller.principal,
                self.door.origin.name(),
                self.door.entropy.take()?,
            )
        {
            return Ok(Ok(clean));
        }
        let pointer = request.tainted.as_ref().map_or("", |found| found.pointer.as_str());
        let message = format!("what stands at `{pointer}` looks like a secret, and it may not be relayed");
        Ok(Err(Conflict { code: Code::SecretInArguments, message }))
    }

    /// Whether an entry answered this key: one of this batch, or one of the store.
    fn find(&self, key: &Digest, keys: &HashMap<Digest, u64>, now: i64) -> Result<Prior> {
        if keys.contains_key(key) {
            return Ok(Prior::Answered);
        }
        let Some(position) = self.answered.get(key)? else { return Ok(Prior::None) };
        let Some(leaf) = self.reader.leaf(position)? else { return Ok(Prior::None) };
        if !entry::read(&leaf).is_ok_and(|entry| entry.by.is_some_and(|by| by.key == *key)) {
            return Ok(Prior::None);
        }
        let ended = |kind: &str, id: &str| self.ended(kind, id);
        Ok(match facts::hold_at(&self.door.world, &self.reader, (position, now), &ended)? {
            Some((_, state)) if state == "pending" => Prior::Answered,
            Some(hold) => Prior::Held(position, hold),
            None => Prior::Answered,
        })
    }

    /// Whether the request that the entry at `position` answers is this one.
    fn same_request(&self, position: u64, request: &Request) -> Result<bool> {
        let (leaf, args) = (self.reader.leaf(position)?, self.reader.part(position, 1)?);
        let (Some(leaf), Some(args)) = (leaf, args) else { return Ok(false) };
        let salt = args.first_chunk::<32>().copied().unwrap_or_default();
        let entry = entry::read(&leaf).map_err(|error| Error::damaged(error.to_string()))?;
        let same = entry.by.is_some_and(|by| by.args == ARGS.commit(&salt, &request.args_text));
        Ok(same && entry.entity.id == request.id.as_str())
    }

    /// The final state of something: of this batch, or of the store.
    fn ended(&self, kind: &str, id: &str) -> Result<Option<String>> {
        if !self.over.may_have(kind, id) {
            return Ok(None);
        }
        let here = self.door.ended.iter().rev().find(|ended| ended.kind == kind && ended.id == id);
        match here {
            Some(here) => Ok(Some(here.state.to_owned())),
            None => self.reader.ending(kind, id),
        }
    }

    /// What the decision must know beside the world.
    fn facts(
        &self,
        request: &Request,
        caller: &Caller,
        prior: Option<(String, String)>,
        entries: &[Sealed],
    ) -> Result<Facts> {
        let first = self.frontier.size();
        let sources = facts::Sources {
            ended: &|kind, id| self.ended(kind, id),
            part: &|position, slot| {
                let here = position.checked_sub(first).and_then(|at| entries.get(usize::try_from(at).ok()?));
                match here {
                    None => self.reader.part(position, slot),
                    Some(entry) => {
                        let part = if slot == 0 { &entry.private } else { &entry.args };
                        Ok(part.as_ref().map(|part| [&part.salt[..], &part.text].concat()))
                    }
                }
            },
        };
        facts::gather(&self.door.world, request, &caller.principal, prior, &sources)
    }

    /// Step 9: commit, sign, anchor. After this the entries may be answered.
    pub(crate) fn make_durable(&mut self, first: u64, entries: &[Sealed]) -> Result<()> {
        let watch = Stopwatch::start();
        let made = self.write_down(first, entries);
        self.stats.commits.observe(u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX));
        made
    }

    fn write_down(&mut self, first: u64, entries: &[Sealed]) -> Result<()> {
        if let Some(sample) = entries.first() {
            second_opinion(&sample.leaf)?;
        }
        let mut tiles: Vec<Subtree> = Vec::new();
        for entry in entries {
            self.frontier.push_with(leaf_hash(&entry.leaf), |tile| tiles.push(tile));
        }
        let address_of = |position: u64| {
            let index = usize::try_from(position - first).unwrap_or(usize::MAX);
            entries.get(index).map_or(Digest::ZERO, |entry| entry.address)
        };
        let ended: Vec<EndedRow> = self
            .door
            .ended
            .drain(..)
            .map(|e| EndedRow {
                digest: address_of(e.position),
                kind: e.kind,
                id: e.id,
                state: e.state,
                position: e.position,
            })
            .collect();
        let previous = self.stored_form_of_head()?;
        self.trace.point(Point::BeforeCommit);
        let head = Checkpoint {
            origin: self.door.origin.clone(),
            size: self.frontier.size(),
            root: self.frontier.root(),
        };
        let mark = self.marker.mark(&head);
        let batch = Batch { entries, tiles: &tiles, ended: &ended, previous, mark: &mark };
        store::append(&self.conn, &batch)?;
        self.trace.step(Step::Committed { size: self.frontier.size() });
        // Crash here: the entries are durable and nobody knows of them; the next start signs them as found.
        self.trace.point(Point::AfterCommit);
        let note = head.sign(&self.log_key);
        self.trace.step(Step::Signed { size: note.checkpoint.size, root: note.checkpoint.root });
        // Crash here: the same head is signed again, to the same bytes, at the next start.
        self.trace.point(Point::AfterSign);
        self.anchor.write(&note)?;
        self.trace.step(Step::Anchored { size: note.checkpoint.size });
        // Crash here: the head is released, no answer was given; a retry with the same key gets it.
        self.trace.point(Point::AfterAnchor);
        // What was written to files that are no longer there is answered to nobody.
        self.watch.check()?;
        self.head = Arc::new(note);
        Ok(())
    }

    fn stored_form_of_head(&self) -> Result<Option<(u64, [u8; 64])>> {
        let size = self.head.checkpoint.size;
        if size == 0 {
            return Ok(None);
        }
        let sig = self.head.signatures.first().and_then(|s| <[u8; 64]>::try_from(&s.bytes[..]).ok());
        let sig =
            sig.ok_or_else(|| Error::new(Code::Internal, "the newest head has no ed25519 signature"))?;
        Ok(Some((size, sig)))
    }

    /// Renders an answer from what is durable now.
    fn render(&self, ready: Ready) -> Answer {
        match ready {
            Ready::Conflict(conflict) => Answer::Conflict(conflict),
            Ready::Failed(error) => Answer::Failed(error),
            Ready::Recorded(outcome) => self.receipt(*outcome),
            Ready::Replay(key, request) => match self.replay(&key, &request) {
                Ok(answer) => answer,
                Err(error) => Answer::Failed(error),
            },
            Ready::Again(key, asked) => {
                let (request, caller, conflict) = *asked;
                match self.replay_to(&key, &request, &caller) {
                    Ok(Some(answer)) => answer,
                    Ok(None) => Answer::Conflict(conflict),
                    Err(error) => Answer::Failed(error),
                }
            }
        }
    }

    /// The stored answer, when it is to this very request and was given to this very session.
    fn replay_to(&self, key: &Digest, request: &Request, caller: &Caller) -> Result<Option<Answer>> {
        let leaf = self.answered.get(key)?.map(|position| self.reader.leaf(position)).transpose()?.flatten();
        let Some(leaf) = leaf else { return Ok(None) };
        let entry = entry::read(&leaf).map_err(|error| Error::damaged(error.to_string()))?;
        if entry.actor.session != caller.session.as_deref() {
            return Ok(None);
        }
        let answer = self.replay(key, request)?;
        Ok(matches!(answer, Answer::Receipt(_)).then_some(answer))
    }

    fn receipt(&self, outcome: Outcome) -> Answer {
        let Outcome { effect, code, message, entries, secret, hold, replay, warning } = outcome;
        let last = entries.last().map_or(0, |entry| entry.position);
        let position = format!("{}.{last}", self.door.origin.epoch());
        let (head, stage) = (Arc::clone(&self.head), self.door.world.settings().stage.as_str());
        Answer::Receipt(Box::new(Receipt {
            effect,
            code,
            message,
            entries,
            hold,
            head,
            position,
            replay,
            secret,
            stage,
            warning,
        }))
    }

    /// The stored answer to a key that was answered before, when the arguments are the same.
    fn replay(&self, key: &Digest, request: &Request) -> Result<Answer> {
        let missing = || Error::damaged("the entry that answered an idempotency key is not there");
        let first = self.answered.get(key)?.ok_or_else(missing)?;
        let size = self.frontier.size();
        let args = self.reader.part(first, 1)?.ok_or_else(missing)?;
        let mut entries = Vec::new();
        let (mut effect, mut code, mut same, mut secret, mut hold) = (Effect::Allow, None, false, None, None);
        self.reader.leaves(first..size.min(first + ANSWER as u64), |position, leaf| {
            let entry = entry::read(leaf).map_err(|error| Error::damaged(error.to_string()))?;
            if position == first {
                let salt = args.first_chunk::<32>().copied().unwrap_or_default();
                same = entry.by.is_some_and(|by| by.args == ARGS.commit(&salt, &request.args_text))
                    && entry.entity.id == request.id.as_str();
                let event = domains::parse_event(entry.kind, entry.data.get().as_bytes());
                let event = event.map_err(|error| Error::damaged(error.to_string()))?;
                (effect, code) = domains::outcome(&event);
                hold = match event {
                    domains::Event::Hold(domains::hold::Event::Opened { hold, .. })
                    | domains::Event::Decision(domains::DecisionEvent::Held { hold }) => Some(hold),
                    _ => None,
                };
                secret = (entry.kind == "token.issued").then(|| "secret_already_shown".to_owned());
            } else if entry.by.is_some() || !entry.cause.contains(&first) {
                return Ok(());
            }
            let consecutive = entries.len() as u64 == position - first;
            if consecutive {
                let address = entry::address(leaf);
                entries.push(ReceiptEntry { address, kind: entry.kind.to_owned(), position });
            }
            Ok(())
        })?;
        if !same {
            let message = format!("the idempotency key answered another request at position {first}");
            return Ok(Answer::Conflict(Conflict { code: Code::IdempotencyConflict, message }));
        }
        let outcome =
            Outcome { effect, code, message: None, entries, secret, hold, replay: true, warning: None };
        Ok(self.receipt(outcome))
    }
}

/// What stands under an idempotency key.
enum Prior {
    None,
    Answered,
    /// A hold that is no longer pending, and the entry that opened it.
    Held(u64, (String, String)),
}

/// Free bytes on the ledger's disk; gives the reserve back when they run out.
pub(crate) fn free_space(paths: &Paths) -> Option<u64> {
    let free = store::free_bytes(&paths.dir)?;
    if free < SPACE_LAST {
        let _ = std::fs::remove_file(paths.reserve());
    }
    Some(free)
}

/// Writes a leaf a second time, with another canonicaliser, and stops on a difference.
fn second_opinion(leaf: &[u8]) -> Result<()> {
    let differs = || Error::new(Code::Internal, "two canonicalisers disagree on a leaf");
    let value: serde_json::Value = serde_json::from_slice(leaf).map_err(|_| differs())?;
    let bytes = serde_jcs::to_vec(&value).map_err(|_| differs())?;
    if bytes == leaf { Ok(()) } else { Err(differs()) }
}
