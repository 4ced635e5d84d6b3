//! Is what may grow bounded, said when it is full, and over when there is room again?

use crate::harness::Home;
use crate::harness::story::{Story, args, code_of};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::{Answer, Bounds, Code, Reply};
use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A story whose ledger lets only so much grow.
fn bounded(home: &Home, bounds: Bounds) -> Story {
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    let Story { ledger, paths, clock, keys, .. } = story;
    ledger.close().expect("a clean end");
    Story::resume_within(paths, keys, clock, bounds)
}

#[test]
fn a_log_that_a_reader_keeps_from_being_emptied_stops_what_adds_to_risk() {
    let home = Home::new();
    let mut story = bounded(&home, Bounds { wal: 256 << 10, ..Bounds::default() });
    let reader = story.ledger.reader().expect("a reader");
    reader.pin_snapshot().expect("a snapshot");
    let wal = || fs::metadata(home.path("ledger/ledger.db-wal")).expect("a WAL").len();
    let mut created = 0;
    let full = loop {
        let answer = story.ask("founder", "scope.create", "/", &format!("s{created}"), &[]);
        match code_of(&answer) {
            None => created += 1,
            code => break code,
        }
        assert!(created < 200, "the WAL has {} bytes", wal());
    };
    assert_eq!(full, Some(Code::WalFull));
    assert!((1..200).contains(&created) && wal() > 256 << 10, "{created}, {}", wal());
    // What takes away passes, and what adds is told so again.
    story.must("founder", "principal.suspend", "/", "ada", &[]);
    story.no(Code::WalFull, "founder", "scope.create", "/", "later", &[]);
    drop(reader);
    story.must("founder", "scope.create", "/", "later", &[]);
    assert!(wal() < 256 << 10, "the WAL has {} bytes", wal());
    story.reopen();
}

/// 1,024 observations at once; none of an answer when the writer has ended.
fn many(story: &mut Story, first: u64) -> Vec<Answer> {
    let (send, receive) = mpsc::channel();
    let key = story.keys["founder"].public().id();
    let next = story.ledger.look(|world| world.keys.get(key).map_or(1, |key| key.next));
    let requests: Vec<(_, Reply)> = (0..1024)
        .map(|n| {
            let members =
                args(&[("fingerprint", &crate::harness::story::fingerprint(n)), ("source", "known_hosts")]);
            let host = format!("ssh-ed25519:h{}.example:22", first + n);
            let mut request = story.request("founder", "host_key.observe", "/acme", &host, members);
            story.sign(&mut request, "founder", Some(next + n));
            let send = send.clone();
            let reply: Reply = Box::new(move |answer| drop(send.send(answer)));
            (request, reply)
        })
        .collect();
    drop(send);
    if story.ledger.submit_all(requests).is_err() {
        return Vec::new();
    }
    receive.iter().collect()
}

#[test]
fn an_index_that_cannot_be_written_is_tried_again_and_ends_the_writer_when_too_much_waits() {
    let home = Home::new();
    let mut story = bounded(&home, Bounds { unindexed: 6000, ..Bounds::default() });
    let index = rusqlite::Connection::open(story.paths.index()).expect("the index");
    let rows = || -> i64 {
        index.query_row("SELECT count(*) FROM answered", [], |row| row.get(0)).expect("a number")
    };
    let before = rows();
    index.execute_batch("ALTER TABLE answered RENAME TO aside").expect("renamed");
    for round in 0..5 {
        assert_eq!(many(&mut story, round * 1024).len(), 1024);
    }
    // It can be written again: nothing of what waited is lost.
    index.execute_batch("ALTER TABLE aside RENAME TO answered").expect("renamed");
    let begun = Instant::now();
    while rows() < before + 4096 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the index never catches up");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    index.execute_batch("ALTER TABLE answered RENAME TO aside").expect("renamed");
    let mut taken = 0;
    for round in 5..20 {
        let answers = many(&mut story, round * 1024);
        taken += answers.iter().filter(|answer| matches!(answer, Answer::Receipt(_))).count();
        if answers.len() < 1024 {
            break;
        }
    }
    assert!((5000..12_000).contains(&taken), "{taken} were taken before it ended");
    story.no(Code::Stopped, "founder", "scope.create", "/", "later", &[]);
    let Story { ledger, paths, clock, keys, .. } = story;
    let error = ledger.close().expect_err("the writer has ended");
    assert_eq!(error.code, Code::Io, "{error}");
    // The next start makes the index anew from the chain.
    let story = Story::resume(paths, keys, clock);
    let found = story.ledger.reader().expect("a reader").size().expect("a size");
    assert!(found > 10_000, "{found}");
    story.reopen();
}

#[test]
fn what_was_only_counted_is_recorded_when_the_minute_is_over_or_the_ledger_is_closed() {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    let counted = |story: &Story| -> Vec<(i64, i64)> {
        let reader = story.ledger.reader().expect("a reader");
        let mut found = Vec::new();
        reader
            .leaves(0..reader.size().expect("a size"), |_, leaf| {
                let value: serde_json::Value = serde_json::from_slice(leaf).expect("JSON");
                if value["kind"] == "door.counted" {
                    let number = |name: &str| value["data"][name].as_i64().expect("a number");
                    found.push((number("minute"), number("count")));
                }
                Ok(())
            })
            .expect("leaves");
        found
    };
    let noes = |story: &mut Story, count: u64| {
        for n in 0..count {
            let answer = story.ask("founder", "hold.approve", "/", &format!("h{n:016}"), &[]);
            assert!(code_of(&answer).is_some(), "{answer:?}");
        }
    };
    noes(&mut story, 243);
    let story = story.reopen();
    let first = counted(&story);
    assert!(matches!(first[..], [(_, 3)]), "{first:?}");
    // In the same minute again; and while the clock is suspect nothing is recorded, and nothing forgotten.
    let mut story = story;
    noes(&mut story, 5);
    story.clock.advance(0, 90_000);
    story.no(Code::ClockSuspect, "founder", "scope.create", "/", "one", &[]);
    assert_eq!(counted(&story).len(), 1);
    story.must("founder", "ledger.confirm_clock", "/", "", &[]);
    story.pass(60_000);
    story.must("founder", "scope.create", "/", "two", &[]);
    let both = counted(&story);
    assert!(matches!(both[..], [(a, 3), (b, 5)] if a == b), "{both:?}");
}
