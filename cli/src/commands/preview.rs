//! What would be the answer? Every check, and nothing is appended.

use super::open::open;
use super::perform;
use crate::client::build;
use crate::diagnostic::{Diagnostic, Outcome};
use crate::exit;
use crate::output::{Output, printable};
use chancery_ledger::Code;
use serde::Deserialize;

/// A preview as it is printed and served.
#[derive(Debug, Deserialize)]
struct Said {
    effect: String,
    code: Option<String>,
    message: Option<String>,
    checks: Vec<SaidCheck>,
    entries: Vec<String>,
    risk: String,
    position: u64,
}

#[derive(Debug, Deserialize)]
struct SaidCheck {
    name: String,
    found: String,
}

/// Prints a preview and gives the exit code that its effect has: the same text from near and far.
fn report(text: &str, out: &Output) -> Outcome {
    let preview: Said = serde_json::from_str(text)
        .map_err(|error| Diagnostic::new(Code::Internal, format!("the answer is no preview: {error}")))?;
    let code = if preview.effect == "allow" { exit::YES } else { exit::NO };
    if out.json {
        out.data(text);
        return Ok(code);
    }
    for check in &preview.checks {
        out.data(&format!("{:<20} {}", check.name, check.found));
    }
    let (effect, risk, position) = (&preview.effect, &preview.risk, preview.position);
    out.data(&format!("{:<20} {effect}, risk {risk}, from {position} entries", "answer"));
    if !preview.entries.is_empty() {
        out.data(&format!("{:<20} {}", "would leave", preview.entries.join(", ")));
    }
    if let Some(reason) = preview.code {
        let message = preview.message.as_deref().unwrap_or_default();
        let mut text = format!("error[{reason}]: {}", printable(message));
        if let Some(row) = Code::parse(&reason).and_then(crate::diagnostic::row) {
            text.push_str(&format!("\n  hint: {}", row.way_out));
        }
        out.talk(&text);
    }
    Ok(code)
}

pub(crate) fn run(args: &perform::Args, out: &Output) -> Outcome {
    let who = args.credential.who()?;
    let asked = args.ask()?;
    if let Some(remote) = args.remote(&who)? {
        return report(remote.preview(&who, asked)?.get(), out);
    }
    let ledger = open(args.place.paths(), out)?;
    let request = build(&ledger, &who, asked)?;
    let preview = ledger.preview(&request)?;
    ledger.close()?;
    report(&crate::said::text(&preview.map_err(Diagnostic::from)?)?, out)
}
