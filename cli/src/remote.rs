//! How is a ledger asked that another process serves? HTTP to its address, and problems as diagnostics. SPEC 20.

use crate::client::{Ask, Who, assemble};
use crate::diagnostic::Diagnostic;
use chancery_ledger::format::checkpoint::Note;
use chancery_ledger::format::encoding::{base64, hex};
use chancery_ledger::format::ids::IdempotencyKey;
use chancery_ledger::format::json::Value;
use chancery_ledger::gate::Request;
use chancery_ledger::{Code, Entropy, Error};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::Read;
use std::time::Duration;

/// Most that is read of an answer.
const LIMIT: u64 = 64 << 20;
/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A server, and what shows who asks it.
#[derive(Debug)]
pub(crate) struct Remote {
    base: String,
    token: Option<String>,
    agent: ureq::Agent,
}

/// What a server answered in place of what was asked for.
#[derive(Debug, Deserialize)]
struct Problem {
    code: String,
    detail: String,
    hint: Option<String>,
    expected: Option<u64>,
    #[serde(default)]
    errors: Vec<Place>,
    receipt: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Place {
    pointer: String,
}

impl Problem {
    fn diagnostic(self) -> Diagnostic {
        let code = Code::parse(&self.code).unwrap_or(Code::Internal);
        let mut diagnostic = Diagnostic::new(code, self.detail);
        if let Some(hint) = self.hint {
            diagnostic = diagnostic.hint(hint);
        }
        match self.errors.into_iter().next() {
            Some(place) => diagnostic.at(place.pointer),
            None => diagnostic,
        }
    }
}

/// A body, or the problem in its place.
type Answered = Result<String, Problem>;

impl Remote {
    /// The server at `url`.
    pub(crate) fn new(url: &str, token: Option<String>) -> Result<Self, Diagnostic> {
        let plain = url.strip_prefix("http://").is_some_and(|rest| !rest.is_empty() && !rest.contains('@'));
        if !plain {
            return Err(Diagnostic::usage(format!("`{url}` is not `http://host:port`"))
                .hint("TLS is left to a proxy on this machine"));
        }
        let agent = ureq::Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .build()
            .new_agent();
        Ok(Self { base: url.trim_end_matches('/').to_owned(), token, agent })
    }

    fn unreachable(&self, error: ureq::Error) -> Diagnostic {
        let message = format!("cannot ask `{}`", self.base);
        Error { code: Code::Io, message, source: Some(Box::new(error)) }.into()
    }

    fn read(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answered, Diagnostic> {
        let mut response = response.map_err(|error| self.unreachable(error))?;
        let mut text = String::new();
        let body = response.body_mut().as_reader().take(LIMIT).read_to_string(&mut text);
        body.map_err(|error| self.unreachable(error.into()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(Ok(text));
        }
        serde_json::from_str(&text).map(Err).map_err(|_| {
            Diagnostic::new(Code::Io, format!("`{}` answered {status}, and not as a ledger does", self.base))
        })
    }

    /// What stands at a path.
    pub(crate) fn get(&self, path: &str) -> Result<String, Diagnostic> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        self.read(request.call())?.map_err(Problem::diagnostic)
    }

    fn post(&self, path: &str, asked: &Request) -> Result<Answered, Diagnostic> {
        let mut request = self.agent.post(format!("{}{path}", self.base)).content_type("application/json");
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        self.read(request.header("Idempotency-Key", asked.key.as_str()).send(&body(asked)))
    }

    /// The newest released head.
    pub(crate) fn head(&self) -> Result<Note, Diagnostic> {
        let text = self.get("/checkpoint")?;
        let note = Note::parse(&text);
        note.ok_or_else(|| Diagnostic::new(Code::Io, format!("`{}` serves no signed head", self.base)))
    }

    /// Asks for an action; gives the receipt as it was served.
    pub(crate) fn ask(&self, who: &Who, mut ask: Ask) -> Result<Box<RawValue>, Diagnostic> {
        #[derive(Deserialize)]
        struct Invoked {
            receipt: Box<RawValue>,
        }
        if ask.key.is_none() {
            let key = IdempotencyKey::parse(&hex(&Entropy::default().take::<16>()?));
            ask.key = Some(key.map_err(|error| Error::new(Code::Internal, error.to_string()))?);
        }
        let key = ask.key.clone();
        let again = |diagnostic: Diagnostic| match &key {
            Some(key) => diagnostic.hint(format!("run it again with `--idempotency-key {key}`")),
            None => diagnostic,
        };
        let unsure = [Code::OutcomeUnknown, Code::AnswerTimeout];
        match self.send(who, ask, "invoke") {
            Err(diagnostic) if diagnostic.code() == Code::Io => Err(again(diagnostic)),
            Err(diagnostic) => Err(diagnostic),
            Ok(Ok(text)) => {
                let read = serde_json::from_str::<Invoked>(&text);
                read.map(|invoked| invoked.receipt)
                    .map_err(|_| again(Diagnostic::new(Code::Io, "the answer is no receipt")))
            }
            Ok(Err(problem)) => match problem.receipt {
                Some(receipt) => Ok(receipt),
                None => {
                    let diagnostic = problem.diagnostic();
                    Err(if unsure.contains(&diagnostic.code()) { again(diagnostic) } else { diagnostic })
                }
            },
        }
    }

    /// Asks what the answer would be; gives the preview as it was served.
    pub(crate) fn preview(&self, who: &Who, ask: Ask) -> Result<Box<RawValue>, Diagnostic> {
        #[derive(Deserialize)]
        struct Previewed {
            decision: Box<RawValue>,
        }
        let text = self.send(who, ask, "preview")?.map_err(Problem::diagnostic)?;
        let read = serde_json::from_str::<Previewed>(&text);
        read.map(|previewed| previewed.decision)
            .map_err(|_| Diagnostic::new(Code::Io, "the answer is no preview"))
    }

    /// Sends a request; who signs without knowing the number that is next is told it, and signs once more.
    fn send(&self, who: &Who, ask: Ask, verb: &str) -> Result<Answered, Diagnostic> {
        let origin = self.head()?.checkpoint.origin;
        let path = format!("/v1/actions/{}/{verb}", ask.action);
        let again = (matches!(who, Who::Key(..)) && ask.seq.is_none()).then(|| ask.clone());
        let request = assemble(&origin, |_| 1, who, ask)?;
        let answered = self.post(&path, &request)?;
        match (answered, again) {
            (Err(Problem { expected: Some(seq), .. }), Some(mut ask)) => {
                ask.seq = Some(seq);
                let request = assemble(&origin, |_| seq, who, ask)?;
                self.post(&path, &request)
            }
            (answered, _) => Ok(answered),
        }
    }
}

/// The document of a request.
fn body(request: &Request) -> String {
    let text = |text: &str| Value::Text(text.to_owned());
    let object = |members: Vec<(&str, Value)>| {
        Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let mut members = vec![
        ("args", request.args.clone()),
        ("entity", object(vec![("id", text(request.id.as_str()))])),
        ("salt", Value::Text(hex(&request.salt))),
        ("scope", text(request.scope.as_str())),
    ];
    members.extend(request.not_after.map(|end| ("not_after", Value::Int(end))));
    if let Some(attest) = &request.attestation {
        let seq = i64::try_from(attest.seq).unwrap_or(i64::MAX);
        members.push((
            "attestation",
            object(vec![
                ("key", Value::Text(attest.key.to_string())),
                ("log", text(&attest.log)),
                ("seq", Value::Int(seq)),
                ("sig", Value::Text(base64(&attest.sig))),
            ]),
        ));
    }
    serde_json::to_string(&object(members)).unwrap_or_default()
}
