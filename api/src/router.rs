//! How does a request find its handler? From the table: method, bounds, body, who may, a turn, an answer, headers.

use crate::app::App;
use crate::auth::admit;
use crate::call::{Call, Reply, document};
use crate::head;
use crate::limits::Limits;
use crate::log::Line;
use crate::problem::Problem;
use crate::query::Query;
use crate::routes::{Method, ROUTES, Route, Rule};
use crate::views;
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderName, HeaderValue, Response, Uri, header};
use axum::routing::any;
use chancery_ledger::Code;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::limits::Stopwatch;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};
use tokio::time::timeout;

const POSITION: HeaderName = HeaderName::from_static("chancery-position");
const STAGE: HeaderName = HeaderName::from_static("chancery-stage");
const REQUEST: HeaderName = HeaderName::from_static("chancery-request");

/// The peer of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Rows of one path, by their place in the table.
type Rows = Arc<Vec<usize>>;

/// The router that the table makes; `only` picks rows.
pub(crate) fn router(app: &Arc<App>, only: impl Fn(&Route) -> bool) -> Router {
    let mut paths: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, route) in ROUTES.iter().enumerate().filter(|(_, route)| only(route)) {
        paths.entry(route.path).or_default().push(at);
    }
    let mut router = Router::new();
    for (path, rows) in paths {
        let (app, rows) = (Arc::clone(app), Arc::new(rows));
        let handler = move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
            let (app, mut rows) = (Arc::clone(&app), Arc::clone(&rows));
            let params = params.map(|found| found.iter().map(|(_, value)| value.to_owned()).collect());
            // What is not text names nothing.
            if params.is_err() {
                rows = Rows::default();
            }
            answer(app, rows, params.unwrap_or_default(), request)
        };
        router = router.route(path, any(handler));
    }
    let app = Arc::clone(app);
    router.fallback(move |request: Request| answer(Arc::clone(&app), Rows::default(), Vec::new(), request))
}

/// Answers a request, and counts and logs it.
async fn answer(app: Arc<App>, rows: Rows, params: Vec<String>, request: Request) -> Response<Body> {
    let watch = Stopwatch::start();
    let id = app.random::<8>().map(|bytes| hex(&bytes)).unwrap_or_default();
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
    let method = request.method().clone();
    let who: Arc<OnceLock<String>> = Arc::default();
    let found = rows.iter().copied().find(|at| ROUTES.get(*at).is_some_and(|row| fits(row, method.as_str())));
    let framing = head::check(request.version(), request.uri(), request.headers());
    let (clear, long) = (framing.is_ok(), too_long(&app, request.uri()));
    let outcome = {
        let _counted = app.metrics.in_flight.hold();
        match found.and_then(|at| ROUTES.get(at)) {
            _ if !clear => framing.map(|()| Response::default()),
            _ if long.is_some() => Err(long.unwrap_or_else(Problem::not_found)),
            Some(route) => handle(&app, route, params, request, peer, &who).await,
            None if rows.is_empty() => Err(Problem::not_found()),
            None => {
                let allowed = rows.iter().filter_map(|at| ROUTES.get(*at)).map(|row| row.method.as_str());
                let allowed = allowed.collect::<Vec<_>>().join(", ");
                let problem = Problem::new(Code::MethodNotAllowed, format!("here stands {allowed} only"));
                Err(problem.allow(allowed))
            }
        }
    };
    let mut response = outcome.unwrap_or_else(Problem::into_response);
    finish(&app, &mut response, &id);
    if !clear {
        // Where such a request ends is a matter of opinion: nothing after it is read.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let took = watch.elapsed();
    app.metrics.answered(found, response.status().as_u16(), took);
    let line = Line {
        time: app.ledger.now(),
        request: &id,
        principal: who.get().map(String::as_str),
        peer: peer.to_string(),
        method: if method.as_str().len() <= 16 { method.as_str() } else { "OTHER" },
        route: found.and_then(|at| ROUTES.get(at)).map_or("other", |route| route.path),
        status: response.status().as_u16(),
        bytes: response.body().size_hint().exact(),
        micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    };
    if !app.log.write(&line) {
        app.metrics.log_lines_lost.add(1);
    }
    response
}

/// Whether a row is for a method; HEAD is GET without a body.
fn fits(route: &Route, method: &str) -> bool {
    route.method.as_str() == method || (route.method == Method::Get && method == "HEAD")
}

/// Path and query are bounded before anybody looks what they name.
fn too_long(app: &App, uri: &Uri) -> Option<Problem> {
    let (url, most) = (uri.path_and_query().map_or(0, |url| url.as_str().len()), app.limits.url_bytes);
    let text = format!("path and query have {url} bytes, {most} are allowed");
    (url as u64 > most).then(|| Problem::new(Code::UrlTooLong, text))
}

/// Headers that every answer has.
fn finish(app: &App, response: &mut Response<Body>, id: &str) {
    let position = app.reference(app.size().saturating_sub(1));
    let headers = response.headers_mut();
    for (name, value) in [(POSITION, position.as_str()), (REQUEST, id)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers.insert(STAGE, HeaderValue::from_static(app.stage));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

async fn handle(
    app: &Arc<App>,
    route: &'static Route,
    params: Vec<String>,
    request: Request,
    peer: IpAddr,
    who: &Arc<OnceLock<String>>,
) -> Reply {
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query(), route.query)?;
    // Before it has a turn: who sends slowly keeps nobody from theirs.
    let body = match route.method {
        Method::Get => Vec::new(),
        Method::Post => document(app, &parts, body).await?,
    };
    let mut call = Call {
        app: Arc::clone(app),
        params,
        query,
        parts,
        body,
        peer,
        viewer: None,
        view: None,
        who: Arc::clone(who),
    };
    let turn = async {
        let _turn = match route.rule {
            Rule::Open => None,
            Rule::Read { .. } | Rule::View(_) | Rule::Ask => {
                let full = || Problem::new(Code::QueueFull, "too many requests wait for their turn");
                Some(app.slots.enter().await.ok_or_else(full)?)
            }
        };
        match route.rule {
            Rule::Read { action, view } => call.viewer = Some(admit(&call, action, view).await?),
            Rule::View(which) => {
                let view = views::named(&call, which)?;
                call.viewer = Some(admit(&call, view.access.action(), view.name).await?);
                call.view = Some(view);
            }
            Rule::Open | Rule::Ask => {}
        }
        (route.run)(call).await
    };
    let late =
        || Problem::new(Code::AnswerTimeout, "the answer took too long; what was asked may stand or not");
    timeout(Limits::ms(app.limits.answer_ms), turn).await.unwrap_or_else(|_| Err(late()))
}

/// The router of the address where figures are given to anybody.
pub(crate) fn figures(app: &Arc<App>) -> Router {
    let app = Arc::clone(app);
    let text = move || async move {
        let media = "text/plain; version=0.0.4; charset=utf-8";
        crate::call::text(axum::http::StatusCode::OK, media, app.render_metrics())
    };
    Router::new().route("/metrics", axum::routing::get(text))
}
