//! What did the clock decide that nobody recorded yet? The sweeper, once.

use super::Place;
use super::open::open;
use crate::diagnostic::Outcome;
use crate::exit;
use crate::output::Output;
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Recorded {
    action: &'static str,
    id: String,
    scope: String,
}

#[derive(Serialize)]
struct Swept {
    recorded: Vec<Recorded>,
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let ledger = open(args.place.paths(), out)?;
    let mut recorded = Vec::new();
    loop {
        let swept = ledger.sweep()?;
        if swept.is_empty() {
            break;
        }
        recorded.extend(swept.into_iter().map(|due| Recorded {
            action: due.action,
            id: due.id,
            scope: due.scope.to_string(),
        }));
    }
    ledger.close()?;
    if out.json {
        out.json(&Swept { recorded });
        return Ok(exit::YES);
    }
    for row in &recorded {
        out.data(&format!("{:<16} {} {}", row.action, row.scope, row.id));
    }
    out.talk(&format!("{} recorded", recorded.len()));
    Ok(exit::YES)
}
