//! Which head was released last? Two slots outside the ledger directory, one overwrite and sync a batch. SPEC 11.
//!
//! The anchor never leads the store and never lags a released head.

use crate::code::Code;
use crate::error::{Error, Result};
use crate::format::checkpoint::Note;
use crate::format::hash::{ANCHOR, Digest};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const SLOT: usize = 4096;
const FIRST_LINE: &str = "chancery anchor v0";

/// The open anchor file.
#[derive(Debug)]
pub struct Anchor {
    file: File,
    path: PathBuf,
    generation: u64,
}

fn slot_bytes(generation: u64, note: &Note) -> Option<Box<[u8; SLOT]>> {
    let mut text = format!("{FIRST_LINE}\n{generation}\n{}", note.text());
    let digest = ANCHOR.digest(text.as_bytes());
    text.push_str(&format!("{digest}\n"));
    let mut slot = Box::new([0; SLOT]);
    slot.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Some(slot)
}

fn read_slot(slot: &[u8]) -> Option<(u64, Note)> {
    let end = slot.iter().position(|&b| b == 0).unwrap_or(slot.len());
    let text = std::str::from_utf8(&slot[..end]).ok()?;
    let (body, digest) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let body = &text[..body.len() + 1];
    if Digest::parse(digest)? != ANCHOR.digest(body.as_bytes()) {
        return None;
    }
    let (generation, note) = body.strip_prefix(FIRST_LINE)?.strip_prefix('\n')?.split_once('\n')?;
    Some((generation.parse().ok()?, Note::parse(note)?))
}

impl Anchor {
    /// Makes the anchor of a new ledger, preallocated, with a first head; an existing file is refused.
    pub fn create(path: &Path, note: &Note) -> Result<Self> {
        let io = |error| Error::io("create the anchor", path, error);
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(path).map_err(io)?;
        file.write_all(&[0; SLOT * 2]).map_err(io)?;
        file.sync_all().map_err(io)?;
        super::files::sync_parent(path)?;
        let mut anchor = Self { file, path: path.to_owned(), generation: 0 };
        anchor.write(note)?;
        Ok(anchor)
    }

    /// Opens the anchor and gives the head that it holds.
    pub fn open(path: &Path) -> Result<(Self, Note)> {
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let text =
                    format!("the anchor `{}` is not there, and the ledger is not empty", path.display());
                return Err(Error::new(Code::AnchorMissing, text));
            }
            Err(error) => return Err(Error::io("open the anchor", path, error)),
        };
        let (generation, note) = Self::newest(&mut file, path)?;
        Ok((Self { file, path: path.to_owned(), generation }, note))
    }

    /// The head that the anchor at `path` holds, without opening it for writing.
    pub fn read(path: &Path) -> Result<Option<Note>> {
        match File::open(path) {
            Ok(mut file) => Self::newest(&mut file, path).map(|(_, note)| Some(note)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open the anchor", path, error)),
        }
    }

    fn newest(file: &mut File, path: &Path) -> Result<(u64, Note)> {
        let mut bytes = Vec::with_capacity(SLOT * 2);
        file.take(SLOT as u64 * 2)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::io("read the anchor", path, e))?;
        bytes.chunks(SLOT).filter_map(read_slot).max_by_key(|(generation, _)| *generation).ok_or_else(|| {
            Error::new(Code::AnchorDamaged, format!("no slot of `{}` is whole", path.display()))
        })
    }

    /// Overwrites the older slot and syncs: after this the head may be released.
    pub fn write(&mut self, note: &Note) -> Result<()> {
        let io = |error| Error::io("write the anchor", &self.path, error);
        let generation = self.generation + 1;
        let slot = slot_bytes(generation, note)
            .ok_or_else(|| Error::new(Code::Internal, "the head does not fit an anchor's slot"))?;
        self.file.seek(SeekFrom::Start(generation % 2 * SLOT as u64)).map_err(io)?;
        self.file.write_all(&slot[..]).map_err(io)?;
        self.file.sync_data().map_err(io)?;
        self.generation = generation;
        Ok(())
    }
}
