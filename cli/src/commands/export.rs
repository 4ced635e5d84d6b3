//! How does an auditor get the entries?

use super::Place;
use super::open::open;
use super::perform::{CredentialArgs, report};
use super::{log_key, released};
use crate::client::{Ask, ask};
use crate::diagnostic::{Diagnostic, Outcome, io};
use crate::exit;
use crate::output::{Output, advance};
use chancery_ledger::export::{Exported, Selection, check_range, write_export};
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json::Value;
use chancery_ledger::format::key::LogVerifier;
use chancery_ledger::store::{Paths, Reader, sync_parent};
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

/// A file that is being written; it appears under the wanted one whole or not at all.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn new(wanted: &Path) -> Result<Self, Diagnostic> {
        if wanted.symlink_metadata().is_ok() {
            let text = format!("`{}` is there already, and an export replaces nothing", wanted.display());
            return Err(Diagnostic::usage(text).hint("name a new file"));
        }
        let path = wanted.with_extension("chancery.part");
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| io("create", &path, error))?;
        // One that an export left which was killed is written anew; the lock says whether another is at work.
        file.try_lock().map_err(|_| {
            let text = format!("another export writes `{}`", path.display());
            Diagnostic::new(Code::Locked, text).hint("wait for it, or name another file with `--out`")
        })?;
        file.set_len(0).map_err(|error| io("empty", &path, error))?;
        Ok(Self { path, file })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The key that signs heads: it is not needed to write an export, only what it signed.
fn signer(reader: &Reader) -> Result<LogVerifier, Diagnostic> {
    log_key(reader)?.ok_or_else(|| Diagnostic::new(Code::LedgerDamaged, "the ledger has no entry"))
}

/// Writes an export to a file that appears whole or not at all.
pub(crate) fn to_file(
    paths: &Paths,
    selection: &Selection,
    path: &Path,
    out: &Output,
) -> Result<Exported, Diagnostic> {
    write_to(paths, selection, Part::new(path)?, path, out)
}

fn write_to(
    paths: &Paths,
    selection: &Selection,
    part: Part,
    path: &Path,
    out: &Output,
) -> Result<Exported, Diagnostic> {
    let (reader, note) = released(paths)?;
    let verifier = signer(&reader)?;
    reader.pin_snapshot()?;
    let bar = out.progress("exporting", false);
    let mut sink = BufWriter::with_capacity(1 << 20, &part.file);
    let written = write_export(&reader, &note, &verifier, selection, &mut sink, &mut |done, all| {
        advance(&bar, done, all);
    });
    bar.finish_and_clear();
    let exported = written?;
    sink.flush().map_err(|error| io("write", &part.path, error))?;
    part.file.sync_all().map_err(|error| io("sync", &part.path, error))?;
    // A hard link does not replace: an export that exists is never overwritten.
    fs::hard_link(&part.path, path).map_err(|error| io("create", path, error))?;
    sync_parent(path)?;
    Ok(exported)
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let paths = args.place.paths();
    let mut selection = Selection { from: args.from, to: args.to, parts: args.private };
    // What cannot be delivered is not recorded as produced.
    let part = Part::new(&args.out)?;
    if args.private {
        let who = args.credential.who()?;
        let (reader, note) = released(&paths)?;
        check_range(&reader, &note, &signer(&reader)?, &selection)?;
        let to = args.to.unwrap_or(note.checkpoint.size);
        drop(reader);
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
    let exported = write_to(&paths, &selection, part, &args.out, out)?;
    #[derive(Serialize)]
    struct Json {
        bytes: u64,
        entries: u64,
        file: String,
        heads: u64,
        size: u64,
    }
    let file = args.out.display().to_string();
    let Exported { entries, heads, signed, bytes, to } = exported;
    if out.json {
        out.json(&Json { bytes, entries, file, heads, size: to });
    } else {
        out.data(&format!("exported  {file}  {entries} entries under {signed} heads, {bytes} bytes"));
    }
    Ok(exit::YES)
}
