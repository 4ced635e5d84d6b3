//! Who asks, and may they look? A bearer token from the header, then the ledger's own gate. SPEC 20.

use crate::app::App;
use crate::call::{Call, header_of};
use crate::problem::Problem;
use axum::http::request::Parts;
use chancery_ledger::domains::World;
use chancery_ledger::format::ids::{IdempotencyKey, Scope};
use chancery_ledger::format::json::Value;
use chancery_ledger::gate::{Credential, Request, new_request};
use chancery_ledger::{Admission, Answer, Code, Error, Viewer};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A key for requests that are never recorded under it.
const LOOKING: &str = "................";

/// The token of a request.
pub(crate) fn bearer(parts: &Parts) -> Result<Option<String>, Problem> {
    let Some(text) = header_of(parts, "authorization")? else { return Ok(None) };
    let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match token.map(|(_, token)| token.trim()) {
        Some(token) if !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(Some(token.to_owned()))
        }
        _ => Err(Problem::new(Code::HeaderMalformed, "`Authorization` is not `Bearer <token>`")),
    }
}

/// Nobody was found to ask: which of the reasons it is stays unsaid, and too many of them are told to wait.
pub(crate) fn unauthenticated(app: &App, peer: IpAddr) -> Problem {
    app.metrics.failed_authentications.add(1);
    match app.throttle.failed(peer) {
        Ok(()) => Problem::new(Code::Unauthenticated, "no live credential came with the request"),
        Err(seconds) => waiting(seconds, "too many failed authentications from this address"),
    }
}

/// Whether an address may try a credential that only the writer can check.
pub(crate) fn may_try(app: &App, peer: IpAddr) -> Result<(), Problem> {
    let wait = |seconds| waiting(seconds, "too many failed authentications from this address");
    app.throttle.may_try(peer).map_err(wait)
}

fn waiting(seconds: u64, why: &str) -> Problem {
    Problem::new(Code::TooManyRequests, why).retry_after(seconds)
}

/// For whom a token speaks, and where its authority ends; nobody when it is not live.
fn speaks(world: &World, token: &str, now: i64) -> Option<(String, Scope)> {
    let (session, principal) = world.tokens.authenticate(token, now)?;
    let scope = match world.tokens.within(session) {
        Some(scope) => scope.clone(),
        None => world.principals.get(principal)?.scope.clone(),
    };
    Some((principal.to_owned(), scope))
}

/// The principal and scope of a token, counted against the principal's share.
pub(crate) fn identify(app: &App, peer: IpAddr, token: &str) -> Result<(String, Scope), Problem> {
    let now = app.ledger.now();
    let found = app.ledger.look(|world| speaks(world, token, now));
    let (principal, scope) = found.ok_or_else(|| unauthenticated(app, peer))?;
    counted(app, &principal)?;
    Ok((principal, scope))
}

/// The principal of a token that asks for something to be done. One that ended with its one answer may have that answer
/// again: whether it is what is asked for, the writer knows.
pub(crate) fn identify_asking(app: &App, peer: IpAddr, token: &str) -> Result<String, Problem> {
    let now = app.ledger.now();
    let found = app.ledger.look(|world| {
        let live = world.tokens.authenticate(token, now);
        let (_, principal) = live.or_else(|| world.tokens.authenticate_spent(token, now))?;
        Some(principal.to_owned())
    });
    let principal = found.ok_or_else(|| unauthenticated(app, peer))?;
    counted(app, &principal)?;
    Ok(principal)
}

fn counted(app: &App, principal: &str) -> Result<(), Problem> {
    let share = app.throttle.request(principal);
    share.map_err(|seconds| waiting(seconds, "too many requests of this principal"))
}

/// A request to look at a view.
pub(crate) fn looking(app: &App, token: &str, what: (&str, &str), scope: &Scope) -> Result<Request, Problem> {
    let key = IdempotencyKey::parse(LOOKING).map_err(|e| Problem::new(Code::Internal, e.to_string()))?;
    let mut request = new_request(what.0, scope, Some(what.1), &app.name, Value::object(), key, [0; 32])?;
    request.credential = Credential::Token(token.to_owned());
    Ok(request)
}

/// Whether the caller may look at a view, in the scope that it named or else its own.
pub(crate) async fn admit(call: &Call, action: &'static str, view: &'static str) -> Result<Viewer, Problem> {
    let app = &call.app;
    let Some(token) = bearer(&call.parts)? else { return Err(unauthenticated(app, call.peer)) };
    let (principal, own) = identify(app, call.peer, &token)?;
    let _ = call.who.set(principal);
    let named = call.query.get("scope").map(Scope::parse).transpose();
    let named =
        named.map_err(|error| Problem::at(Code::MalformedValue, "/query/scope", error.to_string()))?;
    let mut request = looking(app, &token, (action, view), named.as_ref().unwrap_or(&own))?;
    // Whether a scope that is not open has ended stands in the store.
    let admission = if named.is_some() {
        let asking = Arc::clone(app);
        let asked = app.blocking(move || {
            let admission = asking.ledger.admit(&mut request)?;
            Ok((admission, request))
        });
        let admission;
        (admission, request) = asked.await?;
        admission
    } else {
        app.ledger.admit(&mut request)?
    };
    match admission {
        Admission::Yes(viewer) => Ok(viewer),
        Admission::Conflict(conflict) if conflict.code == Code::Unauthenticated => {
            Err(unauthenticated(app, call.peer))
        }
        Admission::Conflict(conflict) => Err(conflict.into()),
        Admission::No { code, message, record } => {
            if record {
                request.salt = app.random()?;
                // What it is answered changes nothing: the no is as good when it is only counted.
                submit(app, request).await?;
            }
            Err(match code {
                Code::ScopeForeign => Problem::not_found(),
                code => Problem::new(code, message),
            })
        }
    }
}

/// Asks the writer, without holding a thread while it answers.
pub(crate) async fn submit(app: &App, request: Request) -> Result<Answer, Problem> {
    let (send, receive) = oneshot::channel();
    let reply = move |answer| {
        let _ = send.send(answer);
    };
    app.ledger.submit_with(request, Box::new(reply))?;
    let lost = || Answer::Failed(Error::new(Code::OutcomeUnknown, "the writer ended before it answered"));
    Ok(receive.await.unwrap_or_else(|_| lost()))
}
