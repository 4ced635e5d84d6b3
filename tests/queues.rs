//! Do the queues say what needs somebody, why, and who decides, and nothing that no entry says?

use crate::harness::queues::{folded, reading};
use crate::harness::run::Template;
use crate::harness::scenario::{parse, run};
use crate::harness::story::{NAME, Story};
use crate::harness::work::Governed;
use crate::harness::{Home, Seeded, root};
use crate::spec::{section, table};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::domains::transcript::Reason;
use chancery_ledger::domains::{KINDS, drill, job, lease, preflight};
use chancery_ledger::format::checkpoint::Checkpoint;
use chancery_ledger::format::entry;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::{Ledger, gate};
use chancery_projections::attention::{Reader, blocked, governance_status, items, queues};
use chancery_projections::{Ask, Engine, QUEUES, Show, VIEWS, Views, compare, digests};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Every item of every queue, as who reads the files sees it.
fn all(views: &Views, now: i64) -> Vec<Value> {
    let nothing = |_: u64, _: u64| Ok(None);
    let show = Show { now, principal: None, abilities: None, part: &nothing };
    let reader = Reader { within: &Scope::root(), show: &show };
    let page = |queue| items(views, queue, reader, None, Some(500)).expect("a page").items;
    QUEUES.into_iter().flat_map(page).collect()
}

/// The sentences of a narrative, with the part that each stands in.
fn sentences(narrative: &Value) -> Vec<(String, Value)> {
    let members = narrative.as_object().expect("a narrative");
    let parts = members.iter().filter(|(name, _)| *name != "decides");
    parts
        .flat_map(|(name, value)| match value.as_array() {
            Some(list) => list.iter().map(|one| (name.clone(), one.clone())).collect::<Vec<_>>(),
            None => vec![(name.clone(), value.clone())],
        })
        .collect()
}

/// Names that the ledger has for things, which are no words for people.
fn names() -> BTreeSet<&'static str> {
    let all = [
        Reason::NAMES,
        lease::Failure::NAMES,
        job::Mode::NAMES,
        drill::ITEMS,
        &preflight::CHECKS,
        &preflight::GATES,
        &preflight::ENABLEMENT,
        gate::Role::NAMES,
        KINDS,
    ];
    all.into_iter().flatten().copied().filter(|name| name.contains(['_', '.'])).collect()
}

/// What holds for every item, whatever happened.
fn sound(ledger: &Ledger, views: &Views, what: &str) -> usize {
    let reader = ledger.reader().expect("a reader");
    let names = names();
    let found = all(views, 1_790_000_000_000);
    for item in &found {
        let scope = Scope::parse(text(item, "scope")).expect("a scope");
        let owned = item["owner"]["roles"].as_array().is_some_and(|roles| !roles.is_empty());
        assert!(owned || item["changes_at"].is_i64(), "{what}: neither owner nor wake-up: {item}");
        let told = sentences(&item["narrative"]);
        assert!(told.len() >= 7, "{what}: {item}");
        for (part, sentence) in told.iter().chain([&("positions".to_owned(), item.clone())]) {
            let positions = sentence["positions"].as_array().expect("positions");
            assert!(
                !positions.is_empty() && positions.len() <= 32,
                "{what}: `{part}` rests on {positions:?}"
            );
            for position in positions {
                let leaf = reader.leaf(position.as_u64().expect("a position")).expect("a store");
                let leaf = leaf.unwrap_or_else(|| panic!("{what}: no entry {position}"));
                let at = Scope::parse(entry::read(&leaf).expect("an entry").scope).expect("a scope");
                assert!(scope.contains(&at), "{what}: {position} is in {at}, the item in {scope}: {item}");
            }
        }
        for (part, sentence) in &told {
            let said = text(sentence, "text");
            assert!(said.ends_with('.') && !said.contains('\n'), "{what}: {part}: {said}");
            let raw = said.split(|c: char| !(c.is_ascii_alphanumeric() || "_.".contains(c)));
            let raw: Vec<&str> =
                raw.map(|word| word.trim_end_matches('.')).filter(|w| names.contains(w)).collect();
            assert!(raw.is_empty() && !said.contains("b3:"), "{what}: {part}: {raw:?} in: {said}");
        }
    }
    found.len()
}

/// The head of so many entries.
fn head(ledger: &Ledger, size: u64) -> Checkpoint {
    let root = ledger.reader().expect("a reader").frontier(size).expect("a frontier").root();
    Checkpoint { origin: ledger.origin().clone(), size, root }
}

/// What could not be folded, and why.
fn letters(path: &Path) -> Vec<Value> {
    let nothing = |_: u64, _: u64| Ok(None);
    let show = Show { now: 0, principal: None, abilities: None, part: &nothing };
    let view = chancery_projections::views::view("dead_letters").expect("a view");
    let ask = Ask { view, within: &Scope::root(), about: None, state: None, token: None, limit: None };
    Views::open(path).expect("views").page(&ask, &show).expect("a page").items
}

/// Folds in steps of so many entries.
fn stepped(ledger: &Ledger, path: &Path, step: u64) {
    let reader = ledger.reader().expect("a reader");
    let size = reader.size().expect("a size");
    let mut engine = Engine::open(path, NAME, VIEWS).expect("an engine");
    let mut at = 0;
    while at < size {
        at = (at + step).min(size);
        engine.catch_up(&reader, &head(ledger, at), &mut |_, _| ()).expect("a fold");
    }
    assert_eq!(engine.skipped(), 0, "{:?}", letters(path));
}

/// Items hold to their rules, and however the entries came in, the rows are the same.
fn holds(ledger: &Ledger, home: &Home, what: &str) -> usize {
    let [one, seven, whole] = ["one.db", "seven.db", "whole.db"].map(|name| home.path(name));
    stepped(ledger, &one, 1);
    stepped(ledger, &seven, 7);
    stepped(ledger, &whole, 1024);
    let digest = |path: &Path| -> Vec<(String, u64)> {
        digests(path, VIEWS).expect("digests").into_iter().map(|view| (view.digest, view.rows)).collect()
    };
    let wanted = digest(&whole);
    assert_eq!(digest(&one), wanted, "{what}: {:?}", compare(&one, &whole, VIEWS));
    assert_eq!(digest(&seven), wanted, "{what}: {:?}", compare(&seven, &whole, VIEWS));
    sound(ledger, &Views::open(&whole).expect("views"), what)
}

fn files() -> Vec<String> {
    let dir = std::fs::read_dir(root().join("fixtures/queues")).expect("stories");
    let mut names: Vec<String> =
        dir.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn queues_and_members_are_those_of_section_17_9() {
    let section = section("17.9");
    let column = |head: &str| -> Vec<String> {
        table(&section, head).iter().map(|row| row[0].replace('`', "")).collect()
    };
    assert_eq!(column("queue"), QUEUES.map(|queue| queue.name.to_owned()));
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    story.did("otto", "switch.engage", "/acme", "stop", &["target=scope"]);
    let item = all(&folded(&story.ledger, &home.path("views.db")), 0).remove(0);
    let row = ["about", "changed", "key", "scope", "state"];
    let found: BTreeSet<&str> =
        item.as_object().expect("an item").keys().map(String::as_str).filter(|n| !row.contains(n)).collect();
    let listed = column("member");
    let listed: BTreeSet<&str> =
        listed.iter().flat_map(|cell| cell.split(", ")).map(|name| name.trim_end_matches('?')).collect();
    assert_eq!(found, listed);
}

#[test]
fn stories_of_the_queues_hold() {
    let mut told = 0;
    for name in files() {
        let file = format!("fixtures/queues/{name}");
        let text = std::fs::read_to_string(root().join(&file)).expect("a story");
        for case in parse(&file, &text) {
            let (story, home) = run(&file, &case);
            holds(&story.ledger, &home, &format!("{file}: `{}`", case.title));
            told += 1;
        }
    }
    assert!(told >= 24, "{told} cases");
}

#[test]
fn every_queue_has_a_story() {
    let mut queues: Vec<String> = QUEUES.iter().map(|queue| format!("{}.txt", queue.name)).collect();
    queues.push("attention.txt".to_owned());
    queues.sort();
    assert_eq!(files(), queues);
}

#[test]
fn items_hold_to_their_rules_after_any_story() {
    let template = Template::new();
    let mut items = 0;
    for number in 0..12 {
        let (mut seeded, mut run) = (Seeded::new(0xDEC1_5100 + number), template.run());
        for _ in 0..60 {
            run.step(seeded.next()).expect("a step");
        }
        items += holds(run.ledger(), &Home::in_memory(), &format!("sequence {number}"));
    }
    assert!(items >= 24, "{items} items: the sequences say little");
}

#[test]
fn items_hold_to_their_rules_after_governed_work() {
    let home = Home::new();
    let mut governed = Governed::begin(Story::begin(home.path("").as_path(), Form::Heads));
    governed.everything();
    assert!(holds(&governed.story.ledger, &home, "governed work") >= 3);
    // Everything that has a name is told to be counted as it is listed.
    let views = folded(&governed.story.ledger, &home.path("views.db"));
    let listed = all(&views, 0).len() as u64;
    reading(&governed.story.ledger, governed.story.clock.wall(), None, |reader| {
        let status = governance_status(&views, reader).expect("a status");
        assert_eq!(status["open"], listed);
        assert_eq!(status["queues"], queues(&views, reader).expect("queues")["queues"]);
        assert!(status["oldest"]["first"]["position"].is_u64() && status["as_of"]["entries"].is_u64());
        assert_eq!(status["gate"]["live"], "closed");
        let blocked = blocked(&views, reader).expect("an answer");
        assert_eq!(text(&blocked["routes"][0], "cause"), "blocked", "{blocked}");
        assert!(blocked["jobs"].as_array().expect("jobs").iter().all(|item| item["cause"] != "blocked"));
    });
}
