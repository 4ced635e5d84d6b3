//! Is this value only the place of a secret? References, names, masks and words of documentation are.

use super::names::is_secret;

/// Parts that only documentation and masks have, in lower case.
const PARTS: &[&str] =
    &["example", "changeme", "change_me", "change-me", "placeholder", "redacted", "masked", "replace"];

/// Values that are words and not secrets, in lower case; beginnings of such phrases end in `-`.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "your-", "some-", "required", "optional", "mandatory", "undefined", "disabled", "enabled", "unchanged",
    "rotated", "expired", "revoked", "invalid", "incorrect", "missing", "same-origin", "include", "string",
    "boolean", "username", "internal", "external", "generated", "encrypted", "unauthorized", "forbidden",
    "deprecated", "received", "accepted", "rejected", "malformed", "verified", "unverified", "supported",
    "unsupported", "provided", "available", "unavailable", "anonymous", "default", "unknown", "function",
];

/// Beginnings of what refers to a secret, or is public.
const PUBLIC: &[&str] = &[
    "b3:",
    "k:",
    "sha256:",
    "sha256-",
    "sha512:",
    "ssh-",
    "ecdsa-",
    "sk-ssh-",
    "age1",
    "-----begin",
    "env:",
    "ref:",
    "arn:",
    "secretref:",
    "keychain:",
    "enc[",
    "var.",
];

/// How many different bytes there are; those that are not ASCII count as the one that is 128 lower.
fn different(value: &[u8]) -> u32 {
    value.iter().fold(0u128, |seen, b| seen | 1 << (b & 127)).count_ones()
}

/// Whether the same byte stands six times in a row, as masks do.
fn masked(value: &[u8]) -> bool {
    value.windows(6).any(|six| six.iter().all(|b| *b == six[0]))
}

/// Whether there are as many different bytes as in what was drawn at random.
pub(super) fn varied(value: &[u8]) -> bool {
    different(value) >= 6
}

/// Whether nobody drew this: a mask, a row of the same, or the example of a manual.
pub(super) fn made_up(value: &[u8]) -> bool {
    !varied(value) || masked(value) || contains(value, "example")
}

/// Whether a value stands for a secret that is elsewhere, or for none.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    different(value) <= 2
        || masked(value)
        || marked(value)
        || PUBLIC.iter().any(|prefix| starts(value, prefix))
        || PARTS.iter().any(|part| contains(value, part))
        || WORDS.iter().any(|word| match word.strip_suffix('-') {
            Some(beginning) => starts(value, beginning),
            None => word.eq_ignore_ascii_case(trimmed(value)),
        })
        || is_reference(value)
}

fn trimmed(value: &[u8]) -> &str {
    let value = std::str::from_utf8(value).unwrap_or_default();
    value.trim_end_matches(['.', '!', '?', ',', ';', ')'])
}

fn starts(value: &[u8], prefix: &str) -> bool {
    value.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
}

pub(super) fn contains(value: &[u8], part: &str) -> bool {
    value.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// `<…>`, `{{…}}`, `${…}`, `$NAME`, `%NAME%`, `[…]`, `(…)`, `:name`, `***`.
fn marked(value: &[u8]) -> bool {
    let name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    match value {
        [b'<' | b'{' | b'[' | b'(' | b'*' | b'`', ..] | [b'$', b'{' | b'(', ..] | [b'%', b'(' | b'{', ..] => {
            true
        }
        [b'$' | b':', rest @ ..] | [b'%', rest @ .., b'%'] => rest.iter().all(name),
        _ => value.ends_with(b"***") || value.ends_with(b"...") || value.ends_with("…".as_bytes()),
    }
}

/// Names of variables, members, files, calls and places, in which there is no secret.
fn is_reference(value: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| value.iter().any(kind);
    let digits = has(u8::is_ascii_digit);
    let name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let environment = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_';
    let letter = value.first().is_some_and(u8::is_ascii_alphabetic);
    // DB_PASSWORD
    (letter && value.contains(&b'_') && value.iter().all(environment))
        // vault://mount/path#field; a URL with a password in it is found by that
        || value.windows(3).any(|window| window == b"://")
        // config.token, getenv("TOKEN"), accessToken
        || (letter && !digits && value.contains(&b'.') && value.iter().all(|b| name(b) || *b == b'.'))
        || (letter && value.iter().position(|b| *b == b'(').is_some_and(|at| {
            value[..at].iter().all(|b| name(b) || matches!(b, b'.' | b':'))
        }))
        || (!digits && is_secret(value))
        // ./token, run/secrets/db, server.key
        || starts(value, "./") || starts(value, "../") || starts(value, "~/")
        || (!has(u8::is_ascii_uppercase) && value.iter().filter(|b| **b == b'/').count() > 1)
        || is_file(value)
}

fn is_file(value: &[u8]) -> bool {
    let Some(dot) = value.iter().rposition(|b| *b == b'.') else { return false };
    let (stem, end) = (&value[..dot], &value[dot + 1..]);
    (2..=4).contains(&end.len())
        && end.iter().all(u8::is_ascii_lowercase)
        && stem.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/'))
}
