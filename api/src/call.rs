//! What does a handler get, and how does it answer? One request, read within its bounds. SPEC 20.

use crate::app::App;
use crate::limits::{Limits, count};
use crate::problem::Problem;
use crate::query::Query;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};
use chancery_ledger::{Code, Viewer};
use chancery_projections::View;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// An answer, or the problem that stands in its place.
pub(crate) type Reply = Result<Response<Body>, Problem>;

/// One request on its way through a handler.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    /// Values of the path's braces, in their order.
    pub(crate) params: Vec<String>,
    pub(crate) query: Query,
    pub(crate) parts: Parts,
    /// The body, on routes that take one.
    pub(crate) body: Vec<u8>,
    pub(crate) peer: IpAddr,
    /// Who may look; on routes that are read.
    pub(crate) viewer: Option<Viewer>,
    /// What is looked at; on routes of views.
    pub(crate) view: Option<&'static View>,
    /// Who asked, for the log.
    pub(crate) who: Arc<OnceLock<String>>,
}

impl Call {
    /// The first value of the path.
    pub(crate) fn param(&self) -> &str {
        self.params.first().map_or("", String::as_str)
    }

    /// Who looks. Every handler of a route that is read is called with one.
    pub(crate) fn viewer(&self) -> Result<&Viewer, Problem> {
        self.viewer.as_ref().ok_or_else(|| Problem::new(Code::Internal, "nobody was admitted"))
    }

    /// The one value of a header; two of them contradict each other.
    pub(crate) fn header(&self, name: &str) -> Result<Option<&str>, Problem> {
        header_of(&self.parts, name)
    }
}

/// Whether a media type is JSON in the one encoding that there is for it.
fn is_json(media: &str) -> bool {
    let mut parts = media.split(';').map(str::trim);
    let json = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let utf8 = |part: &str| {
        ["", "charset=utf-8", "charset=\"utf-8\""].iter().any(|one| part.eq_ignore_ascii_case(one))
    };
    json && parts.all(utf8)
}

/// The JSON body of a request, whole.
pub(crate) async fn document(app: &App, parts: &Parts, body: Body) -> Result<Vec<u8>, Problem> {
    let media = header_of(parts, "content-type")?.unwrap_or("application/json");
    let plain = is_json(media);
    if !plain || header_of(parts, "content-encoding")?.is_some() {
        return Err(Problem::new(Code::UnsupportedMediaType, "the body is not plain `application/json`"));
    }
    let limits = app.limits;
    let too_large = || {
        let text = format!("the body has more than {} bytes", limits.body_bytes);
        Problem::new(Code::BodyTooLarge, text)
    };
    let length = header_of(parts, "content-length")?.and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length > limits.body_bytes) {
        return Err(too_large());
    }
    let body = Limited::new(body, count(limits.body_bytes));
    match tokio::time::timeout(Limits::ms(limits.body_read_ms), body.collect()).await {
        Err(_) => Err(Problem::new(Code::RequestTimeout, "the body did not arrive in time")),
        Ok(Ok(whole)) => Ok(whole.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) if is_parse(&*error) => Err(Problem::new(
            Code::HeaderMalformed,
            "the body does not come in the chunks that its head says",
        )),
        Ok(Err(_)) => Err(Problem::new(Code::RequestTimeout, "the body ended before its end")),
    }
}

/// Whether a body broke off because its chunks cannot be read, and not because they did not come.
fn is_parse(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(kind, Some(ErrorKind::InvalidInput | ErrorKind::InvalidData)) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The one value of a header.
pub(crate) fn header_of<'a>(parts: &'a Parts, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = parts.headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    match (first.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        (Ok(_), Some(_)) => {
            Err(Problem::new(Code::HeaderMalformed, format!("the header `{name}` is there twice")))
        }
        (Err(_), _) => {
            Err(Problem::new(Code::HeaderMalformed, format!("the header `{name}` is not plain text")))
        }
    }
}

/// Text of a media type.
pub(crate) fn text(status: StatusCode, media: &'static str, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// A JSON document.
pub(crate) fn json<T: Serialize>(value: &T) -> Reply {
    json_with(StatusCode::OK, value)
}

/// A JSON document with another status.
pub(crate) fn json_with<T: Serialize>(status: StatusCode, value: &T) -> Reply {
    match serde_json::to_string(value) {
        Ok(body) => Ok(text(status, "application/json", body)),
        Err(_) => Err(Problem::new(Code::Internal, "the answer cannot be written")),
    }
}
