//! How much room is there on a disk, and how much of it is kept for what reduces risk?

use std::path::Path;

/// Free bytes below which only what reduces risk is taken.
pub const SPACE_MIN: u64 = 16 << 20;

/// Free bytes of the disk on which `path` lies; nothing when the system does not say.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
