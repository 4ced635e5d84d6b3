//! Can each journey be walked with the command line and over HTTP, from a new ledger to an authentic one?

use crate::harness::journey::Journey;
use crate::harness::root;

/// Each journey, and its clauses that belong to later work. Whoever builds that takes them off.
const JOURNEYS: &[(&str, usize)] = &[
    ("s-02.txt", 1),
    ("s-03.txt", 0),
    ("s-04.txt", 0),
    ("s-05.txt", 0),
    ("s-06.txt", 0),
    ("s-07.txt", 0),
    ("s-08.txt", 1),
    ("s-09.txt", 0),
    ("s-10.txt", 0),
    ("s-11.txt", 0),
];

fn walk(index: usize) {
    let (file, later) = JOURNEYS[index];
    let journey = Journey::run(file);
    assert_eq!(journey.later, later, "{file}: clauses of later work");
}

#[test]
fn read_models_are_rebuilt_from_the_ledger_alone() {
    walk(0);
}

#[test]
fn host_key_life() {
    walk(1);
}

#[test]
fn preflight_and_live_gates() {
    walk(2);
}

#[test]
fn worker_refusals_result_relay_and_fallback() {
    walk(3);
}

#[test]
fn a_grant_for_one_job() {
    walk(4);
}

#[test]
fn a_lease_and_a_leak() {
    walk(5);
}

#[test]
fn transcript_law() {
    walk(6);
}

#[test]
fn emergency_disable_in_a_transcript() {
    walk(7);
}

#[test]
fn rollback_drill() {
    walk(8);
}

#[test]
fn queues_and_acknowledgement() {
    walk(9);
}

#[test]
fn every_journey_is_walked_and_what_is_left_for_later_is_counted() {
    let mut found: Vec<String> = std::fs::read_dir(root().join("fixtures/journeys"))
        .expect("journeys")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("s-") && name.len() == 8)
        .collect();
    found.sort();
    assert_eq!(found, JOURNEYS.iter().map(|journey| journey.0).collect::<Vec<_>>());
    assert_eq!(JOURNEYS.iter().map(|journey| journey.1).sum::<usize>(), 2);
}

#[test]
fn nothing_but_the_worker_runs_anything() {
    // The ledger, and what answers for it, starts no process; the worker's command and the demo's key scan do.
    let mut starts: Vec<String> = crate::spec::sources()
        .into_iter()
        .filter(|(file, _)| file.starts_with("ledger/src/") || file.starts_with("cli/src/"))
        .filter(|(_, text)| text.contains("process::{Child, Command") || text.contains("Command::new("))
        .map(|(file, _)| file)
        .collect();
    starts.sort();
    // The benchmark starts this very binary: a server to measure.
    assert_eq!(starts, ["cli/src/commands/bench/served.rs", "cli/src/execute.rs", "cli/src/machine.rs"]);
}
