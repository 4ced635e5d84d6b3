//! Does any record break the recomputation? Signed right, and telling of what cannot have happened.

use super::{AGAIN, becomes, edit, governed, kind, look, of, part, position, remove, repeat};
use crate::harness::forge::{Forge, int, members};
use crate::harness::story::Story;
use crate::harness::{Home, Seeded};
use chancery_ledger::domains::KINDS;
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::format::json::Value;
use chancery_ledger::verify::Verdict;

/// The largest integer of the profile.
const MAX: i64 = 9_007_199_254_740_991;

/// Words and numbers that stand in a record, and some that should not.
fn values(forge: &Forge) -> Vec<Value> {
    fn collect(value: &Value, found: &mut Vec<Value>) {
        match value {
            Value::List(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(inner) => inner.values().for_each(|item| collect(item, found)),
            scalar => found.push(scalar.clone()),
        }
    }
    let mut found = vec![
        Value::Int(MAX),
        Value::Int(-MAX),
        Value::Int(0),
        Value::Int(1),
        Value::from(""),
        Value::from("system"),
        Value::Null,
        Value::List(Vec::new()),
        Value::object(),
    ];
    for line in forge.entries() {
        collect(&of(forge, line, "data"), &mut found);
        for name in ["entity", "actor", "by"] {
            if let Some(value) = forge.entry(line).get(name) {
                collect(value, &mut found);
            }
        }
        if let Some(args) = forge.doc(line).get("args").and_then(|args| args.get("value")) {
            collect(args, &mut found);
        }
    }
    found
}

/// One more change that no writer would make; each keeps the line readable.
fn disturb(forge: &mut Forge, random: &mut Seeded, pool: &[Value]) {
    let entries = forge.entries();
    let line = entries[1 + random.below(entries.len() - 1)];
    let other = entries[1 + random.below(entries.len() - 1)];
    let value = pool[random.below(pool.len())].clone();
    match random.below(12) {
        0 => remove(forge, line),
        1 => repeat(forge, line),
        2 => forge.lines.swap(line, other),
        3 => {
            let data = of(forge, other, "data");
            let kind = kind(forge, other);
            becomes(forge, line, &kind, data);
        }
        4 => edit(forge, line, &["kind"], Value::from(KINDS[random.below(KINDS.len())])),
        5 => forge.change_entry(line, |entry| {
            let data = members(entry.get_mut("data").expect("data"));
            let name = data.keys().nth(random.below(data.len().max(1))).cloned();
            data.insert(name.unwrap_or_else(|| "code".to_owned()), value);
        }),
        6 => {
            let names = [&["actor", "principal"][..], &["actor", "session"], &["entity", "id"]];
            let at = random.below(names.len() + 1);
            match (names.get(at), value) {
                (Some(name), Value::Text(text)) => edit(forge, line, name, Value::Text(text)),
                _ => {
                    let scopes = ["/", "/acme", "/acme/lab", "/other/a/b/c/d"];
                    edit(forge, line, &["scope"], Value::from(scopes[random.below(scopes.len())]));
                }
            }
        }
        7 => {
            let late = of(forge, line, "time").int().expect("a time");
            let late = [late + 100_000_000, late + 700_000_000, MAX][random.below(3)].min(MAX);
            for at in entries.into_iter().filter(|at| *at >= line) {
                edit(forge, at, &["time"], Value::Int(late));
            }
        }
        8 | 9 => {
            let mut args = match forge.doc(line).get("args").and_then(|args| args.get("value")) {
                Some(args) => args.clone(),
                None => return,
            };
            let inner = members(&mut args);
            match inner.keys().nth(random.below(inner.len().max(1))).cloned() {
                Some(name) => drop(inner.insert(name, value)),
                None => drop(inner.insert("reason".to_owned(), value)),
            }
            part(forge, line, "args", &args);
        }
        10 => {
            if forge.entry(line).get("by").is_some() {
                let by = forge.entry(other).get("by").cloned();
                let action = by.and_then(|by| by.get("action").cloned());
                edit(forge, line, &["by", "action"], action.unwrap_or(Value::from("hold.expire")));
            }
        }
        _ => {
            let below = random.below(position(forge, line).max(1)) as u64;
            edit(forge, line, &["cause"], Value::List(vec![int(below)]));
        }
    }
}

/// Bytes that anybody may hand in: signed right, and telling of what cannot have happened.
#[test]
fn no_record_however_forged_breaks_the_recomputation() {
    let full = std::env::var("CHANCERY_FULL").is_ok_and(|value| value == "1");
    let rounds = if full { 20_000 } else { 600 };
    let home = Home::new();
    let story = governed(&home).story;
    let good = Forge::of(&story.export(true));
    let (pool, key) = (values(&good), story.log_key());
    let mut found = std::collections::BTreeMap::new();
    for seed in 0..rounds {
        let mut random = Seeded::new(seed);
        let mut forge = good.clone();
        for _ in 0..1 + random.below(3) {
            disturb(&mut forge, &mut random, &pool);
        }
        forge.renumber();
        forge.sign_again(1, &key);
        let report = look(&story, &forge.bytes(), AGAIN);
        let told = report.finding.as_ref().map_or("", |finding| finding.message.as_str());
        assert!(!told.contains("cannot have happened"), "seed {seed}: {told}");
        *found.entry(report.finding.map_or("none", |finding| finding.code.as_str())).or_insert(0u64) += 1;
    }
    eprintln!("{found:?}");
    assert!(found["decision_mismatch"] > rounds / 3, "{found:?}");
}

#[test]
fn a_ledger_that_opens_in_an_impossible_way_breaks_nothing() {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Entries);
    story.cast();
    let good = Forge::of(&story.export(true));
    let line = good.entries()[0];
    let own = of(&good, line, "data").get("system_key").expect("a key").clone();
    let edits: &[(&[&str], Value)] = &[
        (&["data", "administrator", "public"], own),
        (&["data", "administrator", "id"], Value::from("system")),
        (&["data", "rules"], int(7)),
        (&["data", "max_silence_ms"], int(9_007_199_254_740_991)),
        (&["data", "form"], Value::from("heads")),
        (&["scope"], Value::from("/acme")),
        (&["entity", "id"], Value::from("other")),
        (&["actor", "principal"], Value::from("founder")),
        (&["cause"], Value::List(vec![int(0)])),
        (&["time"], Value::Int(0)),
    ];
    for (path, value) in edits {
        let mut forge = good.clone();
        edit(&mut forge, line, path, value.clone());
        forge.sign_again(1, &story.log_key());
        let report = look(&story, &forge.bytes(), AGAIN);
        assert!(matches!(report.verdict, Verdict::Tampered), "{path:?}: {:?}", report.verdict);
    }
}
