//! What does somebody get who guesses, and who finds what was lost? Answers that tell nothing, a wait, a figure; no secret
//! anywhere.

use crate::harness::server::{Server, cast};
use chancery_ledger::Code;
use std::path::Path;

#[test]
fn no_guess_is_told_how_near_it_was_and_each_is_counted() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--failures-per-minute", "1000"]);
    let live = cast.founder.clone();
    let other = |from: usize, to: char| {
        let mut text: Vec<char> = live.chars().collect();
        text[from] = if text[from] == to { 'b' } else { to };
        text.into_iter().collect::<String>()
    };
    let (id, secret) = ("chy_test_".len(), "chy_test_foundertoken_".len());
    // A secret of another token under this id, with a check that fits nothing; its parts alone; one that is too long.
    let guesses = [
        other(id, 'a'),
        other(secret, 'a'),
        other(secret + 42, 'A'),
        other(live.len() - 1, '0'),
        other(4, 'l'),
        live[..live.len() - 1].to_owned(),
        live.replace("_test_", "_production_"),
        cast.ada.replace("adaadaadaada", "foundertoken"),
        "x".to_owned(),
        "a".repeat(4000),
    ];
    let mut bodies = std::collections::BTreeSet::new();
    for guess in &guesses {
        let told = server.get("/v1/me", guess);
        told.is(Code::Unauthenticated);
        assert_eq!(told.headers["www-authenticate"], "Bearer realm=\"chancery\"");
        bodies.insert(told.body);
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let failed = "chancery_http_failed_authentications_total";
    assert_eq!(server.figure(failed, &live), guesses.len() as u64);
    let text = server.get("/metrics", &live).body;
    let line = "chancery_http_requests_total{method=\"GET\",route=\"/v1/me\",status=\"401\"} 10";
    assert!(text.contains(line), "{text}");
}

#[test]
fn a_storm_of_guesses_waits_and_whoever_has_a_token_does_not() {
    let cast = cast();
    let server = Server::start(&cast.site, &["--failures-per-minute", "20"]);
    let wrong = format!("{}x", cast.founder);
    let counts: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let guess = || {
            let told: Vec<u16> = (0..50).map(|_| server.get("/v1/me", &wrong).status).collect();
            let count = |status| told.iter().filter(|one| **one == status).count();
            (count(401), count(429))
        };
        let guessing: Vec<_> = (0..4).map(|_| scope.spawn(guess)).collect();
        for _ in 0..50 {
            server.get("/v1/me", &cast.ada).ok();
        }
        guessing.into_iter().map(|one| one.join().expect("answers")).collect()
    });
    let (told, waiting) = counts.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!((told, waiting), (20, 180));
    server.get("/v1/me", &cast.founder).ok();
    assert_eq!(server.figure("chancery_http_failed_authentications_total", &cast.founder), 200);
}

/// Whether a file below a directory has these bytes.
fn finds(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(finds(&path, text));
        } else if std::fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn no_secret_is_in_any_file_or_answer() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let issue =
        r#"{"scope":"/acme","entity":{"id":"canarycanary"},"args":{"principal":"ada","ttl_ms":100000}}"#;
    let issued = server.invoke("token.issue", &cast.founder, "issue", issue);
    let secret = issued.ok()["receipt"]["secret"].as_str().expect("a secret").to_owned();
    let mut said = vec![server.invoke("token.issue", &cast.founder, "issue", issue).body];
    let bad = format!("{secret}x");
    for path in
        ["/v1/me", "/v1/entries?limit=1000", "/v1/views/principals", "/v1/nothing", "/v1/actions/x/invoke"]
    {
        said.push(server.get(path, &secret).body);
        said.push(server.get(path, &bad).body);
    }
    // Where it does not belong: it is refused, and not repeated.
    let body = format!(r#"{{"scope":"/acme","entity":{{"id":"x"}},"args":{{"reason":"{secret}"}}}}"#);
    let told = server.invoke("principal.suspend", &cast.founder, "leak", &body);
    told.is(Code::SecretInArguments);
    said.push(told.body);
    let named = format!(r#"{{"scope":"/acme","entity":{{"id":"x"}},"args":{{"{secret}":1}}}}"#);
    said.push(server.invoke("principal.suspend", &cast.founder, "leak-name", &named).body);
    said.push(server.get("/metrics", &cast.founder).body);
    let part = &secret["chy_test_canarycanary_".len()..secret.len() - "_01234567".len()];
    for text in &said {
        assert!(!text.contains(part), "{text}");
    }
    assert_eq!(server.stop(), Some(0));
    let home = cast.site.home.path("");
    assert_eq!(finds(&home, part), Vec::<String>::new());
    assert!(!finds(&home, "canarycanary").is_empty(), "the search finds what is there");
}
