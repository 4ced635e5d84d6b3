//! The record and its writer: what was asked, what was decided, and the proof that neither was changed.
//!
//! ```text
//! bytes -> Request -> (gate) -> (decide) -> Vec<Draft> -> Sealed -> Receipt
//!          parse      may it?   can it?      events        seal      commit, sign, anchor, answer
//! ```
//!
//! `format`, `gate`, `domains` and `fingerprint` are pure: time, entropy, keys and paths are arguments. `writer` and `store` are
//! where something happens. `verify` goes from bytes to a verdict and shares only `format` with the writer.
//!
//! Invariants: a request is durable and under a signed head before it is answered; a size is signed once; the
//! anchor never leads the store and never lags a released head; the world is a fold of the entries alone.

mod admit;
mod answer;
mod clock;
mod code;
mod create;
pub mod domains;
mod door;
mod entropy;
mod error;
pub mod export;
mod facts;
pub mod fingerprint;
pub mod format;
pub mod gate;
mod ledger;
pub mod limits;
mod looked;
mod over;
mod preview;
mod published;
mod queue;
mod relay;
mod released;
pub mod secrets;
mod stats;
pub mod store;
mod sweep;
mod trace;
pub mod verify;
mod writer;

pub use admit::{Admission, Viewer};
pub use answer::{Answer, Effect, Receipt, ReceiptEntry};
pub use clock::Clock;
pub use code::{CODES, Class, Code};
pub use create::Genesis;
pub use door::{Conflict, statement};
pub use entropy::Entropy;
pub use error::{Error, Result};
pub use ledger::{Bounds, Ledger, Options};
pub use preview::{CheckSeen, Preview};
pub use queue::Reply;
pub use released::Released;
pub use stats::{BOUNDS, Histogram, Stats};
pub use sweep::SWEEP;
pub use trace::{Point, Tracer};
