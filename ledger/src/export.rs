//! How is an export written? From one snapshot of the store, under the head that the anchor holds. SPEC 12.

use crate::code::Code;
use crate::error::{Error, Result};
use crate::format::canonical::{Raw, write};
use crate::format::checkpoint::Note;
use crate::format::encoding::{base64, hex};
use crate::format::export::{
    CheckpointLine, End, EndLine, EntryLine, Head, HeadLine, Header, HexHash, Part, VERSION,
};
use crate::format::hash::{Digest, EXPORT};
use crate::format::key::LogVerifier;
use crate::format::tree::{Frontier, leaf_hash};
use crate::store::{Reader, Row};
use std::io::Write;

/// Entries of an export up to which every head is written.
const SHORT: u64 = 4096;
/// Entries between two heads of a longer one.
const SPACING: u64 = 64;
/// Rows that are read at once.
const ROWS: usize = 512;

/// What is exported.
#[derive(Debug, Clone)]
pub struct Selection {
    /// First position.
    pub from: u64,
    /// Position after the last; none for all that the anchor's head covers.
    pub to: Option<u64>,
    /// Whether private parts go along.
    pub parts: bool,
}

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Entry lines.
    pub entries: u64,
    /// Head lines.
    pub heads: u64,
    /// Heads, each once: those of head lines, and the one at the end.
    pub signed: u64,
    /// Bytes.
    pub bytes: u64,
    /// Position after the last entry.
    pub to: u64,
}

/// Heads that were kept: size and signature.
type Kept = Vec<(u64, Vec<u8>)>;

struct Out<'a> {
    out: &'a mut dyn Write,
    digest: blake3::Hasher,
    line: Vec<u8>,
    bytes: u64,
}

impl Out<'_> {
    fn line<T: serde::Serialize>(&mut self, value: &T) -> Result<()> {
        self.line.clear();
        write(value, &mut self.line).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
        self.line.push(b'\n');
        self.digest.update(&self.line);
        self.bytes += self.line.len() as u64;
        self.out.write_all(&self.line).map_err(|error| {
            let mut failed = Error::new(Code::Io, "cannot write the export");
            failed.source = Some(Box::new(error));
            failed
        })
    }
}

/// Writes an export of a range that ends at a kept head. `anchored` is the anchor's head.
pub fn write_export(
    reader: &Reader,
    anchored: &Note,
    verifier: &LogVerifier,
    selection: &Selection,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Exported> {
    let newest = anchored.checkpoint.size;
    let (from, to) = (selection.from, selection.to.unwrap_or(newest));
    let (stored, note) = final_head(reader, anchored, verifier, selection)?;
    let mut frontier = reader.frontier(from)?;
    let mut out = Out { out, digest: EXPORT.hasher(), line: Vec::new(), bytes: 0 };
    out.line(&Header {
        export: VERSION.to_owned(),
        from,
        frontier: frontier.hashes().iter().map(|hash| HexHash(*hash)).collect(),
        origin: anchored.checkpoint.origin.clone(),
        parts: selection.parts,
        to,
    })?;
    let spacing = if to - from <= SHORT { 1 } else { SPACING };
    let (mut next, mut last_head, mut heads, mut signed) = (from, from, 0, 1);
    let mut kept = stored.iter().peekable();
    while next < to {
        let rows = reader.rows(next..to, ROWS)?;
        for row in &rows {
            if row.position != next {
                return Err(Error::damaged(format!("entry {next} is missing from the store")));
            }
            entry_line(&mut out, row, selection.parts)?;
            frontier.push(leaf_hash(&row.leaf));
            next += 1;
            while let Some((size, sig)) = kept.next_if(|head| head.0 <= next) {
                if *size == next && *size >= last_head + spacing {
                    out.line(&HeadLine { head: Head { sig: &base64(sig), size: *size } })?;
                    (last_head, heads) = (*size, heads + 1);
                    // The last one stands in the checkpoint as well.
                    signed += u64::from(*size < to);
                }
            }
        }
        if rows.is_empty() {
            return Err(Error::damaged(format!("entry {next} is missing from the store")));
        }
        progress(next - from, to - from);
    }
    check_root(&frontier, &note)?;
    out.line(&CheckpointLine { checkpoint: note.text() })?;
    let digest = Digest(*out.digest.finalize().as_bytes());
    out.line(&EndLine { end: End { digest, entries: to - from } })?;
    Ok(Exported { entries: to - from, heads, signed, bytes: out.bytes, to })
}

/// Whether a range can be exported: it is one of what there is, and a head was signed at its end.
pub fn check_range(
    reader: &Reader,
    anchored: &Note,
    verifier: &LogVerifier,
    selection: &Selection,
) -> Result<()> {
    final_head(reader, anchored, verifier, selection).map(|_| ())
}

/// The heads that were kept within a range, and the one at its end in full.
fn final_head(
    reader: &Reader,
    anchored: &Note,
    verifier: &LogVerifier,
    selection: &Selection,
) -> Result<(Kept, Note)> {
    let newest = anchored.checkpoint.size;
    let (from, to) = (selection.from, selection.to.unwrap_or(newest));
    if from > to || to > newest {
        let text = format!("{from} to {to} is not a range of the {newest} entries");
        return Err(Error::new(Code::RangeInvalid, text));
    }
    if from == to && to < newest {
        let text = format!("there is no entry from {from} to {to}: `to` is the position after the last");
        return Err(Error::new(Code::RangeInvalid, text));
    }
    let stored = reader.heads(from + 1..to + 1)?;
    let note = final_note(reader, anchored, verifier, &stored, to)?;
    Ok((stored, note))
}

fn check_root(frontier: &Frontier, note: &Note) -> Result<()> {
    if frontier.root() == note.checkpoint.root {
        return Ok(());
    }
    Err(Error::damaged("the entries are not those of the head that stands over them"))
}

/// The head of size `to` in full: the anchor's, or one that was kept.
fn final_note(
    reader: &Reader,
    anchored: &Note,
    verifier: &LogVerifier,
    stored: &[(u64, Vec<u8>)],
    to: u64,
) -> Result<Note> {
    if to == anchored.checkpoint.size {
        return Ok(anchored.clone());
    }
    let kept =
        stored.iter().find(|head| head.0 == to).and_then(|head| <[u8; 64]>::try_from(&head.1[..]).ok());
    let Some(sig) = kept else {
        let near = stored.iter().map(|head| head.0).filter(|size| *size < to).max();
        let before = near.map(|size| format!("{size} or ")).unwrap_or_default();
        let after = reader.heads(to + 1..anchored.checkpoint.size)?.first().map(|head| head.0);
        let after = after.unwrap_or(anchored.checkpoint.size);
        let text = format!("no head of {to} entries was signed; the nearest are of {before}{after}");
        return Err(Error::new(Code::RangeInvalid, text));
    };
    let root = reader.frontier(to)?.root();
    let checkpoint = crate::format::checkpoint::Checkpoint { size: to, root, ..anchored.checkpoint.clone() };
    Ok(Note::from_signature(checkpoint, verifier, sig))
}

fn entry_line(out: &mut Out<'_>, row: &Row, parts: bool) -> Result<()> {
    let split = |blob: &Option<Vec<u8>>| {
        let (salt, text) = blob.as_ref().filter(|_| parts)?.split_first_chunk::<32>()?;
        Some((hex(salt), text.to_vec()))
    };
    let (private, args) = (split(&row.private), split(&row.args));
    fn part(part: &Option<(String, Vec<u8>)>) -> Option<Part<'_, Raw<'_>>> {
        part.as_ref().map(|(salt, text)| Part { salt, value: Raw(text) })
    }
    out.line(&EntryLine { args: part(&args), leaf: base64(&row.leaf).into(), private: part(&private) })
}
