//! Are these bytes canonical already? One pass without allocation: accepts exactly the bytes that
//! `canonical::write` prints for what `json::parse` reads. SPEC 3.

use super::limits::{DEPTH, INT_MAX, KEY_BYTES, NODES};

/// True when `bytes` are one canonical document of the profile, at most `DEPTH` deep.
pub fn is_canonical(bytes: &[u8]) -> bool {
    if std::str::from_utf8(bytes).is_err() {
        return false;
    }
    let mut scan = Scan { bytes, at: 0, nodes: 0 };
    scan.value(DEPTH).is_some() && scan.at == bytes.len()
}

/// Number of leading bytes that stand in a string as they are and are ASCII: eight at a time, because almost every
/// string is all of them.
pub(crate) fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES * 0x80;
    let zero = |x: u64| x.wrapping_sub(ONES) & !x & HIGH;
    let mut plain = 0;
    for chunk in bytes.chunks_exact(8) {
        let x = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        // Each term has the high bit of every byte that ends the run; those above the lowest may be false alarms.
        let control = x.wrapping_sub(ONES * 0x20) & !x & HIGH;
        let ends = (x & HIGH) | control | zero(x ^ (ONES * 0x22)) | zero(x ^ (ONES * 0x5C));
        if ends != 0 {
            return plain + (ends.trailing_zeros() / 8) as usize;
        }
        plain += 8;
    }
    let ends = |b: &u8| !(0x20..0x80).contains(b) || *b == b'"' || *b == b'\\';
    plain + bytes[plain..].iter().position(ends).unwrap_or(bytes.len() - plain)
}

/// True when `bytes` begin with the UTF-8 of a noncharacter.
pub(crate) fn starts_noncharacter(bytes: &[u8]) -> bool {
    match bytes {
        [0xEF, 0xB7, last, ..] => (0x90..=0xAF).contains(last),
        [0xEF, 0xBF, last, ..] => *last >= 0xBE,
        [0xF0..=0xF4, plane, 0xBF, last, ..] => *last >= 0xBE && plane & 0x0F == 0x0F,
        _ => false,
    }
}

/// True for U+FDD0 to U+FDEF and the last two code points of each plane.
pub(crate) fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: usize,
}

/// `None` means: not canonical.
type Step<T> = Option<T>;

impl<'a> Scan<'a> {
    fn eat(&mut self, byte: u8) -> Step<()> {
        (*self.bytes.get(self.at)? == byte).then(|| self.at += 1)
    }

    fn word(&mut self, word: &[u8]) -> Step<()> {
        self.bytes[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn value(&mut self, depth: usize) -> Step<()> {
        self.nodes += 1;
        if self.nodes > NODES {
            return None;
        }
        match *self.bytes.get(self.at)? {
            b'"' => self.string().map(|_| ()),
            b'{' => self.object(depth.checked_sub(1)?),
            b'[' => self.list(depth.checked_sub(1)?),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Step<()> {
        self.at += 1;
        if self.eat(b'}').is_some() {
            return Some(());
        }
        let mut last: &[u8] = b"";
        loop {
            let key = self.key()?;
            if key <= last {
                return None;
            }
            last = key;
            self.eat(b':')?;
            self.value(depth)?;
            if self.eat(b',').is_none() {
                return self.eat(b'}');
            }
        }
    }

    fn list(&mut self, depth: usize) -> Step<()> {
        self.at += 1;
        if self.eat(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth)?;
            if self.eat(b',').is_none() {
                return self.eat(b']');
            }
        }
    }

    fn key(&mut self) -> Step<&'a [u8]> {
        self.eat(b'"')?;
        let start = self.at;
        while matches!(self.bytes.get(self.at)?, b'a'..=b'z' | b'0'..=b'9' | b'_') {
            self.at += 1;
        }
        let key = &self.bytes[start..self.at];
        self.eat(b'"')?;
        (1..=KEY_BYTES).contains(&key.len()).then_some(key)
    }

    fn number(&mut self) -> Step<()> {
        let negative = self.eat(b'-').is_some();
        let start = self.at;
        let mut value = 0i64;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            value = value.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
            self.at += 1;
        }
        let length = self.at - start;
        let minimal = length == 1 || (length > 1 && self.bytes[start] != b'0');
        (minimal && value <= INT_MAX && !(negative && value == 0)).then_some(())
    }

    fn string(&mut self) -> Step<()> {
        self.at += 1;
        loop {
            self.at += plain_prefix(&self.bytes[self.at..]);
            let rest = &self.bytes[self.at..];
            match *rest.first()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.escape()?,
                0x80..0xEF => self.at += 1,
                0xEF.. if !starts_noncharacter(rest) => self.at += 1,
                _ => return None,
            }
        }
    }

    /// The escapes that the writer prints, and no others.
    fn escape(&mut self) -> Step<()> {
        let rest = &self.bytes[self.at + 1..];
        match rest {
            [b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r', ..] => self.at += 2,
            [b'u', b'0', b'0', high @ (b'0' | b'1'), low, ..] => {
                let low = match low {
                    b'0'..=b'9' => low - b'0',
                    b'a'..=b'f' => low - b'a' + 10,
                    _ => return None,
                };
                let code = (high - b'0') * 16 + low;
                if matches!(code, 0 | 8 | 9 | 10 | 12 | 13) {
                    return None;
                }
                self.at += 6;
            }
            _ => return None,
        }
        Some(())
    }
}
