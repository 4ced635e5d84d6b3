//! Does any text get out of its place? Names, reasons and arguments that would be a header, a line of a log, an escape of a
//! terminal, or a script, wherever they are shown.

use crate::harness::server::{Cast, Server, cast};
use crate::harness::{Ran, ran};
use serde_json::{Value, json};

/// Texts that a field takes, or refuses; none may get out of it.
const HOSTILE: &[&str] = &[
    "\u{1b}[31mred\u{1b}[2J\u{7}",
    "\u{1b}]0;title\u{7}\u{1b}]8;;http://other/\u{7}link",
    "one\r\nSet-Cookie: x=1\r\n\r\n<html>",
    "one\n  1234  2026-01-01 scope.created / scope/forged by founder",
    "{\"time\":1}\n{\"time\":2}",
    "data: x\n\nid: 1.9999\nevent: resync\n",
    "\u{202e}gnp.exe\u{202c} \u{2066}iso\u{2069} \u{200b}\u{feff}\u{2060}zero",
    "\u{9b}31mred \u{85}next \u{90}dcs\u{9c}",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "javascript:alert(1) {{7*7}} ${7*7} %0d%0aX: y",
    "'; DROP TABLE entry; --",
    "\u{2028}\u{2029}\u{e0041}\u{180e}\u{61c}",
    "\u{7f}del\u{8}\u{8}\u{b}\u{c}",
];

/// What a terminal could obey, or a reader be deceived by; lines are lines.
fn raw(text: &str) -> Option<char> {
    text.chars().find(|c| {
        c.is_control() && *c != '\n'
            || matches!(u32::from(*c), 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xE0000..=0xE0FFF | 0x061C | 0x180E)
    })
}

fn run(cast: &Cast, url: Option<&str>, args: &[&str]) -> Ran {
    let mut command = cast.site.home.command(args);
    match url {
        Some(url) => command.env("CHANCERY_URL", url),
        None => command.env("CHANCERY_DIR", cast.site.path("l")),
    };
    ran(command.env("CHANCERY_TOKEN", &cast.founder).output().expect("it runs"))
}

/// Asks for what has a text in it, in as many places as there are; gives the ids of those that were taken.
fn tell(server: &Server, cast: &Cast) -> Vec<String> {
    let mut taken = Vec::new();
    for (n, text) in HOSTILE.iter().enumerate() {
        let ask = |action: &str, scope: &str, id: &str, args: Value| {
            let body = json!({ "scope": scope, "entity": { "id": id }, "args": args }).to_string();
            let told = server.invoke(action, &cast.founder, &format!("{action}-{n}"), &body);
            assert!([200, 400, 403, 409, 422].contains(&told.status), "{action} {text:?}: {told:?}");
            assert!(!told.body.bytes().any(|b| b < 0x20), "{}", told.body);
            told.status == 200
        };
        let id = format!("p{n}");
        if ask("principal.register", "/acme", &id, json!({"kind": "human", "role": "org_user", "name": text}))
        {
            taken.push(id.clone());
        }
        ask("principal.revoke", "/acme", &id, json!({ "reason": text }));
        ask("scope.create", "/", &format!("s{n}"), json!({ "name": text }));
        ask(
            "capability.register",
            "/",
            &format!("c{n}"),
            json!({"risk": "low", "name": text, "commands": [[text]]}),
        );
        // Where no text belongs: refused, and told without it getting out.
        assert!(!ask("principal.register", "/acme", text, json!({"kind": "human", "role": "org_user"})));
        assert!(!ask("principal.register", text, &id, json!({"kind": "human", "role": "org_user"})));
        assert!(!ask("principal.register", "/acme", &id, json!({"kind": text, "role": "org_user"})));
        assert!(!ask("principal.register", "/acme", &id, json!({ *text: 1 })));
    }
    taken
}

#[test]
fn no_text_gets_out_of_its_place() {
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let taken = tell(&server, &cast);
    assert!(taken.len() >= 8, "{taken:?}");
    let answered = |path: &str, query: &str| {
        let path = format!("{path}{query}");
        let told = server.get(&path, &cast.founder);
        assert!(told.status < 500, "{path}: {told:?}");
        // JSON escapes what is a control; no text is a line or a header of its own.
        assert!(!told.body.bytes().any(|b| b < 0x20), "{path}: {}", told.body);
        for name in told.headers.keys() {
            let known = [
                "chancery-",
                "content-",
                "cache-control",
                "date",
                "etag",
                "x-content-type-options",
                "connection",
            ];
            assert!(known.iter().any(|known| name.starts_with(known)), "{path}: header `{name}`");
        }
        told
    };
    for path in ["/v1/entries?limit=1000", "/v1/views/principals?limit=500", "/v1/views/decisions?limit=500"]
    {
        answered(path, "");
    }
    for text in HOSTILE {
        let coded: String = text.bytes().map(|b| format!("%{b:02x}")).collect();
        for path in [
            "/v1/entries/",
            "/v1/codes/",
            "/v1/views/",
            "/v1/views/principals/",
            "/v1/entities/x/",
            "/v1/queues/",
            "/",
        ] {
            answered(path, &coded);
        }
        for query in [
            "/v1/entries?kind=",
            "/v1/entries?scope=",
            "/v1/entries?after=",
            "/v1/transcripts/x?stream=",
            "/v1/views/principals?page_token=",
            "/v1/me?",
        ] {
            answered(query, &coded);
        }
    }
    let figures = server.get("/metrics", &cast.founder).body;
    assert!(!HOSTILE.iter().any(|text| figures.contains(text)) && raw(&figures).is_none());
    // Afar, what is told of a hostile text is printed by this side.
    for text in HOSTILE.iter().filter(|text| !text.contains('\0')) {
        let ran = run(
            &cast,
            Some(&server.url()),
            &["do", "principal.register", "--scope", "/acme", "--id", text, "kind=human"],
        );
        assert!(
            ran.code != 0 && raw(&ran.stderr).is_none() && raw(&ran.stdout).is_none(),
            "{text:?}: {}",
            ran.stderr
        );
    }
    let log = server.log.clone();
    assert_eq!(server.stop(), Some(0));
    let log = std::fs::read_to_string(log).expect("a log");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["request"].as_str().is_some_and(|id| id.len() == 16), "{line}");
    }
    assert_eq!(raw(&log), None);
    printed(&cast, &taken);
}

/// Everything that prints, prints what was told as text of one line.
fn printed(cast: &Cast, taken: &[String]) {
    let log = run(cast, None, &["log", "--limit", "1000"]);
    assert_eq!((log.code, raw(&log.stdout)), (0, None), "{}", log.stderr);
    let positions = log.stdout.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let positions: Vec<u64> = positions.collect();
    assert_eq!(positions.len(), log.stdout.lines().count(), "each line is an entry");
    assert!(positions.windows(2).all(|pair| pair[0] < pair[1]), "no entry is forged");
    let mut commands: Vec<Vec<String>> = Vec::new();
    for view in chancery_projections::VIEWS {
        commands.push(vec!["view".into(), view.name.into(), "--limit".into(), "500".into()]);
    }
    for id in taken {
        commands.push(vec!["view".into(), "show".into(), "principals".into(), id.clone()]);
        commands.push(vec!["view".into(), "show".into(), "entities".into(), format!("principal {id}")]);
    }
    for position in positions.iter().rev().take(60) {
        commands.push(vec!["show".into(), position.to_string(), "--private".into()]);
    }
    for words in &commands {
        let args: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = run(cast, None, &args);
        assert!([0, 1].contains(&ran.code), "{args:?}: {}", ran.stderr);
        assert_eq!((raw(&ran.stdout), raw(&ran.stderr)), (None, None), "{args:?}: {}", ran.stdout);
    }
}
