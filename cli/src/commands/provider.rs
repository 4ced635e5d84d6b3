//! Does a reference resolve? Asked without a ledger, and answered without the value.

use crate::diagnostic::{Diagnostic, Outcome};
use crate::exit;
use crate::output::Output;
use crate::provider::{Config, Failure, resolve};
use chancery_ledger::Entropy;
use chancery_ledger::domains::ledger::Stage;
use chancery_ledger::fingerprint::{FingerprintKey, fingerprints_of};
use chancery_ledger::format::reference::Reference;
use serde::Serialize;
use std::path::PathBuf;
use zeroize::Zeroizing;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Say whether a reference resolves; the value is fetched, and neither shown nor kept
    Check {
        /// Reference, such as `vault://kv/build/registry#password`
        #[arg(long, value_name = "REF")]
        reference: String,
        /// Configuration of providers; without one, none is enabled
        #[arg(long, env = "CHANCERY_PROVIDERS", value_name = "FILE")]
        config: Option<PathBuf>,
        /// Stage: `local` and `test` references resolve at `test` only
        #[arg(long, default_value = "staging", value_parser = ["test", "staging"])]
        stage: String,
    },
}

/// What a check found out.
#[derive(Serialize)]
struct Checked<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprints: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<&'a str>,
    outcome: &'a str,
    provider: &'a str,
    reference: &'a str,
}

fn say(checked: &Checked<'_>, failure: Option<Failure>, out: &Output) {
    if out.json {
        return out.json(checked);
    }
    let mut lines = vec![
        format!("reference     {}", checked.reference),
        format!("provider      {}", checked.provider),
        format!("outcome       {}", checked.outcome),
    ];
    lines.extend(checked.length.map(|length| format!("length        {length}")));
    lines.extend(checked.fingerprints.map(|count| match count {
        0 => "fingerprints  0: too short or too long to be known again, so it cannot be leased".to_owned(),
        count => format!("fingerprints  {count}"),
    }));
    lines
        .extend(failure.map(|failure| format!("failure       {}: {}", failure.as_str(), failure.sentence())));
    out.data(&lines.join("\n"));
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let Verb::Check { reference, config, stage } = &args.verb;
    let reference = Reference::parse(reference).map_err(|error| Diagnostic::usage(error.to_string()))?;
    let config = config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    let stage = if stage == "test" { Stage::Test } else { Stage::Staging };
    let mut checked = Checked {
        failure: None,
        fingerprints: None,
        length: None,
        outcome: "failed",
        provider: reference.provider().as_str(),
        reference: reference.as_str(),
    };
    match resolve(&reference, stage, &config) {
        Ok(material) => {
            // A key for this once: how many there are does not depend on it.
            let seed = Zeroizing::new(Entropy::default().take::<32>()?);
            let prints = fingerprints_of(&FingerprintKey::from_seed(&seed), material.bytes());
            checked.outcome = "resolved";
            checked.length = Some(material.length());
            checked.fingerprints = Some(prints.len());
            say(&checked, None, out);
            Ok(exit::YES)
        }
        Err(failure) => {
            checked.failure = Some(failure.as_str());
            say(&checked, Some(failure), out);
            Ok(exit::NO)
        }
    }
}
