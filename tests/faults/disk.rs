//! Does a disk that fails once, or from some moment on, ever yield a success that is not durable, or a hang?

use crate::harness::site::{Site, Step, acks, can_strace, code, finish, full, known_hosts, say};
use crate::harness::strikes::{Strike, count};
use crate::harness::{Seeded, ran};
use std::collections::BTreeMap;
use std::fs;

/// Calls that are made to fail.
const CALLS: &str = "write,pwrite64,fsync,fdatasync,ftruncate";

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Runs a step while a call fails; what must hold during and after. `None` when no call failed.
fn fail(before: &Site, step: &Step, strike: &Strike, error: &str, for_ever: bool) -> Option<String> {
    let mut site = before.copy();
    let context = format!("{}: {error} at {strike:?}, for ever: {for_ever}", step.name);
    let log = site.path("strace.log").display().to_string();
    let strace = strike.strace(&site, &format!("error={error}"), for_ever, &log);
    let strace: Vec<&str> = strace.iter().map(String::as_str).collect();
    let args: Vec<&str> = step.args.iter().map(String::as_str).collect();
    let output = finish(site.under_strace(&strace, &args));
    if !fs::read_to_string(&log).expect("a log").contains("INJECTED") {
        return None;
    }
    let struck = ran(output);
    let said = match struck.code {
        // What was said with a yes is durable; a fault that nothing depends on may pass.
        0 => "yes".to_owned(),
        5 => code(&struck),
        other => panic!("{context}: exit {other}\n{}", struck.stderr),
    };
    // `stopped`: the writer ended after it had answered the line before, and this one was not begun.
    let stopped = said == "stopped" && step.name == "import";
    let may = stopped || ["yes", "outcome_unknown", "io"].contains(&said.as_str());
    // With stdout gone, nothing can be said on it.
    let mute = said.is_empty() && strike.syscall == "write" && strike.path.is_empty();
    assert!(may || mute, "{context}: {said}\n{}", struck.stderr);
    site.acks.extend(acks(&struck.stdout));
    let held = before.entries().len() as u64;
    site.act(&args);
    site.act(&args);
    if let Some(adds) = step.adds {
        assert_eq!(site.entries().len() as u64, held + adds, "{context}: not one entry");
    }
    if said == "yes" && step.adds.is_some() {
        assert!(!acks(&struck.stdout).is_empty(), "{context}: a yes without a receipt");
    }
    site.check(&context);
    Some(said)
}

#[test]
fn a_disk_that_fails_never_yields_a_success_that_is_not_durable() {
    if !can_strace("EIO and ENOSPC at every write and sync") {
        return;
    }
    let mut site = Site::begun();
    site.act(&["do", "scope.create", "--id", "acme"]);
    fs::write(site.path("hosts"), known_hosts(0, 3)).expect("written");
    let key = "--idempotency-key faults-of-a-disk";
    let one = Step { name: "do", args: words(&format!("do scope.create --id one {key}")), adds: Some(1) };
    let import = Step { name: "import", args: words("import known-hosts hosts --scope /acme"), adds: None };
    let mut chosen: Vec<(&Step, Strike, &str, bool)> = Vec::new();
    for step in [&one, &import] {
        let strikes = count(&site, step, CALLS);
        assert!(strikes.len() > 20, "{}: only {} calls", step.name, strikes.len());
        for strike in strikes.into_iter().filter(|strike| strike.path != "trace") {
            for (error, for_ever) in [("EIO", false), ("EIO", true), ("ENOSPC", false), ("ENOSPC", true)] {
                chosen.push((step, strike.clone(), error, for_ever));
            }
        }
    }
    let there = chosen.len();
    let mut random = Seeded::new(4);
    while !full() && chosen.len() > 200 {
        let at = random.below(chosen.len());
        chosen.swap_remove(at);
    }
    let mut said: BTreeMap<String, usize> = BTreeMap::new();
    for (step, strike, error, for_ever) in &chosen {
        let what = fail(&site, step, strike, error, *for_ever).unwrap_or_else(|| "not reached".to_owned());
        *said.entry(what).or_default() += 1;
    }
    say(&format!("faults: {} failing calls of {there}: {said:?}", chosen.len()));
    assert!(said.get("outcome_unknown").is_some_and(|n| *n > 5), "no commit was struck: {said:?}");
    assert!(said.get("not reached").is_none_or(|n| n * 10 < chosen.len()), "{said:?}");
}

#[test]
fn a_receipt_that_cannot_be_written_is_no_yes() {
    let site = Site::begun();
    let stdout = fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let mut command =
        site.command(&["do", "scope.create", "--id", "acme", "--idempotency-key", "nobody-saw-this-1"]);
    let output = command.stdout(stdout).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    let again = site.must(&["do", "scope.create", "--id", "acme", "--idempotency-key", "nobody-saw-this-1"]);
    assert!(again.stdout.contains("\"replay\":true"), "{}", again.stdout);
}
