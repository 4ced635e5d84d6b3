//! Where do the bytes lie? Every SQL statement of the core, the anchor, the lock. SPEC 11.

mod anchor;
mod answered;
mod append;
mod bloom;
mod files;
mod index;
mod lock;
mod open;
mod read;
mod snapshot;
mod space;
mod tail;
mod unfinished;
mod wal;
mod watch;

pub use anchor::Anchor;
pub(crate) use answered::Answered;
pub(crate) use append::{Batch, EndedRow, append, empty_wal};
pub(crate) use bloom::Bloom;
pub(crate) use files::make_dir;
pub use files::{
    Paths, open_fingerprint_key, read_fingerprint_key, read_private, read_secret, sync_parent, write_new,
    write_secret,
};
pub(crate) use index::Index;
pub use lock::Lock;
pub use open::{PAGE_SIZE, check_library};
pub(crate) use open::{create_schema, open_writer};
pub use read::{Reader, Row, StoredEnded};
pub(crate) use snapshot::{VERSION as SNAPSHOT_VERSION, load as load_snapshot, take as take_snapshot};
pub use space::{SPACE_MIN, free_bytes};
pub(crate) use tail::Marker;
pub use unfinished::refuse_unfinished;
pub(crate) use wal::Wal;
pub(crate) use watch::Watch;
