//! Is hostile JSON refused with its code and its place, in bounded time and memory, and is good JSON read as one meaning?

use crate::harness::story::{NAME, scope};
use crate::harness::{Home, root};
use chancery_ledger::Code;
use chancery_ledger::format::canonical::to_bytes;
use chancery_ledger::format::check::is_canonical;
use chancery_ledger::format::ids::{Fingerprint, Id, IdempotencyKey, LogName, PrincipalId, Scope};
use chancery_ledger::format::json::{self, Value};
use chancery_ledger::format::limits::{DEPTH, NODES, PART, PART_DEPTH, PART_NODES};
use chancery_ledger::gate::{args_bytes, new_request};
use std::collections::BTreeSet;

/// Lines of a fixture that are not comments.
fn lines(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("fixtures/ingest").join(name)).expect("a fixture");
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// The bytes that a text with `%XX` stands for.
fn bytes(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap_or_else(|_| panic!("`%{part}` in `{text}`")));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

/// Code, pointer and bytes of each refused document.
fn refused() -> Vec<(String, String, Vec<u8>)> {
    let row = |line: String| {
        let mut cells = line.splitn(3, ' ');
        let (code, pointer, text) = (cells.next().unwrap(), cells.next().unwrap(), cells.next().unwrap());
        let pointer = String::from_utf8(bytes(if pointer == "-" { "" } else { pointer })).expect("UTF-8");
        (code.to_owned(), pointer, bytes(text))
    };
    lines("refused.txt").into_iter().map(row).collect()
}

#[test]
fn what_is_refused_is_refused_with_its_code_and_its_place() {
    let mut wrong = Vec::new();
    for (code, pointer, text) in refused() {
        let shown = String::from_utf8_lossy(&text).into_owned();
        match json::parse(&text) {
            Ok(value) => wrong.push(format!("{shown}: read as {value:?}, expected {code}")),
            Err(error) if error.code.as_str() != code || error.pointer != pointer => {
                wrong.push(format!(
                    "{shown}: {} at `{}`, expected {code} at `{pointer}`",
                    error.code, error.pointer
                ));
            }
            Err(error) => assert!(error.offset <= text.len(), "{shown}: byte {}", error.offset),
        }
        assert!(!is_canonical(&text), "{shown} is not canonical");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_that_parsing_gives_is_in_the_corpus() {
    let found: BTreeSet<String> = refused().into_iter().map(|row| row.0).collect();
    let parsing = [
        Code::NotJson,
        Code::NotUtf8,
        Code::NumberNotInteger,
        Code::NumberOutOfRange,
        Code::DuplicateKey,
        Code::KeyMalformed,
        Code::BadString,
        Code::TooDeep,
    ];
    assert_eq!(found, parsing.iter().map(|code| code.as_str().to_owned()).collect());
}

#[test]
fn what_is_accepted_has_one_canonical_text() {
    for line in lines("accepted.txt") {
        let (given, canonical) = line.split_once(" => ").expect("an arrow");
        let (given, canonical) = (bytes(given), bytes(canonical));
        let value = json::parse(&given).unwrap_or_else(|error| panic!("{line}: {error}"));
        let text = to_bytes(&value).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(String::from_utf8_lossy(&text), String::from_utf8_lossy(&canonical), "{line}");
        assert!(is_canonical(&canonical), "{line}");
        assert_eq!(is_canonical(&given), given == canonical, "{line}");
        assert_eq!(json::parse(&canonical).expect("canonical text"), value, "{line}");
        assert_eq!(json::depth(&canonical), value.depth(), "{line}");
    }
}

#[test]
fn arguments_are_refused_with_the_same_codes_on_the_command_line() {
    let home = Home::new();
    let mut asked = 0;
    for (code, pointer, text) in refused() {
        // The command line carries what the operating system lets through: no zero byte, and UTF-8.
        let Ok(text) = String::from_utf8(text) else { continue };
        if text.contains('\0') {
            continue;
        }
        let argument = format!("reason:={text}");
        let output = home
            .command(&["--json", "do", "scope.close", "--id", "x", "--", &argument])
            .env("CHANCERY_TOKEN", "none")
            .output()
            .expect("the binary runs");
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer: serde_json::Value =
            serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{text}: {e}: {stdout}"));
        assert_eq!(output.status.code(), Some(2), "{text}: {stdout}");
        assert_eq!(answer["code"], code, "{text}: {stdout}");
        assert_eq!(answer["pointer"], format!("/args/reason{pointer}"), "{text}: {stdout}");
        asked += 1;
    }
    assert!(asked > 80, "{asked} documents were asked");
}

fn refuses(text: &[u8], code: Code) -> json::JsonError {
    let error = json::parse(text).expect_err("a refusal");
    assert_eq!(error.code, code, "{}", error.message);
    error
}

#[test]
fn depth_has_a_bound_that_costs_nothing() {
    for depth in [1, 2, DEPTH, DEPTH + 1, 128, 1000, 100_000, 10_000_000] {
        for (open, close, inner) in
            [("[", "]", ""), ("{\"a\":", "}", "0"), ("[{\"a\":", "}]", "0"), ("[", "", "")]
        {
            let text = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            let levels = depth * open.matches(['[', '{']).count();
            match json::parse(text.as_bytes()) {
                Ok(value) => assert!(levels <= DEPTH && value.depth() == levels, "{open} {depth}"),
                Err(error) if levels > DEPTH => {
                    assert_eq!(error.code, Code::TooDeep);
                    assert_eq!(error.pointer.matches('/').count(), DEPTH, "{open} {depth}");
                    assert!(error.offset <= DEPTH * open.len(), "nothing behind the place was read");
                }
                Err(error) => assert_eq!((error.code, close), (Code::NotJson, ""), "{open} {depth}"),
            }
            assert_eq!(is_canonical(text.as_bytes()), levels <= DEPTH && !close.is_empty(), "{open} {depth}");
        }
    }
}

#[test]
fn values_have_a_bound_that_is_met_before_the_rest_is_read() {
    let list = |n: usize| format!("[{}]", vec!["0"; n].join(","));
    let object =
        |n: usize| format!("{{{}}}", (0..n).map(|i| format!("\"k{i}\":0")).collect::<Vec<_>>().join(","));
    // The root counts, keys do not.
    for make in [&list as &dyn Fn(usize) -> String, &object] {
        assert!(json::parse(make(NODES - 1).as_bytes()).is_ok());
        for n in [NODES, 1_000_000] {
            let text = make(n);
            let error = refuses(text.as_bytes(), Code::TooLarge);
            assert!(error.pointer.ends_with(&(NODES - 1).to_string()), "{}", error.pointer);
            assert!(error.offset < 12 * NODES, "byte {}", error.offset);
            assert!(!is_canonical(text.as_bytes()));
        }
    }
    assert_eq!(json::nodes(list(500).as_bytes()), 501);
    assert_eq!(json::nodes(object(500).as_bytes()), 501);
}

#[test]
fn digits_without_end_are_a_number_out_of_range() {
    for digits in [17, 10_000, 1_000_000] {
        refuses("9".repeat(digits).as_bytes(), Code::NumberOutOfRange);
        refuses(format!("-{}", "1".repeat(digits)).as_bytes(), Code::NumberOutOfRange);
        refuses("0".repeat(digits).as_bytes(), Code::NotJson);
        refuses(format!("{}.5", "1".repeat(digits)).as_bytes(), Code::NumberNotInteger);
    }
}

#[test]
fn a_string_of_64_mib_is_read_and_is_no_argument() {
    let long = "x".repeat(64 << 20);
    let value = json::parse(format!("\"{long}\"").as_bytes()).expect("a string");
    assert_eq!(value.text().map(str::len), Some(64 << 20));
    let args = Value::Object([("reason".to_owned(), value)].into());
    let key = IdempotencyKey::parse("0123456789abcdef").expect("a key");
    let invalid =
        new_request("scope.close", &scope("/"), Some("x"), NAME, args, key, [0; 32]).expect_err("too long");
    assert_eq!((invalid.code, invalid.pointer.as_str()), (Code::TooLarge, "/args/reason"));
    assert!(invalid.message.len() < 200, "the message does not repeat what was sent");
    refuses(format!("\"{long}").as_bytes(), Code::NotJson);
}

#[test]
fn a_key_of_a_mebibyte_is_malformed() {
    let text = format!("{{\"{}\":0}}", "a".repeat(1 << 20));
    let error = refuses(text.as_bytes(), Code::KeyMalformed);
    assert!(
        error.message.len() < 200 && error.pointer.len() < 200,
        "{} bytes of pointer",
        error.pointer.len()
    );
}

#[test]
fn arguments_have_tighter_bounds_of_their_own() {
    let nested = |depth: usize| {
        json::parse(format!("{}{}", "[".repeat(depth), "]".repeat(depth)).as_bytes()).expect("JSON")
    };
    assert!(args_bytes(&nested(PART_DEPTH)).is_ok());
    assert_eq!(args_bytes(&nested(PART_DEPTH + 1)).expect_err("too deep").code, Code::TooDeep);
    let many = |n: usize| Value::List(vec![Value::Null; n]);
    assert!(args_bytes(&many(PART_NODES - 1)).is_ok());
    assert_eq!(args_bytes(&many(PART_NODES)).expect_err("too many").code, Code::TooLarge);
    let long = |n: usize| Value::Text("x".repeat(n));
    assert!(args_bytes(&long(PART - 2)).is_ok());
    assert_eq!(args_bytes(&long(PART - 1)).expect_err("too long").code, Code::TooLarge);
    // A value that nobody parsed is held to the profile as well.
    assert_eq!(args_bytes(&Value::from("\u{ffff}")).expect_err("a noncharacter").code, Code::BadString);
}

#[test]
fn names_are_ascii_so_that_no_two_look_alike() {
    // A Cyrillic а, a combining accent, zero width, bidi, a tag, full width, upper case, space, dot segments.
    for text in [
        "аda",
        "ada\u{301}",
        "a\u{200b}da",
        "\u{202e}ada",
        "ada\u{e0041}",
        "ａda",
        "Ada",
        "ada ",
        " ada",
        "",
        "ada\n",
        "ada\0",
    ] {
        assert!(Id::parse(text).is_err(), "{text:?}");
        assert!(PrincipalId::parse(text).is_err(), "{text:?}");
        assert!(LogName::parse(text).is_err(), "{text:?}");
        assert!(Scope::parse(&format!("/{text}")).is_err() || text.is_empty(), "{text:?}");
        assert!(
            IdempotencyKey::parse(&format!("0123456789abcdef{text}")).is_err() || ["Ada", ""].contains(&text),
            "{text:?}"
        );
    }
    for text in ["//", "/a/", "/a//b", "a", "/.", "/..", "/a/../b", "/-a", "/a_b", "/a.b", "/a/b/c/d/e/f"] {
        assert!(Scope::parse(text).is_err(), "{text:?}");
    }
    assert!(
        Scope::parse(&format!("/{}", "a".repeat(63))).is_ok()
            && Scope::parse(&format!("/{}", "a".repeat(64))).is_err()
    );
    assert!(Id::parse(&"a".repeat(128)).is_ok() && Id::parse(&"a".repeat(129)).is_err());
    let fingerprint = |end: &str| format!("SHA256:{}{end}", "A".repeat(42));
    assert!(Fingerprint::parse(&fingerprint("A")).is_ok());
    // The last character of 32 bytes in base64 has two bits that must be zero.
    for end in ["B", "", "AA", "=", "A="] {
        assert!(Fingerprint::parse(&fingerprint(end)).is_err(), "{end:?}");
    }
}
