//! Where does a credential lie? A reference names it and its provider, and never holds anything of it. SPEC 6.
//!
//! ```text
//! <scheme>://<segment>[/<segment>]...[#<field>]       vault://kv/build/registry#password
//! ```
//!
//! A segment and a field are of `[a-z0-9._-]`, are not `.`, and have no `..`. Only `vault` has a field, always; its first
//! segment is the mount, and at least one follows. At most 200 bytes.

pub use super::ids::Reference;
use super::limits::REFERENCE;
use serde::{Deserialize, Serialize};

/// What resolves references of one scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// Private files of this machine; for trying things out.
    LocalDevelopment,
    /// A Vault, key-value store of version 2.
    Vault,
    /// A key management service.
    Kms,
    /// A secret manager of a cloud.
    Managed,
    /// A broker that makes credentials on demand.
    Broker,
    /// Stands for a credential that nobody resolves.
    Stub,
    /// Synthetic values for tests.
    Test,
}

impl ProviderKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::LocalDevelopment, Self::Vault, Self::Kms, Self::Managed, Self::Broker, Self::Stub, Self::Test];

    /// The word for it in answers and entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LocalDevelopment => "local_development",
            _ => self.scheme(),
        }
    }

    /// The scheme of its references.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::LocalDevelopment => "local",
            Self::Vault => "vault",
            Self::Kms => "kms",
            Self::Managed => "managed",
            Self::Broker => "broker",
            Self::Stub => "stub",
            Self::Test => "test",
        }
    }

    /// The kind whose references have this scheme.
    pub fn of_scheme(scheme: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.scheme() == scheme)
    }
}

impl std::fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(super) fn is_reference(text: &str) -> bool {
    text.len() <= REFERENCE && split(text).is_some()
}

fn is_segment(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    !text.is_empty() && text != "." && !text.contains("..") && text.bytes().all(plain)
}

/// Kind, path and field.
fn split(text: &str) -> Option<(ProviderKind, &str, Option<&str>)> {
    let (scheme, rest) = text.split_once("://")?;
    let kind = ProviderKind::of_scheme(scheme)?;
    let (path, field) = match rest.split_once('#') {
        Some((path, field)) => (path, Some(field)),
        None => (rest, None),
    };
    let fits = match kind {
        ProviderKind::Vault => field.is_some_and(is_segment) && path.contains('/'),
        _ => field.is_none(),
    };
    (fits && path.split('/').all(is_segment)).then_some((kind, path, field))
}

impl Reference {
    /// What resolves it.
    pub fn provider(&self) -> ProviderKind {
        // Parsing let nothing else through.
        split(self.as_str()).map_or(ProviderKind::Stub, |(kind, ..)| kind)
    }

    /// The segments between scheme and field.
    pub fn path(&self) -> &str {
        split(self.as_str()).map_or("", |(_, path, _)| path)
    }

    /// The field, which references to a Vault have.
    pub fn field(&self) -> Option<&str> {
        split(self.as_str()).and_then(|(.., field)| field)
    }
}
