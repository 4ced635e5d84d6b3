//! Which head was released last?

use super::Place;
use crate::diagnostic::Outcome;
use crate::exit;
use crate::output::Output;
use crate::record::Far;
use chancery_ledger::domains::{Event, ledger, parse_event};
use chancery_ledger::format::checkpoint::{Note, Signed};
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::entry;
use chancery_ledger::format::key::LogVerifier;
use chancery_ledger::store::{Anchor, Paths, Reader, refuse_unfinished};
use chancery_ledger::{Code, Error};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    far: Far,
}

/// The head in the anchor of a ledger.
pub(crate) fn newest(paths: &Paths) -> Result<Note, Error> {
    refuse_unfinished(paths)?;
    if !paths.store().exists() {
        let text = format!("`{}` holds no ledger", paths.dir.display());
        return Err(Error::new(Code::NotALedger, text));
    }
    Anchor::read(&paths.anchor)?.ok_or_else(|| {
        let text =
            format!("the anchor `{}` is not there, and the ledger is not empty", paths.anchor.display());
        Error::new(Code::AnchorMissing, text)
    })
}

/// The log key that entry 0 names; `None` where nothing is stored yet.
pub(crate) fn log_key(reader: &Reader) -> Result<Option<LogVerifier>, Error> {
    let Some(leaf) = reader.leaf(0)? else { return Ok(None) };
    let damaged = || Error::new(Code::LedgerDamaged, "entry 0 is not the opening of a ledger");
    let entry = entry::open(&leaf).map_err(|_| damaged())?;
    let event = parse_event(entry.kind, entry.data.get().as_bytes()).map_err(|_| damaged())?;
    let Event::Ledger(ledger::Event::Opened(settings)) = event else { return Err(damaged()) };
    LogVerifier::parse(&settings.vkey).map(Some).ok_or_else(damaged)
}

/// What a ledger has stored, and the head that was released last, by its own log key: every entry under it is there.
pub(crate) fn released(paths: &Paths) -> Result<(Reader, Note), Error> {
    let note = newest(paths)?;
    let reader = Reader::open(&paths.store())?;
    if let Some(key) = log_key(&reader)?
        && note.signed_by(&key) != Signed::Valid
    {
        let text = format!(
            "the anchor `{}` holds a head of `{}` that the log key of this ledger, `{}`, did not sign",
            paths.anchor.display(),
            note.checkpoint.origin,
            key.origin
        );
        return Err(Error::new(Code::AnchorDamaged, text));
    }
    reader.size_under(&note.checkpoint)?;
    // Each head stood in the anchor before it came into the store; a writer may have gone on since.
    let newest_of_all = newest(paths)?.checkpoint.size;
    if reader.last_head()?.is_some_and(|head| head > newest_of_all) {
        let text = "the anchor is older than heads that stand in the store";
        return Err(Error::new(Code::AnchorDamaged, text));
    }
    Ok((reader, note))
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let note = match args.far.remote()? {
        Some(remote) => remote.head()?,
        None => released(&args.place.paths())?.1,
    };
    #[derive(Serialize)]
    struct Head {
        note: String,
        origin: String,
        root: String,
        size: u64,
    }
    let head = &note.checkpoint;
    if out.json {
        let (note, origin) = (note.text(), head.origin.to_string());
        out.json(&Head { note, origin, root: hex(&head.root), size: head.size });
    } else {
        out.data(note.text().trim_end());
    }
    Ok(exit::YES)
}
