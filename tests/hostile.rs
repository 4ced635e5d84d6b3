//! What of an export whose author holds the log key and means harm? What SPEC refuses is refused, by its code.

use crate::harness::Home;
use crate::harness::forge::{Forge, int, members, object};
use crate::harness::story::Story;
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::format::canonical::to_bytes;
use chancery_ledger::format::ids::Origin;
use chancery_ledger::format::json::Value;
use chancery_ledger::format::key::LogVerifier;
use chancery_ledger::verify::{How, Pin, Report, Trust, Verdict, verify_export};

const HOW: How = How { threads: 1, screen: false, columns: true, recompute: false };

fn look(bytes: &[u8], trust: &Trust) -> Report {
    verify_export(&mut &bytes[..], trust, HOW, &mut |_| ()).expect("an export")
}

fn brief(report: &Report) -> (Verdict, &'static str, Option<(u64, u64)>) {
    let finding = report.finding.as_ref();
    (report.verdict, finding.map_or("", |found| found.code.as_str()), finding.and_then(|found| found.span))
}

fn key_only(story: &Story) -> Trust {
    Trust { key: Some(story.verifier()), ..Trust::default() }
}

fn told(form: Form) -> (Home, Story) {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), form);
    story.everything();
    (home, story)
}

/// The members of an object as an array, in the order of `names`; what is absent stands as null.
fn listed(value: &Value, names: &[&str]) -> Value {
    Value::List(names.iter().map(|name| value.get(name).cloned().unwrap_or(Value::Null)).collect())
}

const ENTRY: &[&str] = &[
    "actor",
    "attestation",
    "blind",
    "by",
    "cause",
    "data",
    "entity",
    "kind",
    "log",
    "n",
    "position",
    "prev",
    "private",
    "scope",
    "time",
    "v",
];
const ENVELOPE: &[(&str, &[&str])] = &[
    ("actor", &["for", "launcher", "principal", "session"]),
    ("attestation", &["key", "seq", "sig"]),
    ("by", &["action", "args", "key", "not_after", "policy", "rules"]),
    ("entity", &["id", "kind"]),
];
const GENESIS: &[(&str, &[&str])] = &[
    ("administrator", &["id", "public"]),
    ("attest", &["agent", "human", "service", "worker"]),
    ("limits", &["cause", "depth", "leaf", "private"]),
];

fn refused(story: &Story, forge: &Forge, line: usize, what: &str, code: &str, position: u64) {
    let mut forge = forge.clone();
    forge.sign_again(line, &story.log_key());
    let report = look(&forge.bytes(), &key_only(story));
    assert_eq!(brief(&report), (Verdict::Tampered, code, Some((position, position))), "{what}");
}

#[test]
fn an_object_is_never_an_array() {
    let (_home, story) = told(Form::Heads);
    let good = Forge::of(&story.export(true));
    let first = good.entries()[0];
    let signed = good
        .entries()
        .into_iter()
        .position(|line| good.entry(line).get("attestation").is_some())
        .expect("one");
    let line = good.entries()[signed];
    for (member, names) in ENVELOPE {
        let mut forge = good.clone();
        forge.change_entry(line, |entry| {
            let list = listed(&entry[*member], names);
            entry.insert((*member).to_owned(), list);
        });
        refused(&story, &forge, line, member, "leaf_invalid", signed as u64);
    }
    for (member, names) in GENESIS {
        let mut forge = good.clone();
        forge.change_entry(first, |entry| {
            let data = members(entry.get_mut("data").expect("data"));
            let list = listed(&data[*member], names);
            data.insert((*member).to_owned(), list);
        });
        refused(&story, &forge, first, member, "leaf_invalid", 0);
    }
    let mut forge = good.clone();
    let leaf = to_bytes(&listed(&forge.entry(line), ENTRY)).expect("canonical");
    forge.set_leaf(line, &leaf);
    refused(&story, &forge, line, "a leaf", "leaf_invalid", signed as u64);
}

#[test]
fn a_line_is_never_an_array() {
    let (_home, story) = told(Form::Heads);
    let good = Forge::of(&story.export(true));
    let parts =
        good.entries().into_iter().position(|line| good.doc(line).get("private").is_some()).expect("one");
    let line = good.entries()[parts];
    let mut forge = good.clone();
    let whole = listed(&forge.doc(line), &["args", "leaf", "private"]);
    forge.set(line, &whole);
    forge.retrail();
    assert_eq!(brief(&look(&forge.bytes(), &key_only(&story))).1, "line_invalid", "an entry");
    let mut forge = good.clone();
    forge.change(line, |doc| {
        let list = listed(&doc["private"], &["salt", "value"]);
        doc.insert("private".to_owned(), list);
    });
    forge.retrail();
    assert_eq!(brief(&look(&forge.bytes(), &key_only(&story))).1, "line_invalid", "a part");
    for (at, name, inner) in
        [(good.heads()[0], "head", ["sig", "size"]), (good.end(), "end", ["digest", "entries"])]
    {
        let mut forge = good.clone();
        forge.change(at, |doc| {
            let list = listed(&doc[name], &inner);
            doc.insert(name.to_owned(), list);
        });
        if name == "head" {
            forge.retrail();
        }
        assert_eq!(brief(&look(&forge.bytes(), &key_only(&story))).1, "line_invalid", "{name}");
    }
}

#[test]
fn null_is_never_a_sign_of_absence() {
    let (_home, story) = told(Form::Heads);
    let good = Forge::of(&story.export(true));
    let signed = good
        .entries()
        .into_iter()
        .position(|line| good.entry(line).get("attestation").is_some())
        .expect("one");
    for (position, place, member) in [
        (0, "", "private"),
        (0, "", "by"),
        (0, "", "attestation"),
        (0, "actor", "for"),
        (0, "data", "max_silence_ms"),
        (0, "data", "system_key"),
        (signed, "by", "not_after"),
        (signed, "by", "policy"),
        (signed, "actor", "session"),
    ] {
        let line = good.entries()[position];
        let mut forge = good.clone();
        forge.change_entry(line, |entry| {
            let at = if place.is_empty() { entry } else { members(entry.get_mut(place).expect("a member")) };
            assert!(!at.contains_key(member), "{member} is absent");
            at.insert(member.to_owned(), Value::Null);
        });
        refused(&story, &forge, line, member, "leaf_invalid", position as u64);
    }
    let mut forge = good.clone();
    let line = good.entries()[0];
    forge.change(line, |doc| {
        doc.insert("args".to_owned(), Value::Null);
    });
    refused(&story, &forge, line, "args of a line", "line_invalid", 0);
}

#[test]
fn a_word_is_a_string() {
    let (_home, story) = told(Form::Heads);
    let good = Forge::of(&story.export(false));
    let enrolled = good
        .entries()
        .into_iter()
        .position(|line| good.entry(line).get("kind").and_then(Value::text) == Some("key.enrolled"));
    for (position, place, member) in
        [(0, "", "form"), (0, "", "stage"), (0, "attest", "agent"), (enrolled.expect("one"), "", "use")]
    {
        let line = good.entries()[position];
        let mut forge = good.clone();
        forge.change_entry(line, |entry| {
            let mut at = members(entry.get_mut("data").expect("data"));
            if !place.is_empty() {
                at = members(at.get_mut(place).expect("a member"));
            }
            let word = at[member].text().expect("a word").to_owned();
            at.insert(member.to_owned(), object(&[(&word, Value::Null)]));
        });
        refused(&story, &forge, line, member, "leaf_invalid", position as u64);
    }
}

#[test]
fn a_leaf_that_is_no_base64_is_a_bad_leaf_whatever_its_characters() {
    let (_home, story) = told(Form::Heads);
    let mut forge = Forge::of(&story.export(false));
    let line = forge.entries()[3];
    forge.change(line, |doc| {
        doc.insert("leaf".to_owned(), Value::from("ab\n\"cd"));
    });
    forge.retrail();
    assert_eq!(
        brief(&look(&forge.bytes(), &key_only(&story))),
        (Verdict::Tampered, "leaf_invalid", Some((3, 3)))
    );
}

#[test]
fn a_line_over_the_limit_is_a_finding_even_when_it_never_ends() {
    let (_home, story) = told(Form::Heads);
    let forge = Forge::of(&story.export(false));
    let mut cut = Forge { lines: forge.lines[..forge.entries()[5]].to_vec() }.bytes();
    for (more, code) in [(163_840, "file_ends"), (163_841, "line_invalid"), (600_000, "line_invalid")] {
        let keep = cut.len();
        cut.resize(keep + more, b'x');
        assert_eq!(brief(&look(&cut, &key_only(&story))).1, code, "{more}");
        cut.truncate(keep);
    }
}

#[test]
fn a_pin_of_another_log_accuses_nobody() {
    let (_home, story) = told(Form::Heads);
    let verifier = LogVerifier {
        origin: Origin::parse("other.example/e1").expect("an origin"),
        key: story.verifier().key,
    };
    let pin = Pin::new(verifier.clone(), 0, [9; 32]);
    let trust = Trust { key: Some(verifier), heads: Vec::new(), pin: Some(pin) };
    assert_eq!(brief(&look(&story.export(false), &trust)), (Verdict::Unverifiable, "other_log", None));
}

#[test]
fn the_suspect_span_runs_from_where_the_key_is_suspected_to_its_last_entry() {
    let (_home, mut story) = told(Form::Heads);
    let key = story.keys["otto"].public().id();
    let early = story.pin().size;
    story.observations(500, 2, 1);
    story.must("founder", "scope.create", "/acme", "later", &[]);
    story.observations(600, 3, 1);
    let end = story.pin().size;
    let range = object(&[("from", int(early + 2))]);
    let mut suspect = story.request("founder", "key.suspect", "/acme", &key.entity(), range);
    story.sign(&mut suspect, "founder", None);
    assert!(matches!(story.ledger.submit(suspect), chancery_ledger::Answer::Receipt(r) if r.code.is_none()));
    let whole = look(&story.export(false), &key_only(&story));
    assert_eq!(brief(&whole), (Verdict::Suspect, "author_key", Some((early + 2, end - 1))));
    // A key that was enrolled before the first position: its signatures are unchecked, and suspect all the same.
    let partial = look(&story.export_range(early, None, false), &key_only(&story));
    assert_eq!(brief(&partial), (Verdict::Suspect, "author_key", Some((early + 2, end - 1))));
}

#[test]
fn the_first_two_keys_are_two() {
    let (_home, story) = told(Form::Entries);
    let mut forge = Forge::of(&story.export(false));
    let line = forge.entries()[0];
    forge.change_entry(line, |entry| {
        let data = members(entry.get_mut("data").expect("data"));
        let key = data["administrator"].get("public").expect("a key").clone();
        data.insert("system_key".to_owned(), key);
    });
    refused(&story, &forge, line, "one key twice", "leaf_invalid", 0);
}
