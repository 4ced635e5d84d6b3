//! Which verb was asked for? Parse, run, report, exit.

mod client;
mod commands;
mod damage;
mod diagnostic;
mod exit;
mod known_hosts;
mod machine;
mod measure;
mod output;

use clap::Parser;
use std::process::ExitCode;

/// The governance ledger: records decisions so that nobody can change them unseen.
#[derive(Debug, Parser)]
#[command(name = "chancery", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// Print one JSON object (or one a line) instead of text; SPEC 16 has the members
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::YES });
        }
    };
    let out = output::Output { json: cli.json };
    ExitCode::from(commands::run(cli.command, &out).unwrap_or_else(|diagnostic| diagnostic.report(&out)))
}
