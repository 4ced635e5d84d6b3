//! Is a store that lost something, or is older, newer, foreign or damaged, ever served as if it were whole?

use crate::harness::site::{Site, finish, full, known_hosts};
use crate::harness::{Seeded, copy_tree, ran};
use rusqlite::Connection;
use std::fs;

/// A ledger whose process ended after it had acknowledged entries that stand in the WAL only.
fn ended_with_a_wal() -> Site {
    let mut site = Site::begun();
    site.act(&["do", "scope.create", "--id", "acme"]);
    fs::write(site.path("hosts"), known_hosts(0, 5)).expect("written");
    let mut command = site.command(&["import", "known-hosts", "hosts", "--scope", "/acme"]);
    command.env("CHANCERY_TEST_CRASH", "after_anchor:3");
    let ended = ran(finish(command));
    assert_eq!(ended.code, -1);
    let found = crate::harness::site::acks(&ended.stdout);
    assert_eq!(found.len(), 3, "three lines were answered before the end");
    site.acks.extend(found);
    assert!(fs::metadata(site.path("l/ledger.db-wal")).expect("a WAL").len() > 8192);
    site
}

/// Sets a few entries on top, and gives the site with a copy of its directory before them in `old`.
fn grown() -> Site {
    let mut site = Site::begun();
    site.act(&["do", "scope.create", "--id", "one"]);
    copy_tree(&site.path("l"), &site.path("old"));
    fs::copy(site.path("l.anchor"), site.path("old.anchor")).expect("copied");
    for id in ["two", "three", "four"] {
        site.act(&["do", "scope.create", "--id", id]);
    }
    site
}

const PROBE: &[&str] = &["do", "scope.create", "--id", "probe"];

fn replace_with_old(site: &Site) {
    fs::remove_dir_all(site.path("l")).expect("removed");
    copy_tree(&site.path("old"), &site.path("l"));
}

#[test]
fn a_wal_that_was_deleted_is_rolled_back() {
    let site = ended_with_a_wal();
    let whole = site.copy();
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(site.path(&format!("l/ledger.db{suffix}"))).expect("removed");
    }
    assert_eq!(site.verdict(), (3, "rolled_back".to_owned()));
    site.refused(5, "rolled_back", PROBE);
    site.refused(5, "rolled_back", PROBE);
    whole.must(PROBE);
    whole.check("with its WAL");
}

#[test]
fn a_wal_that_is_damaged_anywhere_is_rolled_back_or_whole() {
    let site = ended_with_a_wal();
    let wal = fs::read(site.path("l/ledger.db-wal")).expect("a WAL");
    let mut random = Seeded::new(5);
    let positions: Vec<usize> = match full() {
        true => (0..wal.len()).step_by(61).collect(),
        false => (0..60).map(|_| random.below(wal.len())).collect(),
    };
    let mut refused = 0;
    for at in positions {
        let copy = site.copy();
        let mut bytes = wal.clone();
        bytes[at] ^= 1 << random.below(8);
        fs::write(copy.path("l/ledger.db-wal"), bytes).expect("written");
        let _ = fs::remove_file(copy.path("l/ledger.db-shm"));
        let ran = copy.run(PROBE);
        if ran.code == 0 {
            copy.check(&format!("byte {at} of the WAL changed"));
        } else {
            let code = crate::harness::site::code(&ran);
            assert!(
                ran.code == 5 && ["rolled_back", "ledger_damaged"].contains(&code.as_str()),
                "byte {at}: {code}"
            );
            assert_ne!(copy.verdict().0, 0, "byte {at}");
            refused += 1;
        }
    }
    assert!(refused > 20, "only {refused} damages mattered");
}

#[test]
fn the_other_files_of_the_directory_are_disposable() {
    let site = ended_with_a_wal();
    for name in ["index.db", "index.db-wal", "index.db-shm", "ledger.db-shm", "lock", "reserve"] {
        let copy = site.copy();
        let _ = fs::remove_file(copy.path("l").join(name));
        copy.must(PROBE);
        copy.check(&format!("without {name}"));
    }
}

#[test]
fn an_older_copy_of_the_store_is_rolled_back() {
    let site = grown();
    replace_with_old(&site);
    assert_eq!(site.verdict(), (3, "rolled_back".to_owned()));
    site.refused(5, "rolled_back", PROBE);
    assert_eq!(site.entries().len(), 2, "nothing was added to it");
}

#[test]
fn an_older_copy_of_store_and_anchor_is_seen_by_whoever_kept_a_pin() {
    let site = grown();
    let pin = site.path("l.pin").display().to_string();
    site.must(&["verify", "--pin", &pin]);
    replace_with_old(&site);
    fs::copy(site.path("old.anchor"), site.path("l.anchor")).expect("copied");
    assert_eq!(site.verdict(), (4, "stale".to_owned()));
    // The ledger alone cannot know; with another history on top it contradicts the pin.
    for id in ["six", "seven", "eight", "nine"] {
        site.must(&["do", "scope.create", "--id", id]);
    }
    let (exit, verdict) = site.verdict();
    assert_eq!(exit, 3, "{verdict}");
}

#[test]
fn an_anchor_that_is_missing_damaged_old_or_foreign_is_refused() {
    let site = grown();
    let anchor = site.path("l.anchor");
    let good = fs::read(&anchor).expect("an anchor");

    fs::remove_file(&anchor).expect("removed");
    site.refused(5, "anchor_missing", PROBE);
    assert_eq!(site.verdict().0, 4);
    assert!(!anchor.exists(), "an anchor was made anew");

    let mut damaged = good.clone();
    damaged[30] ^= 1;
    damaged[4096 + 30] ^= 1;
    fs::write(&anchor, damaged).expect("written");
    site.refused(5, "anchor_damaged", PROBE);
    assert_ne!(site.verdict().0, 0);
    fs::write(&anchor, vec![0; 8192]).expect("written");
    site.refused(5, "anchor_damaged", PROBE);
    fs::write(&anchor, b"").expect("written");
    site.refused(5, "anchor_damaged", PROBE);

    fs::copy(site.path("old.anchor"), &anchor).expect("copied");
    site.refused(5, "anchor_damaged", PROBE);
    // What stands beyond it is not left out without a word.
    site.refused(5, "anchor_damaged", &["log"]);
    assert_eq!(site.verdict(), (3, "tampered".to_owned()));

    let other = Site::begun();
    for id in ["one", "two", "three", "four"] {
        other.must(&["do", "scope.create", "--id", id]);
    }
    fs::copy(other.path("l.anchor"), &anchor).expect("copied");
    site.refused(5, "anchor_damaged", PROBE);

    fs::write(&anchor, &good).expect("written");
    site.must(PROBE);
    site.check("with its own anchor again");
}

#[test]
fn one_damaged_slot_of_the_anchor_is_a_crash_and_no_more() {
    let site = grown();
    let good = fs::read(site.path("l.anchor")).expect("an anchor");
    for slot in [0, 1] {
        let copy = site.copy();
        let mut bytes = good.clone();
        bytes[slot * 4096 + 25] ^= 4;
        fs::write(copy.path("l.anchor"), bytes).expect("written");
        copy.must(PROBE);
        copy.check(&format!("slot {slot} damaged"));
    }
}

#[test]
fn a_layout_of_a_newer_build_is_refused() {
    let site = grown();
    let conn = Connection::open(site.path("l/ledger.db")).expect("a store");
    conn.execute("UPDATE meta SET value = '2' WHERE key = 'layout'", []).expect("updated");
    drop(conn);
    for args in [PROBE, &["log"], &["verify"]] {
        site.refused(2, "newer_format", args);
    }
}

#[test]
fn what_is_no_ledger_is_no_ledger() {
    let site = Site::new();
    fs::create_dir(site.path("l")).expect("created");
    for args in [PROBE, &["log"], &["verify"], &["checkpoint"]] {
        let ran = site.run(args);
        let code = crate::harness::site::code(&ran);
        assert!(
            ran.code == 5 && (code == "not_a_ledger" || code == "key_file_missing"),
            "{args:?}: {code} {}",
            ran.stderr
        );
    }
    let site = grown();
    fs::write(site.path("l/ledger.db"), vec![b'x'; 60_000]).expect("written");
    site.refused(5, "ledger_damaged", PROBE);
}

#[test]
fn a_directory_that_is_not_empty_is_left_alone() {
    let site = grown();
    let before = site.entries();
    let (anchor, key) = (fs::read(site.path("l.anchor")), fs::read(site.path("l.keys/log.key")));
    let init = ["init", "--name", "second.example", "--no-token"];
    site.refused(5, "directory_not_empty", &init);
    fs::rename(site.path("l"), site.path("aside")).expect("moved");
    site.refused(5, "directory_not_empty", &init);
    assert!(!site.path("l").exists(), "a directory was made");
    fs::rename(site.path("aside"), site.path("l")).expect("moved");
    assert_eq!(site.entries(), before);
    assert_eq!(fs::read(site.path("l.anchor")).expect("an anchor"), anchor.expect("an anchor"));
    assert_eq!(fs::read(site.path("l.keys/log.key")).expect("a key"), key.expect("a key"));
    site.check("after two attempts to create it again");
}

#[test]
fn one_changed_row_of_any_table_is_tampered() {
    let mut site = Site::begun();
    site.act(&["do", "principal.register", "--id", "bot-1", "kind=agent", "role=agent", "name=Bot"]);
    site.act(&["do", "principal.revoke", "--id", "bot-1"]);
    site.act(&["do", "scope.create", "--id", "acme"]);
    site.check("before any change");
    let last = site.entries().len() - 1;
    let flip = |column: &str, at: &str| {
        format!(
            "{column} = CAST(substr({column}, 1, 40) || x'7a' || substr({column}, 42) AS BLOB) WHERE {at}"
        )
    };
    for change in [
        format!("UPDATE entry SET {}", flip("leaf", &format!("position = {last}"))),
        format!("UPDATE entry SET {}", flip("leaf", "position = 1")),
        format!("DELETE FROM entry WHERE position = {last}"),
        format!("UPDATE part SET {}", flip("blob", "id = 2")),
        format!("UPDATE part SET {}", flip("blob", &format!("id = {}", last * 2 + 1))),
        "DELETE FROM part WHERE id = 2".to_owned(),
        format!("UPDATE head SET {}", flip("sig", "size = 2")),
        "UPDATE ended SET id = 'bot-2' WHERE kind = 'principal'".to_owned(),
        "DELETE FROM ended".to_owned(),
    ] {
        let copy = site.copy();
        let conn = Connection::open(copy.path("l/ledger.db")).expect("a store");
        conn.execute_batch(
            "DROP TRIGGER entry_is_not_changed; DROP TRIGGER entry_is_not_deleted;
             DROP TRIGGER head_is_not_changed; DROP TRIGGER head_is_not_deleted;",
        )
        .expect("dropped");
        assert_eq!(conn.execute(&change, []).expect("changed"), 1, "{change}");
        drop(conn);
        assert_eq!(copy.verdict().0, 3, "{change}");
    }
}
