//! What must a decision be? A small reference model of sections 8 to 10, written from SPEC.md with plain lists and clear
//! ifs. It calls none of the code that it is compared with, and reads the table of roles out of SPEC.md itself.
//!
//! Nothing is ever taken out of its lists: what is over says so. Everything with a deadline is judged by comparison.

mod draw;
mod errands;
mod gate;
mod jobs;
mod people;
mod relay;
mod rights;
mod state;
mod stops;
mod sweep;
mod table;
mod workers;

pub use draw::{Step, draw};
pub use state::*;

use chancery_ledger::format::json::Value;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// The principal that is the ledger itself.
pub const SYSTEM: &str = "system";

/// A request, as far as a decision looks at it.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who signs it, or whose token it comes with.
    pub who: String,
    /// The token that it comes with instead of a signature.
    pub token: Option<String>,
    pub action: String,
    pub at: String,
    pub id: String,
    pub args: BTreeMap<String, Value>,
    /// The idempotency key, as a number.
    pub key: u64,
}

/// One expected entry: its kind, and members that its data must have.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub kind: String,
    pub data: Vec<(&'static str, Json)>,
}

/// An expected answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// `allow`, `hold`, `deny`, `refuse` or `conflict`.
    pub effect: &'static str,
    pub code: Option<String>,
    pub entries: Vec<Entry>,
    pub replay: bool,
    /// The hold that it is about, as an index.
    pub hold: Option<usize>,
}

/// What a domain answers: entries, or the code of a refusal.
pub type Decided = Result<Vec<Entry>, &'static str>;

/// What the gate answers.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// With the hold that is used up by it.
    Allow(Option<usize>),
    Deny(&'static str),
    /// With the hold that is pending for it.
    Hold(Option<usize>),
}

pub fn entry(kind: &str, data: Vec<(&'static str, Json)>) -> Entry {
    Entry { kind: kind.to_owned(), data }
}

/// One entry without anything to compare but its kind.
pub fn one(kind: &str) -> Decided {
    Ok(vec![entry(kind, Vec::new())])
}

/// Whether a scope contains another: `/`, itself, or a prefix that ends at a segment.
pub fn contains(above: &str, below: &str) -> bool {
    above == "/" || above == below || below.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

/// A scope and all above it, from `/` down.
pub fn levels(scope: &str) -> Vec<String> {
    let mut all = vec!["/".to_owned()];
    for (at, c) in scope.char_indices().skip(1) {
        if c == '/' {
            all.push(scope[..at].to_owned());
        }
    }
    if scope != "/" {
        all.push(scope.to_owned());
    }
    all
}

/// A scope cut to two segments.
pub fn counting(scope: &str) -> String {
    levels(scope).into_iter().take(3).next_back().unwrap_or_default()
}

impl Ask {
    pub fn text(&self, name: &str) -> &str {
        self.args.get(name).and_then(Value::text).unwrap_or_default()
    }

    pub fn has(&self, name: &str) -> bool {
        self.args.contains_key(name)
    }

    pub fn int(&self, name: &str) -> i64 {
        self.args.get(name).and_then(Value::int).unwrap_or_default()
    }

    pub fn flag(&self, name: &str) -> bool {
        matches!(self.args.get(name), Some(Value::Bool(true)))
    }

    /// A list of texts.
    pub fn list(&self, name: &str) -> Vec<String> {
        match self.args.get(name) {
            Some(Value::List(values)) => values.iter().filter_map(Value::text).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    pub fn domain(&self) -> &str {
        self.action.split('.').next().unwrap_or_default()
    }

    pub fn verb(&self) -> &str {
        self.action.split('.').nth(1).unwrap_or_default()
    }
}

impl Said {
    fn conflict(code: &str) -> Self {
        let code = Some(code.to_owned());
        Self { effect: "conflict", code, entries: Vec::new(), replay: false, hold: None }
    }

    fn no(effect: &'static str, code: &str) -> Self {
        let kind = if effect == "deny" { "decision.denied" } else { "decision.refused" };
        let entries = vec![entry(kind, vec![("code", json!(code))])];
        Self { effect, code: Some(code.to_owned()), entries, replay: false, hold: None }
    }
}

impl Oracle {
    /// The answer to a request, in the order of section 8.
    pub fn ask(&mut self, ask: &Ask) -> Said {
        // Step 2: who asks.
        let (who, session) = match &ask.token {
            Some(id) => {
                let now = self.now;
                let live = |t: &&Token| t.id == *id && t.over.is_none() && now < t.expires;
                let Some(token) = self.tokens.iter().find(live) else {
                    return self.again(ask, id).unwrap_or_else(|| Said::conflict("unauthenticated"));
                };
                (token.principal.clone(), Some(id.clone()))
            }
            None if self.person(&ask.who).is_none_or(|p| !p.has_key) => return Said::conflict("unknown_key"),
            None => (ask.who.clone(), None),
        };
        let mut ask = Ask { who: who.clone(), ..ask.clone() };
        let mut session = session;
        // Step 1 of relays: what looks like a secret is recorded by the system, if the caller may relay at all.
        if let Some(clean) = self.without_secret(&ask) {
            match self.gate(&ask, session.as_deref()) {
                Verdict::Allow(_) => (ask, session) = (clean, None),
                _ => return Said::conflict("secret_in_arguments"),
            }
        }
        // Step 3: the same key.
        let same_key =
            |a: &&Answered| a.who == ask.who && a.at == ask.at && a.action == ask.action && a.key == ask.key;
        let mut prior = None;
        if let Some(before) = self.answered.iter().rev().find(same_key) {
            let same = before.id == ask.id && before.args == ask.args;
            let opened = before.said.entries[0].kind == "hold.opened";
            let hold = before.said.hold.filter(|at| opened && !self.is_pending(*at));
            match (hold, same) {
                (_, false) => return Said::conflict("idempotency_conflict"),
                (None, true) => return Said { replay: true, ..before.said.clone() },
                (Some(hold), true) => prior = Some(hold),
            }
        }
        // Steps 7 and 8.
        let verdict = match ask.who.as_str() {
            SYSTEM => Verdict::Allow(None),
            _ => self.gate_after(&ask, session.as_deref(), prior),
        };
        let mut said = match verdict {
            Verdict::Deny(code) => Said::no("deny", code),
            Verdict::Hold(open) => self.held(&ask, open),
            Verdict::Allow(approved) => match self.decide(&ask) {
                Err(code) => Said::no("refuse", code),
                Ok(entries) => {
                    if let Some(at) = approved {
                        self.holds[at].state = "used";
                    }
                    let code = match entries[0].kind.as_str() {
                        "job.result_rejected" => Some("result_rejected".to_owned()),
                        "transcript.quarantined" => Some("quarantined".to_owned()),
                        _ => None,
                    };
                    let effect = if code.is_some() { "refuse" } else { "allow" };
                    Said { effect, code, entries, replay: false, hold: None }
                }
            },
        };
        // A token for one answer ends with it.
        if let Some(id) = &session {
            let now_over = |t: &&mut Token| t.id == *id && t.once && t.over.is_none();
            if let Some(token) = self.tokens.iter_mut().find(now_over) {
                token.over = Some("spent");
                said.entries.push(entry("token.revoked", Vec::new()));
            }
        }
        let Ask { who, action, at, id, args, key, .. } = ask;
        self.answered.push(Answered { who, at, action, key, id, args, session, said: said.clone() });
        said
    }

    /// The answer with which a token ended, for the same request under the same key.
    fn again(&self, ask: &Ask, id: &str) -> Option<Said> {
        let spent = |t: &&Token| t.id == id && t.over == Some("spent") && self.now < t.expires;
        let token = self.tokens.iter().find(spent)?;
        let same_key = |a: &&Answered| {
            a.who == token.principal && a.at == ask.at && a.action == ask.action && a.key == ask.key
        };
        let before = self.answered.iter().rev().find(same_key)?;
        let same = before.id == ask.id && before.args == ask.args && before.session.as_deref() == Some(id);
        let opened = before.said.entries[0].kind == "hold.opened";
        let waits = before.said.hold.is_none_or(|hold| !opened || self.is_pending(hold));
        (same && waits).then(|| Said { replay: true, ..before.said.clone() })
    }

    /// Section 10, domain by domain; what is allowed happens here.
    fn decide(&mut self, ask: &Ask) -> Decided {
        match ask.domain() {
            "scope" => self.scope(ask),
            "principal" => self.principal(ask),
            "role" => self.role(ask),
            "token" => self.token(ask),
            "host_key" => self.host_key(ask),
            "capability" => self.capability(ask),
            "switch" => self.switch(ask),
            "hold" => self.hold(ask),
            "worker" => self.worker(ask),
            "job" => self.job(ask),
            "claim" => self.claim(ask),
            "grant" => self.grant(ask),
            "lease" => self.lease(ask),
            "transcript" => self.transcript(ask),
            "preflight" => self.preflight(ask),
            other => panic!("no domain `{other}` in the model"),
        }
    }
}
