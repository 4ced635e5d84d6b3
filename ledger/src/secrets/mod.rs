//! Does this text look as if it held a secret? Hand-written detectors, tried in one pass; nothing is ever quoted.
//!
//! Promised: what stands in plain text and has the form of a row of `DETECTORS` is found, wherever in a text a word
//! may begin. Not promised: what is encoded again, compressed, split, or has no form, such as a password in prose.
//!
//! A placeholder is no secret: a mask (`***`, one character six times in a row), `<…>`, `${VAR}`, `{{x}}`, `$VAR`,
//! the name of a variable, a reference (`vault://mount/path#field`), a digest, or a value that has `example`,
//! `changeme`, `placeholder` or `redacted` in it. Whoever wants to hide a secret here can: this guards against haste.

mod context;
mod names;
mod nested;
mod placeholder;
mod shapes;
mod table;

use crate::format::json::Value;
use context::Hit;
use std::fmt::Display;
use table::{Alphabet, Find, INDEX, PREFIXES};

pub use table::{DETECTORS, Detector};

/// The detector of members by their name.
const MEMBER: &str = "secret_member";
/// The shortest value of a member that is taken for a secret.
const SHORTEST_MEMBER: usize = 6;
/// How often a string may be JSON that holds such strings.
const LEVELS: usize = 4;

/// A secret-looking value: where, and which detector said so. Never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// JSON pointer of the string; of the object, when one of its names is what looks secret.
    pub pointer: String,
    /// Name of the detector.
    pub detector: &'static str,
}

/// The name of the detector that finds a secret in a text: the first that knows one by its form, else the first that
/// knows one by what is around it.
pub fn in_text(text: &str) -> Option<&'static str> {
    scan(text.as_bytes()).map(|hit| hit.name)
}

/// The name of the detector that knows the secret in an id or a scope by its own form. What is around it says nothing
/// there: ids are full of names, marks and hex.
pub fn in_name(text: &str) -> Option<&'static str> {
    scan(text.as_bytes()).filter(|hit| hit.sure).map(|hit| hit.name)
}

/// The first secret in a value: in its strings, also in those that are JSON themselves, in its names, and under names
/// such as `password`. `pointer` is the place of the value.
pub fn in_value(value: &Value, pointer: &str) -> Option<Found> {
    let below = |step: &dyn Display, value: &Value| {
        in_value(value, "").map(|found| (format!("/{step}{}", found.pointer), found.detector))
    };
    let at = |detector| (String::new(), detector);
    let found = match value {
        Value::Text(text) => look(text, LEVELS).map(at),
        Value::List(items) => items.iter().enumerate().find_map(|(i, item)| below(&i, item)),
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            in_text(name).map(at).or_else(|| below(&name, value)).or_else(|| {
                (is_secret_value(value) && names::is_secret(name.as_bytes()))
                    .then(|| (format!("/{name}"), MEMBER))
            })
        }),
        _ => None,
    };
    found.map(|(rest, detector)| Found { pointer: format!("{pointer}{rest}"), detector })
}

/// Whether a value would be a secret under a secret's name: a string, or a list with such a string.
fn is_secret_value(value: &Value) -> bool {
    match value {
        Value::Text(text) => context::is_value(text.as_bytes(), SHORTEST_MEMBER),
        Value::List(items) => items.iter().any(is_secret_value),
        _ => false,
    }
}

/// A text, and the JSON in it: what has a form of its own wins over a member's name, and that over an assignment.
fn look(text: &str, levels: usize) -> Option<&'static str> {
    match scan(text.as_bytes()) {
        Some(hit) if hit.sure => Some(hit.name),
        hit => nested::in_json(text, levels).or(hit.map(|hit| hit.name)),
    }
}

/// Every place of a text, once.
fn scan(text: &[u8]) -> Option<Hit> {
    let mut weak = None;
    for (at, three) in text.windows(3).enumerate() {
        let [first, second, third] = [three[0], three[1], three[2]].map(usize::from);
        let mut rows = INDEX[0][first] & INDEX[1][second];
        if rows != 0 {
            rows &= INDEX[2][third];
        }
        while rows != 0 {
            let (prefix, detector) = PREFIXES[rows.trailing_zeros() as usize];
            rows &= rows - 1;
            let wanted = weak.is_none() || !matches!(detector.find, Find::Weak(..));
            if wanted
                && text[at..].starts_with(prefix.as_bytes())
                && let Some(hit) = matches(text, at, at + prefix.len(), detector)
            {
                if hit.sure {
                    return Some(hit);
                }
                weak = weak.or(Some(hit));
            }
        }
        if matches!(three[0], b'=' | b':')
            && let Some(hit) = context::assigned(text, at, weak.is_some())
        {
            if hit.sure {
                return Some(hit);
            }
            weak = weak.or(Some(hit));
        }
    }
    weak
}

/// Whether a detector whose prefix stands at this span finds its secret there.
fn matches(text: &[u8], start: usize, end: usize, detector: &Detector) -> Option<Hit> {
    let found = match detector.find {
        Find::Run(_, of, least, most) => is_run(text, start, end, of, least..=most),
        Find::Shape(_, check) | Find::Weak(_, check) => check(text, start, end),
        Find::Named => false,
    };
    found.then_some(Hit { name: detector.name, sure: !matches!(detector.find, Find::Weak(..)) })
}

/// A run of the right length that begins a word, ends there, and is neither made up nor a row of words.
fn is_run(
    text: &[u8],
    start: usize,
    end: usize,
    of: Alphabet,
    length: std::ops::RangeInclusive<usize>,
) -> bool {
    // A prefix that begins with a mark may follow a word.
    let begins = !text[start].is_ascii_alphanumeric() || shapes::begins(text, start);
    let most = text.len().min(end + length.end() + 1);
    let count = shapes::run(&text[..most], end, of);
    let body = &text[end..end + count];
    let digit_or_mixed = body.iter().any(u8::is_ascii_digit)
        || (body.iter().any(u8::is_ascii_uppercase) && body.iter().any(u8::is_ascii_lowercase));
    let ended = text.get(end + count).is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_');
    begins
        && ended
        && length.contains(&count)
        && !placeholder::made_up(body)
        && (digit_or_mixed || matches!(of, Alphabet::Base32))
}
