//! How is one job seen through? Claim it, start it durably, do what its mode allows, tell, report; and whatever comes of
//! it, what was fetched is put away, and what was not begun is given back.

use crate::client::Ask;
use crate::commands::{Fetched, Wanted, fetch};
use crate::desk::{Desk, Found};
use crate::diagnostic::Diagnostic;
use crate::enact::Done;
use crate::pace::Pace;
use crate::provider::{Config, Failure};
use crate::said::Said;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json::Value;
use chancery_ledger::limits::Stopwatch;
use chancery_ledger::{Code, Entropy};
use std::path::Path;
use std::time::Duration;

/// Longest life of a lease.
const LEASE_MS: u64 = 3_600_000;
/// A check that looks ahead to live work, which no mode of this build does.
const AHEAD: &str = "live_mode";

/// A worker and its job.
pub(crate) struct Work<'a> {
    pub(crate) desk: Desk<'a>,
    pub(crate) worker: &'a str,
    pub(crate) scope: &'a Scope,
    pub(crate) job: String,
    pub(crate) pace: &'a Pace,
}

/// How it ended.
pub(crate) enum Seen {
    /// With this answer.
    Answer(Box<Said>),
    /// The provider gave nothing under this lease: the job was given back before it was started.
    NothingGiven(String, Failure),
    /// These checks of the preflight did not pass, or `stopped`: the job was given back before it was started.
    Blocked(Vec<String>),
}

/// How far it came: what is left to be put away or given back.
pub(crate) struct Left {
    fence: u64,
    /// Transcript events that count.
    told: u64,
    started: bool,
    lease: Option<String>,
    /// When the claim was asked for, or asked to last longer.
    kept: Stopwatch,
}

/// The receipt of a yes, or the answer that ends the work.
pub(crate) type Step = Result<Result<Said, Seen>, Diagnostic>;

macro_rules! step {
    ($step:expr) => {
        match $step {
            Ok(value) => value,
            Err(end) => return Ok(Err(end)),
        }
    };
}
pub(crate) use step;

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

    /// Tells an event, and without its detail when that looked like it held a secret: then true.
    pub(crate) fn relay(
        &self,
        left: &mut Left,
        said: &str,
        detail: Option<&str>,
        end: bool,
    ) -> Result<Result<bool, Seen>, Diagnostic> {
        match self.tell(left, said, detail, end)? {
            Ok(_) => Ok(Ok(false)),
            Err(Seen::Answer(no)) if no.no() == Some(Code::Quarantined) => {
                // Either nothing counts any more that this worker says, which a renewal tells, or it is the detail.
                step!(self.renew(left)?);
                if detail.is_none() {
                    return Ok(Err(Seen::Answer(no)));
                }
                step!(self.tell(left, &format!("{said}; it is withheld"), None, end)?);
                Ok(Ok(true))
            }
            Err(end) => Ok(Err(end)),
        }
    }

    /// How long until the claim is to be renewed.
    pub(crate) fn until_beat(&self, left: &Left) -> Duration {
        self.pace.beat.saturating_sub(left.kept.elapsed())
    }

    /// Holds the job for longer, and says how the worker is when it is time to.
    pub(crate) fn renew(&self, left: &mut Left) -> Step {
        let since = Stopwatch::start();
        let arguments = vec![("fence", int(left.fence)), ("ttl_ms", int(self.pace.ttl_ms))];
        let renewed = step!(self.step("claim.renew", &self.job, arguments)?);
        left.kept = since;
        self.desk.lasts(since, self.pace.ttl());
        if let Some(health) = self.pace.health_due() {
            step!(self.step("worker.report", self.worker, health)?);
            self.pace.told_health();
        }
        Ok(Ok(renewed))
    }

    /// Sees the job through.
    pub(crate) fn see_through(&self, config: &Config, key: &Path) -> Result<Seen, Diagnostic> {
        let kept = Stopwatch::start();
        self.desk.lasts(kept, self.pace.ttl());
        let claimed = match self.step("claim.acquire", &self.job, vec![("ttl_ms", int(self.pace.ttl_ms))])? {
            Ok(claimed) => claimed,
            Err(end) => return Ok(end),
        };
        let fence = self.desk.data(&claimed, "claim.acquired")?["fence"].as_u64().unwrap_or_default();
        let mut left = Left { fence, told: 0, started: false, lease: None, kept };
        let found = self.desk.find(self.worker, self.scope, &self.job, &claimed);
        let seen = found.and_then(|found| self.work(&found, &mut left, config, key));
        // Whether these are taken changes nothing of the answer: what is open runs out by itself as well.
        if let Some(lease) = &left.lease {
            let _ = self.put("lease.close", lease, Vec::new());
        }
        if !left.started {
            let _ = self.put("claim.release", &self.job, vec![("fence", int(left.fence))]);
        }
        seen.map(|seen| seen.unwrap_or_else(|end| end))
    }

    /// Names of the checks before a host that do not pass; none for a mode that goes to none.
    fn blocked(&self, found: &Found) -> Result<Result<Vec<String>, Seen>, Diagnostic> {
        if !found.mode.goes_to_host() {
            return Ok(Ok(Vec::new()));
        }
        let said = step!(self.step("preflight.evaluate", &self.job, Vec::new())?);
        let data = self.desk.data(&said, "preflight.evaluated")?;
        let failed = data["checks"].as_array().into_iter().flatten().filter(|check| check["passed"] == false);
        let names = failed.filter_map(|check| check["name"].as_str()).filter(|name| *name != AHEAD);
        Ok(Ok(names.map(str::to_owned).collect()))
    }

    /// Opens a lease under a grant, and has it resolved.
    fn lease(
        &self,
        found: &Found,
        left: &mut Left,
        (grant, reference): (&str, &str),
        config: &Config,
        key: &Path,
    ) -> Result<Result<String, Seen>, Diagnostic> {
        let lease = format!("l-{}", hex(&Entropy::default().take::<8>()?));
        let wanted = Wanted {
            scope: self.scope,
            id: &lease,
            job: &self.job,
            grant,
            purpose: &found.capability,
            reference,
            fence: left.fence,
            ttl_ms: self.pace.lease_ms().min(LEASE_MS),
        };
        match fetch(self.desk, &wanted, config, key)? {
            Fetched::No(no) => Ok(Err(Seen::Answer(no))),
            // Work that was to be done with a credential is not done without one.
            Fetched::Failed(failure) => Ok(Err(Seen::NothingGiven(lease, failure))),
            // The modes of this build reach no host: the material is put away unused.
            Fetched::Material(_material) => {
                left.lease = Some(lease.clone());
                Ok(Ok(lease))
            }
        }
    }

    fn work(
        &self,
        found: &Found,
        left: &mut Left,
        config: &Config,
        key: &Path,
    ) -> Result<Result<Seen, Seen>, Diagnostic> {
        left.told = found.told;
        let blocked = step!(self.blocked(found)?);
        if !blocked.is_empty() {
            return Ok(Err(Seen::Blocked(blocked)));
        }
        let mut arguments = vec![("fence", int(left.fence))];
        if let Some((grant, reference)) = &found.grant {
            let lease = step!(self.lease(found, left, (grant, reference), config, key)?);
            arguments.push(("grant", Value::from(grant.as_str())));
            arguments.push(("lease", Value::Text(lease)));
        }
        if self.pace.stop.asked() {
            return Ok(Err(Seen::Blocked(vec!["stopped".to_owned()])));
        }
        step!(self.step("job.start", &self.job, arguments)?);
        left.started = true;
        let begins = format!("{} begins in {}", found.capability, found.mode.as_str());
        step!(self.relay(left, &begins, None, false)?);
        let Done { said, detail, evidence, succeeded } = step!(self.execute(left, found)?);
        step!(self.relay(left, &said, detail.as_deref(), true)?);
        if let Some(lease) = left.lease.take() {
            step!(self.step("lease.close", &lease, Vec::new())?);
        }
        let outcome = if succeeded { "succeeded" } else { "failed" };
        let mut arguments = vec![
            ("evidence", Value::Text(evidence.to_string())),
            ("fence", int(left.fence)),
            ("outcome", Value::from(outcome)),
        ];
        arguments.extend(found.grant.as_ref().map(|(grant, _)| ("grant", Value::from(grant.as_str()))));
        Ok(Ok(Seen::Answer(Box::new(self.put("job.report", &self.job, arguments)?))))
    }
}

/// A number as an argument.
pub(crate) fn int(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}
