//! What exactly is asked? A request whose every part was checked against its declaration. SPEC 8.

use super::roles::{Rule, declared};
use crate::code::Code;
use crate::domains::{ACTIONS, Action, ActionSpec, Invalid, nearest, parse_action};
use crate::format::canonical::to_bytes;
use crate::format::hash::{ARGS, Digest, IDEMPOTENCY};
use crate::format::ids::{Id, IdempotencyKey, KeyId, Scope};
use crate::format::json::{self, Value};
use crate::format::limits::{PART, PART_DEPTH, PART_NODES};
use crate::secrets::{self, Found};
use serde::Serialize;

/// A request: typed, bounded, and not yet authenticated.
#[derive(Debug, Clone)]
pub struct Request {
    /// Declaration of the action.
    pub spec: &'static ActionSpec,
    /// Who may do it.
    pub rule: &'static Rule,
    /// The action with its arguments.
    pub action: Action,
    /// Where.
    pub scope: Scope,
    /// Id of what it is about.
    pub id: Id,
    /// The arguments as they were given.
    pub args: Value,
    /// Canonical text of the arguments.
    pub args_text: Vec<u8>,
    /// Salt of the commitment to them.
    pub salt: [u8; 32],
    /// The client's idempotency key.
    pub key: IdempotencyKey,
    /// The request is void from this instant on.
    pub not_after: Option<i64>,
    /// The author's signature.
    pub attestation: Option<Attest>,
    /// Who asks.
    pub credential: Credential,
    /// What looks like a secret in what a worker relays: none of it may reach the disk.
    pub tainted: Option<Found>,
    /// How many fingerprints of leased material were looked for in it.
    pub(crate) searched: usize,
}

/// Who was found to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The principal.
    pub principal: String,
    /// The token that it came with, when it came with one.
    pub session: Option<String>,
}

impl Caller {
    /// A caller without a token.
    pub fn by_key(principal: &str) -> Self {
        Self { principal: principal.to_owned(), session: None }
    }
}

/// An author's signature with the origin that it was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attest {
    /// Origin that the author had in mind.
    pub log: String,
    /// The key.
    pub key: KeyId,
    /// Its running number.
    pub seq: u64,
    /// The signature.
    pub sig: [u8; 64],
}

/// Actions that relay what a worker saw: a secret in it is recorded as such, without it.
const RELAYS: &[&str] = &["transcript.append", "job.report"];

/// Stands for the idempotency key of a request that an entry records: only its scoped hash is kept.
const UNKNOWN_KEY: &str = "................";

/// What shows who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A bearer token.
    Token(String),
    /// The attestation alone.
    Key,
    /// The ledger itself; nothing outside this crate can say so.
    System(SystemMark),
}

/// Proof that a request was made by the ledger itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemMark(pub(crate) ());

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(…)",
            Self::Key => "Key",
            Self::System(_) => "System",
        })
    }
}

/// Canonical text of arguments, when they keep to the bounds of a part.
pub fn args_bytes(args: &Value) -> Result<Vec<u8>, Invalid> {
    let invalid = |code, message| Invalid {
        code,
        pointer: "/args".to_owned(),
        message,
        hint: "put content elsewhere and name its digest; carry deep JSON as a string".to_owned(),
    };
    if args.depth() > PART_DEPTH {
        return Err(invalid(Code::TooDeep, format!("`args` is nested deeper than {PART_DEPTH} levels")));
    }
    let bytes = to_bytes(args).map_err(|error| invalid(Code::BadString, error.to_string()))?;
    if json::nodes(&bytes) > PART_NODES {
        return Err(invalid(Code::TooLarge, format!("`args` has more than {PART_NODES} values")));
    }
    if bytes.len() > PART {
        return Err(invalid(Code::TooLarge, format!("`args` has {} bytes, {PART} are allowed", bytes.len())));
    }
    Ok(bytes)
}

/// What stands in a leaf for ever: not even its place says more than the detector.
fn without_secret(pointer: &str, text: &str) -> Result<(), Invalid> {
    match secrets::in_name(text) {
        None => Ok(()),
        Some(detector) => Err(Invalid {
            code: Code::SecretInArguments,
            pointer: pointer.to_owned(),
            message: format!("what stands at `{pointer}` looks like a secret: {detector}"),
            hint: "take another name: ids and scopes are in the record for ever".to_owned(),
        }),
    }
}

/// Checks the parts of a request against the declaration of its action.
pub fn new_request(
    action: &str,
    scope: &Scope,
    id: Option<&str>,
    ledger: &str,
    args: Value,
    key: IdempotencyKey,
    salt: [u8; 32],
) -> Result<Request, Invalid> {
    let Some((spec, rule)) = declared(action) else {
        let known: Vec<&str> = ACTIONS.iter().copied().flatten().map(|spec| spec.id).collect();
        return Err(Invalid {
            code: Code::UnknownAction,
            pointer: "/action".to_owned(),
            message: format!("no action `{action}`"),
            hint: match nearest(action, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`chancery explain actions` lists them".to_owned(),
            },
        });
    };
    without_secret("/scope", scope.as_str())?;
    without_secret("/entity/id", id.unwrap_or_default())?;
    spec.check(&args)?;
    let tainted = secrets::in_value(&args, "/args");
    if let Some(found) = tainted.as_ref().filter(|_| !RELAYS.contains(&spec.id)) {
        return Err(Invalid {
            code: Code::SecretInArguments,
            pointer: found.pointer.clone(),
            message: format!("what stands at `{}` looks like a secret: {}", found.pointer, found.detector),
            hint: "take it out; name where the secret is kept instead, such as `vault://mount/path#field`"
                .to_owned(),
        });
    }
    let args_text = args_bytes(&args)?;
    let id = spec.check_entity(id, ledger)?;
    let action = parse_action(spec, &args_text).map_err(|error| Invalid {
        code: Code::MalformedValue,
        pointer: "/args".to_owned(),
        message: error.to_string(),
        hint: format!("see `chancery explain {}`", spec.id),
    })?;
    Ok(Request {
        spec,
        rule,
        action,
        scope: scope.clone(),
        id,
        args,
        args_text,
        salt,
        key,
        not_after: None,
        attestation: None,
        credential: Credential::Key,
        tainted,
        searched: 0,
    })
}

/// A request as an entry records it: checked against its declaration once more. Its idempotency key is not known, and
/// what looked like a secret was refused before it was recorded.
pub(crate) fn recorded_request(
    action: &str,
    scope: &str,
    id: &str,
    ledger: &str,
    args_text: &[u8],
) -> Result<Request, Code> {
    let (spec, rule) = declared(action).ok_or(Code::UnknownAction)?;
    let args = json::parse(args_text).map_err(|error| error.code)?;
    spec.check(&args).map_err(|invalid| invalid.code)?;
    let malformed = |_| Code::MalformedValue;
    Ok(Request {
        spec,
        rule,
        action: parse_action(spec, args_text).map_err(|_| Code::MalformedValue)?,
        scope: Scope::parse(scope).map_err(malformed)?,
        id: spec.check_entity(Some(id), ledger).map_err(|invalid| invalid.code)?,
        args,
        args_text: args_text.to_vec(),
        salt: [0; 32],
        key: IdempotencyKey::parse(UNKNOWN_KEY).map_err(malformed)?,
        not_after: None,
        attestation: None,
        credential: Credential::Key,
        tainted: None,
        searched: 0,
    })
}

impl Request {
    /// Commitment to the arguments.
    pub fn args_digest(&self) -> Digest {
        ARGS.commit(&self.salt, &self.args_text)
    }
}

#[derive(Serialize)]
struct ScopedKey<'a> {
    action: &'a str,
    key: &'a str,
    principal: &'a str,
    scope: &'a str,
}

/// The scoped hash of an idempotency key.
pub fn idempotency_digest(principal: &str, scope: &Scope, action: &str, key: &IdempotencyKey) -> Digest {
    let scoped = ScopedKey { action, key: key.as_str(), principal, scope: scope.as_str() };
    IDEMPOTENCY.digest(&to_bytes(&scoped).unwrap_or_default())
}
