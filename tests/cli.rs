//! Does the command line say yes, no and why as SPEC 16 has it, to people and to programs?

use crate::harness::{Home, Ran, ran, root};
use crate::spec::commands;
use chancery_ledger::{CODES, Code};
use expect_test::expect_file;
use serde_json::Value;
use std::collections::BTreeSet;

pub const YES: i32 = 0;
pub const NO: i32 = 1;
pub const USAGE: i32 = 2;
pub const BROKEN: i32 = 3;
pub const OPEN: i32 = 4;
pub const FAILED: i32 = 5;

const FOUNDER: [&str; 2] = ["--key-file", "ledger.keys/founder.key"];

/// A home with a ledger at stage `test`, the founder's key in `ledger.keys`, and the scope `/acme`.
pub fn begun() -> Home {
    let home = Home::new();
    home.expect(YES, &["init", "--name", "cli.example", "--stage", "test"]);
    act(&home, YES, &["scope.create", "--id", "acme"]);
    home
}

/// A home with such a ledger, in which no token was issued: `/acme` is its entry 1.
pub fn bare() -> Home {
    let home = Home::new();
    home.expect(YES, &["init", "--name", "cli.example", "--stage", "test", "--no-token"]);
    act(&home, YES, &["scope.create", "--id", "acme"]);
    home
}

/// Asks as the founder.
pub fn act(home: &Home, code: i32, args: &[&str]) -> Ran {
    act_as(home, code, FOUNDER[1], args)
}

/// Asks with a key file.
pub fn act_as(home: &Home, code: i32, key: &str, args: &[&str]) -> Ran {
    let mut all = vec!["do", "--key-file", key];
    all.extend(args);
    home.expect(code, &all)
}

/// Runs with `--json` and gives the objects of stdout, one a line.
pub fn objects(home: &Home, code: i32, args: &[&str]) -> Vec<Value> {
    let mut all = vec!["--json"];
    all.extend(args);
    let ran = home.expect(code, &all);
    let parse =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{args:?}: {error}: {line}"));
    ran.stdout.lines().map(parse).collect()
}

/// Runs with `--json` and gives the one object of stdout.
pub fn object(home: &Home, code: i32, args: &[&str]) -> Value {
    let mut all = objects(home, code, args);
    assert_eq!(all.len(), 1, "{args:?} prints one object: {all:?}");
    all.remove(0)
}

/// A principal in `/acme` with a key in `ID.key`, ready to act.
pub fn enrolled(home: &Home, id: &str, kind: &str, role: &str) {
    let (file, at) = (format!("{id}.key"), ["--scope", "/acme"]);
    let (kind, role) = (format!("kind={kind}"), format!("role={role}"));
    act(home, YES, &["principal.register", "--id", id, &kind, &role, at[0], at[1]]);
    act(home, YES, &["principal.activate", "--id", id, at[0], at[1]]);
    home.expect(YES, &["key", "generate", "--principal", id, "--out", &file]);
    let proof = home.expect(YES, &["key", "prove", &file, "--log", "cli.example/e1"]).stdout;
    let mut words: Vec<&str> = proof.split_whitespace().collect();
    words.extend(at);
    act(home, YES, &words);
}

fn spec_lines() -> Vec<String> {
    std::fs::read_to_string(root().join("SPEC.md")).expect("SPEC").lines().map(str::to_owned).collect()
}

/// Members of a JSON object as SPEC 16 writes them: name, whether it may be absent, and the text of what is in it.
fn listed(text: &str) -> Vec<(String, bool, String)> {
    let inner =
        text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or_else(|| panic!("{text}"));
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in inner.chars() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("a part").push(c);
        }
    }
    let member = |part: &String| {
        let part = part.trim();
        let end = part.find(['?', '{', '[']).unwrap_or(part.len());
        let rest = part[end..].trim_start_matches('?');
        (part[..end].to_owned(), part[end..].starts_with('?'), rest.to_owned())
    };
    parts.iter().map(member).collect()
}

/// Holds a JSON value to what SPEC 16 lists: nothing missing, nothing more.
pub fn holds(what: &str, value: &Value, text: &str) {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        for item in value.as_array().unwrap_or_else(|| panic!("{what} is an array: {value}")) {
            if !inner.is_empty() {
                holds(what, item, inner);
            }
        }
        return;
    }
    if text.is_empty() || text == "{…}" {
        return;
    }
    let found: BTreeSet<&str> =
        value.as_object().unwrap_or_else(|| panic!("{what}: {value}")).keys().map(String::as_str).collect();
    let members = listed(text);
    for name in &found {
        assert!(members.iter().any(|m| m.0 == *name), "`{what}` has `{name}`, which SPEC 16 does not list");
    }
    for (name, optional, inner) in &members {
        match value.get(name) {
            Some(value) => holds(&format!("{what}.{name}"), value, inner),
            None => assert!(*optional, "`{what}` lacks `{name}`: {value}"),
        }
    }
}

/// What SPEC 16 lists for a command.
pub fn row(command: &str) -> String {
    let name = format!("`{command}`");
    let lines = spec_lines();
    let rows = lines.iter().skip_while(|line| !line.starts_with("| command |"));
    let row = rows.clone().find(|line| {
        line.starts_with("| `") && line.split('|').nth(1).is_some_and(|cell| cell.contains(&name))
    });
    let row = row.unwrap_or_else(|| panic!("SPEC 16 has no row for `{command}`"));
    row.split('|').nth(2).expect("a cell").split('`').nth(1).expect("a code span").to_owned()
}

#[test]
fn objects_have_the_members_of_section_16() {
    let home = Home::new();
    let mut seen: Vec<(&str, Value)> = Vec::new();
    seen.push(("init", object(&home, YES, &["init", "--name", "cli.example", "--stage", "test"])));
    let at = ["--key-file", FOUNDER[1]];
    for (code, args) in [
        (YES, vec!["do", "scope.create", "--id", "acme"]),
        (NO, vec!["do", "scope.create", "--id", "acme"]),
        (NO, vec!["do", "scope.create", "--id", "x", "--scope", "/nowhere"]),
        (YES, vec!["do", "token.issue", "--id", "tok000000001", "principal=founder", "ttl_ms:=600000"]),
        (YES, vec!["do", "scope.create", "--id", "b", "--idempotency-key", "0123456789abcdef"]),
        (YES, vec!["do", "scope.create", "--id", "b", "--idempotency-key", "0123456789abcdef"]),
    ] {
        seen.push(("do", object(&home, code, &[&args[..], &at[..]].concat())));
    }
    seen.push(("show", object(&home, YES, &["show", "1"])));
    seen.push(("show", object(&home, YES, &["show", "1", "--private"])));
    seen.extend(objects(&home, YES, &["log"]).into_iter().map(|line| ("log", line)));
    seen.push(("checkpoint", object(&home, YES, &["checkpoint"])));
    seen.push(("export", object(&home, YES, &["export", "--out", "a.chancery"])));
    seen.push(("verify", object(&home, YES, &["verify", "a.chancery", "--pin", "ledger.pin"])));
    seen.push(("verify", object(&home, OPEN, &["verify"])));
    seen.push(("verify", object(&home, BROKEN, &["verify", "--head", &format!("1:{}", "0".repeat(64))])));
    seen.push((
        "key generate",
        object(&home, YES, &["key", "generate", "--principal", "bot", "--out", "bot.key"]),
    ));
    seen.push(("key show", object(&home, YES, &["key", "show", "bot.key"])));
    seen.push(("key prove", object(&home, YES, &["key", "prove", "bot.key", "--log", "cli.example/e1"])));
    let old = ["key", "prove", "bot.key", "--log", "cli.example/e1", "--old", FOUNDER[1]];
    seen.push(("key prove", object(&home, YES, &old)));
    seen.push(("provider check", object(&home, NO, &["provider", "check", "--reference", "kms://a"])));
    std::fs::write(home.path("providers.json"), r#"{"enabled":["test"],"test":{"seed":"s"}}"#)
        .expect("a file");
    let test = ["--reference", "test://a", "--stage", "test", "--config", "providers.json"];
    seen.push(("provider check", object(&home, YES, &[&["provider", "check"], &test[..]].concat())));
    seen.push(("explain", object(&home, YES, &["explain", "wrong_seq"])));
    for (command, value) in &seen {
        holds(command, value, &row(command));
    }
    let dimensions: Vec<&str> = seen
        .iter()
        .find(|s| s.0 == "verify")
        .map(|s| s.1["dimensions"].as_object().expect("an object").keys().map(String::as_str).collect())
        .expect("a report");
    let text = spec_lines()
        .into_iter()
        .find(|line| line.contains("each dimension by itself"))
        .expect("section 14.3");
    let mut named: Vec<&str> =
        text.split(" After ").next().expect("a sentence").split('`').skip(1).step_by(2).collect();
    named.sort_unstable();
    assert_eq!(dimensions, named, "dimensions are those of section 14.3");
}

/// Command lines that fail, and the code that each gives.
fn failures() -> Vec<(i32, &'static str, Vec<&'static str>)> {
    let key = FOUNDER[1];
    vec![
        (USAGE, "unknown_action", vec!["do", "--key-file", key, "scope.craete", "--id", "x"]),
        (USAGE, "unknown_field", vec!["do", "--key-file", key, "scope.close", "--id", "x", "raeson=y"]),
        (
            USAGE,
            "missing_field",
            vec!["do", "--key-file", key, "principal.register", "--id", "x", "kind=human"],
        ),
        (USAGE, "wrong_type", vec!["do", "--key-file", key, "scope.close", "--id", "x", "reason:=1"]),
        (USAGE, "entity_required", vec!["do", "--key-file", key, "scope.create"]),
        (USAGE, "malformed_value", vec!["do", "--key-file", key, "scope.create", "--id", "UPPER"]),
        (
            USAGE,
            "malformed_value",
            vec!["do", "--key-file", key, "scope.create", "--id", "x", "--scope", "nowhere"],
        ),
        (
            USAGE,
            "malformed_value",
            vec!["do", "--key-file", key, "scope.create", "--id", "x", "--idempotency-key", "short"],
        ),
        (USAGE, "malformed_value", vec!["do", "--key-file", key, "scope.close", "--id", "x", "reason"]),
        (
            USAGE,
            "duplicate_key",
            vec!["do", "--key-file", key, "scope.close", "--id", "x", "reason=a", "reason=b"],
        ),
        (NO, "unauthenticated", vec!["do", "scope.create", "--id", "x"]),
        (NO, "wrong_seq", vec!["do", "--key-file", key, "scope.create", "--id", "x", "--seq", "99"]),
        (
            NO,
            "request_expired",
            vec!["do", "--key-file", key, "scope.create", "--id", "x", "--not-after", "1"],
        ),
        (NO, "scope_exists", vec!["do", "--key-file", key, "scope.create", "--id", "acme"]),
        (
            NO,
            "scope_foreign",
            vec!["do", "--key-file", key, "scope.create", "--id", "x", "--scope", "/nowhere"],
        ),
        (FAILED, "key_file_missing", vec!["do", "--key-file", "nowhere.key", "scope.create", "--id", "x"]),
        (
            FAILED,
            "key_file_invalid",
            vec!["do", "--key-file", "ledger.keys/log.key", "scope.create", "--id", "x"],
        ),
        (FAILED, "not_a_ledger", vec!["log", "--dir", "nowhere"]),
        (FAILED, "not_a_ledger", vec!["verify", "--dir", "nowhere"]),
        (FAILED, "directory_not_empty", vec!["init", "--name", "again.example"]),
        (FAILED, "io", vec!["verify", "nowhere.chancery"]),
        (USAGE, "not_an_export", vec!["verify", "ledger.pin"]),
        (USAGE, "pin_invalid", vec!["verify", "--pin", "ledger.keys/founder.key"]),
        (NO, "not_found", vec!["show", "99"]),
        (USAGE, "malformed_value", vec!["show", "minus-one"]),
        (NO, "range_invalid", vec!["log", "--from", "2", "--to", "1"]),
        (USAGE, "malformed_value", vec!["explain", "wrong_sequence"]),
        (USAGE, "malformed_value", vec!["provider", "check", "--reference", "vault://kv/a"]),
        (FAILED, "io", vec!["provider", "check", "--reference", "kms://a", "--config", "nowhere.json"]),
        // What the parser of the command line finds.
        (USAGE, "unknown_field", vec!["show", "--privat", "1"]),
        (USAGE, "missing_field", vec!["show"]),
        (USAGE, "malformed_value", vec!["log", "--from", "one"]),
        (USAGE, "malformed_value", vec!["init", "--name", "x", "--stage", "production"]),
        (USAGE, "unknown_action", vec!["verfy"]),
        (USAGE, "missing_field", vec!["verify", "--keep-pin"]),
        (USAGE, "malformed_value", vec!["do", "x", "--key-file", "a", "--token-file", "b"]),
    ]
}

#[test]
fn every_error_has_a_code_a_sentence_and_a_way_out() {
    let home = begun();
    for (exit, code, args) in failures() {
        let ran = home.expect(exit, &args);
        assert!(ran.stderr.starts_with(&format!("error[{code}]: ")), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("\n  hint: "), "{args:?}: {}", ran.stderr);
        let answer = object(&home, exit, &args);
        assert_eq!(answer["code"], code, "{args:?}");
        if answer.get("effect").is_none() {
            let found: BTreeSet<&str> =
                answer.as_object().expect("an object").keys().map(String::as_str).collect();
            let fits = found.is_superset(&["code", "error", "hint"].into())
                && found.is_subset(&["code", "error", "hint", "pointer"].into());
            assert!(fits, "{args:?}: {found:?}");
            assert!(answer["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{args:?}: {answer}");
        }
    }
}

#[test]
fn exit_codes_are_those_of_section_16() {
    let home = begun();
    home.expect(YES, &["checkpoint"]);
    for (exit, code, _) in failures() {
        let class = CODES.iter().find(|c| c.as_str() == code).map(|c| c.class()).expect("a code");
        let expected = match class {
            chancery_ledger::Class::Invalid => USAGE,
            chancery_ledger::Class::Error => FAILED,
            _ => NO,
        };
        assert_eq!(exit, expected, "{code}");
    }
    home.expect(YES, &["--version"]);
    home.expect(YES, &["--help"]);
    home.expect(USAGE, &[]);
    home.expect(OPEN, &["verify"]);
    home.expect(YES, &["verify", "--pin", "ledger.pin"]);
    home.expect(BROKEN, &["verify", "--head", &format!("1:{}", "0".repeat(64))]);
}

#[test]
fn what_is_misspelt_gets_the_nearest_name() {
    let home = begun();
    let hint = |args: &[&str]| {
        let ran = home.expect(USAGE, args);
        ran.stderr.lines().find(|line| line.starts_with("  hint: ")).unwrap_or_default().to_owned()
    };
    let key = FOUNDER[1];
    assert!(hint(&["do", "--key-file", key, "scope.craete", "--id", "x"]).contains("`scope.create`"));
    assert!(hint(&["do", "--key-file", key, "hostkey.verify", "--id", "x"]).contains("`host_key.verify`"));
    assert!(
        hint(&["do", "--key-file", key, "principal.register", "--id", "x", "knid=human"]).contains("`kind`")
    );
    assert!(hint(&["explain", "wrong_sequ"]).contains("`wrong_seq`"));
    assert!(hint(&["verfy"]).contains("verify"));
    assert!(hint(&["show", "--privat", "1"]).contains("--private"));
    assert!(
        hint(&["do", "--key-file", key, "nothing.like_this", "--id", "x"])
            .contains("chancery explain actions")
    );
}

/// Command lines in the text of ways out, with what stands for something filled in.
#[test]
fn command_lines_in_ways_out_are_command_lines() {
    let home = begun();
    home.expect(YES, &["key", "generate", "--principal", "bot", "--out", "new.key"]);
    home.expect(YES, &["key", "generate", "--principal", "bot", "--out", "old.key"]);
    let lines = spec_lines();
    let table = lines
        .iter()
        .skip_while(|line| !line.starts_with("| code | class |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut tried = 0;
    for line in table {
        for (i, span) in line.rsplit(" | ").next().expect("a cell").split('`').skip(1).step_by(2).enumerate()
        {
            let Some(rest) = span.strip_prefix("chancery ") else { continue };
            let fresh = format!("fresh-{tried}-{i}");
            let words: Vec<String> = rest
                .split(' ')
                .map(|word| match word {
                    "DIR" if rest.starts_with("init") => fresh.clone(),
                    "DIR" => "ledger".to_owned(),
                    "FILE" if rest.contains("--out FILE") => fresh.clone(),
                    "FILE" | "NEW" => "new.key".to_owned(),
                    "OLD" => "old.key".to_owned(),
                    "NAME" => "fresh.example".to_owned(),
                    "ID" => "bot".to_owned(),
                    "ORIGIN" => "cli.example/e1".to_owned(),
                    word => word.to_owned(),
                })
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let output =
                home.command(&words).env("CHANCERY_KEY_FILE", FOUNDER[1]).output().expect("the binary runs");
            let ran = ran(output);
            assert!([YES, OPEN].contains(&ran.code), "{line}\n`{span}` ends {}: {}", ran.code, ran.stderr);
            tried += 1;
        }
    }
    assert!(tried >= 10, "{tried} command lines");
    for code in CODES {
        assert!(home.expect(YES, &["explain", code.as_str()]).stdout.contains("way out: "), "{code}");
    }
    for (verdict, exit) in [("authentic", 0), ("forked", 3), ("stale", 4)] {
        let said = home.expect(YES, &["explain", verdict]).stdout;
        assert!(said.starts_with(&format!("{verdict} (verdict, exit {exit})\n  ")), "{said}");
    }
    assert_eq!(Code::parse("no_such_code"), None);
}

#[test]
fn a_closed_stdout_is_success_and_a_full_one_is_not() {
    let home = begun();
    for args in [
        &["log"][..],
        &["explain", "14.1"],
        &["explain", "actions"],
        &["show", "0"],
        &["--json", "log"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = home.command(args).stdout(writer).output().expect("the binary runs");
        let ran = ran(output);
        assert_eq!((ran.code, ran.stderr.as_str()), (YES, ""), "{args:?}");
    }
    // Nobody reads what a no or a failure says, which makes it no yes.
    let taken = ["--json", "do", "scope.create", "--id", "acme", FOUNDER[0], FOUNDER[1]];
    for (code, args) in [
        (USAGE, &["--json", "show", "x"][..]),
        (NO, &["--json", "show", "4000"]),
        (FAILED, &["--json", "log", "--dir", "nowhere"]),
        (NO, &taken),
    ] {
        home.expect(code, args);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ran = ran(home.command(args).stdout(writer).output().expect("the binary runs"));
        assert_eq!(ran.code, code, "{args:?}: {}", ran.stderr);
    }
    for args in [&["log"][..], &["explain", "14.1"], &["--json", "checkpoint"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let ran = ran(home.command(args).stdout(full).output().expect("the binary runs"));
        assert_eq!(ran.code, FAILED, "{args:?}");
        assert!(ran.stderr.starts_with("error[io]: "), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn help_of_every_command_is_golden() {
    fn add(home: &Home, path: &[String], text: &mut String) {
        let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
        args.push("--help");
        let help = home.expect(YES, &args).stdout;
        text.push_str(&format!("$ chancery {}\n{}\n", args.join(" "), help.trim_end()));
        text.push('\n');
        for name in commands(&help) {
            let mut path = path.to_vec();
            path.push(name);
            add(home, &path, text);
        }
    }
    let mut text = String::new();
    add(&Home::new(), &[], &mut text);
    let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    expect_file!["../fixtures/surface/help.txt"].assert_eq(&text);
}

#[test]
fn hostile_text_is_shown_escaped_and_kept_as_it_is() {
    let home = begun();
    let hostile = "a\u{202e}gro\u{202c}\u{1b}[31mred\u{7}\u{200b}\u{e0041}\nposition  0\r\u{9b}é 🔑";
    act(
        &home,
        YES,
        &[
            "host_key.observe",
            "--id",
            "ssh-ed25519:h:22",
            "source=generated",
            &format!("fingerprint=SHA256:{}", "A".repeat(43)),
            &format!("comment={hostile}"),
        ],
    );
    let shown = home.expect(YES, &["show", "3", "--private"]).stdout;
    for c in ['\u{202e}', '\u{202c}', '\u{1b}', '\u{7}', '\u{200b}', '\u{e0041}', '\u{9b}', '\r'] {
        assert!(!shown.contains(c), "{c:?} is shown raw");
    }
    assert!(shown.contains("\\u{202e}gro") && shown.contains("é 🔑"), "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("position")).count(), 1, "no line is forged");
    let told = object(&home, YES, &["show", "3", "--private"]);
    assert_eq!(told["parts"]["private"]["comment"], hostile, "nothing is normalised");
    assert_eq!(told["parts"]["args"]["comment"], hostile);
    assert!(object(&home, YES, &["show", "3"])["parts"].as_object().expect("parts").is_empty());
    // The same text where it is wrong is escaped in the error as well.
    let ran = home.expect(USAGE, &["do", FOUNDER[0], FOUNDER[1], hostile, "--id", "x"]);
    assert!(!ran.stderr.contains('\u{1b}') && !ran.stderr.contains('\u{202e}'), "{:?}", ran.stderr);
}

#[test]
fn unicode_goes_where_text_may_stand_and_nowhere_else() {
    let home = begun();
    act(&home, YES, &["scope.close", "--id", "acme", "reason=Straße, 東京, e\u{301} ≠ é"]);
    assert_eq!(
        object(&home, YES, &["show", "3", "--private"])["parts"]["private"]["reason"],
        "Straße, 東京, e\u{301} ≠ é"
    );
    for args in [["scope.create", "--id", "äcme"], ["scope.create", "--id", "аcme"]] {
        act(&home, USAGE, &args);
    }
    act(&home, USAGE, &["scope.create", "--id", "x", "--scope", "/äcme"]);
    act(&home, USAGE, &["scope.close", "--id", "x", "rêason=y"]);
}

#[test]
fn arguments_are_text_json_or_a_file() {
    let home = begun();
    std::fs::write(home.path("reason.txt"), "from a file ✓\n").expect("a file");
    act(&home, YES, &["scope.close", "--id", "acme", "reason=@reason.txt"]);
    assert_eq!(object(&home, YES, &["show", "3", "--private"])["parts"]["args"]["reason"], "from a file ✓\n");
    act(&home, FAILED, &["scope.close", "--id", "acme", "reason=@nowhere.txt"]);
    act(&home, YES, &["scope.create", "--id", "b"]);
    act(&home, YES, &["scope.close", "--id", "b", "reason:=\"as \\u004aSON\""]);
    assert_eq!(object(&home, YES, &["show", "5", "--private"])["parts"]["args"]["reason"], "as JSON");
    act(&home, YES, &["scope.create", "--id", "c"]);
    act(&home, YES, &["scope.close", "--id", "c", "reason=a=b:=c"]);
    assert_eq!(object(&home, YES, &["show", "7", "--private"])["parts"]["args"]["reason"], "a=b:=c");
}

#[test]
fn reading_appends_nothing() {
    let home = begun();
    let before = (
        home.expect(YES, &["checkpoint"]).stdout,
        std::fs::read(home.path("ledger.anchor")).expect("the anchor"),
    );
    for args in [
        &["log"][..],
        &["show", "1", "--private"],
        &["verify", "--pin", "ledger.pin"],
        &["export", "--out", "a.chancery"],
        &["verify", "a.chancery", "--pin", "ledger.pin"],
        &["explain", "host_key.verify"],
        &["key", "show", FOUNDER[1]],
        &["completions", "zsh"],
    ] {
        home.expect(YES, args);
    }
    let after = (
        home.expect(YES, &["checkpoint"]).stdout,
        std::fs::read(home.path("ledger.anchor")).expect("the anchor"),
    );
    assert_eq!(before, after);
}
