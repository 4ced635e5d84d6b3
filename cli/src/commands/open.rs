//! How does a command open a ledger for writing? With a progress bar, and what a test asked for at stage `test`.

use crate::diagnostic::Diagnostic;
use crate::output::{Output, advance};
use chancery_ledger::store::Paths;
use chancery_ledger::{Clock, Ledger, Options, Point, Tracer};
use std::path::PathBuf;

/// Options of a ledger, with the switches for tests from the environment. The ledger honours them at stage `test` only.
pub(super) fn options(paths: Paths) -> Options {
    let mut options = Options::new(paths);
    if let Some(file) = std::env::var_os("CHANCERY_TEST_CLOCK") {
        options.clock = Clock::file(PathBuf::from(file));
    }
    options.trace = Tracer { steps: steps_file(), crash: crash_point() };
    options
}

fn steps_file() -> Option<std::fs::File> {
    let path = std::env::var_os("CHANCERY_TEST_TRACE")?;
    std::fs::OpenOptions::new().create(true).append(true).open(path).ok()
}

/// `point` or `point:passes` in `CHANCERY_TEST_CRASH`.
fn crash_point() -> Option<(Point, u64)> {
    let text = std::env::var("CHANCERY_TEST_CRASH").ok()?;
    let (name, passes) = text.split_once(':').unwrap_or((&text, "0"));
    let point = Point::ALL.iter().find(|point| point.as_str() == name)?;
    Some((*point, passes.parse().ok()?))
}

/// Opens the ledger.
pub(crate) fn open(paths: Paths, out: &Output) -> Result<Ledger, Diagnostic> {
    let bar = out.progress("folding", false);
    let ledger = Ledger::open(options(paths), &mut |position, length| advance(&bar, position, length))?;
    bar.finish_and_clear();
    // A long tail was folded: the next start shall not fold it again.
    ledger.snapshot_if_due(false)?;
    Ok(ledger)
}
