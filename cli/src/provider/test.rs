//! Which values guard nothing? Private files of this machine and made-up ones; both at stage `test` alone. SPEC 16.

use super::{Config, Failure, LIMIT};
use chancery_ledger::format::encoding::base64_url;
use chancery_ledger::format::reference::Reference;
use chancery_ledger::store::read_private;
use chancery_ledger::{Code, Error};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where values of `test://` references come from.
#[derive(Debug)]
pub(crate) enum Values {
    /// Made from this seed and the name: every name has one.
    Seed(String),
    /// Lines `name=value` of a private file.
    File(PathBuf),
}

/// Reads a private file, told as a provider's failure.
fn private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_private(path, LIMIT).map_err(|error: Error| match error.code {
        Code::KeyFileMissing => Failure::Missing,
        Code::KeyFileReadable => Failure::Refused,
        Code::KeyFileInvalid => Failure::Malformed,
        _ => Failure::Unreachable,
    })
}

/// The content of a private file below the configured directory, without a line end at its end.
pub(super) fn local(reference: &Reference, config: &Config) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let directory = config.local.as_ref().ok_or(Failure::Disabled)?;
    let directory = directory.canonicalize().map_err(|_| Failure::Unreachable)?;
    let path = directory.join(reference.path()).canonicalize().map_err(|_| Failure::Missing)?;
    if !path.starts_with(&directory) {
        // A link that leads out of the directory is not what the reference says.
        return Err(Failure::Missing);
    }
    let mut bytes = private(&path)?;
    let end =
        bytes.strip_suffix(b"\n").map_or(bytes.len(), |line| line.strip_suffix(b"\r").unwrap_or(line).len());
    bytes.truncate(end);
    Ok(bytes)
}

/// The value of a `test://` reference.
pub(super) fn synthetic(reference: &Reference, config: &Config) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let name = reference.path();
    match config.test.as_ref().ok_or(Failure::Disabled)? {
        Values::Seed(seed) => {
            let digest = Sha256::new()
                .chain_update(b"chancery test provider\n")
                .chain_update(seed)
                .chain_update(b"\n")
                .chain_update(name)
                .finalize();
            Ok(Zeroizing::new(format!("test_{}", base64_url(&digest)).into_bytes()))
        }
        Values::File(path) => {
            let bytes = private(path)?;
            let value = bytes
                .split(|b| *b == b'\n')
                .find_map(|line| line.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")));
            value.map(|value| Zeroizing::new(value.to_vec())).ok_or(Failure::Missing)
        }
    }
}
