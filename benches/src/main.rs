//! How many events per second does Chancery make durable beside its peers, on the same disk in the same minutes?

mod all;
mod child;
mod cqrs;
mod event;
mod gate;
mod report;
mod rounds;
mod server;
mod sqlite;

use crate::rounds::{Candidate, Plan};
use std::env::var_os;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// What may fail here may fail in many libraries; all of it ends the run with one sentence.
pub(crate) type Done<T> = Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "Usage: peers [--on DIR] [--rounds N] [--entries N] [--json] [--smoke]
       peers gate [--rounds N] [--requests N] [--only TEXT] [--json] [--smoke]
       peers all [--on DIR] [--json] [--smoke]

  --on DIR      directory for everything that is written, on the disk that counts [default: a temporary one]
  --rounds N    interleaved rounds, of which the median counts [default: 5]
  --entries N   as in `chancery bench append --entries` [default: 100000]
  --json        figures on standard output, the table on standard error
  --smoke       a few commits of each: does it run?

  CHANCERY_BIN    the binary that is measured [default: ../target/release/chancery]
  PEERS_POSTGRES  connection string of a PostgreSQL server whose data is on the same disk
  PEERS_PYTHON    a Python that has the package `eventsourcing`";

#[derive(Debug)]
pub(crate) struct Args {
    plan: Plan,
    json: bool,
}

/// The arguments, or what to print instead.
pub(crate) fn args(mut given: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut plan = Plan { on: std::env::temp_dir(), entries: 100_000, rounds: 5 };
    let mut json = false;
    while let Some(name) = given.next() {
        let mut value = || given.next().ok_or(format!("`{name}` needs a value\n\n{USAGE}"));
        let number = |text: String| match text.parse::<u32>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("`{name}` takes a number from 1, not `{text}`\n\n{USAGE}")),
        };
        match name.as_str() {
            "--on" => plan.on = PathBuf::from(value()?),
            "--rounds" => plan.rounds = number(value()?)? as usize,
            "--entries" => plan.entries = u64::from(number(value()?)?),
            "--json" => json = true,
            "--smoke" => (plan.entries, plan.rounds) = (30, 1),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(Args { plan, json })
}

/// This directory, when cargo runs it; else the working directory is the repository's.
fn here() -> PathBuf {
    var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("benches"), PathBuf::from)
}

/// Who is at hand, and a line for each who is not.
#[derive(Default)]
struct Field {
    candidates: Vec<Box<dyn Candidate>>,
    skipped: Vec<String>,
}

fn field() -> Done<Field> {
    let Field { candidates: mut found, mut skipped } = Field::default();
    let binary =
        var_os("CHANCERY_BIN").map_or_else(|| here().join("../target/release/chancery"), PathBuf::from);
    if binary.is_file() {
        found.push(Box::new(child::Child::chancery(binary)?));
    } else {
        skipped.push("SKIPPED chancery: `cargo build --release`, or set CHANCERY_BIN".to_owned());
    }
    found.push(Box::new(sqlite::Raw));
    found.push(Box::new(cqrs::Cqrs::new()?));
    match var_os("PEERS_POSTGRES") {
        Some(given) => {
            found
                .push(Box::new(server::Server::connect(given.to_str().ok_or("PEERS_POSTGRES is no text")?)?));
        }
        None => skipped.push("SKIPPED postgres: set PEERS_POSTGRES".to_owned()),
    }
    match var_os("PEERS_PYTHON") {
        Some(python) => {
            let python = python.to_str().ok_or("PEERS_PYTHON is no text")?;
            found.push(Box::new(child::Child::eventsourcing(python, here().join("eventsourcing.py"))?));
        }
        None => skipped.push("SKIPPED eventsourcing: set PEERS_PYTHON".to_owned()),
    }
    Ok(Field { candidates: found, skipped })
}

pub(crate) fn run(args: &Args) -> Done<(String, report::Figures)> {
    let Field { mut candidates, skipped } = field()?;
    let all = rounds::interleave(&mut candidates, &args.plan)?;
    let conditions = report::conditions(&args.plan, event::Event::nth(0).json()?.len());
    let table = report::table(&all, &conditions, &skipped);
    Ok((table, report::figures(&all, &args.plan, conditions)))
}

/// Tells what was measured, when it was.
fn tell(measured: Done<(String, report::Figures)>, json: bool) -> Done<()> {
    let (table, figures) = measured?;
    if json {
        writeln!(std::io::stderr(), "{table}")?;
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&figures)?)?;
    } else {
        writeln!(std::io::stdout(), "{table}")?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let told = match given.split_first() {
        Some((first, rest)) if first == "gate" => gate::args(rest.iter().cloned()).map(|args| {
            let (table, figures) = gate::run(&args)?;
            let right = gate::all_right(&figures);
            tell(Ok((table, figures)), args.json).and(right)
        }),
        Some((first, rest)) if first == "all" => all::args(rest).map(|(appends, gates)| {
            let (table, figures) = all::run(&appends, &gates)?;
            let right = gate::all_right(&figures);
            tell(Ok((table, figures)), appends.json).and(right)
        }),
        _ => args(given.into_iter()).map(|args| tell(run(&args), args.json)),
    };
    match told {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            let _ = writeln!(std::io::stderr(), "peers: {error}");
            ExitCode::FAILURE
        }
        Err(text) => {
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::from(2)
        }
    }
}
