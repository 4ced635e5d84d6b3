//! Does ledger time ever go back, and does a clock that jumped stop appending until somebody confirms it?

use crate::harness::Home;
use crate::harness::site::Site;
use crate::harness::story::Story;
use chancery_ledger::Code;
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::format::entry;
use std::fs;

const NOW: i64 = 1_800_000_000_000;
const HOUR: i64 = 3_600_000;

fn times(story: &Story) -> Vec<i64> {
    let reader = story.ledger.reader().expect("a reader");
    let mut times = Vec::new();
    let size = reader.size().expect("a size");
    reader
        .leaves(0..size, |_, leaf| {
            times.push(entry::read(leaf).expect("an entry").time);
            Ok(())
        })
        .expect("leaves");
    times
}

#[test]
fn a_jump_of_either_clock_stops_appending_until_it_is_confirmed() {
    // Wall and monotonic progress that disagree by more than a minute.
    for (wall, monotonic) in
        [(-HOUR, 0), (HOUR, 0), (-10 * 8766 * HOUR, 1000), (10 * 8766 * HOUR, 1000), (0, 61_000), (61_001, 0)]
    {
        let home = Home::new();
        let mut story = Story::begin(home.path("").as_path(), Form::Heads);
        story.cast();
        story.clock.advance(wall, monotonic);
        let context = format!("wall {wall}, monotonic {monotonic}");
        let held = times(&story).len();
        for id in ["one", "two"] {
            story.no(Code::ClockSuspect, "founder", "scope.create", "/", id, &[]);
        }
        assert_eq!(times(&story).len(), held, "{context}: something was appended");
        // It does not heal by itself when the wall goes back.
        story.clock.advance(-wall, 0);
        story.no(Code::ClockSuspect, "founder", "scope.create", "/", "three", &[]);
        story.clock.advance(wall, 0);
        story.must("founder", "ledger.confirm_clock", "/", "", &[]);
        story.must("founder", "scope.create", "/", "four", &[]);
        story.clock.advance(10, 10);
        story.must("founder", "scope.create", "/", "five", &[]);
        let times = times(&story);
        assert!(times.is_sorted(), "{context}: time goes back: {times:?}");
        if wall > 0 {
            assert!(
                times.last().expect("a time") - times[0] >= wall,
                "{context}: the confirmed time was not taken"
            );
        }
    }
}

#[test]
fn a_small_difference_is_no_jump_and_never_goes_back() {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    for (number, (wall, monotonic)) in
        [(-1000, 0), (-30_000, 10), (0, 0), (59_000, 0), (-59_000, 5), (0, 0)].iter().enumerate()
    {
        story.clock.advance(*wall, *monotonic);
        story.must("founder", "scope.create", "/", &format!("s{number}"), &[]);
    }
    let times = times(&story);
    assert!(times.is_sorted(), "{times:?}");
}

/// Runs with the wall clock of a file.
fn at(site: &Site, wall: i64, args: &[&str]) -> crate::harness::Ran {
    fs::write(site.path("clock"), wall.to_string()).expect("written");
    let mut command = site.command(args);
    command.env("CHANCERY_TEST_CLOCK", site.path("clock"));
    crate::harness::ran(crate::harness::site::finish(command))
}

fn last_time(site: &Site) -> i64 {
    let log = site.must(&["log"]).stdout;
    let line: serde_json::Value = serde_json::from_str(log.lines().last().expect("a line")).expect("JSON");
    line["time"].as_i64().expect("a time")
}

#[test]
fn a_start_long_before_the_last_entry_appends_nothing_until_it_is_confirmed() {
    let site = Site::new();
    let yes = |ran: crate::harness::Ran| assert_eq!(ran.code, 0, "{}", ran.stderr);
    yes(at(&site, NOW, &["init", "--name", "bad.example", "--no-token", "--stage", "test"]));
    yes(at(&site, NOW + HOUR, &["do", "scope.create", "--id", "one"]));
    // A process that is slow adds what its own clock counted meanwhile.
    assert!((NOW + HOUR..NOW + HOUR + 60_000).contains(&last_time(&site)));
    // Within five minutes the clock may be behind; time stands still meanwhile.
    yes(at(&site, NOW + HOUR - 299_000, &["do", "scope.create", "--id", "two"]));
    assert!(last_time(&site) >= NOW + HOUR);
    let late = at(&site, NOW, &["do", "scope.create", "--id", "three"]);
    assert_eq!(
        (late.code, crate::harness::site::code(&late).as_str()),
        (5, "clock_suspect"),
        "{}",
        late.stderr
    );
    yes(at(&site, NOW, &["do", "ledger.confirm_clock"]));
    assert!(last_time(&site) >= NOW + HOUR, "time went back");
    // What was confirmed holds for the processes after it, whatever they ask.
    yes(at(&site, NOW + 1000, &["do", "scope.create", "--id", "after"]));
    yes(at(&site, NOW + 2000, &["do", "switch.engage", "--scope", "/after", "--id", "stop", "target=scope"]));
    yes(at(&site, NOW + 3000, &["sweep"]));
    let earlier = at(&site, NOW - HOUR, &["do", "scope.create", "--id", "three"]);
    assert_eq!(crate::harness::site::code(&earlier), "clock_suspect", "{}", earlier.stderr);
    yes(at(&site, NOW + 2 * HOUR, &["do", "scope.create", "--id", "four"]));
    assert!((NOW + 2 * HOUR..NOW + 2 * HOUR + 60_000).contains(&last_time(&site)));
    site.check("after a clock that was behind");
}

#[test]
fn switches_for_tests_work_at_stage_test_only() {
    let site = Site::new();
    fs::write(site.path("clock"), "1000").expect("written");
    let run = |args: &[&str]| {
        let mut command = site.command(args);
        command.env("CHANCERY_TEST_CLOCK", site.path("clock")).env("CHANCERY_TEST_CRASH", "before_commit");
        crate::harness::ran(crate::harness::site::finish(command))
    };
    for args in [
        &["init", "--name", "real.example", "--no-token", "--stage", "staging"][..],
        &["do", "scope.create", "--id", "acme"],
    ] {
        let ran = run(args);
        assert_eq!(ran.code, 0, "{args:?}: a switch for tests was honoured: {}", ran.stderr);
        assert!(last_time(&site) > 1_000_000_000_000, "{args:?}: the clock was a file");
    }
    assert_eq!(site.trace(), Vec::<String>::new());
}
