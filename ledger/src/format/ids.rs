//! Which names may things have? One type per kind of name; each refuses text outside its grammar. SPEC 6.

use super::encoding::{hex, unhex};
use super::limits::{ID, SCOPE_SEGMENTS};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Text that does not match the grammar of the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {grammar}")]
pub struct NameError {
    /// What was given.
    pub text: String,
    /// The grammar in words.
    pub grammar: &'static str,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $check:path, $grammar:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name that `text` is, when it matches the grammar.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                if $check(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(NameError { text: text.to_owned(), grammar: $grammar })
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

names! {
    /// The id of an entity.
    Id: is_id, "an id: [a-z0-9][a-z0-9._:-]{0,127}";
    /// The id of a principal.
    PrincipalId: is_id, "a principal's id: [a-z0-9][a-z0-9._:-]{0,127}";
    /// A scope: `/`, or one to five segments.
    Scope: is_scope, "a scope: `/`, or up to five segments `/[a-z0-9][a-z0-9-]{0,62}`";
    /// The name of a log without its epoch.
    LogName: is_log_name, "a ledger's name: [a-z0-9][a-z0-9.-]{0,99}";
    /// The name and epoch of a log.
    Origin: is_origin, "an origin: `<name>/e<epoch>`";
    /// An idempotency key.
    IdempotencyKey: is_idempotency_key, "an idempotency key: 16 to 128 of [A-Za-z0-9._:-]";
    /// A fingerprint of a host key, as OpenSSH prints it.
    Fingerprint: is_fingerprint, "a fingerprint: `SHA256:` and 43 characters of base64";
    /// Where a credential lies; `format::reference` has its parts.
    Reference: super::reference::is_reference, "a credential reference: `vault://mount/path#field`, or a scheme, `://` and segments [a-z0-9._-]";
}

fn tail(text: &str, max: usize, more: &[u8]) -> bool {
    let Some((first, rest)) = text.as_bytes().split_first() else { return false };
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    plain(first) && rest.len() < max && rest.iter().all(|b| plain(b) || more.contains(b))
}

pub(crate) fn is_id(text: &str) -> bool {
    tail(text, ID, b"._:-")
}

fn is_segment(text: &str) -> bool {
    tail(text, 63, b"-")
}

pub(crate) fn is_scope(text: &str) -> bool {
    match text.strip_prefix('/') {
        Some("") => true,
        Some(path) => path.split('/').count() <= SCOPE_SEGMENTS && path.split('/').all(is_segment),
        None => false,
    }
}

fn is_log_name(text: &str) -> bool {
    tail(text, 100, b".-")
}

pub(crate) fn is_origin(text: &str) -> bool {
    split_origin(text).is_some()
}

fn split_origin(text: &str) -> Option<(&str, u32)> {
    let (name, epoch) = text.split_once("/e")?;
    let plain = !epoch.starts_with('0') && (1..=9).contains(&epoch.len());
    (is_log_name(name) && plain && epoch.bytes().all(|b| b.is_ascii_digit()))
        .then(|| Some((name, epoch.parse().ok()?)))?
}

fn is_idempotency_key(text: &str) -> bool {
    use super::limits::{IDEMPOTENCY_KEY_MAX as MAX, IDEMPOTENCY_KEY_MIN as MIN};
    (MIN..=MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

fn is_fingerprint(text: &str) -> bool {
    text.strip_prefix("SHA256:")
        .filter(|digest| digest.len() == 43)
        .and_then(super::encoding::unbase64_unpadded)
        .is_some_and(|bytes| bytes.len() == 32)
}

/// True for an entity kind or principal kind.
pub(crate) fn is_word(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// True for `<domain>.<verb>`, of at most 64 bytes.
pub(crate) fn is_dotted(text: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    text.len() <= 64 && text.split_once('.').is_some_and(|(domain, verb)| word(domain) && word(verb))
}

impl Scope {
    /// The scope that contains all others.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// True for the scope that contains all others.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// Number of segments, 0 for the root.
    pub fn segments(&self) -> usize {
        self.0.split('/').filter(|segment| !segment.is_empty()).count()
    }

    /// The scope one segment up; the root has none.
    pub fn parent(&self) -> Option<Self> {
        let (above, last) = self.0.rsplit_once('/')?;
        (!last.is_empty()).then(|| Self(if above.is_empty() { "/" } else { above }.to_owned()))
    }

    /// The scope one segment down, when that is a scope.
    pub fn child(&self, segment: &str) -> Option<Self> {
        let base = if self.0 == "/" { "" } else { &self.0 };
        Self::parse(&format!("{base}/{segment}")).ok()
    }

    /// True when `other` is this scope or lies within it, at a segment boundary.
    pub fn contains(&self, other: &Self) -> bool {
        self.0 == "/"
            || other.0.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The scope and those above it, from `/` down, as text.
    pub(crate) fn levels(&self) -> impl Iterator<Item = &str> {
        let ends = self.0.match_indices('/').skip(1).map(|(end, _)| end);
        let own = (!self.is_root()).then_some(self.0.len());
        std::iter::once("/").chain(ends.chain(own).filter_map(|end| self.0.get(..end)))
    }

    /// The scope cut to two segments: whose count an entry runs in.
    pub fn counting(&self) -> &str {
        counting(&self.0)
    }
}

/// The counting scope of a scope's text.
pub(crate) fn counting(scope: &str) -> &str {
    match scope.match_indices('/').nth(2) {
        Some((end, _)) => &scope[..end],
        None => scope,
    }
}

impl Origin {
    /// The origin of `name` in `epoch`.
    pub fn new(name: &LogName, epoch: u32) -> Self {
        Self(format!("{name}/e{}", epoch.max(1)))
    }

    /// The name without the epoch.
    pub fn name(&self) -> &str {
        split_origin(&self.0).map_or("", |(name, _)| name)
    }

    /// The epoch, from 1.
    pub fn epoch(&self) -> u32 {
        split_origin(&self.0).map_or(0, |(_, epoch)| epoch)
    }
}

/// The id of an author key: `k:` and 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

impl KeyId {
    /// The key id that `text` writes.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text.strip_prefix("k:")?).map(Self)
    }

    /// The key id of an entity's id: hex without `k:`.
    pub fn from_entity(id: &str) -> Option<Self> {
        unhex(id).map(Self)
    }

    /// The id of the key as an entity: its hex without `k:`.
    pub fn entity(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k:{}", hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a key id `k:` + 32 hex"))
    }
}
