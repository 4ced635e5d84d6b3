//! May agent A use capability C on resource R under grant G in scope S at instant T? How fast do the gates of peers say it?

mod candidate;
mod casbin;
mod cedar;
mod floor;
mod piped;
mod reference;
mod rego;
mod report;
mod request;
mod rounds;
mod world;

use crate::Done;
use candidate::Candidate;
use request::{Asked, Denial};
use rounds::Plan;
use std::env::var_os;
use std::path::{Path, PathBuf};
use world::World;

const USAGE: &str = "Usage: peers gate [--rounds N] [--requests N] [--only TEXT] [--json] [--smoke]

  --rounds N      interleaved rounds, of which the median counts [default: 21]
  --requests N    distinct requests, half of them denials [default: 65536]
  --only TEXT     the floor, and gates whose name has TEXT in it
  --json          figures on standard output, the table on standard error
  --smoke         a small world and a few requests: does it run, and is everybody right?

  PEERS_CHANCERY   the program of `chancery/` [default: chancery/target/release/chancery-gate]
  PEERS_AGENTMESH  the program of `agentmesh/` [default: agentmesh/target/release/agentmesh-gate]";

/// What was asked of this program.
pub(crate) struct Args {
    plan: Plan,
    only: Option<String>,
    pub(crate) json: bool,
}

/// The arguments after `gate`, or what to print instead.
pub(crate) fn args(mut given: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut plan = Plan {
        many: 10_000,
        few: 1_000,
        requests: 65_536,
        sample: 2_000,
        rounds: 21,
        turn_nanos: 25_000_000,
        clocked_nanos: 8_000_000_000,
    };
    let (mut only, mut json) = (None, false);
    while let Some(name) = given.next() {
        let mut value = || given.next().ok_or(format!("`{name}` needs a value\n\n{USAGE}"));
        let number = |text: String| match text.parse::<u32>() {
            Ok(number) if number > 0 => Ok(number as usize),
            _ => Err(format!("`{name}` takes a number from 1, not `{text}`\n\n{USAGE}")),
        };
        match name.as_str() {
            "--rounds" => plan.rounds = number(value()?)?,
            "--requests" => plan.requests = number(value()?)?,
            "--only" => only = Some(value()?),
            "--json" => json = true,
            "--smoke" => {
                (plan.many, plan.few, plan.requests) = (2_000, 500, 2_048);
                (plan.sample, plan.rounds, plan.turn_nanos, plan.clocked_nanos) =
                    (64, 2, 1_000_000, 100_000_000);
            }
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(Args { plan, only, json })
}

/// A world and what is asked in it, by as many grants.
fn worlds(plan: &Plan) -> Done<[(World, Vec<Asked>); 2]> {
    let one = |grants| -> Done<(World, Vec<Asked>)> {
        let world = World::new(grants);
        let asked = request::requests(&world, plan.requests)?;
        reference::Reference::new(&world).check(&asked)?;
        Ok((world, asked))
    };
    Ok([one(plan.many)?, one(plan.few)?])
}

/// A gate by its name, and what its rules cannot say.
type Named = (&'static str, &'static [Denial]);

/// Gates that cannot be linked here: the variable that names their program, where cargo puts it, and its gates, each in
/// the large world or the small one.
const CHILDREN: [(&str, &str, &[(Named, bool)]); 2] = [
    (
        "PEERS_CHANCERY",
        "chancery/target/release/chancery-gate",
        &[(("chancery", &[]), true), (("chancery-prebuilt", &[]), true), (("chancery-prebuilt", &[]), false)],
    ),
    (
        "PEERS_AGENTMESH",
        "agentmesh/target/release/agentmesh-gate",
        &[
            (("agentmesh-policy", &[Denial::Expired]), false),
            (("agentmesh-policy", &[Denial::Expired]), true),
            (("agentmesh-scopes", &[Denial::Expired]), true),
            (("agentmesh-rego", &[]), true),
        ],
    ),
];

/// Measures all that are at hand, and gives the table and the figures.
pub(crate) fn run(args: &Args) -> Done<(String, crate::report::Figures)> {
    let plan = &args.plan;
    let [(many, asked), (few, fewer)] = worlds(plan)?;
    let mut gates: Vec<(Box<dyn Candidate>, &[Asked])> = vec![
        (Box::new(floor::Floor::new(&many)?), &asked),
        (Box::new(floor::Floor::new(&few)?), &fewer),
        (Box::new(rego::Rego::registers(&many)?), &asked),
        (Box::new(rego::Rego::prebuilt(&many)?), &asked),
        (Box::new(rego::Rego::compiled(&many)?), &asked),
        (Box::new(cedar::Cedar::new(&many)?), &asked),
        (Box::new(cedar::Cedar::prebuilt(&many)?), &asked),
        (Box::new(casbin::Casbin::new(&few)?), &fewer),
        (Box::new(casbin::Casbin::new(&many)?), &asked),
    ];
    let mut skipped = Vec::new();
    for (variable, at, children) in CHILDREN {
        let built = crate::here().join(at);
        let program = var_os(variable).map_or(built, PathBuf::from);
        if program.is_file() {
            for &(gate, large) in children {
                let (grants, asked) = if large { (plan.many, &asked) } else { (plan.few, &fewer) };
                let child = piped::Piped::start(&program, gate, grants, plan.requests)?;
                gates.push((Box::new(child), asked));
            }
        } else {
            let workspace = Path::new(at).iter().next().unwrap_or_default().display().to_string();
            skipped.push(format!("SKIPPED {workspace}: build `{workspace}/`, or set {variable}"));
        }
    }
    if let Some(only) = &args.only {
        gates.retain(|(gate, _)| gate.name() == report::FLOOR || gate.name().contains(only.as_str()));
    }
    let clock = rounds::clock_pair()?;
    let all = rounds::measure(gates, plan)?;
    let conditions = report::conditions(plan);
    let table = report::table(&all, &clock, &conditions, &skipped);
    Ok((table, report::figures(&all, &clock, conditions)))
}

/// Fails when a gate answered wrongly.
pub(crate) fn all_right(figures: &crate::report::Figures) -> Done<()> {
    match figures.figures.iter().find(|figure| report::is_wrong(figure)) {
        None => Ok(()),
        Some(figure) => Err(format!("{}: {}", figure.name, figure.conditions).into()),
    }
}
