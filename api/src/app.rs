//! What do all requests share? The ledger, its readers, and everything that is counted.

use crate::config::Config;
use crate::frames::Frames;
use crate::limits::{Limits, count};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::operations::Operations;
use crate::part::Stood;
use crate::problem::Problem;
use crate::slots::{Slots, Streams};
use crate::throttle::Throttle;
use chancery_ledger::format::checkpoint::Note;
use chancery_ledger::store::Reader;
use chancery_ledger::{Code, Entropy, Error, Ledger};
use chancery_projections::{Follower, Health, VIEWS, Views};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Connections to the store that are kept open.
const READERS: usize = 16;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) ledger: Ledger,
    pub(crate) limits: Limits,
    /// The ledger's name.
    pub(crate) name: String,
    pub(crate) stage: &'static str,
    pub(crate) epoch: u32,
    /// Tells of each newest released head, to those who wait for it.
    pub(crate) heads: watch::Receiver<Arc<Note>>,
    /// True once the server stops.
    pub(crate) closing: watch::Receiver<bool>,
    pub(crate) frames: Frames,
    pub(crate) metrics: Metrics,
    pub(crate) operations: Operations,
    pub(crate) slots: Slots,
    pub(crate) streams: Arc<Streams>,
    pub(crate) throttle: Throttle,
    pub(crate) log: Log,
    pub(crate) stood: Stood,
    /// The read models, and the thread that keeps them up to date.
    pub(crate) views: Views,
    pub(crate) follower: Follower,
    /// Tells how far the read models are, to those who wait for a position.
    pub(crate) folded: watch::Receiver<Health>,
    readers: Mutex<Vec<Reader>>,
    /// Random bytes for all: each source draws 4 KiB at once.
    entropy: Mutex<Entropy>,
}

impl App {
    pub(crate) fn new(
        ledger: Ledger,
        config: &Config,
        log: Log,
        heads: watch::Receiver<Arc<Note>>,
        closing: watch::Receiver<bool>,
    ) -> Result<Self, Error> {
        let limits = config.limits;
        let origin = ledger.origin();
        let (name, epoch) = (origin.name().to_owned(), origin.epoch());
        let stage = ledger.look(|world| world.settings().stage.as_str());
        let path = ledger.paths().views();
        let (told, folded) = watch::channel(Health::default());
        let tell = move |health: &Health| {
            let before = told.send_replace(health.clone());
            say(&before, health);
        };
        let follower = Follower::start(&ledger, &path, VIEWS, Box::new(tell))?;
        let views = follower.views();
        Ok(Self {
            ledger,
            limits,
            name,
            stage,
            epoch,
            heads,
            closing,
            frames: Frames::default(),
            metrics: Metrics::default(),
            operations: Operations::new(count(limits.operations)),
            slots: Slots::new(count(limits.in_flight), count(limits.waiting)),
            streams: Arc::new(Streams::new(count(limits.streams), count(limits.streams_per_principal))),
            throttle: Throttle::new(&limits),
            log,
            stood: Stood::default(),
            views,
            follower,
            folded,
            readers: Mutex::default(),
            entropy: Mutex::default(),
        })
    }

    /// Fresh random bytes.
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], Error> {
        self.entropy.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The newest released head: whoever was answered sees its own entries under it.
    pub(crate) fn head(&self) -> Arc<Note> {
        self.ledger.released().head()
    }

    /// Number of entries under it.
    pub(crate) fn size(&self) -> u64 {
        self.head().checkpoint.size
    }

    /// The reference of a position.
    pub(crate) fn reference(&self, position: u64) -> String {
        format!("{}.{position}", self.epoch)
    }

    /// Does what waits for the disk, on a thread that may.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Problem> {
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(Problem::new(Code::Internal, "a worker broke off")),
        }
    }

    /// Reads the store, on a thread that may wait for the disk.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Reader) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let app = Arc::clone(self);
        self.blocking(move || app.read_here(work)).await
    }

    /// Reads the store on this thread.
    pub(crate) fn read_here<T>(&self, work: impl FnOnce(&Reader) -> Result<T, Error>) -> Result<T, Error> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match kept {
            Some(reader) => reader,
            None => self.ledger.reader()?,
        };
        let done = work(&reader)?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS {
            readers.push(reader);
        }
        Ok(done)
    }
}

/// One line on stderr when the views come to stand still, and one when they go on.
fn say(before: &Health, now: &Health) {
    use std::io::Write as _;
    let line = match (&before.stopped, &now.stopped) {
        (Some((before, _)), Some((code, _))) if before == code => return,
        (None, None) => return,
        (_, Some((code, why))) => {
            format!("warning[{code}]: the views stand still, and are tried again: {why}\n")
        }
        (Some(_), None) => "the views go on\n".to_owned(),
    };
    // Nobody may be there to read it.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Waits until the server stops.
pub(crate) async fn stopped(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}
