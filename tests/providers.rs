//! Does a reference resolve as its provider answers, each failure under its name, and the value nowhere to be read?

use crate::cli::{FAILED, NO, USAGE, YES, object};
use crate::harness::{Home, Ran, ran};
use chancery_ledger::format::encoding::base64;
use chancery_ledger::format::reference::{ProviderKind, Reference};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The value that no output and no file may hold.
const VALUE: &str = "s3cr3t/\"value\"+with=all\\of it";
const TOKEN: &str = "hvs.CAESIJ-test-token";
const REFERENCE: &str = "vault://kv/build/registry#password";

/// A Vault that answers every request with the same bytes, and then hangs up or not.
pub struct Vault {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

/// How it ends after its bytes.
#[derive(Clone, Copy, PartialEq)]
pub enum End {
    Hangs,
    Waits,
}

fn serve(mut stream: TcpStream, answer: &[u8], end: End, asked: &Mutex<Vec<String>>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    asked.lock().expect("a lock").push(String::from_utf8_lossy(&head).into_owned());
    let _ = stream.write_all(answer);
    if end == End::Waits {
        // Until the other side gives up.
        let _ = stream.read(&mut byte);
    }
}

impl Vault {
    pub fn that(answer: impl Into<Vec<u8>>, end: End) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (answer.into(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &answer, end, &log);
            }
        });
        Self { address, asked }
    }

    /// Answers with a status and a body.
    pub fn saying(status: &str, more: &str, body: &str) -> Self {
        let length = body.len();
        Self::that(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{more}\r\n{body}"), End::Hangs)
    }

    /// Answers as a Vault does that has these fields under the reference.
    fn with(fields: &Value) -> Self {
        Self::saying("200 OK", "Content-Type: application/json\r\n", &body(fields))
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }
}

fn body(fields: &Value) -> String {
    let metadata =
        serde_json::json!({"created_time": "2026-01-01T00:00:00Z", "version": 3, "destroyed": false});
    serde_json::json!({
        "request_id": "8b7d", "lease_duration": 0, "renewable": false, "wrap_info": null, "X-Ratio": 1.5,
        "data": {"data": fields, "metadata": metadata},
    })
    .to_string()
}

pub fn private(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a mode");
}

/// A home with a Vault's token and a configuration that enables everything but `managed`.
fn home(address: &str) -> Home {
    let home = Home::new();
    private(&home.path("token"), &format!("{TOKEN}\n"));
    fs::create_dir(home.path("values")).expect("a directory");
    let config = serde_json::json!({
        "enabled": ["vault", "local", "test", "kms", "broker", "stub"],
        "vault": {"address": address, "token_file": "token", "timeout_ms": 700},
        "local": {"directory": "values"},
        "test": {"seed": "a seed"},
    });
    fs::write(home.path("providers.json"), config.to_string()).expect("a file");
    home
}

fn check<'a>(reference: &'a str, stage: &'a str) -> [&'a str; 8] {
    ["provider", "check", "--reference", reference, "--config", "providers.json", "--stage", stage]
}

/// Asserts that no output holds the value or the token, and no file but those that should.
fn kept(home: &Home, outputs: &[&Ran], value: &str) {
    fn files(dir: &Path, all: &mut Vec<Vec<u8>>) {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some("token" | "values" | "values.txt") => {}
                _ if path.is_dir() => files(&path, all),
                _ => all.push(fs::read(&path).expect("a file")),
            }
        }
    }
    let mut places = Vec::new();
    files(&home.path(""), &mut places);
    places.extend(outputs.iter().flat_map(|ran| [ran.stdout.clone().into(), ran.stderr.clone().into()]));
    let quoted = serde_json::to_string(value).expect("JSON");
    for secret in [value, &base64(value.as_bytes())[..8], quoted.trim_matches('"'), &value[4..14], TOKEN] {
        for place in &places {
            assert!(!String::from_utf8_lossy(place).contains(secret), "`{secret}` stands in a place");
        }
    }
}

/// The failure of a reference, in JSON and in text, and that it tells nothing more.
fn fails(home: &Home, reference: &str, stage: &str, name: &str) {
    let answer = object(home, NO, &check(reference, stage));
    assert_eq!((&answer["outcome"], &answer["failure"]), (&"failed".into(), &name.into()), "{reference}");
    assert_eq!(answer["reference"], reference);
    assert!(answer.get("fingerprints").is_none() && answer.get("length").is_none());
    let text = home.expect(NO, &check(reference, stage));
    assert!(text.stdout.contains(&format!("failure       {name}: ")), "{}", text.stdout);
    kept(home, &[&text], VALUE);
}

/// The failure of the Vault's reference as this one answers.
fn vault_fails(vault: &Vault, name: &str) {
    fails(&home(&format!("http://{}", vault.address)), REFERENCE, "staging", name);
}

#[test]
fn references_have_one_grammar() {
    for (text, kind, path, field) in [
        (REFERENCE, ProviderKind::Vault, "kv/build/registry", Some("password")),
        ("vault://a/b#c", ProviderKind::Vault, "a/b", Some("c")),
        ("test://name", ProviderKind::Test, "name", None),
        ("local://a/b_c-d.e/.f", ProviderKind::LocalDevelopment, "a/b_c-d.e/.f", None),
        ("kms://keys/1", ProviderKind::Kms, "keys/1", None),
        ("managed://a", ProviderKind::Managed, "a", None),
        ("broker://a", ProviderKind::Broker, "a", None),
        ("stub://a", ProviderKind::Stub, "a", None),
    ] {
        let reference = Reference::parse(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            (reference.provider(), reference.path(), reference.field()),
            (kind, path, field),
            "{text}"
        );
        let json = serde_json::to_string(&reference).expect("JSON");
        assert_eq!((json.as_str(), reference.as_str()), (format!("\"{text}\"").as_str(), text));
        assert_eq!(serde_json::from_str::<Reference>(&json).expect("a reference"), reference);
    }
    let long = format!("test://{}", "a".repeat(193));
    assert!(Reference::parse(&long).is_ok() && Reference::parse(&format!("{long}a")).is_err());
    for text in [
        "",
        "name",
        "test:",
        "test://",
        "test:///",
        "test:/name",
        "://a",
        "http://a",
        "Test://a",
        "test://A",
        "test://a/",
        "test:///a",
        "test://a//b",
        "test://.",
        "test://./a",
        "test://..",
        "test://a/../b",
        "test://a..b",
        "test://a b",
        "test://a%2fb",
        "test://a?b",
        "test://a#b",
        "local://a#b",
        "kms://a#b",
        "vault://a/b",
        "vault://a#c",
        "vault://a/#c",
        "vault://a/b#",
        "vault://a/b##c",
        "vault://a/b#c#d",
        "vault://a/b#..",
        "vault://a/b#c/d",
        "vault://a/ü#c",
        "test://a\n",
        "vault://a@b/c#d",
        "vault://a:1/c#d",
        " test://a",
    ] {
        assert!(Reference::parse(text).is_err(), "{text}");
        assert!(serde_json::from_value::<Reference>(text.into()).is_err(), "{text}");
    }
    let words: Vec<&str> = ProviderKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(words, ["local_development", "vault", "kms", "managed", "broker", "stub", "test"]);
    assert_eq!(serde_json::to_value(ProviderKind::ALL).expect("JSON"), serde_json::json!(words));
}

#[test]
fn a_vault_is_asked_once_and_its_value_is_nowhere() {
    let vault = Vault::with(&serde_json::json!({"password": VALUE, "USER": "ci", "port": 5432}));
    let home = home(&format!("http://{}/", vault.address));
    let args = check(REFERENCE, "staging");
    // What the environment says of proxies is not asked.
    let proxies = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"];
    let mut command = home.command(&args);
    command.envs(proxies.map(|name| (name, "http://127.0.0.1:1")));
    let text = ran(command.output().expect("the binary runs"));
    assert_eq!(text.code, YES, "{}{}", text.stdout, text.stderr);
    for line in ["provider      vault", "outcome       resolved", "length        16 to 31 bytes"] {
        assert!(text.stdout.lines().any(|found| found == line), "no line `{line}`: {}", text.stdout);
    }
    let asked = vault.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("GET /v1/kv/data/build/registry HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(
        asked[0].to_lowercase().contains(&format!("x-vault-token: {}\r\n", TOKEN.to_lowercase())),
        "{}",
        asked[0]
    );
    let json = home.run(&[&["--json"], &args[..]].concat());
    let answer: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let expected = serde_json::json!({
        "fingerprints": answer["fingerprints"], "length": "16 to 31 bytes", "outcome": "resolved", "provider": "vault",
        "reference": REFERENCE,
    });
    assert_eq!(answer, expected);
    assert!(answer["fingerprints"].as_u64().is_some_and(|count| (4..=7).contains(&count)), "{answer}");
    kept(&home, &[&text, &json], VALUE);
}

#[test]
fn each_answer_of_a_vault_has_its_name() {
    let good = body(&serde_json::json!({"password": VALUE}));
    for (status, body, name) in [
        ("403 Forbidden", "{\"errors\":[\"permission denied\"]}", "refused"),
        ("401 Unauthorized", "", "refused"),
        ("404 Not Found", "{\"errors\":[]}", "missing"),
        ("500 Internal Server Error", &good, "unreachable"),
        ("503 Service Unavailable", "{\"errors\":[\"Vault is sealed\"]}", "unreachable"),
        ("429 Too Many Requests", "", "unreachable"),
        ("400 Bad Request", &good, "malformed"),
        ("201 Created", &good, "malformed"),
        ("204 No Content", "", "malformed"),
        ("200 OK", "", "malformed"),
        ("200 OK", "<html>hello</html>", "malformed"),
        ("200 OK", &good[..good.len() - 1], "malformed"),
        ("200 OK", &format!("{good}{good}"), "malformed"),
        ("200 OK", "{}", "missing"),
        ("200 OK", "{\"data\":null}", "missing"),
        ("200 OK", "{\"data\":{\"data\":null,\"metadata\":{}}}", "missing"),
        ("200 OK", "{\"data\":{\"password\":\"in the first version\"}}", "missing"),
        ("200 OK", &self::body(&serde_json::json!({"Password": VALUE})), "missing"),
        ("200 OK", &self::body(&serde_json::json!({"password": ""})), "missing"),
        ("200 OK", &self::body(&serde_json::json!({"password": 12345678})), "malformed"),
        ("200 OK", &self::body(&serde_json::json!({"password": [VALUE]})), "malformed"),
        (
            "200 OK",
            &self::body(&serde_json::json!({"password": VALUE, "pad": "x".repeat(65_536)})),
            "malformed",
        ),
    ] {
        vault_fails(&Vault::saying(status, "", body), name);
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let other = Vault::with(&serde_json::json!({"password": VALUE}));
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("Location: http://{}/v1/kv/data/build/registry\r\n", other.address);
        vault_fails(&Vault::saying(status, &location, ""), "malformed");
    }
    assert_eq!(other.asked(), Vec::<String>::new(), "the token went nowhere else");
}

#[test]
fn a_vault_that_does_not_answer_is_unreachable() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
    let began = std::time::Instant::now();
    vault_fails(&Vault::that("", End::Waits), "unreachable");
    vault_fails(&Vault::that("HTTP/1.1 200", End::Waits), "unreachable");
    vault_fails(&Vault::that(format!("{head}{{\"data\":"), End::Waits), "unreachable");
    // Six waits of 0.7 s as configured, on a machine that has other things to do.
    assert!(began.elapsed().as_secs() < 30, "no longer is waited than configured");
    vault_fails(&Vault::that("", End::Hangs), "unreachable");
    vault_fails(&Vault::that(format!("{head}{{\"data\":"), End::Hangs), "unreachable");
    vault_fails(&Vault::that("\u{0}\u{1}garbage\r\n\r\n", End::Hangs), "malformed");
    // Nobody listens where somebody did.
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    fails(&home(&format!("http://{gone}")), REFERENCE, "staging", "unreachable");
}

#[test]
fn a_huge_answer_is_not_read_to_its_end() {
    let declared = format!("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}", "x".repeat(1 << 20));
    vault_fails(&Vault::that(declared, End::Waits), "malformed");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65_536));
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(16));
    vault_fails(&Vault::that(chunked, End::Waits), "malformed");
    let header = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    vault_fails(&Vault::that(header, End::Waits), "malformed");
}

#[test]
fn a_token_is_read_each_time_and_from_a_private_file() {
    let vault = Vault::with(&serde_json::json!({"password": VALUE}));
    let home = home(&format!("http://{}", vault.address));
    for (text, answer) in
        [("", NO), ("two lines\nof text\n", NO), ("t\u{e9}\n", NO), ("another-token\n\n", YES)]
    {
        private(&home.path("token"), text);
        home.expect(answer, &check(REFERENCE, "staging"));
    }
    fs::set_permissions(home.path("token"), fs::Permissions::from_mode(0o640)).expect("a mode");
    assert!(
        home.expect(FAILED, &check(REFERENCE, "staging")).stderr.starts_with("error[key_file_readable]: ")
    );
    fs::remove_file(home.path("token")).expect("a file");
    assert!(
        home.expect(FAILED, &check(REFERENCE, "staging")).stderr.starts_with("error[key_file_missing]: ")
    );
    assert_eq!(vault.asked().len(), 1, "only with a token that can be sent");
}

#[test]
fn what_is_not_there_or_not_enabled_has_its_name() {
    let home = home("http://127.0.0.1:1");
    for (reference, name) in [
        ("managed://a", "disabled"),
        ("kms://a", "not_implemented"),
        ("broker://a", "not_implemented"),
        ("stub://a", "unsupported"),
        ("test://a", "production_local"),
        ("local://a", "production_local"),
    ] {
        fails(&home, reference, "staging", name);
    }
    fails(&home, "local://a", "test", "missing");
    // Nothing is enabled until something says so, and that is asked before the stage.
    for config in ["{}", "{\"enabled\":[]}", "{\"enabled\":[],\"test\":{\"seed\":\"s\"}}"] {
        fs::write(home.path("providers.json"), config).expect("a file");
        for kind in ProviderKind::ALL {
            let field = if kind == ProviderKind::Vault { "/b#c" } else { "" };
            for stage in ["test", "staging"] {
                fails(&home, &format!("{}://a{field}", kind.scheme()), stage, "disabled");
            }
        }
    }
    let bare = object(&home, NO, &["provider", "check", "--reference", "test://a", "--stage", "test"]);
    assert_eq!(bare["failure"], "disabled");
}

#[test]
fn a_local_value_is_a_private_file_below_the_directory() {
    let home = home("http://127.0.0.1:1");
    let values = home.path("values");
    fs::create_dir(values.join("db")).expect("a directory");
    private(&values.join("db/password"), &format!("{VALUE}\n"));
    let text = home.expect(YES, &check("local://db/password", "test"));
    assert!(text.stdout.contains("provider      local_development\n"), "{}", text.stdout);
    assert!(text.stdout.contains("length        16 to 31 bytes\n"), "{}", text.stdout);
    kept(&home, &[&text], VALUE);
    private(&values.join("short"), "1234567");
    assert!(home.expect(YES, &check("local://short", "test")).stdout.contains("fingerprints  0: too short"));
    private(&values.join("empty"), "\n");
    fails(&home, "local://empty", "test", "missing");
    private(&values.join("long"), &"x".repeat(65_537));
    fails(&home, "local://long", "test", "malformed");
    fails(&home, "local://db", "test", "malformed");
    for mode in [0o640, 0o604, 0o602] {
        fs::set_permissions(values.join("short"), fs::Permissions::from_mode(mode)).expect("a mode");
        fails(&home, "local://short", "test", "refused");
    }
    symlink(home.path("token"), values.join("out")).expect("a link");
    symlink(values.join("db/password"), values.join("in")).expect("a link");
    fails(&home, "local://out", "test", "missing");
    home.expect(YES, &check("local://in", "test"));
    fs::remove_dir_all(&values).expect("a directory");
    fails(&home, "local://short", "test", "unreachable");
}

#[test]
fn a_test_value_is_made_up_or_from_a_file() {
    let home = home("http://127.0.0.1:1");
    let made = object(&home, YES, &check("test://a/b", "test"));
    assert_eq!((&made["length"], &made["provider"]), (&"32 to 63 bytes".into(), &"test".into()));
    let config = "{\"enabled\":[\"test\"],\"test\":{\"file\":\"values.txt\"}}";
    fs::write(home.path("providers.json"), config).expect("a file");
    fails(&home, "test://a", "test", "missing");
    private(&home.path("values.txt"), &format!("ab=1\na={VALUE}\nempty=\n"));
    let text = home.expect(YES, &check("test://a", "test"));
    assert!(text.stdout.contains("length        16 to 31 bytes\n"), "{}", text.stdout);
    kept(&home, &[&text], VALUE);
    fails(&home, "test://b", "test", "missing");
    fails(&home, "test://empty", "test", "missing");
    fs::set_permissions(home.path("values.txt"), fs::Permissions::from_mode(0o644)).expect("a mode");
    fails(&home, "test://a", "test", "refused");
}

#[test]
fn a_configuration_is_refused_with_the_place_and_a_way_out() {
    let home = home("http://127.0.0.1:1");
    let vault =
        |more: &str| format!("{{\"enabled\":[\"vault\"],\"vault\":{{\"token_file\":\"token\"{more}}}}}");
    for (config, code, pointer, hint) in [
        ("[]".to_owned(), "wrong_type", "", "write `{"),
        ("{".to_owned(), "not_json", "", "SPEC 3"),
        ("{\"enabled\":[],\"enabled\":[]}".to_owned(), "duplicate_key", "/enabled", "SPEC 3"),
        ("{\"enable\":[]}".to_owned(), "unknown_field", "/enable", "`enabled`"),
        ("{\"proxy\":\"x\"}".to_owned(), "unknown_field", "/proxy", "enabled, local, test, vault"),
        ("{\"enabled\":\"vault\"}".to_owned(), "wrong_type", "/enabled", "write `["),
        ("{\"enabled\":[\"test\",\"aws\"]}".to_owned(), "malformed_value", "/enabled/1", "kms"),
        ("{\"enabled\":[7]}".to_owned(), "malformed_value", "/enabled/0", "vault"),
        ("{\"vault\":7}".to_owned(), "wrong_type", "/vault", "write `{"),
        ("{\"test\":{\"sed\":\"s\"}}".to_owned(), "unknown_field", "/test/sed", "`seed`"),
        ("{\"enabled\":[\"vault\"]}".to_owned(), "missing_field", "/vault/token_file", "0600"),
        ("{\"enabled\":[\"local\"]}".to_owned(), "missing_field", "/local/directory", "0600"),
        ("{\"enabled\":[\"test\"]}".to_owned(), "missing_field", "/test/seed", "seed"),
        (
            "{\"enabled\":[\"test\"],\"test\":{\"seed\":\"\"}}".to_owned(),
            "out_of_range",
            "/test/seed",
            "leave",
        ),
        ("{\"enabled\":[\"test\"],\"test\":{\"seed\":1}}".to_owned(), "wrong_type", "/test/seed", "string"),
        (
            "{\"enabled\":[\"test\"],\"test\":{\"file\":\"a\",\"seed\":\"b\"}}".to_owned(),
            "unknown_field",
            "/test/file",
            "keep one",
        ),
        (
            vault(",\"address\":\"https://127.0.0.1:8200\""),
            "malformed_value",
            "/vault/address",
            "Vault agent",
        ),
        (
            vault(",\"address\":\"http://vault.example:8200\""),
            "malformed_value",
            "/vault/address",
            "`remote`",
        ),
        (vault(",\"address\":\"http://10.0.0.1:8200\""), "malformed_value", "/vault/address", "`remote`"),
        (vault(",\"address\":\"http://127.0.0.1.example\""), "malformed_value", "/vault/address", "`remote`"),
        (vault(",\"address\":\"http://u@127.0.0.1\""), "malformed_value", "/vault/address", "Vault agent"),
        (vault(",\"address\":\"http://127.0.0.1/path\""), "malformed_value", "/vault/address", "Vault agent"),
        (vault(",\"remote\":\"yes\""), "wrong_type", "/vault/remote", "true"),
        (vault(",\"timeout_ms\":0"), "out_of_range", "/vault/timeout_ms", "bounds"),
        (vault(",\"timeout_ms\":60001"), "out_of_range", "/vault/timeout_ms", "bounds"),
        (vault(",\"timeout_ms\":\"1\""), "wrong_type", "/vault/timeout_ms", "milliseconds"),
        (vault(",\"tokenfile\":\"1\""), "unknown_field", "/vault/tokenfile", "`token_file`"),
    ] {
        fs::write(home.path("providers.json"), &config).expect("a file");
        let answer = object(&home, USAGE, &check("stub://a", "test"));
        assert_eq!(
            (&answer["code"], &answer["pointer"]),
            (&code.into(), &pointer.into()),
            "{config}: {answer}"
        );
        assert!(answer["hint"].as_str().is_some_and(|found| found.contains(hint)), "{config}: {answer}");
    }
    for more in [
        "",
        ",\"address\":\"http://localhost:1\"",
        ",\"address\":\"http://[::1]:1\"",
        ",\"address\":\"http://[::1]\"",
    ] {
        fs::write(home.path("providers.json"), vault(more)).expect("a file");
        fails(&home, "stub://a", "test", "disabled");
    }
    fs::write(home.path("providers.json"), vault(",\"address\":\"http://vault.example\",\"remote\":true"))
        .expect("a file");
    fails(&home, "stub://a", "test", "disabled");
    fs::write(home.path("providers.json"), " ".repeat(70_000)).expect("a file");
    assert_eq!(object(&home, USAGE, &check("stub://a", "test"))["code"], "too_large");
}
