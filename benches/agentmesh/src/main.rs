//! How do the gates of agentmesh answer what `peers gate` asks? The same world and requests, asked over pipes.

#[path = "../../src/gate/candidate.rs"]
mod candidate;
mod policy;
mod rego;
#[path = "../../src/gate/request.rs"]
mod request;
mod scopes;
#[path = "../../src/gate/world.rs"]
mod world;

use candidate::{Candidate, Stretch, arranged};
use request::Asked;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use world::World;

/// What may fail here may fail in a library; all of it ends the run with one sentence.
type Done<T> = Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "Usage: agentmesh-gate policy|scopes|rego GRANTS REQUESTS

Then on standard input: `answers FROM COUNT`, `turn FROM COUNT` or `clocked FROM COUNT`; a line of numbers answers each.";

/// The gate that was named, and the requests in its order.
fn start(given: &[String]) -> Done<(Box<dyn Candidate>, Vec<Asked>)> {
    let [name, grants, requests] = given else {
        return Err(USAGE.into());
    };
    let world = World::new(grants.parse()?);
    let mut gate: Box<dyn Candidate> = match name.as_str() {
        "policy" => Box::new(policy::Policy::new(&world)?),
        "scopes" => Box::new(scopes::Scopes::new(&world)?),
        "rego" => Box::new(rego::Rego::new(&world)?),
        _ => return Err(USAGE.into()),
    };
    let (asked, _) = arranged(&request::requests(&world, requests.parse()?)?, gate.lacks());
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

fn serve(given: &[String]) -> Done<()> {
    let (mut gate, asked) = start(given)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\t{}\t{}", gate.name(), gate.grants(), gate.conditions())?;
    out.flush()?;
    for given in std::io::stdin().lock().lines() {
        writeln!(out, "{}", answer(gate.as_mut(), &asked, &given?)?)?;
        out.flush()?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    match serve(&given) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "agentmesh-gate: {error}");
            ExitCode::FAILURE
        }
    }
}
