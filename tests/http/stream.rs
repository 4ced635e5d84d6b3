//! Does a stream lose nothing? Catch-up, live, resumed; ended when it must; and never a private part.

use crate::harness::server::{Cast, Server, cast, read_head, request};
use chancery_ledger::Code;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

/// An open stream.
pub(super) struct Stream(pub(super) BufReader<TcpStream>);

/// One frame: id, event, data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) id: String,
    pub(super) event: String,
    pub(super) data: String,
}

impl Stream {
    pub(super) fn open(server: &Server, token: &str, query: &str, headers: &[&str]) -> Self {
        let token = format!("authorization: Bearer {token}");
        let text =
            request("GET", &format!("/v1/events{query}"), &[&[token.as_str()], headers].concat(), None);
        let mut connection = server.connect();
        connection.get_mut().write_all(text.as_bytes()).expect("written");
        let (status, headers) = read_head(&mut connection).expect("a head");
        assert_eq!((status, headers["content-type"].as_str()), (200, "text/event-stream"));
        assert_eq!(
            (headers["cache-control"].as_str(), headers["x-accel-buffering"].as_str()),
            ("no-store", "no")
        );
        Self(connection)
    }

    /// The next frame; nothing at the end.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let (mut frame, mut line) =
            (Frame { id: String::new(), event: String::new(), data: String::new() }, String::new());
        loop {
            line.clear();
            // Sizes of chunks stand between the frames, each on a line of its own.
            if self.0.read_line(&mut line).ok()? == 0 || line == "0\r\n" {
                return None;
            }
            let text = line.trim_end();
            match text.split_once(": ") {
                Some(("id", value)) => frame.id = value.to_owned(),
                Some(("event", value)) => frame.event = value.to_owned(),
                Some(("data", value)) => frame.data = value.to_owned(),
                _ if text.is_empty() && !frame.event.is_empty() => return Some(frame),
                _ => {}
            }
        }
    }

    /// The next frame of an entry.
    pub(super) fn entry(&mut self) -> Frame {
        loop {
            let frame = self.next().expect("a frame");
            if frame.event == "entry" {
                return frame;
            }
        }
    }
}

fn create(server: &Server, cast: &Cast, id: &str) -> String {
    let body = format!(r#"{{"scope":"/","entity":{{"id":"{id}"}},"args":{{}}}}"#);
    let said = server.invoke("scope.create", &cast.founder, &format!("stream-{id}"), &body).ok();
    said["receipt"]["position"].as_str().expect("a position").to_owned()
}

#[test]
fn a_stream_catches_up_goes_live_and_is_resumed_without_a_gap() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let size: u64 =
        server.get("/checkpoint", "").body.lines().nth(1).and_then(|n| n.parse().ok()).expect("a size");
    let mut stream = Stream::open(&server, &cast.founder, "?after=1.0", &[]);
    let first = stream.next().expect("a frame");
    assert_eq!((first.event.as_str(), first.id.as_str()), ("position", "1.0"));
    for position in 1..size {
        let frame = stream.entry();
        assert_eq!(frame.id, format!("1.{position}"));
    }
    let live = create(&server, &cast, "one");
    assert_eq!(stream.entry().id, live);
    drop(stream);
    let second = create(&server, &cast, "two");
    // The header counts before the parameter.
    let mut resumed =
        Stream::open(&server, &cast.founder, "?after=1.0", &[&format!("last-event-id: {live}")]);
    let frame = resumed.entry();
    assert_eq!(frame.id, second);
    let data: serde_json::Value = serde_json::from_str(&frame.data).expect("JSON");
    let number = second.split('.').nth(1).expect("a number");
    let one = server.get(&format!("/v1/entries/{number}"), &cast.founder).ok();
    assert_eq!((&data["entry"], &data["address"]), (&one["entry"], &one["address"]));
}

#[test]
fn a_cursor_that_is_ahead_and_one_that_is_none_are_told_apart() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    for cursor in ["1.4000", "2.0"] {
        server.get(&format!("/v1/events?after={cursor}"), &cast.founder).is(Code::ClientAhead);
    }
    for cursor in ["", "1", "x", "1.x", "0.1", "1.01", "1.1.1", "-1.1", "1.99999999999999999999"] {
        server.get(&format!("/v1/events?after={cursor}"), &cast.founder).is(Code::BadCursor);
        let headers = [format!("authorization: Bearer {}", cast.founder), format!("last-event-id: {cursor}")];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        server.ask("GET", "/v1/events", &headers, None).is(Code::BadCursor);
    }
}

#[test]
fn a_stream_has_its_scope_its_filter_and_no_private_part() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let mut own = Stream::open(&server, &cast.ada, "", &[]);
    let mut kinds = Stream::open(&server, &cast.founder, "?kind=principal", &[]);
    let mut about = Stream::open(&server, &cast.founder, "?entity=principal/zoe", &[]);
    create(&server, &cast, "elsewhere");
    let body = r#"{"scope":"/acme","entity":{"id":"zoe"},"args":{"kind":"human","role":"org_user","name":"Zoe Hidden"}}"#;
    let said = server.invoke("principal.register", &cast.ada, "zoe", body).ok();
    let position = said["receipt"]["position"].as_str().expect("a position").to_owned();
    for stream in [&mut own, &mut kinds, &mut about] {
        let frame = stream.entry();
        assert_eq!(frame.id, position);
        assert!(!frame.data.contains("Hidden"), "{frame:?}");
        assert!(frame.data.contains("\"private\":\"b3:"), "the commitment stands: {frame:?}");
    }
}

#[test]
fn a_filtered_stream_tells_how_far_it_is_and_a_quiet_one_that_it_lives() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--heartbeat-ms", "300"]);
    let mut stream = Stream::open(&server, &cast.founder, "?kind=drill", &[]);
    stream.next().expect("the beginning");
    let beat = stream.next().expect("a beat");
    assert_eq!(beat.event, "heartbeat");
    let position = create(&server, &cast, "passed-over");
    loop {
        let frame = stream.next().expect("a frame");
        assert!(["position", "heartbeat"].contains(&frame.event.as_str()), "{frame:?}");
        if frame.id == position {
            break;
        }
    }
}

#[test]
fn a_stream_ends_with_its_token_and_with_the_server() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--heartbeat-ms", "500"]);
    let mut ada = Stream::open(&server, &cast.ada, "", &[]);
    let mut founder = Stream::open(&server, &cast.founder, "", &[]);
    let revoke = r#"{"scope":"/acme","entity":{"id":"adaadaadaada"},"args":{}}"#;
    server.invoke("token.revoke", &cast.founder, "revoke", revoke).ok();
    // Ten seconds of beats at the most: after five it is asked whether the token is live.
    let beats = (0..20).take_while(|_| ada.next().is_some()).count();
    assert!(beats < 20, "a stream outlives its token");
    founder.next().expect("another's goes on");
    server.signal("TERM");
    while founder.next().is_some() {}
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_principal_has_so_many_streams_and_the_server_so_many() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--streams", "3", "--streams-per-principal", "2"]);
    let first =
        [Stream::open(&server, &cast.founder, "", &[]), Stream::open(&server, &cast.founder, "", &[])];
    server.get("/v1/events", &cast.founder).is(Code::TooManyRequests);
    let _third = Stream::open(&server, &cast.ada, "", &[]);
    server.get("/v1/events", &cast.ada).is(Code::QueueFull);
    drop(first);
}
