//! How is an export taken apart, changed, and put together again with all that an attacker can recompute?

use chancery_ledger::format::canonical::to_bytes;
use chancery_ledger::format::checkpoint::{Checkpoint, Note};
use chancery_ledger::format::encoding::{base64, unbase64, unhex};
use chancery_ledger::format::entry::address;
use chancery_ledger::format::hash::{Digest, EXPORT};
use chancery_ledger::format::ids::Origin;
use chancery_ledger::format::json::{Value, parse};
use chancery_ledger::format::key::PrivateKey;
use chancery_ledger::format::tree::{Frontier, leaf_hash};
use std::collections::BTreeMap;

/// Members of an object.
pub type Members = BTreeMap<String, Value>;

/// The lines of an export, each without its LF.
#[derive(Clone)]
pub struct Forge {
    pub lines: Vec<Vec<u8>>,
}

/// An integer as a value.
pub fn int(number: u64) -> Value {
    Value::Int(i64::try_from(number).expect("small"))
}

/// Members of a value that is an object.
pub fn members(value: &mut Value) -> &mut Members {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other:?}"),
    }
}

/// An object of these members.
pub fn object(list: &[(&str, Value)]) -> Value {
    Value::Object(list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

/// Puts another `prev` into a leaf without touching the rest of it.
pub fn patch_prev(leaf: &mut [u8], prev: &Digest) {
    let mark = b"\"prev\":\"b3:";
    let Some(at) = leaf.windows(mark.len()).rposition(|window| window == mark) else { return };
    let text = prev.to_string();
    if let Some(place) = leaf.get_mut(at + 8..at + 8 + text.len()) {
        place.copy_from_slice(text.as_bytes());
    }
}

impl Forge {
    pub fn of(bytes: &[u8]) -> Self {
        let lines = bytes.strip_suffix(b"\n").expect("a whole export").split(|b| *b == b'\n');
        Self { lines: lines.map(<[u8]>::to_vec).collect() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.iter().copied().chain(*b"\n")).collect()
    }

    pub fn doc(&self, line: usize) -> Value {
        parse(&self.lines[line]).expect("a document")
    }

    pub fn set(&mut self, line: usize, value: &Value) {
        self.lines[line] = to_bytes(value).expect("canonical");
    }

    pub fn change(&mut self, line: usize, change: impl FnOnce(&mut Members)) {
        let mut value = self.doc(line);
        change(members(&mut value));
        self.set(line, &value);
    }

    fn kind(&self, line: usize, kind: &[u8]) -> bool {
        self.lines[line].starts_with(kind)
    }

    pub fn is_entry(&self, line: usize) -> bool {
        !["{\"h", "{\"c", "{\"e"].iter().any(|kind| self.kind(line, kind.as_bytes()))
    }

    /// Lines that hold entries.
    pub fn entries(&self) -> Vec<usize> {
        (1..self.lines.len()).filter(|line| self.is_entry(*line)).collect()
    }

    /// Lines that hold heads in short form.
    pub fn heads(&self) -> Vec<usize> {
        (1..self.lines.len()).filter(|line| self.kind(*line, b"{\"h")).collect()
    }

    pub fn checkpoint(&self) -> usize {
        (1..self.lines.len()).find(|line| self.kind(*line, b"{\"c")).expect("a checkpoint")
    }

    pub fn end(&self) -> usize {
        self.lines.len() - 1
    }

    pub fn from(&self) -> u64 {
        self.doc(0).get("from").and_then(Value::int).expect("from").unsigned_abs()
    }

    pub fn to(&self) -> u64 {
        self.doc(0).get("to").and_then(Value::int).expect("to").unsigned_abs()
    }

    /// The leaf of a line; `None` when the line holds none that can be read.
    pub fn leaf(&self, line: usize) -> Option<Vec<u8>> {
        unbase64(parse(&self.lines[line]).ok()?.get("leaf")?.text()?)
    }

    pub fn set_leaf(&mut self, line: usize, leaf: &[u8]) {
        self.change(line, |line| {
            line.insert("leaf".to_owned(), Value::Text(base64(leaf)));
        });
    }

    pub fn entry(&self, line: usize) -> Value {
        parse(&self.leaf(line).expect("a leaf")).expect("an entry")
    }

    pub fn change_entry(&mut self, line: usize, change: impl FnOnce(&mut Members)) {
        let mut entry = self.entry(line);
        change(members(&mut entry));
        self.set_leaf(line, &to_bytes(&entry).expect("canonical"));
    }

    /// Names in each entry after line `after` the entry before it.
    pub fn relink(&mut self, after: usize) {
        let mut before: Option<Digest> = None;
        for line in self.entries().into_iter().filter(|line| *line >= after) {
            let Some(mut leaf) = self.leaf(line) else { return };
            if let Some(before) = before {
                patch_prev(&mut leaf, &before);
                self.set_leaf(line, &leaf);
            }
            before = Some(address(&leaf));
        }
    }

    /// Gives each entry the position and count of where it stands.
    pub fn renumber(&mut self) {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for (position, line) in (self.from()..).zip(self.entries()) {
            if self.leaf(line).and_then(|leaf| parse(&leaf).ok()).is_none() {
                continue;
            }
            self.change_entry(line, |entry| {
                let scope = entry["scope"].text().expect("a scope");
                let counting = scope.split('/').take(3).collect::<Vec<_>>().join("/");
                let found = entry["n"].int().expect("n").unsigned_abs();
                let n = *counts.get(&counting).unwrap_or(&found);
                counts.insert(counting, n + 1);
                entry.insert("n".to_owned(), int(n));
                entry.insert("position".to_owned(), int(position));
            });
        }
    }

    /// Puts what the entries give into header, heads and checkpoint; with a key also its signatures.
    pub fn reroot(&mut self, key: Option<&PrivateKey>) {
        let header = self.doc(0);
        let Some(Value::List(hashes)) = header.get("frontier") else { panic!("no frontier") };
        let hashes = hashes.iter().map(|hash| unhex(hash.text().expect("hex")).expect("hex")).collect();
        let origin =
            Origin::parse(header.get("origin").and_then(Value::text).expect("origin")).expect("origin");
        let mut frontier = Frontier::from_parts(self.from(), hashes).expect("a frontier");
        let (mut last, mut drop) = (self.from(), Vec::new());
        for line in 1..self.lines.len() {
            let here = Checkpoint { origin: origin.clone(), size: frontier.size(), root: frontier.root() };
            if self.kind(line, b"{\"h") {
                if frontier.size() <= last {
                    drop.push(line);
                    continue;
                }
                last = frontier.size();
                let sig = key.map(|key| base64(&key.sign(here.text().as_bytes())));
                let mut value = self.doc(line);
                let head = members(members(&mut value).get_mut("head").expect("head"));
                head.insert("size".to_owned(), int(last));
                if let Some(sig) = sig {
                    head.insert("sig".to_owned(), Value::Text(sig));
                }
                self.set(line, &value);
            } else if self.kind(line, b"{\"c") {
                let value = self.doc(line);
                let text = value.get("checkpoint").and_then(Value::text).expect("a note");
                let mut note = Note::parse(text).expect("a note");
                match key {
                    Some(key) => note = here.sign(key),
                    None => note.checkpoint = here,
                }
                self.set(line, &object(&[("checkpoint", Value::Text(note.text()))]));
            } else if self.is_entry(line) {
                let leaf = self.leaf(line).unwrap_or_default();
                frontier.push(leaf_hash(&leaf));
            }
        }
        self.change(0, |header| {
            header.insert("to".to_owned(), int(frontier.size()));
        });
        for line in drop.into_iter().rev() {
            self.lines.remove(line);
        }
    }

    /// Puts the right digest and count into the trailer.
    pub fn retrail(&mut self) {
        let (end, entries) = (self.end(), self.entries().len() as u64);
        let mut hasher = EXPORT.hasher();
        for line in &self.lines[..end] {
            hasher.update(line).update(b"\n");
        }
        let digest = Value::Text(Digest(*hasher.finalize().as_bytes()).to_string());
        self.set(end, &object(&[("end", object(&[("digest", digest), ("entries", int(entries))]))]));
    }

    /// Everything that the holder of the log key can do after a change at `line`.
    pub fn sign_again(&mut self, line: usize, key: &PrivateKey) {
        self.relink(line);
        self.reroot(Some(key));
        self.retrail();
    }
}
