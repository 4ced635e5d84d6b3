//! Which host keys does a known_hosts line, a keyscan, or a public key file name?

use chancery_ledger::format::encoding::{base64_unpadded, hex, unbase64};
use chancery_ledger::format::ids::Id;
use sha2::{Digest, Sha256};

/// A host key that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// `<algorithm>:<host>:<port>`
    pub(crate) id: String,
    /// `SHA256:…`
    pub(crate) fingerprint: String,
}

/// A line that names no key that can be observed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) line: usize,
    pub(crate) why: &'static str,
}

/// The fingerprint of a key in base64, when the blob says that it is of this algorithm.
pub(crate) fn fingerprint(algorithm: &str, key: &str) -> Option<String> {
    let blob = unbase64(key)?;
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    (rest.get(..length)? == algorithm.as_bytes())
        .then(|| format!("SHA256:{}", base64_unpadded(&Sha256::digest(&blob))))
}

/// Ids allow `[a-z0-9._:-]`; `@` of certificate algorithms does not occur in host keys that are observed.
fn id(algorithm: &str, host: &str, port: &str) -> Option<String> {
    let host = host.to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._:-".contains(c);
    let algorithm = algorithm.trim_start_matches("sk-").trim_end_matches("@openssh.com");
    let fits = !host.is_empty() && host.chars().all(plain) && algorithm.chars().all(plain);
    // What is longer than an id is no id: such a line is skipped like the others, and stops nothing.
    fits.then(|| format!("{algorithm}:{host}:{port}")).filter(|id| Id::parse(id).is_ok())
}

fn host_and_port(host: &str) -> Option<(String, String)> {
    if let Some(hashed) = host.strip_prefix("|1|") {
        // A hashed name: salt and HMAC. The HMAC is salted, so it stands for the host without naming it.
        let digest = unbase64(hashed.split('|').nth(1)?)?;
        return Some((format!("hashed-{}", hex(&digest)), "22".to_owned()));
    }
    match host.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once("]:")?;
            Some((host.to_owned(), port.to_owned()))
        }
        None => Some((host.to_owned(), "22".to_owned())),
    }
}

/// The keys that a text in known_hosts form names, and the lines that name none.
pub(crate) fn parse(text: &str) -> (Vec<Seen>, Vec<Skipped>) {
    let (mut seen, mut skipped) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut skip = |why| skipped.push(Skipped { line: number + 1, why });
        let mut words = line.split_whitespace();
        let Some(hosts) = words.next() else { continue };
        if hosts.starts_with('@') {
            skip("markers such as @cert-authority and @revoked name no observed key");
            continue;
        }
        let (Some(algorithm), Some(key)) = (words.next(), words.next()) else {
            skip("it has not the three fields host, algorithm, key");
            continue;
        };
        let Some(fingerprint) = fingerprint(algorithm, key) else {
            skip("its key is not base64 of a key of that algorithm");
            continue;
        };
        for host in hosts.split(',') {
            let id = host_and_port(host).and_then(|(host, port)| id(algorithm, &host, &port));
            match id {
                _ if host.contains(['*', '?', '!']) => skip("patterns name no host"),
                Some(id) => seen.push(Seen { id, fingerprint: fingerprint.clone() }),
                None => skip("its host is not a name or an address"),
            }
        }
    }
    (seen, skipped)
}
