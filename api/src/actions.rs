//! What can be asked for, and what is answered? The actions that the core declares; none is named here. SPEC 20.

use crate::auth::{bearer, identify_asking, may_try, submit, unauthenticated};
use crate::call::{Call, Reply, json};
use crate::document::{Asked, read};
use crate::problem::Problem;
use chancery_ledger::domains::{ACTIONS, ActionSpec, Flow};
use chancery_ledger::format::ids::IdempotencyKey;
use chancery_ledger::gate::{Credential, Request, declared};
use chancery_ledger::{Answer, Class, Code, Effect, Preview, Receipt};
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// A key for requests that are never recorded under one.
const NO_KEY: &str = "................";

#[derive(Serialize)]
struct Field {
    name: &'static str,
    shape: String,
    required: bool,
    help: &'static str,
}

#[derive(Serialize)]
struct Declared {
    id: &'static str,
    entity: &'static str,
    risk: &'static str,
    flow: &'static str,
    help: &'static str,
    roles: Vec<&'static str>,
    fields: Vec<Field>,
}

fn declare(spec: &'static ActionSpec) -> Declared {
    let field = |field: &'static chancery_ledger::domains::Field| Field {
        name: field.name,
        shape: field.shape.describe(),
        required: field.required,
        help: field.help,
    };
    let roles = declared(spec.id).map(|(_, rule)| rule.roles).unwrap_or_default();
    Declared {
        id: spec.id,
        entity: spec.entity,
        risk: spec.risk.as_str(),
        flow: match spec.flow {
            Flow::Raises => "raises",
            Flow::Reports => "reports",
            Flow::Reduces => "reduces",
            Flow::Reads => "reads",
        },
        help: spec.help,
        roles: roles.iter().map(|role| role.as_str()).collect(),
        fields: spec.fields.iter().map(field).collect(),
    }
}

pub(crate) async fn list(_call: Call) -> Reply {
    #[derive(Serialize)]
    struct List {
        actions: Vec<Declared>,
    }
    json(&List { actions: ACTIONS.iter().copied().flatten().map(declare).collect() })
}

/// Reads the request that a call is, with its credential.
fn request(call: &Call, key: IdempotencyKey) -> Result<Request, Problem> {
    let token = bearer(&call.parts)?;
    if let Some(token) = &token {
        let principal = identify_asking(&call.app, call.peer, token)?;
        let _ = call.who.set(principal);
    }
    if declared(call.param()).is_none() {
        let text = format!("no action `{}`", call.param());
        return Err(Problem::new(Code::UnknownAction, text));
    }
    let asked = Asked { action: call.param(), ledger: &call.app.name, key, salt: call.app.random()? };
    let mut request = read(&asked, &call.body)?;
    match token {
        Some(token) => request.credential = Credential::Token(token),
        None if request.attestation.is_none() => return Err(unauthenticated(&call.app, call.peer)),
        // A signature is checked by the writer: who sent too many bad ones does not get that far.
        None => may_try(&call.app, call.peer)?,
    }
    Ok(request)
}

/// An answer without an entry.
fn conflict(
    call: &Call,
    key: Option<chancery_ledger::format::ids::KeyId>,
    conflict: chancery_ledger::Conflict,
) -> Problem {
    let refused = [Code::Unauthenticated, Code::UnknownKey, Code::BadSignature];
    if refused.contains(&conflict.code) {
        let problem = unauthenticated(&call.app, call.peer);
        if problem.code == Code::TooManyRequests || conflict.code == Code::Unauthenticated {
            return problem;
        }
    }
    let next = |key| call.app.ledger.look(|world| world.keys.get(key).map(|key| key.next));
    let expected = key.filter(|_| conflict.code == Code::WrongSeq).and_then(next);
    Problem::from(conflict).expected(expected)
}

#[derive(Serialize)]
struct EventSeen<'a> {
    address: String,
    entry: &'a RawValue,
}

#[derive(Serialize)]
struct Invoked<'a> {
    effect: Effect,
    events: Vec<EventSeen<'a>>,
    receipt: &'a Receipt,
}

fn key_of(text: &str) -> Result<IdempotencyKey, Problem> {
    let text = IdempotencyKey::parse(text);
    text.map_err(|_| {
        Problem::new(Code::HeaderMalformed, "`Idempotency-Key` is not 16 to 128 of [A-Za-z0-9._:-]")
    })
}

pub(crate) async fn invoke(call: Call) -> Reply {
    let Some(key) = call.header("idempotency-key")? else {
        return Err(Problem::new(Code::IdempotencyKeyRequired, "the header `Idempotency-Key` is not there"));
    };
    let key = key_of(key)?;
    let request = request(&call, key)?;
    let signer = request.attestation.as_ref().map(|attestation| attestation.key);
    let receipt = match submit(&call.app, request).await? {
        Answer::Receipt(receipt) => receipt,
        Answer::Conflict(no) => return Err(conflict(&call, signer, no)),
        Answer::Failed(error) => return Err(error.into()),
    };
    if let Some(code) = receipt.code.filter(|code| code.class() != Class::Invalid) {
        return Err(Problem::recorded(code, &receipt));
    }
    let mut frames = Vec::with_capacity(receipt.entries.len());
    for entry in &receipt.entries {
        frames.extend(call.app.frames(entry.position..entry.position + 1).await?);
    }
    let seen = |frame: &'_ Arc<crate::frames::Frame>| frame.address.to_string();
    let events = frames.iter().map(|frame| EventSeen { address: seen(frame), entry: &frame.entry });
    json(&Invoked { effect: receipt.effect, events: events.collect(), receipt: &receipt })
}

pub(crate) async fn preview(call: Call) -> Reply {
    // Nothing is recorded under it, but a signature covers it.
    let key = key_of(call.header("idempotency-key")?.unwrap_or(NO_KEY))?;
    let request = request(&call, key)?;
    let signer = request.attestation.as_ref().map(|attestation| attestation.key);
    let app = Arc::clone(&call.app);
    let decision = match call.app.blocking(move || app.ledger.preview(&request)).await? {
        Ok(preview) => preview,
        Err(no) => return Err(conflict(&call, signer, no)),
    };
    #[derive(Serialize)]
    struct Previewed {
        effect: Effect,
        decision: Preview,
    }
    json(&Previewed { effect: decision.effect, decision })
}
