//! Does a key file that is missing, readable by others, cut short, foreign or zero ever sign anything?

use crate::harness::site::Site;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const PROBE: &[&str] = &["do", "scope.create", "--id", "probe"];

fn write_key(path: &Path, text: &[u8]) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("set");
}

/// Breaks the key file `name` in every way; `foreign` is the answer to another ledger's key.
fn every_way(name: &str, foreign: (i32, &str)) {
    let site = Site::begun();
    let other = Site::begun();
    site.must(&["do", "scope.create", "--id", "acme"]);
    let path = site.path("l.keys").join(name);
    let good = fs::read(&path).expect("a key file");
    let before = (site.entries(), site.trace().iter().filter(|line| line.starts_with("signed")).count());
    let holds = || {
        let signed = site.trace().iter().filter(|line| line.starts_with("signed")).count();
        assert_eq!((site.entries(), signed), before.clone(), "{name}: something was signed");
    };

    fs::remove_file(&path).expect("removed");
    site.refused(5, "key_file_missing", PROBE);
    holds();
    write_key(&path, &good);
    for mode in [0o640, 0o604, 0o644, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        site.refused(5, "key_file_readable", PROBE);
    }
    holds();
    for cut in [0, 1, good.len() / 2, good.len() - 2] {
        write_key(&path, &good[..cut]);
        site.refused(5, "key_file_invalid", PROBE);
    }
    for bytes in [vec![0; good.len()], vec![0xff; 200], vec![b'0'; 10_000]] {
        write_key(&path, &bytes);
        site.refused(5, "key_file_invalid", PROBE);
    }
    holds();
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("created");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("set");
    site.refused(5, "key_file_invalid", PROBE);
    fs::remove_dir(&path).expect("removed");
    write_key(&path, &fs::read(other.path("l.keys").join(name)).expect("a key file"));
    site.refused(foreign.0, foreign.1, PROBE);
    holds();
    write_key(&path, &good);
    site.must(PROBE);
    site.check(name);
}

#[test]
fn the_logs_key_file_is_whole_private_and_its_own() {
    every_way("log.key", (5, "anchor_damaged"));
}

#[test]
fn an_authors_key_file_is_whole_private_and_enrolled() {
    every_way("founder.key", (1, "unknown_key"));
}

#[test]
fn the_systems_key_file_is_held_to_its_public_key() {
    let site = Site::new();
    site.must(&["init", "--name", "bad.example", "--no-token", "--stage", "test", "--sign", "entries"]);
    let path = site.path("l.keys/system.key");
    let good = fs::read(&path).expect("a key file");
    fs::remove_file(&path).expect("removed");
    site.refused(5, "key_file_missing", PROBE);
    write_key(&path, &fs::read(site.path("l.keys/founder.key")).expect("a key file"));
    site.refused(5, "key_file_invalid", PROBE);
    write_key(&path, &good);
    site.must(PROBE);
    site.check("with its system key again");
}
