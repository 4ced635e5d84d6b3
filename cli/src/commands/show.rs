//! What does one entry say, and what signs it?

use super::Place;
use crate::diagnostic::{Diagnostic, Outcome};
use crate::exit;
use crate::output::{Output, instant, printable};
use crate::record::{Far, Proven, Record};
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::entry;
use chancery_ledger::format::hash::Digest;
use chancery_ledger::format::tree::{leaf_hash, root_from_inclusion};
use chancery_ledger::store::Reader;
use chancery_ledger::{Code, Error};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    far: Far,
    /// Position, or content address `b3:…`
    entry: String,
    /// Show arguments and private part as well
    #[arg(long)]
    private: bool,
}

/// The position that was named: a number, or the entry that has this address.
fn position(record: &Record, named: &str) -> Result<u64, Diagnostic> {
    let size = record.size();
    if let Ok(position) = named.parse::<u64>() {
        if position >= size {
            let text = format!("no entry {position}: the newest head covers {size}");
            return Err(Diagnostic::new(Code::NotFound, text));
        }
        return Ok(position);
    }
    let Some(address) = Digest::parse(named) else {
        let text = format!("`{named}` is neither a position nor an address `b3:` + 64 hex");
        return Err(Diagnostic::usage(text));
    };
    let mut found = None;
    record.leaves(0..size, None, |position, leaf| {
        if found.is_none() && entry::address(leaf) == address {
            found = Some(position);
        }
        Ok(())
    })?;
    found.ok_or_else(|| Diagnostic::new(Code::NotFound, format!("no entry has the address {address}")))
}

fn part(reader: &Reader, position: u64, slot: u64) -> Result<Option<serde_json::Value>, Diagnostic> {
    let blob = reader.part(position, slot)?.unwrap_or_default();
    Ok(blob.get(32..).and_then(|text| serde_json::from_slice(text).ok()))
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let record = Record::open(&args.place, &args.far)?;
    let position = position(&record, &args.entry)?;
    let Proven { leaf, path, note } = record.proven(position)?;
    let size = note.checkpoint.size;
    if root_from_inclusion(position, size, leaf_hash(&leaf), &path) != Some(note.checkpoint.root) {
        let text = format!("entry {position} is not under the newest head");
        return Err(Error::new(Code::LedgerDamaged, text).into());
    }
    let parts = match (&record, args.private) {
        (Record::Here(reader, _), true) => (part(reader, position, 1)?, part(reader, position, 0)?),
        (Record::There(..), true) => {
            return Err(Diagnostic::usage("a server shows no private parts")
                .hint("leave `--private` out, or read the ledger's directory: `--dir DIR`"));
        }
        (_, false) => (None, None),
    };
    let value: serde_json::Value =
        serde_json::from_slice(&leaf).map_err(|error| Error::new(Code::LedgerDamaged, error.to_string()))?;
    #[derive(Serialize)]
    struct Parts {
        #[serde(skip_serializing_if = "Option::is_none")]
        args: Option<serde_json::Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        private: Option<serde_json::Value>,
    }
    #[derive(Serialize)]
    struct Shown {
        address: Digest,
        entry: serde_json::Value,
        head: String,
        inclusion: Vec<String>,
        parts: Parts,
        position: u64,
    }
    let shown = Shown {
        address: entry::address(&leaf),
        entry: value,
        head: note.text(),
        inclusion: path.iter().map(|hash| hex(hash)).collect(),
        parts: Parts { args: parts.0, private: parts.1 },
        position,
    };
    if out.json {
        out.json(&shown);
        return Ok(exit::YES);
    }
    let pretty =
        |value: &serde_json::Value| printable(&serde_json::to_string_pretty(value).unwrap_or_default());
    out.data(&format!("position  {position}\naddress   {}", shown.address));
    if let Some(time) = shown.entry.get("time").and_then(serde_json::Value::as_i64) {
        out.data(&format!("time      {}", instant(time)));
    }
    out.data(&pretty(&shown.entry));
    for (name, value) in [("arguments", &shown.parts.args), ("private", &shown.parts.private)] {
        if let Some(value) = value {
            out.data(&format!("{name}\n{}", pretty(value)));
        }
    }
    out.data("path to the root, from the leaf up");
    for hash in &shown.inclusion {
        out.data(&format!("  {hash}"));
    }
    out.data(&format!("signed head\n{}", shown.head.trim_end()));
    Ok(exit::YES)
}
