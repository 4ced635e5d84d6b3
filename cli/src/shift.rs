//! What does a worker do all day? Say that it is there, look for a job, see it through, and look again, until it is told
//! to stop.

use crate::client::Ask;
use crate::desk::Desk;
use crate::diagnostic::Diagnostic;
use crate::pace::Pace;
use crate::provider::Config;
use crate::work::{Seen, Work};
use chancery_ledger::format::ids::Scope;
use chancery_ledger::limits::Stopwatch;
use chancery_ledger::{Class, Code};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Between two looks for a job: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// A job that came to nothing is not looked at again for so long.
const LATER: Duration = Duration::from_secs(60);

/// A worker at work.
pub(crate) struct Shift<'a> {
    pub(crate) desk: Desk<'a>,
    pub(crate) worker: &'a str,
    pub(crate) scope: &'a Scope,
    pub(crate) pace: &'a Pace,
    pub(crate) config: &'a Config,
    /// Where the key for fingerprints is.
    pub(crate) key: &'a Path,
}

impl Shift<'_> {
    /// Sees one job through: this one, or the first that there is; nothing when there is none.
    pub(crate) fn one(&self, job: Option<String>) -> Result<Option<(String, Seen)>, Diagnostic> {
        let job = match job {
            Some(job) => Some(job),
            None => self.desk.next_job(self.worker, self.scope, |_| true)?,
        };
        let seen = |job: String| Ok((job.clone(), self.see(job)?));
        job.map(seen).transpose()
    }

    fn see(&self, job: String) -> Result<Seen, Diagnostic> {
        let Self { desk, worker, scope, pace, config, key } = *self;
        Work { desk, worker, scope, job, pace }.see_through(config, key)
    }

    /// Says that it is well, when it is time to.
    fn report(&self) -> Result<(), Diagnostic> {
        let Some(health) = self.pace.health_due() else { return Ok(()) };
        let said = self.desk.ask(Ask::with("worker.report", self.scope, self.worker, health))?;
        match said.no() {
            None => self.pace.told_health(),
            Some(code) => {
                let why = said.message.unwrap_or_else(|| "the worker's report was not taken".to_owned());
                return Err(Diagnostic::new(code, why));
            }
        }
        Ok(())
    }

    /// Sees one job after the other through, until it is told to stop; `tell` is told what came of each.
    pub(crate) fn keep(
        &self,
        mut tell: impl FnMut(Result<(String, Seen), Diagnostic>) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let mut later: BTreeMap<String, Stopwatch> = BTreeMap::new();
        let mut pause = PAUSE.0;
        while !self.pace.stop.asked() {
            self.desk.lasts(Stopwatch::start(), self.pace.ttl());
            later.retain(|_, since| since.elapsed() < LATER);
            let fits = |id: &str| !later.contains_key(id);
            let next = self.report().and_then(|()| self.desk.next_job(self.worker, self.scope, fits));
            match next {
                Ok(Some(job)) => {
                    pause = PAUSE.0;
                    let seen = self.see(job.clone());
                    if !matches!(&seen, Ok(Seen::Answer(said)) if said.no().is_none()) {
                        later.insert(job.clone(), Stopwatch::start());
                    }
                    tell(seen.map(|seen| (job, seen)))?;
                }
                Ok(None) => {
                    self.pace.stop.wait(pause);
                    pause = (pause * 2).min(PAUSE.1);
                }
                // A server that is away comes back; a worker that is not wanted any more ends.
                Err(error)
                    if error.code().class() == Class::Error || error.code() == Code::TooManyRequests =>
                {
                    tell(Err(error))?;
                    self.pace.stop.wait(PAUSE.1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
