//! How does a worker get a secret once? Open a lease, let the provider resolve it, record fingerprints, hand it over.

use super::Place;
use super::open::open;
use super::perform::{CredentialArgs, report, scope};
use crate::client::{Ask, Who, ask};
use crate::diagnostic::{Diagnostic, Outcome, io};
use crate::exit;
use crate::output::Output;
use crate::provider::{Config, Failure, Material, resolve};
use chancery_ledger::fingerprint::fingerprints_of;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json::Value;
use chancery_ledger::format::reference::Reference;
use chancery_ledger::store::read_fingerprint_key;
use chancery_ledger::{Code, Ledger, Receipt};
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
    /// Open a lease under a grant, resolve it, record its fingerprints, and write the material to a new file of mode 0600
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
    pub(crate) ttl_ms: i64,
}

/// How far it came.
pub(crate) enum Fetched {
    /// The ledger said no; its receipt.
    No(Box<Receipt>),
    /// The provider gave nothing; the failure is recorded.
    Failed(Failure),
    /// The material, its fingerprints durably recorded.
    Material(Material),
}

/// Opens a lease, has it resolved, and records fingerprints before anybody gets the material.
pub(crate) fn fetch(
    ledger: &Ledger,
    who: &Who,
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
        ("ttl_ms", Value::Int(wanted.ttl_ms)),
        ("use", Value::from(wanted.purpose)),
    ];
    let opened = ask(ledger, who, Ask::with("lease.open", wanted.scope, wanted.id, arguments))?;
    if opened.code.is_some() {
        return Ok(Fetched::No(Box::new(opened)));
    }
    let stage = ledger.look(|world| world.settings().stage);
    let fail = |failure: Failure| -> Result<Fetched, Diagnostic> {
        let arguments = [("failure", failure.as_str())];
        ask(ledger, who, Ask::new("lease.fail", wanted.scope, wanted.id, &arguments))?;
        Ok(Fetched::Failed(failure))
    };
    let material = match resolve(&reference, stage, config) {
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
    let resolved = ask(ledger, who, Ask::with("lease.resolve", wanted.scope, wanted.id, arguments))?;
    if resolved.code.is_some() {
        return Ok(Fetched::No(Box::new(resolved)));
    }
    Ok(Fetched::Material(material))
}

fn hand_over(path: &Path, material: &Material) -> Result<(), Diagnostic> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(|error| io("create", path, error))?;
    file.write_all(material.bytes()).map_err(|error| io("write", path, error))
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let Verb::Resolve(args) = &args.verb;
    let who = args.credential.who()?;
    let config = args.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    if args.out.exists() {
        return Err(Diagnostic::new(Code::Io, format!("`{}` is there already", args.out.display())));
    }
    let paths = args.place.paths();
    let at = scope(&args.scope)?;
    let ledger = open(paths.clone(), out)?;
    let wanted = Wanted {
        scope: &at,
        id: &args.id,
        job: &args.job,
        grant: &args.grant,
        purpose: &args.purpose,
        reference: &args.reference,
        fence: args.fence,
        ttl_ms: i64::try_from(args.ttl_ms).unwrap_or(i64::MAX),
    };
    let fetched = fetch(&ledger, &who, &wanted, &config, &paths.fingerprint_key())?;
    ledger.close()?;
    match fetched {
        Fetched::No(receipt) => Ok(report(&receipt, out)),
        Fetched::Failed(failure) => {
            let text = format!(
                "lease `{}`: the provider gave nothing: {}: {}",
                args.id,
                failure.as_str(),
                failure.sentence()
            );
            if out.json {
                out.json(
                    &serde_json::json!({"effect": "refuse", "failure": failure.as_str(), "lease": args.id}),
                );
            } else {
                out.talk(&text);
            }
            Ok(exit::NO)
        }
        Fetched::Material(material) => {
            hand_over(&args.out, &material)?;
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
