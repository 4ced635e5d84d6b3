//! Are secrets found, and nothing else? Samples of each detector, ten thousand benign bodies, and where a find points.

use crate::harness::root;
use crate::harness::site::{Site, code};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use chancery_ledger::format::json::Value;
use chancery_ledger::secrets::{DETECTORS, in_name, in_text, in_value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const MEMBER: &str = "secret_member";
const FINGERPRINT: &str = "fingerprint=SHA256:EhtHb1kF8G7j5R2Tu3ifgOHpuBSpQcWn9OjoEWepNQA";

struct Sample {
    line: usize,
    detector: &'static str,
    positive: bool,
    text: String,
}

/// Lines of the fixture; a text with `\n` in it stands twice, with a line feed the second time.
fn samples() -> Vec<Sample> {
    let file = std::fs::read_to_string(root().join("fixtures/secrets/samples.txt")).expect("the samples");
    let mut found = Vec::new();
    for (i, line) in file.lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
        let mut parts = line.splitn(3, ' ');
        let (name, sign) = (parts.next().expect("a detector"), parts.next().expect("a sign"));
        let text = parts.next().expect("a text").replace('|', "");
        let known = DETECTORS.iter().find(|detector| detector.name == name);
        let detector = known.unwrap_or_else(|| panic!("line {}: `{name}` is a detector", i + 1)).name;
        assert!(["+", "-"].contains(&sign), "line {}: `{sign}`", i + 1);
        let mut texts = vec![text.clone()];
        if text.contains("\\n") {
            texts.push(text.replace("\\n", "\n"));
        }
        for text in texts {
            found.push(Sample { line: i + 1, detector, positive: sign == "+", text });
        }
    }
    found
}

fn positives() -> Vec<Sample> {
    samples().into_iter().filter(|sample| sample.positive).collect()
}

fn in_string(text: &str) -> Option<&'static str> {
    in_value(&Value::from(text), "").map(|found| found.detector)
}

#[test]
fn each_sample_gives_its_detector_or_nothing() {
    for Sample { line, detector, positive, text } in samples() {
        let expected = positive.then_some(detector);
        assert_eq!(in_string(&text), expected, "line {line}: {text}");
        // A member's name is read in JSON; the text alone tells no more than an assignment.
        if detector != MEMBER {
            assert_eq!(in_text(&text), expected, "line {line}: {text}");
        }
    }
}

#[test]
fn every_detector_has_samples_both_ways() {
    assert!(DETECTORS.len() >= 30);
    let names: BTreeSet<&str> = DETECTORS.iter().map(|detector| detector.name).collect();
    assert_eq!(names.len(), DETECTORS.len(), "each name once");
    let mut counted: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    for sample in samples() {
        *counted.entry((sample.detector, sample.positive)).or_default() += 1;
    }
    for detector in DETECTORS {
        let snake = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        assert!(detector.name.bytes().all(snake) && detector.what.len() > 10, "{detector:?}");
        for positive in [true, false] {
            let count = counted.get(&(detector.name, positive)).copied().unwrap_or_default();
            assert!(count >= 2, "`{}` has {count} samples of {positive}", detector.name);
        }
    }
}

#[test]
fn every_prefix_that_a_detector_names_is_shown() {
    // `what` names prefixes in code spans; one that ends as prefixes do begins a word of some sample.
    let positives = positives();
    let mut prefixes = 0;
    for detector in DETECTORS {
        let spans = detector.what.split('`').skip(1).step_by(2);
        for prefix in spans.filter(|span| span.len() < 16 && span.ends_with(['_', '-', '.'])) {
            let shown = positives.iter().any(|s| s.detector == detector.name && s.text.contains(prefix));
            assert!(shown, "`{prefix}` of `{}` has no sample", detector.name);
            prefixes += 1;
        }
    }
    assert!(prefixes > 60, "{prefixes} prefixes");
}

/// A generator without a clock: the same bodies each time.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn of(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }

    fn hex(&mut self, n: usize) -> String {
        (0..n).map(|_| char::from(b"0123456789abcdef"[self.below(16)])).collect()
    }

    fn prose(&mut self, words: usize) -> String {
        let mut text = String::new();
        for i in 0..words {
            let end = if i % 11 == 10 { self.of(&[". ", ", ", ": ", "; ", "!\n", "? "]) } else { " " };
            text += self.of(WORDS);
            text += end;
        }
        text
    }
}

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "the", "operator", "asks", "for", "a", "token", "and", "gets", "password", "secret", "key", "which", "rotates",
    "after", "ninety", "days", "agent-7", "scout", "SG", "SK", "sk-learn", "hf", "npm", "AKIA", "Bearer", "Basic",
    "authorization", "cookie", "session", "credentials", "The", "API", "keys", "are", "kept", "in", "vault", "by",
    "host", "it's", "verified", "task", "Ledger", "private", "public", "(see", "below)", "e.g.", "“quoted”", "naïve",
    "s.th.", "don't", "access_token", "api_key", "client_secret", "max_tokens", "Größe", "—", "https", "postgres",
];

const NAMES: &[&str] = &["host", "digest", "proof", "sig", "fingerprint", "commit", "entry", "id", "image"];

/// One thing that is no secret, though it may look as if.
fn benign(draw: &mut Draw) -> String {
    let hex = draw.hex(64);
    let n = draw.below(1_000_000);
    match draw.below(26) {
        0 => format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18], &hex[18..30]),
        1 => hex[..40].to_owned(),
        2 => format!("b3:{hex}"),
        3 => format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(draw.bytes(32))),
        4 => BASE64_STANDARD.encode(draw.bytes(32)),
        5 => BASE64_STANDARD.encode(draw.bytes(64)),
        6 => format!("k:{}", &hex[..32]),
        7 => format!("v{}.{}.{}-rc.{}+{}", n % 9, n % 31, n % 7, n % 3, &hex[..7]),
        8 => format!("https://{}.example:{}/api/v1/items/{n}?page=2&sort=-time", draw.of(NAMES), n % 65_536),
        9 => format!("git@git.example:team/repo-{n}.git at {}", &hex[..12]),
        10 => format!("cargo test --locked --test {} -- --nocapture -j{}", draw.of(NAMES), n % 16),
        11 => format!("ssh -i keys/id_ed25519 -p {} -o StrictHostKeyChecking=yes scout@h{n}", n % 65_536),
        12 => format!("registry.example/team/app:{}.{}@sha256:{hex}", n % 9, n % 99),
        13 => {
            format!(
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{} scout@h",
                &BASE64_STANDARD.encode(draw.bytes(32))
            )
        }
        14 => format!(
            "2026-03-{:02}T12:00:{:02}.{}Z INFO door: request_id={} took={}ms token_count={n}",
            n % 28 + 1,
            n % 60,
            n % 1000,
            &hex[..16],
            n % 99
        ),
        15 => format!("{}={}", draw.of(NAMES), BASE64_STANDARD.encode(draw.bytes(64))),
        16 => format!(
            "{{\"tool\":\"search\",\"args\":{{\"q\":\"{}\",\"maxTokens\":{n}}},\"ratio\":0.5}}",
            draw.prose(6).replace('\n', " ")
        ),
        17 => format!(
            "[{{\"id\":\"{}\",\"{}\":\"{}\"}}]",
            &hex[..32],
            draw.of(NAMES),
            BASE64_STANDARD.encode(draw.bytes(32))
        ),
        18 => "API_KEY=${API_KEY} password=*** token: <redacted> secret={{ vault.secret }}".to_owned(),
        19 => format!("password: vault://kv/hosts/{n}#password, apiKey: \"YOUR_API_KEY\""),
        20 => format!("{{\"password\":{{\"type\":\"string\",\"minLength\":{}}},\"token\":null}}", n % 20),
        21 => format!("demo.example/e1+{}+{}", &hex[..8], BASE64_STANDARD.encode(draw.bytes(33))),
        22 => format!("fn token(&self) -> Option<&Token> {{ self.tokens.get({n}) }} // secret: never"),
        23 => {
            format!("— demo.example/e1 {}", BASE64_STANDARD.encode(draw.bytes(68)))
        }
        24 => format!("data:image/png;base64,{}", BASE64_STANDARD.encode(draw.bytes(n % 300))),
        _ => draw.prose(4 + n % 40),
    }
}

#[test]
fn of_ten_thousand_benign_bodies_fewer_than_ten_fire() {
    let mut draw = Draw(2026);
    let (mut fired, mut bytes) = (Vec::new(), 0);
    for _ in 0..10_000 {
        let parts = 1 + draw.below(8);
        let join = draw.of(&[" ", "\n", ", ", "; ", " | "]);
        let body = (0..parts).map(|_| benign(&mut draw)).collect::<Vec<_>>().join(join);
        bytes += body.len();
        let escaped = serde_json::to_string(&body).expect("JSON");
        let inner = Value::Text(format!("{{\"output\":{escaped}}}"));
        let text = Value::List(vec![Value::Text(body.clone()), inner]);
        let document =
            Value::Object(BTreeMap::from([("args".to_owned(), text), ("n".to_owned(), Value::Int(1))]));
        if let Some(found) = in_value(&document, "") {
            fired.push((found, body));
        }
    }
    eprintln!("benign bodies: 10000, {bytes} bytes, {} fired", fired.len());
    assert!(bytes > 1_000_000, "the bodies are not empty: {bytes} bytes");
    assert!(fired.len() < 10, "{} fired, such as {:?}", fired.len(), fired.first());
}

#[test]
fn a_secret_in_the_middle_of_benign_text_is_found() {
    let mut draw = Draw(7);
    let (mut quoted, mut queried) = (0, 0);
    for Sample { line, detector, text, .. } in positives() {
        let (before, after) = (draw.prose(30), draw.prose(30));
        let mut bodies = vec![
            format!("{before} {text} {after}"),
            format!("{before}\n{text}\n{after}"),
            format!("{before}\\n{text}\\n{after}"),
        ];
        if !text.contains('"') {
            bodies.push(format!("{before}\"{text}\" {after}"));
            bodies.push(format!("{before}'{text}' {after}"));
            quoted += 1;
        }
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~/:+=@!$?&;".contains(&b);
        if text.bytes().all(fits) {
            bodies.push(format!("{before} https://h.example/p?x={text}&y=1 {after}"));
            queried += 1;
        }
        for body in bodies {
            let found = in_text(&body);
            // JSON that does not stand alone is text, and its members are assignments.
            let known = if detector == MEMBER { "secret_assignment" } else { detector };
            let escaped = detector == MEMBER && text.contains("\\u00");
            assert!(escaped || found == Some(known), "line {line}: {found:?} in {body}");
        }
    }
    assert!(quoted > 100 && queried > 70, "{quoted} quoted, {queried} in a query");
}

#[test]
fn a_find_names_the_place_and_never_the_value() {
    for Sample { line, detector, text, .. } in positives() {
        let inner = Value::Object(BTreeMap::from([("note".to_owned(), Value::Text(text.clone()))]));
        let list = Value::List(vec![Value::Null, Value::from("plain"), inner]);
        let document = Value::Object(BTreeMap::from([
            ("args".to_owned(), list),
            ("a".to_owned(), Value::from("a password is kept elsewhere")),
        ]));
        let found = in_value(&document, "/request").expect("a find");
        assert_eq!((found.pointer.as_str(), found.detector), ("/request/args/2/note", detector));
        assert_eq!(found, in_value(&document, "/request").expect("the same find"));
        let shown = format!("{found:?}{found:#?}");
        for piece in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|piece| piece.len() > 8) {
            assert!(!shown.contains(piece) || detector.contains(piece), "line {line}: {shown}");
        }
    }
}

#[test]
fn members_and_names_of_a_document_are_looked_at() {
    let member = |name: &str, value: Value| Value::Object(BTreeMap::from([(name.to_owned(), value)]));
    let place = |value: &Value| in_value(value, "").map(|found| (found.pointer, found.detector));
    let at = |pointer: &str, detector| Some((pointer.to_owned(), detector));
    let word = || Value::from("synthetic");
    for name in ["api_key", "password", "client_secret", "mcp_credentials", "private_key", "accesstoken"] {
        assert_eq!(place(&member(name, word())), at(&format!("/{name}"), MEMBER));
        assert_eq!(place(&member(name, Value::List(vec![word()]))), at(&format!("/{name}"), MEMBER));
        for none in [Value::Null, Value::Int(12_345_678), Value::from("***"), Value::from("${NAME}")] {
            assert_eq!(place(&member(name, none.clone())), None, "{name}: {none:?}");
        }
    }
    for name in ["public", "fingerprint", "max_tokens", "next_page_token", "key", "password_policy"] {
        assert_eq!(place(&member(name, word())), None, "{name}");
    }
    // A name that is itself a secret is never part of a pointer.
    let name = format!("{}_{}", "ghp", "synthetic0sample1only2never3issued4b");
    let nested = member("outer", member(&name, member("password", word())));
    assert_eq!(place(&nested), at("/outer", "github_token"));
}

#[test]
fn json_in_strings_is_bounded() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(in_string(&deep), None);
    let wide = format!("[{}0]", "{\"a\":[1,2.5e300,true,null,\"b\"]},".repeat(5000));
    assert_eq!(in_string(&wide), None);
    assert_eq!(in_string("{\"a\":"), None);
    for cut in 0..40 {
        assert_eq!(in_string(&"é—\u{1F511}=:.".repeat(8)[..].chars().take(cut).collect::<String>()), None);
    }
    // What stands before the place where JSON breaks is looked at.
    assert_eq!(in_string("{\"pass\\u0077ord\":\"synthetic\"}\n{\"cut"), Some(MEMBER));
}

/// The shortest of many runs, so that other work on the machine says little.
fn shortest(runs: usize, text: &str) -> Duration {
    let run = |_| {
        let start = Instant::now();
        std::hint::black_box(in_text(std::hint::black_box(text)));
        start.elapsed()
    };
    (0..runs).map(run).min().unwrap_or_default()
}

#[test]
fn plain_text_costs_little_and_rows_of_marks_no_more_than_their_length() {
    let sentence =
        "The operator looks at what the agent did, and says whether it may go on with that today. ";
    let prose = &sentence.repeat(50)[..4096];
    let took = shortest(2000, prose);
    assert_eq!(in_text(prose), None);
    eprintln!("4096 bytes of prose: {} ns", took.as_nanos());
    assert!(took < Duration::from_micros(100), "{took:?}");
    let rows = [
        "=",
        ":",
        ".",
        "-",
        "://",
        "://a:",
        "a=",
        "password=<",
        "password=bbbbb ",
        "host= pwd=aa user=",
        "eyJa",
        "eyJ.",
        "password=a:",
        "Q~",
        "a1Q~",
        "b3Blb/",
        "PRIVATE+KEY+",
        "/api/webhooks/",
        "?sig=",
        "AccountKey=",
        "Cookie: a=b;",
        "\\",
        "\\\"",
        " ",
        ":  ",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----\\n",
        "1:AA",
        "s.",
        "Bearer ",
        "--token ",
        "[",
        "{",
        ".atlasv1.",
        "chy_",
        "aaaaaa.",
    ];
    for row in rows {
        let took = shortest(2, &row.repeat((256 << 10) / row.len()));
        assert!(took < Duration::from_secs(2), "rows of `{row}`: {took:?}");
    }
}

#[test]
fn no_cut_of_a_sample_is_too_much_for_a_detector() {
    for Sample { text, .. } in samples() {
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            let (head, tail) = text.split_at(at);
            let _ = (in_string(head), in_string(tail));
        }
    }
}

#[test]
fn an_id_or_a_scope_with_a_secret_in_it_reaches_no_disk() {
    let hex = "3f9a1c7be05d2846b1f07c9e4ad85236".repeat(2);
    let names = [
        ("digitalocean_token", format!("dop_v1_{hex}")),
        ("databricks_token", format!("dapi{}", &hex[..32])),
        ("gitlab_token", format!("glpat-{}", &hex[..24])),
        ("slack_token", format!("xoxb-{}", &hex[..30])),
        ("openai_key", format!("sk-{}", &hex[..40])),
        ("mailgun_key", format!("key-{}", &hex[..32])),
        ("huggingface_token", format!("hf_{}", &hex[..34])),
        ("shopify_token", format!("shpat_{}", &hex[..32])),
    ];
    let site = Site::new();
    assert_eq!(site.run(&["init", "--name", "ids.example", "--no-token", "--stage", "test"]).code, 0);
    for (detector, name) in &names {
        let host = format!("ssh-ed25519:{name}:22");
        let tool = ["do", "capability.register", "--id", name, "risk=low"];
        let key = ["do", "host_key.observe", "--id", &host, "source=known_hosts", FINGERPRINT];
        let within = ["do", "scope.create", "--id", name];
        for args in [&tool[..], &key[..], &within[..]] {
            let ran = site.run(args);
            assert_eq!(
                (ran.code, code(&ran).as_str()),
                (2, "secret_in_arguments"),
                "{args:?}: {}",
                ran.stderr
            );
            assert!(ran.stderr.contains(detector) && ran.stderr.contains("/entity/id"), "{}", ran.stderr);
            assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(&hex[..20]), "the value is told");
        }
        // Only some forms are segments of a scope.
        if !name.contains('_') {
            let scope = format!("/{name}/x");
            let ran = site.run(&["do", "capability.register", "--id", "tool", "risk=low", "--scope", &scope]);
            assert_eq!(code(&ran), "secret_in_arguments", "{}", ran.stderr);
            assert!(ran.stderr.contains("/scope") && ran.stderr.contains(detector), "{}", ran.stderr);
        }
    }
    let here = site.path("l");
    for file in std::fs::read_dir(&here).expect("the ledger").map(|file| file.expect("a file").path()) {
        let bytes = std::fs::read(&file).expect("bytes");
        assert!(!bytes.windows(20).any(|w| w == &hex.as_bytes()[..20]), "{} holds one", file.display());
    }
    // Names that only look a little like it.
    for id in [&hex[..], "dop_v1_x", "sk-ecdsa-key", "key-of-the-door", "password:secret-store", "hf_model"] {
        assert_eq!(in_name(id), None, "{id}");
        let ran = site.run(&["do", "capability.register", "--id", id, "risk=low"]);
        // Registering one waits for a second principal, which is no matter of its name.
        assert_eq!((ran.code, code(&ran).as_str()), (1, "confirmation_required"), "{id}: {}", ran.stderr);
    }
}
