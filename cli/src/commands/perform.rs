//! How does somebody ask for an action?

use super::Place;
use super::open::open;
use crate::client::{Ask, Who, ask, parse_args, read_key};
use crate::diagnostic::{Diagnostic, Outcome};
use crate::exit;
use crate::output::{Output, printable};
use crate::remote::Remote;
use crate::said::Said;
use chancery_ledger::format::ids::{IdempotencyKey, Scope};
use chancery_ledger::{Code, Receipt};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) place: Place,
    /// Server of the ledger, `http://host:port`; asked in place of `--dir`
    #[arg(long, env = "CHANCERY_URL", value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    pub(super) credential: CredentialArgs,
    /// The action, such as `host_key.verify`; `chancery explain actions` lists them
    action: String,
    /// Arguments: `name=text`, `name:=json`, `name=@file`
    arguments: Vec<String>,
    /// Scope in which to act
    #[arg(long, default_value = "/")]
    scope: String,
    /// Id of what the action is about
    #[arg(long)]
    id: Option<String>,
    /// Key under which a repeated request gets the same answer [default: drawn at random]
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// The request is void from this instant on, in milliseconds since 1970
    #[arg(long, value_name = "MS")]
    not_after: Option<i64>,
    /// Running number of the signature [default: the key's next]
    #[arg(long)]
    seq: Option<u64>,
}

/// What shows who asks.
#[derive(Debug, clap::Args)]
pub(crate) struct CredentialArgs {
    /// Author's key file; the request is signed with it
    #[arg(long, env = "CHANCERY_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// File that holds a token; without it, `CHANCERY_TOKEN`
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    token_file: Option<PathBuf>,
}

impl CredentialArgs {
    /// The credential that was given, or what to give.
    pub(crate) fn who(&self) -> Result<Who, Diagnostic> {
        if let Some(path) = &self.token_file {
            let text = chancery_ledger::store::read_secret(path)?;
            return Ok(Who::Token(text.trim().to_owned()));
        }
        if let Some(path) = &self.key_file {
            return read_key(path);
        }
        match std::env::var("CHANCERY_TOKEN") {
            Ok(token) => Ok(Who::Token(token)),
            Err(_) => Err(Diagnostic::new(Code::Unauthenticated, "no credential was given")
                .hint("add `--key-file FILE` or `--token-file FILE`, or set CHANCERY_TOKEN")),
        }
    }
}

/// A scope as it was typed.
pub(crate) fn scope(text: &str) -> Result<Scope, Diagnostic> {
    Scope::parse(text).map_err(|error| Diagnostic::usage(error.to_string()))
}

/// Prints a receipt and gives the exit code that its effect has.
pub(crate) fn report(receipt: &Receipt, out: &Output) -> Outcome {
    told(&Said::of(receipt)?, &Scope::root(), out)
}

/// Prints a receipt as it is served. A hold is one of the request's scope.
pub(super) fn told(receipt: &Said, scope: &Scope, out: &Output) -> Outcome {
    let code = if receipt.effect == "allow" { exit::YES } else { exit::NO };
    if out.json {
        out.data(&receipt.text);
        return Ok(code);
    }
    for entry in &receipt.entries {
        out.data(&format!("{:>8}  {}  {}", entry.position, entry.kind, entry.address));
    }
    if let Some(secret) = &receipt.secret {
        out.data(&format!("secret    {secret}"));
    }
    if let Some(warning) = &receipt.warning {
        out.talk(&format!("warning: {warning}: requests of this kind of principal should be signed"));
    }
    if receipt.replay {
        out.talk("this request was answered before: the entries above are the answer");
    }
    if let Some(reason) = receipt.reason() {
        let message = receipt.message.as_deref().unwrap_or("the stored answer is no");
        let mut text = format!("error[{reason}]: {}", printable(message));
        match (&receipt.hold, receipt.no().and_then(crate::diagnostic::row)) {
            (Some(hold), _) => {
                let approve = format!("chancery do hold.approve --scope {scope} --id {hold}");
                text.push_str(&format!("\n  hint: let another principal `{approve}`, then ask again"));
            }
            (None, Some(row)) => text.push_str(&format!("\n  hint: {}", row.way_out)),
            (None, None) => {}
        }
        out.talk(&text);
    }
    Ok(code)
}

impl Args {
    /// The server, when one was named.
    pub(super) fn remote(&self, who: &Who) -> Result<Option<Remote>, Diagnostic> {
        let token = match who {
            Who::Token(token) => Some(token.clone()),
            Who::Key(..) => None,
        };
        self.url.as_deref().map(|url| Remote::new(url, token)).transpose()
    }

    /// The request as it was typed.
    pub(super) fn ask(&self) -> Result<Ask, Diagnostic> {
        let key = self.idempotency_key.as_deref().map(IdempotencyKey::parse).transpose();
        Ok(Ask {
            action: self.action.clone(),
            scope: scope(&self.scope)?,
            id: self.id.clone(),
            args: parse_args(&self.arguments)?,
            key: key.map_err(|error| Diagnostic::usage(error.to_string()))?,
            not_after: self.not_after,
            seq: self.seq,
        })
    }
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let who = args.credential.who()?;
    let request = args.ask()?;
    let scope = request.scope.clone();
    if let Some(remote) = args.remote(&who)? {
        return told(&remote.ask(&who, request)?, &scope, out);
    }
    let ledger = open(args.place.paths(), out)?;
    let receipt = Said::of(&ask(&ledger, &who, request)?)?;
    let code = told(&receipt, &scope, out)?;
    ledger.close()?;
    Ok(code)
}
