//! How is a ledger served? Settings from flags, variables and a file, then one process that listens until it is told to stop.

use super::Place;
use super::open::{open, options};
use crate::diagnostic::{Diagnostic, Outcome};
use crate::exit;
use crate::output::Output;
use chancery_api::{Bound, Config, Given, parse_file, serve, settings};
use chancery_ledger::store::Paths;
use chancery_ledger::{Clock, Code, Ledger};
use clap::{Arg, ArgMatches, Command};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// File of settings: a JSON object of their names
    #[arg(long, env = "CHANCERY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// File with the wall clock in milliseconds; at stage `test` only
    #[arg(long, value_name = "FILE")]
    clock: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// What was given of the table of settings, as text: all of it is checked together.
#[derive(Debug)]
struct Settings(Vec<Given>);

impl clap::Args for Settings {
    fn augment_args(mut command: Command) -> Command {
        for setting in settings() {
            let help = format!("{} [{}; default: {}]", setting.help, setting.unit, setting.default);
            command = command.arg(
                Arg::new(setting.name)
                    .long(setting.name.replace('_', "-"))
                    .env(variable(setting.name))
                    .value_name("VALUE")
                    .allow_hyphen_values(true)
                    .help(help),
            );
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The variable of a setting.
fn variable(name: &str) -> String {
    format!("CHANCERY_{}", name.to_ascii_uppercase())
}

impl clap::FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = settings().into_iter().filter_map(|setting| {
            let value = matches.get_one::<String>(setting.name)?.clone();
            let place = match matches.value_source(setting.name) {
                Some(clap::parser::ValueSource::EnvVariable) => variable(setting.name),
                _ => format!("--{}", setting.name.replace('_', "-")),
            };
            Some(Given { name: setting.name.to_owned(), value, place })
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args {
    /// The settings that count; everything that is wrong at once.
    fn config(&self) -> Result<Config, Diagnostic> {
        let mut faults = Vec::new();
        let mut given = Vec::new();
        if let Some(path) = &self.config {
            let bytes = crate::input::bytes(path, crate::input::SMALL)?;
            match parse_file(&path.display().to_string(), &bytes) {
                Ok(found) => given = found,
                Err(found) => faults = found,
            }
        }
        given.extend(self.settings.0.iter().cloned());
        let config = match Config::read(&given) {
            Ok(config) => config,
            Err(found) => {
                faults.extend(found);
                Config::default()
            }
        };
        match faults.len() {
            0 => Ok(config),
            1 => Err(Diagnostic::new(Code::ConfigInvalid, faults.remove(0))),
            n => Err(Diagnostic::new(Code::ConfigInvalid, format!("{n} settings are wrong")).causes(faults)),
        }
    }

    fn open(&self, paths: Paths, out: &Output) -> Result<Ledger, Diagnostic> {
        let Some(clock) = &self.clock else { return open(paths, out) };
        let mut options = options(paths);
        options.clock = Clock::file(clock.clone());
        Ok(Ledger::open(options, &mut |_, _| ())?)
    }
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    #[derive(Serialize)]
    struct Listening {
        listen: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        metrics: Option<String>,
    }
    let config = args.config()?;
    let ledger = args.open(args.place.paths(), out)?;
    let ready = |bound: Bound| {
        let metrics = bound.metrics.map(|address| address.to_string());
        if out.json {
            out.json(&Listening { listen: bound.listen.to_string(), metrics });
            return;
        }
        out.data(&format!("http://{}", bound.listen));
        if let Some(metrics) = metrics {
            out.data(&format!("http://{metrics}/metrics"));
        }
    };
    serve(ledger, &config, ready)?;
    Ok(exit::YES)
}
