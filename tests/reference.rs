//! Do two verifiers that share nothing but SPEC agree on every export of the corpus: verdict, code and span?

use crate::corrupt::told;
use crate::harness::corpus::{CORPUS, Case};
use crate::harness::{Home, root, skip};
use chancery_ledger::format::encoding::hex;
use chancery_ledger::verify::Trust;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

fn python() -> OsString {
    std::env::var_os("CHANCERY_PYTHON").unwrap_or_else(|| "python3".into())
}

fn has_python() -> bool {
    let asked = Command::new(python()).args(["-c", "import blake3, nacl"]).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// A line of the batch: a file and what is trusted.
fn ask(file: &Path, trust: &Trust) -> String {
    let mut line = serde_json::json!({ "file": file });
    if let Some(key) = &trust.key {
        line["key"] = key.to_string().into();
    }
    let pin = trust.pin.iter().map(|pin| (pin.size, pin.root));
    let heads = trust.heads.iter().copied().chain(pin);
    line["heads"] = heads.map(|(size, root)| format!("{size}:{}", hex(&root))).collect();
    format!("{line}\n")
}

/// What the reference verifier says of a share of the cases, with a pin and without.
fn batch(home: &Path, cases: &[&Case]) -> Vec<serde_json::Value> {
    let mut asked = String::new();
    for case in cases {
        let file = home.join(&case.name);
        std::fs::write(&file, &case.bytes).expect("written");
        asked.push_str(&ask(&file, &case.pinned));
        asked.push_str(&ask(&file, &case.bare));
    }
    let script = root().join("tests/reference/verify.py");
    let mut child = Command::new(python())
        .arg("-B")
        .arg(script)
        .arg("--batch")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python runs");
    let mut input = child.stdin.take().expect("a pipe");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(asked.as_bytes()).expect("python reads"));
        child.wait_with_output().expect("python ends")
    });
    assert!(output.status.success(), "the reference verifier failed");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("an answer")).collect()
}

fn differs(case: &Case, trust: &Trust, theirs: &serde_json::Value) -> Option<String> {
    let (verdict, code, span) = told(&case.bytes, trust);
    let ours = if verdict == "error" {
        serde_json::json!([verdict, code, null, null])
    } else {
        let code = if code.is_empty() { serde_json::Value::Null } else { code.into() };
        serde_json::json!([verdict, code, span.map(|s| s.0), span.map(|s| s.1)])
    };
    let theirs = match theirs.get("error") {
        Some(code) => serde_json::json!(["error", code, null, null]),
        None => serde_json::json!([theirs["verdict"], theirs["code"], theirs["first"], theirs["last"]]),
    };
    let with = if trust.key.is_some() { "pinned" } else { "bare" };
    (ours != theirs).then(|| format!("{} ({with}): ours {ours}, reference {theirs}", case.name))
}

#[test]
fn two_verifiers_agree_on_every_export() {
    if !has_python() {
        skip("two_verifiers_agree_on_every_export", "pip install blake3 pynacl");
        return;
    }
    let home = Home::new();
    let cases: Vec<&Case> = CORPUS.iter().collect();
    let (left, right) = cases.split_at(cases.len() / 2);
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| batch(&home.path(""), right));
        (batch(&home.path(""), left), other.join().expect("a batch"))
    });
    let answers: Vec<serde_json::Value> = first.into_iter().chain(second).collect();
    assert_eq!(answers.len(), cases.len() * 2);
    let wrong: Vec<String> = cases
        .iter()
        .zip(answers.chunks(2))
        .flat_map(|(case, pair)| [differs(case, &case.pinned, &pair[0]), differs(case, &case.bare, &pair[1])])
        .flatten()
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), answers.len(), wrong.join("\n"));
    eprintln!("{} verdicts on {} exports agree", answers.len(), cases.len());
}
