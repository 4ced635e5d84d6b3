//! What stands in a file that somebody named? All of it, when that is no more than it may be.

use crate::diagnostic::{Diagnostic, io};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of a head, a key, an argument: more than any of them has.
pub(crate) const SMALL: u64 = 1 << 20;
/// Bytes of a pin, a list of known hosts, figures: as many as memory is given for.
pub(crate) const LARGE: u64 = 64 << 20;

/// The bytes of a file; a device or a pipe is read no further than `limit`.
pub(crate) fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>, Diagnostic> {
    let file = File::open(path).map_err(|error| io("read", path, error))?;
    from(file, path, limit)
}

/// The bytes of what is open already.
pub(crate) fn from(file: impl Read, path: &Path, limit: u64) -> Result<Vec<u8>, Diagnostic> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| io("read", path, error))?;
    match u64::try_from(bytes.len()) {
        Ok(read) if read <= limit => Ok(bytes),
        _ => Err(Diagnostic::usage(format!("`{}` has over {limit} bytes", path.display()))
            .hint("name another file")),
    }
}

/// The text of a file.
pub(crate) fn text(path: &Path, limit: u64) -> Result<String, Diagnostic> {
    String::from_utf8(bytes(path, limit)?)
        .map_err(|_| Diagnostic::usage(format!("`{}` is not text in UTF-8", path.display())))
}
