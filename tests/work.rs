//! Does one worker at a time hold a job, and does a kill switch go first, however many ask at once? Read from the chain.

use crate::harness::Home;
use crate::harness::governed::typed;
use crate::harness::story::{NAME, Story, code_of, scope};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::domains::table::At;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::entry;
use chancery_ledger::format::ids::IdempotencyKey;
use chancery_ledger::format::json::Value;
use chancery_ledger::format::key::PrivateKey;
use chancery_ledger::gate::{Attest, Request, new_request};
use chancery_ledger::verify::{How, Trust, Verdict, verify_live};
use chancery_ledger::{Answer, Code, Entropy, Ledger, Reply, statement};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

const JOBS: usize = 200;
const WORKERS: usize = 8;
const EVIDENCE: &str = r#"{"capability":"uptime","mode":"worker_stub_execution","network_opened":false,"stopped_at":"before_execution"}"#;

/// Somebody who signs with a running number of its own, beside others that do the same.
struct Hand {
    name: String,
    key: PrivateKey,
    next: u64,
    entropy: Entropy,
}

impl Hand {
    fn of(story: &Story, name: &str) -> Self {
        let key = story.keys[name].clone();
        let id = key.public().id();
        let next = story.ledger.look(|world| world.keys.get(id).expect("a key").next);
        Self { name: name.to_owned(), key, next, entropy: Entropy::default() }
    }

    /// A signed request under the next running number.
    fn request(&mut self, ledger: &Ledger, action: &str, id: &str, args: Value) -> Request {
        let key = hex(&self.entropy.take::<16>().expect("entropy"));
        let key = IdempotencyKey::parse(&key).expect("a key");
        let salt = self.entropy.take().expect("entropy");
        let request = new_request(action, &scope("/acme"), Some(id), NAME, args, key, salt);
        let mut request = request.unwrap_or_else(|invalid| panic!("{action}: {invalid}"));
        let (log, id, seq) = (ledger.origin().to_string(), self.key.public().id(), self.next);
        request.attestation = Some(Attest { log: log.clone(), key: id, seq, sig: [0; 64] });
        let text = statement(&request, &log, &self.name, seq).expect("a statement");
        request.attestation = Some(Attest { log, key: id, seq, sig: self.key.sign(&text) });
        self.next += 1;
        request
    }

    fn ask(&mut self, ledger: &Ledger, action: &str, id: &str, words: &[&str]) -> Answer {
        let request = self.request(ledger, action, id, typed(words));
        let answer = ledger.submit(request);
        // What left no entry used up no number.
        self.next -= u64::from(matches!(answer, Answer::Conflict(_)));
        answer
    }

    fn report(&mut self, ledger: &Ledger, id: &str, fence: u64) -> Option<Code> {
        let mut args = typed(&[&format!("fence:={fence}"), "outcome=succeeded"]);
        if let Value::Object(members) = &mut args {
            members.insert("evidence".to_owned(), Value::from(EVIDENCE));
        }
        let request = self.request(ledger, "job.report", id, args);
        let answer = ledger.submit(request);
        self.next -= u64::from(matches!(answer, Answer::Conflict(_)));
        code_of(&answer)
    }
}

/// The ledger is what its pin says it is.
fn authentic(story: &Story) {
    let pin = story.pin();
    let trust = Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin) };
    let how = How { threads: 1, screen: false, columns: true, recompute: true };
    let report = verify_live(&story.paths, &trust, how, &mut |_, _| ()).expect("a ledger");
    assert_eq!(report.verdict, Verdict::Authentic, "{:?}", report.finding);
}

/// What the chain tells of one job.
#[derive(Debug, Default)]
struct Told {
    fence: u64,
    owner: Option<(String, i64)>,
    started: Option<u64>,
    ends: Vec<&'static str>,
}

/// Every job as the leaves tell it; two owners at one instant, a fence that does not rise by one, an effect of somebody
/// who is not the owner, or a second end are panics.
fn told(story: &Story) -> BTreeMap<String, Told> {
    const ENDS: &[&str] =
        &["job.succeeded", "job.failed", "job.timed_out", "job.cancelled", "job.outcome_missing"];
    let mut jobs: BTreeMap<String, Told> = BTreeMap::new();
    let reader = story.ledger.reader().expect("a reader");
    let size = reader.size().expect("a size");
    let each = |position: u64, leaf: &[u8]| {
        let entry = entry::read(leaf).expect("an entry");
        let data: serde_json::Value = serde_json::from_str(entry.data.get()).expect("data");
        let (actor, now) = (entry.actor.principal.to_owned(), entry.time);
        let job = jobs.entry(entry.entity.id.to_owned());
        let number = |name: &str| data[name].as_u64().unwrap_or_else(|| panic!("{position}: {name}"));
        let instant = |name: &str| data[name].as_i64().unwrap_or_else(|| panic!("{position}: {name}"));
        match entry.kind {
            "job.submitted" => drop(job.or_default()),
            "claim.acquired" => {
                let job = job.or_default();
                assert!(job.owner.is_none(), "{position}: `{actor}` came beside {:?}", job.owner);
                assert!(job.ends.is_empty() && job.started.is_none(), "{position}: {job:?}");
                assert_eq!(number("fence"), job.fence + 1, "{position}");
                job.fence += 1;
                job.owner = Some((actor, instant("until")));
            }
            "claim.expired" => {
                let job = job.or_default();
                let (owner, until) = job.owner.take().expect("an owner");
                assert!(now >= until, "{position}: `{owner}` held it until {until}, it is {now}");
                assert_eq!(
                    (data["worker"].as_str(), number("fence")),
                    (Some(&*owner), job.fence),
                    "{position}"
                );
            }
            "claim.renewed"
            | "claim.released"
            | "job.started"
            | "job.result_accepted"
            | "transcript.appended" => {
                let job = job.or_default();
                let (owner, until) = job.owner.clone().expect("an owner");
                assert!(owner == actor && now < until, "{position}: `{actor}`, {job:?} at {now}");
                assert_eq!(number("fence"), job.fence, "{position}");
                assert!(job.ends.is_empty(), "{position}: {job:?}");
                match entry.kind {
                    "claim.renewed" => job.owner = Some((owner, instant("until"))),
                    "claim.released" => job.owner = None,
                    "job.started" => assert_eq!(job.started.replace(job.fence), None, "{position}"),
                    "job.result_accepted" => assert_eq!(job.started, Some(job.fence), "{position}"),
                    _ => {}
                }
            }
            kind => {
                if let Some(end) = ENDS.iter().find(|end| **end == kind) {
                    job.or_default().ends.push(end);
                }
            }
        }
        Ok(())
    };
    reader.leaves(0..size, each).expect("leaves");
    jobs.retain(|id, _| id.starts_with("job-"));
    for (id, job) in &jobs {
        assert!(job.ends.len() <= 1, "{id}: {job:?}");
    }
    jobs
}

/// Jobs for whoever claims them, submitted all at once.
fn submitted(story: &mut Story, jobs: usize) {
    let mut otto = Hand::of(story, "otto");
    let words =
        ["capability=uptime", r#"command:=["uptime"]"#, "mode=worker_stub_execution", "ttl_ms:=600000"];
    let (send, receive) = mpsc::channel();
    for n in 0..jobs {
        let request = otto.request(&story.ledger, "job.submit", &format!("job-{n:04}"), typed(&words));
        let send = send.clone();
        let reply: Reply = Box::new(move |answer| send.send(code_of(&answer)).expect("the test waits"));
        story.ledger.submit_with(request, reply).expect("room");
    }
    for _ in 0..jobs {
        assert_eq!(receive.recv().expect("an answer"), None);
    }
}

/// Rings when its thread fails, so that the others do not wait for what it holds.
struct Bell<'a>(&'a AtomicBool);

impl Drop for Bell<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(std::thread::panicking(), Ordering::Relaxed);
    }
}

/// One claimant: takes what is free, lets some of it run out, does the rest, and comes late with what it let go.
fn claimant(hand: &mut Hand, story: &Story, late_noes: &AtomicUsize, failed: &AtomicBool) {
    let (ledger, clock, _bell) = (&story.ledger, &story.clock, Bell(failed));
    let mut late: Vec<(String, u64)> = Vec::new();
    loop {
        let free: Vec<String> = ledger.look(|world| {
            let now = world.time.max(clock.wall());
            let free = world.jobs.iter().filter(|(_, job)| {
                job.started.is_none() && job.claim.as_ref().is_none_or(|claim| now >= claim.until)
            });
            free.map(|(place, _)| place.id().to_owned()).collect()
        });
        for (id, fence) in late.drain(..) {
            let fence_word = format!("fence:={fence}");
            let seq = ["seq:=1", "operator=late", &fence_word];
            let mut codes = vec![
                code_of(&hand.ask(ledger, "transcript.append", &id, &seq)),
                code_of(&hand.ask(ledger, "job.start", &id, &[&fence_word])),
                code_of(&hand.ask(ledger, "claim.renew", &id, &[&fence_word, "ttl_ms:=1000"])),
                code_of(&hand.ask(ledger, "claim.release", &id, &[&fence_word])),
            ];
            codes.push(hand.report(ledger, &id, fence));
            for code in codes {
                let no = [
                    Code::StaleFence,
                    Code::ClaimExpired,
                    Code::JobOver,
                    // After the end a transcript says so by itself.
                    Code::Quarantined,
                    Code::OverQuota,
                ];
                assert!(code.is_some_and(|code| no.contains(&code)), "{id} under {fence}: {code:?}");
                late_noes.fetch_add(1, Ordering::Relaxed);
            }
        }
        if free.is_empty() {
            let waiting = ledger.look(|world| world.jobs.iter().any(|(_, job)| job.started.is_none()));
            if !waiting || failed.load(Ordering::Relaxed) {
                return;
            }
            std::thread::yield_now();
            continue;
        }
        for id in free.into_iter().take(4) {
            let newest = || {
                ledger.look(|world| world.jobs.get(At { scope: "/acme", id: &id }).map_or(0, |job| job.fence))
            };
            let stalls = id.ends_with('7') && newest() == 0;
            let ttl = if stalls { "ttl_ms:=1000" } else { "ttl_ms:=600000" };
            match code_of(&hand.ask(ledger, "claim.acquire", &id, &[ttl])) {
                None => {}
                Some(Code::ClaimHeld | Code::WrongState | Code::JobOver | Code::OverQuota) => continue,
                code => panic!("{id}: {code:?}"),
            }
            let fence = newest();
            if stalls {
                // Nothing is heard of it until its claim has run out.
                clock.advance(1000, 1000);
                late.push((id, fence));
                continue;
            }
            let fence_word = format!("fence:={fence}");
            assert_eq!(code_of(&hand.ask(ledger, "job.start", &id, &[&fence_word])), None, "{id}");
            let says = [&fence_word[..], "seq:=1", "operator=done"];
            assert_eq!(code_of(&hand.ask(ledger, "transcript.append", &id, &says)), None, "{id}");
            assert_eq!(hand.report(ledger, &id, fence), None, "{id}");
        }
    }
}

#[test]
fn eight_claimants_of_two_hundred_jobs_are_never_two_on_one() {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    story.work();
    for n in 2..=WORKERS {
        story.worker(&format!("w-{n}"));
    }
    submitted(&mut story, JOBS);
    let (late_noes, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut hands: Vec<Hand> = (1..=WORKERS).map(|n| Hand::of(&story, &format!("w-{n}"))).collect();
    std::thread::scope(|threads| {
        for hand in &mut hands {
            threads.spawn(|| claimant(hand, &story, &late_noes, &failed));
        }
    });
    let jobs = told(&story);
    assert_eq!(jobs.len(), JOBS);
    let done = jobs.values().filter(|job| job.ends == ["job.succeeded"]).count();
    assert_eq!(done, JOBS, "{:?}", jobs.iter().find(|(_, job)| job.ends.is_empty()));
    let stalled = jobs.values().filter(|job| job.fence > 1).count();
    assert!(stalled >= JOBS / 10 && late_noes.load(Ordering::Relaxed) >= stalled * 5, "{stalled} ran out");
    let mut workers: BTreeMap<&str, usize> = BTreeMap::new();
    for (worker, _) in jobs.values().filter_map(|job| job.owner.as_ref()) {
        *workers.entry(worker).or_default() += 1;
    }
    assert!(workers.len() > 1, "more than one had work: {workers:?}");
    authentic(&story);
    let story = story.reopen();
    assert!(story.ledger.look(|world| world.jobs.is_empty() && world.transcripts.is_empty()));
    authentic(&story);
}

#[test]
fn a_kill_switch_engages_while_the_queue_is_full() {
    const OPERATORS: usize = 26;
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    story.work();
    story.job("job-kept");
    story.grant("g-1", "job-kept");
    for n in 0..OPERATORS {
        story.enrol(&format!("op-{n}"), "/acme", "human", "msp_operator");
    }
    let mut hands: Vec<Hand> = (0..OPERATORS).map(|n| Hand::of(&story, &format!("op-{n}"))).collect();
    let words =
        ["capability=uptime", r#"command:=["uptime"]"#, "mode=worker_stub_execution", "ttl_ms:=600000"];
    // More than fit, and fewer for each operator than are recorded as noes in a minute.
    let mut requests: Vec<Request> = Vec::new();
    for n in 0..OPERATORS * 220 {
        let hand = &mut hands[n % OPERATORS];
        requests.push(hand.request(&story.ledger, "job.submit", &format!("job-{n:04}"), typed(&words)));
    }
    let mut otto = Hand::of(&story, "otto");
    let engage = otto.request(&story.ledger, "switch.engage", "all", typed(&["target=scope"]));
    let revoke = otto.request(&story.ledger, "grant.revoke", "g-1", typed(&[]));
    let (answered, answers) = mpsc::channel();
    let reply = |what: &'static str| -> Reply {
        let answered = answered.clone();
        Box::new(move |answer| answered.send((what, answer)).expect("the test waits"))
    };
    // The writer is held by somebody who looks at the published world, while the queue fills.
    let (let_go, held) = mpsc::channel::<()>();
    let (arrived, there) = mpsc::channel();
    let mut taken = 0;
    std::thread::scope(|threads| {
        let let_go = let_go;
        let ledger = &story.ledger;
        threads.spawn(move || {
            ledger.look(move |_| {
                arrived.send(()).expect("the test waits");
                let _ = held.recv();
            })
        });
        there.recv().expect("the writer is held");
        let mut full = false;
        for request in requests {
            match ledger.submit_with(request, reply("submit")) {
                Ok(()) => taken += 1,
                Err(error) => {
                    assert_eq!(error.code, Code::QueueFull);
                    full = true;
                    break;
                }
            }
        }
        assert!(full, "{taken} were taken");
        // There is room for what takes risk away, one by one and in a batch, as a sweep asks.
        ledger.submit_with(engage, reply("engage")).expect("room in the reserved queue");
        ledger.submit_all(vec![(revoke, reply("revoke"))]).expect("room in the reserved queue");
        let_go.send(()).expect("the writer waits");
    });
    let (mut before, mut denied, mut engaged, mut newest) = (0, 0, None, 0);
    for _ in 0..taken + 2 {
        let (what, answer) = answers.recv().expect("an answer");
        let Answer::Receipt(receipt) = answer else { panic!("{what}: {answer:?}") };
        let position = receipt.entries[0].position;
        match (what, receipt.code) {
            ("engage", None) => engaged = Some(position),
            ("revoke", None) => {}
            ("submit", None) => (before, newest) = (before + 1, newest.max(position)),
            ("submit", Some(Code::KillSwitch)) => denied += 1,
            _ => panic!("{what}: {receipt:?}"),
        }
    }
    let engaged = engaged.expect("an engaged switch");
    assert!(newest < engaged, "a job was taken at {newest}, the switch engaged at {engaged}");
    assert_eq!(before + denied, taken);
    assert!(denied >= 3072, "{before} before, {denied} denied");
    while !story.ledger.sweep().expect("a sweep").is_empty() {}
    assert!(story.ledger.look(|world| world.jobs.is_empty() && world.grants.is_empty()));
    let jobs = told(&story);
    assert_eq!(jobs.len(), before + 1);
    assert!(jobs.values().all(|job| job.ends == ["job.cancelled"] && job.fence == 0));
    let more =
        ["capability=uptime", r#"command:=["uptime"]"#, "mode=worker_stub_execution", "ttl_ms:=600000"];
    assert_eq!(
        code_of(&story.put("otto", "job.submit", "/acme", "job-after", &more)),
        Some(Code::KillSwitch)
    );
    story.confirmed("founder", "switch.clear", "/acme", "all", &["target=scope"]);
    assert_eq!(code_of(&story.put("otto", "job.submit", "/acme", "job-after", &more)), None);
    authentic(&story);
}
