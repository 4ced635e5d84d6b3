//! Does a reader see its own scope and no other, every row once, and no private text in the file?

use super::{fold, governed, named};
use crate::harness::Home;
use crate::harness::story::{Story, scope};
use chancery_ledger::domains::ledger::Form;
use chancery_projections::{Ask, PAGE_ROWS, PAGE_ROWS_MAX, Page, Show, VIEWS, Views};

fn page(views: &Views, ask: &Ask<'_>) -> Result<Page, chancery_ledger::Error> {
    let part = |_: u64, _: u64| Ok(None);
    views.page(ask, &Show { now: 0, principal: None, abilities: None, part: &part })
}

#[test]
fn all_pages_together_are_the_whole() {
    let (_home, _story, views) = governed();
    let root = scope("/");
    for view in VIEWS {
        let ask = Ask { view, within: &root, about: None, state: None, token: None, limit: Some(500) };
        let whole = page(&views, &ask).expect("a page").items;
        for limit in [1, 3, 7] {
            let (mut found, mut token) = (Vec::new(), None::<String>);
            loop {
                let ask = Ask { limit: Some(limit), token: token.as_deref(), ..ask };
                let next = page(&views, &ask).expect("a page");
                assert!(next.items.len() <= limit);
                found.extend(next.items);
                token = next.next_page_token;
                if token.is_none() || found.len() >= 500 {
                    break;
                }
            }
            found.truncate(500);
            assert_eq!(found, whole, "{} by {limit}", view.name);
        }
    }
}

#[test]
fn a_token_is_of_one_question_and_a_limit_is_cut() {
    let (_home, _story, views) = governed();
    let root = scope("/");
    let ask =
        Ask { view: named("timeline"), within: &root, about: None, state: None, token: None, limit: None };
    let first = page(&views, &ask).expect("a page");
    assert_eq!(first.items.len(), PAGE_ROWS);
    let token = first.next_page_token.expect("more");
    let acme = scope("/acme");
    for other in [
        Ask { view: named("decisions"), ..ask },
        Ask { within: &acme, ..ask },
        Ask { about: Some("job j-1"), ..ask },
        Ask { state: Some("job"), ..ask },
    ] {
        let error = page(&views, &Ask { token: Some(&token), ..other }).expect_err("another question");
        assert_eq!(error.code.as_str(), "page_token_invalid");
    }
    for garbage in ["", "!", "e30", &token[1..]] {
        let error = page(&views, &Ask { token: Some(garbage), ..ask }).expect_err("no token");
        assert_eq!(error.code.as_str(), "page_token_invalid", "`{garbage}`");
    }
    assert_eq!(page(&views, &Ask { limit: Some(0), ..ask }).expect("a page").items.len(), 1);
    let most = page(&views, &Ask { limit: Some(usize::MAX), ..ask }).expect("a page");
    assert_eq!(most.items.len(), PAGE_ROWS_MAX);
}

#[test]
fn a_scope_is_not_its_neighbours_nor_what_is_above() {
    let home = Home::in_memory();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    for (at, id) in [("/", "acme"), ("/", "acme2"), ("/", "acme-b"), ("/acme", "lab")] {
        story.must("founder", "scope.create", at, id, &[]);
    }
    for (id, at) in [("a", "/acme"), ("b", "/acme2"), ("c", "/acme-b"), ("d", "/acme/lab"), ("e", "/")] {
        story.must("founder", "principal.register", at, id, &[("kind", "agent"), ("role", "agent")]);
    }
    fold(&story, &home.path("views.db"), VIEWS);
    let views = Views::open(&home.path("views.db")).expect("views");
    let part = |_: u64, _: u64| Ok(None);
    let show = Show { now: 0, principal: None, abilities: None, part: &part };
    for (at, expected) in [("/acme", vec!["d", "a"]), ("/acme/lab", vec!["d"]), ("/acme2", vec!["b"])] {
        let within = scope(at);
        for view in VIEWS {
            let ask = Ask { view, within: &within, about: None, state: None, token: None, limit: Some(500) };
            for row in page(&views, &ask).expect("a page").items {
                let found = scope(row["scope"].as_str().expect("a scope"));
                assert!(within.contains(&found), "{}: {at} shows {row}", view.name);
                let own =
                    views.row(view, row["key"].as_str().expect("a key"), &within, &show).expect("a row");
                assert!(own.1.is_some(), "{}: {row}", view.name);
            }
        }
        let ask = Ask {
            view: named("principals"),
            within: &within,
            about: None,
            state: None,
            token: None,
            limit: None,
        };
        let items = page(&views, &ask).expect("a page").items;
        let ids: Vec<&str> = items.iter().map(|row| row["id"].as_str().expect("an id")).collect();
        assert_eq!(ids, expected, "{at}");
        for foreign in ["e", "founder", "c"] {
            let (_, row) = views.row(named("principals"), foreign, &within, &show).expect("a read");
            assert_eq!(row, None, "{at} shows {foreign}");
        }
    }
    // What a view keeps for itself is shown to nobody, not by its key either.
    let root = scope("/");
    let (_, memo) = views.row(named("timeline"), "of key x", &root, &show).expect("a read");
    assert_eq!(memo, None);
    let conn = rusqlite::Connection::open(home.path("views.db")).expect("the file");
    let memo: String = conn
        .query_row("SELECT key FROM view_timeline_1_0 WHERE scope = '' LIMIT 1", [], |row| row.get(0))
        .expect("it keeps something");
    assert_eq!(views.row(named("timeline"), &memo, &root, &show).expect("a read").1, None);
}

#[test]
fn no_private_text_is_in_the_file() {
    const SAID: &[&str] = &[
        "Näme ✓",
        "it began",
        "pid 1",
        "by the runbook",
        "too early",
        "it ended",
        "odd",
        "seen",
        "it ends",
        "canary-of-the-story",
    ];
    let home = Home::in_memory();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.governed_everything();
    let print = {
        let key =
            chancery_ledger::store::read_fingerprint_key(&story.paths.fingerprint_key()).expect("a key");
        chancery_ledger::fingerprint::fingerprints_of(&key, b"canary-of-the-story")[0].to_string()
    };
    fold(&story, &story.paths.views(), VIEWS);
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let (mut own, mut ledger) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(&story.paths.dir).expect("the ledger") {
        let path = entry.expect("a file").path();
        let bytes = std::fs::read(&path).expect("bytes");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.starts_with("projections") { own.extend(bytes) } else { ledger.extend(bytes) }
    }
    assert!(own.len() > 100_000 && holds(&own, "transcript_operator"), "the search looks at the views");
    for text in SAID.iter().filter(|text| text.len() > 4) {
        assert!(!holds(&own, text), "`{text}` is in the views' file");
    }
    assert!(holds(&ledger, "by the runbook"), "the search finds what is there");
    assert!(
        holds(&ledger, &print) && !holds(&own, &print),
        "what a secret is known by is not in the views' file"
    );
}
