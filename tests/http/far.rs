//! Does a command print the same from a server as from the ledger's directory? Byte for byte.

use crate::harness::server::{Cast, Server, cast};
use crate::harness::{Ran, ran};

/// Runs against the server, or against the directory, as the founder with a token or a key.
fn run(cast: &Cast, url: Option<&str>, key: bool, args: &[&str]) -> Ran {
    let mut command = cast.site.home.command(args);
    match url {
        Some(url) => command.env("CHANCERY_URL", url),
        None => command.env("CHANCERY_DIR", cast.site.path("l")),
    };
    match key {
        true => command.env("CHANCERY_KEY_FILE", cast.site.path("l.keys/founder.key")),
        false => command.env("CHANCERY_TOKEN", &cast.founder),
    };
    ran(command.output().expect("it runs"))
}

#[test]
fn a_server_and_a_directory_are_printed_alike() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let url = server.url();
    // Asked twice far away, so that what is asked near is a replay as the second was.
    let create = ["do", "scope.create", "--id", "far", "--idempotency-key", "0123456789abcdef"];
    let refuse = ["do", "scope.create", "--id", "acme", "--idempotency-key", "0123456789abcdeg"];
    let held = [
        "do",
        "role.define",
        "--id",
        "helper",
        "--idempotency-key",
        "0123456789abcdeh",
        "actions:=[\"scope.create\"]",
    ];
    for args in [&create[..], &refuse[..], &held[..]] {
        run(&cast, Some(&url), false, args);
    }
    let mut asked: Vec<Vec<&str>> = vec![
        create.to_vec(),
        refuse.to_vec(),
        held.to_vec(),
        vec!["preview", "scope.create", "--id", "far"],
        vec!["preview", "scope.create", "--id", "farther"],
        vec!["preview", "scope.create"],
        vec!["do", "scope.create", "--id", "far", "x=1"],
        vec!["do", "nothing.like_this", "--id", "far"],
        vec!["do", "scope.create", "--id", "other", "--idempotency-key", "0123456789abcdef"],
        vec!["log"],
        vec!["log", "--kind", "scope"],
        vec!["log", "--kind", "Scope"],
        vec!["log", "--scope", "/acme", "--limit", "2"],
        vec!["log", "--from", "2", "--to", "5"],
        vec!["log", "--from", "5", "--to", "2"],
        vec!["log", "--id", "ada"],
        vec!["show", "0"],
        vec!["show", "7"],
        vec!["show", "4000"],
        vec!["checkpoint"],
    ];
    let address = run(&cast, Some(&url), false, &["--json", "show", "3"]);
    let shown: serde_json::Value = serde_json::from_str(&address.stdout).expect("JSON");
    let address = shown["address"].as_str().expect("an address").to_owned();
    asked.push(vec!["show", &address]);
    let mut both: Vec<Vec<&str>> = asked.clone();
    both.extend(asked.into_iter().map(|mut args| {
        args.insert(0, "--json");
        args
    }));
    let far: Vec<Ran> = both.iter().map(|args| run(&cast, Some(&url), false, args)).collect();
    assert_eq!(server.stop(), Some(0));
    for (args, far) in both.iter().zip(&far) {
        let near = run(&cast, None, false, args);
        assert_eq!((far.code, &far.stdout, &far.stderr), (near.code, &near.stdout, &near.stderr), "{args:?}");
    }
}

#[test]
fn read_models_are_printed_alike() {
    let cast = cast();
    let host = ["--id", "ssh-ed25519:h.example:22", "source=generated", "--scope", "/acme"];
    let print = "fingerprint=SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    cast.site.must(&[&["do", "host_key.observe", print], &host[..]].concat());
    let server = Server::start(&cast.site, &[]);
    let url = server.url();
    let asked: &[&[&str]] = &[
        &["view"],
        &["view", "timeline", "--limit", "3"],
        &["view", "timeline", "--about", "scope acme"],
        &["view", "host_keys", "--scope", "/acme", "--state", "bootstrap"],
        &["view", "tokens"],
        &["view", "show", "host_keys", "/acme ssh-ed25519:h.example:22"],
        &["queue"],
        &["queue", "host_key_review"],
        &["queue", "host_key_review", "--scope", "/acme", "--limit", "1"],
        &["queue", "execution"],
        &["queue", "host_keys"],
        &["transcript", "j-1"],
        &["transcript", "j-1", "--stream", "nothing"],
        &["view", "timeline", "--page-token", "x"],
    ];
    // What is told of the reader, and of the instant of the question, is another's.
    let plain = |ran: &Ran| {
        let mut said: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        fn forget(value: &mut serde_json::Value) {
            if let Some(members) = value.as_object_mut() {
                for own in ["now", "age_ms", "can_do", "needs_me"] {
                    members.remove(own);
                }
                members.values_mut().for_each(forget);
            }
            value.as_array_mut().into_iter().flatten().for_each(forget);
        }
        forget(&mut said);
        said
    };
    let far: Vec<(Ran, Ran)> = asked
        .iter()
        .map(|args| {
            let json = [&["--json"], *args].concat();
            (run(&cast, Some(&url), false, args), run(&cast, Some(&url), false, &json))
        })
        .collect();
    let mine = run(&cast, Some(&url), false, &["queue", "--me"]);
    assert!(
        mine.code == 0 && mine.stdout.contains("you can: host_key.reject"),
        "{}{}",
        mine.stdout,
        mine.stderr
    );
    assert_eq!(server.stop(), Some(0));
    for (args, (text, json)) in asked.iter().zip(&far) {
        let near = run(&cast, None, false, args);
        assert_eq!(
            (text.code, &text.stdout, &text.stderr),
            (near.code, &near.stdout, &near.stderr),
            "{args:?}"
        );
        let near = run(&cast, None, false, &[&["--json"], *args].concat());
        assert_eq!((json.code, plain(json)), (near.code, plain(&near)), "{args:?}");
    }
    assert_eq!(run(&cast, None, false, &["queue", "--me"]).code, 2);
}

#[test]
fn who_signs_from_afar_is_told_the_number_that_is_next() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let url = server.url();
    for id in ["one", "two"] {
        let far = run(&cast, Some(&url), true, &["--json", "do", "scope.create", "--id", id]);
        assert_eq!(far.code, 0, "{}", far.stderr);
    }
    let wrong =
        run(&cast, Some(&url), true, &["--json", "do", "scope.create", "--id", "three", "--seq", "1"]);
    let said: serde_json::Value = serde_json::from_str(&wrong.stdout).expect("JSON");
    assert_eq!((wrong.code, said["code"].as_str()), (1, Some("wrong_seq")), "{}", wrong.stderr);
    let preview = run(&cast, Some(&url), true, &["preview", "scope.create", "--id", "three"]);
    assert_eq!(preview.code, 0, "{}", preview.stderr);
    let shown = run(&cast, Some(&url), false, &["--json", "log", "--kind", "scope.created", "--limit", "1"]);
    let line: serde_json::Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let position = line["position"].to_string();
    let shown = run(&cast, Some(&url), false, &["--json", "show", &position]);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert!(shown["entry"]["attestation"]["sig"].is_string(), "the signature stands in the entry: {shown}");
    let private = run(&cast, Some(&url), false, &["show", &position, "--private"]);
    assert_eq!(private.code, 2, "{}", private.stderr);
    assert_eq!(server.stop(), Some(0));
    assert_eq!(cast.site.verdict(), (0, "authentic".to_owned()));
}

#[test]
fn a_server_that_is_not_there_is_told_with_the_key_of_the_retry() {
    let cast = cast();
    let gone = run(&cast, Some("http://127.0.0.1:1"), false, &["do", "scope.create", "--id", "x"]);
    assert_eq!(gone.code, 5, "{}", gone.stderr);
    assert!(
        gone.stderr.contains("error[io]") && gone.stderr.contains("--idempotency-key"),
        "{}",
        gone.stderr
    );
    let odd = run(&cast, Some("https://127.0.0.1:1"), false, &["log"]);
    assert_eq!(odd.code, 2, "{}", odd.stderr);
}
