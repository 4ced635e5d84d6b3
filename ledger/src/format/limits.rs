//! How large may things be? SPEC 13, in its order; a test holds this table and the text equal.

/// Bytes of a leaf.
pub const LEAF: usize = 8192;
/// Bytes of JCS of a private part or of arguments.
pub const PART: usize = 65_536;
/// Levels of a private part or of arguments.
pub const PART_DEPTH: usize = 8;
/// Values in a private part or in arguments.
pub const PART_NODES: usize = 4000;
/// Levels of a document.
pub const DEPTH: usize = 16;
/// Values in a document.
pub const NODES: usize = 10_000;
/// Bytes of an object key.
pub const KEY_BYTES: usize = 64;
/// Bytes of a request document.
pub const REQUEST: usize = 262_144;
/// Bytes of a line of an export, with its LF.
pub const EXPORT_LINE: usize = 163_840;
/// Positions that an entry may cite.
pub const CAUSE: usize = 16;
/// Bytes of an id.
pub const ID: usize = 128;
/// Segments of a scope.
pub const SCOPE_SEGMENTS: usize = 5;
/// Characters of an idempotency key, at least.
pub const IDEMPOTENCY_KEY_MIN: usize = 16;
/// Characters of an idempotency key, at most.
pub const IDEMPOTENCY_KEY_MAX: usize = 128;
/// Requests in a commit.
pub const BATCH: usize = 1024;
/// Entries that one request makes.
pub const ANSWER: usize = 8;
/// Entries in a commit, and so entries by which a store may be ahead of its anchor.
pub const COMMIT: usize = 2048;
/// Requests waiting.
pub const QUEUE: usize = 4096;
/// Signature lines of a note.
pub const NOTE_SIGNATURES: usize = 16;
/// Bytes of WAL over which only what reduces risk is taken.
pub const WAL: usize = 268_435_456;
/// Idempotency keys that wait for an index that cannot be written.
pub const UNINDEXED: usize = 262_144;
/// Entries between snapshots.
pub const SNAPSHOT_EVERY: usize = 65_536;

/// Bytes of JCS of an argument that is a list.
pub const LIST: usize = 2800;
/// Bytes of a credential reference.
pub const REFERENCE: usize = 200;
/// Bytes of a fingerprinted value, at least.
pub const FINGERPRINT_MIN: usize = 8;
/// Bytes of a fingerprinted value, at most.
pub const FINGERPRINT_MAX: usize = 4096;
/// Fingerprints of one value.
pub const FINGERPRINTS: usize = 32;

/// Largest integer of the JSON profile, 2^53-1.
pub const INT_MAX: i64 = 9_007_199_254_740_991;

/// Every limit by its name in SPEC 13.
pub const TABLE: &[(&str, usize)] = &[
    ("leaf", LEAF),
    ("part", PART),
    ("part_depth", PART_DEPTH),
    ("part_nodes", PART_NODES),
    ("depth", DEPTH),
    ("nodes", NODES),
    ("key_bytes", KEY_BYTES),
    ("request", REQUEST),
    ("export_line", EXPORT_LINE),
    ("cause", CAUSE),
    ("id", ID),
    ("scope_segments", SCOPE_SEGMENTS),
    ("idempotency_key_min", IDEMPOTENCY_KEY_MIN),
    ("idempotency_key_max", IDEMPOTENCY_KEY_MAX),
    ("batch", BATCH),
    ("answer", ANSWER),
    ("commit", COMMIT),
    ("queue", QUEUE),
    ("note_signatures", NOTE_SIGNATURES),
    ("wal", WAL),
    ("unindexed", UNINDEXED),
    ("snapshot_every", SNAPSHOT_EVERY),
    ("list", LIST),
    ("reference", REFERENCE),
    ("fingerprint_min", FINGERPRINT_MIN),
    ("fingerprint_max", FINGERPRINT_MAX),
    ("fingerprints", FINGERPRINTS),
];
