//! Can two processes write one ledger, and does the one that may not say so at once?

use crate::harness::Home;
use crate::harness::site::{Site, acks, code, finish};
use crate::harness::story::Story;
use crate::harness::{ran, site};
use chancery_ledger::domains::ledger::Form;
use std::time::{Duration, Instant};

#[test]
fn a_second_writer_is_refused_at_once_and_readers_are_not() {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    let verifier = story.verifier().to_string();
    let dir = home.path("ledger").display().to_string();
    let key = home.path("founder.key");
    let seed =
        home.run(&["key", "generate", "--principal", "founder", "--out", key.to_str().expect("a path")]);
    assert_eq!(seed.code, 0, "{}", seed.stderr);
    let run = |args: &[&str]| {
        let mut command = home.command(&["--json"]);
        command.args(args).env("CHANCERY_DIR", &dir).env("CHANCERY_KEY_FILE", &key);
        ran(finish(command))
    };
    for _ in 0..3 {
        let begun = Instant::now();
        let second = run(&["do", "scope.create", "--id", "second"]);
        assert_eq!((second.code, code(&second).as_str()), (5, "locked"), "{}", second.stderr);
        assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
    }
    for (number, args) in [
        &["log"][..],
        &["show", "0"],
        &["checkpoint"],
        &["export", "--out", "x.chancery"],
        &["verify", "--key", &verifier],
        &["verify", "x.chancery", "--key", &verifier],
    ]
    .into_iter()
    .enumerate()
    {
        let reading = run(args);
        assert_eq!(reading.code, 0, "{args:?}: {} {}", reading.stdout, reading.stderr);
        story.must("founder", "scope.create", "/", &format!("s{number}"), &[]);
    }
    story.ledger.close().expect("a clean end");
    // The lock went with its holder: now it is the key that is not known.
    let second = run(&["do", "scope.create", "--id", "second"]);
    assert_eq!((second.code, code(&second).as_str()), (1, "unknown_key"), "{}", second.stderr);
}

#[test]
fn processes_that_race_for_a_ledger_lose_and_double_nothing() {
    let mut site = Site::begun();
    let found: Vec<site::Ack> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let site = &site;
                scope.spawn(move || {
                    let mut found = Vec::new();
                    for number in 0..12 {
                        let id = format!("r{thread}-{number}");
                        let ran = site.run(&["do", "scope.create", "--id", &id]);
                        let code = code(&ran);
                        assert!(
                            ran.code == 0 || (ran.code == 5 && code == "locked"),
                            "{id}: {code} {}",
                            ran.stderr
                        );
                        found.extend(acks(&ran.stdout));
                    }
                    found
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect()
    });
    assert!(!found.is_empty(), "nobody ever got the lock");
    site.acks.extend(found);
    assert_eq!(site.entries().len(), site.acks.len() + 1, "an entry that nobody was told of");
    site.check("after a race");
}
