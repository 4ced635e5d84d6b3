//! Which digest stands for what? BLAKE3 with one named context per use. SPEC 4.

use super::encoding::{hex, unhex};
use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::LazyLock;

/// A use of the hash; each has a context string of its own.
#[derive(Debug)]
pub struct Context {
    name: &'static str,
    key: LazyLock<ContextKey>,
}

macro_rules! contexts {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub static $name: Context =
            Context { name: $text, key: LazyLock::new(|| hash_derive_key_context($text)) };)*
        /// Every context, for the test that holds SPEC 4 and this file equal.
        pub static CONTEXTS: &[&Context] = &[$(&$name),*];
    };
}

contexts! {
    /// Leaf bytes: the content address.
    ENTRY = "chancery 2026 entry";
    /// Salt and private part.
    PRIVATE = "chancery 2026 private";
    /// Salt and arguments.
    ARGS = "chancery 2026 args";
    /// A scoped idempotency key.
    IDEMPOTENCY = "chancery 2026 idempotency";
    /// A public key: the key id.
    KEY = "chancery 2026 key";
    /// A token's secret.
    TOKEN = "chancery 2026 token";
    /// A snapshot file.
    SNAPSHOT = "chancery 2026 snapshot";
    /// An export before its trailer.
    EXPORT = "chancery 2026 export";
    /// The text of an anchor's slot.
    ANCHOR = "chancery 2026 anchor";
    /// The seed of a log key: the key of the mark of a commit.
    TAIL = "chancery 2026 tail";
    /// The rows of a view.
    VIEW = "chancery 2026 view";
    /// What a page of rows, or an unchanged answer, is recognised by.
    PAGE = "chancery 2026 page";
    /// What makes an item of a queue the same item.
    ITEM = "chancery 2026 item";
}

impl Context {
    /// The context string.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A hasher for input that comes in pieces.
    pub fn hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_from_context_key(&self.key)
    }

    /// The digest of `bytes`.
    pub fn digest(&self, bytes: &[u8]) -> Digest {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        Digest(*hasher.finalize().as_bytes())
    }

    /// The commitment to `bytes` under `salt`.
    pub fn commit(&self, salt: &[u8; 32], bytes: &[u8]) -> Digest {
        let mut hasher = self.hasher();
        hasher.update(salt);
        hasher.update(bytes);
        Digest(*hasher.finalize().as_bytes())
    }
}

/// A BLAKE3 digest, written `b3:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What stands for the entry before the first one.
    pub const ZERO: Self = Self([0; 32]);

    /// The digest that `text` writes.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text.strip_prefix("b3:")?).map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b3:{}", hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0u8; 67];
        text[..3].copy_from_slice(b"b3:");
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for (pair, b) in text[3..].chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(b >> 4)];
            pair[1] = DIGITS[usize::from(b & 15)];
        }
        serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a digest `b3:` + 64 hex"))
    }
}
