//! Does what must stop, stop? The rollback drill: ten items, each performed on this ledger, observed and recorded.

use super::Place;
use super::open::open;
use super::perform::scope;
use crate::client::read_key;
use crate::diagnostic::{Diagnostic, Outcome};
use crate::drill::{Drill, Item, perform};
use crate::exit;
use crate::output::Output;
use crate::provider::Config;
use chancery_ledger::Code;
use chancery_ledger::domains::ledger::Stage;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Perform the ten items in a scope of their own, and put everything back
    Run(Run),
}

#[derive(Debug, clap::Args)]
struct Run {
    #[command(flatten)]
    place: Place,
    /// Key file of an administrator
    #[arg(long, env = "CHANCERY_KEY_FILE", value_name = "FILE")]
    key_file: PathBuf,
    /// Key file of another administrator, who confirms
    #[arg(long, value_name = "FILE")]
    second_key_file: PathBuf,
    /// Scope in which the drill makes its own
    #[arg(long, default_value = "/")]
    scope: String,
    /// Id of the drill [default: the name of its scope]
    #[arg(long)]
    id: Option<String>,
    /// Configuration of providers; the drill leaves out the one that it shows disabled
    #[arg(long, env = "CHANCERY_PROVIDERS", value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Serialize)]
struct Drilled<'a> {
    drill: &'a str,
    items: &'a [Item],
    passed: bool,
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let Verb::Run(args) = &args.verb;
    let (first, second) = (read_key(&args.key_file)?, read_key(&args.second_key_file)?);
    let config = args.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    let above = scope(&args.scope)?;
    let paths = args.place.paths();
    let ledger = open(paths.clone(), out)?;
    let stage = ledger.look(|world| world.settings().stage);
    if stage != Stage::Test {
        let text =
            format!("drills are performed at stage `test` only; this ledger's is `{}`", stage.as_str());
        return Err(Diagnostic::new(Code::StageOther, text));
    }
    let drill = Drill::new(ledger, paths, (first, second), &above, args.id.clone(), config)?;
    let id = drill.id.clone();
    let (items, left) = perform(drill, out)?;
    for what in &left {
        out.talk(&format!("could not be put back: {what}"));
    }
    let passed = items.iter().all(|item| item.passed);
    if out.json {
        out.json(&Drilled { drill: &id, items: &items, passed });
    } else {
        for item in &items {
            let word = if item.passed { "passed" } else { "FAILED" };
            let at: Vec<String> = item.positions.iter().map(u64::to_string).collect();
            out.data(&format!("{word}  {:<22} entries {}", item.item, at.join(", ")));
            if !item.passed {
                out.talk(&format!("  {}", item.narrative));
            }
        }
        out.data(&format!(
            "drill {id}: {} of {} passed",
            items.iter().filter(|i| i.passed).count(),
            items.len()
        ));
    }
    Ok(if passed { exit::YES } else { exit::NO })
}
