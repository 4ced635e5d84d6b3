//! Which file of views is read? Readers say when it is damaged; who follows puts another in its place.

use chancery_ledger::{Code, Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};

/// The file that stands there, by a number that grows; odd while another is being built in its place.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    file: AtomicU64,
    /// The number after that of the file that a reader found damaged last.
    doubted: AtomicU64,
}

fn building() -> Error {
    Error::new(Code::ViewBuilding, "the file of the views was damaged or is gone: they are being built anew")
}

impl Standing {
    /// Which file is read now.
    pub(crate) fn now(&self) -> Result<u64> {
        let file = self.file.load(Ordering::Acquire);
        if file.is_multiple_of(2) { Ok(file) } else { Err(building()) }
    }

    /// What failed while `file` was read: not of interest when another is in its place; else, when it is damaged, who
    /// follows is told.
    pub(crate) fn judge(&self, file: u64, error: Error) -> Error {
        if self.file.load(Ordering::Acquire) != file {
            return building();
        }
        if error.code == Code::ViewsDamaged {
            self.doubted.store(file + 1, Ordering::Release);
        }
        error
    }

    /// Whether a reader found the file damaged that stands there.
    pub(crate) fn is_doubted(&self) -> bool {
        self.doubted.load(Ordering::Acquire) == self.file.load(Ordering::Acquire) + 1
    }

    /// Nobody reads the file from now on.
    pub(crate) fn take_down(&self) {
        self.file.fetch_or(1, Ordering::AcqRel);
    }

    /// Another one is read from now on, if one was being built.
    pub(crate) fn put_up(&self) {
        if !self.file.load(Ordering::Acquire).is_multiple_of(2) {
            self.file.fetch_add(1, Ordering::AcqRel);
        }
    }
}
