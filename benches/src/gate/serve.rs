//! How does a gate that lives in a program of its own answer? The same world and requests, asked over pipes.

use super::Done;
use super::candidate::{Candidate, Stretch, arranged};
use super::request::{Asked, requests};
use super::world::World;
use std::io::{BufRead, Write};
use std::process::ExitCode;

/// The gate of a name in a world; nothing when there is none of that name.
pub(crate) type Make = fn(&str, &World) -> Done<Option<Box<dyn Candidate>>>;

const USAGE: &str = "Usage: PROGRAM GATE GRANTS REQUESTS

Then on standard input: `answers FROM COUNT`, `turn FROM COUNT` or `clocked FROM COUNT`; a line of numbers answers each.";

/// The gate that was named, and the requests in its order.
fn start(make: Make, given: &[String]) -> Done<(Box<dyn Candidate>, Vec<Asked>)> {
    let [name, grants, count] = given else {
        return Err(USAGE.into());
    };
    let world = World::new(grants.parse()?);
    let mut gate = make(name, &world)?.ok_or(USAGE)?;
    let (asked, _) = arranged(&requests(&world, count.parse()?)?, gate.lacks());
    gate.prepare(&asked)?;
    Ok((gate, asked))
}

fn line<T: ToString>(numbers: impl IntoIterator<Item = T>) -> String {
    numbers.into_iter().map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
}

/// The answer to one line.
fn answer(gate: &mut dyn Candidate, asked: &[Asked], line_given: &str) -> Done<String> {
    let words: Vec<&str> = line_given.split_whitespace().collect();
    let [what, from, count] = words[..] else {
        return Err(USAGE.into());
    };
    let stretch = Stretch { from: from.parse()?, count: count.parse()? };
    match what {
        "answers" => Ok(line(gate.answers(asked, stretch)?.into_iter().map(u8::from))),
        "turn" => {
            let turn = gate.turn(asked, stretch)?;
            Ok(format!("{} {}", turn.nanos, turn.allowed))
        }
        "clocked" => Ok(line(gate.clocked(asked, stretch)?)),
        _ => Err(USAGE.into()),
    }
}

fn serve(make: Make, given: &[String]) -> Done<()> {
    let (mut gate, asked) = start(make, given)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\t{}\t{}", gate.name(), gate.grants(), gate.conditions())?;
    out.flush()?;
    for given in std::io::stdin().lock().lines() {
        writeln!(out, "{}", answer(gate.as_mut(), &asked, &given?)?)?;
        out.flush()?;
    }
    Ok(())
}

/// Serves the gate that the arguments name until standard input ends.
pub(crate) fn run(program: &str, make: Make) -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    match serve(make, &given) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{program}: {error}");
            ExitCode::FAILURE
        }
    }
}
