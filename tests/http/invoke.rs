//! What is answered to whom who asks for an action? Yes once, no with its reason, and every problem to the letter.

use crate::harness::root;
use crate::harness::server::{Server, Told, cast};
use chancery_ledger::Code;
use expect_test::expect_file;

const SCOPE: &str = r#"{"scope":"/","entity":{"id":"new"},"args":{}}"#;

/// A text in which what differs from run to run is left out: long runs of hex, base64 of heads.
fn same(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let (hex, rest) = word.split_at(word.trim_end_matches(|c: char| !c.is_ascii_hexdigit()).len());
        out.push_str(if hex.len() >= 16 { "…" } else { hex });
        out.push_str(rest);
    }
    out
}

#[test]
fn an_action_is_done_once_and_its_retry_gets_the_same_receipt() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let first = server.invoke("scope.create", &cast.founder, "one", SCOPE);
    let said = first.ok();
    assert_eq!(said["effect"], "allow");
    assert_eq!(said["events"][0]["entry"]["kind"], "scope.created");
    assert_eq!(said["events"][0]["address"], said["receipt"]["entries"][0]["address"]);
    let position = said["receipt"]["position"].as_str().expect("a position");
    assert_eq!(first.headers["chancery-position"], position);
    assert_eq!(first.headers["chancery-stage"], "test");
    assert_eq!(first.headers["cache-control"], "no-store");
    assert_eq!(first.headers["x-content-type-options"], "nosniff");
    let again = server.invoke("scope.create", &cast.founder, "one", SCOPE).ok();
    assert_eq!(again["receipt"]["replay"], true);
    assert_eq!(again["receipt"]["entries"], said["receipt"]["entries"]);
    assert_eq!(again["events"], said["events"]);
    let other = server.invoke("scope.create", &cast.founder, "one", &SCOPE.replace("new", "other"));
    other.is(Code::IdempotencyConflict);
    // What was answered is seen by whoever asks next.
    let number = position.split('.').nth(1).expect("a number");
    server.get(&format!("/v1/entries/{number}"), &cast.founder).ok();
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn the_answer_with_which_a_token_ended_is_had_again_and_nothing_else() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let issue = |id: &str| {
        let args = r#"{"principal":"founder","ttl_ms":600000,"once":true}"#;
        let body = format!(r#"{{"scope":"/","entity":{{"id":"{id}"}},"args":{args}}}"#);
        let said = server.invoke("token.issue", &cast.founder, id, &body).ok();
        said["receipt"]["secret"].as_str().expect("a secret").to_owned()
    };
    let (token, near) = (issue("onceonceonce"), issue("twicetwiceab"));
    let first = server.invoke("scope.create", &token, "lost", SCOPE).ok();
    let again = server.invoke("scope.create", &token, "lost", SCOPE).ok();
    assert_eq!(again["receipt"]["replay"], true);
    assert_eq!(again["receipt"]["entries"], first["receipt"]["entries"]);
    assert_eq!(again["events"], first["events"]);
    let other = SCOPE.replace("new", "other");
    let told = [
        server.invoke("scope.create", &token, "lost", &other),
        server.invoke("scope.create", &token, "another", SCOPE),
        server.invoke("scope.create", &token, "another", &other),
        server.get("/v1/me", &token),
        server.get("/v1/entries", &token),
        server.ask(
            "POST",
            "/v1/actions/scope.create/preview",
            &[&format!("authorization: Bearer {token}"), &format!("idempotency-key: {:0>16}", "lost")],
            Some(SCOPE),
        ),
    ];
    for told in told {
        told.is(Code::Unauthenticated);
    }
    assert_eq!(server.stop(), Some(0));
    // Near as far: the command that lost its answer asks again with the key that it had.
    let run = |id: &str| {
        let words = ["--json", "do", "scope.create", "--id", id, "--idempotency-key", "0123456789abcdef"];
        let mut command = cast.site.home.command(&words);
        command.env("CHANCERY_DIR", cast.site.path("l")).env("CHANCERY_TOKEN", &near);
        let ran = command.output().expect("it runs");
        (ran.status.code(), String::from_utf8(ran.stdout).expect("text"))
    };
    let (code, said) = run("near");
    assert_eq!(code, Some(0), "{said}");
    let entries = |said: &str| {
        let receipt: serde_json::Value = serde_json::from_str(said).expect("JSON");
        receipt["entries"].clone()
    };
    let (code, again) = run("near");
    assert_eq!((code, entries(&again)), (Some(0), entries(&said)));
    assert_ne!(run("nearer").0, Some(0));
}

#[test]
fn a_preview_appends_nothing_and_is_no_problem() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let head = server.get("/checkpoint", "").body;
    let header = format!("authorization: Bearer {}", cast.bot);
    let told = server.ask(
        "POST",
        "/v1/actions/scope.create/preview",
        &[&header],
        Some(&SCOPE.replace("\"/\"", "\"/acme\"")),
    );
    let said = told.ok();
    assert_eq!(
        (said["effect"].as_str(), said["decision"]["code"].as_str()),
        (Some("deny"), Some("role_insufficient"))
    );
    assert_eq!(server.get("/checkpoint", "").body, head);
}

#[test]
fn every_problem_is_told_to_the_letter() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let (founder, bot) = (cast.founder.as_str(), cast.bot.as_str());
    let mut golden = String::new();
    let mut tell = |name: &str, code: Code, told: Told| {
        told.is(code);
        let mut body = same(&told.body);
        for name in ["retry-after", "www-authenticate", "allow"] {
            if let Some(value) = told.headers.get(name) {
                body.push_str(&format!("\n  {name}: {value}"));
            }
        }
        golden.push_str(&format!("{name}: {}\n  {body}\n", told.status));
    };
    let invoke = |action: &str, body: &str| server.invoke(action, founder, action, body);
    let raw = |headers: &[&str], body: &str| {
        let token = format!("authorization: Bearer {founder}");
        server.ask(
            "POST",
            "/v1/actions/scope.create/invoke",
            &[&[token.as_str()], headers].concat(),
            Some(body),
        )
    };
    let key = "idempotency-key: 0123456789abcdef";
    let acme = SCOPE.replace("\"/\"", "\"/acme\"");
    tell("denied", Code::RoleInsufficient, server.invoke("scope.create", bot, "deny", &acme));
    tell("foreign", Code::ScopeForeign, server.invoke("scope.create", &cast.ada, "foreign", SCOPE));
    tell("refused", Code::ScopeExists, invoke("scope.create", &SCOPE.replace("new", "acme")));
    let switch =
        r#"{"scope":"/","entity":{"id":"jobs"},"args":{"feature":"worker_ssh_preflight","scope":"/acme"}}"#;
    let held = server.invoke("switch.turn_on", founder, "hold", switch);
    if held.status == 403 {
        assert!(held.json()["hold"].is_string(), "{held:?}");
        tell("held", Code::ConfirmationRequired, held);
    } else {
        let role = r#"{"scope":"/","entity":{"id":"helper"},"args":{"actions":["scope.create"]}}"#;
        let held = server.invoke("role.define", founder, "hold", role);
        assert!(held.json()["hold"].is_string(), "{held:?}");
        tell("held", Code::ConfirmationRequired, held);
    }
    tell("not JSON", Code::NotJson, invoke("scope.create", "{"));
    tell("duplicate key", Code::DuplicateKey, invoke("scope.create", r#"{"scope":"/","scope":"/acme"}"#));
    tell("no scope", Code::MissingField, invoke("scope.create", r#"{"args":{}}"#));
    tell("unknown member", Code::UnknownField, invoke("scope.create", r#"{"scope":"/","arguments":{}}"#));
    tell("wrong type", Code::WrongType, invoke("scope.create", r#"{"scope":1}"#));
    tell("bad scope", Code::MalformedValue, invoke("scope.create", r#"{"scope":"acme"}"#));
    tell("no entity", Code::EntityRequired, invoke("scope.create", r#"{"scope":"/"}"#));
    let secret = concat!(
        r#"{"scope":"/acme","entity":{"id":"x"},"args":{"reason":"gh"#,
        "p_0123456789abcdefghijABCDEFGHIJ012345",
        "\"}}"
    );
    tell("secret", Code::SecretInArguments, invoke("principal.suspend", secret));
    tell("unknown action", Code::UnknownAction, invoke("scope.destroy", SCOPE));
    tell("no key", Code::IdempotencyKeyRequired, raw(&[], SCOPE));
    tell("bad key", Code::HeaderMalformed, raw(&["idempotency-key: short"], SCOPE));
    tell("two keys", Code::HeaderMalformed, raw(&[key, key], SCOPE));
    tell("form", Code::UnsupportedMediaType, raw(&[key, "content-type: text/plain"], SCOPE));
    tell("compressed", Code::UnsupportedMediaType, raw(&[key, "content-encoding: gzip"], SCOPE));
    tell(
        "nobody",
        Code::Unauthenticated,
        server.ask("POST", "/v1/actions/scope.create/invoke", &[key], Some(SCOPE)),
    );
    let basic = ["authorization: Basic YTpi"];
    tell("basic", Code::HeaderMalformed, server.ask("GET", "/v1/me", &basic, None));
    tell("dead token", Code::Unauthenticated, server.get("/v1/me", &founder.replace("founder", "fownder")));
    tell("method", Code::MethodNotAllowed, server.ask("DELETE", "/v1/entries", &[], None));
    tell("nowhere", Code::NotFound, server.get("/v1/nothing", founder));
    tell("parameter", Code::UnknownField, server.get("/v1/entries?limt=1", founder));
    tell("not a number", Code::MalformedValue, server.get("/v1/entries?limit=ten", founder));
    tell("cursor", Code::BadCursor, server.get("/v1/entries?after=7", founder));
    tell("ahead", Code::ClientAhead, server.get("/v1/entries?after=1.4000", founder));
    tell("may not look", Code::RoleInsufficient, server.get("/v1/entries", bot));
    expect_file![root().join("fixtures/surface/problems.txt")].assert_eq(&golden);
}

#[test]
fn every_code_has_one_status_and_a_page() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    for code in [Code::WrongSeq, Code::NotFound, Code::AnswerTimeout, Code::NotReady] {
        let page = server.get(&format!("/v1/codes/{code}"), "").ok();
        assert_eq!(page["status"], chancery_api::status(code));
        assert!(page["way_out"].as_str().is_some_and(|text| !text.is_empty()));
    }
    server.get("/v1/codes/nothing", "").is(Code::NotFound);
    for code in chancery_ledger::CODES {
        assert!((400..=504).contains(&chancery_api::status(*code)), "{code}");
        assert!(chancery_api::row(*code).is_some(), "{code}");
    }
}

#[test]
fn whoever_guesses_tokens_is_told_to_wait_and_a_live_one_still_counts() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--failures-per-minute", "3"]);
    for _ in 0..3 {
        server.get("/v1/me", "chy_test_aaaaaaaaaaaa_x_y").is(Code::Unauthenticated);
    }
    let told = server.get("/v1/me", "chy_test_aaaaaaaaaaaa_x_y");
    told.is(Code::TooManyRequests);
    assert!(
        told.headers["retry-after"].parse::<u64>().is_ok_and(|seconds| (1..=60).contains(&seconds)),
        "{told:?}"
    );
    server.get("/v1/me", &cast.founder).ok();
    // A signature is a guess as well, and is not even looked at now.
    let signed = format!(
        r#"{{"scope":"/","salt":"{}","attestation":{{"log":"x/e1","key":"k:{}","seq":1,"sig":"{}=="}}}}"#,
        "0".repeat(64),
        "0".repeat(32),
        "A".repeat(86)
    );
    let key = "idempotency-key: 0123456789abcdef";
    let body = Some(signed.as_str());
    server.ask("POST", "/v1/actions/scope.create/invoke", &[key], body).is(Code::EntityRequired);
    let signed = signed.replacen('{', r#"{"entity":{"id":"x"},"#, 1);
    server.ask("POST", "/v1/actions/scope.create/invoke", &[key], Some(&signed)).is(Code::TooManyRequests);
    let fresh = Server::start(&crate::harness::server::cast().site, &[]);
    fresh.ask("POST", "/v1/actions/scope.create/invoke", &[key], Some(&signed)).is(Code::EpochChanged);
}

#[test]
fn a_principal_has_its_share_and_no_more() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--requests-per-second", "1", "--requests-burst", "2"]);
    server.get("/v1/me", &cast.founder).ok();
    server.get("/v1/me", &cast.founder).ok();
    let told = server.get("/v1/me", &cast.founder);
    told.is(Code::TooManyRequests);
    assert_eq!(told.headers["retry-after"], "1");
    server.get("/v1/me", &cast.ada).ok();
}
