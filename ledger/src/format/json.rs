//! What does a document say? The strict parser: it refuses, with a JSON pointer, whatever the profile does
//! not have, and bounds depth and size before it allocates. SPEC 3.

use super::limits::{DEPTH, INT_MAX, KEY_BYTES, NODES};
use crate::code::Code;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use std::collections::BTreeMap;

/// A parsed document of the profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// an integer within ±(2^53-1)
    Int(i64),
    /// a string of Unicode scalar values
    Text(String),
    /// an array
    List(Vec<Value>),
    /// an object; keys match `[a-z0-9_]{1,64}`
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// An empty object.
    pub fn object() -> Self {
        Self::Object(BTreeMap::new())
    }

    /// The member `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Object(members) => members.get(key),
            _ => None,
        }
    }

    /// The string, when this is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, when this is one.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// What kind of value this is, in a word that a person knows.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// Levels of nesting: 0 for a scalar.
    pub fn depth(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(members) => 1 + members.values().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Int(i) => serializer.serialize_i64(*i),
            Self::Text(t) => serializer.serialize_str(t),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

/// Why bytes are not a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at `{pointer}` (byte {offset})")]
pub struct JsonError {
    /// The stable code.
    pub code: Code,
    /// JSON pointer to the place.
    pub pointer: String,
    /// Offset of the byte at which it was seen.
    pub offset: usize,
    /// What is wrong, in a sentence.
    pub message: String,
}

/// Parses exactly one document; white space around tokens is allowed, anything after it is not.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    parse_within(bytes, DEPTH)
}

/// Parses a document of at most `depth` levels.
pub fn parse_within(bytes: &[u8], depth: usize) -> Result<Value, JsonError> {
    let mut parser = Parser { bytes, at: 0, path: Vec::new(), nodes: 0, depth };
    if let Err(error) = std::str::from_utf8(bytes) {
        parser.at = error.valid_up_to();
        return Err(parser.error(Code::NotUtf8, "the bytes are not UTF-8"));
    }
    parser.space();
    let value = parser.value()?;
    parser.space();
    if parser.at < bytes.len() {
        return Err(parser.error(Code::NotJson, "something follows the document"));
    }
    Ok(value)
}

/// Levels of a text that is known to be JSON, without parsing it.
pub fn depth(text: &[u8]) -> usize {
    let (mut depth, mut most) = (0usize, 0usize);
    structure(text, |b| match b {
        b'{' | b'[' => {
            depth += 1;
            most = most.max(depth);
        }
        b'}' | b']' => depth = depth.saturating_sub(1),
        _ => {}
    });
    most
}

/// Values in a text that is known to be canonical, without parsing it: one more than there are commas, and one
/// for each bracket that holds something.
pub fn nodes(text: &[u8]) -> usize {
    let mut nodes = 1usize;
    let mut opened = false;
    structure(text, |b| {
        if opened && !matches!(b, b'}' | b']') {
            nodes += 1;
        }
        opened = matches!(b, b'{' | b'[');
        if b == b',' {
            nodes += 1;
        }
    });
    nodes
}

/// Tells of each byte outside strings, and of the first quote of each string.
fn structure(text: &[u8], mut each: impl FnMut(u8)) {
    let (mut inside, mut escaped) = (false, false);
    for &b in text {
        match b {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => {
                if !inside {
                    each(b);
                }
                inside = !inside;
            }
            _ if inside => {}
            _ => each(b),
        }
    }
}

/// A key as pointers show it: one that is longer than allowed only by its beginning.
fn shown(key: &str) -> String {
    if key.len() <= KEY_BYTES {
        return key.to_owned();
    }
    let end = (0..=KEY_BYTES).rev().find(|end| key.is_char_boundary(*end)).unwrap_or_default();
    format!("{}…", &key[..end])
}

enum Step {
    Key(String),
    Index(usize),
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    path: Vec<Step>,
    nodes: usize,
    depth: usize,
}

type Parsed<T> = Result<T, JsonError>;

impl Parser<'_> {
    fn error(&self, code: Code, message: impl Into<String>) -> JsonError {
        let mut pointer = String::new();
        for step in &self.path {
            pointer.push('/');
            match step {
                Step::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Step::Index(index) => pointer.push_str(&index.to_string()),
            }
        }
        JsonError { code, pointer, offset: self.at, message: message.into() }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Parsed<Value> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.error(Code::NotJson, "expected a value"))
    }

    fn value(&mut self) -> Parsed<Value> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(self.error(Code::TooLarge, format!("more than {NODES} values")));
        }
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.list(),
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.error(Code::NotJson, "expected a value")),
            None => Err(self.error(Code::NotJson, "the document ends early")),
        }
    }

    fn descend(&mut self) -> Parsed<()> {
        if self.depth == 0 {
            return Err(self.error(Code::TooDeep, "nested too deep"));
        }
        self.depth -= 1;
        self.at += 1;
        self.space();
        Ok(())
    }

    fn object(&mut self) -> Parsed<Value> {
        self.descend()?;
        let mut members = BTreeMap::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth += 1;
            return Ok(Value::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.error(Code::NotJson, "expected a key in quotes"));
            }
            let key = self.string()?;
            let valid = (1..=KEY_BYTES).contains(&key.len())
                && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            self.path.push(Step::Key(shown(&key)));
            if !valid {
                return Err(self.error(Code::KeyMalformed, "the key is not [a-z0-9_]{1,64}"));
            }
            if members.contains_key(&key) {
                return Err(self.error(Code::DuplicateKey, format!("key `{key}` occurs twice")));
            }
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.error(Code::NotJson, "expected `:` after the key"));
            }
            self.at += 1;
            self.space();
            let value = self.value()?;
            members.insert(key, value);
            self.path.pop();
            if self.next_or_close(b'}')? {
                return Ok(Value::Object(members));
            }
        }
    }

    fn list(&mut self) -> Parsed<Value> {
        self.descend()?;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth += 1;
            return Ok(Value::List(items));
        }
        loop {
            self.path.push(Step::Index(items.len()));
            items.push(self.value()?);
            self.path.pop();
            if self.next_or_close(b']')? {
                return Ok(Value::List(items));
            }
        }
    }

    /// After a member or element: true at the closing bracket, false after a comma.
    fn next_or_close(&mut self, close: u8) -> Parsed<bool> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.space();
                Ok(false)
            }
            Some(b) if b == close => {
                self.at += 1;
                self.depth += 1;
                Ok(true)
            }
            _ => Err(self.error(Code::NotJson, format!("expected `,` or `{}`", char::from(close)))),
        }
    }

    fn number(&mut self) -> Parsed<Value> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let digits = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        let length = self.at - digits;
        if length == 0 || (length > 1 && self.bytes[digits] == b'0') {
            return Err(self.error(Code::NotJson, "a number has no digits or a leading zero"));
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err(self.error(Code::NumberNotInteger, "the profile has integers only"));
        }
        if length > 16 {
            return Err(self.error(Code::NumberOutOfRange, "an integer is outside ±(2^53-1)"));
        }
        let mut value = 0i64;
        for &b in &self.bytes[digits..self.at] {
            value = value * 10 + i64::from(b - b'0');
        }
        if negative && value == 0 {
            self.at = start;
            return Err(self.error(Code::NumberNotInteger, "`-0` is not an integer of the profile"));
        }
        if value > INT_MAX {
            return Err(self.error(Code::NumberOutOfRange, "an integer is outside ±(2^53-1)"));
        }
        Ok(Value::Int(if negative { -value } else { value }))
    }

    fn string(&mut self) -> Parsed<String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let start = self.at;
            while matches!(self.peek(), Some(b) if b >= 0x20 && b != b'"' && b != b'\\') {
                if super::check::starts_noncharacter(&self.bytes[self.at..]) {
                    return Err(self.error(Code::BadString, "a string holds a noncharacter"));
                }
                self.at += 1;
            }
            // The whole input was checked to be UTF-8, and the run ends at ASCII bytes.
            text.push_str(&String::from_utf8_lossy(&self.bytes[start..self.at]));
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    let c = self.escape()?;
                    text.push(c);
                }
                Some(_) => return Err(self.error(Code::BadString, "a string holds a raw control character")),
                None => return Err(self.error(Code::NotJson, "a string does not end")),
            }
        }
    }

    fn escape(&mut self) -> Parsed<char> {
        self.at += 1;
        let short = match self.peek() {
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.error(Code::NotJson, "an escape is not one of JSON's")),
        };
        self.at += 1;
        Ok(short)
    }

    fn unicode_escape(&mut self) -> Parsed<char> {
        let first = self.hex4()?;
        let mut code = u32::from(first);
        if (0xD800..0xDC00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let second = self.hex4()?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err(self.error(Code::BadString, "a string holds a lone surrogate"));
            }
            code = 0x10000 + ((u32::from(first) - 0xD800) << 10) + (u32::from(second) - 0xDC00);
        }
        match char::from_u32(code) {
            None => Err(self.error(Code::BadString, "a string holds a lone surrogate")),
            Some('\0') => Err(self.error(Code::BadString, "a string holds U+0000")),
            Some(c) if super::check::is_noncharacter(c) => {
                Err(self.error(Code::BadString, "a string holds a noncharacter"))
            }
            Some(c) => Ok(c),
        }
    }

    fn hex4(&mut self) -> Parsed<u16> {
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        let text = std::str::from_utf8(digits).unwrap_or_default();
        if text.len() != 4 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(self.error(Code::NotJson, "`\\u` needs four hex digits"));
        }
        self.at += 4;
        Ok(u16::from_str_radix(text, 16).unwrap_or_default())
    }
}
