//! Is there one bit of an export, one length, one line, whose change goes unnoticed?
//!
//! The reference export holds every kind of event in about 64 KiB, with few signatures, since each sweep verifies it
//! some hundred thousand times. `CHANCERY_FULL=1` flips every bit; without it one or two bits of each byte are, which
//! ones going round with the place.

use crate::harness::Home;
use crate::harness::forge::{Forge, int, object, patch_prev};
use crate::harness::story::{Story, args, fingerprint};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::format::encoding::base64;
use chancery_ledger::format::entry::address;
use chancery_ledger::format::hash::{Digest, EXPORT};
use chancery_ledger::format::json::Value;
use chancery_ledger::format::statement::enrolment_bytes;
use chancery_ledger::gate::Credential;
use chancery_ledger::verify::{Finding, How, Report, Trust, Verdict, verify_export};
use chancery_ledger::{Answer, Receipt};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

const KINDS: &[&str] = &[
    "decision.denied",
    "decision.refused",
    "export.produced",
    "host_key.changed",
    "host_key.disabled",
    "host_key.observed",
    "host_key.rejected",
    "host_key.verified",
    "key.enrolled",
    "key.revoked",
    "key.rotated",
    "key.suspected",
    "ledger.clock_confirmed",
    "ledger.opened",
    "ledger.snapshotted",
    "principal.activated",
    "principal.reactivated",
    "principal.registered",
    "principal.revoked",
    "principal.suspended",
    "scope.closed",
    "scope.created",
    "token.issued",
    "token.revoked",
];

struct Reference {
    bytes: Vec<u8>,
    trust: Trust,
    /// Each line with its LF.
    lines: Vec<Range<usize>>,
    /// For each line the position of its entry.
    entries: Vec<Option<u64>>,
}

static REFERENCE: LazyLock<Reference> = LazyLock::new(reference);

/// A token for `who`, asked for and signed by the founder.
fn token(story: &mut Story, who: &str, at: &str, id: &str) -> String {
    let members = object(&[("principal", Value::from(who)), ("ttl_ms", int(600_000_000))]);
    let request = story.request("founder", "token.issue", at, id, members);
    match story.ledger.submit(request) {
        Answer::Receipt(receipt) => receipt.secret.clone().expect("a secret"),
        other => panic!("{other:?}"),
    }
}

/// Asks by token: nobody signs.
fn by(story: &mut Story, token: &str, action: &str, at: &str, id: &str, members: Value) -> Receipt {
    let mut request = story.request("founder", action, at, id, members);
    request.attestation = None;
    request.credential = Credential::Token(token.to_owned());
    match story.ledger.submit(request) {
        Answer::Receipt(receipt) => *receipt,
        other => panic!("{action} {id}: {other:?}"),
    }
}

fn enrol(story: &mut Story, token: &str, who: &str, at: &str) -> String {
    let key = story.fresh_private_key();
    let (public, proof) = story.proof(who, &key);
    let entity = key.public().id().entity();
    let members = args(&[("principal", who), ("public", &public), ("proof", &proof)]);
    by(story, token, "key.enrol", at, &entity, members);
    story.keys.insert(who.to_owned(), key);
    entity
}

fn rotate(story: &mut Story, token: &str, who: &str, old: &str) {
    let (was, key) = (story.keys[who].clone(), story.fresh_private_key());
    let (public, proof) = story.proof(who, &key);
    let text =
        enrolment_bytes(story.ledger.origin().as_str(), who, &key.public().to_bytes()).expect("a text");
    let members = args(&[("public", &public), ("proof", &proof), ("consent", &base64(&was.sign(&text)))]);
    by(story, token, "key.rotate", "/acme", old, members);
}

fn reference() -> Reference {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    let s = &mut story;
    let founder = token(s, "founder", "/", "tok000000001");
    let f = founder.as_str();
    let human = |kind: &str, role: &str| args(&[("kind", kind), ("role", role), ("name", "N\u{e4}me")]);
    by(s, f, "scope.create", "/", "acme", Value::object());
    by(s, f, "principal.register", "/", "ada", human("human", "platform_admin"));
    by(s, f, "principal.activate", "/", "ada", Value::object());
    let issue = |who: &str| object(&[("principal", Value::from(who)), ("ttl_ms", int(600_000_000))]);
    let ada = by(s, f, "token.issue", "/", "tok000000002", issue("ada")).secret.expect("a secret");
    let a = ada.as_str();
    for (who, kind, role) in
        [("otto", "human", "msp_operator"), ("bot-7", "worker", "worker"), ("bot-8", "worker", "worker")]
    {
        by(s, f, "principal.register", "/acme", who, human(kind, role));
        by(s, a, "principal.activate", "/acme", who, Value::object());
    }
    let (first, second) = (enrol(s, f, "otto", "/acme"), enrol(s, f, "bot-7", "/acme"));
    let bot = by(s, f, "token.issue", "/acme", "tok000000003", issue("bot-7")).secret.expect("a secret");
    rotate(s, &bot, "bot-7", &second);
    by(s, f, "key.suspect", "/acme", &first, object(&[("from", int(1))]));
    by(s, f, "key.revoke", "/acme", &first, args(&[("reason", "lost")]));
    by(s, f, "key.revoke", "/acme", &second, Value::object());
    let host = "ssh-ed25519:host-1.example:22";
    let seen = |n: u64| args(&[("fingerprint", &fingerprint(n)), ("source", "ssh_keyscan")]);
    let named = |n: u64| args(&[("fingerprint", &fingerprint(n))]);
    by(s, f, "host_key.observe", "/acme", host, seen(1));
    by(s, f, "host_key.verify", "/acme", host, named(1));
    by(s, a, "host_key.verify", "/acme", host, named(1));
    by(s, f, "host_key.observe", "/acme", host, seen(2));
    by(s, a, "host_key.verify", "/acme", host, named(1));
    by(s, a, "host_key.reject", "/acme", host, named(2));
    by(s, a, "host_key.disable", "/acme", host, Value::object());
    by(s, f, "scope.create", "/acme", "lab", Value::object());
    by(s, f, "scope.close", "/acme", "lab", args(&[("reason", "done")]));
    by(s, f, "principal.suspend", "/acme", "otto", Value::object());
    by(s, a, "principal.reactivate", "/acme", "otto", Value::object());
    by(s, a, "principal.revoke", "/acme", "bot-8", Value::object());
    by(s, f, "ledger.confirm_clock", "/", "", Value::object());
    by(s, f, "export.produce", "/", "", object(&[("from", int(0)), ("to", int(5))]));
    by(s, f, "token.revoke", "/", "tok000000002", Value::object());
    for number in 10..34 {
        let host = format!("ssh-ed25519:host-{number}.example:22");
        let mut members = seen(number);
        if let Value::Object(members) = &mut members {
            members.insert("comment".to_owned(), Value::from("said \"\u{202e}\\\" \u{1}\u{1f511}"));
        }
        by(s, f, "host_key.observe", "/acme", &host, members);
    }
    by(s, f, "scope.create", "/", "beta", Value::object());
    let mut forge = Forge::of(&s.export(true));
    // Snapshots come with the 65,536th entry; here the log key makes one of the entry that only it vouches for.
    let line = *forge.entries().last().expect("entries");
    forge.change_entry(line, |entry| {
        entry.insert("kind".to_owned(), Value::from("ledger.snapshotted"));
        let digest = Value::Text(Digest([5; 32]).to_string());
        entry.insert("data".to_owned(), object(&[("at", int(9)), ("digest", digest), ("version", int(1))]));
    });
    // One head stays: heads decide how small a span is, and each costs a verification every time.
    let heads = forge.heads();
    let keep = heads[heads.len() / 2];
    for line in heads.into_iter().rev().filter(|line| *line != keep) {
        forge.lines.remove(line);
    }
    forge.sign_again(*forge.entries().last().expect("entries"), &s.log_key());
    let bytes = forge.bytes();
    let (mut lines, mut start) = (Vec::new(), 0);
    for line in &forge.lines {
        lines.push(start..start + line.len() + 1);
        start += line.len() + 1;
    }
    let mut position = 0..;
    let entries = (0..forge.lines.len())
        .map(|line| (line > 0 && forge.is_entry(line)).then(|| position.next().expect("one")));
    let entries = entries.collect();
    let trust = Trust { key: Some(s.verifier()), ..Trust::default() };
    Reference { bytes, trust, lines, entries }
}

fn look(bytes: &[u8], trust: &Trust) -> Option<Report> {
    verify_export(
        &mut &bytes[..],
        trust,
        How { threads: 1, screen: false, columns: true, recompute: false },
        &mut |_| (),
    )
    .ok()
}

/// Runs `each` over all numbers below `n` on two threads; what it complains of.
fn sweep(n: usize, each: impl Fn(usize) -> Option<String> + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        loop {
            let from = next.fetch_add(256, Ordering::Relaxed);
            if from >= n {
                return wrong;
            }
            wrong.extend((from..n.min(from + 256)).filter_map(&each));
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut wrong = work();
        wrong.extend(other.join().expect("no panic"));
        wrong
    })
}

fn settle(what: &str, tried: usize, wrong: &[String]) {
    let shown: Vec<&String> = wrong.iter().take(20).collect();
    assert!(wrong.is_empty(), "{what}: {} of {tried}: {shown:#?}", wrong.len());
    eprintln!("{what}: {tried}, none unnoticed");
}

fn full() -> bool {
    std::env::var("CHANCERY_FULL").is_ok_and(|value| value == "1")
}

/// What is wrong with what was found of a change to the entry at `position`, if it is one; `onwards` when all after
/// it was written again.
fn complaint(report: Option<&Report>, position: Option<u64>, onwards: bool) -> Option<String> {
    let Some(report) = report else {
        return position.map(|at| format!("entry {at}: no export any more"));
    };
    let told = || format!("{:?} {:?} for {position:?}", report.verdict, report.finding);
    if [Verdict::Authentic, Verdict::IntegrityOnly].contains(&report.verdict) {
        return Some(told());
    }
    let at = position?;
    let covers =
        |found: &Finding| found.span.is_some_and(|(first, last)| (onwards || first <= at) && at <= last);
    (!report.finding.as_ref().is_some_and(covers)).then(told)
}

#[test]
fn the_reference_export_holds_every_kind_of_event() {
    let reference = &*REFERENCE;
    let report = look(&reference.bytes, &reference.trust).expect("an export");
    assert_eq!(report.verdict, Verdict::Authentic, "{:?}", report.finding);
    let forge = Forge::of(&reference.bytes);
    let kinds = forge
        .entries()
        .into_iter()
        .map(|line| forge.entry(line).get("kind").unwrap().text().unwrap().to_owned());
    let kinds: BTreeSet<String> = kinds.collect();
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), KINDS);
    let size = reference.bytes.len();
    eprintln!("{size} bytes, {} entries, {} signatures", report.entries, report.heads + report.attested);
    assert!((56 << 10..80 << 10).contains(&size), "{size} bytes");
}

#[test]
fn no_bit_can_be_flipped() {
    let reference = &*REFERENCE;
    let each = if full() { 1 } else { 4 };
    let bits = reference.bytes.len() * 8 / each;
    let wrong = sweep(bits, |number| {
        let bit = number * each + number / (8 / each) % each;
        let mut bytes = reference.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let line = reference.lines.iter().position(|line| line.contains(&(bit / 8))).expect("a line");
        let found = look(&bytes, &reference.trust);
        complaint(found.as_ref(), reference.entries[line], false).map(|what| format!("bit {bit}: {what}"))
    });
    settle("bits flipped", bits, &wrong);
}

/// Puts a right trailer at the end of `bytes`, whose own is in the way.
fn retrail(bytes: &mut Vec<u8>, trailer: usize, entries: usize) {
    bytes.truncate(bytes.len() - trailer);
    let digest = EXPORT.digest(bytes);
    bytes.extend_from_slice(
        format!("{{\"end\":{{\"digest\":\"{digest}\",\"entries\":{entries}}}}}\n").as_bytes(),
    );
}

#[test]
fn no_bit_can_be_flipped_by_one_who_recomputes_every_digest() {
    let reference = &*REFERENCE;
    let forge = Forge::of(&reference.bytes);
    let leaves: Vec<Option<Vec<u8>>> =
        (0..forge.lines.len()).map(|line| reference.entries[line].and_then(|_| forge.leaf(line))).collect();
    let count = leaves.iter().flatten().count();
    let trailer = reference.lines.last().expect("a trailer").clone();
    // Every byte of every leaf, then every byte outside the base64 of leaves and before the trailer.
    let mut places: Vec<(usize, usize)> = Vec::new();
    for (line, leaf) in leaves.iter().enumerate() {
        places.extend((0..leaf.as_ref().map_or(0, Vec::len)).map(|at| (line, at)));
    }
    let inside = places.len();
    for (line, range) in reference.lines.iter().enumerate().filter(|(_, range)| **range != trailer) {
        let text = &forge.lines[line];
        let leaf = text.windows(8).position(|window| window == b"\"leaf\":\"").map_or(0..0, |from| {
            let length = text[from + 8..].iter().position(|b| *b == b'"').expect("an end");
            from + 8..from + 8 + length
        });
        places.extend((0..range.len()).filter(|at| !leaf.contains(at)).map(|at| (line, range.start + at)));
    }
    let bits = if full() { 8 } else { 1 };
    let wrong = sweep(places.len() * bits, |number| {
        let (line, at) = places[number / bits];
        let mask = 1u8 << if full() { number % 8 } else { (at * 5 + 1) % 8 };
        let mut bytes = Vec::with_capacity(reference.bytes.len() + 8);
        if number / bits < inside {
            bytes.extend_from_slice(&reference.bytes[..reference.lines[line].start]);
            let mut before: Option<Digest> = None;
            for (place, range) in reference.lines.iter().enumerate().skip(line) {
                let Some(leaf) = &leaves[place] else {
                    bytes.extend_from_slice(&reference.bytes[range.clone()]);
                    continue;
                };
                let mut leaf = leaf.clone();
                match &before {
                    None => leaf[at] ^= mask,
                    Some(before) => patch_prev(&mut leaf, before),
                }
                before = Some(address(&leaf));
                let text = &forge.lines[place];
                let from = text.windows(8).position(|window| window == b"\"leaf\":\"").expect("a leaf") + 8;
                let to = from + text[from..].iter().position(|b| *b == b'"').expect("an end");
                bytes.extend_from_slice(&text[..from]);
                bytes.extend_from_slice(base64(&leaf).as_bytes());
                bytes.extend_from_slice(&text[to..]);
                bytes.push(b'\n');
            }
        } else {
            bytes.extend_from_slice(&reference.bytes);
            bytes[at] ^= mask;
        }
        retrail(&mut bytes, trailer.len(), count);
        let report = look(&bytes, &reference.trust);
        complaint(report.as_ref(), reference.entries[line], true)
            .map(|what| format!("line {line} byte {at}: {what}"))
    });
    settle("bits flipped with every digest recomputed", places.len() * bits, &wrong);
}

#[test]
fn no_length_but_the_whole_is_enough() {
    let reference = &*REFERENCE;
    let header = reference.lines[0].len();
    let wrong = sweep(reference.bytes.len(), |length| {
        let report = look(&reference.bytes[..length], &reference.trust);
        let verdict = report.as_ref().map(|report| report.verdict);
        let right = match verdict {
            None => length < header - 1,
            Some(verdict) => verdict == Verdict::Truncated,
        };
        (!right).then(|| format!("{length} bytes: {verdict:?}"))
    });
    settle("lengths cut", reference.bytes.len(), &wrong);
}

#[test]
fn no_line_can_be_deleted_doubled_or_swapped() {
    let reference = &*REFERENCE;
    let forge = Forge::of(&reference.bytes);
    let n = forge.lines.len();
    let wrong = sweep(n * 6, |number| {
        let line = number / 6;
        let mut changed = forge.clone();
        match number % 3 {
            0 => drop(changed.lines.remove(line)),
            1 => changed.lines.insert(line, forge.lines[line].clone()),
            _ if line + 1 < n => changed.lines.swap(line, line + 1),
            _ => return None,
        }
        let ends = line + 1 == n || number % 3 == 2 && line + 2 == n;
        let repaired = number % 6 > 2 && !ends && line > 0;
        if repaired {
            changed.retrail();
        }
        let report = look(&changed.bytes(), &reference.trust);
        // A head left out is the exporter's right, once the trailer agrees.
        let head = forge.heads().contains(&line) && repaired && number % 3 == 0;
        let authentic = report.as_ref().is_some_and(|report| report.verdict == Verdict::Authentic);
        (authentic != head)
            .then(|| format!("line {line}, change {}: {:?}", number % 6, report.map(|r| r.finding)))
    });
    settle("lines deleted, doubled, swapped", n * 6, &wrong);
}
