//! How does a ledger begin? Keys, anchor, store, entry 0 under a signed head; or nothing at all. SPEC 11.

use crate::clock::LedgerTime;
use crate::code::Code;
use crate::domains::ledger::{Administrator, Attest, Event, Form, Limits, Settings, Stage};
use crate::domains::{self, Draft, World};
use crate::door::{Door, Next};
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::format::checkpoint::Checkpoint;
use crate::format::ids::{LogName, Origin, PrincipalId};
use crate::format::key::{self, LogVerifier, PrivateKey, PublicKey};
use crate::format::tree::Frontier;
use crate::gate::{self, Caller};
use crate::ledger::{Ledger, Options, RESERVE, fill};
use crate::over::Over;
use crate::published::{Counted, Published};
use crate::released::Released;
use crate::store::{self, Anchor, Answered, Lock, Marker, Paths, Reader, Wal, Watch};
use crate::writer::Writer;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// Its private key, when a key file of it is to stand beside the others before entry 0 does.
    pub administrator_key: Option<PrivateKey>,
}

/// What a creation makes; it is removed again unless all of it was made.
struct Made<'a> {
    paths: &'a Paths,
    administrator: &'a PrincipalId,
    /// Directories that were not there before.
    dirs: Vec<&'a Path>,
    whole: bool,
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if !self.whole {
            remove(self.paths, self.administrator, &self.dirs);
        }
    }
}

/// Removes the files of a ledger that nobody has used yet, and these directories if nothing else is in them.
fn remove(paths: &Paths, administrator: &PrincipalId, dirs: &[&Path]) {
    let beside = |path: PathBuf, suffix: &str| {
        let mut name = path.into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    };
    let stores = [paths.store(), paths.index()];
    let stores = stores.iter().flat_map(|path| ["", "-wal", "-shm"].map(|end| beside(path.clone(), end)));
    let others = [paths.reserve(), paths.anchor.clone(), paths.log_key(), paths.system_key()];
    let keys = [paths.fingerprint_key(), paths.key_of(administrator), paths.lock()];
    // What cannot be removed is met by the next attempt, which says so.
    stores.chain(others).chain(keys).for_each(|path| drop(fs::remove_file(path)));
    dirs.iter().for_each(|dir| drop(fs::remove_dir(dir)));
}

/// Refuses to begin where something is already. `ours` is the one name that may stand in the directory.
fn refuse_occupied(paths: &Paths, ours: Option<&Path>) -> Result<()> {
    let others = |dir: &Path| {
        let mut names = fs::read_dir(dir).into_iter().flatten().flatten();
        names.any(|entry| Some(entry.path().as_path()) != ours)
    };
    let found = [&paths.dir, &paths.keys].into_iter().find(|dir| others(dir));
    let Some(found) = found.or_else(|| Some(&paths.anchor).filter(|anchor| anchor.exists())) else {
        return Ok(());
    };
    store::refuse_unfinished(paths)?;
    Err(Error::new(Code::DirectoryNotEmpty, format!("`{}` is there already", found.display())))
}

/// Refuses an administrator whose key file would be one of the ledger's own.
fn refuse_taken(paths: &Paths, administrator: &PrincipalId) -> Result<()> {
    let file = paths.key_of(administrator);
    if ![paths.log_key(), paths.system_key(), paths.fingerprint_key()].contains(&file) {
        return Ok(());
    }
    let text = format!(
        "the administrator cannot be `{administrator}`: `{administrator}.key` is a key file of the ledger itself"
    );
    Err(Error::new(Code::MalformedValue, text))
}

/// Key files and verifier of a new log.
fn make_keys(
    paths: &Paths,
    genesis: &Genesis,
    entropy: &mut Entropy,
) -> Result<(PrivateKey, Option<PrivateKey>)> {
    let origin = Origin::new(&genesis.name, 1);
    if let (id, Some(private)) = (&genesis.administrator.0, &genesis.administrator_key) {
        store::write_secret(&paths.key_of(id), &key::author_key_file(id, &private.seed()))?;
    }
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

impl Ledger {
    /// Creates a ledger: keys, anchor, store, entry 0 under a signed head. Nothing that exists is touched.
    pub fn create(options: Options, genesis: &Genesis) -> Result<Self> {
        let paths = options.paths.clone();
        let bounds = options.bounds;
        let (clock, trace) = options.switches(genesis.stage);
        paths.check_apart()?;
        refuse_taken(&paths, &genesis.administrator.0)?;
        refuse_occupied(&paths, None)?;
        let dirs = [paths.dir.as_path(), paths.keys.as_path()];
        let dirs = dirs.into_iter().filter(|dir| !dir.exists()).collect();
        store::make_dir(&paths.dir)?;
        let lock = Lock::take(&paths.lock())?;
        // Another process may have begun one since, and ended.
        refuse_occupied(&paths, Some(&paths.lock()))?;
        let mut made = Made { paths: &paths, administrator: &genesis.administrator.0, dirs, whole: false };
        store::make_dir(&paths.keys)?;
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
        let answered = Answered::open(&paths.index(), &reader, 0, bounds.unindexed)?;
        let over = Over::open(&reader)?;
        let time = LedgerTime::start(clock, None, 0);
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
        let opened =
            door.seal(&mut Next::of(&World::default(), "/", now), draft, &system, None, Vec::new())?;
        let opened = door.take_in(opened);
        door.unpublished.clear();
        let published = Arc::new(Published::new(door.world.clone()));
        let head = Arc::new(head);
        let mut writer = Writer {
            door,
            time,
            frontier: Frontier::default(),
            marker: Marker::of(&log_key),
            log_key,
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
        writer.make_durable(0, std::slice::from_ref(&opened))?;
        writer.answered.add(Vec::new(), 1, opened.address)?;
        let begun = Self::start(writer, lock, paths.clone(), 0)?;
        made.whole = true;
        Ok(begun)
    }

    /// Takes back a creation whose rest failed: ends the ledger and removes its files. Nobody was told of it.
    pub fn discard(self, administrator: &PrincipalId) {
        let paths = self.paths().clone();
        let _ = self.close();
        remove(&paths, administrator, &[&paths.dir, &paths.keys]);
    }
}
