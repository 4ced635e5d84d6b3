//! Does a worker do exactly what the ledger says, and is nothing left behind when it does not? And does a drill that
//! shows something else say so?

use crate::cli::{NO, YES, act, act_as, begun, enrolled, holds, object, objects, row};
use crate::harness::{Home, ran};
use chancery_ledger::format::ids::{IdempotencyKey, Scope};
use chancery_ledger::format::json;
use chancery_ledger::gate::{Credential, new_request};
use chancery_ledger::store::Paths;
use chancery_ledger::{Answer, Clock, Code, Ledger, Options};
use serde_json::Value;

const AT: [&str; 2] = ["--scope", "/acme"];
const FOUNDER: &str = "ledger.keys/founder.key";

/// A second administrator, who confirms.
pub fn ada(home: &Home) {
    act(home, YES, &["principal.register", "--id", "ada", "kind=human", "role=platform_admin"]);
    act(home, YES, &["principal.activate", "--id", "ada"]);
    home.expect(YES, &["key", "generate", "--principal", "ada", "--out", "ada.key"]);
    let proof = home.expect(YES, &["key", "prove", "ada.key", "--log", "cli.example/e1"]).stdout;
    act(home, YES, &proof.split_whitespace().collect::<Vec<_>>());
}

/// Asks, has ada confirm it, asks again.
fn confirmed(home: &Home, scope: &str, args: &[&str]) {
    let args = [args, &["--scope", scope]].concat();
    let held = object(home, NO, &[&["do", "--key-file", FOUNDER], &args[..]].concat());
    let hold = held["hold"].as_str().expect("a hold");
    act_as(home, YES, "ada.key", &["hold.approve", "--id", hold, "--scope", scope]);
    act(home, YES, &args);
}

/// A ledger with workers `hand` and `other` that may run `commands`, and `keep` under a grant.
pub fn site(commands: &str) -> Home {
    let home = begun();
    // As long as there is one administrator, that one activates whom it registered.
    for id in ["hand", "other"] {
        enrolled(&home, id, "worker", "worker");
    }
    ada(&home);
    let commands = format!("commands:={commands}");
    confirmed(&home, "/", &["capability.register", "--id", "facts", "risk=low", &commands]);
    confirmed(&home, "/acme", &["capability.enable", "--id", "facts"]);
    confirmed(&home, "/", &["capability.register", "--id", "keep", "risk=low", "grant:=true"]);
    confirmed(&home, "/acme", &["capability.enable", "--id", "keep"]);
    for scope in ["/", "/acme"] {
        confirmed(&home, scope, &["switch.turn_on", "--id", "worker_local_read_only", "ttl_ms:=3600000"]);
    }
    for id in ["hand", "other"] {
        let key = format!("{id}.key");
        let both = r#"capabilities:=["facts","keep"]"#;
        act(&home, YES, &["worker.promote", "--id", id, "trust=standard", AT[0], AT[1]]);
        let declared = ["worker.declare", "--id", id, both, "locality=here", "redaction:=true", AT[0], AT[1]];
        act_as(&home, YES, &key, &declared);
        act(&home, YES, &["worker.assign", "--id", id, both, "to=/acme", AT[0], AT[1]]);
        let fit = ["worker.report", "--id", id, "health=healthy", "ttl_ms:=3600000", AT[0], AT[1]];
        act_as(&home, YES, &key, &fit);
    }
    home
}

pub fn submit(home: &Home, id: &str, command: &str) {
    let command = format!("command:={command}");
    let words = ["job.submit", "--id", id, "capability=facts", "mode=worker_local_read_only"];
    act(home, YES, &[&words[..], &["ttl_ms:=3600000", &command, AT[0], AT[1]]].concat());
}

fn run<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["worker", "run", "--key-file", "hand.key", AT[0], AT[1]], more].concat()
}

pub fn kinds(receipt: &Value) -> Vec<&str> {
    receipt["entries"].as_array().into_iter().flatten().filter_map(|entry| entry["kind"].as_str()).collect()
}

/// Private parts of the events of a job that count.
pub fn told(home: &Home, job: &str) -> Vec<Value> {
    let lines = objects(home, YES, &["log", "--kind", "transcript.appended", "--id", job]);
    let shown = |line: &Value| {
        let position = line["position"].to_string();
        object(home, YES, &["show", &position, "--private"])["parts"]["private"].clone()
    };
    lines.iter().map(shown).collect()
}

#[test]
fn a_command_is_run_to_the_letter_and_told_as_far_as_it_may_be() {
    let files = Home::new();
    let (leak, wide, odd) = (files.path("leak"), files.path("wide"), files.path("odd"));
    std::fs::write(&leak, "password=Xk29-plum-Vatn7\n").expect("a file");
    std::fs::write(&wide, "\u{6771}".repeat(3000)).expect("a file");
    std::fs::write(&odd, b"a\tb\n\xef\xbf\xbe\xff\xfe\0c\x1b[0m").expect("a file");
    let text = |path: &std::path::Path| path.to_str().expect("a path").to_owned();
    let commands = serde_json::json!([
        ["printf", "%s|", "$HOME; touch x", "*", "a  b", "`id`", ""],
        ["env"],
        ["cat", text(&leak)],
        ["cat", text(&wide)],
        ["cat", text(&odd)],
        ["no-such-program-here"],
        ["false"],
        ["sleep", "30"],
    ]);
    let home = site(&commands.to_string());
    let all = commands.as_array().expect("commands");
    for (index, (kind, detail)) in [
        ("job.succeeded", "$HOME; touch x|*|a  b|`id`||"),
        ("job.succeeded", "PATH=/usr/bin:/bin:/usr/sbin:/sbin\n"),
        ("job.succeeded", ""),
        ("job.succeeded", "\u{6771}"),
        ("job.succeeded", "a\tb\n\u{fffd}\u{fffd}c[0m"),
        ("job.failed", "No such file"),
        ("job.failed", ""),
        ("job.failed", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let (job, command) = (format!("j-{index}"), all[index].to_string());
        submit(&home, &job, &command);
        let began = std::time::Instant::now();
        let answer = object(&home, YES, &run(&["--job", &job, "--ttl-ms", "6000"]));
        holds("worker run", &answer, &row("worker run"));
        assert_eq!(kinds(&answer), ["job.result_accepted", kind], "{command}: {answer}");
        assert!(began.elapsed().as_secs() < 20, "{command}");
        let told = told(&home, &job);
        // It begins, each line by itself, it ends.
        let details: Vec<&str> = told.iter().filter_map(|part| part["technical"].as_str()).collect();
        let technical = details.join("\n");
        let lines = detail.split_terminator('\n').count() + usize::from(index == 2) - usize::from(index == 5);
        assert_eq!(told.len(), 2 + lines, "{told:?}");
        match index {
            3 => assert!(
                technical.len() <= 2000 && technical.chars().filter(|c| *c == '\u{6771}').count() > 600
            ),
            5 => assert!(technical.starts_with(detail), "{told:?}"),
            _ => assert_eq!(technical, detail.trim_end(), "{command}: {told:?}"),
        }
        for part in &told[1..] {
            let said = part["operator"].as_str().expect("text");
            assert_eq!(said.contains("withheld"), index == 2, "{told:?}");
            assert!(!said.contains("$HOME") && !said.contains("PATH"), "operators get no raw text: {told:?}");
        }
    }
    let quarantined = objects(&home, YES, &["log", "--kind", "transcript.quarantined"]);
    assert_eq!(quarantined.len(), 1, "{quarantined:?}");
    assert!(!home.path("x").exists());
    home.expect(YES, &["verify", "--pin", "ledger.pin"]);
}

#[test]
fn a_worker_gives_back_what_it_cannot_do() {
    let home = site(r#"[["true"]]"#);
    let free = |job: &str| {
        let claim = ["claim.acquire", "--id", job, "ttl_ms:=60000", AT[0], AT[1]];
        act_as(&home, YES, "other.key", &claim);
    };
    let keep = ["capability=keep", "mode=worker_stub_execution", "ttl_ms:=3600000", AT[0], AT[1]];
    let grant = |id: &str, job: &str, worker: &str| {
        let (job, worker) = (format!("job={job}"), format!("worker={worker}"));
        let words =
            ["grant.issue", "--id", id, &job, &worker, "use=keep", "reference=test://a", "ttl_ms:=60000"];
        act(&home, YES, &[&words[..], &AT].concat());
    };
    for job in ["j-1", "j-2", "j-3", "j-4"] {
        act(&home, YES, &[&["job.submit", "--id", job], &keep[..]].concat());
    }
    // No grant; somebody else's; its own, and no provider.
    assert_eq!(object(&home, NO, &run(&["--job", "j-1"]))["code"], "grant_required");
    free("j-1");
    grant("g-2", "j-2", "other");
    assert_eq!(object(&home, NO, &run(&["--job", "j-2"]))["code"], "grant_required");
    free("j-2");
    grant("g-3", "j-3", "hand");
    let failed = object(&home, NO, &run(&["--job", "j-3"]));
    assert_eq!((&failed["effect"], &failed["failure"]), (&"refuse".into(), &"disabled".into()));
    holds("worker run", &failed, &row("lease resolve"));
    free("j-3");
    // Of two grants the one that is its own.
    std::fs::write(home.path("p.json"), r#"{"enabled":["test"],"test":{"seed":"s"}}"#).expect("a file");
    grant("g-4", "j-4", "other");
    grant("g-5", "j-4", "hand");
    let done = object(&home, YES, &run(&["--config", "p.json"]));
    assert_eq!(kinds(&done), ["job.result_accepted", "grant.consumed", "job.succeeded"]);
    // Nothing is left to claim; a job that is not there, one of another scope, bad ids, who is no worker.
    for (code, exit, args) in [
        ("not_found", NO, run(&[])),
        ("not_found", NO, run(&["--job", "j-9"])),
        ("job_over", NO, run(&["--job", "j-4"])),
        ("claim_held", NO, run(&["--job", "j-1"])),
        ("malformed_value", 2, run(&["--job", "J 9"])),
        ("out_of_range", 2, run(&["--job", "j-1", "--ttl-ms", "1"])),
        ("not_found", NO, vec!["worker", "run", "--key-file", FOUNDER, AT[0], AT[1]]),
        ("scope_foreign", NO, vec!["worker", "run", "--key-file", "hand.key", "--job", "j-1"]),
        ("role_insufficient", NO, vec!["worker", "run", "--key-file", FOUNDER, "--job", "j-1", AT[0], AT[1]]),
    ] {
        assert_eq!(object(&home, exit, &args)["code"], code, "{args:?}");
    }
    for line in objects(&home, YES, &["worker", "list"]) {
        holds("worker list", &line, &row("worker list"));
    }
    home.expect(YES, &["verify", "--pin", "ledger.pin"]);
}

#[test]
fn material_is_handed_over_once_into_a_file_of_its_own() {
    let home = site(r#"[["true"]]"#);
    std::fs::write(home.path("p.json"), r#"{"enabled":["test"],"test":{"seed":"s"}}"#).expect("a file");
    let keep = ["capability=keep", "mode=worker_stub_execution", "ttl_ms:=3600000", AT[0], AT[1]];
    act(&home, YES, &[&["job.submit", "--id", "j-1"], &keep[..]].concat());
    let words = ["grant.issue", "--id", "g-1", "job=j-1", "worker=hand", "use=keep", "reference=test://a"];
    act(&home, YES, &[&words[..], &["ttl_ms:=3600000", AT[0], AT[1]]].concat());
    act_as(&home, YES, "hand.key", &["claim.acquire", "--id", "j-1", "ttl_ms:=3600000", AT[0], AT[1]]);
    let resolve = |id: &'static str, out: &'static str| {
        let mut words =
            vec!["lease", "resolve", "--key-file", "hand.key", "--config", "p.json", AT[0], AT[1]];
        words.extend(["--job", "j-1", "--grant", "g-1", "--use", "keep", "--reference", "test://a"]);
        words.extend(["--fence", "1", "--id", id, "--out", out]);
        words
    };
    // Where it could not be handed over nothing is asked.
    let before = object(&home, YES, &["checkpoint"])["size"].clone();
    std::fs::write(home.path("taken"), "mine").expect("a file");
    std::os::unix::fs::symlink(home.path("nowhere"), home.path("link")).expect("a link");
    for out in ["taken", "link", "no/such/directory", "."] {
        assert_eq!(object(&home, 5, &resolve("l-1", out))["code"], "io", "{out}");
    }
    assert_eq!(object(&home, YES, &["checkpoint"])["size"], before);
    assert_eq!(std::fs::read(home.path("taken")).expect("a file"), b"mine");
    let done = object(&home, YES, &resolve("l-1", "material"));
    holds("lease resolve", &done, &row("lease resolve"));
    let mode =
        std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(home.path("material")).expect("a file"));
    assert_eq!(mode & 0o777, 0o600);
    let value = std::fs::read_to_string(home.path("material")).expect("text");
    assert!(value.starts_with("test_") && value.len() > 30);
    assert_eq!(object(&home, NO, &resolve("l-1", "again"))["code"], "lease_exists");
    assert_eq!(object(&home, 2, &resolve("L 1", "again"))["code"], "malformed_value");
    let mut off = resolve("l-2", "again");
    off.drain(4..6);
    holds("lease resolve", &object(&home, NO, &off), &row("lease resolve"));
    assert_eq!(object(&home, NO, &resolve("l-2", "again"))["code"], "lease_ended");
    assert!(!home.path("again").exists());
    // What it was given is not to be seen in what it relays.
    let words = ["transcript.append", "--id", "j-1", "fence:=1", "seq:=1", AT[0], AT[1]];
    let said = format!("operator=https://host.example/{value}/x");
    act_as(&home, NO, "hand.key", &[&words[..], &[&said]].concat());
    let store = std::fs::read(home.path("ledger/ledger.db")).expect("the store");
    assert!(!store.windows(value.len()).any(|window| window == value.as_bytes()));
}

/// Has the founder told no `count` times in the minute that stands still in `clock`.
fn refuse(home: &Home, token: &str, count: usize) {
    let mut options = Options::new(Paths::of(&home.path("ledger")));
    options.clock = Clock::file(home.path("clock"));
    let ledger = Ledger::open(options, &mut |_, _| ()).expect("the ledger opens");
    for number in 0..count {
        let key = IdempotencyKey::parse(&format!("nobody-{number:026}")).expect("a key");
        let none = json::parse(b"{}").expect("JSON");
        let request =
            new_request("scope.create", &Scope::root(), Some("acme"), "cli.example", none, key, [7; 32]);
        let mut request = request.expect("a request");
        request.credential = Credential::Token(token.to_owned());
        let Answer::Receipt(receipt) = ledger.submit(request) else { panic!("{number}: no receipt") };
        assert_eq!(receipt.code, Some(Code::ScopeExists), "{number}");
    }
    ledger.close().expect("a clean end");
}

#[test]
fn a_drill_records_what_it_saw_and_says_when_it_did_not_pass() {
    let home = begun();
    ada(&home);
    let drill = ["drill", "run", "--key-file", FOUNDER, "--second-key-file", "ada.key"];
    let good = object(&home, YES, &drill);
    holds("drill run", &good, &row("drill run"));
    assert_eq!(good["passed"], true, "{good}");
    let items: Vec<&str> =
        good["items"].as_array().expect("items").iter().filter_map(|item| item["item"].as_str()).collect();
    assert_eq!(items, chancery_ledger::domains::drill::ITEMS);
    for item in good["items"].as_array().expect("items") {
        assert_eq!(item["passed"], true, "{item}");
        assert!(item["positions"].as_array().is_some_and(|positions| positions.len() > 1), "{item}");
    }
    // Each record cites its entries and says where, why, next; the drill put back what it took.
    let recorded = objects(&home, YES, &["log", "--kind", "drill.recorded"]);
    assert_eq!(recorded.len(), 10);
    for (line, item) in recorded.iter().zip(good["items"].as_array().expect("items")) {
        let shown = object(&home, YES, &["show", &line["position"].to_string(), "--private"]);
        assert_eq!(shown["entry"]["data"]["item"], item["item"]);
        assert_eq!(shown["entry"]["cause"], item["positions"]);
        let narrative = shown["parts"]["private"]["narrative"].as_str().expect("text");
        assert!(["Where: ", " Why: ", " Next: "].iter().all(|word| narrative.contains(word)), "{narrative}");
    }
    let of = |kind: &str| objects(&home, YES, &["log", "--limit", "400", "--kind", kind]).len();
    assert_eq!((of("scope.created"), of("scope.closed")), (2, 1));
    assert_eq!((of("switch.turned_on"), of("switch.turned_off")), (3, 3));
    assert_eq!(home.expect(YES, &["worker", "list"]).stdout, "");
    home.expect(YES, &["verify", "--pin", "ledger.pin"]);

    // The founder was told no so often in this minute that no further no is recorded: the two items in which a denial of
    // the founder's must be seen do not pass, the others do, and all is put back.
    let token = ["do", "token.issue", "--id", "tok000000001", "principal=founder", "ttl_ms:=86400000"];
    let token = object(&home, YES, &[&token[..], &["--key-file", FOUNDER]].concat());
    let last = objects(&home, YES, &["log", "--limit", "1"]).remove(0);
    let later = last["time"].as_i64().expect("an instant") / 60_000 * 60_000 + 120_000;
    std::fs::write(home.path("clock"), later.to_string()).expect("a clock");
    refuse(&home, token["secret"].as_str().expect("a token"), 240);
    let mut command = home.command(&[&["--json"], &drill[..]].concat());
    let bad = ran(command.env("CHANCERY_TEST_CLOCK", home.path("clock")).output().expect("it runs"));
    assert_eq!(bad.code, NO, "{}{}", bad.stdout, bad.stderr);
    assert_eq!(bad.stderr, "");
    let bad: Value = serde_json::from_str(&bad.stdout).expect("JSON");
    assert_eq!(bad["passed"], false);
    for item in bad["items"].as_array().expect("items") {
        let failed = ["feature_disable", "host_key_invalidation"].iter().any(|name| item["item"] == *name);
        assert_eq!(item["passed"], !failed, "{bad}");
    }
    let recorded = objects(
        &home,
        YES,
        &["log", "--kind", "drill.recorded", "--id", bad["drill"].as_str().expect("an id")],
    );
    let shown = object(&home, YES, &["show", &recorded[4]["position"].to_string(), "--private"]);
    assert_eq!(shown["entry"]["data"]["passed"], false);
    let narrative = shown["parts"]["private"]["narrative"].as_str().expect("text");
    assert!(narrative.contains("could not be performed: over_quota"), "{narrative}");
    home.expect(YES, &["verify", "--pin", "ledger.pin"]);
}

#[test]
fn a_drill_is_for_stage_test_and_for_two() {
    let home = Home::new();
    home.expect(YES, &["init", "--name", "cli.example", "--stage", "staging"]);
    ada(&home);
    let before = object(&home, YES, &["checkpoint"])["size"].clone();
    let drill = ["drill", "run", "--key-file", FOUNDER, "--second-key-file"];
    assert_eq!(object(&home, NO, &[&drill[..], &["ada.key"]].concat())["code"], "stage_other");
    assert_eq!(object(&home, YES, &["checkpoint"])["size"], before);
    let home = begun();
    assert_eq!(object(&home, NO, &[&drill[..], &[FOUNDER]].concat())["code"], "separation_required");
    for (code, exit, more) in [
        ("malformed_value", 2, ["--scope", "nowhere"]),
        ("scope_too_deep", NO, ["--scope", "/a/b/c/d/e"]),
        ("malformed_value", 2, ["--id", "not an id"]),
    ] {
        ada_once(&home);
        let answer = object(&home, exit, &[&drill[..], &["ada.key"], &more].concat());
        assert_eq!(answer["code"], code, "{answer}");
    }
}

fn ada_once(home: &Home) {
    if !home.path("ada.key").exists() {
        ada(home);
    }
}
