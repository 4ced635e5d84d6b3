//! Do exports, verifications, pins, keys and imports work from file to file, as an auditor and an operator use them?

use crate::cli::{
    BROKEN, FAILED, NO, OPEN, USAGE, YES, act, act_as, bare as begun, enrolled, object, objects,
};
use crate::harness::{Home, ran};
use chancery_ledger::format::encoding::{base64, base64_unpadded};
use serde_json::Value;
use std::fs;

/// A ledger with an operator and an agent who act in `/acme`.
const FOUNDER: &str = "ledger.keys/founder.key";

fn peopled() -> Home {
    let home = begun();
    enrolled(&home, "otto", "human", "msp_operator");
    enrolled(&home, "bot-7", "agent", "agent");
    home
}

fn fingerprint(n: u8) -> String {
    format!("fingerprint=SHA256:{}", base64_unpadded(&[n; 32]))
}

fn observe(home: &Home, id: &str, n: u8) {
    let words = ["host_key.observe", "--scope", "/acme", "--id", id, "source=generated", &fingerprint(n)];
    act_as(home, YES, "bot-7.key", &words);
}

fn text(home: &Home, name: &str) -> String {
    fs::read_to_string(home.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn size(home: &Home) -> u64 {
    object(home, YES, &["checkpoint"])["size"].as_u64().expect("a size")
}

#[test]
fn an_entry_is_shown_by_position_and_by_address() {
    let home = begun();
    let by_position = object(&home, YES, &["show", "1"]);
    let address = by_position["address"].as_str().expect("an address").to_owned();
    assert_eq!(object(&home, YES, &["show", &address]), by_position);
    assert!(home.expect(YES, &["show", &address]).stdout.contains(&address));
    home.expect(NO, &["show", "2"]);
    home.expect(NO, &["show", &format!("b3:{}", "0".repeat(64))]);
    home.expect(USAGE, &["show", &address[..20]]);
    home.expect(USAGE, &["show", "--", "-1"]);
}

#[test]
fn the_log_is_filtered() {
    let home = peopled();
    act(&home, YES, &["scope.create", "--id", "acme2"]);
    act(&home, YES, &["scope.create", "--id", "lab", "--scope", "/acme"]);
    observe(&home, "ssh-ed25519:h:22", 1);
    observe(&home, "ssh-ed25519:h:22", 2);
    let log = |args: &[&str]| -> Vec<(u64, String)> {
        let mut all = vec!["log"];
        all.extend(args);
        let line = |line: Value| {
            (
                line["position"].as_u64().expect("a position"),
                line["kind"].as_str().expect("a kind").to_owned(),
            )
        };
        objects(&home, YES, &all).into_iter().map(line).collect()
    };
    let all = log(&[]);
    assert_eq!(all.len() as u64, size(&home));
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "oldest first");
    assert_eq!(
        log(&["--kind", "host_key"]).iter().map(|l| l.1.as_str()).collect::<Vec<_>>(),
        ["host_key.observed", "host_key.observed", "host_key.changed"]
    );
    assert_eq!(log(&["--kind", "host_key.changed"]).len(), 1);
    // A filter is a whole name.
    home.expect(USAGE, &["log", "--kind", "host"]);
    assert!(log(&["--scope", "/acme"]).iter().all(|line| line.0 > 1));
    assert_eq!(log(&["--scope", "/acme2"]).len(), 0, "what is created below `/` happened in `/`");
    assert_eq!(log(&["--scope", "/"]).len(), all.len());
    assert_eq!(log(&["--id", "ssh-ed25519:h:22"]).len(), 3);
    assert_eq!(log(&["--limit", "2"]), all[all.len() - 2..]);
    assert_eq!(log(&["--from", "2", "--to", "4"]), all[2..4]);
    assert_eq!(log(&["--from", "2", "--to", "4", "--limit", "1"]), all[3..4]);
    assert_eq!(log(&["--to", "1000"]).len(), all.len());
    for _ in 0..40 {
        observe(&home, "ssh-ed25519:h:22", 2);
    }
    assert_eq!(log(&[]).len(), 50, "the newest fifty unless a range is given");
    assert_eq!(log(&["--from", "0"]).len() as u64, size(&home));
}

#[test]
fn exports_are_of_a_range_and_replace_nothing() {
    let home = begun();
    act(&home, YES, &["scope.create", "--id", "b"]);
    let whole = object(&home, YES, &["export", "--out", "whole.chancery"]);
    assert_eq!((whole["entries"].as_u64(), whole["size"].as_u64()), (Some(3), Some(3)));
    assert_eq!(
        whole["bytes"].as_u64(),
        Some(fs::metadata(home.path("whole.chancery")).expect("a file").len())
    );
    let part = object(&home, YES, &["export", "--out", "part.chancery", "--from", "1", "--to", "2"]);
    assert_eq!((part["entries"].as_u64(), part["size"].as_u64()), (Some(1), Some(2)));
    let before = text(&home, "whole.chancery");
    home.expect(USAGE, &["export", "--out", "whole.chancery"]);
    assert_eq!(text(&home, "whole.chancery"), before);
    home.expect(NO, &["export", "--out", "none.chancery", "--to", "99"]);
    home.expect(NO, &["export", "--out", "none.chancery", "--from", "3", "--to", "2"]);
    let left: Vec<_> =
        fs::read_dir(home.path("")).expect("the home").map(|e| e.expect("an entry").file_name()).collect();
    assert!(
        !left.iter().any(|name| name.to_string_lossy().contains("none")
            || name.to_string_lossy().contains("part.") && name != "part.chancery"),
        "nothing is left behind: {left:?}"
    );
    object(&home, YES, &["verify", "whole.chancery", "--pin", "ledger.pin", "--keep-pin"]);
}

#[test]
fn an_export_with_private_parts_is_recorded_first() {
    let home = peopled();
    let before = size(&home);
    assert_eq!(home.run(&["export", "--out", "p.chancery", "--private"]).code, NO, "it needs a credential");
    home.expect(NO, &["export", "--out", "p.chancery", "--private", "--key-file", "otto.key"]);
    assert_eq!(size(&home), before + 1, "the denial stands");
    assert!(!home.path("p.chancery").exists());
    home.expect(
        YES,
        &["export", "--out", "p.chancery", "--private", "--key-file", "ledger.keys/founder.key"],
    );
    let last = object(&home, YES, &["show", &(before + 1).to_string()]);
    assert_eq!(last["entry"]["kind"], "export.produced");
    assert_eq!(last["entry"]["data"]["to"].as_u64(), Some(before + 1));
    assert!(text(&home, "p.chancery").contains("\"args\":{\"salt\""));
    home.expect(YES, &["export", "--out", "q.chancery"]);
    assert_eq!(size(&home), before + 2, "without private parts nothing is recorded");
    assert!(!text(&home, "q.chancery").contains("\"salt\""));
    for file in ["p.chancery", "q.chancery"] {
        let report = object(&home, YES, &["verify", file, "--pin", "ledger.pin", "--keep-pin"]);
        assert_eq!(report["verdict"], "authentic");
    }
}

#[test]
fn a_pin_advances_and_the_next_verification_reads_only_what_is_new() {
    let home = begun();
    let first = object(&home, YES, &["verify", "--pin", "ledger.pin"]);
    assert_eq!(
        (first["verdict"].as_str(), first["from"].as_u64(), first["entries"].as_u64()),
        (Some("authentic"), Some(0), Some(2))
    );
    let pin: Value = serde_json::from_str(&text(&home, "ledger.pin")).expect("a pin");
    assert_eq!(pin["size"].as_u64(), Some(2));
    assert!(pin.get("state").is_some());
    act(&home, YES, &["scope.create", "--id", "b"]);
    act(&home, YES, &["scope.create", "--id", "c"]);
    let second = object(&home, YES, &["verify", "--pin", "ledger.pin"]);
    assert_eq!(
        (second["verdict"].as_str(), second["from"].as_u64(), second["entries"].as_u64()),
        (Some("authentic"), Some(2), Some(2))
    );
    let advanced = text(&home, "ledger.pin");
    assert_ne!(advanced, pin.to_string());
    // What is not authentic, and what is to be kept, advances nothing.
    act(&home, YES, &["scope.create", "--id", "d"]);
    object(&home, YES, &["verify", "--pin", "ledger.pin", "--keep-pin"]);
    assert_eq!(text(&home, "ledger.pin"), advanced);
    let head = format!("1:{}", "0".repeat(64));
    fs::write(home.path("full.pin"), &advanced).expect("a pin");
    let stale =
        object(&home, OPEN, &["verify", "--pin", "full.pin", "--head", &format!("9:{}", "0".repeat(64))]);
    assert_eq!(stale["verdict"], "stale");
    // A head below the pin is looked at as well, and contradicts.
    home.expect(BROKEN, &["verify", "--pin", "full.pin", "--head", &head]);
    assert_eq!(text(&home, "full.pin"), advanced);
    // An older export does not take the pin back.
    home.expect(YES, &["export", "--out", "old.chancery", "--to", "2"]);
    object(&home, OPEN, &["verify", "old.chancery", "--pin", "ledger.pin"]);
    assert_eq!(text(&home, "ledger.pin"), advanced);
}

#[test]
fn what_is_trusted_is_named_on_the_command_line() {
    let home = Home::new();
    let created = object(&home, YES, &["init", "--name", "cli.example", "--stage", "test", "--no-token"]);
    let vkey = created["vkey"].as_str().expect("a key");
    act(&home, YES, &["scope.create", "--id", "acme"]);
    home.expect(YES, &["export", "--out", "a.chancery"]);
    let head = object(&home, YES, &["checkpoint"]);
    let (note, root) = (head["note"].as_str().expect("a note"), head["root"].as_str().expect("a root"));
    fs::write(home.path("head.txt"), note).expect("a file");
    fs::write(home.path("log.vkey"), format!("{vkey}\n")).expect("a file");
    let verdict = |code: i32, args: &[&str]| {
        let mut all = vec!["verify"];
        all.extend(args);
        object(&home, code, &all)["verdict"].as_str().expect("a verdict").to_owned()
    };
    let zeros = "0".repeat(64);
    for source in [&[][..], &["a.chancery"]] {
        let with = |more: &[&'static str]| -> Vec<String> {
            source.iter().chain(more).map(|s| (*s).to_owned()).collect()
        };
        let run = |code: i32, words: Vec<String>| {
            verdict(code, &words.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let head = |text: String| -> Vec<String> {
            let mut words = with(&["--key", "@log.vkey", "--head"]);
            words.push(text);
            words
        };
        assert_eq!(run(OPEN, with(&[])), "integrity_only");
        assert_eq!(run(YES, with(&["--key", "@log.vkey"])), "authentic");
        assert_eq!(run(YES, with(&["--key", "@log.vkey", "--screen", "--threads", "1"])), "authentic");
        assert_eq!(run(YES, head("@head.txt".to_owned())), "authentic");
        assert_eq!(run(YES, head(format!("2:{root}"))), "authentic");
        assert_eq!(run(OPEN, head(format!("3:{root}"))), "stale");
        let forked = run(BROKEN, head(format!("1:{zeros}")));
        assert!(["forked", "tampered"].contains(&forked.as_str()), "{forked}");
        home.expect(USAGE, &["verify", "--head", "2"]);
        home.expect(USAGE, &["verify", "--key", "nonsense"]);
    }
    assert_eq!(verdict(YES, &["--key", vkey]), "authentic");
    // Another ledger's key and pin say nothing about this one.
    home.expect(YES, &["init", "--name", "other.example", "--dir", "other"]);
    for args in [["--pin", "other.pin"], ["--dir", "other"]] {
        let report = object(
            &home,
            OPEN,
            &["verify", args[0], args[1], if args[0] == "--dir" { "--pin" } else { "--dir" }, "ledger.pin"]
                [..if args[0] == "--dir" { 5 } else { 3 }],
        );
        assert_eq!(
            (report["verdict"].as_str(), report["finding"]["code"].as_str()),
            (Some("unverifiable"), Some("other_log"))
        );
    }
    home.expect(USAGE, &["verify", "--key", "@log.vkey", "--head", "@log.vkey"]);
}

#[test]
fn a_report_is_filed_and_explained() {
    let home = begun();
    home.expect(YES, &["export", "--out", "a.chancery"]);
    let told = object(
        &home,
        YES,
        &["verify", "a.chancery", "--pin", "ledger.pin", "--keep-pin", "--report", "report.json"],
    );
    let filed: Value = serde_json::from_str(&text(&home, "report.json")).expect("a report");
    assert_eq!(filed, told);
    let explained = home.expect(YES, &["verify", "a.chancery", "--pin", "ledger.pin", "--explain"]).stdout;
    assert!(explained.contains("Everything is what the pinned log key signed."), "{explained}");
    // One byte in the middle: the verdict, the place, and no advance of the pin.
    let mut bytes = fs::read(home.path("a.chancery")).expect("an export");
    let at = text(&home, "a.chancery").rfind("\"leaf\":\"").expect("a leaf") + 200;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    fs::write(home.path("b.chancery"), bytes).expect("a file");
    let pin = text(&home, "ledger.pin");
    let report =
        object(&home, BROKEN, &["verify", "b.chancery", "--pin", "ledger.pin", "--report", "bad.json"]);
    assert_eq!(report["verdict"], "tampered");
    assert_eq!(report["exit"].as_i64(), Some(i64::from(BROKEN)));
    assert!(report["finding"]["first"].as_u64().is_some_and(|first| first <= 1), "{report}");
    assert_eq!(text(&home, "ledger.pin"), pin);
    let said = home.expect(BROKEN, &["verify", "b.chancery", "--pin", "ledger.pin"]).stdout;
    assert!(said.starts_with("verify: tampered\n") && said.contains("entr"), "{said}");
    // Cut in the middle of a line.
    let whole = fs::read(home.path("a.chancery")).expect("an export");
    fs::write(home.path("c.chancery"), &whole[..whole.len() - 10]).expect("a file");
    assert_eq!(object(&home, BROKEN, &["verify", "c.chancery"])["verdict"], "truncated");
}

#[test]
fn what_an_auditor_names_is_neither_replaced_nor_read_without_end() {
    let home = begun();
    home.expect(YES, &["export", "--out", "a.chancery"]);
    let export = text(&home, "a.chancery");
    fn verify<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&["verify", "a.chancery", "--pin", "link.pin"], more].concat()
    }
    std::os::unix::fs::symlink("ledger.pin", home.path("link.pin")).expect("a link");
    for file in ["a.chancery", "ledger.pin", "/dev/full"] {
        let ran = home.expect(USAGE, &verify(&["--report", file]));
        assert!(ran.stderr.contains("a report replaces nothing"), "{}", ran.stderr);
    }
    assert_eq!(text(&home, "a.chancery"), export);
    let before = text(&home, "ledger.pin");
    home.expect(YES, &verify(&[]));
    assert!(home.path("link.pin").symlink_metadata().expect("a file").is_symlink());
    assert_ne!(text(&home, "ledger.pin"), before, "the pin behind the link went forward");
    for more in [["--head", "@/dev/zero"], ["--key", "@/dev/zero"]] {
        assert!(home.expect(USAGE, &verify(&more)).stderr.contains("over 1048576 bytes"));
    }
    let endless = ["do", "scope.create", "--id", "x", "reason=@/dev/zero", "--key-file", FOUNDER];
    assert!(home.expect(USAGE, &endless).stderr.contains("over 1048576 bytes"));
}

#[test]
fn keys_are_generated_proven_rotated_and_revoked_by_hand() {
    let home = peopled();
    let made = object(&home, YES, &["key", "generate", "--principal", "bot-7", "--out", "next.key"]);
    assert_eq!(object(&home, YES, &["key", "show", "next.key"]), made);
    assert_eq!(made["principal"], "bot-7");
    home.expect(FAILED, &["key", "generate", "--principal", "bot-7", "--out", "next.key"]);
    assert_eq!(object(&home, YES, &["key", "show", "next.key"]), made, "a key file is never overwritten");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(fs::metadata(home.path("next.key")).expect("a file").permissions().mode() & 0o777, 0o600);
    let prove = ["key", "prove", "next.key", "--log", "cli.example/e1", "--old", "bot-7.key"];
    let words = home.expect(YES, &prove).stdout;
    let mut words: Vec<&str> = words.split_whitespace().collect();
    words.extend(["--scope", "/acme"]);
    let told = object(&home, YES, &prove);
    assert_eq!(words[0], told["action"]);
    assert_eq!(words[2], told["id"]);
    for (name, value) in told["args"].as_object().expect("arguments") {
        assert!(words.contains(&format!("{name}={}", value.as_str().expect("text")).as_str()), "{name}");
    }
    act_as(&home, YES, "bot-7.key", &words);
    let see = [
        "host_key.observe",
        "--scope",
        "/acme",
        "--id",
        "ssh-ed25519:h:22",
        "source=generated",
        &fingerprint(1),
    ];
    assert!(act_as(&home, NO, "bot-7.key", &see).stderr.starts_with("error[unknown_key]"));
    act_as(&home, YES, "next.key", &see);
    act(&home, YES, &["key.revoke", "--scope", "/acme", "--id", made["id"].as_str().expect("an id")]);
    act_as(&home, NO, "next.key", &see);
    object(&home, YES, &["verify", "--pin", "ledger.pin"]);
    fs::set_permissions(home.path("next.key"), fs::Permissions::from_mode(0o644)).expect("a mode");
    assert!(home.expect(FAILED, &["key", "show", "next.key"]).stderr.contains("chmod 600"));
}

#[test]
fn a_token_speaks_from_a_file_and_from_the_environment() {
    let home = peopled();
    let issued = object(
        &home,
        YES,
        &[
            "do",
            "--key-file",
            "ledger.keys/founder.key",
            "token.issue",
            "--id",
            "tok000000001",
            "--scope",
            "/acme",
            "principal=otto",
            "ttl_ms:=600000",
        ],
    );
    let secret = issued["secret"].as_str().expect("a secret");
    let see = [
        "do",
        "host_key.observe",
        "--scope",
        "/acme",
        "--id",
        "ssh-ed25519:h:22",
        "source=generated",
        &fingerprint(1),
    ];
    let output = home.command(&see).env("CHANCERY_TOKEN", secret).output().expect("the binary runs");
    assert_eq!(ran(output).code, YES);
    fs::write(home.path("token"), format!("{secret}\n")).expect("a file");
    let with_file = [&see[..], &["--token-file", "token"]].concat();
    home.expect(FAILED, &with_file);
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(home.path("token"), fs::Permissions::from_mode(0o600)).expect("a mode");
    home.expect(YES, &with_file);
    let output =
        home.command(&see).env("CHANCERY_TOKEN", format!("{secret}x")).output().expect("the binary runs");
    assert!(ran(output).stderr.starts_with("error[unauthenticated]"));
    for file in ["ledger/ledger.db", "ledger/index.db"] {
        let bytes = fs::read(home.path(file)).expect("a file");
        let tail = secret.rsplit('_').nth(1).expect("a secret").as_bytes();
        assert!(!bytes.windows(tail.len()).any(|window| window == tail), "{file} holds the secret");
    }
}

/// A key line's blob: the algorithm and 32 bytes, as OpenSSH packs them.
fn blob(algorithm: &str, n: u8) -> String {
    let mut bytes = Vec::new();
    for part in [algorithm.as_bytes(), &[n; 32]] {
        bytes.extend_from_slice(&u32::try_from(part.len()).expect("short").to_be_bytes());
        bytes.extend_from_slice(part);
    }
    base64(&bytes)
}

#[test]
fn known_hosts_are_imported_line_by_line() {
    let home = peopled();
    let key = blob("ssh-ed25519", 1);
    let (salt, hash) = (base64(&[2; 20]), base64(&[0xAB; 20]));
    let long = "h".repeat(250);
    let lines = [
        "# a comment".to_owned(),
        String::new(),
        format!("host1.example ssh-ed25519 {key} somebody@somewhere"),
        format!("  HOST2.example,10.0.0.1\tssh-ed25519   {key}"),
        format!("[host3.example]:2222,[fe80::1]:22 ssh-ed25519 {key}"),
        format!("|1|{salt}|{hash} ssh-ed25519 {key}"),
        format!("host4 sk-ssh-ed25519@openssh.com {}", blob("sk-ssh-ed25519@openssh.com", 3)),
        format!("@cert-authority *.example ssh-ed25519 {key}"),
        format!("@revoked host5 ssh-ed25519 {key}"),
        format!("*.example ssh-ed25519 {key}"),
        format!("!host6 ssh-ed25519 {key}"),
        "host7 ssh-ed25519".to_owned(),
        "host8 ssh-ed25519 not+base64".to_owned(),
        format!("host9 ssh-rsa {key}"),
        format!("hóst ssh-ed25519 {key}"),
        format!("{long} ssh-ed25519 {key}"),
        format!("[host10 ssh-ed25519 {key}"),
        format!("last.example ssh-ed25519 {key}"),
    ];
    fs::write(home.path("known_hosts"), lines.join("\n")).expect("a file");
    let import = ["import", "known-hosts", "known_hosts", "--scope", "/acme", "--key-file", "bot-7.key"];
    let before = size(&home);
    let ran = home.expect(YES, &import);
    let seen: Vec<&str> = ran.stdout.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    let hashed = format!("ssh-ed25519:hashed-{}:22", "ab".repeat(20));
    assert_eq!(
        seen,
        [
            "ssh-ed25519:host1.example:22",
            "ssh-ed25519:host2.example:22",
            "ssh-ed25519:10.0.0.1:22",
            "ssh-ed25519:host3.example:2222",
            "ssh-ed25519:fe80::1:22",
            &hashed,
            "ssh-ed25519:host4:22",
            "ssh-ed25519:last.example:22",
        ]
    );
    assert_eq!(size(&home), before + 8);
    let skipped: Vec<usize> = ran
        .stderr
        .lines()
        .filter_map(|l| l.strip_prefix("skipped line ")?.split(':').next()?.parse().ok())
        .collect();
    assert_eq!(skipped, [8, 9, 10, 11, 12, 13, 14, 15, 16, 17]);
    assert!(ran.stderr.contains("8 observed, 0 answered no, 10 lines skipped"), "{}", ran.stderr);
    // The same from stdin, as objects; a port that is none is refused, and the rest goes on.
    let text = format!(
        "[host1.example]:99999 ssh-ed25519 {key}\nhost1.example ssh-ed25519 {}\n",
        blob("ssh-ed25519", 9)
    );
    fs::write(home.path("scan"), text).expect("a file");
    let scan = fs::File::open(home.path("scan")).expect("a file");
    let args = [
        "--json",
        "import",
        "known-hosts",
        "-",
        "--source",
        "ssh_keyscan",
        "--scope",
        "/acme",
        "--key-file",
        "bot-7.key",
    ];
    let ran = ran_of(home.command(&args).stdin(scan));
    assert_eq!(ran.code, NO, "{}", ran.stderr);
    let told: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(told[0]["code"], "id_malformed");
    assert_eq!(told[1]["entries"][1]["kind"], "host_key.changed");
    object(&home, YES, &["verify", "--pin", "ledger.pin"]);
}

fn ran_of(command: &mut std::process::Command) -> crate::harness::Ran {
    ran(command.output().expect("the binary runs"))
}

#[test]
fn completions_name_every_command() {
    let home = Home::new();
    let help = home.expect(YES, &["--help"]).stdout;
    for shell in ["bash", "zsh", "fish"] {
        let script = home.expect(YES, &["completions", shell]).stdout;
        for name in crate::spec::commands(&help) {
            assert!(script.contains(&name), "{shell}: {name}");
        }
    }
    home.expect(USAGE, &["completions", "no-such-shell"]);
}
