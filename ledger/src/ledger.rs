//! How does a program hold a ledger? Create it, open it, ask it, close it. SPEC 11.

use crate::admit::DeniedReads;
use crate::answer::Answer;
use crate::clock::{Clock, LedgerTime};
use crate::code::Code;
use crate::domains::World;
use crate::domains::ledger::Stage;
use crate::door::{self, Door};
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::fingerprint::FingerprintKey;
use crate::format::checkpoint::{Checkpoint, Note, Signed};
use crate::format::ids::{IdempotencyKey, Origin, Scope};
use crate::format::json::Value;
use crate::format::key::{self, LogVerifier, PrivateKey, PublicKey};
use crate::format::limits::{COMMIT, SNAPSHOT_EVERY, UNINDEXED, WAL};
use crate::format::tree::Frontier;
use crate::gate::{self, Credential, Request, SystemMark};
use crate::over::Over;
use crate::published::{Counted, Published};
use crate::queue::{Queue, Reply, Waiting};
use crate::relay;
use crate::released::Released;
use crate::stats::Stats;
use crate::store::{self, Anchor, Answered, Index, Lock, Marker, Paths, Reader, Wal, Watch};
use crate::trace::{Point, Step, Tracer};
use crate::writer::{Writer, free_space};
use std::fs;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{Builder, JoinHandle};

/// Bytes of the reserve file.
pub(crate) const RESERVE: u64 = 1 << 20;
/// Free bytes without which a store cannot be opened for writing.
const SPACE_OPEN: u64 = 256 << 10;

/// How a ledger is opened.
#[derive(Debug)]
pub struct Options {
    /// Its files.
    pub paths: Paths,
    /// Its clock.
    pub clock: Clock,
    /// What a test listens for; honoured at stage `test` only.
    pub trace: Tracer,
    /// How much it lets grow.
    pub bounds: Bounds,
}

/// What a ledger lets grow before it says no. SPEC 13.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of the write-ahead log.
    pub wal: u64,
    /// Idempotency keys that wait for an index that cannot be written.
    pub unindexed: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { wal: WAL as u64, unindexed: UNINDEXED }
    }
}

/// An open ledger: the one writer of its directory.
#[derive(Debug)]
pub struct Ledger {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<Result<()>>>,
    origin: Origin,
    paths: Paths,
    snapshots: Mutex<Snapshots>,
    /// The writer's.
    pub(crate) time: LedgerTime,
    pub(crate) published: Arc<Published>,
    pub(crate) fingerprints: Arc<FingerprintKey>,
    stats: Arc<Stats>,
    pub(crate) denied: DeniedReads,
    released: Arc<Released>,
    _lock: Lock,
}

#[derive(Debug)]
struct Snapshots {
    last: u64,
    running: Option<JoinHandle<()>>,
}

/// The writer's end of the queue: whichever way the writer ends, a broken invariant included, nobody waits for it
/// in vain.
struct Inbox(Arc<Queue>, Arc<Released>);

impl Drop for Inbox {
    fn drop(&mut self) {
        self.1.end();
        for waiting in self.0.drain() {
            (waiting.reply)(Answer::Failed(Error::new(Code::Stopped, "the writer has ended")));
        }
    }
}

impl Options {
    /// The machine's clock and no test.
    pub fn new(paths: Paths) -> Self {
        Self { paths, clock: Clock::system(), trace: Tracer::default(), bounds: Bounds::default() }
    }

    /// Clock and tracer for a ledger of this stage: switches for tests count at stage `test` only.
    pub(crate) fn switches(self, stage: Stage) -> (Clock, Tracer) {
        match (stage, self.clock) {
            (Stage::Test, clock) => (clock, self.trace),
            (_, Clock::File(..)) => (Clock::system(), Tracer::default()),
            (_, clock) => (clock, Tracer::default()),
        }
    }
}

/// The log key of the ledger and its origin, from the key file.
fn read_log_key(paths: &Paths) -> Result<(Origin, PrivateKey)> {
    let path = paths.log_key();
    let text = store::read_secret(&path)?;
    key::parse_log_key_file(&text)
        .ok_or_else(|| Error::new(Code::KeyFileInvalid, format!("`{}` is no log key file", path.display())))
}

fn read_system_key(paths: &Paths, expected: PublicKey) -> Result<PrivateKey> {
    let path = paths.system_key();
    let text = store::read_secret(&path)?;
    match key::parse_author_key_file(&text) {
        Some((_, key)) if key.public() == expected => Ok(key),
        _ => Err(Error::new(Code::KeyFileInvalid, format!("`{}` is not the system's key", path.display()))),
    }
}

impl Ledger {
    /// Opens a ledger: one writer, settings read back, the store compared with its anchor, an unsigned tail
    /// signed as found, the world folded. `progress` is told entries folded and entries there are.
    pub fn open(options: Options, progress: &mut dyn FnMut(u64, u64)) -> Result<Self> {
        let paths = options.paths.clone();
        store::refuse_unfinished(&paths)?;
        if !paths.store().exists() {
            let text = format!("`{}` holds no ledger", paths.dir.display());
            return Err(Error::new(Code::NotALedger, text));
        }
        paths.check_apart()?;
        let lock = Lock::take(&paths.lock())?;
        make_room(&paths)?;
        let (origin, log_key) = read_log_key(&paths)?;
        let (mut anchor, anchored) = Anchor::open(&paths.anchor)?;
        let verifier = LogVerifier { origin: origin.clone(), key: log_key.public() };
        if anchored.signed_by(&verifier) != Signed::Valid {
            let text = "the anchor's head is not signed by this ledger's log key";
            return Err(Error::new(Code::AnchorDamaged, text));
        }
        let conn = store::open_writer(&paths.store())?;
        let reader = Reader::open(&paths.store())?;
        let size = reader.size_under(&anchored.checkpoint)?;
        let frontier = compare(&reader, &anchored, size)?;
        let whole = Checkpoint { origin: origin.clone(), size, root: frontier.root() };
        let marker = Marker::of(&log_key);
        if size > anchored.checkpoint.size {
            marker.check(&reader, &whole, anchored.checkpoint.size)?;
        }
        let bounds = options.bounds;
        let answered = Answered::open(&paths.index(), &reader, size, bounds.unindexed)?;
        let over = Over::open(&reader)?;
        let head = &anchored.checkpoint;
        let loaded = store::load_snapshot(
            &paths,
            &reader,
            answered.snapshot()?,
            (head.size, head.root),
            size,
            progress,
        )?;
        let world = loaded.world;
        let settings = world.settings();
        let (clock, mut trace) = options.switches(settings.stage);
        trace.step(Step::Started { entries: size, anchored: anchored.checkpoint.size });
        let entry_key = match settings.system_key {
            Some(public) => Some(read_system_key(&paths, public)?),
            None => None,
        };
        let mut head = anchored;
        if size > head.checkpoint.size {
            head = whole.sign(&log_key);
            trace.step(Step::Signed { size, root: frontier.root() });
            // Crash here: nothing was released; the next start signs the same tail to the same bytes.
            trace.point(Point::AfterRecoverySign);
            anchor.write(&head)?;
            trace.step(Step::Anchored { size });
        }
        let time = LedgerTime::start(clock, Some(world.time), world.behind);
        let mut entropy = Entropy::default();
        // A new key would find nothing of what was handed out under the old one.
        let fingerprints = if world.leases.has_handed_out() {
            store::read_fingerprint_key(&paths.fingerprint_key())?
        } else {
            store::open_fingerprint_key(&paths.fingerprint_key(), &mut entropy)?
        };
        let published = Arc::new(Published::new(world.clone()));
        let door = Door { world, origin, entry_key, entropy, ended: Vec::new(), unpublished: Vec::new() };
        let head = Arc::new(head);
        let writer = Writer {
            door,
            time,
            frontier,
            log_key,
            marker,
            released: Arc::new(Released::new(Arc::clone(&head))),
            head,
            conn,
            reader,
            answered,
            over,
            anchor,
            watch: Watch::over(&paths)?,
            wal: Wal::new(paths.wal(), bounds.wal),
            paths: paths.clone(),
            trace,
            published,
            counted: Counted::default(),
            fingerprints: Arc::new(fingerprints),
            stats: Arc::default(),
        };
        Self::start(writer, lock, paths, loaded.from)
    }

    pub(crate) fn start(writer: Writer, lock: Lock, paths: Paths, snapshot: u64) -> Result<Self> {
        let time = writer.time.clone();
        let fingerprints = Arc::clone(&writer.fingerprints);
        let stats = Arc::clone(&writer.stats);
        let published = Arc::clone(&writer.published);
        let released = Arc::clone(&writer.released);
        released.set(&writer.head);
        let ends = Arc::clone(&released);
        let queue = Arc::new(Queue::default());
        let inbox = Arc::clone(&queue);
        let origin = writer.door.origin.clone();
        let thread = Builder::new()
            .name("chancery-writer".to_owned())
            .spawn(move || {
                let inbox = Inbox(inbox, ends);
                writer.run(&inbox.0)
            })
            .map_err(|error| Error::io("start the writer of", &paths.dir, error))?;
        let snapshots = Mutex::new(Snapshots { last: snapshot, running: None });
        Ok(Self {
            queue,
            thread: Some(thread),
            origin,
            paths,
            snapshots,
            time,
            published,
            fingerprints,
            stats,
            denied: DeniedReads::default(),
            released,
            _lock: lock,
        })
    }

    /// Asks, and waits for the durable answer.
    pub fn submit(&self, request: Request) -> Answer {
        let (send, receive) = mpsc::sync_channel(1);
        let reply = move |answer| {
            let _ = send.send(answer);
        };
        if let Err(error) = self.submit_with(request, Box::new(reply)) {
            return Answer::Failed(error);
        }
        receive.recv().unwrap_or_else(|_| {
            Answer::Failed(Error::new(Code::OutcomeUnknown, "the writer ended before it answered"))
        })
    }

    /// Asks; `reply` runs on the writer's thread once the answer is durable, and must not block.
    pub fn submit_with(&self, mut request: Request, reply: Reply) -> Result<()> {
        self.search(&mut request);
        self.queue.push(Waiting { request, reply })
    }

    /// Asks many things at once, all or none of which are taken in; each reply as with [`Self::submit_with`].
    pub fn submit_all(&self, mut requests: Vec<(Request, Reply)>) -> Result<()> {
        for (request, _) in &mut requests {
            self.search(request);
        }
        self.queue.push_all(requests.into_iter().map(|(request, reply)| Waiting { request, reply }).collect())
    }

    /// Looks for leased material in what a worker relays, while nobody waits; what comes from nobody is not worth it.
    fn search(&self, request: &mut Request) {
        if !relay::is_relay(request) {
            return;
        }
        let now = self.now();
        let known = self.published.look(|world| {
            let caller = door::authenticate(world, &self.origin, request, now).ok()?;
            Some(relay::handed_out(world, request, &caller.principal))
        });
        if let Some(known) = known {
            relay::search(&self.fingerprints, &known, request);
        }
    }

    /// What `look` sees of the world as far as it is durable; appending waits as long as it looks.
    pub fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        self.published.look(look)
    }

    /// Where its files lie.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// How busy the writer is.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Number of requests that wait for the writer.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The newest released head.
    pub fn released(&self) -> &Arc<Released> {
        &self.released
    }

    /// The origin.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// A connection that reads the store.
    pub fn reader(&self) -> Result<Reader> {
        Reader::open(&self.paths.store())
    }

    /// Takes a snapshot when enough entries stand above the last one; `wait` makes it done on return. A reader
    /// of its own folds it, so that it does not merely repeat what the writer believes.
    pub fn snapshot_if_due(&self, wait: bool) -> Result<()> {
        let reader = self.reader()?;
        let size = reader.size()?;
        let mut state = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        if size < state.last + SNAPSHOT_EVERY as u64
            || state.running.as_ref().is_some_and(|t| !t.is_finished())
        {
            return Ok(());
        }
        let (paths, queue) = (self.paths.clone(), Arc::clone(&self.queue));
        let ledger = self.origin.name().to_owned();
        state.last = size;
        let thread = std::thread::spawn(move || {
            // A snapshot that fails costs the next start a longer fold, nothing else.
            let _ = take_snapshot(&paths, &reader, &queue, &ledger, size);
        });
        if wait {
            let _ = thread.join();
        } else {
            state.running = Some(thread);
        }
        Ok(())
    }

    /// Answers what waits, moves the WAL into the store, and ends the writer.
    pub fn close(mut self) -> Result<()> {
        let running = self.snapshots.get_mut().unwrap_or_else(PoisonError::into_inner).running.take();
        if let Some(thread) = running {
            let _ = thread.join();
        }
        self.finish()
    }

    fn finish(&mut self) -> Result<()> {
        self.queue.close();
        match self.thread.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(error),
            Some(Err(_)) => Err(Error::new(Code::Internal, "the writer broke an invariant and stopped")),
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

/// Opening takes space as well: on a full disk the reserve is given back before, and made anew once there is room.
fn make_room(paths: &Paths) -> Result<()> {
    let Some(before) = free_space(paths) else { return Ok(()) };
    let free = if before < RESERVE { free_space(paths).unwrap_or(before) } else { before };
    if free < SPACE_OPEN {
        let text = format!("{free} bytes are free on the ledger's disk: too few to open it for writing");
        return Err(Error::new(Code::StorageFull, text));
    }
    if free > RESERVE * 32 && !paths.reserve().exists() {
        // Without a reserve the ledger is as good as before; only a full disk is met with less.
        let _ = fs::File::create(paths.reserve()).and_then(|file| fill(&file, RESERVE));
    }
    Ok(())
}

pub(crate) fn fill(mut file: &fs::File, bytes: u64) -> std::io::Result<()> {
    use std::io::Write as _;
    for _ in 0..bytes / 4096 {
        file.write_all(&[0; 4096])?;
    }
    file.sync_all()
}

/// Compares the store with its anchor and gives the frontier of what is stored.
fn compare(reader: &Reader, anchored: &Note, size: u64) -> Result<Frontier> {
    let head = &anchored.checkpoint;
    if reader.last_head()?.is_some_and(|newest| newest > head.size) {
        return Err(Error::new(
            Code::AnchorDamaged,
            "the anchor is older than heads that stand in the store",
        ));
    }
    if size - head.size > COMMIT as u64 {
        let text =
            format!("the store is {} entries ahead of its anchor, more than one commit", size - head.size);
        return Err(Error::new(Code::AnchorDamaged, text));
    }
    if reader.frontier(head.size)?.root() != head.root {
        return Err(Error::damaged(format!(
            "the first {} entries are not those of the anchor's head",
            head.size
        )));
    }
    reader.frontier(size)
}

fn take_snapshot(paths: &Paths, reader: &Reader, queue: &Queue, ledger: &str, size: u64) -> Result<()> {
    let index = Index::open_existing(&paths.index())?;
    let Some(anchored) = Anchor::read(&paths.anchor)? else { return Ok(()) };
    let head = (anchored.checkpoint.size, anchored.checkpoint.root);
    let loaded = store::load_snapshot(paths, reader, index.snapshot()?, head, size, &mut |_, _| ())?;
    let digest = store::take_snapshot(paths, &loaded.world)?;
    let args = [
        ("at", Value::Int(i64::try_from(size).unwrap_or(i64::MAX))),
        ("digest", Value::Text(digest.to_string())),
        ("version", Value::Int(store::SNAPSHOT_VERSION)),
    ];
    let args = Value::Object(args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    let mut entropy = Entropy::default();
    let key = IdempotencyKey::parse(&crate::format::encoding::hex(&entropy.take::<16>()?));
    let key = key.map_err(|error| Error::new(Code::Internal, error.to_string()))?;
    let request =
        gate::new_request("ledger.snapshot", &Scope::root(), None, ledger, args, key, entropy.take()?);
    let mut request = request.map_err(|invalid| Error::new(Code::Internal, invalid.message))?;
    request.credential = Credential::System(SystemMark(()));
    let (send, receive) = mpsc::sync_channel(1);
    let reply = move |answer| {
        let _ = send.send(answer);
    };
    queue.push(Waiting { request, reply: Box::new(reply) })?;
    if let Ok(Answer::Receipt(receipt)) = receive.recv()
        && let Some(entry) = receipt.entries.first()
    {
        index.set_snapshot(entry.position)?;
    }
    Ok(())
}
