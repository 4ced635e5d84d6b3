//! How does a request become entries? Authenticate, gate, decide, seal: the one way in, in the order of
//! SPEC 8. Pure: time, entropy and keys are arguments, nothing is written.

use crate::answer::Effect;
use crate::code::Code;
use crate::domains::token;
use crate::domains::{self, Asked, DecisionEvent, Draft, Ended, Event, Facts, Meta, World};
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::format::canonical::{Raw, to_bytes};
use crate::format::encoding::{base64, hex};
use crate::format::entry::{self, Actor, Attestation, By, Entity, Entry};
use crate::format::hash::{Digest, PRIVATE};
use crate::format::ids::Origin;
use crate::format::key::PrivateKey;
use crate::format::limits::ANSWER;
use crate::format::statement::{RequestStatement, entry_bytes, request_bytes};
use crate::gate::{self, Caller, Credential, Request, Verdict};

/// A part as it is stored: salt and canonical text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) salt: [u8; 32],
    pub(crate) text: Vec<u8>,
}

/// An entry that is ready to be stored.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    pub(crate) position: u64,
    pub(crate) kind: &'static str,
    pub(crate) leaf: Vec<u8>,
    pub(crate) address: Digest,
    pub(crate) private: Option<Part>,
    pub(crate) args: Option<Part>,
}

/// An answer that leaves no entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The stable code.
    pub code: Code,
    /// What is wrong, in a sentence.
    pub message: String,
}

fn conflict<T>(code: Code, message: impl Into<String>) -> std::result::Result<T, Conflict> {
    Err(Conflict { code, message: message.into() })
}

/// What became of a request that was recorded.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) effect: Effect,
    pub(crate) code: Option<Code>,
    pub(crate) message: Option<String>,
    pub(crate) entries: Vec<Sealed>,
    pub(crate) secret: Option<String>,
    pub(crate) hold: Option<String>,
}

/// Why an answer leaves no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unrecorded {
    /// It is a no beyond what is recorded of this principal in a minute.
    Counted,
    /// It is a yes to a read.
    Read,
}

/// What gate and domain answer, before anything is sealed.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) code: Option<Code>,
    pub(crate) message: Option<String>,
    pub(crate) drafts: Vec<Draft>,
}

/// An event with its envelope, to be folded once more where readers look.
#[derive(Debug)]
pub(crate) struct Folded {
    position: u64,
    time: i64,
    scope: String,
    id: String,
    actor: String,
    attestation: Option<(crate::format::ids::KeyId, u64)>,
    action: Option<&'static str>,
    cause: Vec<u64>,
    address: Digest,
    event: Event,
}

impl Folded {
    /// Folds it into a world.
    pub(crate) fn fold(&self, world: &mut World, ended: &mut Vec<Ended>) {
        let meta = Meta {
            position: self.position,
            time: self.time,
            scope: &self.scope,
            id: &self.id,
            actor: &self.actor,
            attestation: self.attestation,
            action: self.action,
            cause: &self.cause,
        };
        world.fold(&meta, self.address, &self.event, ended);
    }
}

/// Where the next entry goes: what its envelope takes from the one before, which need not be folded in yet.
#[derive(Debug)]
pub(crate) struct Next<'a> {
    scope: &'a str,
    now: i64,
    n: u64,
    position: u64,
    address: Digest,
    /// Entries that the system signed and that are not folded in yet.
    system: u64,
}

impl<'a> Next<'a> {
    /// After everything that was folded in.
    pub(crate) fn of(world: &World, scope: &'a str, now: i64) -> Self {
        let (position, address) = (world.position, world.address);
        Self { scope, now, n: world.next_n(scope), position, address, system: 0 }
    }
}

/// What the door works with: the writer's world and the means to seal.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) world: World,
    pub(crate) origin: Origin,
    pub(crate) entry_key: Option<PrivateKey>,
    pub(crate) entropy: Entropy,
    /// What ended since it was last drained.
    pub(crate) ended: Vec<Ended>,
    /// What was sealed and is not published yet.
    pub(crate) unpublished: Vec<Folded>,
}

/// The statement of a request as its author signs it.
pub fn statement<'a>(request: &'a Request, origin: &'a str, actor: &'a str, seq: u64) -> Option<Vec<u8>> {
    let attestation = request.attestation.as_ref()?;
    request_bytes(&RequestStatement {
        action: request.spec.id,
        actor: Actor { on_behalf: None, launcher: None, principal: actor, session: session(request) },
        args: request.args_digest(),
        author: attestation.key,
        entity: Entity { id: request.id.as_str(), kind: request.spec.entity },
        key: gate::idempotency_digest(actor, &request.scope, request.spec.id, &request.key),
        log: origin,
        not_after: request.not_after,
        scope: request.scope.as_str(),
        seq,
    })
    .ok()
}

/// The token that a request names itself by; whether it is live is another question.
fn session(request: &Request) -> Option<&str> {
    match &request.credential {
        Credential::Token(text) => domains::token::id_of(text),
        Credential::Key | Credential::System(_) => None,
    }
}

impl Door {
    /// Steps 2 and 4 without the running number: who asks, and whether the signature is theirs.
    pub(crate) fn authenticate(&self, request: &Request, now: i64) -> std::result::Result<Caller, Conflict> {
        authenticate(&self.world, &self.origin, request, now)
    }

    /// The rest of step 4, after a replay was ruled out.
    pub(crate) fn check_fresh(&self, request: &Request, now: i64) -> std::result::Result<(), Conflict> {
        if request.not_after.is_some_and(|end| now >= end) {
            return conflict(Code::RequestExpired, "the request's `not_after` has passed");
        }
        if let Some(attestation) = &request.attestation {
            let next = self.world.keys.get(attestation.key).map_or(0, |key| key.next);
            if attestation.seq != next {
                let text = format!("`seq` is {}, expected {next}", attestation.seq);
                return conflict(Code::WrongSeq, text);
            }
        }
        Ok(())
    }

    /// Steps 7 to 9 without the disk: gate, decide, seal, fold into the writer's world; or why there is no entry.
    pub(crate) fn answer(
        &mut self,
        request: &Request,
        caller: &Caller,
        key: Digest,
        facts: &Facts,
        (now, wall): (i64, i64),
    ) -> Result<std::result::Result<Recorded, Unrecorded>> {
        let fresh: [u8; 32] = self.entropy.take()?;
        let Answered { code, message, drafts } =
            answer(&self.world, &self.origin, request, caller, facts, &fresh, (now, wall));
        let Some(first) = drafts.first() else { return Ok(Err(Unrecorded::Read)) };
        if is_only_counted(&self.world, caller, &first.event, now) {
            return Ok(Err(Unrecorded::Counted));
        }
        let (effect, _) = domains::outcome(&first.event);
        let hold = match &first.event {
            Event::Hold(domains::hold::Event::Opened { hold, .. })
            | Event::Decision(DecisionEvent::Held { hold }) => Some(hold.clone()),
            _ => None,
        };
        let mut secret = None;
        if let (None, domains::Action::Token(domains::token::Action::Issue { .. })) = (code, &request.action)
        {
            let stage = self.world.settings().stage.as_str();
            secret = Some(domains::token::text(stage, request.id.as_str(), &fresh));
        }
        // A draft that cannot be sealed must leave nothing behind: all are sealed before the first is folded in.
        let scope = request.scope.as_str();
        let mut next = Next::of(&self.world, scope, now);
        let mut ready: Vec<(Sealed, Folded)> = Vec::with_capacity(drafts.len() + 1);
        for draft in drafts {
            let cause = cause(&draft, ready.first().map(|(first, _)| first.position));
            let asked = ready.is_empty().then_some((request, key));
            ready.push(self.seal(&mut next, draft, caller, asked, cause)?);
        }
        let mut entries: Vec<Sealed> = ready.into_iter().map(|ready| self.take_in(ready)).collect();
        while let Some(draft) = spent(&self.world, caller) {
            let cause = cause(&draft, entries.first().map(|first| first.position));
            let mut next = Next::of(&self.world, scope, now);
            match self.seal(&mut next, draft, caller, None, cause) {
                Ok(ready) => entries.push(self.take_in(ready)),
                // Its leaf is bounded far below the limit. The world is ahead of the record: nothing may follow.
                Err(error) => panic!("the end of a token cannot be sealed: {error}"),
            }
        }
        assert!(entries.len() <= ANSWER, "an answer of {} entries", entries.len());
        Ok(Ok(Recorded { effect, code, message, entries, secret, hold }))
    }

    /// Folds what was sealed into the writer's world.
    pub(crate) fn take_in(&mut self, (sealed, folded): (Sealed, Folded)) -> Sealed {
        folded.fold(&mut self.world, &mut self.ended);
        self.unpublished.push(folded);
        sealed
    }

    /// Seals one event, to be folded in afterwards. `asked` is the request with its scoped key, on the first entry it
    /// caused.
    pub(crate) fn seal(
        &mut self,
        next: &mut Next<'_>,
        draft: Draft,
        caller: &Caller,
        asked: Option<(&Request, Digest)>,
        cause: Vec<u64>,
    ) -> Result<(Sealed, Folded)> {
        let Next { scope, now, .. } = *next;
        let broken = |error: &dyn std::fmt::Display| Error::new(Code::Internal, error.to_string());
        let mut data = Vec::with_capacity(256);
        let kind = domains::write_event(&draft.event, &mut data).map_err(|e| broken(&e))?;
        let private = match &draft.private {
            None => None,
            Some(value) => {
                let text = to_bytes(value).map_err(|e| broken(&e))?;
                Some(Part { salt: self.entropy.take()?, text })
            }
        };
        let by = asked.map(|(request, key)| By {
            action: request.spec.id,
            args: request.args_digest(),
            key,
            not_after: request.not_after,
            policy: None,
            rules: gate::RULES,
        });
        let attest = asked.and_then(|(request, _)| request.attestation.as_ref());
        let sig = attest.map(|attest| base64(&attest.sig));
        let blind = hex(&self.entropy.take::<16>()?);
        let mut entry = Entry {
            actor: Actor {
                on_behalf: None,
                launcher: None,
                principal: &caller.principal,
                session: caller.session.as_deref(),
            },
            attestation: attest.map(|a| Attestation { key: a.key, seq: a.seq, sig: sig.as_deref() }),
            blind: &blind,
            by,
            cause: cause.clone(),
            data: Raw(&data),
            entity: Entity { id: &draft.entity_id, kind: draft.entity_kind },
            kind,
            log: self.origin.as_str(),
            n: next.n,
            position: next.position,
            prev: next.address,
            private: private.as_ref().map(|part| PRIVATE.commit(&part.salt, &part.text)),
            scope,
            time: now,
            v: entry::VERSION,
        };
        let signature;
        if let (None, Some(key)) = (&entry.attestation, &self.entry_key) {
            let id = key.public().id();
            let seq = self.world.keys.get(id).map_or(1, |key| key.next) + next.system;
            next.system += 1;
            entry.attestation = Some(Attestation { key: id, seq, sig: None });
            let text = entry_bytes(&entry).map_err(|e| broken(&e))?;
            signature = base64(&key.sign(&text));
            entry.attestation = Some(Attestation { key: id, seq, sig: Some(&signature) });
        }
        let mut leaf = Vec::with_capacity(1024);
        entry::seal(&entry, &mut leaf).map_err(|e| broken(&e))?;
        let address = entry::address(&leaf);
        let (position, attestation) = (entry.position, entry.attestation.map(|a| (a.key, a.seq)));
        let folded = Folded {
            position,
            time: now,
            scope: scope.to_owned(),
            id: draft.entity_id,
            actor: caller.principal.clone(),
            attestation,
            action: asked.map(|(request, _)| request.spec.id),
            cause,
            address,
            event: draft.event,
        };
        (next.n, next.position, next.address) = (next.n + 1, next.position + 1, address);
        let args = asked.map(|(request, _)| Part { salt: request.salt, text: request.args_text.clone() });
        Ok((Sealed { position, kind, leaf, address, private, args }, folded))
    }
}

/// For whom a token speaks: its id, and the principal.
type Speaks = for<'a> fn(&'a token::State, &'a str, i64) -> Option<(&'a str, &'a str)>;

/// Who asks, and whether the signature is theirs.
pub(crate) fn authenticate(
    world: &World,
    origin: &Origin,
    request: &Request,
    now: i64,
) -> std::result::Result<Caller, Conflict> {
    authenticate_by(world, origin, request, now, token::State::authenticate)
}

/// Who asks with a token that ended with its one answer: it may have that answer again, and nothing else.
pub(crate) fn authenticate_spent(
    world: &World,
    origin: &Origin,
    request: &Request,
    now: i64,
) -> std::result::Result<Caller, Conflict> {
    authenticate_by(world, origin, request, now, token::State::authenticate_spent)
}

fn authenticate_by(
    world: &World,
    origin: &Origin,
    request: &Request,
    now: i64,
    speaks: Speaks,
) -> std::result::Result<Caller, Conflict> {
    let signer = match &request.attestation {
        None => None,
        Some(attestation) if attestation.log != origin.as_str() => {
            let text = format!("the request is for `{}`, this is `{origin}`", attestation.log);
            return conflict(Code::EpochChanged, text);
        }
        Some(attestation) => match world.keys.get(attestation.key) {
            Some(key) if key.purpose == domains::key::Use::Request && key.suspect.is_none() => Some(key),
            _ => return conflict(Code::UnknownKey, format!("`{}` is no live key", attestation.key)),
        },
    };
    let (session, actor) = match (&request.credential, signer) {
        (Credential::System(_), _) => (None, domains::principal::SYSTEM),
        (Credential::Token(text), _) => match speaks(&world.tokens, text, now) {
            Some((session, principal)) => (Some(session.to_owned()), principal),
            None => return conflict(Code::Unauthenticated, "no live credential came with the request"),
        },
        (Credential::Key, Some(key)) => (None, key.principal.as_str()),
        (Credential::Key, None) => {
            return conflict(Code::Unauthenticated, "no live credential came with the request");
        }
    };
    if let (Some(key), Some(attestation)) = (signer, &request.attestation) {
        if key.principal != actor {
            return conflict(Code::UnknownKey, format!("`{}` is not a key of `{actor}`", attestation.key));
        }
        let text = statement(request, origin.as_str(), actor, attestation.seq).unwrap_or_default();
        if !key.public.verifies(&text, &attestation.sig) {
            return conflict(Code::BadSignature, "the request's signature does not verify");
        }
    }
    Ok(Caller { principal: actor.to_owned(), session })
}

/// What gate and domain answer. Pure: the writer, a preview and a recomputation ask the same.
pub(crate) fn answer(
    world: &World,
    origin: &Origin,
    request: &Request,
    caller: &Caller,
    facts: &Facts,
    fresh: &[u8; 32],
    (now, wall): (i64, i64),
) -> Answered {
    let actor = caller.principal.as_str();
    let refused = |refusal: domains::Refusal| {
        let event = DecisionEvent::Refused { code: refusal.code.as_str().to_owned() };
        let drafts = vec![decision(request, Event::Decision(event))];
        Answered { code: Some(refusal.code), message: Some(refusal.message), drafts }
    };
    let approval = match gate::evaluate(world, facts, request, caller, now) {
        Verdict::Deny(denial) => {
            let event = DecisionEvent::Denied { code: denial.code.as_str().to_owned() };
            let drafts = vec![decision(request, Event::Decision(event))];
            return Answered { code: Some(denial.code), message: Some(denial.to_string()), drafts };
        }
        Verdict::Hold(open) => {
            let (event, id) = match open {
                Some(id) => (Event::Decision(DecisionEvent::Held { hold: id.to_owned() }), id.to_owned()),
                None => match domains::hold::open(world, request, actor, fresh, now) {
                    Err(refusal) => return refused(refusal),
                    Ok((event, id)) => (Event::Hold(event), id),
                },
            };
            let scope = &request.scope;
            let text = format!(
                "a second principal must confirm this: `hold.approve --scope {scope} --id {id}`, then ask again"
            );
            let drafts = vec![decision(request, event)];
            return Answered { code: Some(Code::ConfirmationRequired), message: Some(text), drafts };
        }
        Verdict::Allow(approval) => approval,
    };
    let asked = Asked {
        actor,
        log: origin.as_str(),
        scope: &request.scope,
        id: request.id.as_str(),
        args: &request.args,
        fresh,
        now,
        wall,
    };
    match domains::decide(world, facts, &request.action, &asked) {
        Err(refusal) => refused(refusal),
        Ok(mut drafts) => {
            if let (Some(position), Some(first)) = (approval, drafts.first_mut()) {
                first.cause.push(position);
            }
            let code = drafts.first().and_then(|first| domains::outcome(&first.event).1);
            let message = code.and_then(|_| drafts.first().and_then(|first| domains::reason(&first.event)));
            Answered { code, message, drafts }
        }
    }
}

/// Whether an answer that begins with this event is a no that is only counted.
pub(crate) fn is_only_counted(world: &World, caller: &Caller, first: &Event, now: i64) -> bool {
    matches!(first, Event::Decision(_)) && world.door.is_over(&caller.principal, now)
}

/// The end of the caller's token, when it is for one answer and what was answered has not ended it already.
pub(crate) fn spent(world: &World, caller: &Caller) -> Option<Draft> {
    let id = caller.session.as_deref().filter(|id| world.tokens.is_once(id))?;
    Some(domains::token::spent(id))
}

/// What an entry rests on: what its draft says, and the first entry of its own request.
pub(crate) fn cause(draft: &Draft, first: Option<u64>) -> Vec<u64> {
    let mut cause = draft.cause.clone();
    cause.extend(first);
    cause.sort_unstable();
    cause.dedup();
    cause
}

fn decision(request: &Request, event: Event) -> Draft {
    Draft {
        entity_kind: request.spec.entity,
        entity_id: request.id.to_string(),
        event,
        private: None,
        cause: Vec::new(),
    }
}

/// Folds a stored leaf into a world, holding position and chain.
pub(crate) fn fold_leaf(world: &mut World, leaf: &[u8], ended: &mut Vec<Ended>) -> Result<()> {
    let position = world.position;
    let damaged = |why: String| Error::damaged(format!("entry {position}: {why}"));
    let entry = entry::read(leaf).map_err(|e| damaged(e.to_string()))?;
    if entry.position != position || entry.prev != world.address {
        return Err(damaged("it does not follow the entry before it".to_owned()));
    }
    let event = domains::parse_event(entry.kind, entry.data.get().as_bytes())
        .map_err(|e| damaged(format!("`{}`: {e}", entry.kind)))?;
    let meta = Meta {
        position,
        time: entry.time,
        scope: entry.scope,
        id: entry.entity.id,
        actor: entry.actor.principal,
        attestation: entry.attestation.map(|a| (a.key, a.seq)),
        action: entry.by.map(|by| by.action),
        cause: &entry.cause,
    };
    world.fold(&meta, entry::address(leaf), &event, ended);
    Ok(())
}
