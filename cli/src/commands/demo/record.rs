//! What does a stranger find in the record? A verdict, every decision made again, the views equal, and five damages named.

use super::cast::broken;
use super::damage::damage;
use super::leak::look_for_it;
use super::tell::Story;
use crate::commands::export::to_file;
use crate::commands::verify::{file as verify_file, read_pin};
use crate::diagnostic::Diagnostic;
use crate::folded::{Elsewhere, build_to, fold};
use chancery_ledger::export::Selection;
use chancery_ledger::store::{Paths, write_new};
use chancery_ledger::verify::{How, Pin, Trust, Verdict, verify_live};
use chancery_projections::{VIEWS, compare, entries};
use serde::Serialize;
use std::path::Path;

/// One file and what an auditor is told about it.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    file: String,
    what: &'static str,
    verdict: &'static str,
    exit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
}

/// What an auditor found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entries: u64,
    pub(super) decisions: u64,
    pub(super) views: usize,
    pub(super) verdicts: Vec<Shown>,
}

fn trust(pin: &Pin) -> Trust {
    Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin.clone()) }
}

fn shown(
    path: &Path,
    what: &'static str,
    pin: &Pin,
    story: &Story<'_>,
) -> Result<(Shown, Option<Pin>), Diagnostic> {
    let report = verify_file(path, &trust(pin), How::default(), story.out)?;
    let span = report.finding.as_ref().and_then(|finding| finding.span);
    let shown = Shown {
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        what,
        verdict: report.verdict.as_str(),
        exit: report.verdict.exit(),
        code: report.finding.as_ref().map(|finding| finding.code.as_str()),
        first: span.map(|span| span.0),
        last: span.map(|span| span.1),
    };
    let at: Vec<u64> = match span {
        None => Vec::new(),
        Some((first, last)) => (first..=last).collect(),
    };
    story.step(&at, &format!("{:<25} {:<10} {what}", shown.file, shown.verdict));
    Ok((shown, report.pin))
}

/// Chapter 12: whole, and right.
fn genuine(paths: &Paths, dir: &Path, story: &Story<'_>) -> Result<(Found, Pin), Diagnostic> {
    story.chapter(
        "The record",
        "A stranger gets an export and the pin of the first day, trusts nobody, and asks nobody.",
    );
    let export = dir.join("record.chancery");
    let exported = to_file(paths, &Selection { from: 0, to: None, parts: false }, &export, story.out)?;
    let said = format!("export: {} entries under {} signed heads", exported.entries, exported.heads + 1);
    story.step(&[], &said);
    let pin = read_pin(&paths.pin())?;
    let (good, advanced) = shown(&export, "verified under the pin", &pin, story)?;
    let advanced = advanced.unwrap_or(pin);
    write_new(&paths.pin(), advanced.to_text()?.as_bytes())?;

    let again = How { recompute: true, ..How::default() };
    let report = verify_live(paths, &trust(&advanced), again, &mut |_, _| ())?;
    let decisions = report.decisions.filter(|decisions| decisions.left_out() == 0);
    let decisions = decisions.map(|decisions| decisions.recomputed).unwrap_or_default();
    if report.verdict != Verdict::Authentic || decisions == 0 {
        return Err(broken(format!("recomputed, the ledger is `{}`", report.verdict.as_str())));
    }
    story.step(&[], &format!("recompute: {decisions} decisions, all right"));
    let views = views(paths, story)?;
    story.step(&[], &format!("view verify: {views} views folded again elsewhere, all equal"));
    let searched = look_for_it(dir)?;
    if !searched.found.is_empty() {
        return Err(broken("the leaked credential is in a file"));
    }
    story.step(&[], &format!("the leaked credential: still in none of {} files", searched.files));
    Ok((Found { entries: exported.entries, decisions, views, verdicts: vec![good] }, advanced))
}

/// Folds every view again elsewhere; their number, when all rows are equal.
fn views(paths: &Paths, story: &Story<'_>) -> Result<usize, Diagnostic> {
    let folded = fold(paths, story.out)?;
    let elsewhere = Elsewhere::new()?;
    let at = entries(&folded.path, VIEWS)?;
    build_to(&elsewhere.file(), &folded.name, VIEWS, &folded.reader, at, story.out)?;
    let compared = compare(&folded.path, &elsewhere.file(), VIEWS)?;
    match compared.iter().find(|one| one.different > 0) {
        Some(one) => Err(broken(format!("view `{}` is not what the ledger says", one.view))),
        None => Ok(compared.len()),
    }
}

/// Chapters 12 and 13: the record as it is, and damaged.
pub(super) fn audit(paths: &Paths, dir: &Path, story: &Story<'_>) -> Result<Found, Diagnostic> {
    let (mut found, pin) = genuine(paths, dir, story)?;
    story.chapter(
        "Five copies are damaged",
        "Whoever keeps a pin is told what happened, and between which entries.",
    );
    for (path, what) in damage(dir, &dir.join("record.chancery"), paths)? {
        found.verdicts.push(shown(&path, what, &pin, story)?.0);
    }
    let genuine = |shown: &Shown| shown.verdict == Verdict::Authentic.as_str();
    let right = found.verdicts.iter().enumerate().all(|(at, shown)| genuine(shown) == (at == 0));
    if right { Ok(found) } else { Err(broken("a verdict is not what it must be")) }
}
