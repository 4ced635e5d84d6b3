//! How does the product's own gate answer what `peers gate` asks?

#[path = "../../src/gate/candidate.rs"]
mod candidate;
mod folded;
mod product;
#[path = "../../src/gate/request.rs"]
mod request;
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
        "chancery" => Box::new(product::Product::new(world)?),
        "chancery-prebuilt" => Box::new(product::Product::prebuilt(world)?),
        _ => return Ok(None),
    }))
}

fn main() -> ExitCode {
    serve::run("chancery-gate", gate)
}
