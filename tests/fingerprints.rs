//! Is a value that nobody kept known again wherever it stands, and nothing else taken for it?

use crate::harness::Home;
use chancery_ledger::domains::job::{Cancelled, Event as JobEvent, Mode};
use chancery_ledger::domains::lease::Event as LeaseEvent;
use chancery_ledger::domains::table::At;
use chancery_ledger::domains::{Event, Meta, World};
use chancery_ledger::fingerprint::{Fingerprint, FingerprintKey, find, fingerprint, fingerprints_of};
use chancery_ledger::format::encoding::{base64, base64_unpadded, base64_url, hex};
use chancery_ledger::format::hash::Digest;
use chancery_ledger::store::{Paths, open_fingerprint_key, read_fingerprint_key};
use chancery_ledger::{Code, Entropy};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// As hard to write in JSON and URLs as ASCII can be.
const AWKWARD: &str = "p\"w\\d/100% <a&b>='+\t~x";

fn key(seed: u8) -> FingerprintKey {
    FingerprintKey::from_seed(&[seed; 32])
}

/// Whether a value's fingerprints find it in a text.
fn found(value: &str, text: &str) -> bool {
    find(&key(1), &fingerprints_of(&key(1), value.as_bytes()), text).is_some()
}

fn percent(text: &str, spared: &str, lower: bool) -> String {
    let one = |b: u8| match char::from(b) {
        c if spared.contains(c) => c.to_string(),
        _ if lower => format!("%{b:02x}"),
        _ => format!("%{b:02X}"),
    };
    text.bytes().map(one).collect()
}

fn json(text: &str) -> String {
    serde_json::to_string(text).expect("JSON")
}

/// JSON with every character written as an escape, as those print it who keep to ASCII.
fn ascii_json(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// Ways in which a text is passed on.
fn disguises(text: &str) -> Vec<(&'static str, String)> {
    const UNRESERVED: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    let component = format!("{UNRESERVED}!'()*");
    let path = format!("{UNRESERVED}/=+");
    vec![
        ("itself", text.to_owned()),
        ("a JSON string", json(text)),
        ("a JSON string in a JSON string", json(&json(text))),
        ("JSON in ASCII alone", ascii_json(text)),
        ("JSON with solidus escaped", json(text).replace('/', "\\/")),
        ("a URL", percent(text, UNRESERVED, false)),
        ("a URL in lower case", percent(text, UNRESERVED, true)),
        ("a component", percent(text, &component, false)),
        ("a path", percent(text, &path, false)),
        ("every byte escaped", percent(text, "", false)),
        ("a URL in a URL", percent(&percent(text, UNRESERVED, false), UNRESERVED, false)),
        ("a URL in a JSON string", json(&percent(text, UNRESERVED, false)).replace('/', "\\/")),
        ("JSON in a URL", percent(&json(text), UNRESERVED, false)),
        ("base64", base64(text.as_bytes())),
        ("base64 without padding", base64_unpadded(text.as_bytes())),
        ("base64 of URLs", base64_url(text.as_bytes())),
        ("base64 in a URL", percent(&base64(text.as_bytes()), UNRESERVED, false)),
    ]
}

#[test]
fn a_value_is_found_in_every_disguise_at_every_offset() {
    for value in ["hunter2-hunter2", "12345678", AWKWARD, "Straße-東京-🔑", "þÿþÿþÿþÿ??>>~~"] {
        for before in ["", "x", "xy", "xyz", "https://user:", "{\"token\":\""] {
            for (what, text) in disguises(&format!("{before}{value} and more")) {
                assert!(found(value, &text), "`{value}` after `{before}` as {what}: {text}");
                assert!(found(value, &format!("[{text}]")), "`{value}` within text, as {what}");
            }
        }
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    for value in ["hunter2-hunter2", AWKWARD] {
        for text in
            ["", "h", "hunter2", "hunter2-hunter", "unter2-hunter2", "hunter2-hunter3", "hunter2 -hunter2"]
        {
            for (what, text) in disguises(text) {
                assert!(!found(value, &text), "{text} as {what}");
            }
        }
        assert_eq!(find(&key(1), &[], value), None);
    }
}

#[test]
fn the_index_says_which_value_it_was() {
    let values: Vec<String> = (0..200).map(|i| format!("secret-{i:03}-{}", "x".repeat(i % 40))).collect();
    let prints: Vec<Fingerprint> =
        values.iter().map(|value| fingerprint(&key(1), value.as_bytes()).expect("a fingerprint")).collect();
    for (i, value) in values.iter().enumerate() {
        assert_eq!(find(&key(1), &prints, &format!("it is {value}.")), Some(i));
    }
}

const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\r\n\
    MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu\n\
    short\n\
    -----END PRIVATE KEY-----\n";

#[test]
fn a_line_of_a_key_is_found_and_what_all_keys_have_is_not() {
    let lines: Vec<&str> = PEM.lines().collect();
    assert!(found(PEM, lines[1]) && found(PEM, lines[2]), "its lines");
    assert!(found(PEM, &PEM.replace('\n', "\n    ")), "indented");
    assert!(
        found(PEM, PEM.trim_end()) && found(PEM, &json(PEM)) && found(PEM, &base64(PEM.as_bytes())),
        "whole"
    );
    assert!(!found(PEM, lines[0]) && !found(PEM, lines[4]) && !found(PEM, "short"), "its markers");
    let document = "{\n  \"type\": \"service_account\",\n  \"auth_uri\": \"https://login.example/auth\"\n}";
    assert!(found(document, document) && !found(document, "use `\"type\": \"service_account\",` here"));
    // Of a long one some lines in each part of it.
    let long: Vec<String> = (0..100).map(|i| format!("{i:064}")).collect();
    let prints = fingerprints_of(&key(1), long[..60].join("\n").as_bytes());
    assert_eq!(prints.len(), 29, "itself, base64 at three alignments, 25 lines");
    for part in long[..60].chunks(3) {
        assert!(find(&key(1), &prints, &part.join("\n")).is_some(), "{part:?}");
    }
    assert_eq!(find(&key(1), &prints, &long[60..].join("\n")), None);
}

#[test]
fn there_are_few_fingerprints_and_none_of_what_cannot_be_found() {
    for (length, count) in [(0, 0), (7, 0), (8, 4), (40, 4), (3072, 4), (4096, 4), (4097, 0)] {
        let value = "a".repeat(length);
        assert_eq!(fingerprints_of(&key(1), value.as_bytes()).len(), count, "{length}");
        assert_eq!(
            fingerprint(&key(1), value.as_bytes()).is_some(),
            (8..=4096).contains(&length),
            "{length}"
        );
    }
    assert_eq!(fingerprints_of(&key(1), "ÿ".repeat(100).as_bytes()).len(), 7, "with both alphabets");
    assert_eq!(fingerprints_of(&key(1), b"  1234567 \n").len(), 0, "white space is no part of a value");
    let long = "0123456789abcdef".repeat(256);
    for (what, text) in disguises(&format!("x{long}y")) {
        assert!(found(&long, &text), "4,096 bytes as {what}");
    }
}

/// SPEC 4, recomputed from its text.
fn recomputed(seed: &[u8; 32], value: &[u8]) -> String {
    const PRIME: u128 = (1 << 61) - 1;
    let keyed = |input: u8, bytes: &[u8]| *blake3::keyed_hash(seed, &[&[input], bytes].concat()).as_bytes();
    let number = |bytes: &[u8]| bytes.iter().fold(0u128, |n, b| n << 8 | u128::from(*b));
    let r = number(&keyed(0, b"")[..8]) % PRIME;
    let h = value.iter().fold(0, |h, b| (h * r + u128::from(*b)) % PRIME);
    let tag = &keyed(1, value)[..16];
    let sieve = ((h ^ h >> 32) & 0xFFFF_FFFF) ^ number(&keyed(2, tag)[..4]);
    format!("f:{}:{}{sieve:08x}", value.len(), hex(tag))
}

#[test]
fn a_fingerprint_is_what_section_4_says() {
    let home = Home::new();
    let seed: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 7).expect("small"));
    fs::write(home.path("k"), FingerprintKey::from_seed(&seed).to_file().as_bytes()).expect("a file");
    for value in [&b"12345678"[..], b"correct horse battery staple", &[255; 4096], &[0; 9]] {
        let print = fingerprint(&FingerprintKey::from_seed(&seed), value).expect("a fingerprint");
        assert_eq!(print.to_string(), recomputed(&seed, value));
        assert_eq!(Fingerprint::parse(&print.to_string()), Some(print));
        let text = serde_json::to_string(&print).expect("JSON");
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).expect("a fingerprint"), print);
    }
}

#[test]
fn fingerprints_are_read_in_one_form() {
    let good = fingerprint(&key(1), b"12345678").expect("a fingerprint").to_string();
    assert!(Fingerprint::parse(&good).is_some());
    let digits = good.rsplit(':').next().expect("digits");
    for bad in [
        String::new(),
        digits.to_owned(),
        format!("f:08:{digits}"),
        format!("f:+8:{digits}"),
        format!("f:7:{digits}"),
        format!("f:4097:{digits}"),
        format!("f:70000:{digits}"),
        format!("f::{digits}"),
        format!("g:8:{digits}"),
        format!("f:8:{}", digits.to_uppercase().replace("0", "A")),
        format!("f:8:{digits}0"),
        format!("f:8:{}", &digits[1..]),
        format!("{good} "),
    ] {
        assert_eq!(Fingerprint::parse(&bad), None, "{bad}");
        assert!(serde_json::from_str::<Fingerprint>(&json(&bad)).is_err());
    }
}

#[test]
fn the_key_is_never_printed_and_another_one_finds_nothing() {
    let prints = fingerprints_of(&key(1), AWKWARD.as_bytes());
    assert_eq!(format!("{:?}", key(1)), "FingerprintKey");
    assert!(find(&key(1), &prints, AWKWARD).is_some());
    assert_eq!(find(&key(2), &prints, AWKWARD), None);
    assert!(fingerprints_of(&key(2), AWKWARD.as_bytes()).iter().all(|print| !prints.contains(print)));
}

#[test]
fn the_key_file_is_made_once_private_and_read_strictly() {
    let home = Home::new();
    let paths = Paths::of(&home.path("ledger"));
    fs::create_dir(&paths.keys).expect("a directory");
    let (path, entropy) = (paths.fingerprint_key(), &mut Entropy::default());
    assert!(path.ends_with("ledger.keys/fingerprint.key"));
    assert_eq!(read_fingerprint_key(&path).expect_err("a no").code, Code::KeyFileMissing);
    // What a crash between writing and linking left is cleared away.
    fs::write(path.with_extension("key.new"), "half a k").expect("a file");
    let made = open_fingerprint_key(&path, entropy).expect("a key");
    let again = open_fingerprint_key(&path, entropy).expect("the key");
    let text = fs::read_to_string(&path).expect("the file");
    assert_eq!((made.to_file().as_str(), again.to_file().as_str()), (text.as_str(), text.as_str()));
    assert!(
        text.starts_with("CHANCERY+FINGERPRINT+KEY+") && text.ends_with("=\n") && text.lines().count() == 1
    );
    assert_eq!(fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&paths.keys).expect("keys").count(), 1, "nothing is left beside it");
    let prints = fingerprints_of(&made, AWKWARD.as_bytes());
    assert!(
        find(&read_fingerprint_key(&path).expect("the key"), &prints, AWKWARD).is_some(),
        "after a restart"
    );

    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        assert_eq!(open_fingerprint_key(&path, entropy).expect_err("a no").code, Code::KeyFileReadable);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    let start = text.find("KEY+").expect("a head") + 4;
    let short = format!("{}{}\n", &text[..start], base64(&[7; 31]));
    for harmed in
        [String::new(), text.trim_end().to_owned(), format!("{text}\n"), text.replace("KEY", "KEZ"), short]
    {
        fs::write(&path, &harmed).expect("a file");
        assert_eq!(open_fingerprint_key(&path, entropy).expect_err(&harmed).code, Code::KeyFileInvalid);
        assert_eq!(fs::read_to_string(&path).expect("the file"), harmed, "it is not replaced");
    }
    fs::write(&path, vec![b'x'; 5000]).expect("a file");
    assert_eq!(read_fingerprint_key(&path).expect_err("a no").code, Code::KeyFileInvalid);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Over two letters every near miss happens: the search says what a plain one says.
    #[test]
    fn a_search_agrees_with_a_plain_one(
        values in proptest::collection::vec("[ab]{8,14}", 1..6),
        text in "[ab]{0,400}",
        seed in any::<u8>(),
    ) {
        let key = key(seed);
        let prints: Vec<Fingerprint> =
            values.iter().map(|value| fingerprint(&key, value.as_bytes()).expect("a fingerprint")).collect();
        match find(&key, &prints, &text) {
            Some(index) => prop_assert!(text.contains(&values[index])),
            None => prop_assert!(values.iter().all(|value| !text.contains(value))),
        }
    }

    #[test]
    fn a_value_planted_anywhere_is_found(
        value in "\\PC{8,60}",
        (before, after) in ("\\PC{0,80}", "\\PC{0,80}"),
        which in 0usize..17,
    ) {
        prop_assume!(value.trim().len() >= 8);
        let (what, text) = disguises(&format!("{before}{value}{after}")).swap_remove(which);
        prop_assert!(found(&value, &text), "as {}", what);
    }

    #[test]
    fn a_value_is_not_found_where_it_is_not(value in "[!-~]{12,40}", text in "\\PC{0,600}", other in any::<u8>()) {
        prop_assume!(!text.contains(&value));
        prop_assert!(!found(&value, &text));
        // Nor by another key where it is.
        prop_assume!(other != 1);
        let prints = fingerprints_of(&key(1), value.as_bytes());
        prop_assert_eq!(find(&key(other), &prints, &format!("{text}{value}")), None);
    }
}

/// What a job leaves in a world: submitted, something handed out to a worker.
fn hand_out(world: &mut World, scope: &str, job: &str, value: &str) {
    let submitted = JobEvent::Submitted {
        capability: "access".to_owned(),
        command: None,
        deadline: 9000,
        locality: None,
        mode: Mode::Stub,
        target: None,
    };
    happens(world, (scope, job), Event::Job(submitted));
    let text = |text: &str| text.to_owned();
    let opened = LeaseEvent::Opened {
        expires: 9000,
        fence: 1,
        grant: text("g-1"),
        job: text(job),
        provider: text("test"),
        reference: text("test://canary"),
    };
    let prints = fingerprints_of(&key(1), value.as_bytes());
    let fingerprints = prints.iter().map(Fingerprint::to_string).collect();
    for event in [opened, LeaseEvent::Resolved { fingerprints }, LeaseEvent::Closed {}] {
        happens(world, (scope, job), Event::Lease(event));
    }
}

fn happens(world: &mut World, (scope, id): (&str, &str), event: Event) {
    let meta = Meta {
        position: world.position,
        time: 1000,
        scope,
        id,
        actor: "w-1",
        attestation: None,
        action: None,
        cause: &[],
    };
    world.fold(&meta, Digest::ZERO, &event, &mut Vec::new());
}

#[test]
fn what_was_handed_out_is_remembered_whatever_other_organisations_do() {
    let mut world = World::default();
    let knows = |world: &World, scope: &str, id: &str| !world.leases.handed_out(At { scope, id }).is_empty();
    let over = Event::Job(JobEvent::Cancelled { cause: Cancelled::Request });
    hand_out(&mut world, "/m/quiet", "live", "opal-lantern-quartz");
    hand_out(&mut world, "/m/quiet", "over", "opal-lantern-copper");
    happens(&mut world, ("/m/quiet", "over"), over.clone());
    for n in 0..5000 {
        hand_out(&mut world, "/m/busy", &format!("j-{n}"), "amber-lantern-quartz");
        happens(&mut world, ("/m/busy", &format!("j-{n}")), over.clone());
    }
    assert!(knows(&world, "/m/quiet", "live") && knows(&world, "/m/quiet", "over"));
    // A busy organisation forgets its own jobs, the oldest first, and none that is not over.
    hand_out(&mut world, "/m/busy", "live", "amber-lantern-copper");
    assert!(knows(&world, "/m/busy", "live") && knows(&world, "/m/busy", "j-4999"));
    assert!(knows(&world, "/m/busy", "j-3976") && !knows(&world, "/m/busy", "j-3975"));
    assert_eq!(world.leases.handed_to("w-1", "j-3975").len(), 0);
    assert_eq!(world.leases.handed_to("w-1", "over"), ["/m/quiet"]);
}
