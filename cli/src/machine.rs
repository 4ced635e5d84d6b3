//! Which SSH host keys does this machine show? Asked of the machine itself, and said where the answer is from.

use crate::known_hosts::{Seen, fingerprint, parse};
use std::path::Path;
use std::process::{Command, Stdio};

/// Keys that a demo looks at, at most.
const MOST: usize = 6;

/// What was found, and where.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) keys: Vec<Seen>,
    /// `source` of the observations.
    pub(crate) source: &'static str,
    /// Where from, for people.
    pub(crate) place: String,
}

/// Asks the SSH server of this machine, if there is one.
fn keyscan() -> Option<Found> {
    let scan = Command::new("ssh-keyscan")
        .args(["-T", "2", "127.0.0.1"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    found(&String::from_utf8_lossy(&scan.stdout), "ssh_keyscan", "ssh-keyscan 127.0.0.1".to_owned())
}

fn known_hosts() -> Option<Found> {
    let home = std::env::var_os("HOME")?;
    let files = [Path::new(&home).join(".ssh/known_hosts"), Path::new("/etc/ssh/ssh_known_hosts").to_owned()];
    files.iter().find_map(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        found(&text, "known_hosts", path.display().to_string())
    })
}

fn found(text: &str, source: &'static str, place: String) -> Option<Found> {
    let (mut keys, _) = parse(text);
    // One key of a name: another line of the same name is another host's, or an older key.
    let mut names = std::collections::BTreeSet::new();
    keys.retain(|key| names.insert(key.id.clone()));
    keys.truncate(MOST);
    (!keys.is_empty()).then_some(Found { keys, source, place })
}

fn public_key_files() -> Option<Found> {
    let mut paths: Vec<_> = std::fs::read_dir("/etc/ssh").ok()?.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let key = |path: &std::path::PathBuf| {
        let name = path.file_name()?.to_str()?;
        if !(name.starts_with("ssh_host_") && name.ends_with(".pub")) {
            return None;
        }
        let text = std::fs::read_to_string(path).ok()?;
        let mut words = text.split_whitespace();
        let (algorithm, key) = (words.next()?, words.next()?);
        let fingerprint = fingerprint(algorithm, key)?;
        Some(Seen { id: format!("{algorithm}:localhost:22"), fingerprint })
    };
    let keys: Vec<Seen> = paths.iter().filter_map(key).take(MOST).collect();
    (!keys.is_empty()).then(|| Found {
        keys,
        source: "host_public_key",
        place: "/etc/ssh/ssh_host_*_key.pub".to_owned(),
    })
}

/// A key that stands for none of this machine: the demo says so wherever it shows it.
pub(crate) fn generated(public: &[u8; 32]) -> Seen {
    use chancery_ledger::format::encoding::base64;
    let mut blob = Vec::new();
    for part in [&b"ssh-ed25519"[..], &public[..]] {
        blob.extend_from_slice(&u32::try_from(part.len()).unwrap_or(0).to_be_bytes());
        blob.extend_from_slice(part);
    }
    let fingerprint = fingerprint("ssh-ed25519", &base64(&blob)).unwrap_or_default();
    Seen { id: "ssh-ed25519:generated.example:22".to_owned(), fingerprint }
}

/// The host keys of this machine, or a generated one that is labelled so.
pub(crate) fn host_keys(spare: &[u8; 32]) -> Found {
    keyscan().or_else(public_key_files).or_else(known_hosts).unwrap_or_else(|| Found {
        keys: vec![generated(spare)],
        source: "generated",
        place: "none was found, so one is generated".to_owned(),
    })
}
