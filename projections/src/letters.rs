//! Which entries could not be folded, and why? The dead letters: one row for each view, kind and reason. SPEC 17.

use crate::body::Body as Kept;
use crate::overlay::Overlay;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::store::{Table, Writer};
use crate::view::{Access, Index, Order, Poison, Row, View, rank};
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::hash::ITEM;
use chancery_ledger::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Positions that a row names.
const NAMED: usize = 16;

/// The view of them: the engine writes it.
pub(crate) static VIEW: View = View {
    name: "dead_letters",
    question: "Which entries could not be folded into which view, and why?",
    version: 1,
    access: Access::Read,
    indexes: &[Index::About],
    order: Order::Descending,
    states: &[],
    fold: nothing,
    show,
};

/// One entry that one view could not fold.
#[derive(Debug)]
pub(crate) struct Letter {
    view: &'static str,
    version: u32,
    /// Whether the view is built beside the one that is read.
    beside: bool,
    pub(crate) position: u64,
    kind: String,
    reason: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    count: u64,
    first: u64,
    kind: String,
    last: u64,
    positions: Vec<u64>,
    reason: String,
    version: u32,
    view: String,
}

impl Letter {
    pub(crate) fn new(view: &View, beside: bool, seen: &Seen<'_>, poison: &Poison) -> Self {
        Self {
            view: view.name,
            version: view.version,
            beside,
            position: seen.position,
            kind: seen.kind.to_owned(),
            reason: poison.reason().to_owned(),
        }
    }

    fn key(&self) -> String {
        let text = format!("{} {} {} {}", self.view, self.version, self.kind, self.reason);
        let key = hex(ITEM.digest(text.as_bytes()).0.first_chunk::<16>().unwrap_or(&[0; 16]));
        // Nobody is shown what a view cannot fold before the view itself is read.
        if self.beside { format!("+{key}") } else { key }
    }
}

fn nothing(_: &mut Rows<'_>, _: &Seen<'_>) -> std::result::Result<(), Poison> {
    Ok(())
}

fn show(row: &Row, _: &Show<'_>) -> std::result::Result<Value, Poison> {
    row.value()
}

fn broken(poison: &Poison) -> Error {
    poison.fault().unwrap_or_else(|| Error::new(Code::ViewsDamaged, poison.reason()))
}

/// Writes them into the table of the letters. In the same commit as what was folded.
pub(crate) fn write(writer: &Writer, table: &str, letters: &[Letter]) -> Result<()> {
    let mut overlay = Overlay::default();
    let table = Table::new(table);
    let load = |key: &str| writer.load(&table, key);
    for letter in letters {
        let mut rows = Rows::new(&mut overlay, &load);
        add(&mut rows, letter).map_err(|poison| broken(&poison))?;
    }
    writer.write(&table, |put| overlay.write(put))
}

fn add(rows: &mut Rows<'_>, letter: &Letter) -> std::result::Result<(), Poison> {
    let key = letter.key();
    let mut body = match rows.get(&key)? {
        Some(row) => row.read()?,
        None => Body {
            count: 0,
            first: letter.position,
            kind: letter.kind.clone(),
            last: letter.position,
            positions: Vec::new(),
            reason: letter.reason.clone(),
            version: letter.version,
            view: letter.view.to_owned(),
        },
    };
    body.count += 1;
    body.last = letter.position;
    if body.positions.len() < NAMED {
        body.positions.push(letter.position);
    }
    rows.put(Row {
        key,
        scope: if letter.beside { String::new() } else { "/".to_owned() },
        about: about(letter.view),
        state: letter.version.to_string(),
        rank: rank(letter.position),
        until: None,
        changed: letter.position,
        body: Kept::of(body, 0),
    });
    Ok(())
}

fn about(view: &str) -> String {
    format!("view {view}")
}

/// A view that was built beside is read from now on: so are its letters, and no others of it.
pub(crate) fn switch(writer: &Writer, table: &str, view: &str) -> Result<()> {
    writer.replace(table, &about(view), "/")
}

/// A view begins anew beside the one that is read: its letters do, too.
pub(crate) fn begin(writer: &Writer, table: &str, view: &str) -> Result<()> {
    writer.forget(table, &about(view))
}
