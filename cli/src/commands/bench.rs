//! How fast is the record on this machine, as a share of what the machine can do at all?

mod asked;
mod bare;
mod canonical;
mod decide;
mod estate;
mod fold;
mod gate;
mod http;
mod load;
mod mix;
mod plain;
mod rebuild;
mod recompute;
mod restart;
mod served;
mod sse;
mod stream;
mod subject;
mod verify;
mod visible;
mod wire;
mod write;

pub(crate) use gate::glance;

use crate::diagnostic::Outcome;
use crate::exit;
use crate::measure::{Figures, earlier, report};
use crate::output::Output;
use clap::builder::{PossibleValue, PossibleValuesParser};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure
    #[arg(value_parser = whats())]
    what: String,
    /// Entries of the ledger that is measured
    #[arg(long, default_value = "100000", value_name = "N")]
    entries: u64,
    /// Where signatures stand in it
    #[arg(long, default_value = "heads", value_parser = ["heads", "entries"])]
    sign: String,
    /// Directory for the ledgers that are measured, on the disk that counts [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    on: Option<PathBuf>,
    /// Figures of an earlier run, written with `--json`, to print beside these
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

/// What can be measured; `bare` is the other side of it, in a process that a measurement starts.
fn whats() -> PossibleValuesParser {
    let named = [
        "append",
        "verify",
        "recompute",
        "canonical",
        "restart",
        "record",
        "gate",
        "decide",
        "rebuild",
        "http",
        "sse",
        "all",
    ];
    let bare = PossibleValue::new("bare").hide(true);
    PossibleValuesParser::new(named.map(PossibleValue::new).into_iter().chain([bare]))
}

/// Conditions that a reader of a figure must know.
fn conditions(args: &Args) -> String {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let build = if cfg!(debug_assertions) { "debug build: not for quoting" } else { "release build" };
    format!("{cpus} cpus, {build}, {} entries, signatures over {}", args.entries, args.sign)
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    if args.what == "bare" {
        return bare::run(args.on.as_deref(), out);
    }
    // What cannot be read is said before anything is measured.
    let before = args.against.as_deref().map(earlier).transpose()?;
    let bench = subject::Bench::new(args.on.clone(), args.sign == "entries", args.entries)?;
    let mut figures = Vec::new();
    let wants = |name: &str| args.what == name || args.what == "all";
    if wants("canonical") {
        figures.extend(canonical::run()?);
    }
    if wants("gate") {
        figures.extend(gate::run(&bench)?);
    }
    if wants("record") {
        figures.extend(write::record(&bench)?);
    }
    // Where every entry is signed, callers that share a worker would have to take turns with its running number.
    if args.what == "decide" || (wants("decide") && args.sign == "heads") {
        figures.extend(decide::run(&bench)?);
    }
    if wants("append") {
        figures.extend(write::append(&bench)?);
    }
    if wants("verify") {
        figures.extend(verify::run(&bench, out)?);
    }
    if wants("recompute") {
        figures.extend(recompute::run(&bench, out)?);
    }
    if wants("rebuild") {
        figures.extend(rebuild::run(&bench, out)?);
    }
    if wants("restart") {
        figures.extend(restart::run(&bench, out)?);
    }
    // A token speaks for whoever asks over HTTP; where every entry is signed, it does not.
    let by_token = |what: &str| args.what == what || (wants(what) && args.sign == "heads");
    if by_token("http") {
        figures.extend(http::run(&bench)?);
    }
    if by_token("sse") {
        figures.extend(sse::run(&bench)?);
    }
    report(Figures { conditions: conditions(args), against: None, figures }, before, out);
    Ok(exit::YES)
}
