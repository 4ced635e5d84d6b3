//! Is what stands beyond the anchor signed if this ledger's writer committed it, whatever was in it, and only then?

use crate::crash::end_at;
use crate::harness::site::Site;
use crate::harness::story::Story;
use crate::harness::work::Governed;
use crate::harness::{Home, copy_tree};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::format::canonical::to_bytes;
use chancery_ledger::format::entry;
use chancery_ledger::format::json::{Value, parse};
use chancery_ledger::format::limits::COMMIT;
use chancery_ledger::gate::Credential;
use chancery_ledger::{Answer, Ledger, Options, Point, Reply};
use rusqlite::{Connection, params};
use std::fs;
use std::sync::mpsc;

const PROBE: &[&str] = &["do", "scope.create", "--id", "probe"];

fn store(site: &Site) -> Connection {
    Connection::open(site.path("l/ledger.db")).expect("a store")
}

/// Adds an entry as somebody would who has the disk and no key: a scope that nobody created.
fn forge(site: &Site) {
    let conn = store(site);
    let (position, leaf): (i64, Vec<u8>) = conn
        .query_row("SELECT position, leaf FROM entry ORDER BY position DESC", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .expect("an entry");
    let Value::Object(mut members) = parse(&leaf).expect("JSON") else { panic!("no object") };
    assert_eq!(members["kind"], Value::from("scope.created"));
    let n = members["n"].int().expect("a number");
    for name in ["attestation", "by", "private"] {
        members.remove(name);
    }
    let entity = [("id", Value::from("forged")), ("kind", Value::from("scope"))];
    let entity = entity.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let changes = [
        ("entity", Value::Object(entity)),
        ("n", Value::Int(n + 1)),
        ("position", Value::Int(position + 1)),
        ("prev", Value::Text(entry::address(&leaf).to_string())),
    ];
    members.extend(changes.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let leaf = to_bytes(&Value::Object(members)).expect("canonical");
    conn.execute("INSERT INTO entry (position, leaf) VALUES (?1, ?2)", params![position + 1, leaf])
        .expect("inserted");
}

fn signed(site: &Site) -> usize {
    site.trace().iter().filter(|line| line.starts_with("signed")).count()
}

/// The ledger does not open, and signs nothing.
fn refuses(site: &Site, why: &str) {
    let (anchor, before) = (fs::read(site.path("l.anchor")).expect("an anchor"), signed(site));
    let ran = site.refused(5, "tail_unknown", PROBE);
    assert!(ran.stdout.contains(why) || ran.stderr.contains(why), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(fs::read(site.path("l.anchor")).expect("an anchor"), anchor, "the anchor was written");
    assert_eq!(signed(site), before, "a head was signed");
}

/// A ledger whose process ended between COMMIT and the anchor.
fn ended() -> Site {
    let mut site = Site::begun();
    site.act(&["do", "scope.create", "--id", "acme"]);
    let step = ["do", "scope.create", "--id", "ended", "--idempotency-key", "ended-before-the-anchor"];
    end_at(&site, Point::AfterCommit, 0, &step).expect("an end")
}

#[test]
fn entries_that_were_added_to_a_closed_ledger_are_not_signed() {
    let mut site = Site::begun();
    site.act(&["do", "scope.create", "--id", "acme"]);
    let whole = site.copy();
    forge(&site);
    refuses(&site, "1 entries stand beyond the anchor's 2");
    // The same on top of what a crash left.
    let site = ended();
    site.copy().must(PROBE);
    forge(&site);
    refuses(&site, "not what this ledger's writer committed");
    whole.must(PROBE);
    whole.check("with its own entries");
}

#[test]
fn a_mark_that_is_gone_or_of_another_commit_is_none() {
    let mut site = Site::begun();
    site.act(&["do", "scope.create", "--id", "acme"]);
    let mark = |site: &Site| -> String {
        let query = "SELECT value FROM meta WHERE key = 'tail'";
        store(site).query_row(query, [], |row| row.get(0)).expect("a mark")
    };
    let old = mark(&site);
    let ended = ended();
    assert_ne!(mark(&ended), old);
    let without = ended.copy();
    store(&without).execute("DELETE FROM meta WHERE key = 'tail'", []).expect("deleted");
    refuses(&without, "no mark says");
    let other = ended.copy();
    store(&other).execute("UPDATE meta SET value = ?1 WHERE key = 'tail'", [&old]).expect("updated");
    refuses(&other, "not what this ledger's writer committed");
    ended.must(PROBE);
    ended.check("with its own mark");
}

#[test]
fn a_ledger_without_a_tail_needs_no_mark() {
    let mut site = Site::begun();
    site.act(&["do", "scope.create", "--id", "acme"]);
    store(&site).execute("DELETE FROM meta WHERE key = 'tail'", []).expect("deleted");
    site.act(PROBE);
    site.check("as an older build left it");
}

#[test]
fn a_commit_of_the_largest_answers_is_opened_when_a_crash_kept_it_from_the_anchor() {
    let home = Home::new();
    let mut governed = Governed::begin(Story::begin(home.path("").as_path(), Form::Heads));
    governed.prepare();
    let (begun, token) = (governed.size(), governed.tokens["otto"].clone());
    let paths = governed.story.paths.clone();
    let anchor = fs::read(&paths.anchor).expect("an anchor");
    let (send, receive) = mpsc::channel();
    // Three entries each: submitted, no fallback, blocked.
    let requests: Vec<(_, Reply)> = (0..1024)
        .map(|n| {
            let members = crate::harness::governed::typed(&[
                "capability=probe",
                "locality=moon",
                "mode=worker_stub_execution",
                "ttl_ms:=3600000",
            ]);
            let id = format!("far-{n}");
            let mut request = governed.story.request("founder", "job.submit", "/acme", &id, members);
            request.attestation = None;
            request.credential = Credential::Token(token.clone());
            let (send, dir, killed) = (send.clone(), paths.dir.clone(), home.path("killed"));
            let reply: Reply = Box::new(move |answer| {
                if n == 0 {
                    // The first commit, as a process leaves it that ends here.
                    copy_tree(&dir, &killed);
                }
                let Answer::Receipt(receipt) = answer else { panic!("{answer:?}") };
                let _ = send.send(receipt.entries.len());
            });
            (request, reply)
        })
        .collect();
    drop(send);
    governed.story.ledger.submit_all(requests).expect("taken in");
    assert_eq!(receive.iter().collect::<Vec<_>>(), [3; 1024]);
    let Story { ledger, clock, .. } = governed.story;
    ledger.close().expect("a clean end");
    fs::remove_dir_all(&paths.dir).expect("removed");
    copy_tree(&home.path("killed"), &paths.dir);
    let _ = fs::remove_file(paths.dir.join("ledger.db-shm"));
    fs::write(&paths.anchor, anchor).expect("the anchor of before");
    let options = Options { clock, ..Options::new(paths) };
    let ledger = Ledger::open(options, &mut |_, _| ()).expect("it opens");
    let tail = ledger.look(|world| world.position) - begun;
    assert!((COMMIT as u64 - 8..=COMMIT as u64).contains(&tail), "a tail of {tail}");
}
