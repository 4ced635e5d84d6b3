//! What counts when a command line and its environment say different things? What is typed; an empty variable says
//! nothing. SPEC 16.

use crate::Cli;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};

/// What is typed, and the argument whose variable then does not count.
const INSTEAD: &[(&str, &str)] =
    &[("dir", "url"), ("anchor", "url"), ("keys", "url"), ("token_file", "key_file")];
/// What may not be typed together.
const CONFLICTS: &[(&str, &str)] = &[("dir", "url"), ("token_file", "key_file")];

/// Parses the command line.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let mut command = each(Cli::command(), &|arg| match empty(&arg) {
        true => arg.env(None::<&str>),
        false => arg,
    });
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    let typed = leaf(&matches);
    // A worker reads with its token and signs with its key: there they are no two ways to say one thing.
    let worker = matches.subcommand_name() == Some("worker");
    let counts = |one: &str| !(worker && one == "token_file");
    let is =
        |name: &str, source| typed.ids().any(|id| id == name) && typed.value_source(name) == Some(source);
    for (one, other) in CONFLICTS {
        if counts(one) && is(one, ValueSource::CommandLine) && is(other, ValueSource::CommandLine) {
            let flag = |name: &str| format!("--{}", name.replace('_', "-"));
            let text =
                format!("`{}` and `{}` cannot be used together: leave one out", flag(one), flag(other));
            return Err(command.error(ErrorKind::ArgumentConflict, text));
        }
    }
    let silent: Vec<&str> = INSTEAD
        .iter()
        .filter(|(one, _)| counts(one))
        .filter(|(one, other)| is(one, ValueSource::CommandLine) && is(other, ValueSource::EnvVariable))
        .map(|(_, other)| *other)
        .collect();
    if silent.is_empty() {
        return Cli::from_arg_matches(&matches);
    }
    let command = each(command, &|arg| match silent.contains(&arg.get_id().as_str()) {
        true => arg.env(None::<&str>),
        false => arg,
    });
    Cli::from_arg_matches(&command.try_get_matches_from(std::env::args_os())?)
}

/// Changes every argument of a command and of those below it.
fn each(command: Command, change: &dyn Fn(Arg) -> Arg) -> Command {
    command.mut_args(change).mut_subcommands(|below| each(below, change))
}

/// Whether an argument's variable is set to nothing.
fn empty(arg: &Arg) -> bool {
    arg.get_env().is_some_and(|name| std::env::var_os(name).is_some_and(|value| value.is_empty()))
}

/// The matches of the verb itself.
fn leaf(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, below)| leaf(below))
}
