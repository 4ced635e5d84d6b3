//! What becomes of views whose file was edited, swapped, cut short, or left by a process that was killed?

use super::{fold, head};
use crate::harness::Home;
use crate::harness::ran;
use crate::harness::site::{Site, can_strace, finish, full, known_hosts};
use crate::harness::story::Story;
use chancery_ledger::Code;
use chancery_ledger::domains::ledger::Form;
use chancery_projections::{Engine, VIEWS};
use rusqlite::Connection;

/// A ledger of the real binary with some host keys, and its views.
fn site() -> Site {
    let site = Site::begun();
    site.must(&["do", "scope.create", "--id", "acme"]);
    std::fs::write(site.path("hosts"), known_hosts(0, 40)).expect("written");
    site.must(&["import", "known-hosts", "hosts", "--scope", "/acme"]);
    site.must(&["view", "verify"]);
    site
}

fn edit(site: &Site, sql: &str) {
    let conn = Connection::open(site.path("l/projections.db")).expect("the views");
    conn.execute_batch(sql).expect("edited");
}

#[test]
fn an_edited_row_is_named() {
    let site = site();
    let table = "view_host_keys_1_0";
    edit(&site, &format!("UPDATE {table} SET state = 'verified' WHERE key LIKE '% ssh-ed25519:h7.%'"));
    edit(&site, &format!("DELETE FROM {table} WHERE key LIKE '% ssh-ed25519:h8.%'"));
    edit(
        &site,
        &format!(
            "INSERT INTO {table} SELECT 'made up', scope, about, state, rank, until, changed, body FROM {table} LIMIT 1"
        ),
    );
    let found = site.run(&["view", "verify"]);
    assert_eq!(found.code, 3, "{}{}", found.stdout, found.stderr);
    let line = found.stdout.lines().find(|line| line.contains("\"host_keys\"")).expect("a line");
    let told: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let mut named: Vec<String> = told["named"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| format!("{}: {}", row[0].as_str().expect("a key"), row[1].as_str().expect("how")))
        .collect();
    named.sort();
    assert_eq!(told["different"], 3);
    assert!(named[0].contains("h7.") && named[0].ends_with("changed"), "{named:?}");
    assert!(named[1].contains("h8.") && named[1].ends_with("missing"), "{named:?}");
    assert!(named[2].starts_with("made up: not what the ledger says"), "{named:?}");
    assert_eq!(site.run(&["view", "verify", "timeline"]).code, 0, "the others are equal");
    // Built anew, they are what the ledger says; the ledger itself never had a doubt.
    site.must(&["view", "rebuild", "host_keys"]);
    site.must(&["view", "verify"]);
    assert_eq!(site.verdict(), (0, "authentic".to_owned()));
}

#[test]
fn a_cursor_that_contradicts_the_chain_stops() {
    let site = site();
    edit(&site, "UPDATE cursor SET address = 'b3:' || substr(address, 4, 62) || 'ff' WHERE view = 'jobs'");
    site.must(&["do", "scope.create", "--id", "beta"]);
    site.refused(5, Code::ViewsDamaged.as_str(), &["view", "jobs"]);
    std::fs::remove_file(site.path("l/projections.db")).expect("deleted");
    site.must(&["view", "verify"]);
}

#[test]
fn a_file_that_is_not_this_ledgers_is_refused() {
    let site = site();
    edit(&site, "UPDATE cursor SET entries = entries + 10");
    site.refused(5, Code::ViewsDamaged.as_str(), &["view", "jobs"]);
    edit(
        &site,
        "UPDATE cursor SET entries = entries - 10; UPDATE meta SET value = 'other.example' WHERE key = 'ledger'",
    );
    site.refused(5, Code::ViewsDamaged.as_str(), &["view", "jobs"]);
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(site.path(&format!("l/projections.db{end}")));
    }
    std::fs::write(site.path("l/projections.db"), [7u8; 9_000]).expect("written");
    site.refused(5, Code::ViewsDamaged.as_str(), &["view", "jobs"]);
    // The same name, another ledger.
    let other = Site::begun();
    other.must(&["do", "scope.create", "--id", "acme"]);
    other.must(&["view", "jobs"]);
    std::fs::copy(other.path("l/projections.db"), site.path("l/projections.db")).expect("copied");
    site.refused(5, Code::ViewsDamaged.as_str(), &["view", "jobs"]);
    assert_eq!(site.verdict(), (0, "authentic".to_owned()), "the views are no part of the record");
}

/// Observes every host under another key: each fold reads a row that stands in the file.
fn observe_again(site: &Site) {
    let other = |text: String, n: u64| text.replace(&format!("h{}.", 100 + n), &format!("h{n}."));
    std::fs::write(site.path("hosts"), (0..40).fold(known_hosts(100, 40), other)).expect("written");
    site.must(&["import", "known-hosts", "hosts", "--scope", "/acme"]);
}

#[test]
fn a_row_that_is_not_of_its_form_is_no_dead_letter() {
    let site = site();
    observe_again(&site);
    edit(&site, "UPDATE view_host_keys_1_0 SET body = 'x' WHERE key LIKE '% ssh-ed25519:h7.%'");
    site.refused(5, Code::ViewsDamaged.as_str(), &["view", "host_keys"]);
    // Nothing of the batch was kept: with its row again, the view is what the ledger says.
    let conn = Connection::open(site.path("l/projections.db")).expect("the views");
    let skipped: i64 =
        conn.query_row("SELECT sum(skipped) FROM cursor", [], |row| row.get(0)).expect("a number");
    assert_eq!(skipped, 0, "an entry was given up");
}

#[test]
fn no_cursor_is_believed_that_cannot_be() {
    let site = site();
    for (set, back) in [
        ("entries = -1", "entries = 1"),
        ("entries = 0", "entries = 1"),
        ("skipped = -1", "skipped = 0"),
        ("changed = -5", "changed = 0"),
        ("head_size = -1", "head_size = 0"),
        ("build = 4294967295", "build = 0"),
        ("version = -1", "version = 1"),
        ("view = 'jobs; DROP TABLE meta'", "view = 'jobs'"),
    ] {
        let copy = site.copy();
        let (column, _) = set.split_once(" = ").expect("a column");
        edit(&copy, &format!("UPDATE cursor SET {set} WHERE view = 'jobs'"));
        let ran = copy.run(&["view", "jobs"]);
        assert_eq!(
            (ran.code, crate::harness::site::code(&ran).as_str()),
            (5, Code::ViewsDamaged.as_str()),
            "{column}, which could be {back}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
}

#[test]
fn a_read_that_fails_once_leaves_the_views_as_they_would_be() {
    if !can_strace("a_read_that_fails_once") {
        return;
    }
    let site = site();
    observe_again(&site);
    let views = site.path("l/projections.db");
    let mut failed = 0;
    for n in (1..=40).step_by(if full() { 1 } else { 4 }) {
        let copy = site.copy();
        let path = copy.path("l/projections.db").display().to_string();
        let inject = format!("inject=pread64:error=EIO:when={n}");
        let traced = ["-o", "/dev/null", "-P", &path, "-e", "trace=pread64", "-e", &inject];
        let output = ran(finish(copy.under_strace(&traced, &["view", "digest"])));
        failed += u32::from(output.code != 0);
        let verified = copy.run(&["view", "verify"]);
        assert_eq!(verified.code, 0, "read {n} of {}: {}", views.display(), verified.stdout);
    }
    assert!(failed > 1, "{failed} failed");
}

#[test]
fn a_ledger_that_cannot_be_written_is_folded_elsewhere() {
    let site = site();
    let before = site.must(&["view", "digest", "entities"]).stdout;
    for file in ["projections.db", "projections.lock"] {
        std::fs::remove_file(site.path(&format!("l/{file}"))).expect("deleted");
    }
    // Modes do not bind everybody; a directory where the lock should be does.
    std::fs::create_dir(site.path("l/projections.lock")).expect("created");
    let after = site.must(&["view", "digest", "entities"]);
    assert_eq!(after.stdout, before);
    assert!(!site.path("l/projections.db").exists(), "nothing was written there");
}

#[test]
fn a_kill_in_the_middle_of_a_fold_loses_nothing() {
    if !can_strace("a_kill_in_the_middle_of_a_fold") {
        return;
    }
    let site = site();
    let before = site.must(&["view", "digest"]).stdout;
    let counts: &[u32] = if full() { &[1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144] } else { &[1, 8, 55] };
    let mut killed = 0;
    for call in ["pwrite64", "fdatasync", "ftruncate", "unlink"] {
        for n in counts {
            let copy = site.copy();
            for args in [&["view", "rebuild"][..], &["view", "rebuild", "timeline"]] {
                let inject = format!("inject={call}:signal=SIGKILL:when={n}");
                let trace = format!("trace={call}");
                let output =
                    finish(copy.under_strace(&["-o", "/dev/null", "-e", &trace, "-e", &inject], args));
                killed += u32::from(ran(output).code != 0);
                assert_eq!(copy.must(&["view", "digest"]).stdout, before, "{call} {n} {args:?}");
                copy.must(&["view", "verify"]);
            }
            assert_eq!(copy.verdict(), (0, "authentic".to_owned()));
        }
    }
    assert!(killed > 3, "{killed} were killed");
}

#[test]
fn a_rebuild_keeps_to_its_memory() {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    story.observations(0, if full() { 200_000 } else { 20_000 }, 1_024);
    let dir = story.paths.dir.clone();
    story.ledger.close().expect("a clean end");
    let args = ["view", "rebuild", "--dir", dir.to_str().expect("a path"), "--json"];
    let mut child = home.command(&args).stdout(std::process::Stdio::null()).spawn().expect("the binary runs");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    // The largest that it ever was is kept by the kernel: the last look counts.
    let ended = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        most = most.max(kib);
        if let Some(ended) = child.try_wait().expect("a child") {
            break ended;
        }
        std::thread::yield_now();
    };
    assert!(ended.success());
    assert!(most > 1_000 && most <= 64 * 1024, "{most} KiB");
}

#[test]
fn who_folds_is_one() {
    let home = Home::in_memory();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    let path = story.paths.views();
    fold(&story, &path, VIEWS);
    let (reader, head) = head(&story);
    let engine = Engine::open(&path, head.origin.name(), VIEWS).expect("the views open");
    story.must("founder", "scope.create", "/", "beta", &[]);
    // The command reads what there is, says so, and does not fold.
    let dir = story.paths.dir.to_str().expect("a path").to_owned();
    let said = home.expect(0, &["view", "entities", "--dir", &dir]);
    assert!(said.stderr.contains("1 fewer than there are"), "{}", said.stderr);
    assert!(!said.stdout.contains("scope / beta"));
    home.expect(5, &["view", "rebuild", "--dir", &dir]);
    drop((engine, reader));
    let said = home.expect(0, &["view", "entities", "--dir", &dir]);
    assert!(said.stdout.contains("scope / beta"), "{}", said.stdout);
}
