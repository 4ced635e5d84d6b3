//! Is a fault of disk, files, clock, keys or caller answered with the documented code, and nothing lost?
//!
//! CI runs a seeded sample; all of it: `CHANCERY_FULL=1 cargo test --test main faults -- --nocapture`.

mod begin;
mod bounds;
mod disk;
mod key_files;
mod lock;
mod restore;
mod resumed;
mod retry;
mod space;
mod swap;
mod tail;
mod time;
