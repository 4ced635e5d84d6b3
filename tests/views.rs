//! Do the read models say what the ledger says, and nothing else, whatever happens to their file?

mod damage;
mod follow;
mod pages;
mod said;

use crate::harness::Home;
use crate::harness::story::Story;
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::format::checkpoint::Checkpoint;
use chancery_ledger::store::Reader;
use chancery_projections::{Ask, Engine, Show, VIEWS, View, ViewDigest, Views, build, digests};
use serde_json::Value;
use std::path::Path;

/// The newest released head of a story, and a reader under it.
fn head(story: &Story) -> (Reader, Checkpoint) {
    let head = story.ledger.released().head().checkpoint.clone();
    (story.ledger.reader().expect("a reader"), head)
}

/// Folds everything there is into a file.
fn fold(story: &Story, path: &Path, views: &'static [&'static View]) {
    let (reader, head) = head(story);
    let mut engine = Engine::open(path, head.origin.name(), views).expect("the views open");
    engine.catch_up(&reader, &head, &mut |_, _| ()).expect("folded");
}

/// Digests of a file that is folded anew from the first entries.
fn anew(story: &Story, home: &Home, entries: u64) -> Vec<ViewDigest> {
    let (reader, head) = head(story);
    let path = home.path(&format!("anew-{entries}.db"));
    build(&path, head.origin.name(), VIEWS, &reader, entries, &mut |_, _| ()).expect("built");
    digests(&path, VIEWS).expect("digests")
}

/// A story with every kind of event, and its views.
fn governed() -> (Home, Story, Views) {
    let home = Home::in_memory();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.governed_everything();
    fold(&story, &home.path("views.db"), VIEWS);
    let views = Views::open(&home.path("views.db")).expect("views");
    (home, story, views)
}

fn named(name: &str) -> &'static View {
    chancery_projections::views::view(name).unwrap_or_else(|| panic!("no view `{name}`"))
}

/// Every row that answers, as somebody who may read the files sees it at an instant.
fn rows(story: &Story, views: &Views, name: &str, about: Option<&str>, now: i64) -> Vec<Value> {
    let within = crate::harness::story::scope("/");
    let ask = Ask { view: named(name), within: &within, about, state: None, token: None, limit: Some(500) };
    let reader = story.ledger.reader().expect("a reader");
    let part = |position: u64, slot: u64| {
        let blob = reader.part(position, slot).expect("a part").unwrap_or_default();
        Ok(blob.get(32..).map(|text| chancery_ledger::format::json::parse(text).expect("JSON")))
    };
    let show = Show { now, principal: None, abilities: None, part: &part };
    views.page(&ask, &show).expect("a page").items
}

/// The one row of a key.
fn row(story: &Story, views: &Views, name: &str, key: &str, now: i64) -> Value {
    let all = rows(story, views, name, None, now);
    let found = all.iter().find(|row| row["key"] == key);
    found.unwrap_or_else(|| panic!("{name} has no `{key}`: {all:#?}")).clone()
}
