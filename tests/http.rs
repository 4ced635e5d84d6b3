//! Is the ledger served as SPEC 20 says, and does it stand when somebody wants to break it? The real binary on a free
//! port, one file a promise.

#[path = "http/estate.rs"]
mod estate;
#[path = "http/far.rs"]
mod far;
#[path = "http/framing.rs"]
mod framing;
#[path = "http/fuzz.rs"]
mod fuzz;
#[path = "http/guess.rs"]
mod guess;
#[path = "http/injection.rs"]
mod injection;
#[path = "http/invoke.rs"]
mod invoke;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/matrix.rs"]
mod matrix;
#[path = "http/models.rs"]
mod models;
#[path = "http/reads.rs"]
mod reads;
#[path = "http/settings.rs"]
mod settings;
#[path = "http/slow.rs"]
mod slow;
#[path = "http/standing.rs"]
mod standing;
#[path = "http/storm.rs"]
mod storm;
#[path = "http/stream.rs"]
mod stream;
