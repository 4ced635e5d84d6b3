//! What is appended? A governance event of about 400 bytes of JSON, the same for every peer.

use serde::{Deserialize, Serialize};

/// Host keys that events are spread over.
const HOSTS: u64 = 1000;

/// An observation of a host key: who saw what, where, when, and by which request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) scope: String,
    pub(crate) entity: String,
    pub(crate) actor: String,
    pub(crate) at: String,
    pub(crate) key: String,
    pub(crate) fingerprint: String,
    pub(crate) source: String,
    pub(crate) outcome: String,
    pub(crate) note: String,
}

impl Event {
    /// The `n`th event of a run.
    pub(crate) fn nth(n: u64) -> Self {
        let host = n % HOSTS;
        let mixed = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (minute, second, milli) = (n / 60_000 % 60, n / 1000 % 60, n % 1000);
        Self {
            kind: "host_key.observe".to_owned(),
            scope: "/acme".to_owned(),
            entity: format!("ssh-ed25519:host-{host}.example:22"),
            actor: "otto".to_owned(),
            at: format!("2026-01-01T00:{minute:02}:{second:02}.{milli:03}Z"),
            key: format!("{mixed:016x}{:016x}", mixed.rotate_left(17)),
            fingerprint: format!("SHA256:{:016x}{:027x}", mixed.rotate_left(31), host),
            source: "known_hosts".to_owned(),
            outcome: "recorded".to_owned(),
            note: "seen on the first connection of the morning, compared with the record of the month before"
                .to_owned(),
        }
    }

    /// Its JSON.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}
