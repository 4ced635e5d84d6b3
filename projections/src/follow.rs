//! Who keeps the views up to date beside a running ledger? One thread, woken by each released head.

use crate::ask::Views;
use crate::engine::{Engine, Step};
use crate::standing::Standing;
use crate::view::View;
use chancery_ledger::format::checkpoint::Checkpoint;
use chancery_ledger::store::Reader;
use chancery_ledger::{Code, Error, Ledger, Released, Result};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How long the thread waits for a head before it says that it is still there.
const BEAT: Duration = Duration::from_millis(500);
/// Beats for which it waits for somebody else who folds.
const PATIENCE: u32 = 20;
/// Beats between two tries, at most, where one fails after the other.
const PAUSE: u32 = 60;

/// How the follower is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Entries that every view has.
    pub entries: u64,
    /// Entries under the newest released head.
    pub released: u64,
    /// Entries that could not be folded, over all views.
    pub skipped: u64,
    /// How often it looked for something to do: it grows as long as it runs.
    pub beats: u64,
    /// How often something kept it from folding.
    pub failures: u64,
    /// How often a file was set aside, and another begun.
    pub rebuilds: u64,
    /// Why the views stand still, as long as they do: it is tried again.
    pub stopped: Option<(Code, String)>,
}

/// The thread that folds; it ends when it is dropped.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    health: Mutex<Health>,
    moved: Condvar,
    end: AtomicBool,
    file: Arc<Standing>,
}

/// Told, on the follower's thread, how far the views are after each batch.
pub type Told = Box<dyn Fn(&Health) + Send>;

/// What the thread folds with; nothing as long as the file could not be opened.
struct Fold {
    path: PathBuf,
    ledger: String,
    views: &'static [&'static View],
    engine: Option<Engine>,
    /// Which file it folds into, as the file system knows it.
    own: Option<(u64, u64)>,
    file: Arc<Standing>,
    /// Beats until the next try, and failures since something was folded.
    pause: u32,
    failed: u32,
    rebuilds: u64,
}

impl Fold {
    /// Folds what is next. What fails is tried again; what is damaged is built anew in another file.
    fn step(&mut self, reader: &Reader, head: &Checkpoint) -> Result<Step> {
        let done = self.engine().and_then(|engine| engine.step(reader, head));
        match &done {
            Ok(step) => {
                self.failed = 0;
                if *step == Step::Whole {
                    self.file.put_up();
                }
            }
            Err(error) => {
                // What is in memory is not to be believed either: the next try begins with what stands in the file.
                self.engine = None;
                if error.code == Code::ViewsDamaged {
                    self.file.take_down();
                }
                self.pause = 1 << self.failed.min(6);
                self.pause = self.pause.min(PAUSE);
                self.failed += 1;
            }
        }
        done
    }

    fn engine(&mut self) -> Result<&mut Engine> {
        if self.engine.is_some() && (self.file.is_doubted() || self.own != identity(&self.path)) {
            self.file.take_down();
            self.engine = None;
        }
        let engine = match self.engine.take() {
            Some(engine) => engine,
            None => self.open()?,
        };
        Ok(self.engine.insert(engine))
    }

    /// Opens the file, or begins another when nobody may read the one that stands there.
    fn open(&mut self) -> Result<Engine> {
        let opened = match self.file.now() {
            Ok(_) => Engine::open(&self.path, &self.ledger, self.views),
            Err(_) => Engine::open_anew(&self.path, &self.ledger, self.views).inspect(|_| self.rebuilds += 1),
        };
        self.own = identity(&self.path);
        opened
    }

    /// Opens the file at the start; waits a while for somebody who folds for a moment, such as a command that reads a view.
    fn begin(&mut self, released: &Released) -> Result<()> {
        for _ in 0..PATIENCE {
            match self.open() {
                Err(error) if error.code == Code::Locked => released.wait(u64::MAX, BEAT),
                opened => {
                    self.engine = opened.ok();
                    // What it met is met again at the first step, and said there.
                    return Ok(());
                }
            };
        }
        self.engine = Some(self.open()?);
        Ok(())
    }
}

/// Which file stands at a path.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

impl Follower {
    /// Opens the views' file and follows `ledger` until it is dropped. What keeps it from folding, now or later, does not
    /// end it: it says so, and tries again.
    pub fn start(ledger: &Ledger, path: &Path, views: &'static [&'static View], told: Told) -> Result<Self> {
        let (reader, released) = (ledger.reader()?, Arc::clone(ledger.released()));
        let shared = Arc::new(Shared::default());
        let mut fold = Fold {
            path: path.to_owned(),
            ledger: ledger.origin().name().to_owned(),
            views,
            engine: None,
            own: None,
            file: Arc::clone(&shared.file),
            pause: 0,
            failed: 0,
            rebuilds: 0,
        };
        fold.begin(&released)?;
        let own = Arc::clone(&shared);
        let thread = Builder::new().name("chancery-views".to_owned()).spawn(move || {
            let mut seen = fold.engine.as_ref().map_or(0, Engine::entries);
            loop {
                let head = match fold.pause {
                    0 => released.wait(seen, BEAT),
                    _ => released.wait(u64::MAX, BEAT),
                };
                if own.end.load(Ordering::Acquire) {
                    return;
                }
                fold.pause = fold.pause.saturating_sub(1);
                let step = (fold.pause == 0).then(|| fold.step(&reader, &head.checkpoint));
                // What is built beside may be further behind than what is read.
                let entries = fold.engine.as_ref().map(Engine::entries);
                seen = match (&step, entries) {
                    (Some(Ok(Step::Folded(to))), Some(entries)) => (*to).min(entries),
                    _ => head.checkpoint.size,
                };
                let mut health = own.health.lock().unwrap_or_else(PoisonError::into_inner);
                own.note(&mut health, &fold, step.as_ref(), head.checkpoint.size);
                told(&health);
                drop(health);
                own.moved.notify_all();
                if released.has_ended() && !matches!(step, Some(Ok(Step::Folded(_)))) {
                    return;
                }
            }
        });
        let thread = thread.map_err(|error| Error::io("start the fold of", path, error))?;
        Ok(Self { shared, path: path.to_owned(), thread: Some(thread) })
    }

    /// The views that it keeps, to be read.
    pub fn views(&self) -> Views {
        Views::followed(&self.path, Arc::clone(&self.shared.file))
    }

    /// How it is now.
    pub fn health(&self) -> Health {
        self.shared.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until every view has so many entries; gives whether that came within `timeout`.
    pub fn wait(&self, entries: u64, timeout: Duration) -> bool {
        let health = self.shared.health.lock().unwrap_or_else(PoisonError::into_inner);
        let still = |health: &mut Health| health.entries < entries && health.stopped.is_none();
        let (health, _) = self
            .shared
            .moved
            .wait_timeout_while(health, timeout, still)
            .unwrap_or_else(PoisonError::into_inner);
        health.entries >= entries
    }
}

impl Shared {
    /// How it is after a step, or after a beat without one.
    fn note(&self, health: &mut Health, fold: &Fold, step: Option<&Result<Step>>, released: u64) {
        if let Some(engine) = &fold.engine {
            (health.entries, health.skipped) = (engine.entries(), engine.skipped());
        }
        (health.released, health.rebuilds) = (released, fold.rebuilds);
        health.beats += 1;
        match step {
            None => {}
            Some(Err(error)) => {
                health.failures += 1;
                health.stopped = Some((error.code, error.to_string()));
            }
            // Until the new file is whole, it is still why nothing is answered.
            Some(Ok(_)) => {
                health.stopped = self.file.now().err().map(|error| (error.code, error.to_string()))
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
