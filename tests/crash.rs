//! Does a kill at any system call, at any named point, and again during recovery, lose or change what was
//! acknowledged?
//!
//! CI runs a seeded sample; all of it: `CHANCERY_FULL=1 cargo test --test main crash -- --nocapture`.

#[path = "crash/script.rs"]
mod script;

use crate::harness::site::{Site, Step, UNFINISHED, acks, can_strace, code, finish, full, known_hosts, say};
use crate::harness::strikes::{Strike, WRITES, count};
use crate::harness::{Seeded, ran};
use crate::model::accept;
use chancery_ledger::Point;
use script::{RELAY, START, Scene, script, words};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Kill points that a sample has.
const SAMPLE: usize = 480;

/// Kills a step at a strike; the site as the kill left it, or `None` when the step was over before.
fn kill(scene: &Scene, strike: &Strike) -> Option<Site> {
    let mut site = scene.before.copy();
    let strace = strike.strace(&site, "signal=SIGKILL", false, "/dev/null");
    let strace: Vec<&str> = strace.iter().map(String::as_str).collect();
    let args: Vec<&str> = scene.step.args.iter().map(String::as_str).collect();
    let output = finish(site.under_strace(&strace, &args));
    let killed = output.status.signal() == Some(9) || output.status.code() == Some(137);
    let ran = ran(output);
    site.acks.extend(acks(&ran.stdout));
    killed.then_some(site)
}

/// Opens what a kill left, repeats the step, and holds every promise.
fn recover(mut site: Site, scene: &Scene, context: &str) {
    let args: Vec<&str> = scene.step.args.iter().map(String::as_str).collect();
    match scene.step.name {
        "init" => {
            let probe = site.run(&["do", "scope.create", "--id", "probe"]);
            if probe.code != 0 {
                let code = code(&probe);
                assert!(
                    probe.code == 5 && UNFINISHED.contains(&code.as_str()),
                    "{context}: {}",
                    probe.stderr
                );
                let (exit, verdict) = site.verdict();
                assert_ne!((exit, verdict.as_str()), (0, "authentic"), "{context}");
                return;
            }
            site.acks.extend(acks(&probe.stdout));
            // The pin is the last thing that init writes.
            if !site.path("l.pin").exists() {
                return;
            }
        }
        "key.rotate" => {
            // Whether it happened or not, exactly one of the two keys is in force.
            let with = |file: &str| site.run(&["do", "scope.create", "--id", "probe", "--key-file", file]);
            let (new, old) = (with("new.key"), with("l.keys/founder.key"));
            let (yes, no) = if new.code == 0 { (new, old) } else { (old, new) };
            assert_eq!(yes.code, 0, "{context}: no key is in force: {}", yes.stderr);
            assert_eq!(
                (no.code, code(&no).as_str()),
                (1, "unknown_key"),
                "{context}: both keys are in force"
            );
            site.acks.extend(acks(&yes.stdout));
        }
        "key generate" | "export" => {
            site.act(&["do", "scope.create", "--id", "probe"]);
        }
        "lease resolve" => {
            // What was handed over is known again in what the worker relays.
            let handed = std::fs::read_to_string(site.path("material")).unwrap_or_default();
            site.act(&words(START).iter().map(String::as_str).collect::<Vec<_>>());
            if !handed.is_empty() {
                let text = format!("operator={handed}");
                let relay: Vec<&str> = RELAY.split(' ').chain([text.as_str()]).collect();
                let ran = site.refused(1, "quarantined", &relay);
                site.acks.extend(acks(&ran.stdout));
            }
        }
        _ => {
            // The same request again: its entries once, whatever became of the first.
            let held = scene.before.entries().len() as u64;
            let again = site.act(&args);
            site.act(&args);
            if let Some(adds) = scene.step.adds {
                assert_eq!(site.entries().len() as u64, held + adds, "{context}: {}", again.stdout);
            }
        }
    }
    site.check(context);
    accept(&site.trace(), context);
}

/// A seeded choice of about `most` of what there is; everything in the full regime.
fn sample<T>(mut all: Vec<T>, most: usize, seed: u64) -> Vec<T> {
    let mut random = Seeded::new(seed);
    while !full() && all.len() > most {
        let at = random.below(all.len());
        all.swap_remove(at);
    }
    all
}

/// Runs `work` on each of `items` on two threads, and says how many it did.
fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> usize + Sync) -> usize {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    done.fetch_add(work(item), Ordering::Relaxed);
                }
            });
        }
    });
    done.into_inner()
}

/// Every strike of every scene, counted on two threads.
fn counted(scenes: &[Scene]) -> Vec<(&Scene, Vec<Strike>)> {
    let all: Mutex<BTreeMap<usize, Vec<Strike>>> = Mutex::default();
    let numbers: Vec<usize> = (0..scenes.len()).collect();
    in_parallel(&numbers, |n| {
        let strikes = count(&scenes[*n].before, &scenes[*n].step, WRITES);
        all.lock().expect("strikes").insert(*n, strikes);
        1
    });
    scenes.iter().zip(all.into_inner().expect("strikes").into_values()).collect()
}

#[test]
fn a_kill_at_any_system_call_keeps_every_promise() {
    if !can_strace("kill -9 at every system call that writes") {
        return;
    }
    let scenes = script();
    let mut all: Vec<(&Scene, Strike)> = Vec::new();
    for (scene, strikes) in counted(&scenes) {
        assert!(strikes.len() >= 2, "{}: only {} calls were counted", scene.step.name, strikes.len());
        // The reserve of a new ledger is written in 256 calls, of which a sample looks at a few.
        let alike = |strike: &Strike| !full() && strike.path == "l/reserve" && strike.n % 64 != 1;
        all.extend(strikes.into_iter().filter(|strike| !alike(strike)).map(|strike| (scene, strike)));
    }
    let there = all.len();
    assert!(there >= SAMPLE, "only {there} kill points: is strace counting?");
    let chosen = sample(all, SAMPLE, 1);
    let kinds: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let killed = in_parallel(&chosen, |(scene, strike)| {
        let Some(site) = kill(scene, strike) else { return 0 };
        *kinds.lock().expect("kinds").entry(strike.syscall.clone()).or_default() += 1;
        recover(site, scene, &format!("{} killed at {strike:?}", scene.step.name));
        1
    });
    say(&format!(
        "crash: {killed} kills of {} tried, of {there} points: {:?}",
        chosen.len(),
        kinds.lock().expect("kinds")
    ));
    // A few calls are made or not by chance (a WAL that is reused or not): they are tried and never struck.
    assert!(killed >= 300 && killed * 10 >= chosen.len() * 9, "only {killed} of {} struck", chosen.len());
}

#[test]
fn a_kill_during_recovery_from_a_kill_keeps_every_promise() {
    if !can_strace("kill -9 during recovery from kill -9") {
        return;
    }
    let scenes = script();
    let late = |strike: &Strike| {
        let (call, path) = (strike.syscall.as_str(), strike.path.as_str());
        matches!(
            (call, path),
            ("fsync", "l/ledger.db-wal") | ("write" | "fdatasync", "l.anchor") | ("fsync", "l/ledger.db")
        )
    };
    let mut first: Vec<(&Scene, Strike)> = Vec::new();
    for (scene, strikes) in counted(&scenes) {
        if !matches!(scene.step.name, "init" | "key generate") {
            first.extend(strikes.into_iter().filter(late).map(|strike| (scene, strike)));
        }
    }
    assert!(!first.is_empty(), "no kill point was found");
    let chosen = sample(first, 8, 2);
    let tried = AtomicUsize::new(0);
    let killed = in_parallel(&chosen, |(scene, strike)| {
        let Some(site) = kill(scene, strike) else { return 0 };
        let probe = Step {
            name: "probe",
            args: words("do scope.create --id probe --idempotency-key recovery-probe-1"),
            adds: None,
        };
        // A rotation may have happened: the key that is in force opens the second act.
        let site = if scene.step.name == "key.rotate" { settle(site) } else { site };
        let damaged = Scene { before: site, step: probe };
        let again = sample(count(&damaged.before, &damaged.step, WRITES), 14, 3);
        assert!(!again.is_empty(), "no kill point in the recovery");
        let mut done = 0;
        for second in &again {
            tried.fetch_add(1, Ordering::Relaxed);
            let Some(mut twice) = kill(&damaged, second) else { continue };
            let context = format!("{} killed at {strike:?}, then at {second:?}", scene.step.name);
            let ran =
                twice.act(&["do", "scope.create", "--id", "probe", "--idempotency-key", "recovery-probe-1"]);
            assert_eq!(acks(&ran.stdout).len(), 1, "{context}");
            twice.check(&context);
            accept(&twice.trace(), &context);
            done += 1;
        }
        done
    });
    let tried = tried.into_inner();
    say(&format!("crash: {killed} kills during recovery of {tried} tried"));
    assert!(killed >= 50 && killed * 10 >= tried * 9, "only {killed} of {tried} struck");
}

/// Puts the key in force where the founder's key is looked for, without opening the ledger for writing.
fn settle(site: Site) -> Site {
    let copy = site.copy();
    let ran = copy.run(&["do", "scope.create", "--id", "look", "--key-file", "new.key"]);
    if ran.code == 0 {
        std::fs::copy(site.path("new.key"), site.path("l.keys/founder.key")).expect("copied");
    }
    site
}

/// Ends the import at a named point, and gives the site as that left it.
pub fn end_at(before: &Site, point: Point, passes: u64, args: &[&str]) -> Option<Site> {
    let mut site = before.copy();
    let mut command = site.command(args);
    command.env("CHANCERY_TEST_CRASH", format!("{}:{passes}", point.as_str()));
    let output = finish(command);
    let aborted = output.status.signal() == Some(6);
    let ran = ran(output);
    site.acks.extend(acks(&ran.stdout));
    aborted.then_some(site)
}

#[test]
fn an_end_at_any_named_point_keeps_every_promise() {
    let mut site = Site::begun();
    site.act(&["do", "scope.create", "--id", "acme"]);
    std::fs::write(site.path("hosts"), known_hosts(0, 5)).expect("written");
    let import = ["import", "known-hosts", "hosts", "--scope", "/acme"];
    let mut ends = 0;
    for point in Point::ALL.iter().copied() {
        let mut reached = 0;
        for passes in 0..5 {
            // The point in recovery is reached only from a store that is ahead of its anchor.
            let before = match point {
                Point::AfterRecoverySign if passes > 0 => continue,
                Point::AfterRecoverySign => end_at(&site, Point::AfterCommit, 2, &import).expect("an end"),
                _ => site.copy(),
            };
            let Some(mut ended) = end_at(&before, point, passes, &import) else { continue };
            reached += 1;
            let context = format!("ended at {} after {passes}", point.as_str());
            ended.act(&["do", "scope.create", "--id", "probe"]);
            ended.act(&import);
            ended.check(&context);
            accept(&ended.trace(), &context);
        }
        // A snapshot is due after 65,536 entries, and no command takes one.
        assert!(reached > 0, "{} was never reached", point.as_str());
        ends += reached;
    }
    // The same of every other step, each repeated afterwards.
    let scenes = script();
    let others =
        scenes.iter().filter(|scene| scene.step.adds.is_some() || scene.step.name == "lease resolve");
    let all: Vec<(&Scene, Point, u64)> =
        others.flat_map(|scene| Point::ALL.iter().map(move |point| (scene, *point, 0))).collect();
    let mut chosen = sample(all, 48, 4);
    // Between the lease that was opened and the fingerprints that are recorded, and just after.
    let fetch = scenes.iter().find(|scene| scene.step.name == "lease resolve").expect("a step");
    chosen
        .extend([Point::BeforeCommit, Point::AfterCommit, Point::AfterAnchor].map(|point| (fetch, point, 1)));
    let more = in_parallel(&chosen, |(scene, point, passes)| {
        let args: Vec<&str> = scene.step.args.iter().map(String::as_str).collect();
        let context = format!("{} ended at {} after {passes}", scene.step.name, point.as_str());
        let before = match point {
            Point::AfterRecoverySign => end_at(&scene.before, Point::AfterCommit, 0, &args),
            _ => Some(scene.before.copy()),
        };
        let ended = before.and_then(|before| end_at(&before, *point, *passes, &args));
        recover(ended.unwrap_or_else(|| panic!("{context}: not reached")), scene, &context);
        1
    });
    assert!(more >= 40, "only {more} ends");
    say(&format!("crash: {ends} ends of an import at named points, {more} of other steps"));
}
