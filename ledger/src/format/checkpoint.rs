//! What does a signed head say, and who signed it? C2SP checkpoints and signed notes. SPEC 7.

use super::encoding::{base64, unbase64};
use super::ids::Origin;
use super::key::{LogVerifier, PrivateKey, note_key_id};
use super::limits::{INT_MAX, NOTE_SIGNATURES};
use super::tree::Hash;

/// A head: size and root of the tree of one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose tree.
    pub origin: Origin,
    /// Number of leaves.
    pub size: u64,
    /// Root.
    pub root: Hash,
}

/// One signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The signer's name.
    pub name: String,
    /// The signer's key id.
    pub id: [u8; 4],
    /// The signature; 64 bytes for ed25519.
    pub bytes: Vec<u8>,
}

/// A checkpoint with its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The head.
    pub checkpoint: Checkpoint,
    /// Its signatures, in the order of their lines.
    pub signatures: Vec<NoteSignature>,
}

/// What a note's signature lines say to somebody who knows one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// The known key signed this head.
    Valid,
    /// A line claims the known key and its signature fails.
    Invalid,
    /// No line is by the known key.
    Unknown,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64(&self.root))
    }

    /// Signs the head with the log key: the only function in which that key signs.
    pub fn sign(self, key: &PrivateKey) -> Note {
        let bytes = key.sign(self.text().as_bytes()).to_vec();
        let id = note_key_id(self.origin.as_str(), &key.public().to_bytes());
        let name = self.origin.as_str().to_owned();
        Note { checkpoint: self, signatures: vec![NoteSignature { name, id, bytes }] }
    }
}

impl Note {
    /// The note of a head whose one signature is known, as the store keeps it.
    pub fn from_signature(checkpoint: Checkpoint, verifier: &LogVerifier, sig: [u8; 64]) -> Self {
        let name = verifier.origin.as_str().to_owned();
        let signature = NoteSignature { name, id: verifier.id(), bytes: sig.to_vec() };
        Self { checkpoint, signatures: vec![signature] }
    }

    /// The note's text.
    pub fn text(&self) -> String {
        let mut text = self.checkpoint.text();
        text.push('\n');
        for signature in &self.signatures {
            let mut blob = signature.id.to_vec();
            blob.extend_from_slice(&signature.bytes);
            text.push_str(&format!("\u{2014} {} {}\n", signature.name, base64(&blob)));
        }
        text
    }

    /// The note that `text` is, when it is in exactly the form that [`Self::text`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        if text.bytes().any(|b| b < 0x20 && b != b'\n') {
            return None;
        }
        let split = text.rfind("\n\n")?;
        let (head, lines) = (&text[..split + 1], &text[split + 2..]);
        let mut fields = head.split('\n');
        let origin = Origin::parse(fields.next()?).ok()?;
        let size: u64 = fields.next()?.parse().ok().filter(|s| *s <= INT_MAX.unsigned_abs())?;
        let root: Hash = unbase64(fields.next()?)?.try_into().ok()?;
        let mut signatures = Vec::new();
        for line in lines.strip_suffix('\n')?.split('\n') {
            let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
            let blob = unbase64(blob)?;
            let (id, bytes) = blob.split_first_chunk::<4>()?;
            let plain = !name.is_empty() && !name.contains('+') && !name.contains(char::is_whitespace);
            if !plain || bytes.is_empty() || signatures.len() == NOTE_SIGNATURES {
                return None;
            }
            signatures.push(NoteSignature { name: name.to_owned(), id: *id, bytes: bytes.to_vec() });
        }
        let note = Self { checkpoint: Checkpoint { origin, size, root }, signatures };
        (note.text() == text).then_some(note)
    }

    /// What the signatures say to somebody who knows `verifier`.
    pub fn signed_by(&self, verifier: &LogVerifier) -> Signed {
        let id = verifier.id();
        let mut known = self
            .signatures
            .iter()
            .filter(|s| s.id == id && s.name == verifier.origin.as_str())
            .map(|s| <[u8; 64]>::try_from(&s.bytes[..]).ok())
            .peekable();
        if known.peek().is_none() {
            return Signed::Unknown;
        }
        let text = self.checkpoint.text();
        let valid = |sig: Option<[u8; 64]>| sig.is_some_and(|s| verifier.key.verifies(text.as_bytes(), &s));
        if known.all(valid) { Signed::Valid } else { Signed::Invalid }
    }
}
