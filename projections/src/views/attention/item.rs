//! What is an item of a queue? One cause on one subject, however often it happened, with who or what comes next.

use super::notes;
use super::opening::{Care, Opening};
use crate::narrative::Evidence;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::{Poison, Row, rank};
use chancery_ledger::domains::Risk;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::hash::ITEM;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Positions that an item cites, and facts of one name that it keeps.
pub(super) const CITED: usize = 16;
/// Ranks between one risk and the next: three of them are an integer that a document can carry, and no ledger gets so long.
pub(crate) const STEP: i64 = 1 << 50;

/// An entry, and when it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) position: u64,
    pub(super) time: i64,
}

/// Something that an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fact {
    pub(super) position: u64,
    pub(super) text: String,
}

/// What a row keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(super) cause: String,
    /// How often it happened.
    pub(super) count: u64,
    /// Chains whose end is its end.
    pub(super) ends: Vec<String>,
    pub(super) facts: BTreeMap<String, Vec<Fact>>,
    pub(super) first: Mark,
    pub(super) last: Mark,
    /// How many of its occurrences are still unresolved.
    pub(super) open: u64,
    /// The action whose roles decide.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) owner: Option<String>,
    pub(super) positions: Vec<u64>,
    pub(super) queue: String,
    pub(super) risk: Risk,
    /// What its fingerprint was made from beside queue, scope and cause.
    pub(super) subject: String,
}

impl Item {
    /// Every entry that it cites.
    pub(super) fn evidence(&self) -> Evidence {
        Evidence::of(self.first.position, self.positions.iter().copied().chain([self.last.position]))
    }

    /// The newest fact of a name.
    pub(super) fn fact(&self, name: &str) -> Option<&Fact> {
        self.facts.get(name).and_then(|facts| facts.last())
    }

    /// All facts of a name.
    pub(super) fn facts(&self, name: &str) -> &[Fact] {
        self.facts.get(name).map_or(&[], Vec::as_slice)
    }

    fn cite(&mut self, position: u64) {
        self.positions.push(position);
        self.positions.sort_unstable();
        // How it began and how it went on last: what is between makes room.
        while self.positions.len() > CITED {
            self.positions.remove(CITED / 2);
        }
    }
}

/// The key of an item: its queue, and the fingerprint of what makes it the same item.
pub(super) fn key(queue: &str, scope: &str, subject: &str, cause: &str) -> String {
    let digest = ITEM.digest([queue, "\n", scope, "\n", subject, "\n", cause].concat().as_bytes());
    format!("{queue} {}", hex(digest.0.first_chunk::<16>().unwrap_or(&[0; 16])))
}

/// Risks from the highest on, then what waits longest.
fn place(risk: Risk, first: u64) -> i64 {
    let level = match risk {
        Risk::Destructive | Risk::High => 0,
        Risk::Medium => 1,
        Risk::Low => 2,
    };
    level * STEP + rank(first).min(STEP - 1)
}

/// Opens an item, or adds to it; gives its key.
pub(super) fn open(rows: &mut Rows<'_>, seen: &Seen<'_>, opening: Opening<'_>) -> Result<String, Poison> {
    let key = opening.key();
    let mark = Mark { position: seen.position, time: seen.time };
    let (owner, until) = match opening.care {
        Care::Owner(action) => (Some(action.to_owned()), None),
        Care::Until(until) => (None, Some(until)),
        Care::Both(action, until) => (Some(action.to_owned()), Some(until)),
    };
    let mut item: Item = match rows.read(&key)? {
        Some(item) => Arc::unwrap_or_clone(item),
        None => {
            let mut ends = opening.ends;
            ends.push(format!("scope {}", opening.scope));
            for chain in &ends {
                notes::push(rows, seen, chain, &key)?;
            }
            Item {
                cause: opening.cause.to_owned(),
                count: 0,
                ends,
                facts: BTreeMap::new(),
                first: mark.clone(),
                last: mark.clone(),
                open: 0,
                owner: None,
                positions: Vec::new(),
                queue: opening.queue.to_owned(),
                risk: opening.risk,
                subject: opening.subject,
            }
        }
    };
    (item.owner, item.risk, item.last) = (owner, opening.risk, mark);
    (item.count, item.open) = (item.count + 1, item.open + 1);
    item.cite(seen.position);
    for (name, facts) in opening.facts {
        item.facts.insert(name.to_owned(), facts);
    }
    for (name, fact) in opening.more {
        add(&mut item, name, fact);
    }
    let rank = place(item.risk, item.first.position);
    let row = Row::new(key.clone(), seen, item).state(opening.queue).about(opening.about).until(until);
    rows.put(Row { scope: opening.scope, ..row.rank(rank) });
    Ok(key)
}

/// A fact beside those of before; of too many the oldest but the first makes room.
fn add(item: &mut Item, name: &str, fact: Fact) {
    let facts = item.facts.entry(name.to_owned()).or_default();
    if facts.iter().any(|known| known.text == fact.text) {
        return;
    }
    if facts.len() == CITED {
        facts.remove(1);
    }
    facts.push(fact);
}

/// Changes an item that is there.
pub(super) fn change(
    rows: &mut Rows<'_>,
    seen: &Seen<'_>,
    key: &str,
    change: impl FnOnce(&mut Item),
) -> Result<(), Poison> {
    rows.amend_known(key, seen, |_, item| change(item)).map(|_| ())
}

/// Adds a fact to an item that is there, without its having happened once more.
pub(super) fn tell(
    rows: &mut Rows<'_>,
    seen: &Seen<'_>,
    key: &str,
    name: &str,
    text: &str,
) -> Result<(), Poison> {
    change(rows, seen, key, |item| {
        add(item, name, Fact { position: seen.position, text: text.to_owned() });
    })
}

/// Takes an item away: its cause is resolved.
pub(super) fn close(rows: &mut Rows<'_>, seen: &Seen<'_>, key: &str) -> Result<(), Poison> {
    let Some(row) = rows.get(key)? else { return Ok(()) };
    let item: Item = row.read()?;
    for chain in &item.ends {
        notes::unlink(rows, seen, chain, key)?;
    }
    rows.remove(key);
    Ok(())
}

/// Takes every item of a chain away.
pub(super) fn end(rows: &mut Rows<'_>, seen: &Seen<'_>, chain: &str) -> Result<(), Poison> {
    while let Some(key) = notes::newest(rows, chain)? {
        close(rows, seen, &key)?;
        // What is in no row cannot be in a chain: a fold that went on would never end.
        if notes::newest(rows, chain)?.as_deref() == Some(&key) {
            return Err(Poison::new(format!("the chain `{chain}` does not end")));
        }
    }
    Ok(())
}

/// Carries an item that was taken away to another scope; what is there already takes its occurrences up.
pub(super) fn carry(
    rows: &mut Rows<'_>,
    seen: &Seen<'_>,
    shown: Item,
    about: &str,
    scope: &str,
) -> Result<(), Poison> {
    let key = key(&shown.queue, scope, &shown.subject, &shown.cause);
    let item = match rows.get(&key)? {
        Some(row) => {
            let mut item: Item = row.read()?;
            (item.count, item.open) = (item.count + shown.count, item.open + shown.open);
            shown.positions.iter().for_each(|position| item.cite(*position));
            item.facts.extend(shown.facts);
            if shown.last.position > item.last.position {
                item.last = shown.last;
            }
            if shown.first.position < item.first.position {
                item.first = shown.first;
            }
            item
        }
        None => {
            let ends = vec![format!("scope {scope}")];
            notes::push(rows, seen, &format!("scope {scope}"), &key)?;
            Item { ends, ..shown }
        }
    };
    let (rank, queue) = (place(item.risk, item.first.position), item.queue.clone());
    let row = Row::new(key, seen, item).state(queue).about(about).rank(rank);
    rows.put(Row { scope: scope.to_owned(), ..row });
    Ok(())
}
