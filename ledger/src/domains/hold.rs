//! What waits for a second principal? SPEC 10.12.
//!
//! ```text
//! (nothing) --opened--> pending --approved--> approved --(the request, asked again)--> used (terminal)
//!                          |  --denied--> denied (terminal)             time >= until: expired
//!                          |  --cancelled--> cancelled (terminal)
//!                          +--expired--> expired (terminal), and all three from approved
//! ```
//!
//! 1. It binds action, scope, entity, actor and arguments: nothing else is confirmed by it.
//! 2. Whoever asked does not approve.
//! 3. An approval is no permit: the gate is asked again, once.
//! 4. What expired was denied.

use super::spec::{ActionSpec, Flow};
use super::table::Table;
use super::{Asked, Draft, Ended, Facts, Meta, Refusal, World};
use crate::code::Code;
use crate::format::encoding::hex;
use crate::format::ids::Scope;
use crate::gate::Request;
use serde::{Deserialize, Serialize};

/// How long a hold waits, in milliseconds: a day.
pub const TTL_MS: i64 = 86_400_000;
/// Live holds that one principal may have.
pub const MAX: usize = 16;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    Approve {},
    Deny {
        #[serde(default)]
        reason: Option<String>,
    },
    Cancel {},
    Expire {},
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "SPEC 10.12 documents the fields")]
pub enum Event {
    Opened { hold: String, risk: super::spec::Risk, until: i64 },
    Approved {},
    Denied {},
    Cancelled {},
    Expired {},
}

/// Whether somebody confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nobody answered yet.
    Pending,
    /// Approved by the entry at this position.
    Approved(u64),
}

/// A hold that is neither used nor over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The action that was asked for.
    pub action: String,
    /// Where.
    pub scope: Scope,
    /// On what.
    pub entity: String,
    /// By whom.
    pub actor: String,
    /// Position of the entry that opened it, beside which the arguments stand.
    pub position: u64,
    /// From this instant on it is a no.
    pub until: i64,
    /// Whether somebody confirmed.
    pub standing: Standing,
}

impl Hold {
    /// Whether it was opened in this scope.
    pub fn is_in(&self, scope: &Scope) -> bool {
        self.scope == *scope
    }
}

/// Holds that are neither used nor over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    live: Table<Box<str>, Hold>,
    of: Table<Box<str>, Vec<String>>,
}

impl State {
    /// The hold.
    pub fn get(&self, id: &str) -> Option<&Hold> {
        self.live.get(id)
    }

    /// Number of holds.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The holds of one principal, oldest first.
    pub fn of(&self, actor: &str) -> impl Iterator<Item = (&str, &Hold)> {
        let ids = self.of.get(actor).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| Some((id.as_str(), self.live.get(id.as_str())?)))
    }

    /// Every hold, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Hold)> {
        self.live.iter().map(|(id, hold)| (&**id, hold))
    }

    fn remove(&mut self, id: &str) -> Hold {
        let Some(hold) = self.live.remove(id) else { panic!("hold `{id}` is live") };
        if let Some(ids) = self.of.get_mut(hold.actor.as_str()) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.of.remove(hold.actor.as_str());
            }
        }
        hold
    }
}

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "hold.approve",
        "hold",
        "Confirm what somebody else asked for; whoever asked asks again, and the gate answers anew.",
        &[],
    ),
    ActionSpec::new("hold.deny", "hold", "Say no to what somebody else asked for.", &[super::scope::REASON])
        .flow(Flow::Reduces),
    ActionSpec::new("hold.cancel", "hold", "Take back what you asked for yourself.", &[]).flow(Flow::Reduces),
    ActionSpec::new(
        "hold.expire",
        "hold",
        "Record that a hold was not answered in time; the system's own.",
        &[],
    )
    .flow(Flow::Reduces),
];

/// What the gate's hold makes happen: the hold of this request, or word of the one that is open already.
pub fn open(
    world: &World,
    request: &Request,
    actor: &str,
    fresh: &[u8; 32],
    now: i64,
) -> Result<(Event, String), Refusal> {
    if world.holds.of(actor).filter(|(_, hold)| now < hold.until).count() >= MAX {
        let text = format!("`{actor}` has {MAX} requests that wait for a second principal");
        return Err(Refusal::new(Code::HoldLimit, text));
    }
    let id = format!("h{}", hex(&fresh[..8]));
    let event = Event::Opened { hold: id.clone(), risk: super::risk(world, request), until: now + TTL_MS };
    Ok((event, id))
}

pub(super) fn decide(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let id = asked.id;
    let Some(hold) = world.holds.get(id).filter(|hold| hold.is_in(asked.scope)) else {
        if let Some(state) = facts.ending("hold", id) {
            return Err(Refusal::new(Code::HoldOver, format!("hold `{id}` was {state}")));
        }
        return Err(Refusal::new(Code::NotFound, format!("no hold `{id}` in `{}`", asked.scope)));
    };
    let over = asked.now >= hold.until;
    if over != matches!(action, Action::Expire {}) {
        let word = if over { "has expired" } else { "has not expired" };
        return Err(Refusal::new(Code::HoldOver, format!("hold `{id}` {word}")));
    }
    let event = match action {
        Action::Approve {} => {
            if hold.standing != Standing::Pending {
                return Err(Refusal::new(Code::WrongState, format!("hold `{id}` is approved")));
            }
            if !super::role::may_do(world, asked.actor, &hold.action, asked.now) {
                let text = format!("`{}` may not do `{}`, so cannot confirm it", asked.actor, hold.action);
                return Err(Refusal::new(Code::NotEligible, text));
            }
            let about = facts.part(hold.position, 1).and_then(|args| args.get("principal")?.text());
            if about == Some(asked.actor) {
                let text = format!("`{}` would have the benefit of it, so cannot confirm it", asked.actor);
                return Err(Refusal::new(Code::NotEligible, text));
            }
            Event::Approved {}
        }
        Action::Deny { .. } => Event::Denied {},
        Action::Cancel {} if hold.actor != asked.actor => {
            let text = format!("hold `{id}` is not `{}`'s own", asked.actor);
            return Err(Refusal::new(Code::NotEligible, text));
        }
        Action::Cancel {} => Event::Cancelled {},
        Action::Expire {} => Event::Expired {},
    };
    let mut draft = asked.draft("hold", super::Event::Hold(event), &["reason"]);
    draft.cause = vec![hold.position];
    Ok(vec![draft])
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event, ended: &mut Vec<Ended>) {
    let state = match event {
        Event::Opened { hold, until, .. } => {
            let opened = Hold {
                action: meta.action.unwrap_or_default().to_owned(),
                scope: meta.scope(),
                entity: meta.id.to_owned(),
                actor: meta.actor.to_owned(),
                position: meta.position,
                until: *until,
                standing: Standing::Pending,
            };
            world.holds.of.entry(meta.actor.into()).or_default().push(hold.clone());
            let before = world.holds.live.insert(hold.as_str().into(), opened);
            assert!(before.is_none(), "an opened hold was new");
            return;
        }
        Event::Approved {} => {
            let Some(hold) = world.holds.live.get_mut(meta.id) else { panic!("an approved hold is live") };
            hold.standing = Standing::Approved(meta.position);
            return;
        }
        Event::Denied {} => "denied",
        Event::Cancelled {} => "cancelled",
        Event::Expired {} => "expired",
    };
    world.holds.remove(meta.id);
    ended.push(Ended { kind: "hold", id: meta.id.to_owned(), state, position: meta.position });
}

/// The request that was held has used up the approval that it cites; others may cite it, and use nothing.
pub(super) fn used(world: &mut World, meta: &Meta<'_>, ended: &mut Vec<Ended>) {
    let Some(action) = meta.action.filter(|_| !meta.cause.is_empty()) else { return };
    let cited = world.holds.of(meta.actor).find(|(_, hold)| match hold.standing {
        Standing::Approved(position) => {
            let same = hold.action == action && hold.entity == meta.id && hold.scope.as_str() == meta.scope;
            same && meta.cause.contains(&position)
        }
        Standing::Pending => false,
    });
    let Some(id) = cited.map(|(id, _)| id.to_owned()) else { return };
    world.holds.remove(&id);
    ended.push(Ended { kind: "hold", id, state: "used", position: meta.position });
}
