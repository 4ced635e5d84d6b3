//! Can each journey be walked from a new ledger to an authentic one: in process, with the command line, over HTTP?

use crate::harness::journey::{Journey, Way, later};
use crate::harness::root;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

/// How each way of a journey went.
static WALKED: Mutex<BTreeMap<&str, BTreeMap<Way, bool>>> = Mutex::new(BTreeMap::new());

/// Says something past the capture of the test runner.
fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

/// One line of the summary: each way and how it went.
fn line(file: &str, ways: &BTreeMap<Way, bool>) -> String {
    let mut line = file.trim_end_matches(".txt").to_uppercase();
    for (way, well) in ways {
        line.push_str(&format!(" {} {}", way.as_str(), if *well { "ok" } else { "FAILED" }));
    }
    line
}

/// Walks a journey in one way, and says how all three went once they did.
fn walk(file: &'static str, way: Way) {
    let walked = catch_unwind(AssertUnwindSafe(|| Journey::walk(file, way)));
    let mut all = WALKED.lock().unwrap_or_else(PoisonError::into_inner);
    let ways = all.entry(file).or_default();
    ways.insert(way, walked.is_ok());
    if ways.len() == Way::ALL.len() {
        say(&line(file, ways));
        for clause in later(file) {
            say(&format!("{} later: {clause}", file.trim_end_matches(".txt").to_uppercase()));
        }
    }
    if all.len() == JOURNEYS.len() && all.values().all(|ways| ways.len() == Way::ALL.len()) {
        let clauses: usize = JOURNEYS.iter().map(|(_, later)| later).sum();
        say(&format!("{} journeys, three ways each; {clauses} clauses belong to later work", JOURNEYS.len()));
    }
    drop(all);
    if let Err(panic) = walked {
        resume_unwind(panic);
    }
}

/// A journey: its module, its file, and how many of its clauses belong to later work.
macro_rules! journeys {
    ($($name:ident $file:literal $later:literal)*) => {
        /// Each journey, and its clauses that belong to later work. Whoever builds that takes them off.
        const JOURNEYS: &[(&str, usize)] = &[$(($file, $later)),*];
        $(mod $name {
            use super::{Way, walk};

            #[test]
            fn core() {
                walk($file, Way::Core);
            }

            #[test]
            fn cli() {
                walk($file, Way::Cli);
            }

            #[test]
            fn http() {
                walk($file, Way::Http);
            }
        })*
    };
}

journeys! {
    s01 "s-01.txt" 0
    s02 "s-02.txt" 1
    s03 "s-03.txt" 0
    s04 "s-04.txt" 0
    s05 "s-05.txt" 0
    s06 "s-06.txt" 0
    s07 "s-07.txt" 1
    s08 "s-08.txt" 1
    s09 "s-09.txt" 0
    s10 "s-10.txt" 0
    s11 "s-11.txt" 0
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
    for (file, clauses) in JOURNEYS {
        assert_eq!(later(file).len(), *clauses, "{file}: clauses of later work");
    }
}

#[test]
fn each_component_has_a_module_and_a_test() {
    let text = std::fs::read_to_string(root().join("fixtures/components.txt")).expect("the components");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 9 + 7);
    for row in rows {
        let [_, module, test] = row[..] else { panic!("{row:?}: a name, a module, a test") };
        assert!(root().join(module).is_file(), "{row:?}: no such module");
        assert!(crate::sabotage::is_a_test(test), "{row:?}: no such test");
    }
}

#[test]
fn nothing_but_the_worker_runs_anything() {
    // The ledger, and what answers for it, starts no process; the worker's command and the demo's key scan do.
    let mut starts: Vec<String> = crate::spec::sources()
        .into_iter()
        .filter(|(file, _)| file.contains("/src/"))
        .filter(|(_, text)| text.contains("process::{Child, Command") || text.contains("Command::new("))
        .map(|(file, _)| file)
        .collect();
    starts.sort();
    // The benchmark starts this very binary: a server to measure.
    assert_eq!(starts, ["cli/src/commands/bench/served.rs", "cli/src/execute.rs", "cli/src/machine.rs"]);
}
