//! Does Chancery keep its promises? One module a promise, in reading order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    dead_code,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "tests fail by panicking and print for people"
)]

mod harness;

mod cli;
mod codes;
mod constitution;
mod corrupt;
mod crash;
mod decisions;
mod demo;
mod docs;
mod faults;
mod figures;
mod files;
mod fingerprints;
mod flips;
mod gate;
mod hostile;
mod http;
mod ingest;
mod journeys;
mod leak;
mod model;
mod power;
mod preflight;
mod providers;
mod queues;
mod readme;
mod recompute;
mod record;
mod reference;
mod sabotage;
mod scenarios;
mod secrets;
mod spec;
mod tidy;
mod vectors;
mod views;
mod work;
mod worker_run;
mod workers;
