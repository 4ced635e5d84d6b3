//! Who works, and on what? One job seen through, and the list of the workers.

use super::Place;
use super::lease::nothing_given;
use super::open::open;
use super::perform::{scope, told};
use crate::client::{Who, read_key};
use crate::desk::Desk;
use crate::diagnostic::{Diagnostic, Outcome};
use crate::enrol;
use crate::exit;
use crate::output::Output;
use crate::pace::Pace;
use crate::patience::{Patience, Stop};
use crate::provider::Config;
use crate::record::Far;
use crate::shift::Shift;
use crate::work::Seen;
use chancery_api::on_signal;
use chancery_ledger::domains::job::Mode;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::{Code, Error};
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
    far: Far,
    /// The worker's key file; with `--url`, one that is not there is made, and enrolled with the token
    #[arg(long, env = "CHANCERY_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Scope of the job
    #[arg(long, default_value = "/")]
    scope: String,
    /// The job [default: the first that this worker may claim]
    #[arg(long)]
    job: Option<String>,
    /// For how long the job is held, in milliseconds
    #[arg(long, default_value = "60000", value_name = "MS")]
    ttl_ms: u64,
    /// For how long a command may run, in milliseconds [default: three quarters of --ttl-ms]
    #[arg(long, value_name = "MS")]
    limit_ms: Option<u64>,
    /// How often the job is renewed meanwhile, in milliseconds [default: 5000, or a third of --ttl-ms]
    #[arg(long, value_name = "MS")]
    beat_ms: Option<u64>,
    /// Go on with the next job, and wait for one when there is none, until SIGINT or SIGTERM
    #[arg(long, conflicts_with = "job")]
    keep: bool,
    /// Configuration of providers; without one, none is enabled
    #[arg(long, env = "CHANCERY_PROVIDERS", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Key with which what is leased is fingerprinted [default: fingerprint.key beside the ledger's keys]
    #[arg(long, value_name = "FILE")]
    fingerprint_key: Option<PathBuf>,
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

/// Prints what came of a job, and gives the exit code.
fn seen((job, seen): &(String, Seen), out: &Output) -> Outcome {
    match seen {
        // Nothing that a worker asks for is ever held, in whatever scope.
        Seen::Answer(said) => told(said, &Scope::root(), out),
        Seen::NothingGiven(lease, failure) => Ok(nothing_given(lease, *failure, out)),
        Seen::Blocked(checks) => {
            if out.json {
                out.json(&serde_json::json!({"blocked": checks, "effect": "refuse", "job": job}));
            }
            out.talk(&format!("job `{job}` was given back before it began: {}", checks.join(", ")));
            Ok(exit::NO)
        }
    }
}

impl Run {
    /// Works at a desk: one job, or one after the other.
    fn work(&self, desk: Desk<'_>, who: &Who, at: &Scope, pace: &Pace, out: &Output) -> Outcome {
        let Who::Key(worker, _) = who else {
            return Err(Diagnostic::new(Code::KeyFileInvalid, "that is a token, not a key file"));
        };
        let config = self.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        let key = self.fingerprint_key.clone().unwrap_or_else(|| self.place.paths().fingerprint_key());
        let shift = Shift { desk, worker: worker.as_str(), scope: at, pace, config: &config, key: &key };
        if !self.keep {
            let Some(done) = shift.one(self.job.clone())? else {
                let text = format!("there is no job in `{at}` that `{worker}` may claim");
                return Err(Diagnostic::new(Code::NotFound, text).hint("name its scope: `--scope SCOPE`"));
            };
            return seen(&done, out);
        }
        shift.keep(|done| match done {
            Ok(done) => seen(&done, out).map(drop),
            Err(error) => {
                error.report(out);
                Ok(())
            }
        })?;
        Ok(exit::YES)
    }

    fn pace(&self, stop: &Stop) -> Pace {
        let pace = Pace::new(self.ttl_ms, stop).with(self.limit_ms, self.beat_ms);
        if self.keep { pace.reporting(self.ttl_ms) } else { pace }
    }

    fn key_file(&self) -> Result<&PathBuf, Diagnostic> {
        self.key_file.as_ref().ok_or_else(|| {
            Diagnostic::usage("a worker signs what it relays: name its key with `--key-file FILE`")
        })
    }
}

/// From now on a signal asks for the end in place of being it.
fn listen() -> Result<Stop, Diagnostic> {
    let stop = Stop::default();
    let asked = stop.clone();
    on_signal(move || asked.ask()).map_err(|error| Error {
        code: Code::Io,
        message: "cannot listen for signals".to_owned(),
        source: Some(Box::new(error)),
    })?;
    Ok(stop)
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let args = match &args.verb {
        Verb::List(place) => return list(place, out),
        Verb::Run(args) => args,
    };
    let (at, path) = (scope(&args.scope)?, args.key_file()?);
    let stop = listen()?;
    let pace = args.pace(&stop);
    if let Some(remote) = args.far.remote()? {
        let patience = Patience::new(&stop, pace.ttl());
        let who = enrol::key(&remote, &patience, path)?;
        return args.work(Desk::Far(&remote, &who, &patience), &who, &at, &pace, out);
    }
    let who = read_key(path)?;
    let ledger = open(args.place.paths(), out)?;
    let code = args.work(Desk::Near(&ledger, &who), &who, &at, &pace, out);
    ledger.close()?;
    code
}

/// Modes in which this build executes something.
pub(crate) fn executes(mode: Mode) -> bool {
    matches!(mode, Mode::LocalReadOnly | Mode::LocalDev)
}
