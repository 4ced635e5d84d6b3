//! What becomes of a secret that a command prints? It is known again by its fingerprint, and reaches no disk.

use super::cast::{Cast, broken};
use super::tell::positions;
use super::trust::{grant, submission};
use super::work::see_through;
use crate::diagnostic::{Diagnostic, io};
use crate::known_hosts::Seen;
use crate::provider::{Config, resolve};
use chancery_ledger::domains::ledger::Stage;
use chancery_ledger::format::encoding::{base64, hex};
use chancery_ledger::format::reference::Reference;
use chancery_ledger::store::write_secret;
use std::fs;
use std::path::Path;

/// What was looked through for the canary.
#[derive(Debug, Default)]
pub(super) struct Searched {
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// Files in which it was.
    pub(super) found: Vec<String>,
}

/// A file that lies about while the command runs; it is gone afterwards.
struct Left<'a>(&'a Path);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

fn canary() -> Result<Vec<u8>, Diagnostic> {
    let reference = Reference::parse("test://facts").map_err(|error| broken(error.to_string()))?;
    let material = resolve(&reference, Stage::Test, &Config::synthetic());
    Ok(material.map_err(|failure| broken(failure.sentence()))?.bytes().to_vec())
}

/// Looks for any of these in every file below a directory.
fn search(directory: &Path, forms: &[Vec<u8>], searched: &mut Searched) -> Result<(), Diagnostic> {
    let entries = fs::read_dir(directory).map_err(|error| io("list", directory, error))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            search(&path, forms, searched)?;
            continue;
        }
        let bytes = fs::read(&path).map_err(|error| io("read", &path, error))?;
        searched.files += 1;
        searched.bytes += bytes.len() as u64;
        let is_in = |form: &Vec<u8>| bytes.windows(form.len()).any(|window| window == form.as_slice());
        if forms.iter().any(is_in) {
            searched.found.push(path.display().to_string());
        }
    }
    Ok(())
}

/// Every file of the demo, for the canary as it is, in base64 and in hex.
pub(super) fn look_for_it(dir: &Path) -> Result<Searched, Diagnostic> {
    let canary = canary()?;
    let forms = [base64(&canary).into_bytes(), hex(&canary).into_bytes(), canary];
    let mut searched = Searched::default();
    search(dir, &forms, &mut searched)?;
    Ok(searched)
}

/// Chapter 6: a command prints the credential that its job was given.
pub(super) fn leak(cast: &Cast<'_>, key: &Seen, path: &Path) -> Result<(), Diagnostic> {
    cast.story.chapter(
        "A leaked secret",
        "A careless command prints the very credential of its job: it is refused before it reaches a disk.",
    );
    let canary = canary()?;
    let lying = String::from_utf8(canary).map_err(|_| broken("the canary is no text"))?;
    write_secret(path, &lying)?;
    let left = Left(path);
    let file = path.to_string_lossy();
    let argv = ["cat", file.as_ref()];
    let submitted = cast.must("otto", submission(cast, "leak-1", "worker_local_read_only", key, &argv))?;
    let granted = cast.must("otto", grant(cast, "leak-1", "hand"))?;
    let at: Vec<u64> = [submitted, granted].iter().flat_map(positions).collect();
    cast.story.step(&at, "otto submits leak-1, a `cat` of a file where somebody left that credential");
    let seen = see_through(cast, "leak-1")?;
    drop(left);
    let refused = seen.iter().find(|seen| seen.data["detector"] == "leased_material");
    let refused = refused.ok_or_else(|| broken("the canary was not known again"))?;
    let before: Vec<u64> =
        seen.iter().map(|seen| seen.position).filter(|at| *at < refused.position).collect();
    let after: Vec<u64> = seen.iter().map(|seen| seen.position).filter(|at| *at > refused.position).collect();
    cast.story.step(&before, "hand claims, leases, starts, runs it; a child process prints the credential");
    cast.story
        .step(&[refused.position], "what it printed is refused, leased_material: the entry has no text");
    cast.story.step(&after, "that it ended is told, and that what it printed is withheld");
    let searched = look_for_it(cast.dir)?;
    if !searched.found.is_empty() {
        return Err(broken(format!("the canary is in {}", searched.found.join(", "))));
    }
    let Searched { files, bytes, .. } = searched;
    let said = format!("the credential is in none of the {files} files of this demo ({bytes} bytes)");
    cast.story.step(&[], &said);
    Ok(())
}
