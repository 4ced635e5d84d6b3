//! Does an `init` that fails leave nothing, and one that is interrupted say what it left?

use crate::crash::end_at;
use crate::harness::site::{Site, code};
use chancery_ledger::Point;
use std::fs::{self, File};

const INIT: &[&str] = &["init", "--name", "bad.example", "--no-token", "--stage", "test"];
const PROBE: &[&str] = &["do", "scope.create", "--id", "probe"];

/// Names in the site, without the step trace.
fn names(site: &Site) -> Vec<String> {
    let entries = fs::read_dir(site.path("")).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.retain(|name| name.starts_with("l.") || name == "l");
    names.sort();
    names
}

#[test]
fn an_administrator_whose_key_file_is_the_ledgers_own_is_refused() {
    let site = Site::new();
    for id in ["log", "fingerprint", "system"] {
        let ran = site.refused(2, "malformed_value", &[INIT, &["--administrator", id]].concat());
        assert!(ran.stdout.contains("key file of the ledger itself"), "{}", ran.stdout);
        assert!(names(&site).is_empty(), "{id}: {:?}", names(&site));
    }
    site.must(&[INIT, &["--administrator", "logan"]].concat());
    assert!(site.path("l.keys/logan.key").exists());
}

#[test]
fn an_init_that_fails_removes_what_it_made() {
    let site = Site::new();
    // The anchor cannot be made; then the pin cannot.
    let ran = site.run(&[INIT, &["--anchor", "nowhere/l.anchor"]].concat());
    assert_eq!((ran.code, code(&ran).as_str()), (5, "io"), "{}", ran.stdout);
    assert!(names(&site).is_empty(), "{:?}", names(&site));
    fs::create_dir_all(site.path("l.pin/full")).expect("created");
    let ran = site.run(INIT);
    assert_eq!((ran.code, code(&ran).as_str()), (5, "io"), "{}", ran.stdout);
    assert_eq!(names(&site), ["l.pin"]);
    fs::remove_dir_all(site.path("l.pin")).expect("removed");
    // Directories that were there stay, and nothing else in them is touched.
    fs::create_dir(site.path("l")).expect("created");
    let ran = site.run(&[INIT, &["--anchor", "nowhere/l.anchor"]].concat());
    assert_eq!(ran.code, 5);
    assert_eq!(names(&site), ["l"]);
    // The steps so far were those of ledgers that are no more.
    fs::remove_file(site.home.path("trace")).expect("removed");
    site.must(INIT);
    site.must(PROBE);
    site.check("at the fourth attempt");
}

#[test]
fn what_an_interrupted_init_left_is_named_and_can_be_removed() {
    let site = end_at(&Site::new(), Point::BeforeCommit, 0, INIT).expect("an end");
    assert_eq!(names(&site), ["l", "l.anchor", "l.keys"]);
    for args in [INIT, PROBE, &["log"], &["checkpoint"]] {
        let ran = site.refused(5, "creation_unfinished", args);
        for name in ["l`", "l.keys`", "l.anchor`"] {
            assert!(ran.stdout.contains(name), "{args:?}: {}", ran.stdout);
        }
    }
    fs::remove_dir_all(site.path("l")).expect("removed");
    fs::remove_dir_all(site.path("l.keys")).expect("removed");
    fs::remove_file(site.path("l.anchor")).expect("removed");
    site.must(INIT);
    // Once entry 0 is durable its administrator can act: the key was written before.
    let mut site = end_at(&Site::new(), Point::AfterCommit, 0, INIT).expect("an end");
    site.refused(5, "directory_not_empty", INIT);
    site.act(PROBE);
}

#[test]
fn a_ledger_that_lost_its_files_is_no_unfinished_one() {
    let mut site = Site::begun();
    site.act(PROBE);
    fs::remove_file(site.path("l/ledger.db")).expect("removed");
    site.refused(5, "not_a_ledger", PROBE);
    fs::remove_file(site.path("l.anchor")).expect("removed");
    site.refused(5, "not_a_ledger", PROBE);
    site.refused(5, "directory_not_empty", INIT);
}

#[test]
fn an_export_that_was_killed_does_not_block_the_next() {
    let site = Site::begun();
    let part = site.path("all.chancery.part");
    fs::write(&part, vec![b'x'; 100_000]).expect("written");
    let export = |out| site.run(&["export", "--out", out]);
    let held = File::open(&part).expect("a file");
    held.lock().expect("locked");
    let ran = export("all.chancery");
    assert_eq!((ran.code, code(&ran).as_str()), (5, "locked"), "{}", ran.stdout);
    held.unlock().expect("unlocked");
    assert_eq!(export("all.chancery").code, 0);
    assert!(!part.exists());
    site.must(&["verify", "all.chancery", "--pin", "l.pin", "--keep-pin"]);
}
