//! Do the read models say what was answered, to whom it may be said, and only when it changed?

use crate::harness::server::{Server, Told, cast};
use chancery_ledger::Code;
use serde_json::{Value, json};

/// Creates a scope under `/acme` and gives the position of its entry.
fn scope(server: &Server, token: &str, id: &str) -> String {
    let body = json!({"scope": "/acme", "entity": {"id": id}, "args": {}}).to_string();
    let told = server.invoke("scope.create", token, &format!("scope-{id}"), &body).ok();
    told["receipt"]["position"].as_str().expect("a position").to_owned()
}

fn keys(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["key"].as_str().expect("a key").to_owned()).collect()
}

#[test]
fn what_was_answered_can_be_read_at_once_by_who_waits_for_it() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    for id in ["one", "two", "three"] {
        let position = scope(&server, &cast.founder, id);
        let path = format!("/v1/entities/scope/{id}?min_position={position}");
        let told = server.get(&path, &cast.founder).ok();
        assert_eq!(told["item"]["id"], *id);
        assert_eq!(told["as_of"]["lag"], 0);
        assert_eq!(told["as_of"]["head"]["size"], told["as_of"]["entries"]);
    }
    server.get("/v1/views/timeline?min_position=1.100000", &cast.founder).is(Code::ClientAhead);
}

#[test]
fn who_waits_for_what_does_not_come_is_told_so() {
    let cast = cast();
    // What is folded by somebody else for a moment is not folded here.
    let db = rusqlite::Connection::open(cast.site.path("l").join("projections.db")).expect("the views' file");
    let server = Server::start(&cast.site, &[]);
    db.execute_batch("BEGIN IMMEDIATE").expect("the file is held");
    let position = scope(&server, &cast.founder, "late");
    let path = format!("/v1/views/timeline?min_position={position}&wait_ms=50");
    server.get(&path, &cast.founder).is(Code::Behind);
    db.execute_batch("ROLLBACK").expect("it is let go");
    let path = format!("/v1/views/timeline?min_position={position}&wait_ms=10000");
    server.get(&path, &cast.founder).ok();
}

#[test]
fn an_answer_that_did_not_change_is_not_sent_again_and_one_that_did_is() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let known = |told: &Told, token: &str| {
        let (token, tag) =
            (format!("authorization: Bearer {token}"), format!("if-none-match: {}", told.headers["etag"]));
        server.ask("GET", "/v1/queues/host_key_review", &[&token, &tag], None)
    };
    let first = server.get("/v1/queues/host_key_review", &cast.ada);
    assert_eq!(first.ok()["items"], json!([]));
    assert_eq!(known(&first, &cast.ada).status, 304);
    // What one may see is not what another may.
    assert_eq!(known(&first, &cast.founder).status, 200);
    let args = json!({
        "fingerprint": "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "source": "ssh_keyscan",
    });
    let body = json!({"scope": "/acme", "entity": {"id": "ssh-ed25519:h.example:22"}, "args": args});
    let seen = server.invoke("host_key.observe", &cast.bot, "observed", &body.to_string()).ok();
    let position = seen["receipt"]["position"].as_str().expect("a position");
    server.get(&format!("/v1/queues/host_key_review?min_position={position}"), &cast.ada).ok();
    let changed = known(&first, &cast.ada);
    assert_eq!(changed.ok()["items"][0]["about"], "host_key ssh-ed25519:h.example:22");
    assert_eq!(known(&changed, &cast.ada).status, 304);
}

#[test]
fn freshness_is_judged_as_of_the_instant_that_is_named() {
    let cast = cast();
    let body = json!({"scope": "/acme", "entity": {"id": "x"}, "args": {"ttl_ms": 60_000}});
    let server = Server::start(&cast.site, &[]);
    let held = server.invoke("switch.turn_on", &cast.founder, "turned-on", &body.to_string());
    let held = held.is(Code::ConfirmationRequired);
    let text = |name: &str| held[name].as_str().expect("text").to_owned();
    let path = format!("/v1/entities/hold/{}?min_position={}", text("hold"), text("position"));
    let at = |now: i64| server.get(&format!("{path}&now={now}"), &cast.founder).ok()["item"].clone();
    let told = server.get(&path, &cast.founder).ok();
    let (now, until) = (&told["as_of"]["now"], &told["item"]["changes_at"]);
    let (now, until) = (now.as_i64().expect("an instant"), until.as_i64().expect("a deadline"));
    assert!(now < until);
    assert_eq!(at(until - 1)["freshness"], told["item"]["freshness"]);
    assert_ne!(at(until)["freshness"], told["item"]["freshness"]);
    server.get(&format!("{path}&now=soon"), &cast.founder).is(Code::MalformedValue);
}

#[test]
fn pages_make_the_whole_and_a_token_is_good_for_its_question() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    for at in 0..7 {
        scope(&server, &cast.founder, &format!("s{at}"));
    }
    let last = scope(&server, &cast.founder, "last");
    let whole = format!("/v1/views/timeline?limit=500&min_position={last}");
    let whole = keys(&server.get(&whole, &cast.founder).ok());
    let (mut paged, mut token): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let more = token.map(|token| format!("&page_token={token}")).unwrap_or_default();
        let page = server.get(&format!("/v1/views/timeline?limit=3{more}"), &cast.founder).ok();
        assert!(keys(&page).len() <= 3);
        paged.extend(keys(&page));
        token = page["next_page_token"].as_str().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(paged, whole);
    let page = server.get("/v1/views/timeline?limit=3", &cast.founder).ok();
    let token = page["next_page_token"].as_str().expect("a token");
    for other in
        ["/v1/views/timeline?state=scope", "/v1/views/timeline?scope=/acme", "/v1/views/jobs?limit=3"]
    {
        let path = format!("{other}&page_token={token}");
        server.get(&path, &cast.founder).is(Code::PageTokenInvalid);
    }
}

#[test]
fn an_id_that_stands_in_two_scopes_asks_for_the_scope() {
    let cast = cast();
    let mut server = Server::start(&cast.site, &[]);
    for at in ["/acme", "/beta"] {
        let args = json!({
            "fingerprint": "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "source": "generated",
        });
        let body = json!({"scope": at, "entity": {"id": "ssh-ed25519:h.example:22"}, "args": args});
        server.invoke("host_key.observe", &cast.founder, &format!("key{}", &at[1..]), &body.to_string()).ok();
    }
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let server = Server::start(&cast.site, &[]);
    let path = "/v1/entities/host_key/ssh-ed25519:h.example:22/status";
    server.get(path, &cast.founder).is(Code::Ambiguous);
    for at in ["/acme", "/beta"] {
        let told = server.get(&format!("{path}?scope={at}"), &cast.founder).ok();
        assert_eq!(told["item"]["scope"], at);
    }
    // Who sees one of them has nothing to say, and what is elsewhere is not there.
    assert_eq!(server.get(path, &cast.ada).ok()["item"]["scope"], "/acme");
    let elsewhere = server.get(&format!("{path}?scope=/beta"), &cast.ada);
    let nowhere = server.get("/v1/entities/host_key/nothing/status", &cast.ada);
    elsewhere.is(Code::NotFound);
    assert_eq!(elsewhere.body, nowhere.body);
}

#[test]
fn a_view_is_read_by_whom_its_rule_lets() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let listed = server.get("/v1/views", &cast.bot).ok();
    for view in listed["views"].as_array().expect("views") {
        let path = format!("/v1/views/{}", view["name"].as_str().expect("a name"));
        server.get(&path, &cast.founder).ok();
        let own = server.get(&path, &cast.bot);
        match view["rule"].as_str().expect("a rule") {
            "view.read" => drop(own.ok()),
            _ => drop(own.is(Code::RoleInsufficient)),
        }
    }
    server.get("/v1/views/nothing", &cast.founder).is(Code::NotFound);
    server.get("/v1/views/jobs/nothing", &cast.founder).is(Code::NotFound);
    server.get("/v1/queues/nothing", &cast.founder).is(Code::NotFound);
    server.get("/v1/transcripts/nothing?stream=nothing", &cast.founder).is(Code::MalformedValue);
}
