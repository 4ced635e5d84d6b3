//! Who can sign, and is a signature valid? ed25519, strict verification only; seeds leave memory. SPEC 5.

use super::encoding::{base64, hex, unbase64, unhex};
use super::hash::{Context, KEY};
use super::ids::{KeyId, Origin, PrincipalId};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// Type byte of an ed25519 key in a C2SP note.
const ED25519: u8 = 1;

/// A public key that strict verification can work with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key of these bytes; `None` when they are no canonical point, or one of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(bytes).ok()?;
        (!key.is_weak() && is_canonical_point(bytes)).then_some(Self(key))
    }

    /// The 32 bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Base64 of the 32 bytes.
    pub fn to_base64(self) -> String {
        base64(self.0.as_bytes())
    }

    /// The key that [`Self::to_base64`] printed.
    pub fn from_base64(text: &str) -> Option<Self> {
        Self::from_bytes(&unbase64(text)?.try_into().ok()?)
    }

    /// The key id.
    pub fn id(self) -> KeyId {
        let mut id = [0; 16];
        id.copy_from_slice(&KEY.digest(self.0.as_bytes()).0[..16]);
        KeyId(id)
    }

    /// True when strict verification accepts.
    pub fn verifies(self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }

    /// True when the point has no torsion component: required at enrolment.
    pub fn is_torsion_free(self) -> bool {
        curve25519_dalek::edwards::CompressedEdwardsY(self.to_bytes())
            .decompress()
            .is_some_and(|point| point.is_torsion_free())
    }
}

/// True when `bytes` are the one encoding that their point has.
fn is_canonical_point(bytes: &[u8; 32]) -> bool {
    curve25519_dalek::edwards::CompressedEdwardsY(*bytes)
        .decompress()
        .is_some_and(|point| point.compress().to_bytes() == *bytes)
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_base64(&text).ok_or_else(|| serde::de::Error::custom("not an ed25519 public key"))
    }
}

/// A private key; its seed is wiped when it is dropped and never printed.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// The key of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Its public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// A key for another use, derived from the seed.
    pub(crate) fn derived(&self, context: &Context) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(context.digest(&*self.seed()).0)
    }

    /// Its seed.
    pub(crate) fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {})", self.public().id())
    }
}

/// The log's public key with its name: what an auditor pins.
#[derive(Clone, PartialEq, Eq)]
pub struct LogVerifier {
    /// The origin, which is the key's name.
    pub origin: Origin,
    /// The public key.
    pub key: PublicKey,
}

/// First four bytes of SHA-256(name, LF, type, public key).
pub(crate) fn note_key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(name.as_bytes())
        .chain_update([b'\n', ED25519])
        .chain_update(public)
        .finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

impl LogVerifier {
    /// The key id in signature lines.
    pub fn id(&self) -> [u8; 4] {
        note_key_id(self.origin.as_str(), &self.key.to_bytes())
    }

    /// The verifier that a `name+id+key` line names.
    pub fn parse(vkey: &str) -> Option<Self> {
        let mut parts = vkey.splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = unbase64(key)?;
        let public: [u8; 32] = bytes.strip_prefix(&[ED25519])?.try_into().ok()?;
        let verifier = Self { origin: Origin::parse(name).ok()?, key: PublicKey::from_bytes(&public)? };
        (unhex::<4>(id)? == verifier.id()).then_some(verifier)
    }
}

impl fmt::Display for LogVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend_from_slice(&self.key.to_bytes());
        write!(f, "{}+{}+{}", self.origin, hex(&self.id()), base64(&key))
    }
}

impl fmt::Debug for LogVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const LOG_FILE: &str = "PRIVATE+KEY+";
const AUTHOR_FILE: &str = "CHANCERY+AUTHOR+KEY+";

/// The line that a log's key file holds.
pub fn log_key_file(origin: &Origin, seed: &[u8; 32]) -> Zeroizing<String> {
    let public = PrivateKey::from_seed(seed).public().to_bytes();
    let mut key = Zeroizing::new(vec![ED25519]);
    key.extend_from_slice(seed);
    let id = hex(&note_key_id(origin.as_str(), &public));
    Zeroizing::new(format!("{LOG_FILE}{origin}+{id}+{}\n", base64(&key)))
}

/// The origin and key that a log's key file holds.
pub fn parse_log_key_file(text: &str) -> Option<(Origin, PrivateKey)> {
    let mut parts = text.strip_suffix('\n')?.strip_prefix(LOG_FILE)?.splitn(3, '+');
    let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = Zeroizing::new(unbase64(key)?);
    let seed = Zeroizing::new(<[u8; 32]>::try_from(bytes.strip_prefix(&[ED25519])?).ok()?);
    let private = PrivateKey::from_seed(&seed);
    let origin = Origin::parse(name).ok()?;
    (unhex::<4>(id)? == note_key_id(name, &private.public().to_bytes())).then_some((origin, private))
}

/// The line that an author's key file holds.
pub fn author_key_file(principal: &PrincipalId, seed: &[u8; 32]) -> Zeroizing<String> {
    let id = PrivateKey::from_seed(seed).public().id().entity();
    Zeroizing::new(format!("{AUTHOR_FILE}{principal}+{id}+{}\n", base64(seed)))
}

/// The principal and key that an author's key file holds.
pub fn parse_author_key_file(text: &str) -> Option<(PrincipalId, PrivateKey)> {
    let mut parts = text.strip_suffix('\n')?.strip_prefix(AUTHOR_FILE)?.splitn(3, '+');
    let (name, id, seed) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = Zeroizing::new(unbase64(seed)?);
    let private = PrivateKey::from_seed(&Zeroizing::new(<[u8; 32]>::try_from(&bytes[..]).ok()?));
    (private.public().id().entity() == id).then_some((PrincipalId::parse(name).ok()?, private))
}
