//! What would be the answer? Every check, and nothing is appended.

use super::open::open;
use super::perform;
use crate::client::build;
use crate::diagnostic::{Diagnostic, Outcome};
use crate::exit;
use crate::output::{Output, printable};
use chancery_ledger::{Effect, Preview};

/// Prints a preview and gives the exit code that its effect has.
fn report(preview: &Preview, out: &Output) -> u8 {
    let code = if preview.effect == Effect::Allow { exit::YES } else { exit::NO };
    if out.json {
        out.json(preview);
        return code;
    }
    for check in &preview.checks {
        out.data(&format!("{:<20} {}", check.name, check.found));
    }
    let effect = match preview.effect {
        Effect::Allow => "allow",
        Effect::Hold => "hold",
        Effect::Deny => "deny",
        Effect::Refuse => "refuse",
    };
    out.data(&format!("{:<20} {effect}, risk {}, from {} entries", "answer", preview.risk, preview.position));
    if !preview.entries.is_empty() {
        out.data(&format!("{:<20} {}", "would leave", preview.entries.join(", ")));
    }
    if let Some(reason) = preview.code {
        let message = preview.message.as_deref().unwrap_or_default();
        let mut text = format!("error[{reason}]: {}", printable(message));
        if let Some(row) = crate::diagnostic::row(reason) {
            text.push_str(&format!("\n  hint: {}", row.way_out));
        }
        out.talk(&text);
    }
    code
}

pub(crate) fn run(args: &perform::Args, out: &Output) -> Outcome {
    let who = args.credential.who()?;
    let asked = args.ask()?;
    let ledger = open(args.place.paths(), out)?;
    let request = build(&ledger, &who, asked)?;
    let preview = ledger.preview(&request)?;
    ledger.close()?;
    Ok(report(&preview.map_err(Diagnostic::from)?, out))
}
