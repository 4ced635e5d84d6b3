//! How do host keys that are known elsewhere get into the ledger?

use super::Place;
use super::open::open;
use super::perform::{CredentialArgs, scope};
use crate::client::{Ask, ask};
use crate::diagnostic::Outcome;
use crate::exit;
use crate::input;
use crate::known_hosts::parse;
use crate::output::Output;
use chancery_ledger::Effect;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Observe the keys of a known_hosts file, or of `ssh-keyscan` on stdin
    KnownHosts(KnownHosts),
}

#[derive(Debug, clap::Args)]
struct KnownHosts {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    credential: CredentialArgs,
    /// File, or `-` for stdin
    file: PathBuf,
    /// Scope in which to observe
    #[arg(long, default_value = "/")]
    scope: String,
    /// Where the lines come from
    #[arg(long, default_value = "known_hosts", value_parser = ["known_hosts", "ssh_keyscan"])]
    source: String,
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let What::KnownHosts(args) = &args.what;
    let who = args.credential.who()?;
    let scope = scope(&args.scope)?;
    let bytes = if args.file.as_os_str() == "-" {
        input::from(std::io::stdin().lock(), &args.file, input::LARGE)?
    } else {
        input::bytes(&args.file, input::LARGE)?
    };
    let (seen, skipped) = parse(&String::from_utf8_lossy(&bytes));
    for line in &skipped {
        out.talk(&format!("skipped line {}: {}", line.line, line.why));
    }
    let ledger = open(args.place.paths(), out)?;
    let mut no = 0;
    for key in &seen {
        let arguments = [("fingerprint", key.fingerprint.as_str()), ("source", args.source.as_str())];
        let receipt = ask(&ledger, &who, Ask::new("host_key.observe", &scope, &key.id, &arguments))?;
        if out.json {
            out.json(&receipt);
        } else {
            let kinds: Vec<&str> = receipt.entries.iter().map(|entry| entry.kind.as_str()).collect();
            out.data(&format!("{}  {}  {}", receipt.position, key.id, kinds.join(", ")));
        }
        no += usize::from(receipt.effect != Effect::Allow);
    }
    ledger.close()?;
    out.talk(&format!("{} observed, {no} answered no, {} lines skipped", seen.len() - no, skipped.len()));
    Ok(if no == 0 { exit::YES } else { exit::NO })
}
