//! Are these bytes what was signed? The auditor's command.

use super::Place;
use crate::diagnostic::{Diagnostic, Outcome, io};
use crate::input;
use crate::output::{Output, advance};
use chancery_ledger::format::checkpoint::{Note, Signed};
use chancery_ledger::format::encoding::unhex;
use chancery_ledger::format::key::LogVerifier;
use chancery_ledger::store::{Paths, write_new};
use chancery_ledger::verify::{How, Pin, Report, ReportJson, Trust, Verdict, verify_export, verify_live};
use chancery_ledger::{Code, Error};
use std::fs::File;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Export to verify; without it, the live ledger in `--dir`
    file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Pin that you keep: log key, newest head, state; it advances after `authentic`
    #[arg(long, value_name = "FILE")]
    pin: Option<PathBuf>,
    /// Do not advance the pin
    #[arg(long, requires = "pin")]
    keep_pin: bool,
    /// A head that you know from elsewhere: `@FILE` with a checkpoint, or `SIZE:ROOT` in hex
    #[arg(long, value_name = "HEAD")]
    head: Vec<String>,
    /// Log key that counts, as `name+id+key` or `@FILE`; it goes before the pin's
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
    /// Check author signatures in batches: faster, and not the strict rule to the letter
    #[arg(long)]
    screen: bool,
    /// Decide every recorded answer again by the same rules: a live ledger, or an export `--private`
    #[arg(long)]
    recompute: bool,
    /// Write the report to a new file that can be filed
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Say it in sentences
    #[arg(long)]
    explain: bool,
    /// Threads [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Reads a pin.
pub(crate) fn read_pin(path: &Path) -> Result<Pin, Diagnostic> {
    Pin::parse(&input::text(path, input::LARGE)?).map_err(|error| {
        let text = format!("`{}`: {}", path.display(), error.message);
        Diagnostic::new(Code::PinInvalid, text)
    })
}

fn trust(args: &Args) -> Result<Trust, Diagnostic> {
    let pin = args.pin.as_deref().map(read_pin).transpose()?;
    let key = match &args.key {
        None => pin.as_ref().map(|pin| pin.key.clone()),
        Some(text) => {
            let text = match text.strip_prefix('@') {
                Some(path) => input::text(Path::new(path), input::SMALL)?,
                None => text.clone(),
            };
            let key = LogVerifier::parse(text.trim());
            Some(key.ok_or_else(|| Diagnostic::usage("`--key` is not a verifier key `name+id+key`"))?)
        }
    };
    let mut heads = Vec::new();
    for text in &args.head {
        heads.push(head(text, key.as_ref())?);
    }
    Ok(Trust { key, heads, pin })
}

/// A head that was given: a note is trusted only under the key that counts, a root as it stands.
fn head(text: &str, key: Option<&LogVerifier>) -> Result<(u64, [u8; 32]), Diagnostic> {
    if let Some(path) = text.strip_prefix('@') {
        let text = input::text(Path::new(path), input::SMALL)?;
        let note = Note::parse(&text)
            .ok_or_else(|| Diagnostic::usage(format!("`{path}` holds no checkpoint in exact form")))?;
        if key.is_some_and(|key| note.signed_by(key) != Signed::Valid) {
            return Err(Diagnostic::usage(format!(
                "the checkpoint in `{path}` is not signed by the key that counts"
            )));
        }
        return Ok((note.checkpoint.size, note.checkpoint.root));
    }
    let split = text.split_once(':').and_then(|(size, root)| Some((size.parse().ok()?, unhex::<32>(root)?)));
    split.ok_or_else(|| Diagnostic::usage("`--head` is `@FILE`, or `SIZE:ROOT` with 64 hex digits"))
}

/// Verifies an export file.
pub(crate) fn file(path: &Path, trust: &Trust, how: How, out: &Output) -> Result<Report, Diagnostic> {
    let mut input = File::open(path).map_err(|error| io("open", path, error))?;
    let length = input.metadata().map_or(0, |metadata| metadata.len());
    let bar = out.progress("verifying", true);
    let report = verify_export(&mut input, trust, how, &mut |read| advance(&bar, read, length));
    bar.finish_and_clear();
    report.map_err(|error: Error| match error.code {
        Code::NotAnExport | Code::NewerFormat => {
            Diagnostic::new(error.code, format!("`{}`: {}", path.display(), error.message))
        }
        _ => error.into(),
    })
}

fn live(paths: &Paths, trust: &Trust, how: How, out: &Output) -> Result<Report, Diagnostic> {
    if !paths.store().exists() {
        let text = format!("`{}` holds no ledger", paths.dir.display());
        return Err(Diagnostic::new(Code::NotALedger, text));
    }
    let bar = out.progress("verifying", false);
    let report = verify_live(paths, trust, how, &mut |position, length| advance(&bar, position, length))?;
    bar.finish_and_clear();
    Ok(report)
}

/// The report in lines for a person.
pub(crate) fn lines(report: &Report, explain: bool) -> Vec<String> {
    let mut lines = vec![format!("verify: {}", report.verdict.as_str())];
    if explain {
        lines.extend(report.explain());
        return lines;
    }
    if let Some(finding) = &report.finding {
        let place = match finding.span {
            None => String::new(),
            Some((first, last)) if first == last => format!(" at entry {first}"),
            Some((first, last)) => format!(" between entries {first} and {last}"),
        };
        lines.push(format!("  {}{place}: {}", finding.code.as_str(), finding.message));
    }
    lines.push(format!(
        "  {} entries, {} under a log signature, {} signed by their author",
        report.entries, report.signed, report.attested
    ));
    let d = &report.dimensions;
    for (name, text) in [
        ("chain", &d.chain),
        ("tree", &d.tree),
        ("heads", &d.heads),
        ("authors", &d.authors),
        ("parts", &d.parts),
        ("columns", &d.columns),
        ("order", &d.order),
        ("decisions", &d.decisions),
        ("silence", &d.silence),
    ] {
        lines.push(format!("  {name:<9} {text}"));
    }
    lines
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let trust = trust(args)?;
    if let Some(path) = args.report.as_deref().filter(|path| path.symlink_metadata().is_ok()) {
        let text = format!("`{}` is there already, and a report replaces nothing", path.display());
        return Err(Diagnostic::usage(text).hint("name a new file"));
    }
    let mut how = How { screen: args.screen, recompute: args.recompute, ..How::default() };
    how.threads = args.threads.unwrap_or(how.threads).clamp(1, 64);
    let report = match &args.file {
        Some(path) => file(path, &trust, how, out)?,
        None => live(&args.place.paths(), &trust, how, out)?,
    };
    let document = ReportJson::of(&report, args.screen);
    if let Some(path) = &args.report {
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        write_new(path, text.as_bytes())?;
    }
    if out.json {
        out.json(&document);
    } else {
        out.data(&lines(&report, args.explain).join("\n"));
        if report.verdict == Verdict::IntegrityOnly {
            out.talk("hint: name what you trust: `--pin FILE`, or `--key VKEY`");
        }
    }
    let advances = report
        .pin
        .as_ref()
        .filter(|new| trust.pin.as_ref().is_some_and(|old| new.size >= old.size && new.key == old.key));
    if let (Some(path), Some(pin), false) = (&args.pin, advances, args.keep_pin) {
        // The file itself, not the link that leads to it.
        let path = std::fs::canonicalize(path).map_err(|error| io("find", path, error))?;
        write_new(&path, pin.to_text()?.as_bytes())?;
    }
    Ok(report.verdict.exit())
}
