//! What does it cost to wait for those who are slow, or many? A connection is bounded in time and memory, whoever is quick is
//! answered, and what was asked for stands.

use crate::harness::server::{Server, WAIT, cast, read_answer, request};
use crate::harness::site::say;
use std::io::{BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Whether a connection with half a head is ended within a while.
fn ends_slowly(address: SocketAddr, within: Duration) -> bool {
    let mut socket = TcpStream::connect(address).expect("a connection");
    socket.set_read_timeout(Some(within)).expect("a timeout");
    socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: te").expect("written");
    let mut rest = Vec::new();
    let read = socket.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    !read.is_err_and(|e| [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&e.kind()))
}

#[test]
fn a_slow_head_is_ended_here_and_not_by_what_is_plain() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--header-read-ms", "200"]);
    assert!(ends_slowly(server.address, WAIT));
    // The control: the same library as it comes waits for ever, so that the test is one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("bound");
    let plain = listener.local_addr().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = std::thread::spawn(move || {
        runtime.block_on(async {
            let serve = axum::serve(listener, axum::Router::new());
            tokio::select! { _ = serve.into_future() => {}, _ = stopped => {} }
        });
    });
    assert!(
        !ends_slowly(plain, Duration::from_secs(2)),
        "plain serving ends slow heads: the control is none"
    );
    stop.send(()).expect("stopped");
    serving.join().expect("ended");
}

#[test]
fn chunks_that_never_end_are_not_waited_for() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--body-read-ms", "300"]);
    let head = "POST /v1/verify HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut connection = server.connect();
    connection.get_mut().write_all(head.as_bytes()).expect("written");
    // A byte now and then, for as long as it is taken.
    let mut writer = connection.get_ref().try_clone().expect("a socket");
    let dripping = std::thread::spawn(move || {
        while writer.write_all(b"1\r\n \r\n").is_ok() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    });
    assert_eq!(read_answer(&mut connection).map(|told| told.status), Some(408));
    let mut rest = Vec::new();
    let _ = connection.read_to_end(&mut rest);
    drop(connection);
    dripping.join().expect("its connection ended");
}

#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--stream-stall-ms", "300"]);
    // More than a socket buffers, of a document that anybody may ask for.
    let text = "GET /openapi.json HTTP/1.1\r\nhost: test\r\n\r\n".repeat(400);
    let mut stalled: Vec<TcpStream> = Vec::new();
    for _ in 0..8 {
        let mut socket = TcpStream::connect(server.address).expect("a connection");
        socket.write_all(text.as_bytes()).expect("written");
        stalled.push(socket);
    }
    let open = |s: &Server| s.figure("chancery_http_connections", &cast.founder);
    let asked = |s: &Server| s.get("/metrics", &cast.founder).body.contains("route=\"/openapi.json\"");
    server.until("somebody stalls", |s| asked(s));
    server.until("who takes nothing is given up", |s| open(s) == 1);
    // Who takes little at a time, but takes it, has all of it.
    let mut slow = server.connect();
    slow.get_mut().write_all(request("GET", "/openapi.json", &[], None).as_bytes()).expect("written");
    let told = read_answer(&mut slow).expect("an answer");
    assert!(told.status == 200 && told.body.len() > 50_000);
    drop(stalled);
}

/// Descriptors that this process may have.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    line.split_whitespace().nth(3).and_then(|text| text.parse().ok()).unwrap_or(1024)
}

#[test]
fn who_is_idle_costs_little_and_keeps_nobody_from_an_answer() {
    let cast = cast();
    // Other tests run beside this one, in the same process.
    let count = (descriptors() / 2).saturating_sub(500).clamp(200, 9_000);
    let most = (count + 8).to_string();
    let long = ["--header-read-ms", "300000", "--idle-ms", "300000"];
    let cap = ["--connections", most.as_str(), "--connections-per-loopback", most.as_str()];
    let server = Server::start(&cast.site, &[&long[..], &cap[..]].concat());
    server.get("/v1/me", &cast.founder).ok();
    let before = server.memory("VmRSS:");
    let idle: Vec<BufReader<TcpStream>> = (0..count).map(|_| server.connect()).collect();
    let figure = "chancery_http_connections";
    server.until("all are open", |s| s.figure(figure, &cast.founder) == count as u64 + 1);
    let each = server.memory("VmRSS:").saturating_sub(before) / count as u64;
    say(&format!("{count} idle connections of {} descriptors, {each} bytes each", descriptors()));
    assert!(each < 24 << 10, "{each} bytes for each of {count} idle connections");
    for n in 0..20 {
        let body = format!(r#"{{"scope":"/","entity":{{"id":"beside-{n}"}}}}"#);
        server.invoke("scope.create", &cast.founder, &format!("beside-{n}"), &body).ok();
    }
    // The last ones that there is room for, and one too many.
    let more: Vec<_> = (0..8).map(|_| server.connect()).collect();
    let mut refused = server.connect();
    let mut rest = Vec::new();
    let _ = refused.get_mut().write_all(request("GET", "/healthz", &[], None).as_bytes());
    let _ = refused.read_to_end(&mut rest);
    assert!(rest.is_empty());
    drop((idle, more));
    server.until("there is room again", |s| {
        s.raw(&request("GET", "/healthz", &[], None)).is_some_and(|told| told.status == 200)
    });
    assert!(server.figure("chancery_http_connections_refused_total", &cast.founder) >= 1);
}

#[test]
fn what_somebody_asked_who_is_gone_stands_and_is_found_by_its_key() {
    const GONE: usize = 24;
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let body = |n: usize| format!(r#"{{"scope":"/","entity":{{"id":"gone-{n}"}}}}"#);
    for n in 0..GONE {
        let headers =
            [format!("authorization: Bearer {}", cast.founder), format!("idempotency-key: {n:0>16}")];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let text = request("POST", "/v1/actions/scope.create/invoke", &headers, Some(&body(n)));
        let mut connection = server.connect();
        connection.get_mut().write_all(text.as_bytes()).expect("written");
        if n % 2 == 0 {
            // Its answer is on its way, and nobody is there to take it.
            let listed = |s: &Server| {
                let page = s.get("/v1/entries?kind=scope&limit=1000", &cast.founder);
                page.body.contains(&format!("\"gone-{n}\""))
            };
            server.until("it was asked", listed);
        }
    }
    let mut replayed = 0;
    for n in 0..GONE {
        let said = server.invoke("scope.create", &cast.founder, &n.to_string(), &body(n)).ok();
        let again = said["receipt"]["replay"] == true;
        assert!(again || n % 2 == 1, "gone-{n} was answered, and is forgotten");
        replayed += usize::from(again);
    }
    say(&format!("{replayed} of {GONE} who were gone before their answer are replayed"));
    let page = server.get("/v1/entries?kind=scope.created&limit=1000", &cast.founder).ok();
    let ids: Vec<&str> = page["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .filter_map(|seen| seen["entry"]["entity"]["id"].as_str())
        .filter(|id| id.starts_with("gone-"))
        .collect();
    assert_eq!(ids.len(), GONE, "each is there once: {ids:?}");
    assert_eq!(server.stop(), Some(0));
    assert_eq!(cast.site.verdict(), (0, "authentic".to_owned()));
}
