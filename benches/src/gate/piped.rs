//! How fast is a gate that cannot be linked here? A child process of its own workspace, asked over pipes for whole stretches.

use super::Done;
use super::candidate::{Candidate, Stretch, Turn};
use super::request::{Asked, Denial};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A gate in another program.
#[derive(Debug)]
pub(crate) struct Piped {
    child: Child,
    /// Closed to end the child.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    name: &'static str,
    conditions: String,
    grants: usize,
    lacks: &'static [Denial],
}

impl Piped {
    /// Starts the program for one of its gates; it makes the same world and the same requests.
    pub(crate) fn start(
        program: &Path,
        (name, lacks): (&'static str, &'static [Denial]),
        grants: usize,
        requests: usize,
    ) -> Done<Self> {
        let mut command = Command::new(program);
        command.arg(name).arg(grants.to_string()).arg(requests.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("run `{}`: {error}", program.display()))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("the child has no output")?);
        let mut piped = Self { child, input, output, name, conditions: String::new(), grants, lacks };
        let said = piped.line()?;
        match said.split('\t').collect::<Vec<_>>()[..] {
            [name, count, conditions] if piped.name == name && piped.grants.to_string() == count => {
                piped.conditions = conditions.to_owned();
                Ok(piped)
            }
            _ => Err(format!("the child began with `{said}`").into()),
        }
    }

    fn line(&mut self) -> Done<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("the child ended".into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn ask(&mut self, what: &str, stretch: Stretch) -> Done<Vec<u64>> {
        let input = self.input.as_mut().ok_or("the child has no input")?;
        writeln!(input, "{what} {} {}", stretch.from, stretch.count)?;
        input.flush()?;
        let line = self.line()?;
        let numbers = line.split_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>();
        numbers.map_err(|_| line.into())
    }
}

impl Candidate for Piped {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn conditions(&self) -> String {
        self.conditions.clone()
    }

    fn grants(&self) -> usize {
        self.grants
    }

    fn lacks(&self) -> &'static [Denial] {
        self.lacks
    }

    fn prepare(&mut self, _: &[Asked]) -> Done<()> {
        Ok(())
    }

    fn answers(&mut self, _: &[Asked], stretch: Stretch) -> Done<Vec<bool>> {
        Ok(self.ask("answers", stretch)?.into_iter().map(|answer| answer == 1).collect())
    }

    fn turn(&mut self, _: &[Asked], stretch: Stretch) -> Done<Turn> {
        match *self.ask("turn", stretch)? {
            [nanos, allowed] => Ok(Turn { nanos, allowed: usize::try_from(allowed)? }),
            _ => Err("the child gave no turn".into()),
        }
    }

    fn clocked(&mut self, _: &[Asked], stretch: Stretch) -> Done<Vec<u64>> {
        self.ask("clocked", stretch)
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}
