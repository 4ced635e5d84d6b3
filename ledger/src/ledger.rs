//! How does a program hold a ledger? Create it, open it, ask it, close it. SPEC 11.

use crate::admit::DeniedReads;
use crate::answer::Answer;
use crate::clock::{Clock, LedgerTime};
use crate::code::Code;
use crate::domains::ledger::{Administrator, Attest, Event, Form, Limits, Settings, Stage};
use crate::domains::{self, Draft, World};
use crate::door::Door;
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::fingerprint::FingerprintKey;
use crate::format::checkpoint::{Checkpoint, Note, Signed};
use crate::format::ids::{IdempotencyKey, LogName, Origin, PrincipalId, Scope};
use crate::format::json::Value;
use crate::format::key::{self, LogVerifier, PrivateKey, PublicKey};
use crate::format::limits::{BATCH, SNAPSHOT_EVERY};
use crate::format::tree::Frontier;
use crate::gate::{self, Caller, Credential, Request, SystemMark};
use crate::published::{Counted, Published};
use crate::queue::{Queue, Reply, Waiting};
use crate::relay;
use crate::released::Released;
use crate::stats::Stats;
use crate::store::{self, Anchor, Answered, Index, Lock, Paths, Reader, Watch};
use crate::trace::{Point, Step, Tracer};
use crate::writer::{Over, Writer, free_space};
use std::fs;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{Builder, JoinHandle};

/// Entries by which a store may be ahead of its anchor: two a request of one batch.
const TAIL_MAX: u64 = BATCH as u64 * 2;
/// Bytes of the reserve file.
const RESERVE: u64 = 1 << 20;
/// Free bytes without which a store cannot be opened for writing.
const SPACE_OPEN: u64 = 256 << 10;

/// What a new ledger is.
#[derive(Debug, Clone)]
pub struct Genesis {
    /// Its name.
    pub name: LogName,
    /// Its stage.
    pub stage: Stage,
    /// Where signatures stand.
    pub form: Form,
    /// How strictly requests must be signed; form `entries` enforces for all.
    pub attest: Attest,
    /// Longest time without an entry that is promised.
    pub max_silence_ms: Option<i64>,
    /// The first administrator and its public key.
    pub administrator: (PrincipalId, PublicKey),
}

/// How a ledger is opened.
#[derive(Debug)]
pub struct Options {
    /// Its files.
    pub paths: Paths,
    /// Its clock.
    pub clock: Clock,
    /// What a test listens for; honoured at stage `test` only.
    pub trace: Tracer,
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
        Self { paths, clock: Clock::system(), trace: Tracer::default() }
    }

    /// Clock and tracer for a ledger of this stage: switches for tests count at stage `test` only.
    fn switches(self, stage: Stage) -> (Clock, Tracer) {
        match (stage, self.clock) {
            (Stage::Test, clock) => (clock, self.trace),
            (_, Clock::File(..)) => (Clock::system(), Tracer::default()),
            (_, clock) => (clock, Tracer::default()),
        }
    }
}

/// Key files and verifier of a new log.
fn make_keys(
    paths: &Paths,
    genesis: &Genesis,
    entropy: &mut Entropy,
) -> Result<(PrivateKey, Option<PrivateKey>)> {
    let origin = Origin::new(&genesis.name, 1);
    fs::create_dir_all(&paths.keys).map_err(|e| Error::io("create", &paths.keys, e))?;
    let seed = zeroize::Zeroizing::new(entropy.take::<32>()?);
    store::write_secret(&paths.log_key(), &key::log_key_file(&origin, &seed))?;
    let log_key = PrivateKey::from_seed(&seed);
    if genesis.form == Form::Heads {
        return Ok((log_key, None));
    }
    let seed = zeroize::Zeroizing::new(entropy.take::<32>()?);
    let system = PrincipalId::parse(domains::principal::SYSTEM)
        .map_err(|error| Error::new(Code::Internal, error.to_string()))?;
    store::write_secret(&paths.system_key(), &key::author_key_file(&system, &seed))?;
    Ok((log_key, Some(PrivateKey::from_seed(&seed))))
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
    /// Creates a ledger: keys, anchor, store, entry 0 under a signed head. Nothing that exists is touched.
    pub fn create(options: Options, genesis: &Genesis) -> Result<Self> {
        let paths = options.paths.clone();
        let (clock, trace) = options.switches(genesis.stage);
        for path in [&paths.dir, &paths.keys] {
            let occupied = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
            if occupied || paths.anchor.exists() {
                let found = if occupied { path } else { &paths.anchor };
                let text = format!("`{}` is there already", found.display());
                return Err(Error::new(Code::DirectoryNotEmpty, text));
            }
        }
        fs::create_dir_all(&paths.dir).map_err(|e| Error::io("create", &paths.dir, e))?;
        let lock = Lock::take(&paths.lock())?;
        let mut entropy = Entropy::default();
        let (log_key, entry_key) = make_keys(&paths, genesis, &mut entropy)?;
        let origin = Origin::new(&genesis.name, 1);
        let verifier = LogVerifier { origin: origin.clone(), key: log_key.public() };
        store::create_schema(&paths.store())?;
        let reserve =
            fs::File::create(paths.reserve()).map_err(|e| Error::io("create", &paths.reserve(), e))?;
        fill(&reserve, RESERVE).map_err(|e| Error::io("fill", &paths.reserve(), e))?;
        let empty = Checkpoint { origin: origin.clone(), size: 0, root: Frontier::default().root() };
        let head = empty.sign(&log_key);
        let anchor = Anchor::create(&paths.anchor, &head)?;
        let settings = Settings {
            administrator: Some(Administrator {
                id: genesis.administrator.0.clone(),
                public: genesis.administrator.1,
            }),
            attest: genesis.attest,
            form: genesis.form,
            limits: Limits::OURS,
            max_silence_ms: genesis.max_silence_ms,
            name: genesis.name.to_string(),
            rules: gate::RULES,
            stage: genesis.stage,
            system_key: entry_key.as_ref().map(PrivateKey::public),
            vkey: verifier.to_string(),
        };
        let conn = store::open_writer(&paths.store())?;
        let reader = Reader::open(&paths.store())?;
        let answered = Answered::open(&paths.index(), &reader, 0)?;
        let over = Over::open(&reader)?;
        let time = LedgerTime::start(clock, None);
        let now = time.now();
        let fingerprints = store::open_fingerprint_key(&paths.fingerprint_key(), &mut entropy)?;
        let mut door = Door {
            world: World::default(),
            origin,
            entry_key,
            entropy,
            ended: Vec::new(),
            unpublished: Vec::new(),
        };
        let draft = Draft {
            entity_kind: "ledger",
            entity_id: genesis.name.to_string(),
            event: domains::Event::Ledger(Event::Opened(Box::new(settings))),
            private: None,
            cause: Vec::new(),
        };
        let system = Caller::by_key(domains::principal::SYSTEM);
        let opened = door.seal(draft, "/", &system, None, Vec::new(), now)?;
        door.unpublished.clear();
        let published = Arc::new(Published::new(door.world.clone()));
        let head = Arc::new(head);
        let mut writer = Writer {
            door,
            time,
            frontier: Frontier::default(),
            log_key,
            released: Arc::new(Released::new(Arc::clone(&head))),
            head,
            conn,
            reader,
            answered,
            over,
            anchor,
            watch: Watch::over(&paths)?,
            paths: paths.clone(),
            trace,
            published,
            counted: Counted::default(),
            fingerprints: Arc::new(fingerprints),
            stats: Arc::default(),
        };
        writer.make_durable(0, std::slice::from_ref(&opened))?;
        writer.answered.add(Vec::new(), 1, opened.address);
        Self::start(writer, lock, paths, 0)
    }

    /// Opens a ledger: one writer, settings read back, the store compared with its anchor, an unsigned tail
    /// signed as found, the world folded. `progress` is told entries folded and entries there are.
    pub fn open(options: Options, progress: &mut dyn FnMut(u64, u64)) -> Result<Self> {
        let paths = options.paths.clone();
        if !paths.store().exists() {
            let text = format!("`{}` holds no ledger", paths.dir.display());
            return Err(Error::new(Code::NotALedger, text));
        }
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
        let answered = Answered::open(&paths.index(), &reader, size)?;
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
            head = Checkpoint { origin: origin.clone(), size, root: frontier.root() }.sign(&log_key);
            trace.step(Step::Signed { size, root: frontier.root() });
            // Crash here: nothing was released; the next start signs the same tail to the same bytes.
            trace.point(Point::AfterRecoverySign);
            anchor.write(&head)?;
            trace.step(Step::Anchored { size });
        }
        let time = LedgerTime::start(clock, Some(world.time));
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
            released: Arc::new(Released::new(Arc::clone(&head))),
            head,
            conn,
            reader,
            answered,
            over,
            anchor,
            watch: Watch::over(&paths)?,
            paths: paths.clone(),
            trace,
            published,
            counted: Counted::default(),
            fingerprints: Arc::new(fingerprints),
            stats: Arc::default(),
        };
        Self::start(writer, lock, paths, loaded.from)
    }

    fn start(writer: Writer, lock: Lock, paths: Paths, snapshot: u64) -> Result<Self> {
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

    /// Looks for leased material in what a worker relays.
    fn search(&self, request: &mut Request) {
        if relay::is_relay(request) {
            self.published.look(|world| relay::search(world, &self.fingerprints, request));
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

fn fill(mut file: &fs::File, bytes: u64) -> std::io::Result<()> {
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
    if size - head.size > TAIL_MAX {
        let text =
            format!("the store is {} entries ahead of its anchor, more than one batch", size - head.size);
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
