//! Is it OK, what needs me, what can I do? The queues as they are asked for, with who has acknowledged what. SPEC 17.9.

use crate::ask::{AsOf, Ask, PAGE_ROWS, PAGE_ROWS_MAX, Page, Views, page_of};
use crate::show::Show;
use crate::store::{self, Filter};
use crate::views::acknowledgements::{of_entry, of_item};
use crate::views::attention::item::STEP;
use crate::views::{ACKNOWLEDGEMENTS, ATTENTION, QUEUES, Queue};
use chancery_ledger::format::ids::Scope;
use chancery_ledger::{Result, gate};
use rusqlite::Connection;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Acknowledgements that an item shows.
const ACKNOWLEDGED: usize = 16;
/// Risks in the order of ranks.
const RISKS: [&str; 3] = ["high", "medium", "low"];

/// Who asks: what it is shown, and in which scope.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// In this scope and below.
    pub within: &'a Scope,
    /// The instant, the reader's roles, and private parts.
    pub show: &'a Show<'a>,
}

/// The queue of this name.
pub fn queue(name: &str) -> Option<&'static Queue> {
    QUEUES.into_iter().find(|queue| queue.name == name)
}

/// Items of a queue, what is worst and waits longest first, each with who has acknowledged it.
pub fn items(
    views: &Views,
    queue: &Queue,
    reader: Reader<'_>,
    token: Option<&str>,
    limit: Option<usize>,
) -> Result<Page> {
    views.read(|conn| {
        let mut found = page(conn, Some(queue.name), reader, token, limit)?;
        join(conn, &mut found.items)?;
        Ok(found)
    })
}

/// Every queue: how much is open in it, how bad, and since when.
pub fn queues(views: &Views, reader: Reader<'_>) -> Result<Value> {
    views.read(|conn| Ok(json!({ "as_of": as_of(conn)?, "queues": summary(conn, reader)? })))
}

/// Is it OK, what needs me, what can I do: for this reader.
pub fn attention(views: &Views, reader: Reader<'_>) -> Result<Value> {
    views.read(|conn| {
        let at = as_of(conn)?;
        let found = page(conn, None, reader, None, Some(PAGE_ROWS_MAX))?;
        let mut can: BTreeMap<String, u64> = BTreeMap::new();
        for action in found.items.iter().filter_map(|item| item["can_do"].as_array()).flatten() {
            *can.entry(action.as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        let can: Vec<Value> = can
            .into_iter()
            .map(|(action, items)| {
                let help = gate::declared(&action).map_or("", |(spec, _)| spec.help);
                json!({ "action": action, "help": help, "items": items })
            })
            .collect();
        let ok = found.items.is_empty() && at.skipped == 0;
        // What is beyond a page was not looked at: then there may be more.
        let mut more = found.next_page_token.is_some();
        let mut needs: Vec<Value> = found.items.into_iter().filter(|item| item["needs_me"] == true).collect();
        more |= needs.len() > PAGE_ROWS;
        needs.truncate(PAGE_ROWS);
        join(conn, &mut needs)?;
        Ok(json!({ "as_of": at, "can_do": can, "more": more, "needs_me": needs, "ok": ok }))
    })
}

/// How governance stands: each queue with its oldest item, what is stopped, and whether live work is possible.
pub fn governance_status(views: &Views, reader: Reader<'_>) -> Result<Value> {
    views.read(|conn| {
        let (queues, stops) =
            (summary(conn, reader)?, page(conn, Some("emergency_disable"), reader, None, None)?);
        let open = |name: &str| {
            let queue = queues.iter().find(|queue| queue["queue"] == name);
            queue.and_then(|queue| queue["open"].as_u64()).unwrap_or_default()
        };
        let engaged: Vec<Value> = stops.items.iter().map(brief).collect();
        Ok(json!({
            "as_of": as_of(conn)?,
            "emergency": { "engaged": open("emergency_disable"), "switches": engaged },
            "gate": { "live": "closed", "waiting": open("live_gate") },
            "oldest": oldest(&queues),
            "open": queues.iter().filter_map(|queue| queue["open"].as_u64()).sum::<u64>(),
            "queues": queues,
        }))
    })
}

/// Work that does not go on, and what stands in its way, without anything private.
pub fn blocked(views: &Views, reader: Reader<'_>) -> Result<Value> {
    let nothing = |_: u64, _: u64| Ok(None);
    let given = reader.show;
    let plain =
        Show { now: given.now, principal: given.principal, abilities: given.abilities, part: &nothing };
    let reader = Reader { within: reader.within, show: &plain };
    views.read(|conn| {
        let mut members = Map::new();
        members.insert("as_of".to_owned(), json!(as_of(conn)?));
        let mut more = false;
        for (name, queue) in [
            ("gates", "live_gate"),
            ("hosts", "host_key_review"),
            ("stops", "emergency_disable"),
            ("transcripts", "transcript_quarantine"),
            ("work", "execution"),
            ("workers", "worker_health"),
        ] {
            let mut found = page(conn, Some(queue), reader, None, None)?;
            join(conn, &mut found.items)?;
            more |= found.next_page_token.is_some();
            members.insert(name.to_owned(), Value::from(found.items));
        }
        // Work that found no worker is told apart from work that was done and failed.
        let work = members.remove("work").and_then(|work| work.as_array().cloned()).unwrap_or_default();
        let (routes, jobs): (Vec<Value>, Vec<Value>) =
            work.into_iter().partition(|item| item["cause"] == "blocked");
        members.insert("jobs".to_owned(), Value::from(jobs));
        members.insert("routes".to_owned(), Value::from(routes));
        members.insert("more".to_owned(), Value::from(more));
        Ok(Value::Object(members))
    })
}

fn as_of(conn: &Connection) -> Result<AsOf> {
    Views::live(conn, &ATTENTION).map(AsOf::from)
}

/// A page of items.
fn page(
    conn: &Connection,
    queue: Option<&str>,
    reader: Reader<'_>,
    token: Option<&str>,
    limit: Option<usize>,
) -> Result<Page> {
    let ask = Ask { view: &ATTENTION, within: reader.within, about: None, state: queue, token, limit };
    page_of(conn, &ask, reader.show)
}

/// Puts beside items who has acknowledged them.
fn join(conn: &Connection, items: &mut [Value]) -> Result<()> {
    for item in items {
        let acknowledged = acknowledged(conn, item)?;
        if let Value::Object(members) = item {
            members.insert("acknowledged".to_owned(), Value::from(acknowledged));
        }
    }
    Ok(())
}

/// Who has acknowledged an item, or an entry that it cites, since it was opened, where the item is or above.
fn acknowledged(conn: &Connection, item: &Value) -> Result<Vec<Value>> {
    let at = Views::live(conn, &ACKNOWLEDGEMENTS)?;
    let text = |name: &str| item[name].as_str().unwrap_or_default();
    let own = Scope::parse(text("scope")).ok();
    let opened = item["first"]["position"].as_u64();
    let cited = item["positions"].as_array().into_iter().flatten().filter_map(Value::as_u64);
    let mut found: BTreeMap<u64, Value> = BTreeMap::new();
    for about in cited.map(of_entry).chain([of_item(text("id"))]) {
        let filter = Filter {
            within: &Scope::root(),
            about: Some(&about),
            state: None,
            after: None,
            limit: ACKNOWLEDGED,
        };
        for row in store::page(conn, &ACKNOWLEDGEMENTS, &at, &filter)? {
            let above = Scope::parse(&row.scope).ok().zip(own.as_ref());
            let counts = above.is_some_and(|(at, own)| at.contains(own)) && Some(row.changed) > opened;
            if let (true, Ok(value)) = (counts, row.value()) {
                found.insert(row.changed, value);
            }
        }
    }
    Ok(found.into_values().rev().take(ACKNOWLEDGED).collect())
}

/// What of an item stands in a summary.
fn brief(item: &Value) -> Value {
    let members = ["about", "age_ms", "cause", "first", "id", "queue", "risk", "scope"];
    members.into_iter().map(|name| (name.to_owned(), item[name].clone())).collect::<Map<_, _>>().into()
}

fn summary(conn: &Connection, reader: Reader<'_>) -> Result<Vec<Value>> {
    let at = Views::live(conn, &ATTENTION)?;
    let counts = store::counts(conn, &at, reader.within, STEP)?;
    let mut all = Vec::new();
    for queue in QUEUES {
        let (mut open, mut oldest, mut risks) = (0, None, Map::new());
        for (_, level, count, least) in counts.iter().filter(|(state, ..)| state == queue.name) {
            open += count;
            let risk = usize::try_from(*level).ok().and_then(|level| RISKS.get(level)).copied();
            risks.insert(risk.unwrap_or("low").to_owned(), Value::from(*count));
            let first = least % STEP;
            if oldest.is_none_or(|(known, _)| first < known) {
                oldest = Some((first, *least));
            }
        }
        let mut one =
            json!({ "open": open, "question": queue.question, "queue": queue.name, "risks": risks });
        if let Some((_, rank)) = oldest {
            let filter = Filter {
                within: reader.within,
                about: None,
                state: Some(queue.name),
                after: Some((rank.saturating_sub(1), "")),
                limit: 1,
            };
            if let (Some(row), Value::Object(members)) =
                (store::page(conn, &ATTENTION, &at, &filter)?.first(), &mut one)
            {
                let shown = crate::ask::item(&ATTENTION, &at, row, reader.show)?;
                members.insert("oldest".to_owned(), brief(&shown));
            }
        }
        all.push(one);
    }
    Ok(all)
}

/// The oldest item of all queues.
fn oldest(queues: &[Value]) -> Value {
    let found = queues.iter().filter_map(|queue| queue.get("oldest"));
    found.min_by_key(|item| item["first"]["position"].as_u64()).cloned().unwrap_or(Value::Null)
}
