//! How does an auditor get the entries?

use super::Place;
use super::init::verifier;
use super::open::open;
use super::perform::{CredentialArgs, report};
use super::released;
use crate::client::{Ask, ask};
use crate::diagnostic::{Diagnostic, Outcome, io};
use crate::exit;
use crate::output::{Output, advance};
use chancery_ledger::export::{Exported, Selection, write_export};
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json::Value;
use chancery_ledger::store::{Paths, sync_parent};
use chancery_ledger::{Code, Effect};
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    credential: CredentialArgs,
    /// File to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// First position
    #[arg(long, value_name = "N", default_value = "0")]
    from: u64,
    /// Position after the last: one at which a head was signed [default: the newest head]
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// With arguments and private parts; this is itself recorded, and needs a credential
    #[arg(long)]
    private: bool,
}

/// Writes an export to a file that appears whole or not at all.
pub(crate) fn to_file(
    paths: &Paths,
    selection: &Selection,
    path: &Path,
    out: &Output,
) -> Result<Exported, Diagnostic> {
    let (reader, note) = released(paths)?;
    let verifier = verifier(paths)?;
    reader.pin_snapshot()?;
    let part = path.with_extension("chancery.part");
    let file = begin(&part)?;
    let bar = out.progress("exporting", false);
    let mut sink = BufWriter::with_capacity(1 << 20, file);
    let written = write_export(&reader, &note, &verifier, selection, &mut sink, &mut |done, all| {
        advance(&bar, done, all);
    });
    bar.finish_and_clear();
    let finished = written.map_err(Diagnostic::from).and_then(|exported| {
        sink.flush().map_err(|error| io("write", &part, error))?;
        sink.get_ref().sync_all().map_err(|error| io("sync", &part, error))?;
        // A hard link does not replace: an export that exists is never overwritten.
        fs::hard_link(&part, path).map_err(|error| io("create", path, error))?;
        sync_parent(path)?;
        Ok(exported)
    });
    let _ = fs::remove_file(&part);
    finished
}

/// The file that is written before it gets its name. One that an export left which was killed is written anew; the lock
/// on it says whether another export is at work.
fn begin(part: &Path) -> Result<File, Diagnostic> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(part);
    let file = file.map_err(|error| io("create", part, error))?;
    file.try_lock().map_err(|_| {
        let text = format!("another export writes `{}`", part.display());
        Diagnostic::new(Code::Locked, text).hint("wait for it, or name another file with `--out`")
    })?;
    file.set_len(0).map_err(|error| io("empty", part, error))?;
    Ok(file)
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let paths = args.place.paths();
    let mut selection = Selection { from: args.from, to: args.to, parts: args.private };
    if args.private {
        let who = args.credential.who()?;
        let to = match args.to {
            Some(to) => to,
            None => released(&paths)?.1.checkpoint.size,
        };
        selection.to = Some(to);
        let ledger = open(paths.clone(), out)?;
        let mut request = Ask::new("export.produce", &Scope::root(), "", &[]);
        let int = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let members = [("from".to_owned(), int(args.from)), ("to".to_owned(), int(to))];
        request.args = Value::Object(members.into_iter().collect());
        let receipt = ask(&ledger, &who, request)?;
        ledger.close()?;
        if receipt.effect != Effect::Allow {
            return report(&receipt, out);
        }
    }
    let exported = to_file(&paths, &selection, &args.out, out)?;
    #[derive(Serialize)]
    struct Json {
        bytes: u64,
        entries: u64,
        file: String,
        heads: u64,
        size: u64,
    }
    let file = args.out.display().to_string();
    let Exported { entries, heads, bytes, to } = exported;
    if out.json {
        out.json(&Json { bytes, entries, file, heads, size: to });
    } else {
        out.data(&format!("exported  {file}  {entries} entries under {} heads, {bytes} bytes", heads + 1));
    }
    Ok(exit::YES)
}
