//! How could somebody with a copy of an export damage it? Five ways, for the demo; none has what an auditor keeps.

use crate::diagnostic::Diagnostic;
use chancery_ledger::format::canonical::to_bytes;
use chancery_ledger::format::checkpoint::{Checkpoint, Note};
use chancery_ledger::format::encoding::{base64, unbase64};
use chancery_ledger::format::entry;
use chancery_ledger::format::hash::{Digest, EXPORT};
use chancery_ledger::format::json::{self, Value};
use chancery_ledger::format::key::PrivateKey;
use chancery_ledger::format::tree::{Frontier, leaf_hash};
use chancery_ledger::{Code, Error};
use std::collections::BTreeMap;

/// An export in pieces that can be put together again.
#[derive(Debug, Clone)]
pub(crate) struct Pieces {
    header: Value,
    /// Entries and heads, in order.
    lines: Vec<Value>,
    checkpoint: Note,
}

fn broken() -> Diagnostic {
    Error::new(Code::NotAnExport, "the demo cannot read its own export").into()
}

fn object(members: Vec<(&str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn int(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

impl Pieces {
    /// Takes an export apart.
    pub(crate) fn of(export: &[u8]) -> Result<Self, Diagnostic> {
        let mut lines = Vec::new();
        for line in export.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            lines.push(json::parse(line).map_err(|_| broken())?);
        }
        lines.pop();
        let note = lines.pop().and_then(|line| Note::parse(line.get("checkpoint")?.text()?));
        let checkpoint = note.ok_or_else(broken)?;
        if lines.is_empty() {
            return Err(broken());
        }
        let header = lines.remove(0);
        Ok(Self { header, lines, checkpoint })
    }

    fn leaf(line: &Value) -> Option<Value> {
        json::parse(&unbase64(line.get("leaf")?.text()?)?).ok()
    }

    /// Position of the newest entry of a kind.
    pub(crate) fn last_of(&self, kind: &str) -> Option<u64> {
        let leaves = self.lines.iter().rev().filter_map(Self::leaf);
        let mut of_kind = leaves.filter(|leaf| leaf.get("kind").and_then(Value::text) == Some(kind));
        of_kind.next().and_then(|leaf| u64::try_from(leaf.get("position")?.int()?).ok())
    }

    /// Changes a member of one entry's data, and every digest that needs no key: what somebody does who knows the
    /// format and has no key.
    pub(crate) fn edit(&mut self, position: u64, member: &str, value: &str) -> Result<(), Diagnostic> {
        let mut prev = Digest::ZERO;
        for line in &mut self.lines {
            let Some(Value::Object(mut leaf)) = Self::leaf(line) else { continue };
            leaf.insert("prev".to_owned(), Value::Text(prev.to_string()));
            if leaf.get("position") == Some(&int(position))
                && let Some(Value::Object(data)) = leaf.get_mut("data")
            {
                data.insert(member.to_owned(), Value::from(value));
            }
            let bytes = to_bytes(&Value::Object(leaf)).map_err(|_| broken())?;
            prev = entry::address(&bytes);
            *line = object(vec![("leaf", Value::Text(base64(&bytes)))]);
        }
        Ok(())
    }

    /// Ends the export at an earlier kept head, as an older copy would.
    pub(crate) fn cut_to_head(&mut self, size: u64) -> Result<(), Diagnostic> {
        let at = self
            .lines
            .iter()
            .position(|line| line.get("head").and_then(|h| h.get("size")) == Some(&int(size)));
        let at = at.ok_or_else(broken)?;
        let sig = self.lines[at].get("head").and_then(|head| unbase64(head.get("sig")?.text()?));
        self.lines.truncate(at + 1);
        let mut note = self.checkpoint.clone();
        note.checkpoint = Checkpoint { size, root: self.root(), origin: note.checkpoint.origin };
        if let Some(signature) = note.signatures.first_mut() {
            signature.bytes = sig.ok_or_else(broken)?;
        }
        self.checkpoint = note;
        if let Value::Object(header) = &mut self.header {
            header.insert("to".to_owned(), int(size));
        }
        Ok(())
    }

    /// Drops every head and signs what there is with the log's own key: what a thief of that key does.
    pub(crate) fn sign_anew(&mut self, key: &PrivateKey) {
        self.lines.retain(|line| line.get("leaf").is_some());
        let head = &self.checkpoint.checkpoint;
        let head = Checkpoint { origin: head.origin.clone(), size: head.size, root: self.root() };
        self.checkpoint = head.sign(key);
    }

    /// These entries with the heads and the checkpoint of another export of as many.
    pub(crate) fn with_heads_of(&self, genuine: &Self) -> Self {
        let mut entries = self.lines.iter().filter(|line| line.get("leaf").is_some()).cloned();
        let mut lines = Vec::new();
        for line in &genuine.lines {
            lines.extend(if line.get("leaf").is_some() { entries.next() } else { Some(line.clone()) });
        }
        Self { header: self.header.clone(), lines, checkpoint: genuine.checkpoint.clone() }
    }

    /// Sizes of the kept heads.
    pub(crate) fn heads(&self) -> Vec<u64> {
        let size =
            |line: &Value| line.get("head")?.get("size")?.int().and_then(|size| u64::try_from(size).ok());
        self.lines.iter().filter_map(size).collect()
    }

    fn root(&self) -> [u8; 32] {
        let mut frontier = Frontier::default();
        for leaf in self.lines.iter().filter_map(|line| unbase64(line.get("leaf")?.text()?)) {
            frontier.push(leaf_hash(&leaf));
        }
        frontier.root()
    }

    /// Puts the pieces together, with a trailer that fits.
    pub(crate) fn to_export(&self) -> Result<Vec<u8>, Diagnostic> {
        let mut bytes = Vec::new();
        let mut push = |value: &Value| -> Result<(), Diagnostic> {
            bytes.extend(to_bytes(value).map_err(|_| broken())?);
            bytes.push(b'\n');
            Ok(())
        };
        push(&self.header)?;
        for line in &self.lines {
            push(line)?;
        }
        push(&object(vec![("checkpoint", Value::Text(self.checkpoint.text()))]))?;
        let entries = self.lines.iter().filter(|line| line.get("leaf").is_some()).count() as u64;
        let digest = Value::Text(EXPORT.digest(&bytes).to_string());
        let end: BTreeMap<String, Value> =
            [("digest".to_owned(), digest), ("entries".to_owned(), int(entries))].into();
        let mut line = to_bytes(&object(vec![("end", Value::Object(end))])).map_err(|_| broken())?;
        line.push(b'\n');
        bytes.append(&mut line);
        Ok(bytes)
    }
}
