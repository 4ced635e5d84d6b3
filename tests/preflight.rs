//! What stands between a job and live work? The words of a preflight that no ledger of this build can bring about,
//! because live work is denied before there is a job.

use crate::harness::Home;
use crate::harness::story::{Story, args, scope};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::domains::preflight::{CHECKS, ENABLEMENT, GATES};
use chancery_ledger::domains::{self, Asked, Facts, World, action_spec, parse_action, write_event};
use serde_json::{Value, json};

const AT: &str = "/acme/lab/env";
const JOB: &str = "/jobs/live/~1acme~1lab~1env j-1";

/// A world in which a job of the live mode lacks nothing but an implementation.
fn world() -> Value {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    story.work();
    story.must("founder", "scope.create", "/acme", "lab", &[]);
    story.must("founder", "scope.create", "/acme/lab", "env", &[]);
    for at in ["/", "/acme", "/acme/lab", AT] {
        let words = ["ttl_ms:=600000", "runbook=live"];
        story.confirmed("founder", "switch.turn_on", at, "worker_ssh_live_nonproduction", &words);
    }
    story.job("j-1");
    story.grant("g-1", "j-1");
    story.did("w-1", "claim.acquire", "/acme", "j-1", &["ttl_ms:=600000"]);
    story.lease("l-1", "g-1", "j-1");
    let mut world = story.ledger.look(|world| serde_json::to_value(world).expect("JSON"));
    // No request can do this: the job is moved, and made live.
    for (table, id) in [
        ("jobs", "j-1"),
        ("grants", "g-1"),
        ("leases", "l-1"),
        ("host_keys", "ssh-ed25519:host-1.example:22"),
    ] {
        let live = world[table]["live"].as_object_mut().expect("a table");
        let moved = live.remove(&format!("/acme {id}")).unwrap_or_else(|| panic!("{table} {id}"));
        live.insert(format!("{AT} {id}"), moved);
    }
    *world.pointer_mut(&format!("{JOB}/mode")).expect("a mode") = json!("worker_ssh_live_nonproduction");
    world
}

/// What failed: of the checks, the gates, and the conditions.
fn failed(world: &Value) -> [Vec<(String, String)>; 3] {
    let world: World = serde_json::from_value(world.clone()).expect("a world");
    let action =
        parse_action(action_spec("preflight.evaluate").expect("an action"), b"{}").expect("an action");
    let (at, none) = (scope(AT), args(&[]));
    let asked = Asked {
        actor: "otto",
        log: "story.example/e1",
        scope: &at,
        id: "j-1",
        args: &none,
        fresh: &[0; 32],
        now: world.time,
        wall: world.time,
    };
    let drafts = domains::decide(&world, &Facts::default(), &action, &asked).expect("a yes");
    let mut data = Vec::new();
    write_event(&drafts[0].event, &mut data).expect("an event");
    let data: Value = serde_json::from_slice(&data).expect("JSON");
    assert_eq!((&data["passed"], &data["stopped_at"]), (&json!(false), &json!("before_ssh")));
    let mut told = [("checks", &CHECKS[..]), ("gates", &GATES[..]), ("enablement", &ENABLEMENT[..])].map(
        |(list, names)| {
            let rows = data[list].as_array().expect("a list");
            let found: Vec<&str> = rows.iter().map(|row| row["name"].as_str().expect("a name")).collect();
            assert_eq!(found, names, "{list}");
            let no = rows.iter().filter(|row| row["passed"] == false);
            let word = |row: &Value, name: &str| row[name].as_str().expect("a word").to_owned();
            no.map(|row| (word(row, "name"), word(row, "why"))).collect::<Vec<_>>()
        },
    );
    // In this build live work is never enabled, and the last condition says why.
    assert_eq!(told[0].pop().expect("a no"), ("live_mode".to_owned(), "not_enabled".to_owned()));
    assert_eq!(told[2].pop().expect("a no"), ("final_implementation".to_owned(), "not_met".to_owned()));
    told
}

fn names(found: &[(String, String)]) -> Vec<&str> {
    found.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn live_work_lacks_an_implementation_even_when_it_lacks_nothing_else() {
    assert_eq!(failed(&world()), [const { Vec::new() }; 3]);
}

#[test]
fn each_gate_is_told_when_it_is_closed() {
    let whole = world();
    let check = |pointer: &str, value: Value, checks: &[&str], gates: &[(&str, &str)]| {
        let mut world = whole.clone();
        *world.pointer_mut(pointer).unwrap_or_else(|| panic!("no `{pointer}`")) = value;
        let [found, closed, _] = failed(&world);
        assert_eq!(names(&found), checks, "{pointer}");
        let closed: Vec<(&str, &str)> =
            closed.iter().map(|(name, why)| (name.as_str(), why.as_str())).collect();
        assert_eq!(closed, gates, "{pointer}");
    };
    let worker = "/workers/live/w-1";
    check(&format!("{worker}/suspended"), json!(true), &[], &[("worker", "worker_disabled")]);
    check(
        &format!("{worker}/to"),
        json!("/acme2"),
        &[],
        &[("worker", "worker_scope_wrong"), ("scope", "worker_scope_wrong")],
    );
    check(
        "/host_keys/live/~1acme~1lab~1env ssh-ed25519:host-1.example:22/trust",
        json!("bootstrap"),
        &["host_key_trust"],
        &[("host_key", "bootstrap")],
    );
    check(&format!("{worker}/targets"), json!([]), &["target_route"], &[("route", "not_assigned")]);
    check(
        "/capabilities/live/access_test/commands",
        json!([["ssh"]]),
        &["command_allowlist"],
        &[("command", "not_listed")],
    );
    check(&format!("{JOB}/grants"), json!([]), &["grant_lease"], &[("grant", "no_live_grant")]);
    check(
        &format!("{JOB}/leases"),
        json!([]),
        &[],
        &[("lease", "no_open_lease"), ("provider", "no_open_lease")],
    );
    // The switch counts that stops the job's worker, not one that stops whoever asks.
    let kill =
        |id: &str| json!([{"scope": "/acme", "target": "principal", "id": id, "by": "ada", "position": 1}]);
    check("/switches/kills", kill("w-1"), &[], &[("emergency_disable", "engaged")]);
    check("/switches/kills", kill("otto"), &[], &[]);
}

#[test]
fn each_condition_of_enablement_is_told_when_it_is_not_met() {
    let whole = world();
    let feature = "/switches/features/worker_ssh_live_nonproduction";
    let kill = |scope: &str, target: &str, id: &str| json!([{"scope": scope, "target": target, "id": id, "by": "ada", "position": 1}]);
    let marks = whole.pointer(feature).expect("marks").clone();
    let without = |at: &str| {
        let mut marks = marks.clone();
        marks.as_array_mut().expect("marks").retain(|mark| mark[0] != at);
        marks
    };
    let mut unread = marks.clone();
    unread.as_array_mut().expect("marks").iter_mut().for_each(|mark| mark[2] = Value::Null);
    let enabled = "/capabilities/live/access_test/marks";
    let disabled = |at: &str| json!([["/acme", true], [at, false]]);
    for (pointer, value, expected) in [
        (feature, without("/"), &["global_flag", "runbook_acknowledged"][..]),
        (feature, without(AT), &["environment_flag"]),
        (feature, unread, &["runbook_acknowledged"]),
        (enabled, disabled("/acme/lab"), &["organization_allowlist", "environment_allowlist"]),
        (enabled, disabled(AT), &["environment_allowlist"]),
        ("/switches/kills", kill("/acme", "principal", "w-1"), &["no_worker_deny"]),
        ("/switches/kills", kill("/acme/lab", "scope", "stop"), &["no_organization_deny"]),
        ("/switches/kills", kill(AT, "scope", "stop"), &["no_environment_deny"]),
    ] {
        let mut world = whole.clone();
        *world.pointer_mut(pointer).unwrap_or_else(|| panic!("no `{pointer}`")) = value;
        assert_eq!(names(&failed(&world)[2]), expected, "{pointer}");
    }
    // Once its time is over a flag is off, and what was read for it must be read again.
    let mut world = whole.clone();
    for mark in world.pointer_mut(feature).and_then(Value::as_array_mut).expect("marks") {
        mark[1] = json!(1);
    }
    let expected = ["global_flag", "environment_flag", "runbook_acknowledged"];
    assert_eq!(names(&failed(&world)[2]), expected);
}
