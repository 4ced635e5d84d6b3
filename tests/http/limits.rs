//! What does a client get that asks for too much, or too slowly? An answer, or the end of its connection.

use crate::harness::server::{Server, cast, read_answer, request};
use chancery_ledger::Code;
use std::io::{BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Barrier;

#[test]
fn a_head_has_so_many_bytes_and_so_many_fields() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let long = format!("x: {}", "y".repeat(17_000));
    assert_eq!(server.raw(&request("GET", "/healthz", &[&long], None)).map(|told| told.status), Some(431));
    let many: Vec<String> = (0..70).map(|n| format!("x{n}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(server.raw(&request("GET", "/healthz", &many, None)).map(|told| told.status), Some(431));
    assert_eq!(server.raw(&request("GET", "/healthz", &many[..50], None)).map(|told| told.status), Some(200));
    let path = format!("/healthz?{}", "a".repeat(5000));
    server.ask("GET", &path, &[], None).is(Code::UrlTooLong);
}

#[test]
fn a_body_has_so_many_bytes_whether_it_says_so_or_not() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--body-bytes", "1000"]);
    let body = format!(r#"{{"scope":"/","args":{{"x":"{}"}}}}"#, "y".repeat(1000));
    server.invoke("scope.create", &cast.founder, "large", &body).is(Code::BodyTooLarge);
    let headers = ["idempotency-key: 0123456789abcdef", "transfer-encoding: chunked"];
    let mut text = request("POST", "/v1/actions/scope.create/invoke", &headers, None);
    text.push_str(&format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
    server.raw(&text).expect("an answer").is(Code::BodyTooLarge);
}

#[test]
fn a_document_has_so_many_bytes_whatever_the_body_may_have() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let body = format!(r#"{{"scope":"/","args":{{"x":"{}"}}}}"#, "y".repeat(300_000));
    server.invoke("scope.create", &cast.founder, "large", &body).is(Code::BodyTooLarge);
}

/// The server ends the connection, and says nothing more.
fn ends(connection: &mut BufReader<TcpStream>) {
    let mut rest = Vec::new();
    let ended = connection.read_to_end(&mut rest);
    let waited = ended.is_err_and(|e| [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&e.kind()));
    assert!(!waited && rest.is_empty(), "it goes on: {}", String::from_utf8_lossy(&rest));
}

#[test]
fn who_sends_slowly_is_not_waited_for() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--header-read-ms", "200", "--body-read-ms", "200"]);
    // Nothing, or half a head: the connection ends without an answer.
    for part in ["", "GET /healthz HTTP/1.1\r\nhost: te"] {
        let mut connection = server.connect();
        connection.get_mut().write_all(part.as_bytes()).expect("written");
        ends(&mut connection);
    }
    // Half a body.
    let head = "POST /v1/actions/scope.create/invoke HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\n{\"scope\"";
    server.raw(head).expect("an answer").is(Code::RequestTimeout);
    drop(server);
    let server = Server::start(&cast.site, &["--header-read-ms", "200", "--idle-ms", "400"]);
    // Between two requests: the second still comes, after the wait nothing does.
    let mut connection = server.connect();
    for _ in 0..2 {
        connection.get_mut().write_all(b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n").expect("written");
        assert_eq!(read_answer(&mut connection).map(|told| told.status), Some(200));
    }
    ends(&mut connection);
}

#[test]
fn requests_that_are_too_many_at_once_are_told_to_come_again() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--in-flight", "1", "--waiting", "1"]);
    const CLIENTS: usize = 24;
    let together = Barrier::new(CLIENTS);
    let told: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let (server, cast, together) = (&server, &cast, &together);
                scope.spawn(move || {
                    let body = format!(r#"{{"scope":"/","entity":{{"id":"s{n}"}}}}"#);
                    let headers = [
                        format!("authorization: Bearer {}", cast.founder),
                        format!("idempotency-key: {n:0>16}"),
                    ];
                    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
                    let text = request("POST", "/v1/actions/scope.create/invoke", &headers, Some(&body));
                    let mut connection = server.connect();
                    together.wait();
                    connection.get_mut().write_all(text.as_bytes()).expect("written");
                    read_answer(&mut connection).expect("an answer")
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    });
    let full = told.iter().filter(|told| told.status == 503).count();
    assert!(full > 0 && full < CLIENTS, "{full} of {CLIENTS}");
    for told in &told {
        if told.status == 503 {
            told.is(Code::QueueFull);
            assert_eq!(told.headers["retry-after"], "1");
        } else {
            told.ok();
        }
    }
}

#[test]
fn connections_that_are_too_many_are_closed_and_make_room_again() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--connections-per-loopback", "2"]);
    let ask = |connection: &mut std::io::BufReader<std::net::TcpStream>| {
        connection.get_mut().write_all(b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n").ok()?;
        read_answer(connection).map(|told| told.status)
    };
    let (mut first, mut second, mut third) = (server.connect(), server.connect(), server.connect());
    assert_eq!((ask(&mut first), ask(&mut second)), (Some(200), Some(200)));
    assert_eq!(ask(&mut third), None);
    drop(second);
    // Whether the end of the second was seen by now is not said: it is asked until there is room.
    while ask(&mut server.connect()) != Some(200) {}
    assert_eq!(ask(&mut first), Some(200));
}
