//! How fast could this machine be at all? The limits that figures are divided by; each is a short loop over the same
//! bytes, and none is used by anything but measurements.

use crate::error::{Error, Result};
use crate::format::checkpoint::{Checkpoint, Note};
use crate::format::entry;
use crate::format::hash::{ENTRY, PRIVATE};
use crate::format::key::{PrivateKey, PublicKey};
use crate::format::tree::{Subtree, leaf_hash};
use crate::store::{self, Anchor, Batch, Paths, Reader, Row};
use crate::verify::signed_leaves;
use std::time::{Duration, Instant};

/// Key, message and signature.
pub type Signed = (PublicKey, (Vec<u8>, [u8; 64]));

/// A clock for measurements.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    #[allow(clippy::disallowed_methods, reason = "measurements need the machine's clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since it was started.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Replays the rows of a ledger into an empty store: the same prepared statements with the same bound values, page
/// size, WAL policy, batches and the anchor's sync, and nothing else. Gives the time of each batch.
pub fn raw_append(from: &Reader, to: &Paths, batch: u64, entries: u64) -> Result<Vec<Duration>> {
    std::fs::create_dir_all(&to.dir).map_err(|error| Error::io("create", &to.dir, error))?;
    store::create_schema(&to.store())?;
    let conn = store::open_writer(&to.store())?;
    let key = PrivateKey::from_seed(&[1; 32]);
    let origin = crate::format::ids::Origin::parse("raw.example/e1")
        .map_err(|error| Error::new(crate::code::Code::Internal, error.to_string()))?;
    let note = |size| Checkpoint { origin: origin.clone(), size, root: [0; 32] }.sign(&key);
    let head: Note = note(1);
    let mut anchor = Anchor::create(&to.anchor, &head)?;
    let mark = "0".repeat(64);
    let mut times = Vec::new();
    let mut position = 0;
    while position < entries {
        let end = entries.min(position + batch);
        let sealed: Vec<_> =
            from.rows(position..end, usize::MAX)?.into_iter().map(Row::into_sealed).collect();
        let tiles: Vec<Subtree> =
            (position / 256..end / 256).map(|index| Subtree { height: 8, index, hash: [3; 32] }).collect();
        let previous = Some((end, [7; 64]));
        let batch = Batch { entries: &sealed, tiles: &tiles, ended: &[], previous, mark: &mark };
        let watch = Stopwatch::start();
        store::append(&conn, &batch)?;
        anchor.write(&head)?;
        times.push(watch.elapsed());
        position = end;
    }
    Ok(times)
}

/// Reads every row, hashes every leaf for the chain and for the tree and every part for its commitment, and with
/// `parse` reads every leaf as JSON: what any verification of these bytes has to do.
pub fn scan_and_hash(reader: &Reader, parse: bool) -> Result<u64> {
    let size = reader.size()?;
    let (mut position, mut sum) = (0, 0u64);
    while position < size {
        let rows = reader.rows(position..size, 512)?;
        for row in &rows {
            sum += u64::from(ENTRY.digest(&row.leaf).0[0]) + u64::from(leaf_hash(&row.leaf)[0]);
            for part in [&row.private, &row.args].into_iter().flatten() {
                sum += u64::from(PRIVATE.digest(part).0[0]);
            }
            if parse {
                let entry = entry::read(&row.leaf).map_err(|error| Error::damaged(error.to_string()))?;
                sum += entry.n;
            }
        }
        position += rows.len().max(1) as u64;
    }
    Ok(sum)
}

/// Checks every author's signature of a ledger by itself, on one thread: key, message and signature are at hand.
pub fn strict_loop(signed: &[Signed]) -> usize {
    signed.iter().filter(|(key, (message, sig))| key.verifies(message, sig)).count()
}

/// Keys, messages and signatures of all attested entries, for [`strict_loop`].
pub fn signatures(reader: &Reader) -> Result<Vec<Signed>> {
    signed_leaves(reader)
}
