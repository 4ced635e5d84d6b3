//! How is one job seen through? Claim it, start it durably, do what its mode allows, tell, report; and whatever comes of
//! it, what was fetched is put away, and what was not begun is given back.

use crate::client::Ask;
use crate::commands::{Fetched, Wanted, fetch};
use crate::desk::{Desk, Found};
use crate::diagnostic::Diagnostic;
use crate::execute::{Done, execute};
use crate::provider::{Config, Failure};
use crate::said::Said;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json::Value;
use chancery_ledger::{Code, Entropy};
use std::path::Path;
use std::time::Duration;

/// A worker and its job.
pub(crate) struct Work<'a> {
    pub(crate) desk: Desk<'a>,
    pub(crate) worker: &'a str,
    pub(crate) scope: &'a Scope,
    pub(crate) job: String,
    pub(crate) ttl_ms: u64,
}

/// How it ended.
pub(crate) enum Seen {
    /// With this answer.
    Answer(Box<Said>),
    /// The provider gave nothing under this lease: the job was given back before it was started.
    NothingGiven(String, Failure),
}

/// How far it came: what is left to be put away or given back.
#[derive(Default)]
struct Left {
    fence: u64,
    /// Transcript events that count.
    told: u64,
    started: bool,
    lease: Option<String>,
}

/// The receipt of a yes, or the answer that ends the work.
type Step = Result<Result<Said, Seen>, Diagnostic>;

macro_rules! step {
    ($step:expr) => {
        match $step? {
            Ok(receipt) => receipt,
            Err(end) => return Ok(end),
        }
    };
}

impl Work<'_> {
    fn put(&self, action: &str, id: &str, arguments: Vec<(&str, Value)>) -> Result<Said, Diagnostic> {
        self.desk.ask(Ask::with(action, self.scope, id, arguments))
    }

    fn step(&self, action: &str, id: &str, arguments: Vec<(&str, Value)>) -> Step {
        let said = self.put(action, id, arguments)?;
        Ok(if said.no().is_some() { Err(Seen::Answer(Box::new(said))) } else { Ok(said) })
    }

    /// Tells the next event; the end is the last.
    fn tell(&self, left: &mut Left, said: &str, detail: Option<&str>, end: bool) -> Step {
        let mut arguments =
            vec![("fence", int(left.fence)), ("seq", int(left.told + 1)), ("operator", Value::from(said))];
        arguments.extend(detail.map(|text| ("technical", Value::from(text))));
        if end {
            arguments.push(("final", Value::Bool(true)));
        }
        let told = self.step("transcript.append", &self.job, arguments)?;
        left.told += u64::from(told.is_ok());
        Ok(told)
    }

    /// Sees the job through.
    pub(crate) fn see_through(&self, config: &Config, key: &Path) -> Result<Seen, Diagnostic> {
        let ttl = vec![("ttl_ms", int(self.ttl_ms))];
        let claimed = step!(self.step("claim.acquire", &self.job, ttl));
        let fence = self.desk.data(&claimed, "claim.acquired")?["fence"].as_u64().unwrap_or_default();
        let mut left = Left { fence, ..Left::default() };
        let found = self.desk.find(self.worker, self.scope, &self.job, &claimed);
        let seen = found.and_then(|found| self.work(&found, &mut left, config, key));
        // Whether these are taken changes nothing of the answer: what is open runs out by itself as well.
        if let Some(lease) = &left.lease {
            let _ = self.put("lease.close", lease, Vec::new());
        }
        if !left.started {
            let _ = self.put("claim.release", &self.job, vec![("fence", int(left.fence))]);
        }
        seen
    }

    fn work(&self, found: &Found, left: &mut Left, config: &Config, key: &Path) -> Result<Seen, Diagnostic> {
        let Found { capability, mode, argv, told, grant } = found;
        left.told = *told;
        let mut arguments = vec![("fence", int(left.fence))];
        if let Some((grant, reference)) = grant {
            let lease = format!("l-{}", hex(&Entropy::default().take::<8>()?));
            let wanted = Wanted {
                scope: self.scope,
                id: &lease,
                job: &self.job,
                grant,
                purpose: capability,
                reference,
                fence: left.fence,
                ttl_ms: self.ttl_ms,
            };
            match fetch(self.desk, &wanted, config, key)? {
                Fetched::No(no) => return Ok(Seen::Answer(no)),
                // Work that was to be done with a credential is not done without one.
                Fetched::Failed(failure) => return Ok(Seen::NothingGiven(lease, failure)),
                // The modes of this build reach no host: the material is put away unused.
                Fetched::Material(_material) => left.lease = Some(lease.clone()),
            }
            arguments.push(("grant", Value::from(grant.as_str())));
            arguments.push(("lease", Value::Text(lease)));
        }
        step!(self.step("job.start", &self.job, arguments));
        left.started = true;
        step!(self.tell(left, &format!("{capability} begins in {}", mode.as_str()), None, false));
        // What came of it must be told before the claim runs out.
        let limit = Duration::from_millis(self.ttl_ms - self.ttl_ms / 4);
        let Done { said, detail, mut evidence, succeeded } = execute(capability, *mode, argv, limit);
        match self.tell(left, &said, detail.as_deref(), true)? {
            Ok(_) => {}
            Err(Seen::Answer(no)) if no.no() == Some(Code::Quarantined) && detail.is_some() => {
                // What it printed does not count: it looked like it held a secret. That it ended is told all the same,
                // and not even its digest, of which a short secret could be guessed.
                step!(self.tell(left, &format!("{said}; what it printed is withheld"), None, true));
                if let Some(members) = evidence.as_object_mut() {
                    members.remove("output_digest");
                }
            }
            Err(end) => return Ok(end),
        }
        if let Some(lease) = left.lease.take() {
            step!(self.step("lease.close", &lease, Vec::new()));
        }
        let outcome = if succeeded { "succeeded" } else { "failed" };
        let mut arguments = vec![
            ("evidence", Value::Text(evidence.to_string())),
            ("fence", int(left.fence)),
            ("outcome", Value::from(outcome)),
        ];
        arguments.extend(grant.as_ref().map(|(grant, _)| ("grant", Value::from(grant.as_str()))));
        Ok(Seen::Answer(Box::new(self.put("job.report", &self.job, arguments)?)))
    }
}

/// A number as an argument.
fn int(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}
