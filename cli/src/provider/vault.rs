//! What does a Vault hold under a reference? One bounded GET of its key-value store of version 2. SPEC 16.
//!
//! Plain HTTP: a Vault elsewhere is reached through an agent on this machine, which speaks TLS. No redirect is followed,
//! since the token would go along, and no proxy is taken from the environment. What the HTTP client keeps in buffers of
//! its own is not wiped.

use super::{Config, Failure, LIMIT};
use chancery_ledger::format::reference::Reference;
use chancery_ledger::store::read_secret;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(1);

/// Where the Vault listens, and what it is asked with.
#[derive(Debug)]
pub(crate) struct Vault {
    pub(crate) address: String,
    pub(crate) token_file: PathBuf,
    pub(crate) timeout: Duration,
}

/// What a Vault answers; members that are not named are passed over.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Option<Version<'a>>,
}

#[derive(Deserialize)]
struct Version<'a> {
    /// `null` when the version was deleted.
    #[serde(borrow)]
    data: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
}

/// The value of a `vault://` reference.
pub(super) fn read(reference: &Reference, config: &Config) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let vault = config.vault.as_ref().ok_or(Failure::Disabled)?;
    let (mount, path) = reference.path().split_once('/').ok_or(Failure::Missing)?;
    let field = reference.field().ok_or(Failure::Missing)?;
    // Read each time: an agent writes a new one before the old one ends.
    let token = read_secret(&vault.token_file).map_err(|_| Failure::Refused)?;
    let token = token.trim_ascii();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Failure::Refused);
    }
    let body = get(vault, &format!("{}/v1/{mount}/data/{path}", vault.address), token)?;
    let answer: Answer<'_> = serde_json::from_slice(&body).map_err(|_| Failure::Malformed)?;
    let fields = answer.data.and_then(|version| version.data).ok_or(Failure::Missing)?;
    let value = fields.get(field).ok_or(Failure::Missing)?;
    let value: Zeroizing<String> =
        serde_json::from_str(value.get()).map(Zeroizing::new).map_err(|_| Failure::Malformed)?;
    Ok(Zeroizing::new(value.as_bytes().to_vec()))
}

fn get(vault: &Vault, url: &str, token: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let agent = ureq::Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .timeout_connect(Some(vault.timeout.min(CONNECT)))
        .timeout_global(Some(vault.timeout))
        .build()
        .new_agent();
    // The second header is what an agent that fronts a Vault asks for against forged requests.
    let asked = agent.get(url).header("X-Vault-Token", token).header("X-Vault-Request", "true").call();
    let mut response = asked.map_err(|error| failure(&error))?;
    match response.status().as_u16() {
        200 => {}
        404 => return Err(Failure::Missing),
        401 | 403 => return Err(Failure::Refused),
        429 | 500..600 => return Err(Failure::Unreachable),
        _ => return Err(Failure::Malformed),
    }
    // Room for all of it at once: bytes that a growing buffer leaves behind are not wiped.
    let mut body = Zeroizing::new(Vec::with_capacity(LIMIT + 64));
    let mut reader = response.body_mut().as_reader().take(LIMIT as u64 + 1);
    reader.read_to_end(&mut body).map_err(|error| failure(&error.into()))?;
    if body.len() > LIMIT { Err(Failure::Malformed) } else { Ok(body) }
}

fn failure(error: &ureq::Error) -> Failure {
    match error {
        ureq::Error::Io(_)
        | ureq::Error::Timeout(_)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed => Failure::Unreachable,
        _ => Failure::Malformed,
    }
}
