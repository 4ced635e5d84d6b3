//! Does an audit that goes on from a pin say what one from the beginning says?

use crate::harness::Home;
use crate::harness::site::Site;
use crate::harness::story::{Story, fingerprint};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::format::json::Value;
use chancery_ledger::verify::{How, Pin, Report, Trust, Verdict, verify_live};
use std::fs;

fn audit(story: &Story, pin: Pin) -> Report {
    let trust = Trust { key: Some(story.verifier()), heads: Vec::new(), pin: Some(pin) };
    verify_live(&story.paths, &trust, How::default(), &mut |_, _| ()).expect("a report")
}

#[test]
fn a_key_that_is_suspected_later_makes_suspect_what_it_signed_before_the_pin() {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    let first = story.pin();
    let members = [("fingerprint", &*fingerprint(1)), ("source", "known_hosts")];
    let observed = story.must("otto", "host_key.observe", "/acme", "ssh-ed25519:host-1.example:22", &members);
    let at = observed.entries[0].position;
    story.must("founder", "scope.create", "/", "later", &[]);
    let report = audit(&story, first.clone());
    assert_eq!(report.verdict, Verdict::Authentic);
    let pin = report.pin.expect("a pin");
    assert!(pin.size > at + 1, "the pin stands above what is suspected");
    assert_eq!(Pin::parse(&pin.to_text().expect("a text")).expect("a pin"), pin);

    let key = story.keys["otto"].public().id();
    let from = i64::try_from(at).expect("a position");
    let members = Value::Object([("from".to_owned(), Value::Int(from))].into());
    let mut request = story.request("founder", "key.suspect", "/acme", &key.entity(), members);
    story.sign(&mut request, "founder", None);
    let answer = story.ledger.submit(request);
    assert!(matches!(&answer, chancery_ledger::Answer::Receipt(r) if r.code.is_none()), "{answer:?}");
    let (whole, resumed) = (audit(&story, first), audit(&story, pin));
    assert!(resumed.from > 0 && whole.from == 0);
    assert_eq!((whole.verdict, resumed.verdict), (Verdict::Suspect, Verdict::Suspect));
    assert_eq!(whole.finding.map(|f| f.span), resumed.finding.map(|f| f.span));
}

#[test]
fn silence_is_measured_across_the_pin_and_held_against_what_was_promised() {
    let site = Site::new();
    let clock = |ms: u64| fs::write(site.path("clock"), ms.to_string()).expect("written");
    let run = |args: &[&str]| {
        let mut command = site.command(args);
        command.env("CHANCERY_TEST_CLOCK", site.path("clock"));
        let ran = crate::harness::ran(crate::harness::site::finish(command));
        assert_eq!(ran.code, 0, "{args:?} {}{}", ran.stdout, ran.stderr);
        ran
    };
    let silence = |pin: &str, keep: &[&str]| -> String {
        let ran = run(&[&["verify", "--pin", pin], keep].concat());
        let report: serde_json::Value = serde_json::from_str(ran.stdout.trim()).expect("JSON");
        report["dimensions"]["silence"].as_str().expect("a text").to_owned()
    };
    clock(1_790_000_000_000);
    run(&["init", "--name", "bad.example", "--no-token", "--stage", "test", "--max-silence-ms", "60000"]);
    fs::copy(site.path("l.pin"), site.path("first.pin")).expect("copied");
    run(&["do", "scope.create", "--id", "one"]);
    assert!(silence("l.pin", &[]).starts_with("ok"));
    clock(1_790_000_120_000);
    run(&["do", "scope.create", "--id", "two"]);
    let whole = silence("first.pin", &["--keep-pin"]);
    assert!(whole.ends_with("60000 ms were promised"), "{whole}");
    assert_eq!(silence("l.pin", &[]), whole);
    // And again from a pin above it.
    clock(1_790_000_120_001);
    run(&["do", "scope.create", "--id", "three"]);
    assert_eq!(silence("l.pin", &["--keep-pin"]), whole);
}
