//! With which code does the process end? SPEC 16.

/// Yes, or authentic.
pub(crate) const YES: u8 = 0;
/// The answer is no: denied, refused, or a conflict.
pub(crate) const NO: u8 = 1;
/// Usage, or bad input.
pub(crate) const USAGE: u8 = 2;
/// Our failure.
pub(crate) const FAILED: u8 = 5;
// 3 and 4 are verdicts: `chancery_ledger::verify::Verdict::exit` has them.
