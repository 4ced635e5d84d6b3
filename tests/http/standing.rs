//! What does a server do while its views cannot be folded, or its clock is not believed? It says so, goes on, and mends
//! what it can.

use crate::harness::server::{Server, cast};
use chancery_ledger::Code;
use rusqlite::Connection;
use std::fs;

#[test]
fn damaged_or_deleted_views_are_built_anew_beside() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let file = cast.site.path("l/projections.db");
    let before = server.get("/v1/views/entities", &cast.founder).ok();
    let strikes: [&dyn Fn(); 3] = [
        &|| {
            let conn = Connection::open(&file).expect("the views");
            conn.execute_batch("UPDATE cursor SET entries = -1").expect("edited");
        },
        &|| fs::remove_file(&file).expect("deleted"),
        &|| {
            let conn = Connection::open(&file).expect("the views");
            let named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'view_entities_%'";
            let table: String = conn.query_row(named, [], |row| row.get(0)).expect("a table");
            conn.execute_batch(&format!("UPDATE {table} SET body = 'x'")).expect("edited");
        },
    ];
    for (number, strike) in strikes.iter().enumerate() {
        strike();
        server.until("another file is whole", |server| {
            let told = server.get("/v1/views/entities", &cast.founder);
            let known = [Code::ViewsDamaged, Code::ViewBuilding, Code::Io].map(chancery_api::status);
            assert!(told.status == 200 || known.contains(&told.status), "{told:?}");
            let rebuilt = server.figure("chancery_view_rebuilds_total", &cast.founder);
            rebuilt > number as u64 && told.status == 200
        });
        let after = server.get("/v1/views/entities", &cast.founder).ok();
        assert_eq!(after["items"], before["items"], "after strike {number}");
        server.until("it is ready", |server| server.get("/readyz", "").status == 200);
        assert_eq!(server.figure("chancery_view_stopped", &cast.founder), 0);
    }
    assert!(cast.site.path("l/projections.damaged").exists(), "what was damaged is kept");
}

#[test]
fn a_clock_that_jumped_is_said_and_keeps_nobody_from_reading() {
    let cast = cast();
    let log = cast.site.must(&["log"]).stdout;
    let last: serde_json::Value = serde_json::from_str(log.lines().last().expect("a line")).expect("JSON");
    let wall = last["time"].as_i64().expect("a time");
    let clock = cast.site.path("wall");
    fs::write(&clock, wall.to_string()).expect("written");
    let server = Server::start(&cast.site, &["--clock", clock.to_str().expect("a path")]);
    assert_eq!(server.get("/readyz", "").status, 200);
    let day = 86_400_000;
    fs::write(&clock, (wall + day).to_string()).expect("written");
    server.get("/readyz", "").is(Code::ClockSuspect);
    // The token is of the time that was believed.
    server.get("/v1/me", &cast.founder).ok();
    assert_eq!(server.figure("chancery_clock_suspect", &cast.founder), 1);
    let body = r#"{"scope":"/","entity":{"id":"one"},"args":{}}"#;
    server.invoke("scope.create", &cast.founder, "clock", body).is(Code::ClockSuspect);
}

#[test]
fn what_is_asked_for_is_asked_for_as_it_can_be() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let get = |path: &str| server.get(path, &cast.founder);
    for path in ["/v1/entries?limit=0", "/v1/views/jobs?limit=0", "/v1/queues/execution?limit=0"] {
        let told = get(path).is(Code::OutOfRange);
        assert_eq!(told["errors"][0]["pointer"], "/query/limit", "{told}");
    }
    for (path, code, pointer) in [
        ("/v1/views/jobs?now=9007199254740992", Code::OutOfRange, "/query/now"),
        ("/v1/views/jobs?wait_ms=-1", Code::MalformedValue, "/query/wait_ms"),
        ("/v1/events?entity=y", Code::MalformedValue, "/query/entity"),
        ("/v1/entries?kind=%00", Code::MalformedValue, "/query/kind"),
        ("/v1/events?kind=jobs", Code::MalformedValue, "/query/kind"),
    ] {
        assert_eq!(get(path).is(code)["errors"][0]["pointer"], pointer, "{path}");
    }
    get("/v1/views/jobs?now=9007199254740991&wait_ms=5&limit=501").ok();
    get("/v1/entries?kind=scope").ok();
    get("/v1/transcripts/nothing").is(Code::NotFound);
    server.get(&format!("/{}", "x".repeat(5_000)), "").is(Code::UrlTooLong);
    let token = format!("authorization: Bearer {}", cast.founder);
    let any = server.ask("GET", "/v1/views/jobs", &[&token, "if-none-match: *"], None);
    assert_eq!(any.status, 304);
}
