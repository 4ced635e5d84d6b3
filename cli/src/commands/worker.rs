//! Who works, and on what? One job seen through, and the list of the workers.

use super::Place;
use super::lease::nothing_given;
use super::open::open;
use super::perform::{CredentialArgs, scope, told};
use crate::client::Who;
use crate::desk::Desk;
use crate::diagnostic::{Diagnostic, Outcome};
use crate::exit;
use crate::output::Output;
use crate::provider::Config;
use crate::work::{Seen, Work};
use chancery_ledger::Code;
use chancery_ledger::domains::job::Mode;
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
    let desk = Desk::Near(&ledger, &who);
    let next = match &args.job {
        Some(job) => Some(job.clone()),
        None => desk.next_job(worker.as_str(), &at, |_| true)?,
    };
    let Some(job) = next else {
        ledger.close()?;
        let text = format!("there is no job in `{at}` that `{worker}` may claim");
        return Err(Diagnostic::new(Code::NotFound, text).hint("name its scope: `--scope SCOPE`"));
    };
    let work = Work { desk, worker: worker.as_str(), scope: &at, job, ttl_ms: args.ttl_ms };
    let seen = work.see_through(&config, &paths.fingerprint_key());
    ledger.close()?;
    match seen? {
        Seen::Answer(said) => told(&said, &at, out),
        Seen::NothingGiven(lease, failure) => Ok(nothing_given(&lease, failure, out)),
    }
}

/// Modes in which this build executes something.
pub(crate) fn executes(mode: Mode) -> bool {
    matches!(mode, Mode::LocalReadOnly | Mode::LocalDev)
}
