//! Is the ledger served as SPEC 20 says? The real binary on a free port, one file a promise.

#[path = "http/far.rs"]
mod far;
#[path = "http/invoke.rs"]
mod invoke;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/models.rs"]
mod models;
#[path = "http/reads.rs"]
mod reads;
#[path = "http/settings.rs"]
mod settings;
#[path = "http/stream.rs"]
mod stream;
