//! Does a stream keep its word in a storm? Reconnects, a kill, an older ledger, clients that take nothing, texts that look
//! like frames.

use super::stream::{Frame, Stream};
use crate::harness::Seeded;
use crate::harness::server::{Cast, Server, cast};
use crate::harness::site::{known_hosts, say};
use chancery_ledger::Code;
use std::io::BufRead as _;
use std::sync::atomic::{AtomicU64, Ordering};

fn create(server: &Server, cast: &Cast, id: &str) -> u64 {
    let body = format!(r#"{{"scope":"/","entity":{{"id":"{id}"}}}}"#);
    let said = server.invoke("scope.create", &cast.founder, &format!("storm-{id}"), &body).ok();
    number(said["receipt"]["position"].as_str().expect("a position"))
}

fn number(id: &str) -> u64 {
    id.strip_prefix("1.").and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no position: {id}"))
}

fn resume(server: &Server, token: &str, last: &str) -> Stream {
    Stream::open(server, token, "", &[&format!("last-event-id: {last}")])
}

#[test]
fn a_storm_of_reconnects_loses_nothing_and_repeats_nothing() {
    const CLIENTS: u64 = 12;
    const ENTRIES: u64 = 150;
    let cast = cast();
    let server = Server::start(&cast.site, &["--streams-per-principal", "100", "--heartbeat-ms", "200"]);
    let last = AtomicU64::new(u64::MAX);
    let reconnects = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let (server, cast, last, reconnects) = (&server, &cast, &last, &reconnects);
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let mut seed = Seeded::new(client);
                let (mut known, mut at) = ("1.0".to_owned(), 0);
                while at < last.load(Ordering::SeqCst) {
                    let mut stream = resume(server, &cast.founder, &known);
                    reconnects.fetch_add(1, Ordering::Relaxed);
                    for _ in 0..=seed.below(40) {
                        let Some(Frame { id, event, .. }) = stream.next() else { break };
                        if event == "entry" {
                            assert_eq!(number(&id), at + 1, "client {client}");
                            at += 1;
                        }
                        // Whatever frame it was: the stream goes on where it says.
                        assert_eq!(number(&id), at, "client {client}: {event}");
                        known = id;
                    }
                }
                assert_eq!(at, last.load(Ordering::SeqCst));
            });
        }
        let mut newest = None;
        for n in 0..ENTRIES {
            newest = Some(create(server, cast, &format!("e{n}")));
        }
        last.store(newest.expect("entries"), Ordering::SeqCst);
    });
    assert!(reconnects.load(Ordering::Relaxed) > CLIENTS * 5, "{reconnects:?}");
}

#[test]
fn a_killed_server_is_resumed_where_its_stream_ended() {
    let cast = cast();
    let mut server = Server::start(&cast.site, &[]);
    let mut last = create(&server, &cast, "before");
    let mut known = format!("1.{last}");
    for round in 0..3 {
        let mut stream = resume(&server, &cast.founder, &known);
        for n in 0..5 {
            create(&server, &cast, &format!("r{round}-{n}"));
        }
        for _ in 0..3 {
            let frame = stream.entry();
            assert_eq!(number(&frame.id), last + 1);
            (last, known) = (last + 1, frame.id);
        }
        server.signal("KILL");
        assert_eq!(server.wait(), None);
        // What is still on its way ends; whatever of it came counts.
        while let Some(frame) = stream.next() {
            if frame.event == "entry" {
                assert_eq!(number(&frame.id), last + 1);
                (last, known) = (last + 1, frame.id);
            }
        }
        server = Server::start(&cast.site, &[]);
    }
    let newest = create(&server, &cast, "after");
    let mut stream = resume(&server, &cast.founder, &known);
    while last < newest {
        assert_eq!(number(&stream.entry().id), last + 1);
        last += 1;
    }
    assert_eq!(server.stop(), Some(0));
    assert_eq!(cast.site.verdict(), (0, "authentic".to_owned()));
}

#[test]
fn a_client_that_saw_more_than_a_restored_ledger_has_is_told_so() {
    let cast = cast();
    // Ledger and anchor both from a backup: nothing on the server's side can tell. A client can.
    let backup = cast.site.copy();
    let server = Server::start(&cast.site, &[]);
    let seen = create(&server, &cast, "seen");
    assert_eq!(server.stop(), Some(0));
    let older = Server::start(&backup, &[]);
    let cursor = format!("last-event-id: 1.{seen}");
    let headers = [format!("authorization: Bearer {}", cast.founder), cursor];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    older.ask("GET", "/v1/events", &headers, None).is(Code::ClientAhead);
    for path in ["/v1/entries?after=", "/v1/views/timeline?min_position="] {
        older.get(&format!("{path}1.{seen}"), &cast.founder).is(Code::ClientAhead);
    }
}

#[test]
fn who_takes_nothing_costs_a_cursor() {
    const BATCH: u64 = 10;
    const SOME: u64 = 40;
    const CLIENTS: u64 = 100;
    const HOSTS: u64 = 6_000;
    let cast = cast();
    for part in 0..4 {
        std::fs::write(cast.site.home.path("hosts"), known_hosts(part * HOSTS / 4, HOSTS / 4))
            .expect("written");
        cast.site.must(&["import", "known-hosts", "hosts", "--scope", "/acme"]);
    }
    let server =
        Server::start(&cast.site, &["--streams-per-principal", "400", "--stream-stall-ms", "120000"]);
    // One that takes everything, so that what all share is there.
    let size =
        server.get("/checkpoint", "").body.lines().nth(1).and_then(|n| n.parse().ok()).expect("a size");
    let whole = |stream: &mut Stream| {
        for position in 1..size {
            assert_eq!(number(&stream.entry().id), position);
        }
    };
    whole(&mut Stream::open(&server, &cast.founder, "?after=1.0", &[]));
    // What they share, threads and readers of the store, is there once some have stalled.
    let stall = |count: u64| -> Vec<Stream> {
        let streams = (0..count).map(|_| Stream::open(&server, &cast.founder, "?after=1.0", &[])).collect();
        let sent = |s: &Server| s.figure("chancery_stream_frames_total", &cast.founder);
        let mut last = (0, 0);
        server.until("nothing is sent any more", |s| {
            let now = sent(s);
            last = if now == last.0 { (now, last.1 + 1) } else { (now, 0) };
            last.1 > 60
        });
        streams
    };
    // A few at a time: what is measured is who waits, and not how many read at once.
    let mut stalled: Vec<Stream> = (0..3).flat_map(|_| stall(SOME)).collect();
    let before = server.memory("VmRSS:");
    stalled.extend((0..CLIENTS / BATCH).flat_map(|_| stall(BATCH)));
    // Appending goes on, and whoever is quick sees it.
    let mut quick = Stream::open(&server, &cast.founder, "", &[]);
    let newest = create(&server, &cast, "beside");
    assert_eq!(number(&quick.entry().id), newest);
    let each = server.memory("VmRSS:").saturating_sub(before) / CLIENTS;
    say(&format!("{CLIENTS} stalled streams of {HOSTS} entries, {each} bytes each"));
    // `bench sse` holds 64 KiB to its limit; here a process shares the machine with other tests, and pages are counted.
    assert!(each < 128 << 10, "{each} bytes for each of {CLIENTS} stalled streams");
    // One of them reads on: all of it, once.
    let first = stalled.first_mut().expect("one");
    whole(first);
    drop(stalled);
    server.until("nobody is left", |s| s.figure("chancery_stream_clients", &cast.founder) <= 1);
}

#[test]
fn no_text_ends_a_frame_or_begins_one() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--heartbeat-ms", "300"]);
    let mut stream = Stream::open(&server, &cast.founder, "?after=1.0", &[]);
    let hostile = "x\\n\\ndata: {}\\r\\nid: 9.9\\nevent: resync\\u0085\\u2028\\u001b[2J\\u0000";
    let lines = ["", "\\u0000"];
    for (n, cut) in lines.iter().enumerate() {
        let text = if cut.is_empty() { hostile.replace("\\u0000", "") } else { hostile.to_owned() };
        let body = format!(
            r#"{{"scope":"/","entity":{{"id":"c{n}"}},"args":{{"risk":"low","commands":[["{text}"]],"name":"{text}"}}}}"#
        );
        let told = server.invoke("capability.register", &cast.founder, &format!("frame-{n}"), &body);
        assert!([400, 403, 422].contains(&told.status), "{told:?}");
    }
    let body = format!(
        r#"{{"scope":"/acme","entity":{{"id":"zoe"}},"args":{{"kind":"human","role":"org_user","name":"{}"}}}}"#,
        hostile.replace("\\u0000", "")
    );
    server.invoke("principal.register", &cast.founder, "frame", &body);
    let newest = create(&server, &cast, "last");
    let mut line = String::new();
    loop {
        line.clear();
        assert_ne!(stream.0.read_line(&mut line).expect("a line"), 0, "the stream goes on");
        let text = line.trim_end_matches(['\r', '\n']);
        let known = ["id: 1.", "event: entry", "event: position", "event: heartbeat", "data: {", "retry: "];
        let chunk = u32::from_str_radix(text, 16).is_ok();
        assert!(text.is_empty() || chunk || known.iter().any(|known| text.starts_with(known)), "{line:?}");
        assert!(!text.chars().any(|c| c.is_ascii_control()), "{line:?}");
        if let Some(data) = text.strip_prefix("data: ") {
            serde_json::from_str::<serde_json::Value>(data).unwrap_or_else(|e| panic!("{e}: {data}"));
        }
        if text == format!("id: 1.{newest}") {
            break;
        }
    }
}
