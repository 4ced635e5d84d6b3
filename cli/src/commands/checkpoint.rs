//! Which head was released last?

use super::Place;
use crate::diagnostic::Outcome;
use crate::exit;
use crate::output::Output;
use crate::record::Far;
use chancery_ledger::format::checkpoint::Note;
use chancery_ledger::format::encoding::hex;
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

/// What a ledger has stored, and the head that was released last: every entry under it is there.
pub(crate) fn released(paths: &Paths) -> Result<(Reader, Note), Error> {
    let note = newest(paths)?;
    let reader = Reader::open(&paths.store())?;
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
        None => newest(&args.place.paths())?,
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
