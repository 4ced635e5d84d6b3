//! What went wrong on our side? Failures only: denials and refusals are answers.

use crate::code::Code;
use std::fmt;
use std::path::Path;

/// A failure of the ledger, its files or its machine.
#[derive(Debug)]
pub struct Error {
    /// The stable code.
    pub code: Code,
    /// What happened, in a sentence.
    pub message: String,
    /// What lies below.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Result of what can fail on our side.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure with this code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), source: None }
    }

    /// A failure of the operating system at a path.
    pub fn io(what: &str, path: &Path, source: std::io::Error) -> Self {
        let message = format!("cannot {what} `{}`", path.display());
        Self { code: Code::Io, message, source: Some(Box::new(source)) }
    }

    /// Stored bytes contradict each other.
    pub fn damaged(message: impl Into<String>) -> Self {
        Self::new(Code::LedgerDamaged, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let code = match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                Code::LedgerDamaged
            }
            _ => Code::Io,
        };
        Self { code, message: format!("the store answered: {error}"), source: Some(Box::new(error)) }
    }
}
