//! Which values are secret because of what stands around them? Names before `=` and `:`, headers, and URLs.

use super::names::{Plain, is_secret};
use super::placeholder::{contains, is_placeholder, made_up};
use super::shapes::{begins, run, run_back};
use super::table::Alphabet::{Base64, Name};

/// The shortest value of an assignment that is taken for a secret.
const SHORTEST: usize = 8;
/// How much of a value is looked at, so that a row of names costs no more than its length.
const LOOKED_AT: usize = 128;

/// What a place of a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    /// Name of the detector.
    pub(super) name: &'static str,
    /// Whether the value has a form of its own, so that nothing else is looked for.
    pub(super) sure: bool,
}

fn space(b: u8) -> bool {
    matches!(b, b' ' | b'\t')
}

fn mixed(value: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| value.iter().any(kind);
    has(u8::is_ascii_digit) || (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase))
}

/// Past spaces, then past what a list or an escape puts before a quote, and the quote; the quote, when there is one.
fn opened(text: &[u8], at: usize) -> (usize, Option<u8>) {
    let mut at = at + text[at..].iter().take_while(|b| space(**b)).count();
    let slashes = text[at..].iter().take_while(|b| matches!(b, b'\\' | b'[')).count();
    match text.get(at + slashes) {
        Some(quote @ (b'"' | b'\'')) => {
            at += slashes + 1;
            (at, Some(*quote))
        }
        _ => (at, None),
    }
}

/// The value that begins at `at`: to its quote, or to what ends a word.
fn value(text: &[u8], at: usize, quote: Option<u8>) -> &[u8] {
    let rest = &text[at..text.len().min(at + LOOKED_AT)];
    let ends = |b: &u8| match quote {
        Some(quote) => *b == quote || matches!(b, b'\\' | b'\n'),
        None => {
            b.is_ascii_whitespace()
                || matches!(b, b',' | b';' | b'&' | b'"' | b'\'' | b'`' | b'\\' | b')' | b']' | b'}')
        }
    };
    &rest[..rest.iter().position(ends).unwrap_or(rest.len())]
}

/// The name that ends at `end`, without its quote and the spaces after it; and whether there were any.
fn name(text: &[u8], end: usize) -> (&[u8], bool) {
    let head = &text[..end];
    let head = head.strip_suffix(b":").unwrap_or(head);
    let spaces = head.iter().rev().take_while(|b| space(**b)).count();
    let head = &head[..head.len() - spaces];
    let marks = head.iter().rev().take_while(|b| matches!(b, b'"' | b'\'' | b'\\')).count();
    let head = &head[..head.len() - marks];
    (&head[head.len() - run_back(head, head.len(), Name)..], spaces > 0)
}

/// What the `=` or `:` at `at` assigns, when that is a secret; with `sure_only`, when it also has a form of its own.
pub(super) fn assigned(text: &[u8], at: usize, sure_only: bool) -> Option<Hit> {
    let next = *text.get(at + 1)?;
    if next == b'=' || (text[at] == b':' && matches!(next, b':' | b'/')) {
        return None;
    }
    let (named, before) = name(text, at);
    let plain = Plain::of(named);
    if plain.as_bytes().len() < 3 {
        return None;
    }
    let arrow = usize::from(next == b'>');
    let (from, quote) = opened(text, at + 1 + arrow);
    let given = value(text, from, quote);
    if let Some(name) = key(&plain, given) {
        return Some(Hit { name, sure: true });
    }
    let weak = |name| Hit { name, sure: false };
    if sure_only {
        return None;
    }
    if plain.ends("authorization") {
        return header(&text[from..]).then(|| weak("authorization"));
    }
    if (plain.ends("cookie") && text[at] == b':' && cookies(&text[from..])) || session(&plain, given) {
        return Some(weak("session_cookie"));
    }
    let list = [b"pwd".as_slice(), b"password"].contains(&plain.as_bytes());
    if list && given.len() >= 4 && !is_placeholder(given) && in_dsn(text, at) {
        return Some(weak("database_dsn"));
    }
    // After a space prose may go on, so a bare value there must be neither a word nor a number.
    let spaced = before || text.get(at + 1 + arrow).is_some_and(|b| space(*b));
    let odd = |b: &u8| b.is_ascii_digit() || matches!(b, b'!' | b'@' | b'#' | b'%' | b'^' | b'&' | b'*');
    let bare = given.iter().any(odd) && !given.iter().all(u8::is_ascii_digit);
    let told = quote.is_some() || (!spaced && text[at] == b'=') || bare;
    (told && is_secret(named) && is_value(given, SHORTEST)).then(|| weak("secret_assignment"))
}

/// The detector of a key that has a name and a form.
fn key(name: &Plain, given: &[u8]) -> Option<&'static str> {
    let exact = |length| given.len() == length && run(given, 0, Base64) == length && !made_up(given);
    let aws = name.ends("secretaccesskey") || name.ends("awssecretkey");
    let wireguard = [b"privatekey".as_slice(), b"presharedkey"].contains(&name.as_bytes());
    match given.len() {
        40 if aws && exact(40) => Some("aws_secret_access_key"),
        44 if wireguard && exact(44) && given.ends_with(b"=") => Some("wireguard_key"),
        _ => None,
    }
}

/// Whether a value is long enough, one word, and no placeholder.
pub(super) fn is_value(value: &[u8], shortest: usize) -> bool {
    value.len() >= shortest && !value.iter().any(u8::is_ascii_whitespace) && !is_placeholder(value)
}

/// `--password VALUE`, where the value is no word.
pub(super) fn flag(text: &[u8], start: usize, end: usize) -> bool {
    if !begins(text, start) {
        return false;
    }
    let of = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let at = end + text[end..].iter().take_while(of).count();
    let named = &text[end..at];
    if !text.get(at).is_some_and(|b| space(*b)) || !is_secret(named) || named == b"secret" {
        return false;
    }
    let (from, quote) = opened(text, at);
    let given = value(text, from, quote);
    given.iter().any(u8::is_ascii_digit) && !given.starts_with(b"-") && is_value(given, SHORTEST)
}

/// A scheme and a value, as after `Authorization:`.
fn header(text: &[u8]) -> bool {
    let schemes: [&[u8]; 5] = [b"bearer", b"basic", b"token", b"apikey", b"digest"];
    let word = text.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    if !schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case(&text[..word])) {
        return false;
    }
    let at = word + text[word..].iter().take_while(|b| space(**b)).count();
    let given = value(text, at, None);
    at > word && mixed(given) && is_value(given, SHORTEST)
}

/// `Bearer` and a value that is no word, without a header's name.
pub(super) fn bearer(text: &[u8], start: usize, end: usize) -> bool {
    let given = value(text, end, None);
    begins(text, start) && given.iter().any(u8::is_ascii_digit) && is_value(given, 20)
}

/// Whether one of a header's cookies is long and mixed enough to be a session. What is no pair ends the header.
fn cookies(text: &[u8]) -> bool {
    let line = text[..text.len().min(8 * LOOKED_AT)].split(|b| *b == b'\n').next().unwrap_or_default();
    let pair = |cookie| -> Option<&[u8]> {
        let cookie = <[u8]>::trim_ascii(cookie);
        let at = cookie.iter().position(|b| *b == b'=')?;
        cookie[..at].iter().all(u8::is_ascii_graphic).then(|| value(cookie, at + 1, None))
    };
    let session =
        |given: &[u8]| given.iter().any(u8::is_ascii_digit) && is_value(given, 16) && !made_up(given);
    line.split(|b| *b == b';').map_while(pair).any(session)
}

/// A session cookie by its name; a value of hex and hyphens is an identifier.
fn session(name: &Plain, given: &[u8]) -> bool {
    let names = ["phpsessid", "jsessionid", "aspnetsessionid", "connect.sid", "connectsid", "sessioncookie"];
    names.iter().any(|ending| name.ends(ending)) && is_value(given, 16) && !made_up(given)
}

/// Whether a connection's other parts stand near a password, in its line.
fn in_dsn(text: &[u8], at: usize) -> bool {
    let line = |b: &u8| *b == b'\n';
    let before = &text[at.saturating_sub(160)..at];
    let before = before.rsplit(line).next().unwrap_or_default();
    let after = &text[at..text.len().min(at + 160)];
    let after = after.split(line).next().unwrap_or_default();
    let place = ["host=", "server=", "data source="];
    let user = ["user=", "user id=", "uid=", "username="];
    let near = |words: &[&str]| words.iter().any(|word| contains(before, word) || contains(after, word));
    near(&place) && near(&user)
}

/// Scheme and password of the URL whose `://` is at this span.
fn credentials(text: &[u8], start: usize, end: usize) -> Option<(&[u8], &[u8])> {
    let scheme = &text[start - run_back(text, start, Name)..start];
    let ends =
        |b: &u8| b.is_ascii_whitespace() || matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'' | b'`' | b'\\');
    let authority = &text[end..text.len().min(end + 512)];
    let authority = &authority[..authority.iter().position(ends).unwrap_or(authority.len())];
    let user = &authority[..authority.iter().rposition(|b| *b == b'@')?];
    let password = &user[user.iter().position(|b| *b == b':')? + 1..];
    let words = ["pass", "pwd", "user", "xxxx"];
    let word = words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(password));
    let given = !scheme.is_empty() && password.len() >= 4 && !word && !is_placeholder(password);
    given.then_some((scheme, password))
}

/// A URL with a password in it.
pub(super) fn url_password(text: &[u8], start: usize, end: usize) -> bool {
    credentials(text, start, end).is_some()
}

/// The same, of a database or a queue.
pub(super) fn database_url(text: &[u8], start: usize, end: usize) -> bool {
    let schemes =
        "postgres mysql mariadb mongodb redis amqp mssql sqlserver clickhouse oracle cockroachdb nats";
    credentials(text, start, end)
        .is_some_and(|(scheme, _)| schemes.split(' ').any(|known| scheme.starts_with(known.as_bytes())))
}
