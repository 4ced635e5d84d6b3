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

/// Whether requests are taken: not while it stops, and not once the writer has ended.
pub(crate) fn is_ready(app: &App) -> bool {
    !*app.closing.borrow() && !app.ledger.released().has_ended()
}

pub(crate) async fn ready(call: Call) -> Reply {
    match is_ready(&call.app) {
        true => Ok(text(StatusCode::OK, PLAIN, "ready\n")),
        false => Err(Problem::new(Code::NotReady, "the server is stopping")),
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
