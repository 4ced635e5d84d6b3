//! Is it one request to every reader? Heads and bodies that two readers may read in two ways, documents that are none.

use crate::harness::server::{Cast, Server, cast, read_answer};
use chancery_ledger::Code;
use std::io::{Read as _, Write as _};

const HOST: &str = "host: test\r\n";
const OK: &str = "GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n";

/// Statuses of everything that is answered to these bytes, and whether the server then ends the connection. When it does
/// not, one more request is answered on it.
fn answered(server: &Server, bytes: &[u8]) -> (Vec<u16>, bool) {
    let mut connection = server.connect();
    connection.get_mut().write_all(bytes).expect("written");
    let mut statuses = Vec::new();
    // A last request of another kind: its answer comes after all others, or the connection has ended.
    let last = format!("GET /v1/codes/io HTTP/1.1\r\n{HOST}\r\n");
    let _ = connection.get_mut().write_all(last.as_bytes());
    while let Some(told) = read_answer(&mut connection) {
        if told.body.contains("\"code\":\"io\"") {
            return (statuses, false);
        }
        statuses.push(told.status);
    }
    (statuses, true)
}

#[test]
fn what_is_ambiguous_is_refused_and_ends_its_connection() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--failures-per-minute", "100000"]);
    let verify = |head: &str, body: &str| format!("POST /v1/verify HTTP/1.1\r\n{HOST}{head}\r\n{body}");
    let smuggled = format!("0\r\n\r\n{OK}");
    let chunks = "2\r\n{}\r\n0\r\n\r\n";
    let te = "transfer-encoding: chunked\r\n";
    for (what, text) in [
        ("two lengths", verify("content-length: 2\r\ncontent-length: 3\r\n", "{} ")),
        ("a list of lengths", verify("content-length: 2, 2\r\n", "{}")),
        ("a length with a sign", verify("content-length: +2\r\n", "{}")),
        ("a length in hex", verify("content-length: 0x2\r\n", "{}")),
        ("a negative length", verify("content-length: -1\r\n", "{}")),
        ("a length without end", verify("content-length: 99999999999999999999999\r\n", "{}")),
        ("a space before the colon", verify("transfer-encoding : chunked\r\n", chunks)),
        ("another coding", verify("transfer-encoding: xchunked\r\n", chunks)),
        ("chunks that are not last", verify("transfer-encoding: chunked, identity\r\n", chunks)),
        ("a coding within chunks", verify("transfer-encoding: gzip, chunked\r\n", chunks)),
        ("chunks twice", verify(&format!("{te}{te}"), chunks)),
        ("chunks of HTTP/1.0", format!("POST /v1/verify HTTP/1.0\r\n{HOST}{te}\r\n{chunks}")),
        ("a chunk with a sign", verify(te, "-1\r\n{}\r\n0\r\n\r\n")),
        ("a chunk without end", verify(te, "FFFFFFFFFFFFFFFFFF\r\n{}")),
        ("a chunk with a bare LF", verify(te, "2\n{}\n0\n\n")),
        ("a folded line", format!("GET /healthz HTTP/1.1\r\n{HOST}x: a\r\n b\r\n\r\n")),
        ("a bare CR", format!("GET /healthz HTTP/1.1\r\n{HOST}x: a\rb\r\n\r\n")),
        ("a NUL", format!("GET /healthz HTTP/1.1\r\n{HOST}x: a\0b\r\n\r\n")),
        ("a line that begins with a space", "GET /healthz HTTP/1.1\r\n host: test\r\n\r\n".to_owned()),
        ("no host", "GET /healthz HTTP/1.1\r\n\r\n".to_owned()),
        ("two hosts", format!("GET /healthz HTTP/1.1\r\n{HOST}{HOST}\r\n")),
        ("another host in the target", format!("GET http://other/healthz HTTP/1.1\r\n{HOST}\r\n")),
        ("a tunnel", format!("CONNECT other:443 HTTP/1.1\r\n{HOST}\r\n")),
        ("HTTP/0.9", "GET /healthz\r\n".to_owned()),
        ("HTTP/1.2", format!("GET /healthz HTTP/1.2\r\n{HOST}\r\n")),
        ("a method that is none", format!("G@T /healthz HTTP/1.1\r\n{HOST}\r\n")),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned()),
    ] {
        assert_eq!(answered(&server, text.as_bytes()), (vec![400], true), "{what}");
    }
    // Chunks and a length: read as chunks, and nothing after them.
    for head in [format!("{te}content-length: 5\r\n"), format!("content-length: 5\r\n{te}")] {
        assert_eq!(answered(&server, verify(&head, &smuggled).as_bytes()), (vec![401], true), "{head:?}");
    }
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    assert_eq!(answered(&server, preface), (vec![], true), "HTTP/2 is not spoken");
}

#[test]
fn what_is_clear_is_answered_in_its_order() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--failures-per-minute", "100000"]);
    let upgrade =
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n";
    let hidden = format!("GET /healthz HTTP/1.1\r\n{HOST}content-length: {}\r\n\r\n{OK}", OK.len());
    for (what, text, statuses) in [
        ("three at once", OK.repeat(3), &[200, 200, 200][..]),
        ("lines that end with LF", "GET /healthz HTTP/1.1\nhost: test\n\n".to_owned(), &[200]),
        ("an empty line before", format!("\r\n{OK}"), &[200]),
        ("its own host in the target", format!("GET http://test/healthz HTTP/1.1\r\n{HOST}\r\n"), &[200]),
        ("an upgrade", format!("GET /healthz HTTP/1.1\r\n{HOST}{upgrade}\r\n"), &[200]),
        ("a body that is none of a request's", hidden, &[200]),
        ("no target", format!("OPTIONS * HTTP/1.1\r\n{HOST}\r\n"), &[404]),
        ("a trace", format!("TRACE /healthz HTTP/1.1\r\n{HOST}\r\n"), &[405]),
        ("a path that is no text", format!("GET /v1/entries/%ff HTTP/1.1\r\n{HOST}\r\n"), &[404]),
        ("a way up", format!("GET /v1/../healthz HTTP/1.1\r\n{HOST}\r\n"), &[404]),
    ] {
        assert_eq!(answered(&server, text.as_bytes()), (statuses.to_vec(), false), "{what}");
    }
    // A path that is no text is a problem like any other, and is logged as one.
    let told = server.get("/v1/entries/%ff", &cast.founder);
    told.is(Code::NotFound);
    assert_eq!(told.body, server.get("/v1/nothing", &cast.founder).body);
    assert!(told.headers.contains_key("chancery-request"));
}

#[test]
fn half_a_connection_is_no_connection() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    for text in ["", "GET /healthz", "POST /v1/verify HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\n{"]
    {
        let mut connection = server.connect();
        connection.get_mut().write_all(text.as_bytes()).expect("written");
        connection.get_mut().shutdown(std::net::Shutdown::Write).expect("half of it");
        let mut rest = Vec::new();
        // Ended long before any timeout; with an answer or without.
        connection.read_to_end(&mut rest).expect("the end");
    }
    server.until("connections are gone", |s| s.figure("chancery_http_connections", &cast.founder) == 1);
}

fn posted(server: &Server, cast: &Cast, headers: &str, body: &[u8]) -> (u16, String) {
    let head = format!(
        "POST /v1/actions/scope.create/invoke HTTP/1.1\r\n{HOST}connection: close\r\nauthorization: Bearer {}\r\n\
         idempotency-key: 0123456789abcdef\r\n{headers}content-length: {}\r\n\r\n",
        cast.founder,
        body.len()
    );
    let mut connection = server.connect();
    connection.get_mut().write_all(&[head.as_bytes(), body].concat()).expect("written");
    let told = read_answer(&mut connection).expect("an answer");
    let code = told.json()["code"].as_str().unwrap_or("none").to_owned();
    (told.status, code)
}

#[test]
fn a_document_that_is_none_is_refused_and_leaves_no_entry() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let head = server.get("/checkpoint", "").body;
    let good = r#"{"scope":"/","entity":{"id":"new"}}"#;
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\x56\x2a\x4e\xce\x2f\x48";
    let deep = format!("{{\"scope\":\"/\",\"args\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    let deeper = format!("{{\"scope\":\"/\",\"args\":{}", "[".repeat(100_000));
    let many = format!("{{\"scope\":\"/\",\"args\":{{\"x\":[{}1]}}}}", "1,".repeat(20_000));
    for (what, headers, body, status) in [
        ("another type", "content-type: text/plain\r\n", good.as_bytes(), 415),
        ("a form", "content-type: application/x-www-form-urlencoded\r\n", good.as_bytes(), 415),
        ("a charset", "content-type: application/json; charset=utf-16\r\n", good.as_bytes(), 415),
        ("a latin charset", "content-type: application/json;charset=iso-8859-1\r\n", good.as_bytes(), 415),
        ("a parameter", "content-type: application/json; profile=x\r\n", good.as_bytes(), 415),
        ("two types", "content-type: application/json\r\ncontent-type: text/plain\r\n", good.as_bytes(), 400),
        ("gzip that says so", "content-encoding: gzip\r\n", gzip, 415),
        ("gzip that does not", "", gzip, 400),
        ("brotli", "content-encoding: br\r\n", good.as_bytes(), 415),
        ("nothing", "", b"", 400),
        ("two documents", "", br#"{"scope":"/"}{"scope":"/"}"#, 400),
        ("more after it", "", br#"{"scope":"/","entity":{"id":"new"}} x"#, 400),
        ("a mark before it", "", b"\xef\xbb\xbf{\"scope\":\"/\"}", 400),
        ("UTF-16", "", b"{\0\"\0s\0", 400),
        ("no UTF-8", "", b"{\"scope\":\"/\xff\"}", 400),
        ("overlong UTF-8", "", b"{\"scope\":\"/\xc0\xaf\"}", 400),
        ("half a surrogate", "", br#"{"scope":"/\ud800"}"#, 400),
        ("a NUL", "", b"{\"scope\":\"/\0\"}", 400),
        ("a fraction", "", br#"{"scope":"/","not_after":1.5}"#, 400),
        ("an exponent", "", br#"{"scope":"/","not_after":1e400}"#, 400),
        ("a number too large", "", br#"{"scope":"/","not_after":9007199254740993}"#, 400),
        ("a zero before", "", br#"{"scope":"/","not_after":01}"#, 400),
        ("NaN", "", br#"{"scope":"/","not_after":NaN}"#, 400),
        ("a key twice, once escaped", "", br#"{"scope":"/","\u0073cope":"/acme"}"#, 400),
        ("a comment", "", br#"{"scope":"/"/* x */}"#, 400),
        ("a comma at the end", "", br#"{"scope":"/",}"#, 400),
        ("single quotes", "", b"{'scope':'/'}", 400),
        ("a list", "", b"[]", 422),
        ("null", "", b"null", 422),
        ("too deep", "", deep.as_bytes(), 400),
        ("far too deep", "", deeper.as_bytes(), 400),
        ("too many values", "", many.as_bytes(), 422),
    ] {
        let (found, code) = posted(&server, &cast, headers, body);
        assert_eq!(found, status, "{what}: {code}");
    }
    assert_eq!(server.get("/checkpoint", "").body, head);
    for media in
        ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\";"]
    {
        assert_eq!(
            posted(&server, &cast, &format!("content-type: {media}\r\n"), good.as_bytes()).0,
            200,
            "{media}"
        );
    }
}
