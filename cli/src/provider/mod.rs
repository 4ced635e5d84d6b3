//! Who turns a reference into material, and what becomes of the material? One seam: resolved here, handed on once, wiped.

mod config;
mod test;
mod vault;

pub(crate) use config::Config;

use chancery_ledger::domains::ledger::Stage;
pub(crate) use chancery_ledger::format::reference::ProviderKind;
use chancery_ledger::format::reference::Reference;
use std::fmt;
use zeroize::Zeroizing;

/// Bytes that a provider may answer with.
pub(crate) const LIMIT: usize = 65_536;

/// A secret on its way from a provider to whoever leased it. It is wiped when dropped; it cannot be copied, printed or
/// serialised.
pub(crate) struct Material(Zeroizing<Vec<u8>>);

impl Material {
    /// Takes the bytes over; `None` when there are none.
    fn new(bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        (!bytes.is_empty()).then_some(Self(bytes))
    }

    /// The bytes, for fingerprints and for the one hand-over.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// About how long it is: what a person may be told.
    pub(crate) fn length(&self) -> &'static str {
        match self.0.len() {
            0..=7 => "1 to 7 bytes",
            8..=15 => "8 to 15 bytes",
            16..=31 => "16 to 31 bytes",
            32..=63 => "32 to 63 bytes",
            64..=255 => "64 to 255 bytes",
            256..=4096 => "256 to 4096 bytes",
            _ => "over 4096 bytes",
        }
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Material")
    }
}

/// Does not compile when `Material` can be cloned, displayed or serialised: then more than one `Only` fits.
const _: fn() = || {
    trait Only<Because> {
        fn one() {}
    }
    struct Cloned;
    struct Displayed;
    struct Serialised;
    impl<T: ?Sized> Only<()> for T {}
    impl<T: Clone> Only<Cloned> for T {}
    impl<T: fmt::Display + ?Sized> Only<Displayed> for T {}
    impl<T: serde::Serialize + ?Sized> Only<Serialised> for T {}
    <Material as Only<_>>::one();
};

/// Why a reference did not resolve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The configuration does not enable the provider.
    Disabled,
    /// There is nothing under the reference.
    Missing,
    /// Nothing could resolve it.
    Unsupported,
    /// The provider guards nothing, and this is not stage `test`.
    ProductionLocal,
    /// This build does not speak to the provider.
    NotImplemented,
    /// The provider does not answer.
    Unreachable,
    /// The provider says no.
    Refused,
    /// The provider's answer is not understood.
    Malformed,
}

impl Failure {
    /// The stable name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Missing => "missing",
            Self::Unsupported => "unsupported",
            Self::ProductionLocal => "production_local",
            Self::NotImplemented => "not_implemented",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
        }
    }

    /// What happened, to a person.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Disabled => "the provider is not in `enabled` of the configuration",
            Self::Missing => "the provider has nothing under this reference",
            Self::Unsupported => "a stub stands for a credential and never resolves",
            Self::ProductionLocal => "the provider guards nothing: it serves stage `test` only",
            Self::NotImplemented => "this build does not speak to this provider",
            Self::Unreachable => "the provider did not answer in time, or answered that it cannot serve",
            Self::Refused => {
                "the provider does not take our token, or the file that holds the value is open to others"
            }
            Self::Malformed => "the provider's answer is not of the form that it should have",
        }
    }
}

/// Resolves a reference. Checks stand in this order: enabled, stage, what the build can do, what the provider says.
pub(crate) fn resolve(reference: &Reference, stage: Stage, config: &Config) -> Result<Material, Failure> {
    let kind = reference.provider();
    if !config.enabled.contains(&kind) {
        return Err(Failure::Disabled);
    }
    let unguarded = matches!(kind, ProviderKind::LocalDevelopment | ProviderKind::Test);
    if unguarded && stage != Stage::Test {
        return Err(Failure::ProductionLocal);
    }
    let bytes = match kind {
        ProviderKind::LocalDevelopment => test::local(reference, config),
        ProviderKind::Test => test::synthetic(reference, config),
        ProviderKind::Vault => vault::read(reference, config),
        ProviderKind::Kms | ProviderKind::Managed | ProviderKind::Broker => Err(Failure::NotImplemented),
        ProviderKind::Stub => Err(Failure::Unsupported),
    }?;
    Material::new(bytes).ok_or(Failure::Missing)
}
