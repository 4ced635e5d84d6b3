//! What takes long? Work that goes on after its request was answered, and can be asked about. SPEC 20.

use crate::call::{Call, Reply, json, json_with};
use crate::problem::Problem;
use axum::http::StatusCode;
use chancery_ledger::Code;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::json::{self as strict, Value};
use chancery_ledger::format::key::LogVerifier;
use chancery_ledger::verify::{How, Pin, ReportJson, Trust, verify_live};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Builder;

/// Verifications that may run at once.
const RUNNING: usize = 1;

/// One of them.
#[derive(Debug)]
struct Operation {
    id: String,
    /// Who started it: nobody else sees it.
    principal: String,
    position: AtomicU64,
    size: AtomicU64,
    outcome: OnceLock<Result<Box<RawValue>, (Code, String)>>,
}

/// Those that are remembered, the newest last.
#[derive(Debug)]
pub(crate) struct Operations {
    kept: Mutex<VecDeque<Arc<Operation>>>,
    most: usize,
}

#[derive(Serialize)]
struct Failure<'a> {
    code: Code,
    detail: &'a str,
}

#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    name: &'static str,
    done: bool,
    position: u64,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure<'a>>,
}

impl Operation {
    fn told(&self) -> Told<'_> {
        let outcome = self.outcome.get();
        Told {
            id: &self.id,
            name: "verify",
            done: outcome.is_some(),
            position: self.position.load(Ordering::Relaxed),
            size: self.size.load(Ordering::Relaxed),
            report: outcome.and_then(|outcome| outcome.as_deref().ok()),
            error: outcome
                .and_then(|outcome| outcome.as_ref().err())
                .map(|(code, detail)| Failure { code: *code, detail }),
        }
    }
}

/// One that somebody works at: once nobody does, it is done, whatever became of it.
struct Done(Arc<Operation>);

impl Drop for Done {
    fn drop(&mut self) {
        let broken = || Err((Code::Internal, "the verification broke off".to_owned()));
        let _ = self.0.outcome.get_or_init(broken);
    }
}

impl Operations {
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: Mutex::default(), most: most.max(1) }
    }

    fn find(&self, id: &str) -> Option<Arc<Operation>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|operation| operation.id == id).cloned()
    }

    fn begin(&self, operation: Operation) -> Result<Arc<Operation>, Problem> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.iter().filter(|operation| operation.outcome.get().is_none()).count() >= RUNNING {
            return Err(Problem::new(Code::QueueFull, "a verification is running already"));
        }
        while kept.len() >= self.most {
            // Who starts many forgets its own: nobody's are pushed out by another as long as it has some.
            let own = kept.iter().position(|kept| kept.principal == operation.principal);
            kept.remove(own.unwrap_or(0));
        }
        let operation = Arc::new(operation);
        kept.push_back(Arc::clone(&operation));
        Ok(operation)
    }
}

/// What the verification may trust: the pin that the body brings, or else the log's own key.
fn trust(call: &Call, bytes: &[u8]) -> Result<Trust, Problem> {
    let document = if bytes.is_empty() { Value::object() } else { strict::parse(bytes)? };
    let Value::Object(members) = &document else {
        return Err(Problem::at(Code::WrongType, "", "the body must be an object"));
    };
    if let Some(name) = members.keys().find(|name| *name != "pin") {
        return Err(Problem::at(Code::UnknownField, format!("/{name}"), format!("no member `{name}`")));
    }
    if let Some(pin) = members.get("pin") {
        let text = pin.text().ok_or_else(|| Problem::at(Code::WrongType, "/pin", "a pin is a string"))?;
        let pin = Pin::parse(text).map_err(|error| Problem::at(error.code, "/pin", error.message))?;
        return Ok(Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin) });
    }
    let vkey = call.app.ledger.look(|world| world.settings().vkey.clone());
    let key = LogVerifier::parse(&vkey);
    let key = key.ok_or_else(|| Problem::new(Code::Internal, "the ledger's own key cannot be read"))?;
    Ok(Trust { key: Some(key), heads: Vec::new(), pin: None })
}

pub(crate) async fn verify(call: Call) -> Reply {
    let trust = trust(&call, &call.body)?;
    let operation = call.app.operations.begin(Operation {
        id: hex(&call.app.random::<8>()?),
        principal: call.viewer()?.principal.clone(),
        position: AtomicU64::new(0),
        size: AtomicU64::new(call.app.size()),
        outcome: OnceLock::new(),
    })?;
    let (paths, worked) = (call.app.ledger.paths().clone(), Done(Arc::clone(&operation)));
    // Not on the server's own threads: it takes as long as it takes.
    let started = Builder::new().name("chancery-verify".to_owned()).spawn(move || {
        let how = How { threads: 1, ..How::default() };
        let report = verify_live(&paths, &trust, how, &mut |position, size| {
            worked.0.position.store(position, Ordering::Relaxed);
            worked.0.size.store(size, Ordering::Relaxed);
        });
        let written = report.map_err(|error| (error.code, error.message)).and_then(|report| {
            let broken = |error: serde_json::Error| (Code::Internal, error.to_string());
            serde_json::value::to_raw_value(&ReportJson::of(&report, false)).map_err(broken)
        });
        let _ = worked.0.outcome.set(written);
    });
    // What did not start was dropped, and is done: the next one may begin.
    started.map_err(|error| Problem::new(Code::QueueFull, format!("no thread could be started: {error}")))?;
    json_with(StatusCode::ACCEPTED, &operation.told())
}

pub(crate) async fn one(call: Call) -> Reply {
    let viewer = call.viewer()?;
    let found = call.app.operations.find(call.param());
    let own = found.filter(|operation| operation.principal == viewer.principal);
    json(&own.ok_or_else(Problem::not_found)?.told())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(id: &str) -> Operation {
        Operation {
            id: id.to_owned(),
            principal: "p".to_owned(),
            position: AtomicU64::new(0),
            size: AtomicU64::new(0),
            outcome: OnceLock::new(),
        }
    }

    #[test]
    fn what_broke_off_is_done_and_blocks_nobody() {
        let operations = Operations::new(4);
        let first = operations.begin(operation("1")).ok().map(Done);
        assert!(operations.begin(operation("2")).is_err(), "one runs");
        let broke = std::thread::spawn(move || {
            let _first = first;
            std::panic::resume_unwind(Box::new("a panic"));
        });
        assert!(broke.join().is_err());
        assert!(operations.begin(operation("3")).is_ok(), "the first is done");
        let told = operations.find("1").map(|first| first.told().error.map(|failure| failure.code));
        assert_eq!(told, Some(Some(Code::Internal)));
    }
}
