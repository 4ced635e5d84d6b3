//! Is this export what was signed? Reads it once, in bounded memory, on several threads. SPEC 14.1.

use super::pool::{Chunk, Looked, Pool};
use super::prepare::{Item, Source};
use super::recompute::Recompute;
use super::report::{Beside, Ending};
use super::walk::{Stop, Walk};
use super::{Finding, FindingCode, How, Report, Trust};
use crate::code::Code;
use crate::error::{Error, Result};
use crate::format::check::is_canonical;
use crate::format::checkpoint::Note;
use crate::format::export::{Header, VERSION};
use crate::format::hash::{Digest, EXPORT};
use crate::format::limits::EXPORT_LINE;
use crate::format::strict;
use crate::format::tree::Frontier;
use std::io::Read;

/// Bytes that are looked at as one piece of work.
const CHUNK: usize = 256 << 10;

/// Verifies an export. `progress` is told the bytes that were read. Bytes that are no export are an error.
pub fn verify_export(
    input: &mut dyn Read,
    trust: &Trust,
    how: How,
    progress: &mut dyn FnMut(u64),
) -> Result<Report> {
    let mut lines = Lines { input, rest: Vec::new(), ended: false, read: 0 };
    let first = lines.first()?;
    let header = match read_header(&first)? {
        Head::Header(header) => header,
        Head::Invalid(origin) => {
            let walk = Walk::new(origin, Frontier::default(), &Trust { key: None, ..Trust::default() });
            let finding = Finding::nowhere(FindingCode::HeaderInvalid, "the header is not one");
            return Ok(Report::new(&walk, Some(Stop::Finding(finding)), Ending::Whole, Beside::default()));
        }
    };
    let hashes = header.frontier.iter().map(|hash| hash.0).collect();
    let Some(frontier) = Frontier::from_parts(header.from, hashes).filter(|_| header.from <= header.to)
    else {
        let walk = Walk::new(header.origin, Frontier::default(), &Trust::default());
        let finding = Finding::nowhere(FindingCode::HeaderInvalid, "`from`, `to` and `frontier` do not fit");
        return Ok(Report::new(&walk, Some(Stop::Finding(finding)), Ending::Whole, Beside::default()));
    };
    if trust.key.as_ref().is_some_and(|key| key.origin != header.origin) {
        // Heads of another log say nothing of these bytes.
        let walk = Walk::new(header.origin, frontier, &Trust { key: trust.key.clone(), ..Trust::default() });
        let beside = Beside { parts: header.parts, ..Beside::default() };
        return Ok(Report::new(&walk, None, Ending::OtherLog, beside));
    }
    let mut walk = Walk::new(header.origin.clone(), frontier, trust);
    let known = trust.heads.iter().map(|head| head.0).chain(trust.pin.as_ref().map(|pin| pin.size));
    let beside = Beside {
        parts: header.parts,
        unlinked: known.min().is_some_and(|size| size < header.from),
        ..Beside::default()
    };
    let resumes =
        |pin: &&super::Pin| pin.size == header.from && header.from > 0 && walk.contradicted.is_none();
    if let Some(pin) = trust.pin.as_ref().filter(resumes) {
        pin.resume(&mut walk);
    }
    walk.recompute =
        how.recompute.then(|| Box::new(Recompute::new(&header.origin, header.from, header.parts)));
    let recompute = how.recompute && header.parts && header.from == 0;
    let source = Source { origin: header.origin.as_str().to_owned(), parts: header.parts, recompute };
    let mut reading = Reading { walk, header, digest: EXPORT.hasher(), entries: 0, state: State::Entries };
    reading.digest.update(&first);
    if !first.ends_with(b"\n") {
        return Ok(Report::new(&reading.walk, None, Ending::Early("the header line does not end"), beside));
    }
    let (stop, mut walk, state) = Pool::run(how, &source, |pool| -> Result<_> {
        let mut stop = None;
        let mut more = true;
        while more || pool.is_busy() {
            while more && pool.has_room() {
                match lines.next()? {
                    Some(chunk) => pool.give(Chunk::Lines(chunk)),
                    None => more = false,
                }
                progress(lines.read);
            }
            let Some(looked) = pool.take() else { continue };
            if let Err(found) = reading.chunk(looked) {
                stop = Some(found);
            }
            pool.check_authors(std::mem::take(&mut reading.walk.jobs));
            if stop.is_some() || pool.has_bad_author() {
                break;
            }
        }
        let stop = pool.first_of(stop);
        Ok((stop, reading.walk, reading.state))
    })?;
    let ending = match state {
        State::Ended { short: false } => Ending::Whole,
        State::Ended { short: true } => Ending::Early("fewer entries than the header or the checkpoint says"),
        State::Entries | State::Checkpoint { .. } | State::Cut => {
            Ending::Early("the file ends before its trailer")
        }
    };
    if ending == Ending::Whole {
        walk.end();
    }
    Ok(Report::new(&walk, stop, ending, beside))
}

enum Head {
    Header(Header),
    Invalid(crate::format::ids::Origin),
}

fn read_header(line: &[u8]) -> Result<Head> {
    let not_an_export = || Error::new(Code::NotAnExport, "the file is not an export");
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    if !is_canonical(text) {
        return Err(not_an_export());
    }
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|_| not_an_export())?;
    match value.get("export") {
        None => return Err(not_an_export()),
        Some(version) if version.as_str() == Some(VERSION) => {}
        Some(version) => {
            return Err(Error::new(Code::NewerFormat, format!("the export is of version {version}")));
        }
    }
    let placeholder = crate::format::ids::Origin::parse("unknown/e1").map_err(|_| not_an_export())?;
    Ok(strict::from_slice(text).map_or(Head::Invalid(placeholder), Head::Header))
}

/// The input, cut into chunks of whole lines.
struct Lines<'a> {
    input: &'a mut dyn Read,
    rest: Vec<u8>,
    ended: bool,
    read: u64,
}

impl Lines<'_> {
    fn fill(&mut self, want: usize) -> Result<()> {
        while !self.ended && self.rest.len() < want {
            let have = self.rest.len();
            self.rest.resize(have + CHUNK, 0);
            let n = self.input.read(&mut self.rest[have..]).map_err(|error| {
                let mut failed = Error::new(Code::Io, "cannot read the export");
                failed.source = Some(Box::new(error));
                failed
            })?;
            self.ended = n == 0;
            self.read += n as u64;
            self.rest.truncate(have + n);
        }
        Ok(())
    }

    /// The first line, with its LF when it has one.
    fn first(&mut self) -> Result<Vec<u8>> {
        self.fill(EXPORT_LINE)?;
        let end = self.rest.iter().position(|&b| b == b'\n').map_or(self.rest.len(), |at| at + 1);
        if end > EXPORT_LINE {
            return Err(Error::new(
                Code::NotAnExport,
                "the file is not an export: its first line is too long",
            ));
        }
        let rest = self.rest.split_off(end);
        Ok(std::mem::replace(&mut self.rest, rest))
    }

    /// Some whole lines; at the end, or where a line is too long, whatever is left.
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        self.fill(CHUNK.max(EXPORT_LINE + 1))?;
        if self.rest.is_empty() {
            return Ok(None);
        }
        let end = match self.rest.iter().rposition(|&b| b == b'\n') {
            Some(at) => at + 1,
            None => {
                self.ended = true;
                self.rest.len()
            }
        };
        let rest = self.rest.split_off(end);
        Ok(Some(std::mem::replace(&mut self.rest, rest)))
    }
}

enum State {
    Entries,
    Checkpoint { short: bool },
    Ended { short: bool },
    Cut,
}

struct Reading {
    walk: Walk,
    header: Header,
    digest: blake3::Hasher,
    entries: u64,
    state: State,
}

impl Reading {
    fn chunk(&mut self, looked: Looked) -> std::result::Result<(), Stop> {
        let Looked { items, chunk } = looked;
        let Chunk::Lines(bytes) = chunk else { return Ok(()) };
        let (mut hashed, mut before) = (0, 0);
        for (item, end) in items {
            if let (Item::End(_), State::Checkpoint { .. }) = (&item, &self.state) {
                let start = bytes[..end - 1].iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
                self.digest.update(&bytes[hashed..start]);
                hashed = end;
            }
            // What does not end is the end of the file, unless it is too long for a line already.
            let whole = bytes.get(end - 1) == Some(&b'\n') || end - before > EXPORT_LINE;
            before = end;
            self.item(item, whole)?;
        }
        self.digest.update(&bytes[hashed..]);
        Ok(())
    }

    fn item(&mut self, item: Item, whole: bool) -> std::result::Result<(), Stop> {
        let p = self.walk.position;
        if let State::Ended { .. } = self.state {
            let text = "something follows the trailer";
            return Err(Finding::nowhere(FindingCode::TrailingBytes, text).into());
        }
        if !whole {
            self.state = State::Cut;
            return Ok(());
        }
        match (item, &self.state) {
            (Item::Bad(FindingCode::LineInvalid), _) => {
                let text = "the line is too long, not canonical, or in no known form";
                Err(Finding::at(FindingCode::LineInvalid, p, text).into())
            }
            (Item::End(end), State::Checkpoint { short }) => {
                let short = *short || p < self.header.to;
                self.trailer(end, short)
            }
            (Item::End(_), _) => {
                let text = "the trailer stands before a checkpoint";
                Err(Finding::nowhere(FindingCode::CheckpointInvalid, text).into())
            }
            (_, State::Checkpoint { .. }) => {
                let text = "something stands between the checkpoint and the trailer";
                Err(Finding::nowhere(FindingCode::CheckpointMisplaced, text).into())
            }
            (Item::Entry(_) | Item::Bad(_), _) if p == self.header.to => {
                let text = "there are more entries than the header says";
                Err(Finding::at(FindingCode::EntrySurplus, p, text).into())
            }
            (Item::Bad(code), _) => Err(Finding::at(code, p, "the leaf is not an entry").into()),
            (Item::Entry(mut entry), _) => {
                self.entries += 1;
                self.walk.entry(&mut entry).map_err(Stop::from)
            }
            (Item::Head { size, sig }, _) => self.walk.head(size, &sig),
            (Item::Checkpoint(text), _) => {
                let Some(note) = Note::parse(&text) else {
                    let text = "the checkpoint is no note in exact form";
                    return Err(Finding::nowhere(FindingCode::CheckpointInvalid, text).into());
                };
                let short = self.walk.checkpoint(&note)?;
                self.state = State::Checkpoint { short };
                Ok(())
            }
        }
    }

    fn trailer(&mut self, end: crate::format::export::End, short: bool) -> std::result::Result<(), Stop> {
        if Digest(*self.digest.finalize().as_bytes()) != end.digest {
            let text = "the trailer's digest is not that of the bytes before it";
            return Err(Finding::nowhere(FindingCode::DigestMismatch, text).into());
        }
        if end.entries != self.entries {
            let text = format!("the trailer says {} entries, there are {}", end.entries, self.entries);
            return Err(Finding::nowhere(FindingCode::TrailerMismatch, text).into());
        }
        self.state = State::Ended { short };
        Ok(())
    }
}
