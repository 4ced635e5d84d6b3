//! What does the body of a request say? Members, types and bounds, each with its place. SPEC 20.

use crate::problem::Problem;
use chancery_ledger::Code;
use chancery_ledger::format::encoding::{unbase64, unhex};
use chancery_ledger::format::ids::{IdempotencyKey, KeyId, Scope};
use chancery_ledger::format::json::{self, Value};
use chancery_ledger::format::limits::REQUEST;
use chancery_ledger::gate::{Attest, Request, declared, new_request};
use std::collections::BTreeMap;

/// What a request is beside its body.
pub(crate) struct Asked<'a> {
    pub(crate) action: &'a str,
    pub(crate) ledger: &'a str,
    pub(crate) key: IdempotencyKey,
    /// The salt, when the body has none.
    pub(crate) salt: [u8; 32],
}

type Members = BTreeMap<String, Value>;

/// The members of an object at `pointer`, none of which is unknown.
fn members<'a>(value: &'a Value, pointer: &str, known: &[&str]) -> Result<&'a Members, Problem> {
    let Value::Object(members) = value else {
        let text = format!("it is {}, it must be an object", value.type_name());
        return Err(Problem::at(Code::WrongType, pointer, text));
    };
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(members),
        Some(name) => {
            let problem =
                Problem::at(Code::UnknownField, format!("{pointer}/{name}"), format!("no member `{name}`"));
            Err(problem.hint(format!("the members are {}", known.join(", "))))
        }
    }
}

fn missing<T>(value: Option<T>, pointer: &str) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::at(Code::MissingField, pointer, format!("`{pointer}` is not there")))
}

fn text<'a>(members: &'a Members, name: &str, pointer: &str) -> Result<Option<&'a str>, Problem> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(other) => {
            let text = format!("it is {}, it must be a string", other.type_name());
            Err(Problem::at(Code::WrongType, pointer, text))
        }
    }
}

fn malformed(pointer: &str, what: &str) -> Problem {
    Problem::at(Code::MalformedValue, pointer, format!("`{pointer}` is not {what}"))
}

fn integer(members: &Members, name: &str, pointer: &str) -> Result<Option<i64>, Problem> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::Int(int)) if *int >= 0 => Ok(Some(*int)),
        Some(Value::Int(_)) => Err(Problem::at(Code::OutOfRange, pointer, "it is negative")),
        Some(other) => {
            let text = format!("it is {}, it must be an integer", other.type_name());
            Err(Problem::at(Code::WrongType, pointer, text))
        }
    }
}

fn attestation(value: &Value) -> Result<Attest, Problem> {
    let found = members(value, "/attestation", &["log", "key", "seq", "sig"])?;
    let word = |name: &str| {
        let pointer = format!("/attestation/{name}");
        missing(text(found, name, &pointer)?, &pointer)
    };
    let (log, key, sig) = (word("log")?, word("key")?, word("sig")?);
    let seq = missing(integer(found, "seq", "/attestation/seq")?, "/attestation/seq")?;
    let sig = unbase64(sig).and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
    Ok(Attest {
        log: log.to_owned(),
        key: KeyId::parse(key).ok_or_else(|| malformed("/attestation/key", "`k:` and 32 hex digits"))?,
        seq: u64::try_from(seq).unwrap_or(0),
        sig: sig.ok_or_else(|| malformed("/attestation/sig", "padded base64 of 64 bytes"))?,
    })
}

/// The request that these bytes are; who asks is still to be said.
pub(crate) fn read(asked: &Asked<'_>, bytes: &[u8]) -> Result<Request, Problem> {
    if bytes.len() > REQUEST {
        let text = format!("a request has at most {REQUEST} bytes, this one has {}", bytes.len());
        return Err(Problem::new(Code::BodyTooLarge, text));
    }
    let document = json::parse(bytes)?;
    let known = ["scope", "entity", "args", "salt", "not_after", "attestation"];
    let found = members(&document, "", &known)?;
    let scope = missing(text(found, "scope", "/scope")?, "/scope")?;
    let scope = Scope::parse(scope)
        .map_err(|error| Problem::at(Code::MalformedValue, "/scope", error.to_string()))?;
    let mut id = None;
    if let Some(entity) = found.get("entity") {
        let entity = members(entity, "/entity", &["kind", "id"])?;
        let kind = declared(asked.action).map(|(spec, _)| spec.entity);
        if let Some(named) = text(entity, "kind", "/entity/kind")?.filter(|named| Some(*named) != kind) {
            let text = format!("`{}` is about a {}, not a {named}", asked.action, kind.unwrap_or_default());
            return Err(Problem::at(Code::MalformedValue, "/entity/kind", text));
        }
        id = text(entity, "id", "/entity/id")?;
    }
    let attestation = found.get("attestation").map(attestation).transpose()?;
    let salt = match text(found, "salt", "/salt")? {
        Some(salt) => unhex::<32>(salt).ok_or_else(|| malformed("/salt", "64 hex digits"))?,
        None if attestation.is_some() => missing(None, "/salt")?,
        None => asked.salt,
    };
    let args = found.get("args").cloned().unwrap_or_else(Value::object);
    let mut request = new_request(asked.action, &scope, id, asked.ledger, args, asked.key.clone(), salt)?;
    request.not_after = integer(found, "not_after", "/not_after")?;
    request.attestation = attestation;
    Ok(request)
}
