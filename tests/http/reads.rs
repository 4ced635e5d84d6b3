//! Who may look at what? Every route by its rule, every scope by its caller, and what is shown carries its proof.

use crate::harness::root;
use crate::harness::server::{Server, cast};
use chancery_api::{Method, ROUTES, Rule};
use chancery_ledger::Code;
use chancery_ledger::format::checkpoint::{Note, Signed};
use chancery_ledger::format::encoding::{unbase64, unhex};
use chancery_ledger::format::entry;
use chancery_ledger::format::key::LogVerifier;
use chancery_ledger::format::tree::{leaf_hash, root_from_inclusion};
use expect_test::expect_file;
use std::collections::BTreeSet;

/// A path with something in its braces.
fn filled(path: &str) -> String {
    path.replace("{id}", "x").replace("{position}", "0").replace("{code}", "io").replace("{kind}", "job")
}

#[test]
fn no_route_answers_whom_its_rule_does_not_let_in() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--failures-per-minute", "1000"]);
    for route in ROUTES {
        let body = (route.method == Method::Post).then_some("{}");
        let path = filled(route.path);
        let bare = server.ask(route.method.as_str(), &path, &["idempotency-key: 0123456789abcdef"], body);
        let token = format!("authorization: Bearer {}", cast.bot);
        let own = || server.ask(route.method.as_str(), &path, &[&token], body);
        match route.rule {
            Rule::Open => assert!(bare.status == 200, "{route:?}: {bare:?}"),
            Rule::Ask => assert!([401, 404].contains(&bare.status), "{route:?}: {bare:?}"),
            // What is not there is found out only by somebody who may look.
            Rule::Read { action: "view.read", .. } => {
                bare.is(Code::Unauthenticated);
                assert!([200, 404].contains(&own().status), "{route:?}: {:?}", own());
            }
            // A path that names no view is nowhere, for anybody.
            Rule::View(_) => assert!([401, 404].contains(&bare.status), "{route:?}: {bare:?}"),
            // A service may not look at the record.
            Rule::Read { .. } => {
                bare.is(Code::Unauthenticated);
                own().is(Code::RoleInsufficient);
            }
        }
    }
    let paths: BTreeSet<(&str, &str)> = ROUTES.iter().map(|r| (r.method.as_str(), r.path)).collect();
    assert_eq!(paths.len(), ROUTES.len(), "no route is there twice");
}

#[test]
fn a_denied_read_is_recorded_once_and_an_allowed_one_never() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let size = |server: &Server| {
        server.get("/checkpoint", "").body.lines().nth(1).map(str::to_owned).expect("a size")
    };
    let before = size(&server);
    server.get("/v1/me", &cast.bot).ok();
    server.get("/v1/entries", &cast.ada).ok();
    assert_eq!(size(&server), before);
    server.get("/v1/entries", &cast.bot).is(Code::RoleInsufficient);
    let after = size(&server);
    assert_ne!(after, before);
    server.get("/v1/entries", &cast.bot).is(Code::RoleInsufficient);
    // Twice at the most: a minute may end between them.
    assert!(size(&server).parse::<u64>().expect("a size") <= after.parse::<u64>().expect("a size") + 1);
}

#[test]
fn what_is_elsewhere_and_what_is_not_there_are_one_answer_to_the_byte() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let elsewhere = server.get("/v1/entries/0", &cast.ada);
    elsewhere.is(Code::NotFound);
    for path in ["/v1/entries/4000", "/v1/entries/x", "/v1/entries/01", "/v1/operations/x", "/v1/nothing"] {
        let missing = server.get(path, &cast.ada);
        assert_eq!((missing.status, &missing.body), (404, &elsewhere.body), "{path}");
        let names = |told: &crate::harness::server::Told| told.headers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&missing), names(&elsewhere));
    }
    for path in [
        "/v1/entries?scope=/beta",
        "/v1/entries?scope=/none",
        "/v1/events?scope=/beta",
        "/v1/events?scope=/none",
    ] {
        let foreign = server.get(path, &cast.ada);
        assert_eq!((foreign.status, &foreign.body), (404, &elsewhere.body), "{path}");
    }
    let own = server.get("/v1/entries?limit=1000", &cast.ada).ok();
    let scopes =
        own["entries"].as_array().expect("entries").iter().map(|seen| seen["entry"]["scope"].as_str());
    let scopes: BTreeSet<_> = scopes.collect();
    assert_eq!(scopes, BTreeSet::from([Some("/acme")]));
}

#[test]
fn entries_come_in_pages_and_each_with_its_proof() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let note = Note::parse(&server.get("/checkpoint", "").body).expect("a note");
    let pin: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(cast.site.path("l.pin")).expect("a pin"))
            .expect("JSON");
    let key =
        LogVerifier::parse(pin["vkey"].as_str().or(pin["key"].as_str()).expect("a key")).expect("a key");
    assert_eq!(note.signed_by(&key), Signed::Valid);
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/entries?limit=3{after}"), &cast.founder).ok();
        found.extend(page["entries"].as_array().expect("entries").clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(found.len() as u64, note.checkpoint.size);
    for (position, seen) in (0..).zip(&found) {
        assert_eq!(seen["position"], position);
        let one = server.get(&format!("/v1/entries/{position}"), &cast.founder).ok();
        let leaf = unbase64(one["leaf"].as_str().expect("a leaf")).expect("base64");
        let head = Note::parse(one["head"].as_str().expect("a head")).expect("a note").checkpoint;
        let path = one["inclusion"].as_array().expect("a path").iter();
        let path: Vec<[u8; 32]> =
            path.map(|hash| unhex(hash.as_str().expect("hex")).expect("a hash")).collect();
        assert_eq!(root_from_inclusion(position, head.size, leaf_hash(&leaf), &path), Some(head.root));
        assert_eq!(one["address"], entry::address(&leaf).to_string());
        assert_eq!((&one["entry"], &one["address"]), (&seen["entry"], &seen["address"]));
    }
    let kinds = server.get("/v1/entries?kind=token", &cast.founder).ok();
    assert!(
        kinds["entries"]
            .as_array()
            .expect("entries")
            .iter()
            .all(|seen| seen["entry"]["entity"]["kind"] == "token")
    );
}

#[test]
fn somebody_is_told_who_it_is_and_what_it_may() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let me = server.get("/v1/me", &cast.bot).ok();
    assert_eq!((me["principal"].as_str(), me["scope"].as_str()), (Some("bot"), Some("/acme")));
    assert_eq!((&me["roles"][0], &me["token"]["id"]), (&"service".into(), &"botbotbotbot".into()));
    let may: Vec<&str> =
        me["may"].as_array().expect("a list").iter().filter_map(|one| one.as_str()).collect();
    assert!(may.contains(&"job.submit") && !may.contains(&"scope.create"), "{may:?}");
    let founder = server.get("/v1/me", &cast.founder).ok();
    assert!(founder["keys"][0]["next"].as_u64().is_some_and(|next| next > 5), "{founder}");
    let actions = server.get("/v1/actions", &cast.bot).ok();
    let listed = actions["actions"].as_array().expect("a list").len();
    assert_eq!(listed, chancery_ledger::domains::ACTIONS.iter().copied().flatten().count());
}

#[test]
fn a_verification_is_an_operation_of_whoever_started_it() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let token = format!("authorization: Bearer {}", cast.founder);
    let pin = std::fs::read_to_string(cast.site.path("l.pin")).expect("a pin");
    let with_pin = serde_json::json!({ "pin": pin }).to_string();
    for body in ["{}", with_pin.as_str()] {
        let started = server.ask("POST", "/v1/verify", &[&token], Some(body));
        assert_eq!(started.status, 202, "{started:?}");
        let path = format!("/v1/operations/{}", started.json()["id"].as_str().expect("an id"));
        let done = loop {
            let told = server.get(&path, &cast.founder).ok();
            if told["done"] == true {
                break told;
            }
            std::thread::yield_now();
        };
        assert_eq!(done["report"]["verdict"], "authentic", "{done}");
        server.get(&path, &cast.ada).is(Code::NotFound);
    }
    server.ask("POST", "/v1/verify", &[&token], Some(r#"{"pin":"{}"}"#)).is(Code::PinInvalid);
}

#[test]
fn figures_have_no_label_from_input_and_an_address_of_their_own() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    server.get("/v1/nothing-of-this-name", &cast.founder).is(Code::NotFound);
    server.get("/v1/entries/123456", &cast.founder).is(Code::NotFound);
    let text = server.get("/metrics", &cast.founder).body;
    for figure in [
        "chancery_http_requests_total{method=\"none\",route=\"other\",status=\"404\"} 1",
        "chancery_http_requests_total{method=\"GET\",route=\"/v1/entries/{position}\",status=\"404\"} 1",
        "chancery_commit_seconds_count",
        "chancery_queue_depth 0",
        "chancery_wal_bytes",
    ] {
        assert!(text.contains(figure), "no `{figure}` in {text}");
    }
    assert!(!text.contains("nothing-of-this-name") && !text.contains("123456"), "{text}");
}

#[test]
fn the_routes_are_those_of_section_20_and_golden_as_openapi() {
    let listed: BTreeSet<String> = crate::spec::table(&crate::spec::section("20"), "route")
        .iter()
        .map(|row| crate::spec::plain(&row[0]).to_owned())
        .collect();
    let declared: BTreeSet<String> =
        ROUTES.iter().map(|route| format!("{} {}", route.method.as_str(), route.path)).collect();
    assert_eq!(listed, declared);
    for row in crate::spec::table(&crate::spec::section("20"), "route") {
        let route = ROUTES.iter().find(|r| row[0].contains(&format!("{} {}`", r.method.as_str(), r.path)));
        let who = match route.expect("a route").rule {
            Rule::Open => "anybody".to_owned(),
            Rule::Ask => "the gate".to_owned(),
            Rule::View(_) => "as the view says".to_owned(),
            Rule::Read { action, .. } => format!("`{action}`"),
        };
        assert_eq!(row[1], who, "{}", row[0]);
    }
    expect_file![root().join("fixtures/surface/openapi.json")].assert_eq(&(chancery_api::openapi() + "\n"));
}
