//! How is a no, or a failure, told over HTTP? RFC 9457, one status for each code. SPEC 20.

use crate::spec::row;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use chancery_ledger::domains::Invalid;
use chancery_ledger::format::json::JsonError;
use chancery_ledger::{Class, Code, Conflict, Error, Receipt};
use serde::Serialize;
use serde_json::value::RawValue;

/// The media type.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What is answered in place of what was asked for.
#[derive(Debug)]
pub struct Problem {
    pub(crate) code: Code,
    said: Box<Said>,
}

#[derive(Debug, Default)]
struct Said {
    detail: String,
    errors: Vec<Place>,
    hint: Option<String>,
    position: Option<String>,
    hold: Option<String>,
    expected: Option<u64>,
    receipt: Option<Box<RawValue>>,
    retry_after: Option<u64>,
    allow: Option<String>,
}

#[derive(Debug, Serialize)]
struct Place {
    code: Code,
    pointer: String,
}

#[derive(Serialize)]
struct Body9457<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Place],
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'a RawValue>,
}

/// The status of a code: by its class, but for those that HTTP has a word of its own for.
pub fn status(code: Code) -> u16 {
    match code {
        Code::NotJson
        | Code::NotUtf8
        | Code::NumberNotInteger
        | Code::NumberOutOfRange
        | Code::DuplicateKey
        | Code::KeyMalformed
        | Code::BadString
        | Code::TooDeep
        | Code::HeaderMalformed
        | Code::IdempotencyKeyRequired
        | Code::BadCursor
        | Code::PageTokenInvalid => 400,
        Code::Unauthenticated => 401,
        Code::NotFound | Code::UnknownAction => 404,
        Code::MethodNotAllowed => 405,
        Code::RequestTimeout => 408,
        Code::BodyTooLarge => 413,
        Code::UrlTooLong => 414,
        Code::UnsupportedMediaType => 415,
        Code::OverQuota | Code::TooManyRequests => 429,
        Code::QueueFull
        | Code::StorageFull
        | Code::WalFull
        | Code::ClockSuspect
        | Code::Stopped
        | Code::NotReady
        | Code::Behind
        | Code::ViewBuilding => 503,
        Code::AnswerTimeout => 504,
        code => match code.class() {
            Class::Invalid => 422,
            Class::Conflict | Class::Refusal => 409,
            Class::Denial | Class::Hold => 403,
            Class::Error => 500,
        },
    }
}

impl Problem {
    /// A problem with this code.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = match code {
            Code::OverQuota => Some(60),
            _ if status(code) == 503 || status(code) == 429 => Some(1),
            _ => None,
        };
        Self { code, said: Box::new(Said { detail: detail.into(), retry_after, ..Said::default() }) }
    }

    /// What is not there, and what may not be seen, are one answer.
    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound, "there is nothing here that you may see")
    }

    /// A problem with one place of the request.
    pub(crate) fn at(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(code, detail);
        problem.said.errors.push(Place { code, pointer: pointer.into() });
        problem
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.said.hint = Some(hint.into());
        self
    }

    /// The number that the key's next signature must have.
    pub(crate) fn expected(mut self, seq: Option<u64>) -> Self {
        self.said.expected = seq;
        self
    }

    /// When it may be asked again.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.said.retry_after = Some(seconds);
        self
    }

    /// The methods that there are.
    pub(crate) fn allow(mut self, methods: String) -> Self {
        self.said.allow = Some(methods);
        self
    }

    /// A recorded no.
    pub(crate) fn recorded(code: Code, receipt: &Receipt) -> Self {
        let said = receipt.message.clone();
        let mut problem = Self::new(code, said.unwrap_or_else(|| "the stored answer is no".to_owned()));
        problem.said.position = Some(receipt.position.clone());
        problem.said.hold.clone_from(&receipt.hold);
        if let Some(hold) = &receipt.hold {
            problem.said.hint =
                Some(format!("let another principal approve the hold `{hold}`, then ask again"));
        }
        problem.said.receipt = serde_json::value::to_raw_value(receipt).ok();
        problem
    }

    /// The answer.
    pub(crate) fn into_response(self) -> Response<Body> {
        let (row, status, said) = (row(self.code).unwrap_or_default(), status(self.code), self.said);
        let text = serde_json::to_string(&Body9457 {
            kind: format!("/v1/codes/{}", self.code),
            title: row.meaning,
            status,
            detail: &said.detail,
            code: self.code,
            position: said.position.as_deref(),
            errors: &said.errors,
            hint: Some(said.hint.as_deref().unwrap_or(row.way_out)).filter(|hint| !hint.is_empty()),
            hold: said.hold.as_deref(),
            expected: said.expected,
            receipt: said.receipt.as_deref(),
        });
        let mut response = Response::new(Body::from(text.unwrap_or_default()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"chancery\""));
        }
        if let Some(seconds) = said.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = said.allow.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        response
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Self {
        Self::new(conflict.code, conflict.message)
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::at(invalid.code, invalid.pointer, invalid.message).hint(invalid.hint)
    }
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        Self::at(error.code, error.pointer.clone(), error.to_string())
    }
}

/// What the operator must know stays here; whoever asks hears that we failed.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error.code {
            Code::Io | Code::Internal | Code::LedgerDamaged | Code::ViewsDamaged => {
                Self::new(error.code, "the ledger could not answer; its operator finds out why")
            }
            code => Self::new(code, error.message),
        }
    }
}
