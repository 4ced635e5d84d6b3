//! How is the ledger asked over HTTP? One table of routes, one governed door, and bounds on everything. SPEC 20.
//!
//! ```text
//! bytes -> (bounds) -> route -> (rule: the ledger's own gate) -> handler -> answer or problem
//! ```
//!
//! Invariants: no route without a rule; no handler runs before its rule was asked; what may not be seen and what is not
//! there are one answer; a client that is slow costs a cursor; no thread of the server waits for the writer.

mod actions;
mod app;
mod auth;
mod bare;
mod call;
mod config;
mod conn;
mod document;
mod entries;
mod events;
mod frames;
mod head;
mod limits;
mod log;
mod me;
mod metrics;
mod openapi;
mod operations;
mod part;
mod problem;
mod query;
mod queues;
mod router;
mod routes;
mod server;
mod signals;
mod slots;
mod spec;
mod system;
mod throttle;
mod views;

pub use bare::{ReadyAnswer, bare};
pub use config::{Config, Given, Setting, parse_file, settings};
pub use limits::{LIMITS, Limit, Limits};
pub use log::LogTo;
pub use openapi::document as openapi;
pub use problem::{MEDIA_TYPE, Problem, status};
pub use routes::{COMMON, Method, Param, ROUTES, Route, Rule, Which};
pub use server::{Bound, serve};
pub use signals::on_signal;
pub use spec::{Row, SPEC, row};
