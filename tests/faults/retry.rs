//! Does the same idempotency key ever give two entries, or answer a request that it was not given for?

use crate::harness::Home;
use crate::harness::site::{Site, acks, code};
use crate::harness::story::{Story, args};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::{Answer, Code};
use std::fs;

const KEY: &[&str] = &["--idempotency-key", "the-same-key-again"];

fn with_key<'a>(args: &[&'a str]) -> Vec<&'a str> {
    args.iter().chain(KEY).copied().collect()
}

/// Asks again, and holds the answer against the first.
fn replays(site: &Site, command: &[&str], first: &str, context: &str) {
    let held = site.entries().len();
    let again = site.run(command);
    assert_eq!(acks(&again.stdout), acks(first), "{context}: another answer\n{}", again.stderr);
    assert!(again.stdout.contains("\"replay\":true"), "{context}: {}", again.stdout);
    assert_eq!(site.entries().len(), held, "{context}: an entry more");
}

#[test]
fn the_same_request_has_one_answer_whatever_became_of_the_index() {
    let mut site = Site::begun();
    let command = with_key(&["do", "principal.register", "--id", "ada", "kind=human", "role=platform_admin"]);
    let first = site.act(&command).stdout;
    replays(&site, &command, &first, "at once");
    for id in ["one", "two"] {
        site.act(&["do", "scope.create", "--id", id]);
    }
    replays(&site, &command, &first, "after others");
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(site.path(&format!("l/index.db{suffix}")));
    }
    replays(&site, &command, &first, "without an index");
    fs::write(site.path("l/index.db"), vec![0x5a; 8192]).expect("written");
    replays(&site, &command, &first, "with a damaged index");
    // Another ledger's index has an entry at each position that ours has.
    let other = Site::begun();
    for id in ["a", "b", "c", "d"] {
        other.must(&["do", "scope.create", "--id", id]);
    }
    fs::copy(other.path("l/index.db"), site.path("l/index.db")).expect("copied");
    replays(&site, &command, &first, "with another ledger's index");
    let other = Site::begun();
    fs::copy(other.path("l/index.db"), site.path("l/index.db")).expect("copied");
    replays(&site, &command, &first, "with a shorter index of another ledger");
    site.check("after many retries");
}

#[test]
fn an_older_index_of_the_same_ledger_catches_up() {
    let mut site = Site::begun();
    fs::copy(site.path("l/index.db"), site.path("older")).expect("copied");
    let command = with_key(&["do", "scope.create", "--id", "acme"]);
    let first = site.act(&command).stdout;
    fs::copy(site.path("older"), site.path("l/index.db")).expect("copied");
    replays(&site, &command, &first, "with an older index");
}

#[test]
fn a_no_is_replayed_as_the_same_no() {
    let mut site = Site::begun();
    site.act(&["do", "scope.create", "--id", "acme"]);
    let command = with_key(&["do", "scope.create", "--id", "acme"]);
    let first = site.run(&command);
    assert_eq!((first.code, code(&first).as_str()), (1, "scope_exists"), "{}", first.stderr);
    let again = site.run(&command);
    assert_eq!((again.code, code(&again).as_str()), (1, "scope_exists"), "{}", again.stderr);
    assert_eq!(acks(&again.stdout), acks(&first.stdout));
}

#[test]
fn the_same_key_for_another_request_is_a_conflict() {
    let site = Site::begun();
    site.must(&with_key(&["do", "principal.register", "--id", "ada", "kind=human", "role=platform_admin"]));
    let held = site.entries();
    for other in [
        &["do", "principal.register", "--id", "ada", "kind=human", "role=auditor"][..],
        &["do", "principal.register", "--id", "ada", "kind=human", "role=platform_admin", "name=Ada"],
        &["do", "principal.register", "--id", "eve", "kind=human", "role=platform_admin"],
    ] {
        site.refused(1, "idempotency_conflict", &with_key(other));
    }
    assert_eq!(site.entries(), held, "a conflict left an entry");
    // Another action has keys of its own.
    site.must(&with_key(&["do", "scope.create", "--id", "acme"]));
}

#[test]
fn a_key_that_occurs_twice_in_an_argument_is_refused() {
    let site = Site::begun();
    let held = site.entries();
    for text in [r#"name:={"a":1,"a":2}"#, r#"name:={"a":1,"\u0061":2}"#] {
        site.refused(
            2,
            "duplicate_key",
            &["do", "principal.register", "--id", "ada", "kind=human", "role=auditor", text],
        );
    }
    assert_eq!(site.entries(), held);
}

#[test]
fn sixteen_threads_with_one_key_get_one_entry() {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    let reader = story.ledger.reader().expect("a reader");
    for round in 0..8 {
        let before = reader.size().expect("a size");
        let key = story.fresh_key();
        let id = format!("t{round}");
        let requests: Vec<_> = (0..16)
            .map(|thread| {
                // Half of them ask for something else under the same key.
                let name = if thread % 2 == 0 { "Even" } else { "Odd" };
                let members = args(&[("kind", "human"), ("role", "auditor"), ("name", name)]);
                (
                    thread % 2,
                    story.request_with("founder", "principal.register", "/", &id, members, key.clone()),
                )
            })
            .collect();
        let ledger = &story.ledger;
        let answers: Vec<(i32, Answer)> = std::thread::scope(|scope| {
            let threads: Vec<_> = requests
                .into_iter()
                .map(|(kind, request)| scope.spawn(move || (kind, ledger.submit(request))))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
        });
        assert_eq!(reader.size().expect("a size"), before + 1, "round {round}: not one entry");
        let mut won = Vec::new();
        let mut fresh = 0;
        for (kind, answer) in &answers {
            match answer {
                Answer::Receipt(receipt) => {
                    assert_eq!(receipt.entries.len(), 1);
                    assert_eq!(receipt.entries[0].position, before);
                    won.push(*kind);
                    fresh += usize::from(!receipt.replay);
                }
                Answer::Conflict(conflict) => assert_eq!(conflict.code, Code::IdempotencyConflict),
                Answer::Failed(error) => panic!("round {round}: {error}"),
            }
        }
        assert_eq!((won.len(), fresh), (8, 1), "round {round}: {answers:?}");
        won.dedup();
        assert_eq!(won.len(), 1, "round {round}: one key answered two requests");
    }
    let story = story.reopen();
    assert_eq!(
        story.ledger.reader().expect("a reader").size().expect("a size"),
        reader.size().expect("a size")
    );
}
