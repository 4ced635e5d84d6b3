//! What can a shell complete?

use crate::diagnostic::Outcome;
use crate::exit;
use crate::output::Output;
use clap::CommandFactory;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "chancery", &mut script);
    out.data(String::from_utf8_lossy(&script).trim_end());
    Ok(exit::YES)
}
