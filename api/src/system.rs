//! Is the server well, and what does it speak? Health, readiness, figures, codes, and the table as OpenAPI.

use crate::app::App;
use crate::call::{Call, Reply, json, text};
use crate::problem::{Problem, status};
use crate::spec::row;
use axum::http::StatusCode;
use chancery_ledger::Code;
use serde::Serialize;

const PLAIN: &str = "text/plain; charset=utf-8";

pub(crate) async fn health(_call: Call) -> Reply {
    Ok(text(StatusCode::OK, PLAIN, "ok\n"))
}

/// Why not everything that is asked for is answered as it should be: it stops, the clock is not believed, or the views
/// stand still. What does not need these is answered all the same.
fn unready(app: &App) -> Option<Problem> {
    if *app.closing.borrow() || app.ledger.released().has_ended() {
        return Some(Problem::new(Code::NotReady, "the server is stopping"));
    }
    if let Some(why) = app.ledger.clock_suspect() {
        return Some(Problem::new(Code::ClockSuspect, why));
    }
    let stopped = app.folded.borrow().stopped.clone();
    stopped.map(|(code, _)| {
        // Anybody may ask: paths and figures stay with those who may see them.
        Problem::new(Code::NotReady, format!("the views stand still: {code}"))
            .hint("what is asked of the ledger itself is answered; the server's stderr says more")
    })
}

pub(crate) async fn ready(call: Call) -> Reply {
    match unready(&call.app) {
        None => Ok(text(StatusCode::OK, PLAIN, "ready\n")),
        Some(problem) => Err(problem),
    }
}

pub(crate) async fn metrics(call: Call) -> Reply {
    // They are of all scopes: who sees a part of them sees none.
    if !call.viewer()?.authority.is_root() {
        return Err(Problem::not_found());
    }
    Ok(text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", call.app.render_metrics()))
}

pub(crate) async fn openapi(_call: Call) -> Reply {
    Ok(text(StatusCode::OK, "application/json", crate::openapi::document()))
}

pub(crate) async fn code(call: Call) -> Reply {
    #[derive(Serialize)]
    struct Told {
        code: Code,
        class: &'static str,
        status: u16,
        meaning: &'static str,
        way_out: &'static str,
    }
    let Some(code) = Code::parse(call.param()) else { return Err(Problem::not_found()) };
    let row = row(code).unwrap_or_default();
    json(&Told { code, class: row.class, status: status(code), meaning: row.meaning, way_out: row.way_out })
}
