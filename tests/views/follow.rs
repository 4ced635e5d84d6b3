//! Are views that follow in batches those that are folded anew, and do readers keep what they have while they are built?

use super::{anew, fold, governed, head, named};
use crate::harness::run::Template;
use crate::harness::story::Story;
use crate::harness::{Home, Seeded};
use chancery_ledger::domains::ledger::Form;
use chancery_projections::{
    Access, Engine, Follower, Index, Order, Poison, Row, Rows, Seen, Show, Step, VIEWS, View, Views, build,
    compare, digests, entries,
};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;

#[test]
fn batches_of_a_random_story_are_a_rebuild() {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(Template::new);
    for seed in 0..4 {
        let mut seeded = Seeded::new(seed);
        let mut run = TEMPLATE.run();
        let home = Home::in_memory();
        let path = home.path("views.db");
        for round in 0..8 {
            for _ in 0..40 {
                run.step(seeded.next()).expect("model and ledger agree");
            }
            fold(run.now(), &path, VIEWS);
            if round % 4 == 3 {
                let size = head(run.now()).1.size;
                assert_eq!(
                    digests(&path, VIEWS).expect("digests"),
                    anew(run.now(), &home, size),
                    "seed {seed}"
                );
            }
        }
        let dead = digests(&path, &[named("dead_letters")]).expect("a digest");
        assert_eq!(dead[0].rows, 0, "seed {seed}: something could not be folded");
    }
}

#[test]
fn an_earlier_size_is_what_stood_then() {
    let home = Home::in_memory();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    let path = home.path("views.db");
    story.cast();
    story.work();
    fold(&story, &path, VIEWS);
    let (then, size) = (digests(&path, VIEWS).expect("digests"), head(&story).1.size);
    story.job("j-1");
    story.grant("g-1", "j-1");
    fold(&story, &path, VIEWS);
    assert_ne!(digests(&path, VIEWS).expect("digests"), then);
    assert_eq!(anew(&story, &home, size), then);
}

#[test]
fn a_follower_shows_what_was_appended() {
    let home = Home::in_memory();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    let path = home.path("views.db");
    let follower = Follower::start(&story.ledger, &path, VIEWS, Box::new(|_| ())).expect("a follower");
    story.cast();
    story.work();
    story.job("j-1");
    let size = head(&story).1.size;
    assert!(follower.wait(size, Duration::from_secs(60)), "{:?}", follower.health());
    assert_eq!(digests(&path, VIEWS).expect("digests"), anew(&story, &home, size));
    // One file, one that folds.
    let second = Engine::open(&path, head(&story).1.origin.name(), VIEWS);
    assert_eq!(second.expect_err("it is locked").code.as_str(), "locked");
}

fn count(rows: &mut Rows<'_>, seen: &Seen<'_>, by: u64) -> Result<(), Poison> {
    let before = rows.get("all")?.map(|row| row.read::<u64>()).transpose()?.unwrap_or_default();
    rows.put(Row::new("all", seen, before + by));
    Ok(())
}

fn show(row: &Row, _: &Show<'_>) -> Result<Value, Poison> {
    Ok(json!({"count": row.value()?}))
}

const fn counting(
    name: &'static str,
    version: u32,
    fold: fn(&mut Rows<'_>, &Seen<'_>) -> Result<(), Poison>,
) -> View {
    View {
        name,
        question: "How many?",
        version,
        access: Access::Read,
        indexes: &[Index::About],
        order: Order::Ascending,
        states: &[],
        fold,
        show,
    }
}

static ONE: View = counting("counted", 1, |rows, seen| count(rows, seen, 1));
static TWO: View = counting("counted", 2, |rows, seen| count(rows, seen, 2));
static FIRST: &[&View] = &[&ONE];
static SECOND: &[&View] = &[&TWO];

/// What readers are told of the count, and in which version.
fn told(views: &Views, view: &'static View) -> (u64, u32) {
    let part = |_: u64, _: u64| Ok(None);
    let shown = Show { now: 0, principal: None, abilities: None, part: &part };
    let root = crate::harness::story::scope("/");
    let (at, row) = views.row(view, "all", &root, &shown).expect("a row");
    (row.expect("it is there")["count"].as_u64().expect("a number"), at.version)
}

/// Of every entry a row that is large; each names one that came long before it, and one that never was.
fn recall(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    let key = |position: u64| format!("row {position}");
    let (early, never) = (rows.get(&key(seen.position / 2))?, rows.get(&key(seen.position + 1))?);
    if early.is_none() != (seen.position == 0) || never.is_some() {
        return Err(Poison::new(format!("at {}: {}, {}", seen.position, early.is_some(), never.is_some())));
    }
    count(rows, seen, 1)?;
    rows.put(Row::new(key(seen.position), seen, "r".repeat(8 * 1024)));
    Ok(())
}

#[test]
fn what_is_no_longer_at_hand_is_in_the_store() {
    static VIEW: View = counting("recalled", 1, recall);
    static VIEWS: &[&View] = &[&VIEW, &ONE];
    let (home, story) = long();
    let (reader, head) = head(&story);
    // In one go, and by a program that ends after each batch: more than what is kept at hand, several times over.
    for (file, again) in [("whole.db", false), ("parts.db", true)] {
        let path = home.path(file);
        let open = || Engine::open(&path, head.origin.name(), VIEWS).expect("the views open");
        let mut engine = open();
        while let Step::Folded(_) = engine.step(&reader, &head).expect("a step") {
            if again {
                drop(engine);
                engine = open();
            }
        }
        assert_eq!((engine.entries(), engine.skipped()), (head.size, 0), "{file}");
        drop(engine);
        assert_eq!(told(&Views::open(&path).expect("views"), &VIEW), (head.size, 1), "{file}");
    }
}

/// A ledger of more than two batches.
fn long() -> (Home, Story) {
    let home = Home::in_memory();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    story.observations(0, 2_200, 512);
    (home, story)
}

#[test]
fn a_new_version_is_built_beside_the_one_that_is_read() {
    let (home, story) = long();
    let path = home.path("views.db");
    fold(&story, &path, FIRST);
    let views = Views::open(&path).expect("views");
    let (reader, head) = head(&story);
    assert_eq!(told(&views, &ONE), (head.size, 1));
    // The program is ended and begun again in the middle of it: what was built goes on.
    for _ in 0..2 {
        let mut engine = Engine::open(&path, head.origin.name(), SECOND).expect("the views open");
        assert!(matches!(engine.step(&reader, &head).expect("a step"), Step::Folded(_)));
        assert_eq!(told(&views, &TWO), (head.size, 1), "the old rows are read");
    }
    let mut engine = Engine::open(&path, head.origin.name(), SECOND).expect("the views open");
    assert_eq!(engine.entries(), 2_048, "two batches were kept");
    engine.catch_up(&reader, &head, &mut |_, _| ()).expect("folded");
    assert_eq!(told(&views, &TWO), (head.size * 2, 2));
}

#[test]
fn a_rebuild_serves_the_old_rows_until_it_has_caught_up() {
    let (home, story) = long();
    let path = home.path("views.db");
    fold(&story, &path, VIEWS);
    let (reader, head) = head(&story);
    let before = digests(&path, VIEWS).expect("digests");
    let mut engine = Engine::open(&path, head.origin.name(), VIEWS).expect("the views open");
    engine.rebuild("entities").expect("begun");
    let mut steps = 0;
    while let Step::Folded(_) = engine.step(&reader, &head).expect("a step") {
        steps += 1;
        assert_eq!(digests(&path, VIEWS).expect("digests"), before, "step {steps}");
    }
    assert!(steps > 2);
    assert_eq!(digests(&path, VIEWS).expect("digests"), before);
    // Begun twice, it is one.
    engine.rebuild("jobs").expect("begun");
    engine.rebuild("jobs").expect("begun again");
    engine.rebuild_all().expect("begun");
    engine.catch_up(&reader, &head, &mut |_, _| ()).expect("folded");
    assert_eq!(digests(&path, VIEWS).expect("digests"), before);
    let conn = rusqlite::Connection::open(&path).expect("the file");
    let tables: u32 = conn
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name LIKE 'view_%'",
            [],
            |row| row.get(0),
        )
        .expect("a number");
    assert_eq!(tables as usize, VIEWS.len(), "builds that are over are gone");
}

static WHOLE: View = counting("counted", 1, |rows, seen| match seen.kind {
    "job.submitted" => {
        count(rows, seen, 1_000)?;
        Err(Poison::new("jobs are not counted"))
    }
    "grant.issued" => panic!("an assertion"),
    _ => count(rows, seen, 1),
});

/// A view that cannot fold two kinds, the letters of it, and one that can fold everything.
static POISONED: LazyLock<&'static [&'static View]> =
    LazyLock::new(|| Box::leak(Box::new([&WHOLE, named("jobs"), named("dead_letters")])));

#[test]
fn what_cannot_be_folded_is_a_letter_and_the_rest_goes_on() {
    let home = Home::in_memory();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    story.work();
    for n in 1..=3 {
        story.job(&format!("j-{n}"));
    }
    story.grant("g-1", "j-1");
    let path = home.path("views.db");
    fold(&story, &path, &POISONED);
    let views = Views::open(&path).expect("views");
    let size = head(&story).1.size;
    assert_eq!(told(&views, &WHOLE).0, size - 4, "what it did before it failed is taken back");
    assert_eq!(entries(&path, &POISONED).expect("a size"), size);
    assert_eq!(views.as_of(&WHOLE).expect("a cursor").skipped, 4);
    assert_eq!(views.as_of(named("jobs")).expect("a cursor").skipped, 0);
    let letters = super::rows(&story, &views, "dead_letters", Some("view counted"), 0);
    let mut told: Vec<(String, u64)> = letters
        .iter()
        .map(|row| {
            (row["kind"].as_str().expect("a kind").to_owned(), row["count"].as_u64().expect("a number"))
        })
        .collect();
    told.sort();
    assert_eq!(told, [("grant.issued".to_owned(), 1), ("job.submitted".to_owned(), 3)]);
    // A rebuild counts them once; so does one that is folded elsewhere.
    let (reader, head) = head(&story);
    let before = digests(&path, &POISONED).expect("digests");
    let mut engine = Engine::open(&path, head.origin.name(), &POISONED).expect("the views open");
    engine.rebuild("counted").expect("begun");
    engine.catch_up(&reader, &head, &mut |_, _| ()).expect("folded");
    assert_eq!(digests(&path, &POISONED).expect("digests"), before);
    let other = home.path("other.db");
    build(&other, head.origin.name(), &POISONED, &reader, head.size, &mut |_, _| ()).expect("built");
    let compared = compare(&path, &other, &POISONED).expect("compared");
    assert!(compared.iter().all(|one| one.different == 0), "{compared:?}");
}

#[test]
fn every_kind_of_event_is_folded_into_every_view() {
    let (_home, story, views) = governed();
    for view in VIEWS {
        assert_eq!(views.as_of(view).expect("a cursor").skipped, 0, "{}", view.name);
    }
    let dead = super::rows(&story, &views, "dead_letters", None, 0);
    assert_eq!(dead, Vec::<Value>::new());
}
