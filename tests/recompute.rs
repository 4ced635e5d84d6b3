//! Is every recorded answer the one that the rules give, and is one that is not named, whoever signed it?

mod forgeries;
mod hostile;

use crate::harness::Home;
use crate::harness::forge::{Forge, Members, members};
use crate::harness::story::Story;
use crate::harness::work::Governed;
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::format::canonical::to_bytes;
use chancery_ledger::format::encoding::unhex;
use chancery_ledger::format::hash::{ARGS, Context, PRIVATE};
use chancery_ledger::format::json::Value;
use chancery_ledger::verify::{Decisions, How, Report, Trust, Verdict, verify_export, verify_live};

const PLAIN: How = How { threads: 1, screen: false, columns: true, recompute: false };
const AGAIN: How = How { threads: 1, screen: false, columns: true, recompute: true };

fn key_only(story: &Story) -> Trust {
    Trust { key: Some(story.verifier()), heads: Vec::new(), pin: None }
}

fn look(story: &Story, bytes: &[u8], how: How) -> Report {
    verify_export(&mut &bytes[..], &key_only(story), how, &mut |_| ()).expect("an export")
}

/// Number of entries of a story that answer a request.
fn answers(story: &Story) -> u64 {
    let reader = story.ledger.reader().expect("a reader");
    let mut answers = 0;
    let each = |_: u64, leaf: &[u8]| {
        let entry = chancery_ledger::format::entry::open(leaf).expect("an entry");
        answers += u64::from(entry.by.is_some());
        Ok(())
    };
    reader.leaves(0..reader.size().expect("a size"), each).expect("leaves");
    answers
}

/// Recomputes a ledger as it stands, and from its export; every answer must be the one that the rules give.
pub fn holds(story: &Story, what: &str) {
    let trust = key_only(story);
    let live = verify_live(&story.paths, &trust, AGAIN, &mut |_, _| ()).expect("a ledger");
    let expected = Decisions { recomputed: answers(story), ..Decisions::default() };
    for (report, place) in [(live, "live"), (look(story, &story.export(true), AGAIN), "exported")] {
        let fits = matches!(report.verdict, Verdict::Authentic | Verdict::Suspect);
        assert!(fits, "{what}, {place}: {:?} {:?}", report.verdict, report.finding);
        assert_eq!(report.decisions, Some(expected), "{what}, {place}");
        assert_eq!(report.dimensions.decisions, format!("ok: {} recomputed", expected.recomputed));
    }
}

fn governed(home: &Home) -> Governed {
    let mut governed = Governed::begin(Story::begin(home.path("").as_path(), Form::Heads));
    governed.everything();
    governed
}

#[test]
fn every_answer_of_the_stories_is_the_one_that_the_rules_give() {
    for form in [Form::Heads, Form::Entries] {
        let home = Home::new();
        let mut story = Story::begin(home.path("").as_path(), form);
        story.everything();
        holds(&story, &format!("{form:?}"));
    }
    let home = Home::new();
    let governed = governed(&home);
    assert!(governed.size() > 80);
    holds(&governed.story, "governed work");
}

#[test]
fn noes_beyond_the_quota_are_not_missed() {
    let home = Home::new();
    let mut governed = Governed::begin(Story::begin(home.path("").as_path(), Form::Heads));
    let mut request = governed.story.request("founder", "scope.create", "/acme", "lab", Value::object());
    request.attestation = None;
    request.credential = chancery_ledger::gate::Credential::Token(governed.tokens["uma"].clone());
    for n in 0..250 {
        request.key = governed.story.fresh_key();
        let recorded =
            matches!(governed.story.ledger.submit(request.clone()), chancery_ledger::Answer::Receipt(_));
        assert_eq!(recorded, n < 240, "{n}");
    }
    governed.story.pass(60_000);
    governed.ask("uma", "scope.create", "/acme", "lab", Value::object());
    governed.ask("founder", "scope.create", "/acme", "lab", Value::object());
    holds(&governed.story, "the quota");
    // One more no in a minute that was full is one that the rules only count.
    let good = Forge::of(&governed.story.export(true));
    let line = last(&good, "decision.denied");
    let before = good.entries()[position(&good, line) - 3];
    let time = of(&good, before, "time");
    assert!(of(&good, before, "kind").text() == Some("decision.denied"));
    let mut forge = good.clone();
    for line in good.entries().into_iter().filter(|at| *at > before && *at <= line) {
        forge.change_entry(line, |entry| {
            entry.insert("time".to_owned(), time.clone());
        });
    }
    forge.sign_again(1, &governed.story.log_key());
    let report = look(&governed.story, &forge.bytes(), AGAIN);
    let finding = report.finding.expect("a finding");
    assert!(finding.message.contains("over_quota"), "{finding:?}");
}

/// What can be recomputed of bytes that do not have everything, and that the verdict says so.
#[test]
fn what_cannot_be_recomputed_is_counted_and_is_not_authentic() {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.everything();
    let all = answers(&story);
    let bare = look(&story, &story.export(false), AGAIN);
    assert_eq!(bare.verdict, Verdict::Unverifiable);
    assert_eq!(bare.decisions, Some(Decisions { without_arguments: all, ..Decisions::default() }));
    assert_eq!(look(&story, &story.export(false), PLAIN).verdict, Verdict::Authentic);
    let range = story.export_range(5, None, true);
    let part = look(&story, &range, AGAIN);
    assert_eq!(part.verdict, Verdict::Unverifiable);
    let counts = part.decisions.expect("asked for");
    assert_eq!((counts.recomputed, counts.without_arguments), (0, 0));
    assert!(counts.without_past > 0 && counts.without_past < all);
    assert_eq!(look(&story, &story.export(true), PLAIN).decisions, None);
    // A pin that stands further on does not spare the beginning.
    let mut trust = key_only(&story);
    trust.pin = verify_live(&story.paths, &trust, PLAIN, &mut |_, _| ()).expect("a ledger").pin;
    assert!(trust.pin.is_some());
    let live = verify_live(&story.paths, &trust, AGAIN, &mut |_, _| ()).expect("a ledger");
    assert_eq!((live.verdict, live.entries), (Verdict::Authentic, story.ledger.look(|world| world.position)));
    assert_eq!(live.decisions.map(|counts| counts.recomputed), Some(all));
}

#[test]
fn the_command_recomputes_and_says_so() {
    let home = Home::new();
    home.expect(0, &["demo", "--dir", "demo", "--no-serve"]);
    let live = ["--json", "verify", "--dir", "demo/ledger", "--pin", "demo/ledger.pin", "--recompute"];
    let told: serde_json::Value = serde_json::from_str(&home.expect(0, &live).stdout).expect("JSON");
    let answered = told["decisions"]["recomputed"].as_u64().expect("a count");
    assert!(answered > 10, "{told}");
    assert_eq!(told["dimensions"]["decisions"], format!("ok: {answered} recomputed"));
    let bare = ["verify", "demo/record.chancery", "--pin", "demo/ledger.pin", "--recompute", "--explain"];
    let told = home.expect(4, &bare).stdout;
    assert!(told.contains(&format!("0 decisions recomputed; {answered} could not be")), "{told}");
    let plain = ["--json", "verify", "demo/record.chancery", "--pin", "demo/ledger.pin"];
    let told: serde_json::Value = serde_json::from_str(&home.expect(0, &plain).stdout).expect("JSON");
    assert!(told["decisions"].is_null() && told["dimensions"]["decisions"] == "not asked for", "{told}");
}

/// A member of an entry.
fn of(forge: &Forge, line: usize, name: &str) -> Value {
    forge.entry(line).get(name).expect("a member").clone()
}

fn kind(forge: &Forge, line: usize) -> String {
    forge.entry(line).get("kind").and_then(Value::text).expect("a kind").to_owned()
}

/// Position of the entry at a line, or of the next one after it.
fn position(forge: &Forge, line: usize) -> usize {
    forge.entries().into_iter().filter(|at| *at < line).count()
}

fn of_kind(forge: &Forge, wanted: &str) -> Vec<usize> {
    forge.entries().into_iter().filter(|line| kind(forge, *line) == wanted).collect()
}

fn first(forge: &Forge, wanted: &str) -> usize {
    of_kind(forge, wanted).first().copied().unwrap_or_else(|| panic!("no `{wanted}`"))
}

fn last(forge: &Forge, wanted: &str) -> usize {
    of_kind(forge, wanted).last().copied().unwrap_or_else(|| panic!("no `{wanted}`"))
}

fn denied(forge: &Forge, code: &str) -> usize {
    let has =
        |line: &usize| forge.entry(*line).get("data").and_then(|d| d.get("code")?.text().map(|c| c == code));
    of_kind(forge, "decision.denied").into_iter().find(|line| has(line) == Some(true)).expect("a denial")
}

/// Takes an entry out; what comes after it moves up, causes included.
fn remove(forge: &mut Forge, line: usize) {
    let gone = position(forge, line) as i64;
    forge.lines.remove(line);
    shift(forge, line, |at| if at >= gone { (at - 1).max(0) } else { at });
}

/// Puts an entry in once more behind itself; what comes after it moves down, causes included.
fn repeat(forge: &mut Forge, line: usize) {
    let here = position(forge, line) as i64;
    forge.lines.insert(line + 1, forge.lines[line].clone());
    shift(forge, line + 2, |at| if at > here { at + 1 } else { at });
}

fn shift(forge: &mut Forge, after: usize, moved: impl Fn(i64) -> i64) {
    for line in forge.entries().into_iter().filter(|line| *line >= after) {
        let Value::List(cause) = of(forge, line, "cause") else { continue };
        let mut cause: Vec<i64> = cause.iter().filter_map(Value::int).map(&moved).collect();
        cause.dedup();
        edit(forge, line, &["cause"], Value::List(cause.into_iter().map(Value::Int).collect()));
    }
    forge.renumber();
}

fn set(entry: &mut Members, path: &[&str], value: Value) {
    match path {
        [name] => drop(entry.insert((*name).to_owned(), value)),
        [name, rest @ ..] => set(members(entry.get_mut(*name).expect("a member")), rest, value),
        [] => {}
    }
}

fn edit(forge: &mut Forge, line: usize, path: &[&str], value: Value) {
    forge.change_entry(line, |entry| set(entry, path, value));
}

/// Makes another event of an entry, without a private part.
fn becomes(forge: &mut Forge, line: usize, kind: &str, data: Value) {
    forge.change_entry(line, |entry| {
        entry.insert("kind".to_owned(), Value::from(kind));
        entry.insert("data".to_owned(), data);
        entry.remove("private");
    });
    forge.change(line, |line| drop(line.remove("private")));
}

/// Puts another part beside an entry, with its commitment: `slot` is `args` or `private`.
fn part(forge: &mut Forge, line: usize, slot: &str, value: &Value) {
    let context: &Context = if slot == "args" { &ARGS } else { &PRIVATE };
    let mut salt = None;
    forge.change(line, |line| {
        let part = members(line.get_mut(slot).expect("a part"));
        salt = part["salt"].text().and_then(unhex::<32>);
        part.insert("value".to_owned(), value.clone());
    });
    let digest = context.commit(&salt.expect("a salt"), &to_bytes(value).expect("canonical"));
    let path: &[&str] = if slot == "args" { &["by", "args"] } else { &["private"] };
    edit(forge, line, path, Value::Text(digest.to_string()));
}
