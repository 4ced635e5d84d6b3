//! Who asks, and how is a request put together? The same for every command that asks.

use crate::diagnostic::Diagnostic;
use crate::input;
use chancery_ledger::domains::Invalid;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::ids::{IdempotencyKey, KeyId, Origin, PrincipalId, Scope};
use chancery_ledger::format::json::Value;
use chancery_ledger::format::key::{PrivateKey, parse_author_key_file};
use chancery_ledger::gate::{Attest, Credential, Request, new_request};
use chancery_ledger::store::read_secret;
use chancery_ledger::{Answer, Code, Effect, Entropy, Error, Ledger, Receipt, statement};
use std::path::Path;

/// What shows who asks.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// A principal that signs with its key.
    Key(PrincipalId, PrivateKey),
    /// A bearer of a token.
    Token(String),
}

/// One request, in words.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) action: String,
    pub(crate) scope: Scope,
    pub(crate) id: Option<String>,
    pub(crate) args: Value,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) not_after: Option<i64>,
    pub(crate) seq: Option<u64>,
}

impl Ask {
    /// A request for `action` on `id` with arguments of all kinds.
    pub(crate) fn with(action: &str, scope: &Scope, id: &str, args: Vec<(&str, Value)>) -> Self {
        let members = args.into_iter().map(|(name, value)| (name.to_owned(), value));
        Self { args: Value::Object(members.collect()), ..Self::new(action, scope, id, &[]) }
    }

    /// The key under which the same request may be asked again; drawn when it has none.
    pub(crate) fn named(&mut self) -> Result<IdempotencyKey, Diagnostic> {
        if let Some(key) = &self.key {
            return Ok(key.clone());
        }
        let key = IdempotencyKey::parse(&hex(&Entropy::default().take::<16>()?))
            .map_err(|error| Error::new(Code::Internal, error.to_string()))?;
        self.key = Some(key.clone());
        Ok(key)
    }

    /// A request for `action` on `id`.
    pub(crate) fn new(action: &str, scope: &Scope, id: &str, args: &[(&str, &str)]) -> Self {
        let members = args.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        Self {
            action: action.to_owned(),
            scope: scope.clone(),
            id: (!id.is_empty()).then(|| id.to_owned()),
            args: Value::Object(members.collect()),
            key: None,
            not_after: None,
            seq: None,
        }
    }
}

/// Reads an author's key file.
pub(crate) fn read_key(path: &Path) -> Result<Who, Diagnostic> {
    let text = read_secret(path)?;
    match parse_author_key_file(&text) {
        Some((principal, key)) => Ok(Who::Key(principal, key)),
        None => {
            let text = format!("`{}` is not an author's key file", path.display());
            Err(Diagnostic::new(Code::KeyFileInvalid, text))
        }
    }
}

/// Puts a request together as `who` would ask it of a ledger that this process has open.
pub(crate) fn build(ledger: &Ledger, who: &Who, ask: Ask) -> Result<Request, Diagnostic> {
    let next = |id| ledger.look(|world| world.keys.get(id).map_or(1, |key| key.next));
    assemble(ledger.origin(), next, who, ask)
}

/// Puts a request together as `who` would ask it; `next` says the running number of a key's next signature.
pub(crate) fn assemble(
    origin: &Origin,
    next: impl FnOnce(KeyId) -> u64,
    who: &Who,
    mut ask: Ask,
) -> Result<Request, Diagnostic> {
    let (mut entropy, key) = (Entropy::default(), ask.named()?);
    let name = origin.name().to_owned();
    let mut request =
        new_request(&ask.action, &ask.scope, ask.id.as_deref(), &name, ask.args, key, entropy.take()?)?;
    request.not_after = ask.not_after;
    match who {
        Who::Token(token) => request.credential = Credential::Token(token.clone()),
        Who::Key(principal, private) => {
            let id = private.public().id();
            let seq = ask.seq.unwrap_or_else(|| next(id));
            let log = origin.to_string();
            request.attestation = Some(Attest { log: log.clone(), key: id, seq, sig: [0; 64] });
            let text = statement(&request, &log, principal.as_str(), seq).unwrap_or_default();
            request.attestation = Some(Attest { log, key: id, seq, sig: private.sign(&text) });
        }
    }
    Ok(request)
}

/// Asks a ledger that this process has open, and waits for the durable answer.
pub(crate) fn ask(ledger: &Ledger, who: &Who, ask: Ask) -> Result<Receipt, Diagnostic> {
    let request = build(ledger, who, ask)?;
    let retry = request.key.clone();
    match ledger.submit(request) {
        Answer::Receipt(receipt) => Ok(*receipt),
        Answer::Conflict(conflict) => Err(conflict.into()),
        Answer::Failed(error) if error.code == Code::OutcomeUnknown => {
            Err(Diagnostic::from(error).hint(format!("run it again with `--idempotency-key {retry}`")))
        }
        Answer::Failed(error) => Err(error.into()),
    }
}

/// Asks, and takes no for a failure of the command: for stories whose every step must happen.
pub(crate) fn must(ledger: &Ledger, who: &Who, request: Ask) -> Result<Receipt, Diagnostic> {
    let action = request.action.clone();
    let receipt = ask(ledger, who, request)?;
    match (receipt.effect, receipt.code) {
        (Effect::Allow, _) | (_, None) => Ok(receipt),
        (_, Some(code)) => {
            let message = receipt.message.clone().unwrap_or_default();
            Err(Diagnostic::new(code, format!("`{action}`: {message}")))
        }
    }
}

/// Arguments as they are typed: `name=text`, `name:=json`, `name=@file`.
pub(crate) fn parse_args(typed: &[String]) -> Result<Value, Diagnostic> {
    let mut members = std::collections::BTreeMap::new();
    for arg in typed {
        let invalid = |message: String, hint: &str| Invalid {
            code: Code::MalformedValue,
            pointer: arg.clone(),
            message,
            hint: hint.to_owned(),
        };
        let split = arg.find('=').filter(|at| *at > 0);
        let Some(at) = split else {
            let text = format!("`{arg}` is not an argument");
            return Err(invalid(text, "write `name=text`, `name:=json` or `name=@file`").into());
        };
        let (name, text) = (&arg[..at], &arg[at + 1..]);
        let (name, value) = match name.strip_suffix(':') {
            Some(name) => {
                let value =
                    chancery_ledger::format::json::parse(text.as_bytes()).map_err(|error| Invalid {
                        code: error.code,
                        pointer: format!("/args/{name}{}", error.pointer),
                        message: format!("`{name}`: {}", error.message),
                        hint: "after `:=` stands JSON of SPEC 3".to_owned(),
                    })?;
                (name, value)
            }
            None => match text.strip_prefix('@') {
                Some(path) => (name, Value::Text(input::text(Path::new(path), input::SMALL)?)),
                None => (name, Value::Text(text.to_owned())),
            },
        };
        if members.insert(name.to_owned(), value).is_some() {
            let text = format!("argument `{name}` is given twice");
            return Err(Invalid { code: Code::DuplicateKey, ..invalid(text, "keep one of them") }.into());
        }
    }
    Ok(Value::Object(members))
}
