//! How fast is the ledger over HTTP? Reads against bare routes, invokes against the same requests in the process.

use super::load::{Load, Took};
use super::served::{Estate, Served};
use super::subject::{Bench, HOSTS};
use super::wire::{Wire, broken, get, post, segment};
use super::write::many;
use super::{bare, visible};
use crate::diagnostic::Diagnostic;
use crate::measure::{Figure, median, percentile, rate, ratio};
use chancery_ledger::Entropy;
use chancery_ledger::format::encoding::{base64_unpadded, hex};
use serde_json::{Value, json};

/// Entries of the ledger that is served.
const ENTRIES: u64 = 10_000;
/// Connections that read at the same time.
const READERS: usize = 16;
const ROUNDS: usize = 7;
pub(super) const SHARED: &str = "server and clients share the cpus; access log into a file";

/// An observation of a host key as those that fill a ledger, as bytes of HTTP.
pub(super) fn observe(token: &str, name: &str, number: u64) -> Result<Vec<u8>, Diagnostic> {
    let host = format!("ssh-ed25519:{name}-{number}.example:22");
    let mut digest = [9u8; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    let key = hex(&Entropy::default().take::<16>()?);
    let args =
        json!({"fingerprint": format!("SHA256:{}", base64_unpadded(&digest)), "source": "known_hosts"});
    let body = json!({"scope": "/acme", "entity": {"id": host}, "args": args}).to_string();
    Ok(post("/v1/actions/host_key.observe/invoke", token, &key, &body))
}

/// What is read: a request, and the answer that a bare route gives in its place.
struct Read {
    name: &'static str,
    what: &'static str,
    request: Vec<u8>,
    bare: Vec<u8>,
    status: u16,
    bytes: usize,
}

/// Looks at every answer once before anything is timed, and gives what is asked of both servers.
fn reads(bench: &Bench, estate: &Estate, served: &Served) -> Result<(Vec<Read>, Served), Diagnostic> {
    let host = "ssh-ed25519:host-7.example:22";
    let row = format!("/v1/views/host_keys/{}", segment(&format!("/acme {host}")));
    let page = "/v1/views/attention?state=host_key_review&limit=20";
    let mut wire = Wire::open(served.address)?;
    let mut look = |path: &str, more: &str, status: u16| -> Result<(String, String), Diagnostic> {
        let answer = wire.ask(&get(path, &estate.token, more))?.must(status)?;
        Ok((answer.text().to_owned(), answer.header("etag").unwrap_or_default().to_owned()))
    };
    let (one, _) = look(&row, "", 200)?;
    let (twenty, tag) = look(page, "", 200)?;
    let known = format!("If-None-Match: {tag}\r\n");
    let (nothing, again) = look(page, &known, 304)?;
    let item: Value = serde_json::from_str(&one).unwrap_or_default();
    let items: Value = serde_json::from_str(&twenty).unwrap_or_default();
    let count = items["items"].as_array().map_or(0, Vec::len);
    if item["item"]["id"] != host || count != 20 || !nothing.is_empty() || again != tag {
        return Err(broken(
            "a read",
            &format!("not what was asked for: {one}, {count} items, {tag}, {again}"),
        ));
    }
    bare::Ready { row: one.clone(), page: twenty.clone(), tag, ..bare::Ready::default() }.write(bench)?;
    let other = Served::bare(bench)?;
    let mut wire = Wire::open(other.address)?;
    for (path, status, body) in [("/row", 200, &one), ("/page", 200, &twenty), ("/unchanged", 304, &nothing)]
    {
        if wire.ask(&get(path, &estate.token, &known))?.must(status)?.text() != body {
            return Err(broken("the bare route", &format!("`{path}` gives something else")));
        }
    }
    let read = |name, what, path: &str, bare: &str, more: &str, status, bytes| Read {
        name,
        what,
        request: get(path, &estate.token, more),
        bare: get(bare, &estate.token, more),
        status,
        bytes,
    };
    let reads = vec![
        read("http.row", "a row by key", &row, "/row", "", 200, one.len()),
        read("http.page", "a queue page of 20 items", page, "/page", "", 200, twenty.len()),
        read("http.unchanged", "the same page, unchanged", page, "/unchanged", &known, 304, 0),
    ];
    Ok((reads, other))
}

/// A read and its bare route in turns, by the same number of connections.
fn compare(read: &Read, served: &Served, other: &Served, each: usize) -> Result<Figure, Diagnostic> {
    let mut ours = Load::open(served.address, READERS)?;
    let mut theirs = Load::open(other.address, READERS)?;
    let (mut rates, mut limits, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let total = (each * READERS) as u64;
    for round in 0..=ROUNDS {
        for turn in 0..2 {
            let first = (round + turn) % 2 == 0;
            let (load, request) = if first { (&mut ours, &read.request) } else { (&mut theirs, &read.bare) };
            let took: Took = load.same(request, each, read.status, read.bytes)?;
            // The first round warms both.
            if round > 0 {
                if first { &mut rates } else { &mut limits }.push(rate(total, took.wall));
                times.extend(took.each.into_iter().filter(|_| first));
            }
        }
    }
    times.sort_unstable();
    let (ours, limit) = (median(rates), median(limits));
    Ok(Figure {
        name: read.name.to_owned(),
        p50_ns: Some(percentile(&times, 500)),
        p99_ns: Some(percentile(&times, 990)),
        p999_ns: Some(percentile(&times, 999)),
        per_second: Some(ours),
        limit: Some(format!("a bare route with the same bytes, {limit}/s (rate)")),
        ratio: Some(ratio(ours, limit)),
        conditions: format!(
            "{}, {} bytes, {READERS} connections that stay open, {ROUNDS} interleaved rounds of {total}; {SHARED}",
            read.what, read.bytes,
        ),
        ..Figure::default()
    })
}

/// Memory of a server that nobody asks anything.
fn memory(served: &Served, estate: &Estate) -> Option<Figure> {
    let (now, most) = (served.kilobytes("VmRSS")?, served.kilobytes("VmHWM")?);
    Some(Figure {
        name: "http.memory".to_owned(),
        kilobytes: Some(now),
        conditions: format!(
            "resident, idle, {} entries, all read models folded since it started; at most {most} kB until then",
            estate.entries
        ),
        ..Figure::default()
    })
}

/// Durable answers over so many connections, against as many threads in the process.
fn invoke(bench: &Bench, callers: u64) -> Result<Figure, Diagnostic> {
    let local = many(bench, "beside", callers)?.per_second.unwrap_or_default();
    // One caller's thousands would measure patience.
    let each = (bench.entries.min(20_000) / callers.max(8)).max(20);
    let estate = Estate::filled(bench, &format!("invoke-{callers}"), 100)?;
    let served = Served::ledger(&estate)?;
    let own = |caller: u64| -> Result<Vec<Vec<u8>>, Diagnostic> {
        (0..each).map(|turn| observe(&estate.token, "host", (caller * each + turn) % HOSTS)).collect()
    };
    let requests = (0..callers).map(own).collect::<Result<Vec<_>, _>>()?;
    let connections = usize::try_from(callers).unwrap_or(1);
    let mut load = Load::open(served.address, connections)?;
    let took = load.own(&requests, |answer| {
        let allowed = answer.must(200)?.text().contains("\"effect\":\"allow\"");
        if allowed { Ok(()) } else { Err(broken("an invoke", &"it was not allowed")) }
    })?;
    let total = callers * each;
    // Every one of them is an entry.
    let newest: Value = {
        let mut wire = Wire::open(served.address)?;
        let path = format!("/v1/entries?limit=1000&kind=host_key&after=1.{}", estate.entries + total - 2);
        serde_json::from_str(wire.ask(&get(&path, &estate.auditor, ""))?.must(200)?.text())
            .unwrap_or_default()
    };
    if newest["entries"].as_array().is_none_or(Vec::is_empty) {
        return Err(broken("an invoke", &"fewer entries than answers"));
    }
    let ours = rate(total, took.wall);
    Ok(Figure {
        name: format!("http.invoke.{callers}"),
        p50_ns: Some(percentile(&took.each, 500)),
        p99_ns: Some(percentile(&took.each, 990)),
        p999_ns: Some(percentile(&took.each, 999)),
        per_second: Some(ours),
        limit: Some(format!("the same in the process, {callers} threads, {local}/s (rate)")),
        ratio: Some(ratio(ours, local)),
        conditions: format!(
            "{callers} connections, {each} durable answers each; {SHARED}; the read models are folded beside it"
        ),
        ..Figure::default()
    })
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Diagnostic> {
    let estate = Estate::filled(bench, "http", bench.entries.min(ENTRIES))?;
    let served = Served::ledger(&estate)?;
    let mut figures: Vec<Figure> = memory(&served, &estate).into_iter().collect();
    let (reads, other) = reads(bench, &estate, &served)?;
    let each = usize::try_from(bench.entries / 200).unwrap_or(500).clamp(10, 500);
    for read in &reads {
        figures.push(compare(read, &served, &other, each)?);
    }
    drop((served, other));
    for callers in [1, 16, 64, 256] {
        figures.push(invoke(bench, callers)?);
    }
    figures.extend(visible::run(bench)?);
    Ok(figures)
}
