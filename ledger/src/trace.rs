//! In which order did the writer do things? Steps for the model to replay, and points at which a test may
//! end the process. Only ledgers of stage `test` listen.

use crate::format::tree::Hash;
use std::fs::File;
use std::io::Write as _;

/// A durable step of the writer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Step {
    Started { entries: u64, anchored: u64 },
    Committed { size: u64 },
    Signed { size: u64, root: Hash },
    Anchored { size: u64 },
    Answered { size: u64 },
}

/// A point between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Point {
    BeforeCommit,
    AfterCommit,
    AfterSign,
    AfterAnchor,
    AfterRecoverySign,
}

impl Point {
    /// Every point.
    pub const ALL: &'static [Point] = &[
        Point::BeforeCommit,
        Point::AfterCommit,
        Point::AfterSign,
        Point::AfterAnchor,
        Point::AfterRecoverySign,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::AfterSign => "after_sign",
            Self::AfterAnchor => "after_anchor",
            Self::AfterRecoverySign => "after_recovery_sign",
        }
    }
}

/// What a test asked for: where to write steps, where to end, and how often to pass that point first.
#[derive(Debug, Default)]
pub struct Tracer {
    /// File that gets a line a step.
    pub steps: Option<File>,
    /// Point at which the process ends, and how often it is passed before.
    pub crash: Option<(Point, u64)>,
}

impl Tracer {
    /// Writes a step down.
    pub(crate) fn step(&mut self, step: Step) {
        if let Some(file) = &mut self.steps {
            let line = match step {
                Step::Started { entries, anchored } => format!("started {entries} {anchored}"),
                Step::Committed { size } => format!("committed {size}"),
                Step::Signed { size, root } => {
                    format!("signed {size} {}", crate::format::encoding::hex(&root))
                }
                Step::Anchored { size } => format!("anchored {size}"),
                Step::Answered { size } => format!("answered {size}"),
            };
            // In one call: a kill leaves a line whole or not at all.
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }

    /// Ends the process here when a test asked for it, as a kill would.
    pub(crate) fn point(&mut self, point: Point) {
        match &mut self.crash {
            Some((at, 0)) if *at == point => std::process::abort(),
            Some((at, passes)) if *at == point => *passes -= 1,
            _ => {}
        }
    }
}
