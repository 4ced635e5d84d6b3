//! Which bytes stand for a value? The only writer of anything that is hashed or signed. SPEC 3.
//!
//! A serde serializer into one buffer. Members that arrive in order cost one key comparison; members that
//! do not are sorted when their object closes, so no declaration order and no map type is trusted.

use super::limits::{DEPTH, INT_MAX, KEY_BYTES};
use serde::ser::{self, Serialize};
use std::ops::Range;

/// Why a value has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// A float, or bytes: the profile has neither.
    #[error("the profile has no {0}")]
    NoSuchType(&'static str),
    /// An integer outside ±(2^53-1).
    #[error("integer {0} is outside ±(2^53-1)")]
    OutOfRange(i128),
    /// A key outside `[a-z0-9_]{{1,64}}`.
    #[error("key `{0}` is not [a-z0-9_]{{1,64}}")]
    Key(String),
    /// The same key twice in one object.
    #[error("key `{0}` occurs twice")]
    Duplicate(String),
    /// U+0000 or a noncharacter in a string.
    #[error("a string holds U+0000 or a noncharacter")]
    BadString,
    /// Deeper than the profile allows.
    #[error("nested deeper than {DEPTH} levels")]
    TooDeep,
    /// What a `Serialize` implementation said.
    #[error("{0}")]
    Custom(String),
}

impl ser::Error for CanonicalError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}

type Result<T> = std::result::Result<T, CanonicalError>;

/// Appends the canonical bytes of `value` to `out`. On an error `out` holds a partial text.
pub fn write<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<()> {
    value.serialize(&mut Writer { out, depth: 0, variant: None, tag: Tag::Outer })
}

/// The canonical bytes of `value`.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(512);
    write(value, &mut out)?;
    Ok(out)
}

/// Appends the fields of an enum's variant as one object, and gives the variant's name.
pub fn write_variant<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<&'static str> {
    let mut writer = Writer { out, depth: 0, variant: None, tag: Tag::Dropped };
    value.serialize(&mut writer)?;
    writer.variant.ok_or(CanonicalError::NoSuchType("variant here"))
}

/// Bytes that are canonical already and are passed through by this writer.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a>(pub &'a [u8]);

const RAW: &str = "chancery::Raw";

impl Serialize for Raw<'_> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(self.0).map_err(ser::Error::custom)?;
        serializer.serialize_newtype_struct(RAW, text)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Tag {
    /// A variant with fields is `{"variant":…}`, as serde has it.
    Outer,
    /// The outermost variant's name is kept aside and only its fields are written.
    Dropped,
    /// The next string is raw.
    Raw,
}

/// Serializer state: one buffer, the depth, and what to do with the next variant.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    depth: usize,
    variant: Option<&'static str>,
    tag: Tag,
}

/// Appends `text` as a JSON string, or says that the profile has no such string.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) -> Result<()> {
    out.push(b'"');
    let bytes = text.as_bytes();
    let (mut clean, mut i) = (0, super::check::plain_prefix(bytes));
    while let Some(&b) = bytes.get(i) {
        if b >= 0x80 {
            if b >= 0xEF && super::check::starts_noncharacter(&bytes[i..]) {
                return Err(CanonicalError::BadString);
            }
            i += 1 + super::check::plain_prefix(&bytes[i + 1..]);
            continue;
        }
        out.extend_from_slice(&bytes[clean..i]);
        clean = i + 1;
        match b {
            0 => return Err(CanonicalError::BadString),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            8 => out.extend_from_slice(b"\\b"),
            9 => out.extend_from_slice(b"\\t"),
            10 => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            13 => out.extend_from_slice(b"\\r"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(b >> 4)]);
                out.push(HEX[usize::from(b & 15)]);
            }
        }
        i = clean + super::check::plain_prefix(&bytes[clean..]);
    }
    out.extend_from_slice(&bytes[clean..]);
    out.push(b'"');
    Ok(())
}

fn write_int(value: i64, out: &mut Vec<u8>) -> Result<()> {
    if !(-INT_MAX..=INT_MAX).contains(&value) {
        return Err(CanonicalError::OutOfRange(value.into()));
    }
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.extend_from_slice(&digits[at..]);
    Ok(())
}

impl<'a> Writer<'a> {
    fn open(&mut self, bracket: u8) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(CanonicalError::TooDeep);
        }
        self.out.push(bracket);
        Ok(())
    }

    fn object<'w>(&'w mut self) -> Result<Object<'w, 'a>> {
        self.open(b'{')?;
        let start = self.out.len();
        Ok(Object { writer: self, start, last: 0..0, sorted: true, closes: 1 })
    }

    fn variant_object<'w>(&'w mut self, variant: &'static str) -> Result<Object<'w, 'a>> {
        if self.tag == Tag::Dropped {
            self.tag = Tag::Outer;
            self.variant = Some(variant);
            return self.object();
        }
        self.open(b'{')?;
        write_string(variant, self.out)?;
        self.out.push(b':');
        let mut object = self.object()?;
        object.closes = 2;
        Ok(object)
    }
}

/// An object that is being written.
struct Object<'w, 'a> {
    writer: &'w mut Writer<'a>,
    start: usize,
    last: Range<usize>,
    sorted: bool,
    closes: u8,
}

impl Object<'_, '_> {
    fn member<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<()> {
        let valid = !key.is_empty()
            && key.len() <= KEY_BYTES
            && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !valid {
            return Err(CanonicalError::Key(key.to_owned()));
        }
        let out = &mut *self.writer.out;
        if out.len() > self.start {
            match out[self.last.clone()].cmp(key.as_bytes()) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Err(CanonicalError::Duplicate(key.to_owned())),
                std::cmp::Ordering::Greater => self.sorted = false,
            }
            out.push(b',');
        }
        out.push(b'"');
        let at = out.len();
        out.extend_from_slice(key.as_bytes());
        self.last = at..out.len();
        out.extend_from_slice(b"\":");
        value.serialize(&mut *self.writer)
    }

    fn close(self) -> Result<()> {
        if !self.sorted {
            sort_members(self.writer.out, self.start)?;
        }
        for _ in 0..self.closes {
            self.writer.depth -= 1;
            self.writer.out.push(b'}');
        }
        Ok(())
    }
}

/// Sorts the members of the object whose text runs from `start` to the end of `out`.
fn sort_members(out: &mut Vec<u8>, start: usize) -> Result<()> {
    let body = out.split_off(start);
    let mut members: Vec<&[u8]> = Vec::new();
    let (mut depth, mut text, mut escaped, mut from) = (0usize, false, false, 0usize);
    for (i, &b) in body.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'{' | b'[' if !text => depth += 1,
            b'}' | b']' if !text => depth -= 1,
            b',' if !text && depth == 0 => {
                members.push(&body[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    members.push(&body[from..]);
    // A key ends at its closing quote, which sorts below every key character.
    members.sort_by(|a, b| key_of(a).cmp(key_of(b)));
    for pair in members.windows(2) {
        if key_of(pair[0]) == key_of(pair[1]) {
            return Err(CanonicalError::Duplicate(String::from_utf8_lossy(key_of(pair[0])).into_owned()));
        }
    }
    out.extend_from_slice(&members.join(&b','));
    Ok(())
}

fn key_of(member: &[u8]) -> &[u8] {
    let rest = member.get(1..).unwrap_or_default();
    rest.split(|&b| b == b'"').next().unwrap_or_default()
}

/// An array that is being written.
struct List<'w, 'a> {
    writer: &'w mut Writer<'a>,
    first: bool,
}

impl List<'_, '_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        if !self.first {
            self.writer.out.push(b',');
        }
        self.first = false;
        value.serialize(&mut *self.writer)
    }

    fn close(self) -> Result<()> {
        self.writer.depth -= 1;
        self.writer.out.push(b']');
        Ok(())
    }
}

/// A map that is being written: its keys must serialise as strings.
struct Map<'w, 'a> {
    object: Object<'w, 'a>,
    key: String,
}

impl<'w, 'a> ser::Serializer for &'w mut Writer<'a> {
    type Ok = ();
    type Error = CanonicalError;
    type SerializeSeq = List<'w, 'a>;
    type SerializeTuple = List<'w, 'a>;
    type SerializeTupleStruct = List<'w, 'a>;
    type SerializeTupleVariant = ser::Impossible<(), CanonicalError>;
    type SerializeMap = Map<'w, 'a>;
    type SerializeStruct = Object<'w, 'a>;
    type SerializeStructVariant = Object<'w, 'a>;

    fn serialize_bool(self, v: bool) -> Result<()> {
        self.out.extend_from_slice(if v { b"true" } else { b"false" });
        Ok(())
    }
    fn serialize_i8(self, v: i8) -> Result<()> {
        self.serialize_i64(v.into())
    }
    fn serialize_i16(self, v: i16) -> Result<()> {
        self.serialize_i64(v.into())
    }
    fn serialize_i32(self, v: i32) -> Result<()> {
        self.serialize_i64(v.into())
    }
    fn serialize_i64(self, v: i64) -> Result<()> {
        write_int(v, self.out)
    }
    fn serialize_u8(self, v: u8) -> Result<()> {
        self.serialize_i64(v.into())
    }
    fn serialize_u16(self, v: u16) -> Result<()> {
        self.serialize_i64(v.into())
    }
    fn serialize_u32(self, v: u32) -> Result<()> {
        self.serialize_i64(v.into())
    }
    fn serialize_u64(self, v: u64) -> Result<()> {
        write_int(i64::try_from(v).map_err(|_| CanonicalError::OutOfRange(v.into()))?, self.out)
    }
    fn serialize_f32(self, _: f32) -> Result<()> {
        Err(CanonicalError::NoSuchType("floats"))
    }
    fn serialize_f64(self, _: f64) -> Result<()> {
        Err(CanonicalError::NoSuchType("floats"))
    }
    fn serialize_char(self, v: char) -> Result<()> {
        write_string(v.encode_utf8(&mut [0; 4]), self.out)
    }
    fn serialize_str(self, v: &str) -> Result<()> {
        if self.tag == Tag::Raw {
            self.tag = Tag::Outer;
            self.out.extend_from_slice(v.as_bytes());
            return Ok(());
        }
        write_string(v, self.out)
    }
    fn serialize_bytes(self, _: &[u8]) -> Result<()> {
        Err(CanonicalError::NoSuchType("bytes"))
    }
    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<()> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        if self.tag == Tag::Dropped {
            return self.variant_object(variant)?.close();
        }
        write_string(variant, self.out)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<()> {
        if name == RAW {
            self.tag = Tag::Raw;
        }
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        if self.tag == Tag::Dropped {
            self.tag = Tag::Outer;
            self.variant = Some(variant);
            return value.serialize(self);
        }
        let mut object = self.object()?;
        object.member(variant, value)?;
        object.close()
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<List<'w, 'a>> {
        self.open(b'[')?;
        Ok(List { writer: self, first: true })
    }
    fn serialize_tuple(self, len: usize) -> Result<List<'w, 'a>> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<List<'w, 'a>> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        Err(CanonicalError::NoSuchType("tuple variants"))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Map<'w, 'a>> {
        Ok(Map { object: self.object()?, key: String::new() })
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'w, 'a>> {
        self.object()
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'w, 'a>> {
        self.variant_object(variant)
    }
}

impl ser::SerializeSeq for List<'_, '_> {
    type Ok = ();
    type Error = CanonicalError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.element(value)
    }
    fn end(self) -> Result<()> {
        self.close()
    }
}

impl ser::SerializeTuple for List<'_, '_> {
    type Ok = ();
    type Error = CanonicalError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.element(value)
    }
    fn end(self) -> Result<()> {
        self.close()
    }
}

impl ser::SerializeTupleStruct for List<'_, '_> {
    type Ok = ();
    type Error = CanonicalError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.element(value)
    }
    fn end(self) -> Result<()> {
        self.close()
    }
}

impl ser::SerializeMap for Map<'_, '_> {
    type Ok = ();
    type Error = CanonicalError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        let mut text = Vec::new();
        write(key, &mut text)?;
        let inner = text.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")).unwrap_or(&text);
        self.key = String::from_utf8_lossy(inner).into_owned();
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.object.member(&self.key, value)
    }
    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<()> {
        self.serialize_key(key)?;
        self.serialize_value(value)
    }
    fn end(self) -> Result<()> {
        self.object.close()
    }
}

impl ser::SerializeStruct for Object<'_, '_> {
    type Ok = ();
    type Error = CanonicalError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        self.member(key, value)
    }
    fn end(self) -> Result<()> {
        self.close()
    }
}

impl ser::SerializeStructVariant for Object<'_, '_> {
    type Ok = ();
    type Error = CanonicalError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        self.member(key, value)
    }
    fn end(self) -> Result<()> {
        self.close()
    }
}
