//! Which tokens have a form that a prefix and a run do not say? One function a form: the text, and the prefix's span.

use super::placeholder::{made_up, varied};
use super::table::Alphabet::{self, Alnum, Base64, Hex, Tilde, Word};

/// Characters of an alphabet from `at` on.
pub(super) fn run(text: &[u8], at: usize, of: Alphabet) -> usize {
    text.get(at..).unwrap_or_default().iter().take_while(|b| of.has(**b)).count()
}

/// Characters of an alphabet before `at`, up to 64; the letter of an escape such as `\n` is none of them.
pub(super) fn run_back(text: &[u8], at: usize, of: Alphabet) -> usize {
    let count = text[..at].iter().rev().take(64).take_while(|b| of.has(**b)).count();
    let (before, own) = text[..at].split_at(at - count);
    count - usize::from(before.ends_with(b"\\") && matches!(own, [b'n' | b'r' | b't', ..]))
}

/// Whether a word may begin at `at`: what is before it is no part of a word, or is an escape such as `\n`.
pub(super) fn begins(text: &[u8], at: usize) -> bool {
    match text.get(..at).unwrap_or_default() {
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., last] => !Word.has(*last),
        [] => true,
    }
}

/// Whether exactly `length` characters of an alphabet stand at `at`, and do not look made up.
fn exactly(text: &[u8], at: usize, of: Alphabet, length: usize) -> bool {
    run(text, at, of) == length && !made_up(&text[at..at + length])
}

pub(super) fn chancery_token(text: &[u8], start: usize, end: usize) -> bool {
    let stage = text[end..].iter().take_while(|b| b.is_ascii_lowercase()).count();
    let mut at = end + stage;
    if !begins(text, start) || stage == 0 {
        return false;
    }
    // The secret may hold `_` itself, so lengths and not underscores part it.
    for length in [12, 43, 8] {
        if text.get(at) != Some(&b'_') || run(text, at + 1, Word) < length {
            return false;
        }
        at += 1 + length;
    }
    run(text, at, Word) == 0 && run(text, at - 8, Hex) == 8 && !made_up(&text[at - 52..at - 9])
}

pub(super) fn chancery_key_file(text: &[u8], start: usize, end: usize) -> bool {
    let line = text[end..].iter().take(512).take_while(|b| b.is_ascii_graphic()).count();
    let mut fields = text[end..end + line].splitn(3, |b| *b == b'+');
    let (Some(name), Some(id), Some(seed)) = (fields.next(), fields.next(), fields.next()) else {
        return false;
    };
    let seed = &seed[..run(seed, 0, Base64)];
    begins(text, start)
        && !name.is_empty()
        && [8, 32].contains(&id.len())
        && id.iter().all(|b| Hex.has(*b))
        && seed.len() >= 43
        && !made_up(seed)
}

/// Past white space, and escapes of it.
fn past_space(text: &[u8], mut at: usize) -> usize {
    loop {
        match text.get(at..).unwrap_or_default() {
            [b'\\', b'n' | b'r' | b't', ..] => at += 2,
            [b' ' | b'\t' | b'\r' | b'\n' | b'\\', ..] => at += 1,
            _ => return at,
        }
    }
}

pub(super) fn private_key_pem(text: &[u8], _start: usize, end: usize) -> bool {
    let label = text[end..].iter().take_while(|b| b.is_ascii_uppercase() || **b == b' ').count();
    let (label, rest) = text[end..].split_at(label);
    let private = label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK");
    let Some(rest) = rest.strip_prefix(b"-----").filter(|_| private) else { return false };
    let body = &rest[past_space(rest, 0)..];
    let headers: [&[u8]; 4] = [b"Proc-Type:", b"Version:", b"Comment:", b"Hash:"];
    if headers.iter().any(|header| body.starts_with(header)) {
        return true;
    }
    let length = run(body, 0, Base64);
    length >= 16 && varied(&body[..length])
}

pub(super) fn openssh_key_body(text: &[u8], start: usize, end: usize) -> bool {
    // Long runs of `A` stand in every such key, so they do not say that it is made up.
    let length = run(text, end, Base64);
    begins(text, start) && length >= 40 && varied(&text[end..end + length])
}

pub(super) fn gcp_service_account(text: &[u8], start: usize, end: usize) -> bool {
    let before = &text[..start];
    let name = before.iter().rposition(|b| !matches!(b, b'"' | b'\\' | b' ' | b':' | b'\t' | b'\n'));
    let named = name.is_some_and(|last| before[..=last].ends_with(b"private_key"));
    let beside = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    named && private_key_pem(text, start, end) && (beside(b"service_account") || beside(b"private_key_id"))
}

pub(super) fn putty_key(text: &[u8], _start: usize, end: usize) -> bool {
    matches!(text[end..], [b'1'..=b'9', b':', ..])
}

pub(super) fn azure_client_secret(text: &[u8], start: usize, end: usize) -> bool {
    // Backwards first: that is bounded, and fails where a row of such marks would make this dear.
    if run_back(text, start, Tilde) != 4 || !text[start - 1].is_ascii_digit() {
        return false;
    }
    let after = run(text, end, Tilde);
    (31..=34).contains(&after) && !made_up(&text[end..end + after])
}

pub(super) fn discord_token(text: &[u8], start: usize, end: usize) -> bool {
    // Most full stops end here.
    if text.get(end + 6) != Some(&b'.') || run(text, end, Word) != 6 {
        return false;
    }
    let (first, last) = (run_back(text, start, Word), run(text, end + 7, Word));
    (23..=28).contains(&first)
        && matches!(text[start - first], b'M' | b'N' | b'O')
        && (27..=38).contains(&last)
        && !made_up(&text[end + 7..end + 7 + last])
}

pub(super) fn telegram_bot_token(text: &[u8], start: usize, end: usize) -> bool {
    let digits = text[..start].iter().rev().take_while(|b| b.is_ascii_digit()).count();
    (8..=10).contains(&digits) && exactly(text, end, Word, 33)
}

pub(super) fn vault_legacy_token(text: &[u8], start: usize, end: usize) -> bool {
    let has = |kind: fn(&u8) -> bool| text[end..end + 24].iter().any(kind);
    begins(text, start)
        && exactly(text, end, Alnum, 24)
        && run(text, end, Word) == 24
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
}

pub(super) fn terraform_token(text: &[u8], start: usize, end: usize) -> bool {
    let after = run(text, end, Word);
    run_back(text, start, Word) == 14 && (60..=80).contains(&after) && !made_up(&text[end..end + after])
}

pub(super) fn sendgrid_key(text: &[u8], start: usize, end: usize) -> bool {
    begins(text, start)
        && run(text, end, Word) == 22
        && text.get(end + 22) == Some(&b'.')
        && exactly(text, end + 23, Word, 43)
}

pub(super) fn jwt(text: &[u8], start: usize, end: usize) -> bool {
    if !begins(text, start) {
        return false;
    }
    let header = end + run(text, end, Word);
    if header < end + 10 || !text[header..].starts_with(b".eyJ") {
        return false;
    }
    let claims = header + 4 + run(text, header + 4, Word);
    let signature = run(text, claims + 1, Word);
    text.get(claims) == Some(&b'.') && signature >= 16 && !made_up(&text[claims + 1..claims + 1 + signature])
}
