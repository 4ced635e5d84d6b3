//! What does a worker do with a job? Claim it, start it durably, do what its mode allows, tell, report.

use super::Place;
use super::lease::{Fetched, Wanted, fetch};
use super::open::open;
use super::perform::{CredentialArgs, report, scope};
use crate::client::{Ask, Who, ask};
use crate::diagnostic::{Diagnostic, Outcome};
use crate::execute::{Done, execute};
use crate::exit;
use crate::output::Output;
use crate::provider::Config;
use chancery_ledger::domains::job::{Job, Mode};
use chancery_ledger::domains::table::At;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json::Value;
use chancery_ledger::{Entropy, Ledger, Receipt};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Take one job and see it through, as the worker whose key this is
    Run(Box<Run>),
    /// List the workers
    List(Place),
}

#[derive(Debug, clap::Args)]
struct Run {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    credential: CredentialArgs,
    /// Scope of the job
    #[arg(long, default_value = "/")]
    scope: String,
    /// The job [default: the first that this worker may claim]
    #[arg(long)]
    job: Option<String>,
    /// For how long the job is held, in milliseconds
    #[arg(long, default_value = "60000", value_name = "MS")]
    ttl_ms: u64,
    /// Configuration of providers; without one, none is enabled
    #[arg(long, env = "CHANCERY_PROVIDERS", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A job as it is worked on.
pub(crate) struct Work<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) who: &'a Who,
    pub(crate) scope: &'a Scope,
    pub(crate) job: String,
    pub(crate) fence: u64,
}

/// What a step came to: the receipt of a yes, or the answer that ends the work.
pub(crate) type Step = Result<Result<Receipt, Box<Receipt>>, Diagnostic>;

impl Work<'_> {
    fn ask(&self, action: &str, id: &str, mut arguments: Vec<(&str, Value)>, fenced: bool) -> Step {
        if fenced {
            arguments.push(("fence", Value::Int(i64::try_from(self.fence).unwrap_or(i64::MAX))));
        }
        let receipt = ask(self.ledger, self.who, Ask::with(action, self.scope, id, arguments))?;
        Ok(if receipt.code.is_some() { Err(Box::new(receipt)) } else { Ok(receipt) })
    }

    fn told(&self, seq: i64, operator: &str, technical: Option<&str>, last: bool) -> Step {
        let mut arguments = vec![("seq", Value::Int(seq)), ("operator", Value::from(operator))];
        arguments.extend(technical.map(|text| ("technical", Value::from(text))));
        if last {
            arguments.push(("final", Value::Bool(true)));
        }
        self.ask("transcript.append", &self.job, arguments, true)
    }
}

macro_rules! step {
    ($step:expr) => {
        match $step? {
            Ok(receipt) => receipt,
            Err(no) => return Ok(Err(no)),
        }
    };
}

/// The first job of the scope that this worker may claim, in the order of the ids.
fn next_job(ledger: &Ledger, worker: &str, scope: &Scope) -> Option<String> {
    ledger.look(|world| {
        let mut free: Vec<&str> = world
            .jobs
            .iter()
            .filter(|(place, job)| {
                place.scope() == scope.as_str() && job.claim.is_none() && job.started.is_none()
            })
            .filter(|(_, job)| job.eligible.iter().any(|id| id == worker))
            .map(|(place, _)| place.id())
            .collect();
        free.sort_unstable();
        free.first().map(|id| (*id).to_owned())
    })
}

/// Sees one job through; the receipt of its result, or of the answer that ended it.
pub(crate) fn see_through(work: &mut Work<'_>, ttl_ms: i64, config: &Config, keys: &std::path::Path) -> Step {
    let claimed =
        step!(work.ask("claim.acquire", &work.job.clone(), vec![("ttl_ms", Value::Int(ttl_ms))], false));
    let (job, commands, grant): (Option<Job>, Vec<Vec<String>>, Option<(String, String)>) = {
        let at = (work.scope.as_str().to_owned(), work.job.clone());
        work.ledger.look(move |world| {
            let job = world.jobs.get(At { scope: &at.0, id: &at.1 }).cloned();
            let known = job.as_ref().and_then(|job| world.capabilities.get(&job.capability));
            let grant = job.as_ref().and_then(|job| {
                let id = job.grants.first()?;
                let grant = world.grants.get(At { scope: &at.0, id })?;
                Some((id.clone(), grant.reference.clone()))
            });
            (job, known.map(|known| known.commands.clone()).unwrap_or_default(), grant)
        })
    };
    let Some(job) = job else { return Ok(Ok(claimed)) };
    work.fence = job.fence;
    let lease = format!("l-{}", hex(&Entropy::default().take::<8>()?));
    let mut arguments = Vec::new();
    if let Some((grant, reference)) = &grant {
        let wanted = Wanted {
            scope: work.scope,
            id: &lease,
            job: &work.job,
            grant,
            purpose: &job.capability,
            reference,
            fence: work.fence,
            ttl_ms,
        };
        match fetch(work.ledger, work.who, &wanted, config, keys)? {
            Fetched::No(no) => return Ok(Err(no)),
            Fetched::Failed(_) => {}
            // The modes of this build reach no host: the material is put away unused.
            Fetched::Material(_material) => arguments.push(("lease", Value::from(lease.as_str()))),
        }
        arguments.push(("grant", Value::from(grant.as_str())));
    }
    let leased = arguments.len() == 2;
    step!(work.ask("job.start", &work.job.clone(), arguments, true));
    step!(work.told(1, &format!("{} begins in {}", job.capability, job.mode.as_str()), None, false));
    let argv = job.command.and_then(|index| commands.get(usize::try_from(index).ok()?));
    let Done { said, detail, evidence, succeeded } = execute(&job, argv.map_or(&[][..], Vec::as_slice));
    step!(work.told(2, &said, detail.as_deref(), true));
    if leased {
        step!(work.ask("lease.close", &lease, Vec::new(), false));
    }
    let outcome = if succeeded { "succeeded" } else { "failed" };
    let mut arguments = vec![("evidence", Value::Text(evidence)), ("outcome", Value::from(outcome))];
    arguments.extend(grant.as_ref().map(|(grant, _)| ("grant", Value::from(grant.as_str()))));
    work.ask("job.report", &work.job.clone(), arguments, true)
}

#[derive(Serialize)]
struct Row<'a> {
    assigned: &'a [String],
    declared: &'a [String],
    health: &'a str,
    held: u32,
    id: &'a str,
    scope: &'a str,
    suspended: bool,
    trust: &'a str,
}

fn list(place: &Place, out: &Output) -> Outcome {
    let ledger = open(place.paths(), out)?;
    let now = ledger.now();
    let workers = ledger.look(|world| {
        let rows = world.workers.sorted().into_iter();
        rows.map(|(id, worker)| (id.to_owned(), worker.clone())).collect::<Vec<_>>()
    });
    ledger.close()?;
    for (id, worker) in &workers {
        let health = match worker.health {
            _ if worker.is_stale(now) => "stale",
            Some((chancery_ledger::domains::worker::Health::Healthy, _)) => "healthy",
            _ => "unhealthy",
        };
        let row = Row {
            assigned: &worker.assigned,
            declared: &worker.declared,
            health,
            held: worker.held,
            id,
            scope: worker.scope.as_str(),
            suspended: worker.suspended,
            trust: chancery_ledger::domains::worker::Trust::NAMES
                .get(worker.trust as usize)
                .copied()
                .unwrap_or_default(),
        };
        if out.json {
            out.json(&row);
        } else {
            let standing = if worker.suspended { "suspended" } else { health };
            out.data(&format!(
                "{:<16} {:<14} {:<12} holds {}, {}",
                row.id, row.scope, standing, row.held, row.trust
            ));
        }
    }
    Ok(exit::YES)
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let args = match &args.verb {
        Verb::List(place) => return list(place, out),
        Verb::Run(args) => args,
    };
    let who = args.credential.who()?;
    let Who::Key(worker, _) = &who else {
        return Err(Diagnostic::usage("a worker signs what it relays: name its key with `--key-file FILE`"));
    };
    let config = args.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    let (at, paths) = (scope(&args.scope)?, args.place.paths());
    let ledger = open(paths.clone(), out)?;
    let Some(job) = args.job.clone().or_else(|| next_job(&ledger, worker.as_str(), &at)) else {
        ledger.close()?;
        out.talk(&format!("there is no job in `{at}` that `{worker}` may claim"));
        return Ok(exit::NO);
    };
    let mut work = Work { ledger: &ledger, who: &who, scope: &at, job, fence: 0 };
    let ttl_ms = i64::try_from(args.ttl_ms).unwrap_or(i64::MAX);
    let answer = see_through(&mut work, ttl_ms, &config, &paths.fingerprint_key())?;
    ledger.close()?;
    Ok(report(&answer.unwrap_or_else(|no| *no), out))
}

/// Modes in which this build executes something.
pub(crate) fn executes(mode: Mode) -> bool {
    matches!(mode, Mode::LocalReadOnly | Mode::LocalDev)
}
