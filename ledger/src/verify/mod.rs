//! Are these bytes what was signed? From bytes to a verdict that names what happened and where. SPEC 14.
//!
//! Shares only `format` with the writer, and trusts nothing that it read from what it verifies; recompute alone asks the writer's
//! own gate and domains, and only whether they were followed. Reading order: this file, prepare (one entry by itself), walk
//! (entries in a row), authors, export, live, pin, recompute, report.

mod authors;
mod document;
mod export;
mod live;
mod pin;
mod pool;
mod prepare;
mod recompute;
mod report;
mod screen;
mod walk;

pub use document::ReportJson;
pub use export::verify_export;
pub use live::verify_live;
pub use pin::Pin;
pub use recompute::Decisions;
pub use report::{Dimensions, Report};

use crate::format::key::LogVerifier;
use crate::format::tree::Hash;

/// What the bytes are found to be. The first that holds, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// They verify under one signed head and contradict another.
    Forked,
    /// They contradict each other or a signed head.
    Tampered,
    /// They end before they say they do.
    Truncated,
    /// A live ledger is behind its anchor.
    RolledBack,
    /// An entry is signed by a key that was later suspected.
    Suspect,
    /// Whole, but a trusted head is larger.
    Stale,
    /// No pinned signature stands over all of them, or an author could not be checked.
    Unverifiable,
    /// No log key is pinned.
    IntegrityOnly,
    /// What was signed.
    Authentic,
}

impl Verdict {
    /// Every verdict, in the order in which they are tried.
    pub const ALL: &'static [Verdict] = &[
        Verdict::Forked,
        Verdict::Tampered,
        Verdict::Truncated,
        Verdict::RolledBack,
        Verdict::Suspect,
        Verdict::Stale,
        Verdict::Unverifiable,
        Verdict::IntegrityOnly,
        Verdict::Authentic,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forked => "forked",
            Self::Tampered => "tampered",
            Self::Truncated => "truncated",
            Self::RolledBack => "rolled_back",
            Self::Suspect => "suspect",
            Self::Stale => "stale",
            Self::Unverifiable => "unverifiable",
            Self::IntegrityOnly => "integrity_only",
            Self::Authentic => "authentic",
        }
    }

    /// The process's exit code.
    pub fn exit(self) -> u8 {
        match self {
            Self::Authentic => 0,
            Self::Forked | Self::Tampered | Self::Truncated | Self::RolledBack | Self::Suspect => 3,
            Self::Stale | Self::Unverifiable | Self::IntegrityOnly => 4,
        }
    }
}

macro_rules! finding_codes {
    ($($name:ident $text:literal;)*) => {
        /// What was found. SPEC 14.1 says when each is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "SPEC 14.1 documents each")]
        pub enum FindingCode { $($name),* }

        impl FindingCode {
            /// Every code.
            pub const ALL: &'static [FindingCode] = &[$(FindingCode::$name),*];

            /// The text that stands in reports and SPEC.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

finding_codes! {
    HeaderInvalid "header_invalid";
    OtherLog "other_log";
    EntrySurplus "entry_surplus";
    LineInvalid "line_invalid";
    LeafInvalid "leaf_invalid";
    LogMismatch "log_mismatch";
    PositionMismatch "position_mismatch";
    PrevMismatch "prev_mismatch";
    TimeBackwards "time_backwards";
    CountMismatch "count_mismatch";
    CauseInvalid "cause_invalid";
    GenesisInvalid "genesis_invalid";
    PartMissing "part_missing";
    PartUnexpected "part_unexpected";
    PartMismatch "part_mismatch";
    AuthorMissing "author_missing";
    AuthorKey "author_key";
    AuthorSeq "author_seq";
    AuthorSignature "author_signature";
    HeadMisplaced "head_misplaced";
    HeadSignature "head_signature";
    HeadContradicted "head_contradicted";
    CheckpointInvalid "checkpoint_invalid";
    CheckpointMisplaced "checkpoint_misplaced";
    RootMismatch "root_mismatch";
    DigestMismatch "digest_mismatch";
    TrailerMismatch "trailer_mismatch";
    TrailingBytes "trailing_bytes";
    ColumnMismatch "column_mismatch";
    DecisionMismatch "decision_mismatch";
    FileEnds "file_ends";
}

/// The first thing that is wrong, and the smallest span that the evidence pins down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub code: FindingCode,
    /// First and last position of the span; `None` when it is no entry's.
    pub span: Option<(u64, u64)>,
    /// In a sentence.
    pub message: String,
}

impl Finding {
    pub(super) fn at(code: FindingCode, position: u64, message: impl Into<String>) -> Self {
        Self { code, span: Some((position, position)), message: message.into() }
    }

    pub(super) fn nowhere(code: FindingCode, message: impl Into<String>) -> Self {
        Self { code, span: None, message: message.into() }
    }

    /// A finding between the size of the last good head and a position; an empty span is none.
    pub(super) fn between(
        code: FindingCode,
        good: u64,
        last: Option<u64>,
        message: impl Into<String>,
    ) -> Self {
        let span = last.filter(|last| good <= *last).map(|last| (good, last));
        Self { code, span, message: message.into() }
    }
}

/// Keys, messages and signatures of all attested entries of a store, for measurements.
pub(crate) fn signed_leaves(reader: &crate::store::Reader) -> crate::error::Result<Vec<screen::Signed>> {
    let mut authors = authors::Authors::default();
    let mut signed = Vec::new();
    reader.leaves(0..reader.size()?, |position, leaf| {
        let entry = crate::format::entry::read(leaf)
            .map_err(|error| crate::error::Error::damaged(error.to_string()))?;
        if let Some(Some(event)) = authors::key_event(entry.kind, entry.entity.id, entry.data.get()) {
            if let authors::KeyEvent::Opened(opened) = &event {
                authors.open(opened);
            }
            authors.follow(position, &event);
        }
        let key = entry.attestation.and_then(|attestation| authors.keys.get(&attestation.key));
        signed.extend(key.and_then(|key| Some((key.public, prepare::signature_of(leaf, key.purpose)?))));
        Ok(())
    })?;
    Ok(signed)
}

/// What the auditor brings along.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The log key that counts.
    pub key: Option<LogVerifier>,
    /// Heads that the auditor knows from elsewhere: size and root.
    pub heads: Vec<(u64, Hash)>,
    /// The pin, whose head counts among the heads and whose state may be gone on from.
    pub pin: Option<Pin>,
}

/// How to verify.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Threads that look at entries; 1 for none beside the caller's.
    pub threads: usize,
    /// Check author signatures in batches: faster, and refused ones are checked again one by one.
    pub screen: bool,
    /// Derive again what a live store keeps beside the leaves.
    pub columns: bool,
    /// Decide every recorded answer again.
    pub recompute: bool,
}

impl Default for How {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self { threads, screen: false, columns: true, recompute: false }
    }
}
