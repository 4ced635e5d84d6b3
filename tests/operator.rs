//! Does an operator who types something odd, or stands where nothing can be written, get what is true and a way out?

use crate::cli::{FAILED, USAGE, YES, act, begun, object};
use crate::harness::server::Server;
use crate::harness::site::{Site, code, finish};
use crate::harness::{Home, Ran, copy_tree, ran};
use chancery_ledger::verify::FindingCode;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

const KEY: &str = "ledger.keys/founder.key";

fn chmod(home: &Home, name: &str, mode: u32) {
    fs::set_permissions(home.path(name), fs::Permissions::from_mode(mode)).expect("a mode");
}

/// Runs as somebody who may read the files and write none of them.
fn as_nobody(home: &Home, args: &[&str]) -> Ran {
    let own = home.command(args);
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    command.arg(own.get_program()).args(own.get_args()).current_dir(home.path(""));
    command.env("TMPDIR", home.path("drop"));
    ran(finish(command))
}

fn can_be_nobody(home: &Home) -> bool {
    let run = |program: &str, args: &[&str]| {
        let output = std::process::Command::new(program).args(args).output();
        output.is_ok_and(|output| output.status.success())
    };
    chmod(home, "", 0o755);
    let binary = crate::harness::binary();
    let can =
        run("setpriv", &["--reuid", "65534", "--regid", "65534", "--clear-groups", binary, "--version"]);
    if !can {
        crate::harness::skip("a ledger that may only be read", "setpriv, as root");
    }
    can
}

#[test]
fn a_ledger_that_may_not_be_written_is_read() {
    let home = begun();
    if !can_be_nobody(&home) {
        return;
    }
    fs::create_dir(home.path("drop")).expect("created");
    chmod(&home, "drop", 0o777);
    fs::create_dir(home.path("odd name%3f")).expect("created");
    copy_tree(&home.path("ledger"), &home.path("odd name%3f/l"));
    fs::copy(home.path("ledger.anchor"), home.path("odd name%3f/l.anchor")).expect("copied");
    for (dir, anchor) in [("ledger", "ledger.anchor"), ("odd name%3f/l", "odd name%3f/l.anchor")] {
        chmod(&home, dir, 0o755);
        for file in fs::read_dir(home.path(dir)).expect("files").map(|file| file.expect("a file").path()) {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a mode");
        }
        chmod(&home, anchor, 0o644);
        let out = format!("drop/e{}", dir.len());
        for args in [
            &["log"][..],
            &["show", "1"],
            &["checkpoint"],
            &["queue"],
            &["view", "holds"],
            &["verify", "--pin", "ledger.pin", "--keep-pin"],
            &["export", "--out", &out],
        ] {
            let ran = as_nobody(&home, &[args, &["--dir", dir]].concat());
            assert_eq!(ran.code, 0, "{dir} {args:?}: {}", ran.stderr);
        }
        assert!(home.path(&out).exists(), "{out}");
    }
    // What stands in the WAL alone is not left out in silence.
    fs::write(home.path("ledger/ledger.db-wal"), [7; 100]).expect("written");
    chmod(&home, "ledger/ledger.db-wal", 0o600);
    let told = as_nobody(&home, &["log"]);
    assert_eq!(told.code, FAILED, "{}", told.stderr);
    assert!(told.stderr.contains("ledger.db-wal") && told.stderr.contains("copy"), "{}", told.stderr);
}

#[test]
fn keys_and_anchor_lie_outside_the_ledger_directory() {
    let home = Home::new();
    let init = ["init", "--name", "a.example", "--stage", "test", "--no-token"];
    symlink("ledger", home.path("link")).expect("a link");
    for more in [["--keys", "ledger/keys"], ["--anchor", "./ledger/a"], ["--anchor", "ledger/../ledger/a"]] {
        let told = home.expect(USAGE, &[&init[..], &more].concat());
        assert!(told.stderr.contains(more[0]) && told.stderr.contains("outside"), "{}", told.stderr);
    }
    home.expect(YES, &init);
    fs::copy(home.path("ledger.anchor"), home.path("ledger/anchor")).expect("copied");
    let within = ["do", "scope.create", "--id", "x", "--key-file", KEY, "--anchor", "link/anchor"];
    home.expect(USAGE, &within);
    act(&home, YES, &["scope.create", "--id", "x"]);
    // `.` has no name: what is beside it has its directory's.
    fs::create_dir(home.path("here")).expect("created");
    let inside = |args: &[&str]| {
        let mut command = home.command(args);
        command.current_dir(home.path("here"));
        ran(finish(command))
    };
    let made = inside(&[&init[..], &["--dir", "."]].concat());
    assert_eq!(made.code, YES, "{}", made.stderr);
    for name in ["here.keys/founder.key", "here.anchor", "here.pin"] {
        assert!(home.path(name).exists(), "{name}");
    }
    assert_eq!(inside(&["log", "--dir", "./"]).code, YES);
    home.expect(YES, &["log", "--dir", "here"]);
}

#[test]
fn only_the_owner_looks_into_a_new_ledger() {
    let home = begun();
    for dir in ["ledger", "ledger.keys"] {
        let mode = fs::metadata(home.path(dir)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{dir}");
    }
    fs::create_dir(home.path("open")).expect("created");
    chmod(&home, "open", 0o755);
    let told = home.expect(YES, &["init", "--dir", "open", "--name", "b.example", "--stage", "test"]);
    assert!(told.stderr.contains("warning:") && told.stderr.contains("chmod 700 open"), "{}", told.stderr);
}

#[test]
fn another_ledgers_anchor_is_known_for_one() {
    let home = begun();
    for (dir, name) in [("other", "other.example"), ("same", "cli.example")] {
        home.expect(YES, &["init", "--dir", dir, "--name", name, "--stage", "test", "--no-token"]);
        let anchor = format!("{dir}.anchor");
        for args in [
            &["log"][..],
            &["checkpoint"],
            &["queue"],
            &["view", "holds"],
            &["export", "--out", "x"],
            &["verify"],
            &["verify", "--pin", "ledger.pin"],
        ] {
            let told = home.expect(FAILED, &[args, &["--anchor", &anchor]].concat());
            assert!(told.stderr.contains("error[anchor_damaged]"), "{dir} {args:?}: {}", told.stderr);
            assert!(told.stderr.contains(name), "{}", told.stderr);
        }
    }
    assert!(!home.path("x").exists());
    home.expect(YES, &["verify", "--pin", "ledger.pin"]);
}

#[test]
fn what_is_typed_goes_before_the_environment() {
    let (far, near) = (Site::begun(), begun());
    let server = Server::start(&far, &[]);
    let with = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = near.command(args);
        command.envs(variables.iter().copied());
        ran(finish(command))
    };
    let url = server.url();
    let far_url = [("CHANCERY_URL", url.as_str())];
    let create = ["do", "scope.create", "--key-file", KEY, "--dir", "ledger", "--id"];
    let made = with(&far_url, &[&create[..], &["one"]].concat());
    assert_eq!(made.code, YES, "{}", made.stderr);
    assert!(near.expect(YES, &["log"]).stdout.contains("scope/one"), "it went to the server");
    assert_ne!(with(&far_url, &["log", "--dir", "nowhere"]).code, YES);
    let both = with(&[], &["log", "--dir", "ledger", "--url", &url]);
    assert_eq!(both.code, USAGE, "{}", both.stderr);
    assert!(both.stderr.contains("--dir") && both.stderr.contains("--url"), "{}", both.stderr);
    // A token that is typed, and a key that is not.
    let words = ["token.issue", "--id", "fffffffffff0", "principal=founder", "ttl_ms:=60000"];
    let made = object(&near, YES, &[&["do", "--key-file", KEY], &words[..]].concat());
    fs::write(near.path("t"), made["secret"].as_str().expect("a token")).expect("written");
    chmod(&near, "t", 0o600);
    let as_token = ["do", "scope.create", "--token-file", "t", "--id"];
    let told = with(&[("CHANCERY_KEY_FILE", "nowhere")], &[&as_token[..], &["two"]].concat());
    assert_eq!(told.code, YES, "{}", told.stderr);
    let told = with(&[], &[&as_token[..], &["three", "--key-file", KEY]].concat());
    assert_eq!(told.code, USAGE, "{}", told.stderr);
    // An empty variable is none.
    let empty =
        [("CHANCERY_URL", ""), ("CHANCERY_KEY_FILE", ""), ("CHANCERY_DIR", ""), ("CHANCERY_TOKEN", "")];
    assert_eq!(with(&empty, &["log"]).code, YES);
    let told = with(&empty, &[&as_token[..], &["four"]].concat());
    assert_eq!(told.code, YES, "{}", told.stderr);
    let told = with(&empty, &["do", "scope.create", "--id", "five"]);
    assert!(told.stderr.contains("no credential"), "{}", told.stderr);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_pin_never_goes_back_and_no_link_is_followed() {
    let home = begun();
    fs::write(home.path("victim"), "mine").expect("written");
    symlink("victim", home.path("ledger.pin.new")).expect("a link");
    home.expect(YES, &["verify", "--pin", "ledger.pin"]);
    assert_eq!(fs::read_to_string(home.path("victim")).expect("text"), "mine");
    // Old and new exports, verified at the same time.
    home.expect(YES, &["export", "--out", "old"]);
    for n in 0..4 {
        act(&home, YES, &["scope.create", "--id", &format!("s{n}")]);
    }
    let size = object(&home, YES, &["checkpoint"])["size"].clone();
    home.expect(YES, &["export", "--out", "new"]);
    let first = fs::read(home.path("ledger.pin")).expect("a pin");
    for _ in 0..8 {
        fs::write(home.path("ledger.pin"), &first).expect("written");
        let start = |file: &str| {
            let mut command = home.command(&["verify", file, "--pin", "ledger.pin"]);
            std::thread::spawn(move || ran(command.output().expect("it runs")))
        };
        let running: Vec<_> = ["new", "old", "new", "old"].map(start).into();
        for ended in running {
            let ended = ended.join().expect("it ends");
            // Whoever reads the advanced pin first finds the old export short of it.
            assert!(ended.code == YES || ended.stdout.contains("stale"), "{} {}", ended.stdout, ended.stderr);
        }
        let text = fs::read_to_string(home.path("ledger.pin")).expect("a pin");
        let pin: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(pin["size"], size, "the pin was taken back");
    }
}

#[test]
fn an_export_says_what_is_true_of_its_range() {
    let site = Site::begun();
    let import = site.path("known_hosts");
    fs::write(&import, crate::harness::site::known_hosts(0, 6)).expect("written");
    site.must(&["do", "scope.create", "--id", "one"]);
    let run = |args: &[&str]| {
        let mut command = site.home.command(&[&["export", "--dir", "l"], args].concat());
        command.env("CHANCERY_KEY_FILE", site.path("l.keys/founder.key"));
        ran(finish(command))
    };
    let told = run(&["--out", "a", "--from", "1", "--to", "1"]);
    assert!(told.stderr.contains("no entry from 1 to 1"), "{}", told.stderr);
    let told = run(&["--out", "a", "--to", "1"]);
    assert_eq!(told.code, YES, "{}", told.stderr);
    assert!(told.stdout.contains("1 entries under 1 heads"), "{}", told.stdout);
    // Nothing is recorded of what cannot be delivered.
    let before = site.entries().len();
    for args in [&["--out", "a", "--private"][..], &["--out", "b", "--private", "--from", "1", "--to", "1"]] {
        let told = run(args);
        assert_ne!(told.code, YES, "{}", told.stderr);
    }
    assert_eq!(site.entries().len(), before, "an export that nobody got is in the record");
    fs::write(site.path("b.chancery.part"), "stale").expect("written");
    let told = run(&["--out", "b", "--private"]);
    assert_eq!(told.code, YES, "{}", told.stderr);
    assert_eq!(site.entries().len(), before + 1);
}

#[test]
fn every_code_that_a_verification_finds_is_explained() {
    let home = Home::new();
    for known in FindingCode::ALL {
        let told = home.expect(YES, &["explain", known.as_str()]);
        assert!(told.stdout.contains(&format!("`{}`", known.as_str())), "{}", told.stdout);
    }
}

#[test]
fn a_filter_that_can_match_nothing_is_refused() {
    let home = begun();
    home.expect(USAGE, &["log", "--scope", "acme"]);
    let told = home.expect(USAGE, &["log", "--kind", "scope.creatd"]);
    assert!(told.stderr.contains("did you mean `scope.created`?"), "{}", told.stderr);
    home.expect(YES, &["log", "--kind", "scope", "--scope", "/acme"]);
    for (bytes, with) in [(&b"\n"[..], "holds no token"), (b"\xff\xfe", "nor a token file")] {
        fs::write(home.path("t"), bytes).expect("written");
        chmod(&home, "t", 0o600);
        let told = home.run(&["do", "scope.create", "--id", "x", "--token-file", "t"]);
        assert!(told.stderr.contains("`t`") && told.stderr.contains(with), "{}", told.stderr);
    }
    let told = home.run(&["serve", "--idle-ms", "18446744073709551615"]);
    assert!(told.stderr.contains("9007199254740991"), "{}", told.stderr);
}

#[test]
fn many_sign_with_one_key_at_once() {
    let site = Site::begun();
    let server = Server::start(&site, &[]);
    let url = server.url();
    let start = |n: usize| {
        let id = format!("s{n}");
        let mut command = site.command(&["do", "scope.create", "--id", &id, "--url", &url]);
        std::thread::spawn(move || ran(command.output().expect("it runs")))
    };
    let running: Vec<_> = (0..12).map(start).collect();
    for ended in running {
        let ended = ended.join().expect("it ends");
        assert_eq!(ended.code, YES, "{} {}", code(&ended), ended.stderr);
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_terminal_that_goes_away_ends_a_server_as_any_signal_does() {
    let site = Site::begun();
    let mut server = Server::start(&site, &[]);
    server.signal("HUP");
    assert_eq!(server.wait(), Some(0));
}
