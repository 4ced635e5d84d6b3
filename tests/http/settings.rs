//! Is the server set up as SPEC 20 says, does it stop as it should, and what does it write about its clients?

use crate::harness::server::{Server, cast, read_answer, request};
use crate::harness::{Home, ran};
use chancery_ledger::Code;
use std::io::Write as _;
use std::net::TcpStream;

#[test]
fn settings_are_those_of_section_20() {
    let listed: Vec<(String, String, String)> = crate::spec::table(&crate::spec::section("20"), "setting")
        .iter()
        .map(|row| (crate::spec::plain(&row[0]).to_owned(), row[1].clone(), row[2].clone()))
        .collect();
    let declared = chancery_api::settings().into_iter();
    let declared: Vec<_> = declared.map(|s| (s.name.to_owned(), s.default, s.unit.to_owned())).collect();
    assert_eq!(listed, declared);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let home = Home::new();
    std::fs::write(home.path("settings"), r#"{"answer_ms":0,"idel_ms":5,"streams":true}"#).expect("written");
    let args = ["--json", "serve", "--config", "settings", "--listen", "nowhere", "--body-bytes", "-1"];
    let output = home.command(&args).env("CHANCERY_HEADERS", "many").output().expect("it runs");
    let ran = ran(output);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let said: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(said["code"], Code::ConfigInvalid.as_str());
    for fault in
        ["`streams` is a boolean", "--listen: `nowhere`", "--body-bytes: `-1`", "CHANCERY_HEADERS: `many`"]
    {
        assert!(ran.stderr.contains(fault), "no `{fault}` in {}", ran.stderr);
    }
    std::fs::write(home.path("settings"), r#"{"answer_ms":0,"idel_ms":5}"#).expect("written");
    let ran = home.expect(2, &["serve", "--config", "settings"]);
    for fault in ["`answer_ms`: `0`", "no setting `idel_ms`; did you mean `idle_ms`?"] {
        assert!(ran.stderr.contains(fault), "no `{fault}` in {}", ran.stderr);
    }
}

#[test]
fn a_flag_goes_before_a_variable_and_that_before_the_file() {
    let cast = cast();
    std::fs::write(cast.site.home.path("settings"), r#"{"url_bytes":100,"body_bytes":100,"headers":5}"#)
        .expect("written");
    let server = Server::start(&cast.site, &["--config", "settings", "--url-bytes", "50"]);
    server.ask("GET", &format!("/healthz?{}", "a".repeat(60)), &[], None).is(Code::UrlTooLong);
    server
        .invoke("scope.create", &cast.founder, "x", &format!("{{{}}}", " ".repeat(200)))
        .is(Code::BodyTooLarge);
}

#[test]
fn figures_are_open_on_an_address_of_their_own_only() {
    let cast = cast();
    let log = cast.site.home.path("own.log");
    let log = log.to_str().expect("a path");
    let dir = cast.site.path("l");
    let dir = dir.to_str().expect("a path");
    let args = [
        "--json",
        "serve",
        "--dir",
        dir,
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        "127.0.0.1:0",
        "--access-log",
        log,
    ];
    let mut child =
        cast.site.home.command(&args).stdout(std::process::Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().expect("stdout"));
    std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
    let said: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let ask = |address: &str, path: &str| {
        let mut socket =
            TcpStream::connect(said[address].as_str().expect("an address")).expect("a connection");
        socket.write_all(request("GET", path, &[], None).as_bytes()).expect("written");
        read_answer(&mut std::io::BufReader::new(socket)).expect("an answer").status
    };
    let found = [ask("metrics", "/metrics"), ask("metrics", "/checkpoint"), ask("listen", "/metrics")];
    child.kill().expect("killed");
    child.wait().expect("a status");
    assert_eq!(found, [200, 404, 401]);
}

#[test]
fn a_stop_answers_what_is_in_flight_and_takes_no_more() {
    for signal in ["TERM", "INT"] {
        let cast = cast();
        let mut server = Server::start(&cast.site, &[]);
        let body = r#"{"scope":"/","entity":{"id":"late"}}"#;
        let headers = [
            format!("authorization: Bearer {}", cast.founder),
            "idempotency-key: 0123456789abcdef".to_owned(),
        ];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let text = request("POST", "/v1/actions/scope.create/invoke", &headers, Some(body));
        let (head, tail) = text.split_at(text.len() - 5);
        // A request of which the last bytes are still to come when the signal does.
        let mut connection = server.connect();
        connection.get_mut().write_all(head.as_bytes()).expect("written");
        let mut probe = server.connect();
        probe.get_mut().write_all(b"GET /readyz HTTP/1.1\r\nhost: test\r\n\r\n").expect("written");
        assert_eq!(read_answer(&mut probe).map(|told| told.status), Some(200));
        server.signal(signal);
        while TcpStream::connect(server.address).is_ok() {}
        connection.get_mut().write_all(tail.as_bytes()).expect("written");
        let told = read_answer(&mut connection).expect("an answer");
        let said = told.ok();
        assert_eq!(said["effect"], "allow");
        assert_eq!(server.wait(), Some(0));
        // It was closed: another process opens it, finds the entry, and leaves no WAL.
        let log = cast.site.must(&["log", "--id", "late"]);
        assert!(log.stdout.contains("scope.created"), "{}", log.stdout);
        assert_eq!(cast.site.verdict(), (0, "authentic".to_owned()));
    }
}

#[test]
fn when_the_writer_ends_so_does_the_server() {
    let cast = cast();
    let mut server = Server::start(&cast.site, &[]);
    // A store that is another file than the one that was opened: nothing in it is answered.
    let store = cast.site.path("l/ledger.db");
    std::fs::rename(&store, cast.site.path("l/moved.db")).expect("moved");
    std::fs::copy(cast.site.path("l/moved.db"), &store).expect("copied");
    let told = server.invoke("scope.create", &cast.founder, "x", r#"{"scope":"/","entity":{"id":"lost"}}"#);
    told.is(Code::OutcomeUnknown);
    assert_eq!(server.wait(), Some(5));
}

#[test]
fn the_log_has_a_line_for_each_request_and_no_token_path_or_argument() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    server.get("/v1/me", &cast.ada).ok();
    server.get("/v1/secret-path?x=secret-query", &cast.ada).is(Code::NotFound);
    server
        .invoke("scope.create", &cast.founder, "secret-key", r#"{"scope":"/","entity":{"id":"secret-id"}}"#)
        .ok();
    let log = server.log.clone();
    assert_eq!(server.stop(), Some(0));
    let text = std::fs::read_to_string(log).expect("a log");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told = |line: &serde_json::Value| {
        (
            line["route"].as_str().map(str::to_owned),
            line["status"].as_u64(),
            line["principal"].as_str().map(str::to_owned),
        )
    };
    let found: Vec<_> = lines.iter().map(told).collect();
    let line = |route: &str, status, who: Option<&str>| {
        (Some(route.to_owned()), Some(status), who.map(str::to_owned))
    };
    assert_eq!(
        found,
        [
            line("/v1/me", 200, Some("ada")),
            line("other", 404, None),
            line("/v1/actions/{id}/invoke", 200, Some("founder"))
        ]
    );
    assert!(!text.contains("secret") && !text.contains(&cast.ada) && !text.contains("chy_"), "{text}");
}
