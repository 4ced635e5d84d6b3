//! Does the demo keep its word? The real binary plays it: every element, a hundred columns, what is printed to be tried.

use crate::harness::server::WAIT;
use crate::harness::{Home, Ran, binary, ran, root, skip};
use chancery_ledger::format::encoding::base64;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const STORY: &[&str] = &["--json", "demo", "--dir", "demo", "--no-serve"];

/// The steps of a demo for machines, and its summary.
fn told(ran: &Ran) -> (Vec<Value>, Value) {
    let mut lines: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let summary = lines.pop().expect("a summary");
    (lines, summary)
}

fn text(step: &Value) -> &str {
    step["text"].as_str().expect("a text")
}

#[test]
fn only_the_genuine_record_of_the_demo_is_authentic() {
    let home = Home::new();
    let (_, summary) = told(&home.expect(0, STORY));
    let shown = summary["verdicts"].as_array().expect("verdicts");
    let verdicts: Vec<&str> = shown.iter().map(|v| v["verdict"].as_str().expect("text")).collect();
    assert_eq!(verdicts, ["authentic", "tampered", "tampered", "truncated", "stale", "forked"]);
    for shown in shown {
        let file = format!("demo/{}", shown["file"].as_str().expect("a name"));
        let exit = i32::try_from(shown["exit"].as_i64().expect("a code")).expect("small");
        home.expect(exit, &["verify", &file, "--pin", "demo/ledger.pin", "--keep-pin"]);
    }
    assert!(summary["decisions"].as_u64() > Some(100), "{summary}");
    assert!(summary["url"].is_null());
    let again = home.expect(2 + 3, &["demo", "--dir", "demo", "--no-serve"]);
    assert!(again.stderr.contains("error[directory_not_empty]"), "{}", again.stderr);
}

#[test]
fn every_step_says_its_entries_and_the_record_has_them() {
    let home = Home::new();
    let (steps, summary) = told(&home.expect(0, STORY));
    let entries = summary["entries"].as_u64().expect("a number");
    // Chapters of the auditor name spans of damage; the ones before tell each entry once, and leave none out.
    let story = steps.iter().filter(|step| step["chapter"].as_u64() < Some(12));
    let at = story.flat_map(|step| step["positions"].as_array().expect("positions"));
    let at: Vec<u64> = at.map(|at| at.as_u64().expect("a position")).collect();
    assert_eq!(at, (0..entries).collect::<Vec<_>>());
}

/// Commands of the system that the worker will find.
fn here() -> Vec<&'static str> {
    let found = |name: &&str| {
        ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].iter().any(|dir| Path::new(dir).join(name).is_file())
    };
    ["uname", "uptime", "df"].into_iter().filter(found).collect()
}

#[test]
fn everything_that_is_promised_is_in_the_story() {
    let home = Home::new();
    let (steps, summary) = told(&home.expect(0, STORY));
    for promised in [
        "the ledger opens; its log key is",
        "founder registers hand, worker in /acme",
        "held, confirmation_required",
        "founder approves it alone: denied, separation_required",
        "preflight of facts-1, blocked: host_key_trust",
        "otto verifies exactly SHA256:",
        "otto grants hand one credential",
        "preflight of facts-1, all checks pass",
        "hand claims the job, under fence 1",
        "hand opens a lease under the grant",
        "hand tells event 1",
        "the result is taken",
        "what it printed is refused, leased_material",
        "the credential is in none of the",
        "quarantined, replay",
        "quarantined, out_of_order",
        "quarantined, post_terminal",
        "hand comes back with fence 1: denied, stale_fence",
        "changed",
        "otto submits a job: denied, kill_switch",
        "founder asks again: cleared, by two",
        "record.chancery           authentic  verified under the pin",
        "decisions, all right",
        "views folded again elsewhere, all equal",
        "clock.pair: p50 ",
        "gate.evaluate: p50 ",
    ] {
        assert!(steps.iter().any(|step| text(step).contains(promised)), "{promised}");
    }
    for (program, begins) in [("uname -sr", ""), ("uptime", ""), ("df -k /", "Filesystem")] {
        if !here().contains(&program.split(' ').next().expect("a word")) {
            continue;
        }
        let shown = format!("--stream technical`, of `{program}`:");
        let shown = steps.iter().find(|step| text(step).contains(&shown)).expect("a transcript");
        let line = shown["lines"][0].as_str().expect("what it printed");
        assert!(line.starts_with(begins), "{line}");
    }
    let uname = Command::new("uname").arg("-sr").output().expect("it runs");
    let uname = String::from_utf8(uname.stdout).expect("text");
    assert!(steps.iter().any(|step| step["lines"][0] == uname.trim_end()), "{uname}");
    assert_eq!(summary["gate"].as_array().map(Vec::len), Some(2));
}

/// The lines that a person reads, without what is of one machine or one run.
fn same_everywhere(steps: &[Value]) -> String {
    let key = steps.iter().find_map(|step| text(step).strip_prefix("scout observes ")?.split(' ').next());
    let key = key.expect("a host key").to_owned();
    let (mut out, mut observed) = (String::new(), false);
    for step in steps {
        let (text, mut lines) = (text(step), step["lines"].as_array().cloned().unwrap_or_default());
        let further = text.contains("facts-2")
            || text.contains("facts-3")
            || text == "and compares the others as well"
            || text.contains("not on this machine");
        if further || (observed && text.starts_with("scout observes ") && !text.ends_with("changed")) {
            continue;
        }
        observed |= text.starts_with("scout observes ");
        let cut = [
            ("the ledger opens; its log key is ", ""),
            ("host keys of this machine: ", ""),
            ("founder registers the capability host_facts: ", ": held, confirmation_required"),
            ("clock.pair: ", ""),
            ("gate.evaluate: ", ""),
        ];
        let cut = cut.into_iter().find(|(begin, _)| text.starts_with(begin));
        let text = cut.map_or(text.to_owned(), |(begin, end)| format!("{begin}…{end}"));
        if text.starts_with("`chancery transcript ") {
            lines = vec!["…".into()];
        }
        let place = if step["positions"].as_array().is_some_and(|at| at.is_empty()) { " " } else { "#" };
        out.push_str(&match step["title"].as_str() {
            Some(title) => format!("\n{}. {title}\n   {text}\n", step["chapter"]),
            None => format!("{place} {}\n", plain(&text, &key)),
        });
        for line in lines {
            out.push_str(&format!("      {}\n", plain(line.as_str().expect("a line"), &key)));
        }
    }
    out
}

/// Fingerprints, the host key's id and numbers of two digits and more stand as what they are.
fn plain(text: &str, key: &str) -> String {
    let text = text.replace(key, "HOST_KEY");
    let source =
        text.find(" was seen for the first time; ").map(|at| at + " was seen for the first time; ".len());
    let text = match (source, text.rfind("  [")) {
        (Some(from), Some(to)) => format!("{}…{}", &text[..from], &text[to..]),
        _ => text,
    };
    let mut parts = text.split("SHA256:");
    let mut text = parts.next().expect("a part").to_owned();
    for part in parts {
        text.push_str("SHA_…");
        text.push_str(&part[43..]);
    }
    let (mut out, mut digits) = (String::new(), String::new());
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        out.push_str(if digits.len() > 1 { "#" } else { &digits });
        digits.clear();
        out.push(letter);
    }
    out.trim_end().to_owned()
}

/// A key scan that finds these keys of this machine, an algorithm each, one of them named twice.
fn scan(home: &Home) -> std::path::PathBuf {
    let algorithms = ["ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519", "ssh-ed25519"];
    let mut script = "#!/bin/sh\n".to_owned();
    for (number, algorithm) in algorithms.iter().enumerate() {
        let length = u32::try_from(algorithm.len()).expect("short").to_be_bytes();
        let blob = [&length, algorithm.as_bytes(), &[u8::try_from(number).expect("small"); 32]].concat();
        script.push_str(&format!("echo 127.0.0.1 {algorithm} {}\n", base64(&blob)));
    }
    let file = home.path("bin").join("ssh-keyscan");
    std::fs::create_dir(home.path("bin")).expect("a directory");
    std::fs::write(&file, script).expect("a script");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    home.path("bin")
}

#[test]
fn the_story_reads_as_it_did_whatever_keys_the_machine_has() {
    let home = Home::new();
    let golden = expect_test::expect_file![root().join("fixtures/surface/demo.txt")];
    golden.assert_eq(&same_everywhere(&told(&home.expect(0, STORY)).0));
    let mut scanned = home.command(&["--json", "demo", "--dir", "scanned", "--no-serve"]);
    let ran = ran(scanned.env("PATH", scan(&home)).output().expect("it runs"));
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let (steps, _) = told(&ran);
    let observed =
        steps.iter().filter(|step| text(step).contains("observes ") && text(step).contains(":127.0.0.1:22 "));
    assert_eq!(observed.count(), 3);
    golden.assert_eq(&same_everywhere(&steps));
}

#[test]
fn the_demo_is_legible_in_a_hundred_columns() {
    let home = Home::new();
    let ran = home.expect(0, &["demo", "--dir", "demo", "--no-serve"]);
    let wide: Vec<&str> = ran.stdout.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(wide.is_empty(), "{wide:?}");
    assert!(!ran.stdout.contains('\x1b'), "no colours but on a terminal");
    assert!(ran.stderr.is_empty(), "{}", ran.stderr);
    // What is printed to be tried works when it is pasted, broken lines included.
    let (_, commands) = ran.stdout.split_once("Three things to try:\n").expect("three things");
    assert_eq!(commands.lines().filter(|line| !line.starts_with("    ")).count(), 3, "{commands}");
    let pasted = shell(&home, &format!("set -e\n{commands}"));
    assert_eq!(pasted.code, 0, "{commands}{}{}", pasted.stdout, pasted.stderr);
    assert!(pasted.stdout.contains("verify: authentic"), "{}", pasted.stdout);
}

fn shell(home: &Home, commands: &str) -> Ran {
    let mut shell = Command::new("sh");
    shell.args(["-c", commands]).current_dir(home.path("")).env_clear();
    shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    ran(shell.output().expect("it runs"))
}

#[test]
fn a_bare_environment_is_enough_and_nothing_is_left() {
    let home = Home::new();
    let mut bare = Command::new(binary());
    let out = bare.args(["demo", "--no-serve"]).env_clear().env("TMPDIR", home.path("")).output();
    let out = ran(out.expect("it runs"));
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stdout.contains("Nothing of it is left"), "{}", out.stdout);
    assert_eq!(std::fs::read_dir(home.path("")).expect("a directory").count(), 0);
}

/// A demo that serves; killed when dropped.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_is_printed_to_be_tried_is_answered_by_the_server_of_the_demo() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skip("what_is_printed_to_be_tried_is_answered_by_the_server_of_the_demo", "install curl");
    }
    let home = Home::new();
    let mut command = home.command(&["--json", "demo", "--listen", "127.0.0.1:0"]);
    command.env("TMPDIR", home.path("")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut serving = Serving(command.spawn().expect("it starts"));
    let lines = BufReader::new(serving.0.stdout.take().expect("stdout")).lines();
    let mut lines = lines.map(|line| serde_json::from_str::<Value>(&line.expect("a line")).expect("JSON"));
    let summary = lines.find(|line| !line["verdicts"].is_null()).expect("a summary");
    assert_eq!(summary["verdicts"][0]["verdict"], "authentic");
    let commands = summary["try"].as_array().expect("commands");
    assert_eq!(commands.len(), 3);
    let answers = ["it looked like it held a secret", "\"needs_me\"", "verify: authentic"];
    for (command, answer) in commands.iter().zip(answers) {
        let command = command.as_str().expect("a command");
        let pasted = shell(&home, command);
        assert_eq!(pasted.code, 0, "{command}: {}{}", pasted.stdout, pasted.stderr);
        assert!(pasted.stdout.contains(answer), "{command}: {}", pasted.stdout);
    }
    let stopped = Command::new("kill").args(["-INT", &serving.0.id().to_string()]).status();
    assert!(stopped.expect("it runs").success());
    let begun = std::time::Instant::now();
    let status = loop {
        if let Some(status) = serving.0.try_wait().expect("a status") {
            break status;
        }
        assert!(begun.elapsed() < WAIT, "it does not stop");
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    };
    assert_eq!(status.code(), Some(0));
    assert_eq!(std::fs::read_dir(home.path("")).expect("a directory").count(), 0, "nothing is left");
}
