//! How do the gates of agentmesh answer what `peers gate` asks?

#[path = "../../src/gate/candidate.rs"]
mod candidate;
mod policy;
mod rego;
#[path = "../../src/gate/request.rs"]
mod request;
mod scopes;
#[path = "../../src/gate/serve.rs"]
mod serve;
#[path = "../../src/gate/world.rs"]
mod world;

use candidate::Candidate;
use std::process::ExitCode;
use world::World;

/// What may fail here may fail in a library; all of it ends the run with one sentence.
type Done<T> = Result<T, Box<dyn std::error::Error>>;

fn gate(name: &str, world: &World) -> Done<Option<Box<dyn Candidate>>> {
    Ok(Some(match name {
        "agentmesh-policy" => Box::new(policy::Policy::new(world)?),
        "agentmesh-scopes" => Box::new(scopes::Scopes::new(world)?),
        "agentmesh-rego" => Box::new(rego::Rego::new(world)?),
        _ => return Ok(None),
    }))
}

fn main() -> ExitCode {
    serve::run("agentmesh-gate", gate)
}
