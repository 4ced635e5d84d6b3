//! How does an author get a key, and show that it has it?

use crate::client::{Who, read_key};
use crate::diagnostic::{Diagnostic, Outcome};
use crate::exit;
use crate::output::Output;
use chancery_ledger::format::encoding::{base64, unbase64};
use chancery_ledger::format::ids::{Origin, PrincipalId};
use chancery_ledger::format::key::{PrivateKey, PublicKey, author_key_file};
use chancery_ledger::format::statement::enrolment_bytes;
use chancery_ledger::store::write_secret;
use chancery_ledger::{Code, Entropy, Error};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a key for a principal, in a file of mode 0600
    Generate {
        /// Principal whose key it is
        #[arg(long)]
        principal: String,
        /// File to write; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Print a key file's principal, key id and public key
    Show {
        /// Key file
        file: PathBuf,
    },
    /// Print the arguments that enrol a key in a ledger; with `--old`, those that rotate to it
    Prove {
        /// File of the new key
        file: PathBuf,
        /// Origin of the ledger, as `chancery checkpoint` prints it
        #[arg(long)]
        log: String,
        /// File of the key that is replaced
        #[arg(long, value_name = "FILE")]
        old: Option<PathBuf>,
    },
}

/// Public key and proof of possession, as arguments of `key.enrol`.
pub(crate) fn proof(
    log: &Origin,
    principal: &PrincipalId,
    key: &PrivateKey,
) -> Result<(String, String), Diagnostic> {
    let public = key.public().to_bytes();
    let text = enrolment_bytes(log.as_str(), principal.as_str(), &public)
        .map_err(|error| Error::new(Code::Internal, error.to_string()))?;
    Ok((base64(&public), base64(&key.sign(&text))))
}

/// Makes a key file and gives the key.
pub(crate) fn generate(principal: &PrincipalId, path: &std::path::Path) -> Result<PrivateKey, Diagnostic> {
    let seed = Entropy::default().take::<32>()?;
    write_secret(path, &author_key_file(principal, &seed))?;
    Ok(PrivateKey::from_seed(&seed))
}

fn author(path: &std::path::Path) -> Result<(PrincipalId, PrivateKey), Diagnostic> {
    match read_key(path)? {
        Who::Key(principal, key) => Ok((principal, key)),
        Who::Token(_) => Err(Diagnostic::new(Code::KeyFileInvalid, "that is a token, not a key file")),
    }
}

#[derive(Serialize)]
struct Shown {
    id: String,
    principal: String,
    public: String,
}

fn show(principal: &PrincipalId, key: PublicKey, out: &Output) {
    let shown = Shown { id: key.id().entity(), principal: principal.to_string(), public: key.to_base64() };
    if out.json {
        out.json(&shown);
    } else {
        out.data(&format!(
            "principal {}\nid        {}\npublic    {}",
            shown.principal, shown.id, shown.public
        ));
    }
}

/// Prints a request about a key: words that `chancery do` takes, or the same as an object.
fn request(action: &str, key: PublicKey, args: &[(&str, String)], out: &Output) {
    let id = key.id().entity();
    if out.json {
        #[derive(Serialize)]
        struct Request<'a> {
            action: &'a str,
            args: std::collections::BTreeMap<&'a str, &'a str>,
            id: &'a str,
        }
        let args = args.iter().map(|(name, value)| (*name, value.as_str())).collect();
        out.json(&Request { action, args, id: &id });
        return;
    }
    let words: Vec<String> = args.iter().map(|(name, value)| format!("{name}={value}")).collect();
    out.data(&format!("{action} --id {id} {}", words.join(" ")));
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    match &args.verb {
        Verb::Generate { principal, out: path } => {
            let principal = PrincipalId::parse(principal).map_err(|e| Diagnostic::usage(e.to_string()))?;
            show(&principal, generate(&principal, path)?.public(), out);
        }
        Verb::Show { file } => {
            let (principal, key) = author(file)?;
            show(&principal, key.public(), out);
        }
        Verb::Prove { file, log, old } => {
            let log = Origin::parse(log).map_err(|error| Diagnostic::usage(error.to_string()))?;
            let (principal, key) = author(file)?;
            let (public, proof) = proof(&log, &principal, &key)?;
            match old {
                None => {
                    let args = [("principal", principal.to_string()), ("public", public), ("proof", proof)];
                    request("key.enrol", key.public(), &args, out);
                }
                Some(path) => {
                    let (_, old) = author(path)?;
                    let bytes = unbase64(&public).unwrap_or_default().try_into().unwrap_or_default();
                    let text = enrolment_bytes(log.as_str(), principal.as_str(), &bytes)
                        .map_err(|error| Error::new(Code::Internal, error.to_string()))?;
                    let consent = base64(&old.sign(&text));
                    let args = [("public", public), ("proof", proof), ("consent", consent)];
                    request("key.rotate", old.public(), &args, out);
                }
            }
        }
    }
    Ok(exit::YES)
}
