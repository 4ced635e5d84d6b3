//! Where does a worker ask, and what does it see there? A ledger that this process has open, or a server that may be
//! away for a while; either way the same answers. SPEC 16.

use crate::asked::Url;
use crate::client::{Ask, Who, ask};
use crate::diagnostic::Diagnostic;
use crate::patience::Patience;
use crate::remote::Remote;
use crate::said::Said;
use chancery_ledger::domains::job::{Job, Mode};
use chancery_ledger::domains::table::At;
use chancery_ledger::format::entry;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::limits::Stopwatch;
use chancery_ledger::{Code, Ledger};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Rows of one page.
const PAGE: &str = "500";

/// Where a worker asks, and as whom.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Desk<'a> {
    /// A ledger that this process has open.
    Near(&'a Ledger, &'a Who),
    /// A server of it.
    Far(&'a Remote, &'a Who, &'a Patience),
}

/// What stands in the ledger about a claimed job.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) capability: String,
    pub(crate) mode: Mode,
    pub(crate) argv: Vec<String>,
    /// Transcript events that count.
    pub(crate) told: u64,
    /// The grant that this worker may use, and its credential.
    pub(crate) grant: Option<(String, String)>,
}

/// Answers of the read models. SPEC 17.8.
#[derive(Deserialize)]
struct Rows<T> {
    items: Vec<T>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct One<T> {
    item: T,
}

#[derive(Deserialize)]
struct JobRow {
    id: String,
    scope: String,
    capability: String,
    #[serde(default)]
    argv: Vec<String>,
    mode: Mode,
    overdue: bool,
    transcript: Told,
    route: Option<Route>,
    fallback: Option<Fallback>,
}

#[derive(Deserialize)]
struct Told {
    events: u64,
}

#[derive(Deserialize)]
struct Route {
    eligible: Vec<String>,
}

#[derive(Deserialize)]
struct Fallback {
    worker: Option<String>,
}

#[derive(Deserialize)]
struct GrantRow {
    id: String,
    scope: String,
    counts: bool,
    reference: String,
    worker: String,
}

impl JobRow {
    fn is_for(&self, worker: &str) -> bool {
        let eligible = self.route.iter().flat_map(|route| &route.eligible);
        let fallback = self.fallback.iter().filter_map(|fallback| fallback.worker.as_ref());
        eligible.chain(fallback).any(|id| id == worker)
    }
}

impl<'a> Desk<'a> {
    /// Asks for an action; who does not hear the answer asks again under the same key.
    pub(crate) fn ask(&self, mut request: Ask) -> Result<Said, Diagnostic> {
        match self {
            Self::Near(ledger, who) => Said::of(&ask(ledger, who, request)?),
            Self::Far(remote, who, patience) => {
                request.named()?;
                patience.until_heard(|limit| remote.invoke(who, request.clone(), limit))
            }
        }
    }

    /// So long lasts what the next questions depend on, and no longer is a server waited for.
    pub(crate) fn lasts(&self, since: Stopwatch, lasts: Duration) {
        if let Self::Far(_, _, patience) = self {
            patience.renew(since, lasts);
        }
    }

    /// The data of the entry of this kind that an answer is rendered from.
    pub(crate) fn data(&self, said: &Said, kind: &str) -> Result<Value, Diagnostic> {
        let lacks = || Diagnostic::new(Code::Io, format!("the answer has no `{kind}`"));
        match self {
            Self::Near(ledger, _) => {
                let of = said.entries.iter().find(|entry| entry.kind == kind).ok_or_else(lacks)?;
                let leaf = ledger.reader()?.leaf(of.position)?.ok_or_else(lacks)?;
                let entry = entry::read(&leaf).map_err(|_| lacks())?;
                serde_json::from_str(entry.data.get()).map_err(|_| lacks())
            }
            Self::Far(..) => {
                let of = said.leaves.iter().find(|leaf| leaf["kind"] == kind).ok_or_else(lacks)?;
                Ok(of["data"].clone())
            }
        }
    }

    /// What stands at `url`, typed.
    fn read<T: DeserializeOwned>(remote: &Remote, patience: &Patience, url: &Url) -> Result<T, Diagnostic> {
        let text = patience.until_heard(|limit| remote.fetch(url.as_str(), limit))?;
        serde_json::from_str(&text).map_err(|error| {
            Diagnostic::new(Code::Io, format!("the server's answer is no row of a view: {error}"))
        })
    }

    /// Every row of a view that `url` asks for, page by page.
    fn rows<T: DeserializeOwned>(
        remote: &Remote,
        patience: &Patience,
        url: impl Fn() -> Url,
        mut each: impl FnMut(T),
    ) -> Result<(), Diagnostic> {
        let mut token: Option<String> = None;
        loop {
            let url = url().with("limit", Some(PAGE)).with("page_token", token.as_deref());
            let page: Rows<T> = Self::read(remote, patience, &url)?;
            page.items.into_iter().for_each(&mut each);
            match page.next_page_token {
                None => return Ok(()),
                next => token = next,
            }
        }
    }

    /// The first job of the scope that this worker may claim, in the order of the ids, of those that `fits`.
    pub(crate) fn next_job(
        &self,
        worker: &str,
        scope: &Scope,
        fits: impl Fn(&str) -> bool,
    ) -> Result<Option<String>, Diagnostic> {
        let (remote, patience) = match self {
            Self::Near(ledger, _) => return Ok(next_near(ledger, worker, scope, fits)),
            Self::Far(remote, _, patience) => (remote, patience),
        };
        let mut first: Option<String> = None;
        let url = || Url::new(&["views", "jobs"]).within(Some(scope.as_str())).with("state", Some("routed"));
        Self::rows(remote, patience, url, |row: JobRow| {
            let free = row.scope == scope.as_str() && !row.overdue && row.is_for(worker) && fits(&row.id);
            if free && first.as_ref().is_none_or(|id| row.id < *id) {
                first = Some(row.id);
            }
        })?;
        Ok(first)
    }

    /// What stands in the ledger about a job, as of an answer or later.
    pub(crate) fn find(
        &self,
        worker: &str,
        scope: &Scope,
        job: &str,
        since: &Said,
    ) -> Result<Found, Diagnostic> {
        let (remote, patience) = match self {
            Self::Near(ledger, _) => {
                let found = find_near(ledger, worker, At { scope: scope.as_str(), id: job });
                let lost = || Diagnostic::new(Code::NotFound, format!("no job `{job}` in `{scope}`"));
                return found.ok_or_else(lost);
            }
            Self::Far(remote, _, patience) => (remote, patience),
        };
        let since = Some(since.position.as_str());
        let key = format!("{scope} {job}");
        let url = Url::new(&["views", "jobs", &key]).with("min_position", since);
        let One { item } = Self::read::<One<JobRow>>(remote, patience, &url)?;
        let mut grant = None;
        let url = || {
            let url = Url::new(&["views", "grants"]).within(Some(scope.as_str()));
            url.with("about", Some(&format!("job {job}"))).with("state", Some("live"))
        };
        // The newest comes first; the oldest that counts is used.
        Self::rows(remote, patience, url, |row: GrantRow| {
            if row.scope == scope.as_str() && row.counts && row.worker == worker {
                grant = Some((row.id, row.reference));
            }
        })?;
        let JobRow { capability, argv, mode, transcript, .. } = item;
        Ok(Found { capability, mode, argv, told: transcript.events, grant })
    }
}

fn next_near(ledger: &Ledger, worker: &str, scope: &Scope, fits: impl Fn(&str) -> bool) -> Option<String> {
    let now = ledger.now();
    ledger.look(|world| {
        let free = |job: &Job| {
            let held = job.claim.as_ref().is_some_and(|claim| now < claim.until);
            !held && job.started.is_none() && now < job.deadline
        };
        let mine = |job: &Job| job.eligible.iter().any(|id| id == worker);
        let jobs = world.jobs.iter().filter(|(place, _)| place.scope() == scope.as_str());
        let jobs = jobs.filter(|(place, job)| free(job) && mine(job) && fits(place.id()));
        jobs.map(|(place, _)| place.id()).min().map(str::to_owned)
    })
}

fn find_near(ledger: &Ledger, worker: &str, at: At<'_>) -> Option<Found> {
    let now = ledger.now();
    ledger.look(|world| {
        let job = world.jobs.get(at)?;
        let known = world.capabilities.get(&job.capability);
        let argv = job.command.and_then(|index| known?.commands.get(usize::try_from(index).ok()?).cloned());
        let grants = job.grants.iter().filter_map(|id| {
            let grant = world.grants.get(At { scope: at.scope, id })?;
            let mine = grant.worker == worker && now < grant.expires;
            mine.then(|| (id.clone(), grant.reference.to_string()))
        });
        Some(Found {
            capability: job.capability.to_string(),
            mode: job.mode,
            argv: argv.unwrap_or_default(),
            told: world.transcripts.get(at).map_or(0, |told| told.accepted.len() as u64),
            grant: { grants }.next(),
        })
    })
}
