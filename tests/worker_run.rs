//! Does a worker over HTTP keep to its protocol when the server goes away, when it is fenced off, suspended or stopped?

use crate::cli::{NO, YES, act, act_as, object, objects};
use crate::harness::server::{Server, WAIT};
use crate::harness::{Home, Ran};
use crate::workers::{kinds, site, submit, told};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

const AT: [&str; 2] = ["--scope", "/acme"];
const FOUNDER: &str = "ledger.keys/founder.key";

/// A command that says something and stays; `mark` tells its processes from all others.
fn stays(mark: &str) -> Value {
    serde_json::json!(["sh", "-c", format!("echo begun; sleep {mark} & sleep {mark}")])
}

/// Whether any process has this among its words.
fn runs(mark: &str) -> bool {
    let all = std::fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
    all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .any(|line| line.split(|byte| *byte == 0).any(|word| word == mark.as_bytes()))
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WAIT, "it never comes to this: {what}");
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
}

/// A token of the worker `hand`, in a file.
fn token(home: &Home, id: &str, who: &str) -> String {
    let who = format!("principal={who}");
    let issue = ["token.issue", "--id", id, &who, "ttl_ms:=3600000", AT[0], AT[1]];
    let said = object(home, YES, &[&["do", "--key-file", FOUNDER][..], &issue].concat());
    let file = format!("{id}.token");
    std::fs::write(home.path(&file), said["secret"].as_str().expect("a secret")).expect("a file");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(home.path(&file), private).expect("a mode");
    file
}

/// A site with the worker's token, and the commands that it may run.
fn begun(commands: &[Value]) -> (Home, String) {
    let home = site(&Value::from(commands.to_vec()).to_string());
    let token = token(&home, "tokhand00001", "hand");
    (home, token)
}

fn serve(home: &Home) -> Server {
    Server::serve(home, &home.path("ledger"), &[])
}

/// Asks over HTTP as the founder.
fn far(home: &Home, server: &Server, code: i32, words: &[&str]) -> Value {
    let url = server.url();
    object(home, code, &[&["do", "--key-file", FOUNDER, "--url", &url][..], words].concat())
}

/// A worker that runs.
struct Worker(Child);

impl Worker {
    fn start(home: &Home, url: &str, token: &str, more: &[&str]) -> Self {
        let words = ["--json", "worker", "run", "--key-file", "hand.key", AT[0], AT[1], "--url", url];
        let mut command = home.command(&[&words[..], &["--token-file", token], more].concat());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("the worker starts"))
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.0.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill");
    }

    /// Its end, which comes in time.
    fn end(mut self) -> Ran {
        until("the worker ends", || self.0.try_wait().expect("a status").is_some());
        let (mut out, mut err) = (String::new(), String::new());
        self.0.stdout.take().expect("stdout").read_to_string(&mut out).expect("text");
        self.0.stderr.take().expect("stderr").read_to_string(&mut err).expect("text");
        let code = self.0.wait().expect("a status").code().unwrap_or(-1);
        Ran { code, stdout: out, stderr: err }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The objects that a run printed.
fn said(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// It ended with a no of this code.
fn is_no(ran: &Ran, code: &str) {
    let all = said(ran);
    assert_eq!(
        (ran.code, all.last().map(|last| &last["code"])),
        (NO, Some(&code.into())),
        "{all:?} {}",
        ran.stderr
    );
}

fn count(home: &Home, kind: &str) -> usize {
    objects(home, YES, &["log", "--limit", "500", "--kind", kind]).len()
}

/// The ledger is what its pin says, and nothing of a command runs any more.
fn sound(home: &Home, server: Server, mark: &str) {
    until("nothing is left behind", || !runs(mark));
    assert_eq!(server.stop(), Some(0));
    home.expect(YES, &["verify", "--pin", "ledger.pin"]);
}

/// Waits until the job has told so many lines.
fn tells(server: &Server, token: &str, job: &str) {
    server.until("it tells a line", |server| {
        let answer = server.get(&format!("/v1/transcripts/{job}?stream=operator"), token);
        answer.status == 200 && answer.body.contains("line 1 of what")
    });
}

fn secret(home: &Home, file: &str) -> String {
    std::fs::read_to_string(home.path(file)).expect("a token")
}

#[test]
fn a_worker_makes_and_enrols_its_key_and_works_over_http() {
    let home = site(r#"[["printf","one\ntwo\n"]]"#);
    // Somebody who has a token, and no key.
    for words in [
        &["principal.register", "--id", "novel", "kind=worker", "role=worker"][..],
        &["principal.activate", "--id", "novel"],
        &["worker.promote", "--id", "novel", "trust=standard"],
        &["worker.assign", "--id", "novel", r#"capabilities:=["facts"]"#, "to=/acme"],
    ] {
        let who = if words[0] == "principal.activate" { "ada.key" } else { FOUNDER };
        act_as(&home, YES, who, &[words, &AT].concat());
    }
    let token = token(&home, "toknovel0001", "novel");
    let hand = self::token(&home, "tokhand00001", "hand");
    let server = serve(&home);
    let url = server.url();
    let run =
        ["worker", "run", "--url", &url, "--key-file", "novel.key", "--token-file", &token, AT[0], AT[1]];
    assert_eq!(object(&home, NO, &run)["code"], "not_found", "no job, and the key is enrolled");
    let mode = std::fs::metadata(home.path("novel.key")).expect("a key file");
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&mode) & 0o777, 0o600);
    assert_eq!(object(&home, NO, &run)["code"], "not_found", "and is not enrolled again");
    // Another file is another key: that one is not the first. Another's key is nobody's with this token.
    let mut second = run;
    second[5] = "second.key";
    assert_eq!(object(&home, 5, &second)["code"], "key_file_missing");
    assert!(!home.path("second.key").exists());
    second[7] = &hand;
    second[5] = "novel.key";
    assert_eq!(object(&home, 2, &second)["code"], "malformed_value");
    let own = |words: &[&str]| {
        object(&home, YES, &[&["do", "--key-file", "novel.key", "--url", &url][..], words, &AT].concat())
    };
    own(&[
        "worker.declare",
        "--id",
        "novel",
        r#"capabilities:=["facts"]"#,
        "locality=here",
        "redaction:=true",
    ]);
    own(&["worker.report", "--id", "novel", "health=healthy", "ttl_ms:=3600000"]);
    for other in ["hand", "other"] {
        far(&home, &server, YES, &["worker.suspend", "--id", other, AT[0], AT[1]]);
    }
    let words =
        ["job.submit", "--id", "j-1", "capability=facts", "mode=worker_local_read_only", "ttl_ms:=3600000"];
    let command = r#"command:=["printf","one\ntwo\n"]"#;
    far(&home, &server, YES, &[&words[..], &[command, AT[0], AT[1]]].concat());
    let grant = ["grant.issue", "--id", "g-1", "job=j-1", "worker=novel", "use=facts", "reference=test://a"];
    far(&home, &server, YES, &[&grant[..], &["ttl_ms:=3600000", AT[0], AT[1]]].concat());
    std::fs::write(home.path("p.json"), r#"{"enabled":["test"],"test":{"seed":"s"}}"#).expect("a file");
    let done = object(&home, YES, &[&run[..], &["--config", "p.json"]].concat());
    assert_eq!(kinds(&done), ["job.result_accepted", "grant.consumed", "job.succeeded"], "{done}");
    assert_eq!(server.stop(), Some(0));
    let told: Vec<Value> = told(&home, "j-1").iter().map(|part| part["technical"].clone()).collect();
    assert_eq!(told, [Value::Null, "one".into(), "two".into(), Value::Null]);
    // Each act is signed with the key, and came with no token.
    for kind in ["claim.acquired", "lease.opened", "job.started", "transcript.appended", "lease.closed"] {
        for line in objects(&home, YES, &["log", "--kind", kind]) {
            let entry = &object(&home, YES, &["show", &line["position"].to_string()])["entry"];
            assert!(entry["attestation"].is_object() && entry["actor"]["session"].is_null(), "{entry}");
        }
    }
    assert_eq!(count(&home, "lease.closed"), 1);
    home.expect(YES, &["verify", "--pin", "ledger.pin"]);
}

/// Stands between worker and server: asks what to do with each request, by its path.
struct Between {
    address: SocketAddr,
}

#[derive(Clone, Copy, PartialEq)]
enum Do {
    Pass,
    /// The server never sees it.
    LoseRequest,
    /// The server does it, and the worker never hears so.
    LoseAnswer,
}

impl Between {
    fn start(to: Arc<Mutex<SocketAddr>>, mut each: impl FnMut(&str, &str) -> Do + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let mut stream = BufReader::new(stream);
                let Some((head, body)) = request(&mut stream) else { continue };
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let what = each(&path, &body);
                if what == Do::LoseRequest {
                    continue;
                }
                let address = *to.lock().expect("an address");
                let Ok(mut behind) = TcpStream::connect(address) else { continue };
                let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
                let _ = behind.write_all(format!("{head}{body}").as_bytes());
                let mut answer = Vec::new();
                let _ = behind.read_to_end(&mut answer);
                if what == Do::Pass {
                    let _ = stream.get_mut().write_all(&answer);
                }
            }
        });
        Self { address }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn request(from: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let before = head.len();
        from.read_line(&mut head).ok().filter(|read| *read > 0)?;
        let line = head[before..].to_ascii_lowercase();
        if let Some(text) = line.strip_prefix("content-length: ") {
            length = text.trim().parse().expect("a length");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).expect("text")))
}

#[test]
fn a_server_that_goes_away_and_comes_back_is_asked_again_and_nothing_is_there_twice() {
    let (home, token) = begun(&[serde_json::json!(["printf", "a\nb\nc\n"])]);
    let command = r#"["printf","a\nb\nc\n"]"#;
    let steps = ["claim.acquire", "job.start", "transcript.append", "job.report"];
    for (n, step) in steps.iter().enumerate() {
        for lost in [Do::LoseAnswer, Do::LoseRequest] {
            let job = format!("j-{n}-{}", lost as u8);
            submit(&home, &job, command);
            let server = Arc::new(Mutex::new(Some(serve(&home))));
            let to = Arc::new(Mutex::new(server.lock().expect("a server").as_ref().expect("one").address));
            let (theirs, at, step) = (Arc::clone(&server), Arc::clone(&to), format!("/{step}/"));
            let name = step.clone();
            let mut seen = 0;
            let mut again = Server::command(&home, &home.path("ledger"), &[]);
            let between = Between::start(Arc::clone(&to), move |path, _| {
                seen += usize::from(path.contains(&step));
                // The second of several is the one in the middle of it.
                let turn = if step == "/transcript.append/" { 2 } else { 1 };
                if !path.contains(&step) || seen != turn {
                    return Do::Pass;
                }
                seen += 1;
                if lost == Do::LoseAnswer {
                    return lost;
                }
                // Killed, and started again elsewhere.
                let mut server = theirs.lock().expect("a server");
                drop(server.take());
                let again = Server::run(&mut again);
                *at.lock().expect("an address") = again.address;
                *server = Some(again);
                lost
            });
            let worker = Worker::start(&home, &between.url(), &token, &["--job", &job]);
            let ended = worker.end();
            assert_eq!(ended.code, YES, "{name} {}{}", ended.stdout, ended.stderr);
            let server = server.lock().expect("a server").take().expect("one");
            assert_eq!(server.stop(), Some(0));
            for (kind, times) in [
                ("claim.acquired", 1),
                ("job.started", 1),
                ("transcript.appended", 5),
                ("transcript.quarantined", 0),
                ("job.result_accepted", 1),
                ("job.succeeded", 1),
            ] {
                let found = objects(&home, YES, &["log", "--kind", kind, "--id", &job]).len();
                assert_eq!(found, times, "{name} {kind}");
            }
        }
    }
    home.expect(YES, &["verify", "--pin", "ledger.pin"]);
}

#[test]
fn a_server_that_stays_away_ends_the_command_with_the_claim() {
    let mark = "4711001";
    let (home, token) = begun(&[stays(mark)]);
    submit(&home, "j-1", &stays(mark).to_string());
    let server = serve(&home);
    let (to, mut told) = (Arc::new(Mutex::new(server.address)), false);
    let between = Between::start(to, move |path, body| {
        told |= path.contains("/transcript.append/") && body.contains("line 1 of");
        if told { Do::LoseRequest } else { Do::Pass }
    });
    let began = Instant::now();
    let worker = Worker::start(&home, &between.url(), &token, &["--ttl-ms", "3000", "--limit-ms", "60000"]);
    until("the command runs", || runs(mark));
    let ended = worker.end();
    let all = said(&ended);
    assert_eq!((ended.code, &all[0]["code"]), (5, &"io".into()), "{all:?}");
    assert!(began.elapsed() < WAIT);
    sound(&home, server, mark);
    assert_eq!(count(&home, "job.started"), 1);
    // Before there is anything to lose, it is the same.
    let url = between.url();
    let gone = Worker::start(&home, &url, &token, &["--ttl-ms", "1000"]).end();
    assert_eq!((gone.code, &said(&gone)[0]["code"]), (5, &"io".into()));
}

#[test]
fn whoever_is_stopped_in_the_middle_of_a_job_stops() {
    for (n, (code, words)) in [
        ("kill_switch", &["switch.engage", "--id", "all", "target=scope"][..]),
        ("kill_switch", &["switch.engage", "--id", "hand", "target=principal"]),
        ("worker_disabled", &["worker.suspend", "--id", "hand"]),
        ("worker_revoked", &["worker.revoke", "--id", "hand"]),
        ("principal_not_active", &["principal.suspend", "--id", "hand"]),
        ("job_over", &["job.cancel", "--id", "j-1"]),
    ]
    .into_iter()
    .enumerate()
    {
        let mark = format!("471110{n}");
        let (home, token) = begun(&[stays(&mark)]);
        submit(&home, "j-1", &stays(&mark).to_string());
        let grant =
            ["grant.issue", "--id", "g-1", "job=j-1", "worker=hand", "use=facts", "reference=test://a"];
        act(&home, YES, &[&grant[..], &["ttl_ms:=3600000", AT[0], AT[1]]].concat());
        std::fs::write(home.path("p.json"), r#"{"enabled":["test"],"test":{"seed":"s"}}"#).expect("a file");
        let server = serve(&home);
        let more = ["--beat-ms", "50", "--limit-ms", "60000", "--config", "p.json"];
        let worker = Worker::start(&home, &server.url(), &token, &more);
        tells(&server, &secret(&home, &token), "j-1");
        far(&home, &server, YES, &[words, &AT].concat());
        let ended = worker.end();
        is_no(&ended, code);
        sound(&home, server, &mark);
        assert_eq!(count(&home, "job.result_accepted"), 0, "{code}");
        // What adds no risk stays open to whoever may still speak: the lease is put away.
        let put_away = count(&home, "lease.closed");
        assert_eq!(put_away, usize::from(code != "principal_not_active"), "{code}");
        if n == 0 {
            let queues = object(&home, YES, &["queue"]).to_string();
            assert!(queues.contains("emergency_disable"), "{queues}");
        }
    }
}

#[test]
fn whoever_is_fenced_off_tells_nothing_further() {
    let mark = "4711201";
    let (home, token) = begun(&[stays(mark)]);
    submit(&home, "j-1", &stays(mark).to_string());
    let server = serve(&home);
    let more = ["--ttl-ms", "1000", "--limit-ms", "60000"];
    let worker = Worker::start(&home, &server.url(), &token, &more);
    let token = secret(&home, &token);
    tells(&server, &token, "j-1");
    worker.signal("STOP");
    server.until("the claim runs out", |server| {
        let job = server.get("/v1/views/jobs/%2Facme%20j-1", &token).ok();
        job["item"]["claim"].is_null()
    });
    worker.signal("CONT");
    is_no(&worker.end(), "stale_fence");
    sound(&home, server, mark);
    let lines = objects(&home, YES, &["log", "--limit", "500"]);
    let expired = lines.iter().position(|line| line["kind"] == "claim.expired").expect("it ran out");
    let after: Vec<&Value> = lines[expired + 1..].iter().filter(|line| line["actor"] == "hand").collect();
    assert!(after.iter().all(|line| line["kind"] == "decision.denied"), "{after:?}");
}

#[test]
fn a_worker_that_keeps_on_does_what_comes_and_stops_when_it_is_told() {
    let mark = "4711301";
    let (home, token) = begun(&[serde_json::json!(["true"]), stays(mark)]);
    for job in ["j-1", "j-2"] {
        submit(&home, job, r#"["true"]"#);
    }
    let issue = ["do", "--key-file", FOUNDER, "token.issue", "--id", "tokfound0001", "principal=founder"];
    let founder = object(&home, YES, &[&issue[..], &["ttl_ms:=3600000"]].concat());
    std::fs::write(home.path("founder.token"), founder["secret"].as_str().expect("a secret"))
        .expect("a file");
    let server = serve(&home);
    let worker = Worker::start(&home, &server.url(), &token, &["--keep", "--limit-ms", "60000"]);
    let token = secret(&home, &token);
    let over = |job: &str, state: &str| {
        server.until(state, |server| {
            server.get(&format!("/v1/views/jobs/%2Facme%20{job}"), &token).ok()["item"]["state"] == state
        });
    };
    over("j-1", "succeeded");
    over("j-2", "succeeded");
    // What is run is private: an eligible worker sees it, an administrator does not.
    let argv = |token: &str| server.get("/v1/views/jobs/%2Facme%20j-1", token).ok()["item"]["argv"].clone();
    assert_eq!(
        (argv(&token), argv(&secret(&home, "founder.token"))),
        (serde_json::json!(["true"]), Value::Null)
    );
    // It waits for what is not there yet, and ends what it has begun when it is told to stop.
    let words =
        ["job.submit", "--id", "j-3", "capability=facts", "mode=worker_local_read_only", "ttl_ms:=3600000"];
    let command = format!("command:={}", stays(mark));
    far(&home, &server, YES, &[&words[..], &[&command, AT[0], AT[1]]].concat());
    tells(&server, &token, "j-3");
    worker.signal("TERM");
    let ended = worker.end();
    assert_eq!((ended.code, said(&ended).len()), (YES, 3), "{}{}", ended.stdout, ended.stderr);
    over("j-3", "failed");
    sound(&home, server, mark);
    // Its own word, beside the one that it had from the beginning.
    let words = objects(&home, YES, &["log", "--kind", "worker.liveness_changed", "--id", "hand"]);
    assert!(words.len() >= 2, "{words:?}");
    let end = told(&home, "j-3").pop().expect("an end");
    assert!(end["operator"].as_str().is_some_and(|text| text.contains("told to stop")), "{end}");
}

#[test]
fn what_is_printed_is_told_line_by_line_and_the_rest_is_counted() {
    let (home, _) = begun(&[serde_json::json!(["seq", "1", "1000"])]);
    submit(&home, "j-1", r#"["seq","1","1000"]"#);
    let run = ["worker", "run", "--key-file", "hand.key", AT[0], AT[1]];
    assert_eq!(kinds(&object(&home, YES, &run)), ["job.result_accepted", "job.succeeded"]);
    let all = objects(&home, YES, &["log", "--limit", "500", "--kind", "transcript.appended"]);
    assert_eq!(all.len(), 2 + 256);
    let shown = |n: usize| object(&home, YES, &["show", &all[n]["position"].to_string(), "--private"]);
    for n in [1, 100, 256] {
        assert_eq!(shown(n)["parts"]["private"]["technical"], n.to_string());
    }
    let end = shown(257)["parts"]["private"]["operator"].clone();
    // Numbers of up to four digits, without the ends of their lines.
    assert_eq!(end, "`seq` ended with 0; 744 further lines are left out, 2233 bytes in all");
    home.expect(YES, &["verify", "--pin", "ledger.pin"]);
}

#[test]
fn work_that_a_preflight_blocks_is_given_back() {
    let (home, token) = begun(&[serde_json::json!(["true"])]);
    let host = "ssh-ed25519:host-1.example:22";
    let print = format!("fingerprint=SHA256:{}", "A".repeat(43));
    act_as(
        &home,
        YES,
        "hand.key",
        &["host_key.observe", "--id", host, &print, "source=generated", AT[0], AT[1]],
    );
    act(&home, YES, &["host_key.verify", "--id", host, &print, AT[0], AT[1]]);
    let both = r#"capabilities:=["facts","keep"]"#;
    let targets = r#"targets:=["host-1.example"]"#;
    act(&home, YES, &["worker.assign", "--id", "hand", both, targets, "to=/acme", AT[0], AT[1]]);
    let target = format!("target={host}");
    let words = ["job.submit", "--id", "j-1", "capability=keep", "mode=worker_ssh_dry_run", &target];
    act(&home, YES, &[&words[..], &["ttl_ms:=3600000", AT[0], AT[1]]].concat());
    let server = serve(&home);
    let ended = Worker::start(&home, &server.url(), &token, &[]).end();
    assert_eq!(
        (ended.code, &said(&ended)[0]["blocked"]),
        (NO, &serde_json::json!(["grant_lease"])),
        "{}",
        ended.stderr
    );
    assert_eq!(server.stop(), Some(0));
    assert_eq!((count(&home, "claim.released"), count(&home, "job.started")), (1, 0));
}
