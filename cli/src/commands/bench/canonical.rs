//! How fast is the canonical writer, against typed serde_json into a reused buffer, and against serde_jcs?

use crate::diagnostic::Diagnostic;
use crate::measure::{Figure, interleave, rate, ratio};
use chancery_ledger::format::canonical;
use chancery_ledger::{Code, Error};
use serde::Serialize;
use std::hint::black_box;

/// Calls in one round.
const CALLS: u64 = 10_000;
/// Rounds; the median counts.
const ROUNDS: usize = 21;

/// A decision, members in canonical order.
#[derive(Serialize)]
struct Decision<'a> {
    action: &'a str,
    actor: &'a str,
    checks: Vec<Check<'a>>,
    effect: &'a str,
    entity: Entity<'a>,
    note: &'a str,
    position: u64,
    scope: &'a str,
    time: i64,
}

#[derive(Serialize)]
struct Check<'a> {
    code: &'a str,
    name: &'a str,
    passed: bool,
}

#[derive(Serialize)]
struct Entity<'a> {
    id: &'a str,
    kind: &'a str,
}

fn decision(checks: usize, note: &str) -> Decision<'_> {
    let check = || Check { code: "not_applicable", name: "scope contains the resource", passed: true };
    Decision {
        action: "host_key.verify",
        actor: "otto",
        checks: (0..checks).map(|_| check()).collect(),
        effect: "allow",
        entity: Entity { id: "ssh-ed25519:host-17.example:22", kind: "host_key" },
        note,
        position: 1_234_567,
        scope: "/acme/lab/staging",
        time: 1_790_000_000_000,
    }
}

pub(super) fn run() -> Result<Vec<Figure>, Diagnostic> {
    let note = "verified against the console; the fingerprint was read out and compared. ".repeat(10);
    let mut figures = Vec::new();
    for (size, decision) in [("small", decision(2, "ok")), ("large", decision(12, &note))] {
        let ours = canonical::to_bytes(&decision).map_err(|e| Error::new(Code::Internal, e.to_string()))?;
        let theirs = serde_json::to_string(&decision).unwrap_or_default();
        let oracle = serde_jcs::to_vec(&decision).unwrap_or_default();
        if ours != theirs.as_bytes() || ours != oracle {
            return Err(Error::new(Code::Internal, "the writers that are compared do not agree").into());
        }
        let mut a = Vec::with_capacity(4096);
        let mut b = Vec::with_capacity(4096);
        let medians = interleave(
            ROUNDS,
            &mut [
                &mut || {
                    for _ in 0..CALLS {
                        a.clear();
                        let _ = black_box(canonical::write(black_box(&decision), &mut a));
                    }
                },
                &mut || {
                    for _ in 0..CALLS {
                        b.clear();
                        let _ = black_box(serde_json::to_writer(&mut b, black_box(&decision)));
                    }
                },
                &mut || {
                    for _ in 0..CALLS {
                        let _ = black_box(serde_jcs::to_vec(black_box(&decision)));
                    }
                },
            ],
        );
        let conditions = format!("{} bytes, {ROUNDS} interleaved rounds of {CALLS}", ours.len());
        for (at, end, limit) in
            [(1, "", "typed presorted serde_json, reused buffer (time)"), (2, ".jcs", "serde_jcs (time)")]
        {
            figures.push(Figure {
                name: format!("canonical.{size}{end}"),
                per_second: Some(rate(CALLS, medians[0])),
                limit: Some(limit.to_owned()),
                ratio: Some(ratio(medians[0], medians[at])),
                conditions: conditions.clone(),
                ..Figure::default()
            });
        }
    }
    Ok(figures)
}
