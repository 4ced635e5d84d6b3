//! Which names are of secrets? Their endings, after case and separators are taken away.

/// Endings of names whose value is secret.
const ENDINGS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "secretkey",
    "privatekey",
    "presharedkey",
    "accesskey",
    "accountkey",
    "encryptionkey",
    "masterkey",
    "authkey",
    "sharedkey",
    "credential",
    "credentials",
    "token",
];

/// Before `token`: what makes it a cursor, a handle or a unit of text.
const CURSORS: &[&str] = &[
    "page",
    "next",
    "previous",
    "prev",
    "continuation",
    "progress",
    "cancellation",
    "cancel",
    "sync",
    "csrf",
    "xsrf",
    "delta",
    "skip",
    "pagination",
    "resume",
    "cursor",
    "change",
    "idempotency",
    "fencing",
    "start",
    "stop",
    "bos",
    "eos",
    "pad",
    "unk",
    "mask",
    "special",
    "max",
    "per",
];

/// The end of a name, in lower case and without `_`, `-`, `.`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain {
    bytes: [u8; 48],
    from: usize,
}

impl Plain {
    /// Of a name as it stands.
    pub(super) fn of(name: &[u8]) -> Self {
        let mut plain = Self { bytes: [0; 48], from: 48 };
        for b in name.iter().rev().filter(|b| !matches!(b, b'_' | b'-' | b'.')) {
            if plain.from == 0 {
                break;
            }
            plain.from -= 1;
            plain.bytes[plain.from] = b.to_ascii_lowercase();
        }
        plain
    }

    /// What is left of it.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    /// Whether it ends so.
    pub(super) fn ends(&self, ending: &str) -> bool {
        self.as_bytes().ends_with(ending.as_bytes())
    }
}

/// Whether a value under this name is a secret.
pub(super) fn is_secret(name: &[u8]) -> bool {
    let plain = Plain::of(name);
    let Some(ending) = ENDINGS.iter().find(|ending| plain.ends(ending)) else { return false };
    let before = plain.as_bytes().strip_suffix(ending.as_bytes()).unwrap_or_default();
    *ending != "token" || !CURSORS.iter().any(|cursor| before.ends_with(cursor.as_bytes()))
}
