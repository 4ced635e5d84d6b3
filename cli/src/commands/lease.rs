//! How does a worker get a secret once? Open a lease, let the provider resolve it, record fingerprints, hand it over.

use super::Place;
use super::open::open;
use super::perform::{CredentialArgs, scope, told};
use crate::client::Ask;
use crate::desk::Desk;
use crate::diagnostic::{Diagnostic, Outcome, io};
use crate::exit;
use crate::output::Output;
use crate::provider::{Config, Failure, Material, resolve};
use crate::said::Said;
use chancery_ledger::fingerprint::fingerprints_of;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json::Value;
use chancery_ledger::format::reference::Reference;
use chancery_ledger::store::read_fingerprint_key;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Fetch the credential of a grant once, into a new file of mode 0600
    Resolve(Box<Resolve>),
}

#[derive(Debug, clap::Args)]
struct Resolve {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    credential: CredentialArgs,
    /// Scope of the job
    #[arg(long, default_value = "/")]
    scope: String,
    /// Id of the lease
    #[arg(long)]
    id: String,
    /// The job
    #[arg(long)]
    job: String,
    /// The grant
    #[arg(long)]
    grant: String,
    /// The use that the grant is for
    #[arg(long = "use", value_name = "USE")]
    purpose: String,
    /// The credential that the grant is for
    #[arg(long)]
    reference: String,
    /// The fence that `claim.acquired` told
    #[arg(long)]
    fence: u64,
    /// For how long, in milliseconds
    #[arg(long, default_value = "60000", value_name = "MS")]
    ttl_ms: u64,
    /// Configuration of providers; without one, none is enabled
    #[arg(long, env = "CHANCERY_PROVIDERS", value_name = "FILE")]
    config: Option<PathBuf>,
    /// New file for the material
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What a lease is opened with.
pub(crate) struct Wanted<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) id: &'a str,
    pub(crate) job: &'a str,
    pub(crate) grant: &'a str,
    pub(crate) purpose: &'a str,
    pub(crate) reference: &'a str,
    pub(crate) fence: u64,
    pub(crate) ttl_ms: u64,
}

/// How far it came.
pub(crate) enum Fetched {
    /// The ledger said no; its receipt.
    No(Box<Said>),
    /// The provider gave nothing; the failure is recorded.
    Failed(Failure),
    /// The material, its fingerprints durably recorded.
    Material(Material),
}

/// Opens a lease, has it resolved, and records fingerprints before anybody gets the material.
pub(crate) fn fetch(
    desk: Desk<'_>,
    wanted: &Wanted<'_>,
    config: &Config,
    key: &Path,
) -> Result<Fetched, Diagnostic> {
    let reference =
        Reference::parse(wanted.reference).map_err(|error| Diagnostic::usage(error.to_string()))?;
    let int = |value: u64| Value::Int(i64::try_from(value).unwrap_or(i64::MAX));
    let arguments = vec![
        ("fence", int(wanted.fence)),
        ("grant", Value::from(wanted.grant)),
        ("job", Value::from(wanted.job)),
        ("reference", Value::from(wanted.reference)),
        ("ttl_ms", int(wanted.ttl_ms)),
        ("use", Value::from(wanted.purpose)),
    ];
    let opened = desk.ask(Ask::with("lease.open", wanted.scope, wanted.id, arguments))?;
    if opened.no().is_some() {
        return Ok(Fetched::No(Box::new(opened)));
    }
    let fail = |failure: Failure| -> Result<Fetched, Diagnostic> {
        let arguments = [("failure", failure.as_str())];
        desk.ask(Ask::new("lease.fail", wanted.scope, wanted.id, &arguments))?;
        Ok(Fetched::Failed(failure))
    };
    let material = match resolve(&reference, opened.stage, config) {
        Ok(material) => material,
        Err(failure) => return fail(failure),
    };
    let prints = fingerprints_of(&read_fingerprint_key(key)?, material.bytes());
    if prints.is_empty() {
        // It could not be found again in what the worker relays.
        return fail(Failure::Malformed);
    }
    let prints = prints.iter().map(|print| Value::Text(print.to_string())).collect();
    let arguments = vec![("fingerprints", Value::List(prints))];
    let resolved = desk.ask(Ask::with("lease.resolve", wanted.scope, wanted.id, arguments))?;
    if resolved.no().is_some() {
        // Nobody gets the material, so nothing is left to put away.
        desk.ask(Ask::new("lease.close", wanted.scope, wanted.id, &[]))?;
        return Ok(Fetched::No(Box::new(resolved)));
    }
    Ok(Fetched::Material(material))
}

/// Says that the provider gave nothing, and gives the exit code.
pub(crate) fn nothing_given(lease: &str, failure: Failure, out: &Output) -> u8 {
    if out.json {
        out.json(&serde_json::json!({"effect": "refuse", "failure": failure.as_str(), "lease": lease}));
    }
    out.talk(&format!(
        "lease `{lease}`: the provider gave nothing: {}: {}",
        failure.as_str(),
        failure.sentence()
    ));
    exit::NO
}

/// A new file that nobody else may read, made before anything is asked: material that cannot be handed over is lost.
fn reserve(path: &Path) -> Result<File, Diagnostic> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| {
        io("create", path, error).hint("name a file that is not there, in a directory that is")
    })
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let Verb::Resolve(args) = &args.verb;
    let who = args.credential.who()?;
    let config = args.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    let paths = args.place.paths();
    let at = scope(&args.scope)?;
    let wanted = Wanted {
        scope: &at,
        id: &args.id,
        job: &args.job,
        grant: &args.grant,
        purpose: &args.purpose,
        reference: &args.reference,
        fence: args.fence,
        ttl_ms: args.ttl_ms,
    };
    let ledger = open(paths.clone(), out)?;
    let mut file = reserve(&args.out)?;
    let desk = Desk::Near(&ledger, &who);
    let fetched = fetch(desk, &wanted, &config, &paths.fingerprint_key());
    let written = match &fetched {
        Ok(Fetched::Material(material)) => file.write_all(material.bytes()).and_then(|()| file.sync_all()),
        _ => Ok(()),
    };
    if written.is_err() || !matches!(fetched, Ok(Fetched::Material(_))) {
        drop(file);
        std::fs::remove_file(&args.out).map_err(|error| io("remove", &args.out, error))?;
    }
    if let Err(error) = written {
        desk.ask(Ask::new("lease.close", &at, &args.id, &[]))?;
        return Err(io("write", &args.out, error));
    }
    ledger.close()?;
    match fetched? {
        Fetched::No(said) => told(&said, &at, out),
        Fetched::Failed(failure) => Ok(nothing_given(&args.id, failure, out)),
        Fetched::Material(_) => {
            let file = args.out.display().to_string();
            if out.json {
                out.json(&serde_json::json!({"effect": "allow", "file": file, "lease": args.id}));
            } else {
                out.data(&format!("lease     {} resolved; close it when you are done", args.id));
                out.data(&format!("material  {file}"));
            }
            Ok(exit::YES)
        }
    }
}
