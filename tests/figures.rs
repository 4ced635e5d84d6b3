//! Do the measurements run, and do they say what they were made under? Nothing here asks how fast.

use crate::harness::Home;
use std::collections::BTreeSet;

fn figures(home: &Home, sign: &str) -> serde_json::Value {
    let args = ["--json", "bench", "all", "--entries", "1500", "--sign", sign, "--on", "."];
    let ran = home.expect(0, &args);
    serde_json::from_str(&ran.stdout).expect("JSON")
}

#[test]
fn every_figure_is_measured_with_its_limit_and_its_conditions() {
    let home = Home::new();
    let all = figures(&home, "heads");
    let list = all["figures"].as_array().expect("figures");
    let names: BTreeSet<&str> = list.iter().map(|figure| figure["name"].as_str().expect("a name")).collect();
    for name in [
        "append.1",
        "append.64",
        "append.1024",
        "canonical.large",
        "canonical.large.jcs",
        "canonical.small",
        "canonical.small.jcs",
        "clock.pair",
        "decide.1",
        "decide.16",
        "decide.64",
        "decide.256",
        "gate.call",
        "gate.call.by_id",
        "gate.call.dearest",
        "gate.call.kill",
        "gate.evaluate",
        "gate.evaluate.dearest",
        "gate.evaluate.writing",
        "gate.grants.few",
        "gate.grants.many",
        "gate.grants.uniform",
        "http.invoke.1",
        "http.invoke.16",
        "http.invoke.64",
        "http.invoke.256",
        "http.memory",
        "http.page",
        "http.row",
        "http.unchanged",
        "http.visible",
        "http.visible.due",
        "record.1",
        "record.16",
        "record.64",
        "record.256",
        "rebuild",
        "rebuild.memory",
        "rebuild.rows",
        "recompute",
        "recompute.2",
        "restart",
        "restart.full",
        "sse.burst",
        "sse.memory",
        "sse.paced",
        "stored.beyond",
        "verify.attested",
        "verify.attested.2",
        "verify.increment",
        "verify.screen",
        "verify.screen.2",
        "verify.unattested",
        "verify.unattested.2",
        "verify.whole",
        "visible",
    ] {
        assert!(names.contains(name), "no figure `{name}` among {names:?}");
    }
    assert_eq!(names.len(), list.len(), "a figure is found again by its name");
    for figure in list {
        assert_eq!(figure["target"].is_null(), figure["met"].is_null(), "{figure}");
        assert!(!figure["conditions"].as_str().expect("conditions").is_empty(), "{figure}");
        assert_eq!(figure["limit"].is_null(), figure["ratio"].is_null(), "a ratio is of a limit: {figure}");
        let measured = ["p50_ns", "per_second", "kilobytes", "bytes"]
            .iter()
            .any(|unit| figure[unit].as_u64().is_some_and(|n| n > 0));
        assert!(measured, "{figure}");
    }
    // Every line of the table of targets is of a figure that there is.
    let aimed = list.iter().filter(|figure| figure["target"].is_string()).count();
    let table = include_str!("../cli/src/targets.rs");
    let lines: BTreeSet<&str> =
        table.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next()).collect();
    assert_eq!(aimed, lines.len(), "{lines:?}");
    std::fs::write(home.path("before.json"), all.to_string()).expect("written");
    let again = home.expect(0, &["bench", "canonical", "--against", "before.json"]);
    assert!(again.stdout.contains(" times what it was, was "), "{}", again.stdout);
    assert!(again.stdout.contains(": at most 1.50"), "{}", again.stdout);
    let again = home.expect(0, &["bench", "canonical", "--against", "before.json", "--json"]);
    let again: serde_json::Value = serde_json::from_str(&again.stdout).expect("JSON");
    assert_eq!(again["against"], all["conditions"]);
    for figure in again["figures"].as_array().expect("figures") {
        let against = &figure["against"];
        let before = list.iter().find(|earlier| earlier["name"] == figure["name"]).expect("an earlier one");
        assert_eq!(&against["earlier"], before);
        assert_eq!(against["measured"], "per_second");
        assert!(against["times"].is_string() && against["ratio"].is_string(), "{figure}");
    }
    // What is no run is refused before anything is measured.
    std::fs::write(home.path("before.json"), "{}").expect("written");
    home.expect(2, &["bench", "all", "--against", "before.json"]);
    assert_eq!(std::fs::read_dir(home.path("")).expect("the home").count(), 1, "nothing is left behind");
}

#[test]
fn the_form_with_a_signature_in_every_entry_is_measured_as_well() {
    let home = Home::new();
    let all = figures(&home, "entries");
    assert!(all["conditions"].as_str().expect("conditions").contains("entries"));
}
