//! Does material that was leased, or looks like a secret, reach the disk? It is planted in everything that a worker relays,
//! and then every byte that the ledger wrote is searched for it.

use crate::harness::Home;
use crate::harness::governed::typed;
use crate::harness::story::{Story, code_of};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::fingerprint::fingerprints_of;
use chancery_ledger::format::encoding::base64;
use chancery_ledger::format::json::Value;
use chancery_ledger::store::read_fingerprint_key;
use chancery_ledger::{Answer, Code, Reply};
use chancery_projections::{Engine, VIEWS};
use std::path::Path;
use std::sync::mpsc;

/// What the lease of these tests hands out; it has quotes and a slash, which are escaped on their way.
const CANARY: &str = "opal \"lantern\" of quartz/7731 under the copper roof";
/// What a worker says besides, and what the search must find if it works.
const HARMLESS: &str = "the third door on the left was open";

/// Bytes of every file below a directory, with its name.
fn files(dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).expect("a file")));
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The ways in which the canary may stand in a text.
fn forms(canary: &str) -> Vec<String> {
    let escaped = canary.replace('"', "\\\"");
    let percent: String = canary.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let url = canary.replace(' ', "%20").replace('"', "%22");
    let mut unicode = String::new();
    canary.chars().for_each(|c| unicode.push_str(&format!("\\u{:04x}", u32::from(c))));
    vec![canary.to_owned(), escaped, url, percent, unicode, base64(canary.as_bytes())]
}

fn prints(story: &Story, canary: &str) -> String {
    let key = read_fingerprint_key(&story.paths.fingerprint_key()).expect("a key");
    let all: Vec<String> =
        fingerprints_of(&key, canary.as_bytes()).iter().map(|print| format!("\"{print}\"")).collect();
    format!("fingerprints:=[{}]", all.join(","))
}

/// A started job that w-1 holds, with one lease that was opened.
fn started(home: &Home) -> Story {
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    story.work();
    story.job("j-1");
    story.grant("g-1", "j-1");
    story.did("w-1", "claim.acquire", "/acme", "j-1", &["ttl_ms:=3000000"]);
    let words =
        ["fence:=1", "grant=g-1", "job=j-1", "reference=test://canary", "ttl_ms:=60000", "use=access_test"];
    story.did("w-1", "lease.open", "/acme", "l-1", &words);
    story.did("w-1", "job.start", "/acme", "j-1", &["fence:=1", "grant=g-1", "lease=l-1"]);
    story
}

fn append(story: &mut Story, id: &str, seq: u64, name: &str, text: &str) -> Answer {
    let seq = format!("seq:={seq}");
    story.with_text("w-1", "transcript.append", "/acme", id, &["fence:=1", &seq], (name, text))
}

/// Relays every form of the canary in every place, and tells the code of each answer.
fn relay_all(story: &mut Story, id: &str, seq: u64) -> Vec<(String, Option<Code>)> {
    let mut told = Vec::new();
    for form in forms(CANARY) {
        let text = format!("it printed: {form}; and went on");
        for part in ["operator", "technical", "audit"] {
            told.push((format!("{part}: {form}"), code_of(&append(story, id, seq, part, &text))));
        }
        let evidence = Value::from(text.as_str());
        let mut quoted = Vec::new();
        chancery_ledger::format::canonical::write(&evidence, &mut quoted).expect("JSON");
        let evidence =
            Story::evidence(&format!(",\"summary\":{}", String::from_utf8(quoted).expect("UTF-8")));
        let words = ["fence:=1", "grant=g-1", "outcome=succeeded"];
        let answer = story.with_text("w-1", "job.report", "/acme", id, &words, ("evidence", &evidence));
        told.push((format!("evidence: {form}"), code_of(&answer)));
    }
    told
}

/// Folds the views beside the ledger: their file is searched with the others.
fn fold(story: &Story) {
    let head = story.ledger.released().head();
    let (head, path) = (&head.checkpoint, story.paths.views());
    let mut engine = Engine::open(&path, head.origin.name(), VIEWS).expect("the views open");
    let reader = story.ledger.reader().expect("a reader");
    engine.catch_up(&reader, head, &mut |_, _| ()).expect("folded");
}

/// Nothing below the home, nor an export, has the canary in any form; the search finds what is there.
fn searched(story: Story, home: &Home) {
    let export = story.export(true);
    fold(&story);
    let Story { ledger, .. } = story;
    ledger.close().expect("a clean end");
    let mut found = vec![("the export".to_owned(), export)];
    files(&home.path(""), &mut found);
    assert!(found.len() > 5, "there is something to search");
    let finds = |text: &str| -> Vec<&str> {
        found.iter().filter(|(_, bytes)| holds(bytes, text)).map(|(name, _)| name.as_str()).collect()
    };
    let harmless = finds(HARMLESS);
    assert!(
        harmless.contains(&"the export") && harmless.len() > 1,
        "what was accepted is found: {harmless:?}"
    );
    for form in forms(CANARY) {
        assert_eq!(finds(&form), Vec::<&str>::new(), "{form}");
    }
    // Not even a piece of it that is long enough to be told from chance.
    for piece in ["lantern", "quartz/7731", "copper roof"] {
        assert_eq!(finds(piece), Vec::<&str>::new(), "{piece}");
    }
}

#[test]
fn what_was_leased_reaches_no_file_in_any_form() {
    let home = Home::new();
    let mut story = started(&home);
    assert_eq!(code_of(&append(&mut story, "j-1", 1, "operator", HARMLESS)), None);
    let prints = prints(&story, CANARY);
    story.did("w-1", "lease.resolve", "/acme", "l-1", &[&prints]);
    let expect = |told: Vec<(String, Option<Code>)>, report: Code| {
        for (what, code) in told {
            let expected = if what.starts_with("evidence") { report } else { Code::Quarantined };
            assert_eq!(code, Some(expected), "{what}");
        }
    };
    // While the lease is open a result is refused in any case; that it holds a secret comes first.
    expect(relay_all(&mut story, "j-1", 2), Code::ResultRejected);
    let mut story = story.reopen();
    story.did("w-1", "lease.close", "/acme", "l-1", &[]);
    expect(relay_all(&mut story, "j-1", 2), Code::ResultRejected);
    let evidence = Story::evidence("");
    let words = ["fence:=1", "grant=g-1", "outcome=succeeded"];
    let answer = story.with_text("w-1", "job.report", "/acme", "j-1", &words, ("evidence", &evidence));
    assert_eq!(code_of(&answer), None, "{answer:?}");
    // Over: the transcript quarantines, and a result is refused like any other.
    let over = |told: Vec<(String, Option<Code>)>| {
        for (what, code) in told {
            let expected =
                if what.starts_with("evidence") { Code::SecretInArguments } else { Code::Quarantined };
            assert_eq!(code, Some(expected), "{what}");
        }
    };
    over(relay_all(&mut story, "j-1", 2));
    let mut story = story.reopen();
    over(relay_all(&mut story, "j-1", 2));
    searched(story, &home);
}

#[test]
fn what_is_relayed_right_behind_its_lease_is_searched_all_the_same() {
    let home = Home::new();
    let mut story = started(&home);
    assert_eq!(code_of(&append(&mut story, "j-1", 1, "operator", HARMLESS)), None);
    let prints = prints(&story, CANARY);
    let key = story.keys["w-1"].public().id();
    let next = story.ledger.look(|world| world.keys.get(key).expect("a key").next);
    // Three requests of one batch: when they come in, nobody knows yet what is handed out.
    let mut requests = Vec::new();
    for (n, (action, id, words)) in [
        ("lease.resolve", "l-1", vec![prints]),
        ("transcript.append", "j-1", vec!["fence:=1".to_owned(), "seq:=2".to_owned()]),
        (
            "job.report",
            "j-1",
            vec!["fence:=1".to_owned(), "grant=g-1".to_owned(), "outcome=failed".to_owned()],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut args = typed(&words);
        if let Value::Object(members) = &mut args {
            let text = Value::from(format!("it printed: {CANARY}").as_str());
            match action {
                "transcript.append" => members.insert("operator".to_owned(), text),
                "job.report" => members.insert("evidence".to_owned(), text),
                _ => None,
            };
        }
        let mut request = story.request("w-1", action, "/acme", id, args);
        // What is recorded in place of a secret uses up no number.
        story.sign(&mut request, "w-1", Some(next + u64::from(n > 0)));
        requests.push(request);
    }
    let (send, receive) = mpsc::channel();
    let batch = requests.into_iter().map(|request| {
        let send = send.clone();
        let reply: Reply = Box::new(move |answer| send.send(code_of(&answer)).expect("the test waits"));
        (request, reply)
    });
    story.ledger.submit_all(batch.collect()).expect("room");
    let told: Vec<Option<Code>> = (0..3).map(|_| receive.recv().expect("an answer")).collect();
    assert_eq!(told, [None, Some(Code::Quarantined), Some(Code::ResultRejected)]);
    searched(story, &home);
}

#[test]
fn what_only_looks_like_a_secret_reaches_no_file_either() {
    let home = Home::new();
    let mut story = started(&home);
    assert_eq!(code_of(&append(&mut story, "j-1", 1, "operator", HARMLESS)), None);
    // Made here, so that no file of ours has it.
    let key = format!("AKIA{}", "IOSFODNN7QZ4MPLE");
    let says = format!("found {key} in the environment");
    assert_eq!(code_of(&append(&mut story, "j-1", 2, "audit", &says)), Some(Code::Quarantined));
    assert_eq!(code_of(&append(&mut story, "j-2", 1, "audit", &says)), Some(Code::NotFound));
    let words = ["fence:=1", "grant=g-1", "outcome=succeeded"];
    let evidence = Story::evidence(&format!(",\"summary\":\"{says}\""));
    let answer = story.with_text("w-1", "job.report", "/acme", "j-1", &words, ("evidence", &evidence));
    assert_eq!(code_of(&answer), Some(Code::ResultRejected));
    story.did("founder", "worker.suspend", "/acme", "w-1", &[]);
    assert_eq!(code_of(&append(&mut story, "j-1", 2, "audit", &says)), Some(Code::WorkerDisabled));
    story.pass(3_000_000);
    assert_eq!(code_of(&append(&mut story, "j-1", 2, "audit", &says)), Some(Code::SecretInArguments));
    fold(&story);
    let Story { ledger, .. } = story;
    ledger.close().expect("a clean end");
    let mut found = Vec::new();
    files(&home.path(""), &mut found);
    assert!(found.iter().any(|(_, bytes)| holds(bytes, HARMLESS)), "what was accepted is found");
    let leaks: Vec<&String> =
        found.iter().filter(|(_, bytes)| holds(bytes, &key)).map(|(name, _)| name).collect();
    assert_eq!(leaks, Vec::<&String>::new());
}
