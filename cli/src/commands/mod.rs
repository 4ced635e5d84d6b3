//! Which verbs are there? One file each.

mod bench;
mod checkpoint;
mod completions;
mod demo;
mod drill;
mod explain;
mod export;
mod import;
mod init;
mod key;
mod lease;
mod log;
mod open;
mod perform;
mod preview;
mod provider;
mod queue;
mod serve;
mod show;
mod sweep;
mod transcript;
mod verify;
mod view;
mod worker;

pub(crate) use checkpoint::{log_key, released};
pub(crate) use key::{generate, proof};
pub(crate) use lease::{Fetched, Wanted, fetch};
pub(crate) use open::open;
pub(crate) use worker::executes;

use crate::diagnostic::Outcome;
use crate::output::Output;
use chancery_ledger::store::Paths;
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Play the whole story of a record on this machine, damage included
    Demo(demo::Args),
    /// Create a ledger with its keys, its anchor and an auditor's pin
    Init(init::Args),
    /// Ask for an action, as a principal that signs or bears a token
    #[command(name = "do")]
    Perform(perform::Args),
    /// Say what the answer would be, check by check; nothing is appended
    Preview(perform::Args),
    /// Serve the ledger over HTTP until a signal comes
    Serve(serve::Args),
    /// Record what the clock has decided: what expired, ran out or fell silent
    Sweep(sweep::Args),
    /// Observe host keys from known_hosts lines
    Import(import::Args),
    /// Show one entry with the head and the path that sign it
    Show(show::Args),
    /// List entries
    Log(log::Args),
    /// Ask the read models, and compare them with the ledger
    View(view::Args),
    /// Show what needs somebody, why, and who decides
    Queue(queue::Args),
    /// Show what a worker said about a job
    Transcript(transcript::Args),
    /// Verify an export or a live ledger, offline
    Verify(verify::Args),
    /// Print the newest released head
    Checkpoint(checkpoint::Args),
    /// Write an export that a stranger can verify
    Export(export::Args),
    /// Generate author keys and prove possession of them
    Key(key::Args),
    /// Say whether credential references resolve
    Provider(provider::Args),
    /// Fetch a secret once, under a grant
    Lease(lease::Args),
    /// Work on jobs, and list who does
    Worker(worker::Args),
    /// Perform the rollback drill on a ledger of stage `test`, and record what it showed
    Drill(drill::Args),
    /// Measure this machine against its own limits
    Bench(bench::Args),
    /// Explain a code, an action, or a section of SPEC
    Explain(explain::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}

/// Where the ledger lies.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// Ledger directory
    #[arg(long, env = "CHANCERY_DIR", default_value = "ledger", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Anchor file, outside the directory [default: DIR.anchor]
    #[arg(long, env = "CHANCERY_ANCHOR", value_name = "FILE")]
    pub(crate) anchor: Option<PathBuf>,
    /// Directory of key files, outside the directory [default: DIR.keys]
    #[arg(long, env = "CHANCERY_KEYS", value_name = "DIR")]
    pub(crate) keys: Option<PathBuf>,
}

impl Place {
    /// Paths of the ledger's files.
    pub(crate) fn paths(&self) -> Paths {
        let mut paths = Paths::of(&self.dir);
        if let Some(anchor) = &self.anchor {
            paths.anchor.clone_from(anchor);
        }
        if let Some(keys) = &self.keys {
            paths.keys.clone_from(keys);
        }
        paths
    }
}

/// A number of rows that somebody asks for: none is not asked for.
fn some(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it begins with 1".to_owned()),
        Ok(rows) => Ok(rows),
        Err(_) => Err("it is not a number of rows".to_owned()),
    }
}

/// Runs a verb.
pub(crate) fn run(command: Command, out: &Output) -> Outcome {
    match command {
        Command::Demo(args) => demo::run(&args, out),
        Command::Init(args) => init::run(&args, out),
        Command::Perform(args) => perform::run(&args, out),
        Command::Preview(args) => preview::run(&args, out),
        Command::Sweep(args) => sweep::run(&args, out),
        Command::Import(args) => import::run(&args, out),
        Command::Serve(args) => serve::run(&args, out),
        Command::Show(args) => show::run(&args, out),
        Command::Log(args) => log::run(&args, out),
        Command::View(args) => view::run(&args, out),
        Command::Queue(args) => queue::run(&args, out),
        Command::Transcript(args) => transcript::run(&args, out),
        Command::Verify(args) => verify::run(&args, out),
        Command::Checkpoint(args) => checkpoint::run(&args, out),
        Command::Export(args) => export::run(&args, out),
        Command::Key(args) => key::run(&args, out),
        Command::Provider(args) => provider::run(&args, out),
        Command::Lease(args) => lease::run(&args, out),
        Command::Worker(args) => worker::run(&args, out),
        Command::Drill(args) => drill::run(&args, out),
        Command::Bench(args) => bench::run(&args, out),
        Command::Explain(args) => explain::run(&args, out),
        Command::Completions(args) => completions::run(&args, out),
    }
}
