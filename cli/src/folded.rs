//! How are views brought up to date before they are read? In place when nobody else folds them, elsewhere when that
//! cannot be.

use crate::commands::released;
use crate::diagnostic::{Diagnostic, io};
use crate::output::{Output, advance};
use chancery_ledger::format::canonical::to_bytes;
use chancery_ledger::format::checkpoint::Checkpoint;
use chancery_ledger::format::json;
use chancery_ledger::store::{Paths, Reader};
use chancery_ledger::{Code, Error};
use chancery_projections::{Ask, Engine, Poison, Show, VIEWS, View, Views, build};
use serde_json::Value;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory for what is folded elsewhere; it is gone afterwards.
#[derive(Debug)]
pub(crate) struct Elsewhere(PathBuf);

impl Elsewhere {
    pub(crate) fn new() -> Result<Self, Diagnostic> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("chancery-views-{}-{number}", std::process::id()));
        // Nobody else's directory is used: it must be new.
        std::fs::DirBuilder::new().mode(0o700).create(&dir).map_err(|error| io("create", &dir, error))?;
        Ok(Self(dir))
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("projections.db")
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The views of a ledger, with everything in them that could be folded.
#[derive(Debug)]
pub(crate) struct Folded {
    /// The views' file.
    pub(crate) path: PathBuf,
    /// The ledger's name.
    pub(crate) name: String,
    /// Reads the ledger.
    pub(crate) reader: Reader,
    /// The newest released head.
    pub(crate) head: Checkpoint,
    _elsewhere: Option<Elsewhere>,
}

/// Folds what is new. Who folds already is not disturbed; where nothing can be written, all is folded elsewhere.
pub(crate) fn fold(paths: &Paths, out: &Output) -> Result<Folded, Diagnostic> {
    let (reader, note) = released(paths)?;
    let head = note.checkpoint;
    let name = head.origin.name().to_owned();
    let folded = Engine::open(&paths.views(), &name, VIEWS)
        .and_then(|mut engine| catch_up(&mut engine, &reader, &head, out));
    let (path, elsewhere) = match folded {
        Ok(()) => (paths.views(), None),
        Err(error) if error.code == Code::Locked => (paths.views(), None),
        Err(error) if matches!(error.code, Code::Io | Code::StorageFull) => {
            let elsewhere = Elsewhere::new()?;
            build_to(&elsewhere.file(), &name, VIEWS, &reader, head.size, out)?;
            (elsewhere.file(), Some(elsewhere))
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Folded { path, name, reader, head, _elsewhere: elsewhere })
}

/// Folds everything under a head, with progress.
pub(crate) fn catch_up(
    engine: &mut Engine,
    reader: &Reader,
    head: &Checkpoint,
    out: &Output,
) -> Result<(), Error> {
    let bar = out.progress("fold", false);
    engine.catch_up(reader, head, &mut |done, all| advance(&bar, done, all))?;
    bar.finish_and_clear();
    Ok(())
}

/// Folds the first entries into a file of their own, with progress.
pub(crate) fn build_to(
    path: &Path,
    name: &str,
    views: &'static [&'static View],
    reader: &Reader,
    entries: u64,
    out: &Output,
) -> Result<(), Error> {
    let bar = out.progress("fold", false);
    build(path, name, views, reader, entries, &mut |done, all| advance(&bar, done, all))?;
    bar.finish_and_clear();
    Ok(())
}

impl Folded {
    /// The views, to be read.
    pub(crate) fn views(&self) -> Result<Views, Error> {
        Views::open(&self.path)
    }

    /// A page of a view, as a server would answer it.
    pub(crate) fn page(&self, ask: &Ask<'_>, now: i64) -> Result<Value, Diagnostic> {
        let views = self.views()?;
        let mut page = value(&self.show(now, |show| views.page(ask, show))?)?;
        if let Value::Object(members) = &mut page {
            members.insert("view".to_owned(), ask.view.name.into());
        }
        Ok(page)
    }

    /// Runs `with` with what somebody who reads the files is shown rows with.
    pub(crate) fn show<T>(&self, now: i64, with: impl FnOnce(&Show<'_>) -> T) -> T {
        let damaged = |error: String| Poison::unread(&Error::damaged(error));
        let part = |position: u64, slot: u64| {
            let blob = self.reader.part(position, slot).map_err(|error| Poison::unread(&error))?;
            let Some(text) = blob.as_deref().and_then(|blob| blob.get(32..)) else { return Ok(None) };
            json::parse(text).map(Some).map_err(|error| damaged(error.to_string()))
        };
        with(&Show { now, principal: None, abilities: None, part: &part })
    }
}

/// A value as JSON.
pub(crate) fn value<T: serde::Serialize>(of: &T) -> Result<Value, Diagnostic> {
    serde_json::to_value(of).map_err(|error| Error::new(Code::Internal, error.to_string()).into())
}

/// A value of JSON as one line of canonical text.
pub(crate) fn line(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => String::from_utf8(to_bytes(other).unwrap_or_default()).unwrap_or_default(),
    }
}
