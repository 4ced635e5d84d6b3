//! What are the bytes? Pure: no clock, no entropy, no I/O. Reading order: canonical, json, check, hash,
//! ids, key, entry, statement, tree, checkpoint, export. SPEC 3 to 7 and 12.

pub mod canonical;
pub mod check;
pub mod checkpoint;
pub mod encoding;
pub mod entry;
pub mod export;
pub mod hash;
pub mod ids;
pub mod json;
pub mod key;
pub mod limits;
pub mod plain;
pub mod reference;
pub mod statement;
pub(crate) mod strict;
pub mod tree;
