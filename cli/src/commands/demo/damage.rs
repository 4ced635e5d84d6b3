//! What would five kinds of people do to a copy of the record? The damage that the demo does.

use crate::damage::Pieces;
use crate::diagnostic::{Diagnostic, io};
use chancery_ledger::format::key::parse_log_key_file;
use chancery_ledger::store::{Paths, read_secret, write_new};
use chancery_ledger::{Code, Error};
use std::fs;
use std::path::{Path, PathBuf};

/// Damages copies of the export, as five kinds of people would.
pub(super) fn damage(
    dir: &Path,
    export: &Path,
    paths: &Paths,
) -> Result<Vec<(PathBuf, &'static str)>, Diagnostic> {
    let broken = || Diagnostic::from(Error::new(Code::Internal, "the demo's export is not as expected"));
    let bytes = fs::read(export).map_err(|error| io("read", export, error))?;
    let pieces = Pieces::of(&bytes)?;
    let verified = pieces.last_of("host_key.verified").ok_or_else(broken)?;
    let other = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        write_new(&path, bytes).map_err(Diagnostic::from).map(|()| path)
    };
    let mut made = Vec::new();

    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    made.push((write("damaged-1-bit.chancery", &flipped)?, "one bit flipped on the way"));

    let mut edited = pieces.clone();
    edited.edit(verified, "fingerprint", other)?;
    let edited = edited.with_heads_of(&pieces).to_export()?;
    made.push((
        write("damaged-2-edit.chancery", &edited)?,
        "otto's decision edited, every digest recomputed",
    ));

    let cut = bytes.len() - bytes.len() / 5;
    made.push((write("damaged-3-cut.chancery", &bytes[..cut])?, "the end cut off"));

    let mut older = pieces.clone();
    let heads = older.heads();
    older.cut_to_head(*heads.iter().rev().nth(2).ok_or_else(broken)?)?;
    made.push((
        write("damaged-4-older.chancery", &older.to_export()?)?,
        "an older, genuine copy put in its place",
    ));

    let text = read_secret(&paths.log_key())?;
    let (_, key) = parse_log_key_file(&text).ok_or_else(broken)?;
    let mut forged = pieces;
    forged.edit(verified, "fingerprint", other)?;
    forged.sign_anew(&key);
    made.push((
        write("damaged-5-forged.chancery", &forged.to_export()?)?,
        "history rewritten, signed with the stolen log key",
    ));
    Ok(made)
}
