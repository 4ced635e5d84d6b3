//! Which verb was asked for? Parse, run, report, exit.

mod asked;
mod client;
mod commands;
mod damage;
mod desk;
mod diagnostic;
mod drill;
mod enact;
mod enrol;
mod execute;
mod exit;
mod folded;
mod input;
mod known_hosts;
mod machine;
mod measure;
mod output;
mod pace;
mod patience;
mod provider;
mod record;
mod remote;
mod said;
mod shift;
mod targets;
mod typed;
mod work;

use std::process::ExitCode;

/// The governance ledger: records decisions so that nobody can change them unseen.
#[derive(Debug, clap::Parser)]
#[command(name = "chancery", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// Print one JSON object (or one a line) instead of text; SPEC 16 has the members
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    let cli = match typed::parse() {
        Ok(cli) => cli,
        Err(error) => {
            // What cannot be parsed cannot say `--json` in the usual way.
            let json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
            let out = output::Output { json };
            return ExitCode::from(match diagnostic::Diagnostic::from_clap(&error) {
                Some(diagnostic) => diagnostic.report(&out),
                None => {
                    let _ = error.print();
                    if error.use_stderr() { exit::USAGE } else { exit::YES }
                }
            });
        }
    };
    let out = output::Output { json: cli.json };
    ExitCode::from(commands::run(cli.command, &out).unwrap_or_else(|diagnostic| diagnostic.report(&out)))
}
