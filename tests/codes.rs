//! Where is each code shown to happen? The failures of class `error` that one process can make, and a list for all.

use crate::harness::story::{Story, args, code_of, fingerprint};
use crate::harness::{Home, copy_tree, root};
use chancery_ledger::domains::ledger::{Attest as Levels, Form, Level, Stage};
use chancery_ledger::format::ids::{LogName, PrincipalId};
use chancery_ledger::store::Reader;
use chancery_ledger::verify::{How, Pin, Trust, verify_export};
use chancery_ledger::{Answer, Bounds, CODES, Class, Clock, Code, Genesis, Ledger, Options, Tracer};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;

/// Codes of classes other than denial, refusal and conflict, and the file that shows each; scenarios.rs holds the rest.
const WHERE: &[(&str, &str)] = &[
    ("not_json", "fixtures/ingest/refused.txt"),
    ("not_utf8", "fixtures/ingest/refused.txt"),
    ("number_not_integer", "fixtures/ingest/refused.txt"),
    ("number_out_of_range", "fixtures/ingest/refused.txt"),
    ("duplicate_key", "fixtures/ingest/refused.txt"),
    ("key_malformed", "fixtures/ingest/refused.txt"),
    ("bad_string", "fixtures/ingest/refused.txt"),
    ("too_deep", "fixtures/ingest/refused.txt"),
    ("too_large", "fixtures/scenarios/gate.txt"),
    ("unknown_action", "fixtures/scenarios/gate.txt"),
    ("unknown_field", "fixtures/scenarios/gate.txt"),
    ("missing_field", "fixtures/scenarios/gate.txt"),
    ("wrong_type", "fixtures/scenarios/gate.txt"),
    ("out_of_range", "fixtures/scenarios/gate.txt"),
    ("malformed_value", "fixtures/scenarios/gate.txt"),
    ("entity_required", "fixtures/scenarios/gate.txt"),
    ("secret_in_arguments", "fixtures/scenarios/secret.txt"),
    ("confirmation_required", "tests/constitution.rs"),
    ("clock_suspect", "fixtures/scenarios/ledger.txt"),
    ("wal_full", "tests/faults/bounds.rs"),
    ("queue_full", "tests/codes.rs"),
    ("outcome_unknown", "tests/codes.rs"),
    ("stopped", "tests/codes.rs"),
    ("locked", "tests/codes.rs"),
    ("not_a_ledger", "tests/codes.rs"),
    ("creation_unfinished", "tests/faults/begin.rs"),
    ("directory_not_empty", "tests/codes.rs"),
    ("newer_format", "tests/codes.rs"),
    ("anchor_missing", "tests/codes.rs"),
    ("anchor_damaged", "tests/codes.rs"),
    ("tail_unknown", "tests/faults/tail.rs"),
    ("rolled_back", "tests/codes.rs"),
    ("ledger_damaged", "tests/codes.rs"),
    ("key_file_missing", "tests/codes.rs"),
    ("key_file_readable", "tests/codes.rs"),
    ("key_file_invalid", "tests/codes.rs"),
    ("pin_invalid", "tests/codes.rs"),
    ("not_an_export", "tests/codes.rs"),
    ("io", "tests/codes.rs"),
    ("page_token_invalid", "fixtures/journeys/s-08.txt"),
    ("ambiguous", "tests/http/models.rs"),
    ("behind", "tests/http/models.rs"),
    ("views_damaged", "tests/views/damage.rs"),
    ("config_invalid", "tests/http/settings.rs"),
    ("header_malformed", "tests/http/invoke.rs"),
    ("idempotency_key_required", "tests/http/invoke.rs"),
    ("method_not_allowed", "tests/http/invoke.rs"),
    ("unsupported_media_type", "tests/http/invoke.rs"),
    ("body_too_large", "tests/http/limits.rs"),
    ("url_too_long", "tests/http/limits.rs"),
    ("request_timeout", "tests/http/limits.rs"),
    ("bad_cursor", "tests/http/stream.rs"),
];

/// Conflicts that only a server answers, and the file that shows each.
pub const OVER_HTTP: &[(&str, &str)] =
    &[("too_many_requests", "tests/http/invoke.rs"), ("client_ahead", "tests/http/stream.rs")];

/// Codes that no test of one process can make, and why.
const NOWHERE: &[(&str, &str)] = &[
    ("storage_full", "it takes a disk that is full"),
    ("internal", "it takes an invariant that is broken"),
    ("view_building", "it takes rows of an older build that this one cannot show"),
    ("answer_timeout", "it takes a writer that is slower than any here"),
    ("not_ready", "a server that stops takes no connection on which it could be asked"),
];

#[test]
fn every_code_is_shown_somewhere() {
    let elsewhere = [Class::Denial, Class::Refusal, Class::Conflict];
    let declared: BTreeSet<&str> =
        CODES.iter().filter(|code| !elsewhere.contains(&code.class())).map(|code| code.as_str()).collect();
    let listed: BTreeSet<&str> = WHERE.iter().chain(NOWHERE).map(|(code, _)| *code).collect();
    assert_eq!(listed, declared);
    for (code, file) in WHERE.iter().chain(OVER_HTTP) {
        let text = fs::read_to_string(root().join(file)).expect("a test");
        let name = format!(
            "Code::{}",
            CODES.iter().find(|c| c.as_str() == *code).map(|c| format!("{c:?}")).expect("a code")
        );
        let shown = match file.strip_suffix(".rs") {
            Some(_) => {
                text.contains(&name)
                    || text.contains(&format!("\"{code}\""))
                    || text.contains(&format!("[{code}]"))
            }
            None => text.lines().any(|line| !line.starts_with('#') && line.contains(code)),
        };
        assert!(shown, "{file} does not show `{code}`");
    }
}

/// A closed ledger with a few entries.
fn closed(home: &Home) -> Story {
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.must("founder", "scope.create", "/", "acme", &[]);
    story.must("founder", "scope.create", "/acme", "lab", &[]);
    story.reopen()
}

fn options(story: &Story) -> Options {
    Options {
        paths: story.paths.clone(),
        clock: story.clock.clone(),
        trace: Tracer::default(),
        bounds: Bounds::default(),
    }
}

/// Ends the ledger, does `harm`, and gives the code with which it opens again.
fn opens(harm: impl FnOnce(&chancery_ledger::store::Paths)) -> Option<Code> {
    let home = Home::new();
    let story = closed(&home);
    let options = options(&story);
    let Story { ledger, paths, .. } = story;
    ledger.close().expect("a clean end");
    harm(&paths);
    Ledger::open(options, &mut |_, _| ()).err().map(|error| error.code)
}

#[test]
fn a_ledger_that_nobody_harmed_opens() {
    assert_eq!(opens(|_| ()), None);
}

#[test]
fn one_process_writes_at_a_time() {
    let home = Home::new();
    let story = closed(&home);
    let second = Ledger::open(options(&story), &mut |_, _| ()).expect_err("a no");
    assert_eq!(second.code, Code::Locked);
}

#[test]
fn a_directory_without_a_store_is_no_ledger() {
    assert_eq!(opens(|paths| fs::remove_file(paths.store()).expect("the store")), Some(Code::NotALedger));
}

#[test]
fn a_ledger_is_not_made_over_what_is_there() {
    let genesis = |story: &Story| Genesis {
        name: LogName::parse("other.example").expect("a name"),
        stage: Stage::Test,
        form: Form::Heads,
        attest: Levels {
            agent: Level::Enforce,
            human: Level::Observe,
            service: Level::Observe,
            worker: Level::Observe,
        },
        max_silence_ms: None,
        administrator: (PrincipalId::parse("eve").expect("an id"), story.keys["founder"].public()),
        administrator_key: None,
    };
    let home = Home::new();
    let story = closed(&home);
    let genesis = genesis(&story);
    let mut found = vec![Ledger::create(options(&story), &genesis).expect_err("a ledger is there").code];
    // Keys or an anchor that were left behind are not overwritten either.
    for name in ["left.keys", "left.anchor"] {
        let paths = chancery_ledger::store::Paths::of(&home.path("left"));
        if name == "left.keys" {
            fs::create_dir(&paths.keys).expect("a directory");
            fs::write(paths.log_key(), "a key").expect("a file");
        } else {
            fs::remove_dir_all(&paths.keys).expect("a directory");
            fs::write(&paths.anchor, "an anchor").expect("a file");
        }
        let options =
            Options { paths, clock: Clock::manual(0), trace: Tracer::default(), bounds: Bounds::default() };
        found.push(Ledger::create(options, &genesis).expect_err(name).code);
    }
    assert_eq!(found, [Code::DirectoryNotEmpty; 3]);
}

#[test]
fn a_newer_layout_and_a_newer_export_are_left_alone() {
    let newer = opens(|paths| {
        let store = rusqlite::Connection::open(paths.store()).expect("the store");
        store.execute("UPDATE meta SET value = '2' WHERE key = 'layout'", []).expect("an update");
    });
    assert_eq!(newer, Some(Code::NewerFormat));
    let export = b"{\"export\":\"chancery/v1\"}\n";
    let error =
        verify_export(&mut &export[..], &Trust::default(), How::default(), &mut |_| ()).expect_err("a no");
    assert_eq!(error.code, Code::NewerFormat);
}

#[test]
fn an_anchor_that_is_gone_or_damaged_stops_the_ledger() {
    assert_eq!(opens(|paths| fs::remove_file(&paths.anchor).expect("the anchor")), Some(Code::AnchorMissing));
    let blank =
        |paths: &chancery_ledger::store::Paths| fs::write(&paths.anchor, [0; 8192]).expect("the anchor");
    assert_eq!(opens(blank), Some(Code::AnchorDamaged));
    let flipped = |paths: &chancery_ledger::store::Paths| {
        let mut bytes = fs::read(&paths.anchor).expect("the anchor");
        bytes[30] ^= 1;
        bytes[4096 + 30] ^= 1;
        fs::write(&paths.anchor, bytes).expect("the anchor");
    };
    assert_eq!(opens(flipped), Some(Code::AnchorDamaged));
}

#[test]
fn an_older_copy_of_the_store_is_rolled_back() {
    let home = Home::new();
    let mut story = closed(&home);
    story = story.reopen();
    let old = home.path("old");
    copy_tree(&story.paths.dir, &old);
    story.must("founder", "scope.create", "/", "later", &[]);
    let options = options(&story);
    let Story { ledger, paths, .. } = story;
    ledger.close().expect("a clean end");
    fs::remove_dir_all(&paths.dir).expect("the ledger");
    copy_tree(&old, &paths.dir);
    assert_eq!(Ledger::open(options, &mut |_, _| ()).expect_err("a no").code, Code::RolledBack);
}

#[test]
fn a_store_whose_bytes_contradict_each_other_is_damaged() {
    let leaf = opens(|paths| {
        let store = rusqlite::Connection::open(paths.store()).expect("the store");
        let guard: String = store
            .query_row(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%UPDATE ON entry%'",
                [],
                |row| row.get(0),
            )
            .expect("a trigger");
        store.execute_batch(&format!("DROP TRIGGER {guard}")).expect("a trigger");
        store.execute("UPDATE entry SET leaf = CAST(replace(CAST(leaf AS TEXT), 'founder', 'founded') AS BLOB) WHERE position = 1", []).expect("an update");
    });
    assert_eq!(leaf, Some(Code::LedgerDamaged));
    let bytes = opens(|paths| fs::write(paths.store(), [7; 16_384]).expect("the store"));
    assert_eq!(bytes, Some(Code::LedgerDamaged));
}

#[test]
fn key_files_are_there_private_and_whole() {
    assert_eq!(opens(|paths| fs::remove_file(paths.log_key()).expect("the key")), Some(Code::KeyFileMissing));
    for mode in [0o640, 0o604, 0o620, 0o601] {
        let readable = opens(|paths| {
            fs::set_permissions(paths.log_key(), fs::Permissions::from_mode(mode)).expect("a mode")
        });
        assert_eq!(readable, Some(Code::KeyFileReadable), "{mode:o}");
    }
    for harm in [
        |text: String| text.replace("/e1+", "/e2+"),
        |text: String| text[..text.len() - 4].to_owned(),
        |_| String::new(),
    ] {
        let invalid = opens(|paths| {
            let text = fs::read_to_string(paths.log_key()).expect("the key");
            fs::write(paths.log_key(), harm(text)).expect("the key");
        });
        assert_eq!(invalid, Some(Code::KeyFileInvalid));
    }
}

#[test]
fn a_pin_is_of_its_form() {
    let home = Home::new();
    let text = closed(&home).pin().to_text().expect("a text");
    assert!(Pin::parse(&text).is_ok());
    let harmed = [
        String::new(),
        "{}".to_owned(),
        text.replace("chancery/v0", "chancery/v1"),
        text.replace("/e1+", "/e2+"),
        text.replace("\"root\":\"", "\"root\":\"0"),
        text.replace("\"size\"", "\"sice\""),
        text.replacen('{', "{\"more\":1,", 1),
    ];
    for text in harmed {
        assert_eq!(Pin::parse(&text).expect_err(&text).code, Code::PinInvalid, "{text}");
    }
}

#[test]
fn what_is_no_export_is_told_from_one_that_was_changed() {
    let long = vec![b'x'; 1 << 20];
    for bytes in
        [&b""[..], b"\n", b"{}\n", b"hello\n", b"{\"export\": \"chancery/v0\"}\n", b"\x00\xff", &long]
    {
        let error =
            verify_export(&mut &bytes[..], &Trust::default(), How::default(), &mut |_| ()).expect_err("a no");
        assert_eq!(error.code, Code::NotAnExport, "{:?}", &bytes[..bytes.len().min(40)]);
    }
}

#[test]
fn what_the_operating_system_refuses_is_told_with_its_path() {
    let home = Home::new();
    let story = closed(&home);
    let options = options(&story);
    let Story { ledger, paths, .. } = story;
    ledger.close().expect("a clean end");
    fs::remove_file(&paths.anchor).expect("the anchor");
    fs::create_dir(&paths.anchor).expect("a directory");
    let error = Ledger::open(options, &mut |_, _| ()).expect_err("a no");
    assert_eq!(error.code, Code::Io);
    assert!(error.message.contains("ledger.anchor") && error.source.is_some(), "{error:?}");
    assert!(Reader::open(&home.path("nothing")).is_err());
}

#[test]
fn when_a_commit_fails_nobody_knows_and_the_writer_ends() {
    let home = Home::new();
    let mut story = closed(&home);
    let harm = rusqlite::Connection::open(story.paths.store()).expect("the store");
    harm.execute_batch("ALTER TABLE entry RENAME TO gone").expect("a table");
    drop(harm);
    let first = story.request("founder", "scope.create", "/", "later", args(&[]));
    let second = first.clone();
    assert_eq!(code_of(&story.ledger.submit(first)), Some(Code::OutcomeUnknown));
    assert_eq!(code_of(&story.ledger.submit(second)), Some(Code::Stopped));
    assert!(story.ledger.close().is_err(), "the end tells that it was none");
}

#[test]
fn a_full_queue_says_so_and_loses_nothing() {
    let home = Home::new();
    let mut story = closed(&home);
    story.enrol("otto", "/acme", "human", "msp_operator");
    // The writer is held by somebody who looks at the published world, while the queue fills.
    let (let_go, held) = mpsc::channel::<()>();
    let (arrived, there) = mpsc::channel();
    let request = story.request(
        "otto",
        "host_key.observe",
        "/acme",
        "ssh-ed25519:h:22",
        args(&[("fingerprint", &fingerprint(1)), ("source", "generated")]),
    );
    std::thread::scope(|scope| {
        // Dropped when the test fails, so that the writer goes on and the test ends.
        let let_go = let_go;
        let ledger = &story.ledger;
        scope.spawn(move || {
            ledger.look(move |_| {
                arrived.send(()).expect("the test waits");
                let _ = held.recv();
            })
        });
        there.recv().expect("the writer is held");
        let (answered, answers) = mpsc::channel();
        let mut taken = 0;
        let full = loop {
            let answered = answered.clone();
            let reply = move |answer: Answer| {
                let _ = answered.send(code_of(&answer));
            };
            match story.ledger.submit_with(request.clone(), Box::new(reply)) {
                Ok(()) => taken += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(full.code, Code::QueueFull);
        assert!(taken >= chancery_ledger::format::limits::QUEUE, "{taken}");
        let_go.send(()).expect("the writer waits");
        for _ in 0..taken {
            assert_eq!(
                answers.recv().expect("an answer"),
                None,
                "one is recorded, the others are its replays"
            );
        }
    });
}
