//! What does a line of an export say? SPEC 12.

use super::check::is_canonical;
use super::hash::Digest;
use super::ids::Origin;
use super::strict;
use super::tree::Hash;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The version line that this build writes and reads.
pub const VERSION: &str = "chancery/v0";

/// First line: what follows, and where it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version.
    pub export: String,
    /// First position.
    pub from: u64,
    /// Roots of the perfect subtrees before it.
    pub frontier: Vec<HexHash>,
    /// Whose entries.
    pub origin: Origin,
    /// Whether private parts follow.
    pub parts: bool,
    /// Position after the last.
    pub to: u64,
}

/// A tree hash in hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HexHash(pub Hash);

impl Serialize for HexHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::encoding::hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for HexHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        super::encoding::unhex(&text).map(Self).ok_or_else(|| serde::de::Error::custom("not 64 hex"))
    }
}

/// A line with an entry; `P` is the text of a part's value.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryLine<'a, P> {
    /// The arguments.
    #[serde(
        borrow,
        skip_serializing_if = "Option::is_none",
        default = "Option::default",
        deserialize_with = "strict::some_object",
        bound(deserialize = "P: Deserialize<'de>")
    )]
    pub args: Option<Part<'a, P>>,
    /// Base64 of the leaf.
    #[serde(borrow)]
    pub leaf: Cow<'a, str>,
    /// The private part.
    #[serde(
        borrow,
        skip_serializing_if = "Option::is_none",
        default = "Option::default",
        deserialize_with = "strict::some_object",
        bound(deserialize = "P: Deserialize<'de>")
    )]
    pub private: Option<Part<'a, P>>,
}

/// A part with the salt of its commitment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part<'a, P> {
    /// 64 hex digits.
    pub salt: &'a str,
    /// The value, as canonical text.
    pub value: P,
}

/// A line with a head in short form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head<'a> {
    /// Base64 of the signature.
    pub sig: &'a str,
    /// Size of the tree it signs.
    pub size: u64,
}

/// The last line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Digest of all bytes before this line.
    pub digest: Digest,
    /// Number of entry lines.
    pub entries: u64,
}

/// `{"head":…}`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadLine<'a> {
    /// The head.
    #[serde(borrow, deserialize_with = "strict::object")]
    pub head: Head<'a>,
}

/// `{"checkpoint":…}`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointLine {
    /// The note, verbatim.
    pub checkpoint: String,
}

/// `{"end":…}`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndLine {
    /// The trailer.
    #[serde(deserialize_with = "strict::object")]
    pub end: End,
}

/// A line of an export after its header.
#[derive(Debug)]
pub enum Line<'a> {
    /// An entry.
    Entry(EntryLine<'a, &'a RawValue>),
    /// A head in short form.
    Head(Head<'a>),
    /// The newest head in full.
    Checkpoint(String),
    /// The trailer.
    End(End),
}

/// Reads a line without its LF; `None` when it is in no known form.
pub fn read_line(line: &[u8]) -> Option<Line<'_>> {
    if !is_canonical(line) {
        return None;
    }
    match line {
        [b'{', b'"', b'h', ..] => strict::from_slice::<HeadLine<'_>>(line).ok().map(|l| Line::Head(l.head)),
        [b'{', b'"', b'c', ..] => {
            strict::from_slice::<CheckpointLine>(line).ok().map(|l| Line::Checkpoint(l.checkpoint))
        }
        [b'{', b'"', b'e', ..] => strict::from_slice::<EndLine>(line).ok().map(|l| Line::End(l.end)),
        _ => strict::from_slice(line).ok().map(Line::Entry),
    }
}
