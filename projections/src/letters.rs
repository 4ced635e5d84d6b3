//! Which entries could not be folded, and why? The dead letters: one row for each view, kind and reason. SPEC 17.

use crate::rows::{Overlay, Rows};
use crate::seen::Seen;
use crate::show::Show;
use crate::store::Writer;
use crate::view::{Access, Index, Order, Poison, Row, View, rank, text};
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
    pub(crate) position: u64,
    kind: String,
    reason: String,
}

#[derive(Debug, Serialize, Deserialize)]
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
    pub(crate) fn new(view: &View, seen: &Seen<'_>, poison: &Poison) -> Self {
        Self {
            view: view.name,
            version: view.version,
            position: seen.position,
            kind: seen.kind.to_owned(),
            reason: poison.reason().to_owned(),
        }
    }

    fn key(&self) -> String {
        let text = format!("{} {} {} {}", self.view, self.version, self.kind, self.reason);
        hex(ITEM.digest(text.as_bytes()).0.first_chunk::<16>().unwrap_or(&[0; 16]))
    }
}

fn nothing(_: &mut Rows<'_>, _: &Seen<'_>) -> std::result::Result<(), Poison> {
    Ok(())
}

fn show(row: &Row, _: &Show<'_>) -> std::result::Result<Value, Poison> {
    row.value()
}

fn broken(poison: &Poison) -> Error {
    Error::new(Code::ViewsDamaged, poison.reason().to_owned())
}

/// Writes them; gives whether there was any. In the same commit as what was folded.
pub(crate) fn write(writer: &Writer, views: &[&'static View], letters: &[Letter]) -> Result<bool> {
    if letters.is_empty() || !views.iter().any(|view| view.name == VIEW.name) {
        return Ok(false);
    }
    let mut overlay = Overlay::default();
    let load = |key: &str| writer.load(&VIEW, key);
    for letter in letters {
        let mut rows = Rows::new(&mut overlay, &load);
        add(&mut rows, letter).map_err(|poison| broken(&poison))?;
    }
    writer.write(&VIEW, overlay.drain())?;
    Ok(true)
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
        scope: "/".to_owned(),
        about: format!("view {}", letter.view),
        state: letter.version.to_string(),
        rank: rank(letter.position),
        until: None,
        changed: letter.position,
        body: text(&body)?,
    });
    Ok(())
}

/// Forgets what a view could not fold: it is built anew.
pub(crate) fn forget(writer: &Writer, views: &[&'static View], view: &View) -> Result<()> {
    match views.iter().any(|view| view.name == VIEW.name) {
        true => writer.forget(&VIEW, &format!("view {}", view.name)),
        false => Ok(()),
    }
}
