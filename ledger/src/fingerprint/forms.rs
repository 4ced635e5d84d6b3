//! How does a value stand in longer text? As base64 at three alignments, line by line, and escaped.

use crate::format::encoding::base64_unpadded;
use crate::format::limits::FINGERPRINT_MAX;
use zeroize::Zeroizing;

/// Forms of a value as a whole: itself, and base64 in two alphabets at three alignments.
pub(super) const WHOLE: usize = 7;

/// Bytes of a line that counts by itself.
const LINE: usize = 16;

/// Decodings that are tried one after the other.
const LAYERS: usize = 2;

/// Base64 of `value` wherever in an encoded text it begins, without the characters that its neighbours decide; in both
/// alphabets, cut where it is longer than a fingerprint may be.
pub(super) fn base64(value: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms = Vec::with_capacity(WHOLE - 1);
    for before in 0..3 {
        let mut bytes = Zeroizing::new(Vec::with_capacity(before + value.len()));
        bytes.resize(before, 0);
        bytes.extend_from_slice(value);
        let text = Zeroizing::new(base64_unpadded(&bytes));
        let (start, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        let core = &text.as_bytes()[start..end.min(start + FINGERPRINT_MAX)];
        let url = |b: &u8| match b {
            b'+' => b'-',
            b'/' => b'_',
            b => *b,
        };
        forms.push(Zeroizing::new(core.to_vec()));
        forms.push(Zeroizing::new(core.iter().map(url).collect()));
    }
    forms
}

/// Lines of a value that has several, at most `most` of them and evenly spread: those that are one word of 16 bytes or
/// more, as lines of a PEM file are. Lines with white space inside are the markers of such files and members of JSON
/// documents, which stand in many texts that leak nothing.
pub(super) fn lines(value: &[u8], most: usize) -> Vec<&[u8]> {
    let counts = |line: &&[u8]| line.len() >= LINE && !line.iter().any(u8::is_ascii_whitespace);
    let several = value.contains(&b'\n');
    let all: Vec<&[u8]> =
        value.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| several && counts(line)).collect();
    let kept = all.len().min(most);
    (0..kept).map(|i| all[i * all.len() / kept]).collect()
}

/// A text as it is, and as it is when escapes of JSON strings and of URLs are undone, up to twice and in either order.
pub(super) fn views(text: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut all = vec![Zeroizing::new(text.to_vec())];
    let mut done = 0;
    for _ in 0..LAYERS {
        let end = all.len();
        for at in done..end {
            for decoded in [undo(&all[at], b'\\', json_escape), undo(&all[at], b'%', percent_escape)] {
                if let Some(decoded) = decoded.filter(|decoded| !all.contains(decoded)) {
                    all.push(decoded);
                }
            }
        }
        done = end;
    }
    all
}

/// Writes what an escape stands for, given what follows its mark, and says how many bytes of that it was.
type Escape = fn(&[u8], &mut Vec<u8>) -> Option<usize>;

/// The text with every escape undone; `None` when it has none. What is no escape stays.
fn undo(text: &[u8], mark: u8, escape: Escape) -> Option<Zeroizing<Vec<u8>>> {
    let first = text.iter().position(|b| *b == mark)?;
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    out.extend_from_slice(&text[..first]);
    let (mut rest, mut any) = (&text[first..], false);
    while let Some((b, after)) = rest.split_first() {
        match (*b == mark).then(|| escape(after, &mut out)).flatten() {
            Some(length) => (rest, any) = (&after[length..], true),
            None => {
                out.push(*b);
                rest = after;
            }
        }
    }
    any.then_some(out)
}

fn nibbles(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |n, b| Some(n << 4 | char::from(*b).to_digit(16)?))
}

/// After `%`: two hex digits.
fn percent_escape(after: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    out.push(u8::try_from(nibbles(after.get(..2)?)?).ok()?);
    Some(2)
}

/// After `\`: one of JSON's letters, or `u` and four hex digits, twice for a pair of surrogates.
fn json_escape(after: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let plain = match after.first()? {
        b'u' => return unicode_escape(after, out),
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b @ (b'"' | b'\\' | b'/') => *b,
        _ => return None,
    };
    out.push(plain);
    Some(1)
}

fn unicode_escape(after: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let first = nibbles(after.get(1..5)?)?;
    let second =
        after.get(5..11).filter(|pair| pair.starts_with(b"\\u")).and_then(|pair| nibbles(&pair[2..]));
    let (code, length) = match second {
        Some(low @ 0xDC00..0xE000) if (0xD800..0xDC00).contains(&first) => {
            (0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00), 11)
        }
        _ => (first, 5),
    };
    out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
    Some(length)
}
