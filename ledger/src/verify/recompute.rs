//! Is every recorded answer the one that the rules give? The world is derived again from entry 0, and each request is put to the same
//! gate and the same domains once more. SPEC 14.4.
//!
//! Alone in `verify` this uses `gate` and `domains`, on purpose: it asks whether the writer kept its rules, not whether the rules are
//! right. It sees what the walk has accepted, and folds an event only once it is the answer; what differs ends it.

mod compare;
mod memory;
mod recorded;

pub(super) use recorded::Recorded;

use super::{Finding, FindingCode};
use crate::code::Code;
use crate::domains::key::Use;
use crate::domains::ledger::{Event as LedgerEvent, Form, Limits};
use crate::domains::principal::SYSTEM;
use crate::domains::{Draft, Event, Meta, World, parse_event, table::At};
use crate::door;
use crate::format::hash::Digest;
use crate::format::ids::Origin;
use crate::gate::{Caller, RULES, Request};
use compare::{adopt, compare, named};
use memory::Memory;
use recorded::Answered;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many answers were decided again, and how many could not be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Answers that the rules give as they are recorded.
    pub recomputed: u64,
    /// Answers whose arguments are not in the bytes.
    pub without_arguments: u64,
    /// Answers of a range whose beginning is not in the bytes.
    pub without_past: u64,
}

impl Decisions {
    /// Answers that could not be decided again.
    pub fn left_out(self) -> u64 {
        self.without_arguments + self.without_past
    }
}

/// What is wrong with an entry, in a sentence that names codes and kinds and nothing private.
type Differs = String;

/// A request whose first entry was seen, and what is still to come of it.
#[derive(Debug)]
struct Open {
    first: u64,
    time: i64,
    scope: Box<str>,
    caller: Caller,
    rest: VecDeque<Draft>,
}

/// A recomputation as far as it has come.
#[derive(Debug)]
pub(super) struct Recompute {
    origin: Origin,
    /// Whether the bytes begin at entry 0, and whether they have the arguments.
    begins: bool,
    parts: bool,
    world: World,
    memory: Memory,
    open: Option<Open>,
    pub(super) counts: Decisions,
    pub(super) finding: Option<Finding>,
}

impl Recompute {
    pub(super) fn new(origin: &Origin, from: u64, parts: bool) -> Self {
        Self {
            origin: origin.clone(),
            begins: from == 0,
            parts,
            world: World::default(),
            memory: Memory::default(),
            open: None,
            counts: Decisions::default(),
            finding: None,
        }
    }

    /// Takes an entry that the walk has accepted; `answers` says whether it is the first one of a request.
    pub(super) fn take(&mut self, answers: bool, recorded: Option<Box<Recorded>>) {
        if !self.begins {
            self.counts.without_past += u64::from(answers);
        } else if !self.parts {
            self.counts.without_arguments += u64::from(answers);
        } else if let (None, Some(recorded)) = (&self.finding, recorded) {
            let position = recorded.position;
            if let Err(differs) = self.entry(*recorded) {
                self.finding = Some(Finding::at(FindingCode::DecisionMismatch, position, differs));
            } else if self.open.is_none() && position > 0 {
                self.counts.recomputed += 1;
            }
        }
    }

    /// Says that all entries were seen; true when nothing differs.
    pub(super) fn end(&mut self) -> bool {
        if let (None, Some(open)) = (&self.finding, &self.open) {
            let last = self.world.position.saturating_sub(1);
            let text = format!("{} of the request at {} is missing after it", next(open), open.first);
            self.finding = Some(Finding::at(FindingCode::DecisionMismatch, last, text));
        }
        self.finding.is_none()
    }

    fn entry(&mut self, mut recorded: Recorded) -> Result<(), Differs> {
        if recorded.on_behalf {
            return Err("it names a launcher or a `for`, which these rules do not know".to_owned());
        }
        let by = recorded.by.take();
        if let Some(mut open) = self.open.take() {
            let draft = follow(&mut open, &recorded, by.is_some())?;
            self.signed(&recorded, true)?;
            compare(&recorded, &draft, Some(open.first))?;
            self.fold(&recorded, &draft, None)?;
            self.go_on(open);
            return Ok(());
        }
        let Some(by) = by else {
            let draft = opened(&recorded, &self.origin)?;
            compare(&recorded, &draft, None)?;
            return self.fold(&recorded, &draft, None);
        };
        let key = by.key;
        let request = self.request(&recorded, by)?;
        let caller = self.caller(&recorded, &request)?;
        let mut rest = self.answer(&recorded, &key, &request, &caller)?;
        let Some(mut first) = rest.pop_front() else { return Err("the rules answer nothing".to_owned()) };
        adopt(&mut first, &recorded, |hold| {
            self.world.holds.get(hold).is_none() && self.memory.ended("hold", hold).is_none()
        })?;
        compare(&recorded, &first, None)?;
        self.fold(&recorded, &first, Some((key, &request)))?;
        let Recorded { position, time, scope, .. } = recorded;
        self.go_on(Open { first: position, time, scope, caller, rest });
        Ok(())
    }

    /// Keeps a request open as long as something of it is to come; at its end that may be the end of the token for one answer.
    fn go_on(&mut self, mut open: Open) {
        if open.rest.is_empty() {
            open.rest.extend(door::spent(&self.world, &open.caller));
        }
        self.open = Some(open).filter(|open| !open.rest.is_empty());
    }

    /// The request as it was asked: fresh, of a kind that can be asked, and decided by rules that are known.
    fn request(&self, recorded: &Recorded, by: Answered) -> Result<Box<Request>, Differs> {
        if by.rules != RULES || by.policy {
            return Err(format!(
                "it was decided by rules {}, or by a policy; these are rules {RULES}",
                by.rules
            ));
        }
        let mut request = by.request.map_err(|code| format!("what it answers cannot be asked: {code}"))?;
        if request.not_after.is_some_and(|end| recorded.time >= end) {
            return Err(format!("the request was void by then: {}", Code::RequestExpired));
        }
        self.signed(recorded, false)?;
        let own = |key| self.world.keys.get(key).is_some_and(|key| key.purpose == Use::Request);
        request.attestation = recorded.attestation.clone().filter(|attestation| own(attestation.key));
        Ok(request)
    }

    /// Whether whoever signed the entry may, with the running number that is next. An entry that answers no request is signed by
    /// the system alone.
    fn signed(&self, recorded: &Recorded, follows: bool) -> Result<(), Differs> {
        let Some((id, seq)) = recorded.signed_by() else { return Ok(()) };
        let key = self.world.keys.get(id).filter(|key| key.next == seq);
        match key {
            Some(key) if key.purpose == Use::Entry || !follows => Ok(()),
            _ => Err(format!("`{id}` cannot sign it with number {seq}")),
        }
    }

    /// Who asked, when they could: SPEC 8, step 2.
    fn caller(&self, recorded: &Recorded, request: &Request) -> Result<Caller, Differs> {
        let actor = &*recorded.actor;
        let unauthenticated = || Err(format!("`{actor}` could not have asked: {}", Code::Unauthenticated));
        if let Some(attestation) = &request.attestation {
            let key = self.world.keys.get(attestation.key);
            if !key.is_some_and(|key| key.principal == actor && key.suspect.is_none()) {
                return Err(format!("`{actor}` could not have asked: {}", Code::UnknownKey));
            }
        }
        match &recorded.session {
            Some(session) if self.world.tokens.speaks_for(session, recorded.time) != Some(actor) => {
                unauthenticated()
            }
            None if request.attestation.is_none() && actor != SYSTEM => unauthenticated(),
            session => {
                let session = session.as_deref().map(str::to_owned);
                Ok(Caller { principal: actor.to_owned(), session })
            }
        }
    }

    fn answer(
        &self,
        recorded: &Recorded,
        key: &Digest,
        request: &Request,
        caller: &Caller,
    ) -> Result<VecDeque<Draft>, Differs> {
        let (world, now) = (&self.world, recorded.time);
        let facts = self.memory.facts(world, request, (&caller.principal, key, now))?;
        let answered = door::answer(world, &self.origin, request, caller, &facts, &[0; 32], (now, now));
        if answered
            .drafts
            .first()
            .is_some_and(|first| door::is_only_counted(world, caller, &first.event, now))
        {
            return Err(format!("the rules only count it: {}", Code::OverQuota));
        }
        Ok(answered.drafts.into())
    }

    fn fold(
        &mut self,
        recorded: &Recorded,
        draft: &Draft,
        answers: Option<(Digest, &Request)>,
    ) -> Result<(), Differs> {
        let meta = Meta {
            position: recorded.position,
            time: recorded.time,
            scope: &recorded.scope,
            id: &recorded.entity_id,
            actor: &recorded.actor,
            attestation: recorded.signed_by(),
            action: answers.map(|(_, request)| request.spec.id),
            cause: &recorded.cause,
        };
        let mut ended = Vec::new();
        let world = &mut self.world;
        // Only what is the answer comes here, so nothing breaks; if it did, an auditor would be told and not left alone.
        let folded = catch_unwind(AssertUnwindSafe(|| {
            world.fold(&meta, recorded.address, &draft.event, &mut ended);
        }));
        if folded.is_err() {
            return Err(format!(
                "{} cannot have happened after the entries before",
                named(&recorded.kind, None)
            ));
        }
        let at = At { scope: meta.scope, id: meta.id };
        self.memory.take(&draft.event, at, (recorded.position, recorded.private.as_deref()), answers, ended);
        Ok(())
    }
}

/// What the open request still has to have.
fn next(open: &Open) -> String {
    let kind = open.rest.front().and_then(|draft| compare::kind_of(&draft.event));
    format!("`{}`", kind.unwrap_or("an entry"))
}

/// The draft that an entry must be, when it is a further one of an open request.
fn follow(open: &mut Open, recorded: &Recorded, answers: bool) -> Result<Draft, Differs> {
    let same = recorded.time == open.time
        && recorded.scope == open.scope
        && *recorded.actor == *open.caller.principal
        && recorded.session.as_deref() == open.caller.session.as_deref();
    if answers || !same {
        return Err(format!("{} of the request at {} is missing before it", next(open), open.first));
    }
    open.rest.pop_front().ok_or_else(|| "the request before it has no further entry".to_owned())
}

/// The one entry that answers no request, as far as it can be checked without one.
fn opened(recorded: &Recorded, origin: &Origin) -> Result<Draft, Differs> {
    if recorded.position > 0 {
        return Err("it answers no request, and no request before it has it".to_owned());
    }
    let no = |what: &str| Err(format!("no ledger opens so: {what}"));
    let Ok(Event::Ledger(LedgerEvent::Opened(settings))) = parse_event(&recorded.kind, &recorded.data) else {
        return no("its first entry is another");
    };
    let Some(administrator) = &settings.administrator else { return no("it has no administrator") };
    let system = settings.system_key.map(|key| key.id());
    if settings.rules != RULES || settings.limits != Limits::OURS || settings.name != origin.name() {
        return no("rules, limits or name");
    }
    if system.is_some() != (settings.form == Form::Entries) || system == Some(administrator.public.id()) {
        return no("the system's key");
    }
    if recorded.signed_by() != system.map(|key| (key, 1)) {
        return no("who signed it");
    }
    if *recorded.scope != *"/" || *recorded.actor != *SYSTEM || recorded.session.is_some() {
        return no("who did it, and where");
    }
    let (entity_id, event) = (settings.name.clone(), Event::Ledger(LedgerEvent::Opened(settings)));
    Ok(Draft { entity_kind: "ledger", entity_id, event, private: None, cause: Vec::new() })
}
