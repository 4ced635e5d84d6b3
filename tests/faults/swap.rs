//! Is anything ever acknowledged that went to a file which was moved away or replaced under a running ledger?

use crate::harness::story::{Story, code_of};
use crate::harness::{Home, site};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::{Answer, Code, Ledger, Options};
use std::fs;

/// Takes `name` away from a running ledger in one way, and gives what was acknowledged before and after.
fn take_away(name: &str, how: &str) {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    let (path, aside) = (home.path(name), home.path("aside"));
    match how {
        "moved" => fs::rename(&path, &aside).expect("moved"),
        _ => {
            // A copy in its place, as a restore makes it.
            fs::copy(&path, home.path("copy")).expect("copied");
            fs::rename(&path, &aside).expect("moved");
            fs::rename(home.path("copy"), &path).expect("moved");
        }
    }
    let answer = story.ask("founder", "scope.create", "/", "lost", &[]);
    assert_eq!(code_of(&answer), Some(Code::OutcomeUnknown), "{name} {how}: {answer:?}");
    let answer = story.ask("founder", "scope.create", "/", "lost", &[]);
    assert_eq!(code_of(&answer), Some(Code::Stopped), "{name} {how}: the writer went on");
    let Story { ledger, paths, clock, .. } = story;
    assert!(ledger.close().is_err());
    fs::rename(&aside, &path).expect("moved back");
    let options = Options { clock, ..Options::new(paths.clone()) };
    let ledger =
        Ledger::open(options, &mut |_, _| ()).unwrap_or_else(|error| panic!("{name} {how}: {error}"));
    ledger.close().expect("a clean end");
    let stored = site::entries(&paths.store());
    assert!(stored.len() >= 11, "{name} {how}: {} entries", stored.len());
}

#[test]
fn a_file_that_was_moved_or_replaced_while_open_ends_the_writer() {
    for name in ["ledger/ledger.db", "ledger/ledger.db-wal", "ledger.anchor", "ledger/lock"] {
        for how in ["moved", "replaced"] {
            take_away(name, how);
        }
    }
}

#[test]
fn a_directory_that_was_swapped_for_a_backup_acknowledges_nothing() {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    crate::harness::copy_tree(&home.path("ledger"), &home.path("backup"));
    story.must("founder", "scope.create", "/", "kept", &[]);
    fs::rename(home.path("ledger"), home.path("live")).expect("moved");
    fs::rename(home.path("backup"), home.path("ledger")).expect("moved");
    let answer = story.ask("founder", "scope.create", "/", "lost", &[]);
    assert!(!matches!(answer, Answer::Receipt(_)), "{answer:?}");
}
