//! Did this ledger's writer commit what stands beyond the anchor? The mark that each commit leaves says so. SPEC 11.
//!
//! A mark is no head: it is made before COMMIT, by a key that signs nothing, and is told to nobody.

use super::read::Reader;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::format::checkpoint::Checkpoint;
use crate::format::hash::TAIL;
use crate::format::key::PrivateKey;
use zeroize::Zeroizing;

/// What makes marks; only who has the log key has one.
pub(crate) struct Marker(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Marker")
    }
}

impl Marker {
    /// The marker of a log.
    pub(crate) fn of(log_key: &PrivateKey) -> Self {
        Self(log_key.derived(&TAIL))
    }

    /// The mark of a store that holds these entries and no other.
    pub(crate) fn mark(&self, whole: &Checkpoint) -> String {
        self.digest(whole).to_hex().to_string()
    }

    fn digest(&self, whole: &Checkpoint) -> blake3::Hash {
        blake3::keyed_hash(&self.0, whole.text().as_bytes())
    }

    /// Refuses a store that is not, to the last entry, what its writer committed.
    pub(crate) fn check(&self, reader: &Reader, whole: &Checkpoint, anchored: u64) -> Result<()> {
        let beyond = whole.size - anchored;
        let unknown = |why: &str| {
            let text = format!("{beyond} entries stand beyond the anchor's {anchored}, and {why}");
            Err(Error::new(Code::TailUnknown, text))
        };
        match reader.mark()? {
            None => unknown("no mark says that this ledger's writer committed them"),
            Some(mark) if blake3::Hash::from_hex(&mark).is_ok_and(|mark| mark == self.digest(whole)) => {
                Ok(())
            }
            Some(_) => unknown("they are not what this ledger's writer committed"),
        }
    }
}
