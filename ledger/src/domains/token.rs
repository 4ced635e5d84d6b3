//! Which bearer tokens speak for whom? SPEC 10.5.
//!
//! ```text
//! (nothing) --issued--> live --revoked--> revoked (terminal)     live, time >= expires: dead
//! ```
//!
//! 1. The ledger keeps the hash of a secret, never the secret.
//! 2. A token expires by comparison, not by an event.
//! 3. One for a single answer shows that answer again, and opens nothing else.

use super::spec::{ActionSpec, Field, Flow, Risk, Shape, Subject};
use super::table::Table;
use super::{Asked, Draft, Ended, Facts, Meta, Refusal, World};
use crate::code::Code;
use crate::format::encoding::{base64_url, hex, unbase64_url};
use crate::format::hash::{Digest, TOKEN};
use crate::format::ids::Scope;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Live tokens that one principal may have.
pub const MAX: usize = 32;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the declaration below says what each argument means")]
pub enum Action {
    Issue {
        principal: String,
        ttl_ms: i64,
        #[serde(default)]
        once: bool,
        #[serde(default)]
        within: Option<String>,
    },
    Revoke {
        #[serde(default)]
        reason: Option<String>,
    },
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "SPEC 10.5 documents the fields")]
pub enum Event {
    Issued {
        expires: i64,
        hash: Digest,
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        once: bool,
        principal: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        within: Option<String>,
    },
    Revoked {},
}

/// A token that was not revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// For whom it speaks.
    pub principal: String,
    /// Digest of its secret.
    pub hash: Digest,
    /// From this instant on it is dead.
    pub expires: i64,
    /// Whether its first recorded answer ends it.
    #[serde(default)]
    pub once: bool,
    /// The scope that it is narrowed to.
    #[serde(default)]
    pub within: Option<Scope>,
}

/// Tokens that were not revoked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    live: Table<Box<str>, Token>,
    of: BTreeMap<String, BTreeSet<String>>,
    /// Tokens that ended with their one answer.
    #[serde(default)]
    spent: Table<Box<str>, Token>,
    /// Their ids by principal, the oldest first.
    #[serde(default)]
    spent_of: BTreeMap<String, Vec<String>>,
}

impl State {
    /// Number of tokens that were not revoked.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// A token that was not revoked.
    pub fn get(&self, id: &str) -> Option<&Token> {
        self.live.get(id)
    }

    /// True when a principal has a token that was not revoked.
    pub fn has_any(&self, principal: &str) -> bool {
        self.of.contains_key(principal)
    }

    /// The scope that a token is narrowed to.
    pub fn within(&self, id: &str) -> Option<&Scope> {
        self.live.get(id)?.within.as_ref()
    }

    /// Whether a token's first recorded answer ends it.
    pub fn is_once(&self, id: &str) -> bool {
        self.live.get(id).is_some_and(|token| token.once)
    }

    /// For whom a token speaks at `now`, when it is live.
    pub fn speaks_for(&self, id: &str, now: i64) -> Option<&str> {
        let token = self.live.get(id).filter(|token| now < token.expires)?;
        Some(token.principal.as_str())
    }

    /// The token that this text is, with its principal, at `now`; nothing tells why there is none.
    pub fn authenticate<'a>(&'a self, text: &'a str, now: i64) -> Option<(&'a str, &'a str)> {
        let (id, secret) = parse(text)?;
        let token = self.live.get(id)?;
        // Digests of secrets are compared, so the time that it takes tells nothing about a secret.
        (TOKEN.digest(&secret) == token.hash && now < token.expires).then_some((id, token.principal.as_str()))
    }

    /// The token that this text was, with its principal, when it ended with its one answer and would be live at `now`.
    pub fn authenticate_spent<'a>(&'a self, text: &'a str, now: i64) -> Option<(&'a str, &'a str)> {
        let (id, secret) = parse(text)?;
        let token = self.spent.get(id)?;
        (TOKEN.digest(&secret) == token.hash && now < token.expires).then_some((id, token.principal.as_str()))
    }

    /// Remembers a token that ended with its one answer; what expired, or is too old, makes room.
    fn spend(&mut self, id: &str, token: Token, now: i64) {
        let ids = self.spent_of.entry(token.principal.clone()).or_default();
        let excess = (ids.len() + 1).saturating_sub(MAX);
        let mut index = 0;
        ids.retain(|id| {
            let stays = index >= excess && self.spent.get(id.as_str()).is_some_and(|one| now < one.expires);
            index += 1;
            if !stays {
                self.spent.remove(id.as_str());
            }
            stays
        });
        ids.push(id.to_owned());
        self.spent.insert(id.into(), token);
    }

    fn remove(&mut self, id: &str) -> Option<Token> {
        let token = self.live.remove(id)?;
        if let Some(ids) = self.of.get_mut(&token.principal) {
            ids.remove(id);
            if ids.is_empty() {
                self.of.remove(&token.principal);
            }
        }
        Some(token)
    }
}

/// The text of a token.
pub fn text(stage: &str, id: &str, secret: &[u8; 32]) -> String {
    let body = format!("chy_{stage}_{id}_{}", base64_url(secret));
    format!("{body}_{}", check(&body))
}

fn check(body: &str) -> String {
    hex(&Sha256::new().chain_update(body).chain_update("_").finalize()[..4])
}

/// Id and secret of a token's text, when its form and check are right.
fn parse(text: &str) -> Option<(&str, [u8; 32])> {
    let (body, sum) = text.rsplit_once('_')?;
    let rest = body.strip_prefix("chy_")?;
    let (_stage, rest) = rest.split_once('_')?;
    let (id, secret) = rest.split_once('_')?;
    let secret = unbase64_url(secret)?.try_into().ok()?;
    (check(body) == sum && is_token_id(id)).then_some((id, secret))
}

/// The id in a token's text, when its form and check are right.
pub fn id_of(text: &str) -> Option<&str> {
    parse(text).map(|(id, _)| id)
}

/// The entry that says a token for one use was used.
pub(crate) fn spent(id: &str) -> Draft {
    Draft {
        entity_kind: "token",
        entity_id: id.to_owned(),
        event: super::Event::Token(Event::Revoked {}),
        private: None,
        cause: Vec::new(),
    }
}

pub(super) fn is_token_id(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        id: "token.issue",
        entity: "token",
        subject: Subject::NewToken,
        risk: Risk::Low,
        flow: Flow::Raises,
        help: "Issue a token for a principal; the answer shows its secret once.",
        fields: &[
            Field {
                name: "once",
                shape: Shape::Bool,
                required: false,
                help: "whether its first recorded answer ends it",
            },
            Field { name: "principal", shape: Shape::Principal, required: true, help: "for whom it speaks" },
            Field {
                name: "ttl_ms",
                shape: Shape::Int(60_000, 7_776_000_000),
                required: true,
                help: "how long it lives, in milliseconds: a minute to 90 days",
            },
            Field {
                name: "within",
                shape: Shape::Scope,
                required: false,
                help: "a scope at or below its principal's, beyond which it does not speak",
            },
        ],
    },
    ActionSpec {
        id: "token.revoke",
        entity: "token",
        subject: Subject::Named,
        risk: Risk::Low,
        flow: Flow::Reduces,
        help: "Revoke a token, for good.",
        fields: &[super::scope::REASON],
    },
];

/// Ends every token of a principal.
pub(super) fn end_all(world: &mut World, principal: &str, position: u64, ended: &mut Vec<Ended>) {
    for id in world.tokens.of.get(principal).cloned().unwrap_or_default() {
        world.tokens.remove(&id);
        ended.push(Ended { kind: "token", id, state: "revoked", position });
    }
    for id in world.tokens.spent_of.remove(principal).unwrap_or_default() {
        world.tokens.spent.remove(id.as_str());
    }
}

pub(super) fn decide(
    world: &World,
    facts: &Facts,
    action: &Action,
    asked: &Asked<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let id = asked.id;
    let event = match action {
        Action::Issue { principal, ttl_ms, once, within } => {
            let Some(owner) = world.principals.get_in(principal, asked.scope) else {
                let text = format!("no principal `{principal}` in `{}`", asked.scope);
                return Err(Refusal::new(Code::PrincipalUnknown, text));
            };
            super::principal::hold_to_all(world, asked, owner)?;
            let narrower = |text: &String| Scope::parse(text).is_ok_and(|scope| owner.scope.contains(&scope));
            if within.as_ref().is_some_and(|text| !narrower(text)) {
                let text = format!("a token of `{principal}` speaks at or below `{}`", owner.scope);
                return Err(Refusal::new(Code::ScopeNotBelow, text));
            }
            if facts.has_ended("token", id) {
                return Err(Refusal::new(Code::TokenEnded, format!("token `{id}` was revoked")));
            }
            if world.tokens.live.has(id) {
                return Err(Refusal::new(Code::TokenExists, format!("the token id `{id}` is taken")));
            }
            let alive =
                |id: &&String| world.tokens.live.get(id.as_str()).is_some_and(|t| asked.now < t.expires);
            let tokens = world.tokens.of.get(principal);
            if tokens.is_some_and(|ids| ids.iter().filter(alive).count() >= MAX) {
                return Err(Refusal::new(Code::TokenLimit, format!("`{principal}` has {MAX} live tokens")));
            }
            let expires = asked.now + ttl_ms;
            Event::Issued {
                expires,
                hash: TOKEN.digest(asked.fresh),
                once: *once,
                principal: principal.clone(),
                within: within.clone(),
            }
        }
        Action::Revoke { .. } => {
            let owner = world.tokens.live.get(id).map(|token| token.principal.as_str());
            if owner.is_none_or(|owner| world.principals.get_in(owner, asked.scope).is_none()) {
                let text = format!("no live token `{id}` in `{}`", asked.scope);
                return Err(Refusal::new(Code::NotFound, text));
            }
            Event::Revoked {}
        }
    };
    Ok(vec![Draft {
        entity_kind: "token",
        entity_id: id.to_owned(),
        event: super::Event::Token(event),
        private: super::principal::private(asked.args, &["reason"]),
        cause: Vec::new(),
    }])
}

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event, ended: &mut Vec<Ended>) {
    match event {
        Event::Issued { expires, hash, once, principal, within } => {
            // What expired makes room as soon as its principal is given another; it is no longer live anyway.
            for id in world.tokens.of.get(principal).cloned().unwrap_or_default() {
                if world.tokens.live.get(id.as_str()).is_some_and(|token| token.expires <= meta.time) {
                    world.tokens.remove(&id);
                    ended.push(Ended { kind: "token", id, state: "expired", position: meta.position });
                }
            }
            let within = within.as_deref().and_then(|text| Scope::parse(text).ok());
            let token =
                Token { principal: principal.clone(), hash: *hash, expires: *expires, once: *once, within };
            let before = world.tokens.live.insert(meta.id.into(), token);
            assert!(before.is_none(), "an issued token's id was free");
            world.tokens.of.entry(principal.clone()).or_default().insert(meta.id.to_owned());
        }
        Event::Revoked {} => {
            let Some(token) = world.tokens.remove(meta.id) else { panic!("a revoked token was live") };
            // An entry that answers no request says that the token ended with the answer before it.
            if meta.action.is_none() {
                world.tokens.spend(meta.id, token, meta.time);
            }
            let id = meta.id.to_owned();
            ended.push(Ended { kind: "token", id, state: "revoked", position: meta.position });
        }
    }
}
