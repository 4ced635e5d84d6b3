//! How is a ledger asked that another process serves? HTTP to its address, and problems as diagnostics. SPEC 20.

use crate::client::{Ask, Who, assemble};
use crate::diagnostic::Diagnostic;
use crate::patience::Stop;
use crate::said::Said;
use chancery_ledger::format::checkpoint::Note;
use chancery_ledger::format::encoding::{base64, hex};
use chancery_ledger::format::ids::Origin;
use chancery_ledger::format::json::Value;
use chancery_ledger::gate::{Credential, Request};
use chancery_ledger::{Code, Entropy, Error};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::cell::{Cell, OnceCell};
use std::io::Read;
use std::time::Duration;

/// Most that is read of an answer.
const LIMIT: u64 = 64 << 20;
/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How often a signature is made anew when its number was taken meanwhile.
const TRIES: u32 = 16;
/// The unit of the pause before the next try.
const JITTER: Duration = Duration::from_millis(1);

/// A server, and what shows who asks it.
#[derive(Debug)]
pub(crate) struct Remote {
    base: String,
    token: Option<String>,
    agent: ureq::Agent,
    /// The ledger's origin, once it was asked for.
    origin: OnceCell<Origin>,
    /// What the next signature's running number should be; the server says so when it is another.
    next: Cell<u64>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) diagnostic: Diagnostic,
    /// The same may be asked again, after so long; `None` when the answer would be the same.
    pub(crate) again: Option<Duration>,
}

impl Fault {
    /// Asking again would change nothing.
    pub(crate) fn last(diagnostic: Diagnostic) -> Self {
        Self { diagnostic, again: None }
    }

    /// Nothing was heard, or nothing that can be understood.
    fn unheard(diagnostic: Diagnostic) -> Self {
        Self { diagnostic, again: Some(Duration::ZERO) }
    }
}

/// What a server says that may be over in a moment. SPEC 20: 429, 503, 504, and `outcome_unknown`.
const PASSING: &[Code] = &[
    Code::AnswerTimeout,
    Code::Behind,
    Code::ClockSuspect,
    Code::NotReady,
    Code::OutcomeUnknown,
    Code::QueueFull,
    Code::Stopped,
    Code::StorageFull,
    Code::TooManyRequests,
    Code::ViewBuilding,
    Code::WalFull,
];

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
    /// Seconds, from the header.
    #[serde(skip)]
    retry_after: u64,
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

    fn fault(self) -> Fault {
        let wait = Duration::from_secs(self.retry_after);
        let diagnostic = self.diagnostic();
        let again = PASSING.contains(&diagnostic.code()).then_some(wait);
        Fault { diagnostic, again }
    }
}

/// A body, or the problem in its place.
type Answered = Result<String, Box<Problem>>;

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
        let base = url.trim_end_matches('/').to_owned();
        Ok(Self { base, token, agent, origin: OnceCell::new(), next: Cell::new(1) })
    }

    /// The token that it is read with.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    fn unreachable(&self, error: ureq::Error) -> Fault {
        let message = format!("cannot ask `{}`", self.base);
        Fault::unheard(Error { code: Code::Io, message, source: Some(Box::new(error)) }.into())
    }

    fn read(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answered, Fault> {
        let mut response = response.map_err(|error| self.unreachable(error))?;
        let retry_after =
            response.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse().ok());
        let mut text = String::new();
        let body = response.body_mut().as_reader().take(LIMIT).read_to_string(&mut text);
        body.map_err(|error| self.unreachable(error.into()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(Ok(text));
        }
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => Ok(Err(Box::new(Problem { retry_after: retry_after.unwrap_or(0), ..problem }))),
            Err(_) => {
                let text = format!("`{}` answered {status}, and not as a ledger does", self.base);
                Err(Fault::unheard(Diagnostic::new(Code::Io, text)))
            }
        }
    }

    /// What stands at a path.
    pub(crate) fn get(&self, path: &str) -> Result<String, Diagnostic> {
        self.fetch(path, TIMEOUT).map_err(|fault| fault.diagnostic)
    }

    /// What stands at a path, waited for no longer than `limit`.
    pub(crate) fn fetch(&self, path: &str, limit: Duration) -> Result<String, Fault> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let mut request = request.config().timeout_global(Some(limit)).build();
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        self.read(request.call())?.map_err(|problem| problem.fault())
    }

    fn post(&self, path: &str, asked: &Request, limit: Duration) -> Result<Answered, Fault> {
        let request = self.agent.post(format!("{}{path}", self.base)).content_type("application/json");
        let mut request = request.config().timeout_global(Some(limit)).build();
        // Who signs is known by the signature; a token beside it would be part of what is signed.
        if let Credential::Token(token) = &asked.credential {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        self.read(request.header("Idempotency-Key", asked.key.as_str()).send(&body(asked)))
    }

    /// The newest released head.
    pub(crate) fn head(&self) -> Result<Note, Diagnostic> {
        self.newest(TIMEOUT).map_err(|fault| fault.diagnostic)
    }

    fn newest(&self, limit: Duration) -> Result<Note, Fault> {
        let text = self.fetch("/checkpoint", limit)?;
        let text = Note::parse(&text).ok_or_else(|| format!("`{}` serves no signed head", self.base));
        text.map_err(|text| Fault::last(Diagnostic::new(Code::Io, text)))
    }

    /// The origin of the ledger that it serves.
    pub(crate) fn origin(&self, limit: Duration) -> Result<&Origin, Fault> {
        if let Some(origin) = self.origin.get() {
            return Ok(origin);
        }
        let origin = self.newest(limit)?.checkpoint.origin;
        Ok(self.origin.get_or_init(|| origin))
    }

    /// Asks for an action, and says under which key to ask again when the answer was not heard.
    pub(crate) fn ask(&self, who: &Who, mut ask: Ask) -> Result<Said, Diagnostic> {
        let key = ask.named()?;
        self.invoke(who, ask, TIMEOUT).map_err(|fault| {
            let unsure = [Code::Io, Code::OutcomeUnknown, Code::AnswerTimeout];
            match unsure.contains(&fault.diagnostic.code()) {
                true => fault.diagnostic.hint(format!("run it again with `--idempotency-key {key}`")),
                false => fault.diagnostic,
            }
        })
    }

    /// Asks for an action, and waits no longer than `limit` for each answer.
    pub(crate) fn invoke(&self, who: &Who, ask: Ask, limit: Duration) -> Result<Said, Fault> {
        #[derive(Deserialize)]
        struct Event {
            entry: serde_json::Value,
        }
        #[derive(Deserialize)]
        struct Invoked {
            #[serde(default)]
            events: Vec<Event>,
            receipt: Box<RawValue>,
        }
        let broken = |_| Fault::unheard(Diagnostic::new(Code::Io, "the answer is no receipt"));
        let said = match self.send(who, ask, "invoke", limit)? {
            Ok(text) => {
                let invoked: Invoked = serde_json::from_str(&text).map_err(broken)?;
                let leaves = invoked.events.into_iter().map(|event| event.entry).collect();
                Said { leaves, ..Said::read(invoked.receipt.get()).map_err(Fault::last)? }
            }
            Err(problem) => match &problem.receipt {
                Some(receipt) => Said::read(receipt.get()).map_err(Fault::last)?,
                None => return Err(problem.fault()),
            },
        };
        if matches!(who, Who::Key(..)) && !said.replay {
            self.next.set(self.next.get() + 1);
        }
        Ok(said)
    }

    /// Asks what the answer would be; gives the preview as it was served.
    pub(crate) fn preview(&self, who: &Who, ask: Ask) -> Result<Box<RawValue>, Diagnostic> {
        #[derive(Deserialize)]
        struct Previewed {
            decision: Box<RawValue>,
        }
        let sent = self.send(who, ask, "preview", TIMEOUT).map_err(|fault| fault.diagnostic)?;
        let text = sent.map_err(|problem| problem.diagnostic())?;
        let read = serde_json::from_str::<Previewed>(&text);
        read.map(|previewed| previewed.decision)
            .map_err(|_| Diagnostic::new(Code::Io, "the answer is no preview"))
    }

    /// Sends a request; who signs without knowing the number that is next is told it, and signs anew.
    fn send(&self, who: &Who, ask: Ask, verb: &str, limit: Duration) -> Result<Answered, Fault> {
        let origin = self.origin(limit)?;
        let path = format!("/v1/actions/{}/{verb}", ask.action);
        let tries = if matches!(who, Who::Key(..)) && ask.seq.is_none() { TRIES } else { 0 };
        for before in 0..=tries {
            let request = assemble(origin, |_| self.next.get(), who, ask.clone()).map_err(Fault::last)?;
            let answered = self.post(&path, &request, limit)?;
            match answered.as_ref().err().and_then(|problem| problem.expected) {
                Some(seq) if before < tries => self.next.set(seq),
                _ => return Ok(answered),
            }
            // The first time nothing was known of the number; later others sign with the same key, each at its own time.
            if before > 0 {
                let [drawn] = Entropy::default().take::<1>().map_err(|error| Fault::last(error.into()))?;
                Stop::default().wait(JITTER * u32::from(drawn % 16) * before.min(8));
            }
        }
        Err(Fault::last(Diagnostic::new(Code::WrongSeq, "others sign with the same key all the time")))
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
