//! Who gets what from each route, in its own scope, in another's, and where nothing is? From the table of routes and the
//! roles; what is another's is told from what is not there by no byte.

use super::estate::{Estate, FOREIGN};
use crate::harness::root;
use crate::harness::server::Told;
use chancery_api::{ROUTES, Route, Rule};
use chancery_ledger::Code;
use chancery_ledger::gate::{MATRIX, Role};
use chancery_projections::{QUEUES, VIEWS};
use expect_test::expect_file;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What of an answer may differ between two things that one asks for: where the ledger is by now, and the name itself.
fn told(answer: &Told, name: &str) -> (u16, BTreeMap<String, String>, String) {
    let mut headers = answer.headers.clone();
    for moving in ["date", "chancery-request", "chancery-position"] {
        headers.remove(moving);
    }
    if answer.status == 404 && !answer.body.contains("receipt") {
        return (404, headers, answer.body.clone());
    }
    headers.entry("etag".to_owned()).and_modify(|tag| *tag = "there".to_owned());
    headers.remove("content-length");
    let mut body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    if let Some(as_of) = body.get_mut("as_of").and_then(Value::as_object_mut) {
        as_of.retain(|name, _| ["changed", "skipped", "version"].contains(&name.as_str()));
    }
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| !["receipt", "position"].contains(&name.as_str()));
        if let Some(decision) = members.get_mut("decision").and_then(Value::as_object_mut) {
            decision.remove("position");
        }
    }
    strip(&mut body);
    let text = body.to_string();
    (answer.status, headers, if name.is_empty() { text } else { text.replace(name, "NAME") })
}

/// Leaves out how old things are by now.
fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("age_ms");
            members.remove("now");
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn same(what: &str, foreign: (&Told, &str), missing: (&Told, &str)) {
    assert_eq!(told(foreign.0, foreign.1), told(missing.0, missing.1), "{what}");
}

/// The paths of a route: in the own scope, in another's, and where nothing is; with the names that differ.
fn paths(estate: &Estate, route: &Route, operations: &[String; 2]) -> Vec<(String, String)> {
    let name = |names: [&str; 3], brace: &str| {
        let path = |name: &str| {
            route.path.replace("{view}", "principals").replace("{kind}", "principal").replace(brace, name)
        };
        names.iter().map(|name| (path(name), (*name).to_owned())).collect()
    };
    let scoped = |path: &str| {
        let scopes = ["", "/beta", "/nope"];
        let path =
            |scope: &str| if scope.is_empty() { path.to_owned() } else { format!("{path}?scope={scope}") };
        scopes.iter().map(|scope| (path(scope), (*scope).to_owned())).collect()
    };
    let [own, foreign] = estate.positions.map(|position| position.to_string());
    match route.path {
        "/v1/operations/{id}" => name([&operations[0], &operations[1], "0123456789abcdef"], "{id}"),
        "/v1/entries/{position}" => name([&own, &foreign, "99999"], "{position}"),
        "/v1/codes/{code}" => vec![("/v1/codes/io".to_owned(), String::new())],
        "/v1/queues/{queue}" => scoped("/v1/queues/host_key_review"),
        "/v1/transcripts/{job}" => name(["jobown", "jobfor", "jobnot"], "{job}"),
        path if path.contains("{key}") => name(["ownown", "zedfor", "zednot"], "{key}"),
        path if path.contains("{id}") => name(["ownown", "zedfor", "zednot"], "{id}"),
        path if route.query.iter().any(|param| param.name == "scope") => {
            scoped(&path.replace("{view}", "principals"))
        }
        path => vec![(path.to_owned(), String::new())],
    }
}

fn get(estate: &Estate, who: &str, path: &str) -> Told {
    match estate.tokens.get(who) {
        Some(token) => estate.server.get(path, token),
        None => estate.server.ask("GET", path, &[], None),
    }
}

#[test]
fn every_role_on_every_route_is_golden_and_no_byte_tells_anothers_from_nothing() {
    let estate = Estate::new(&[]);
    let foreign = estate.verified("zedfor");
    let mut golden = String::new();
    let callers = Role::ALL.iter().map(|role| role.as_str()).chain(["narrowed", "revoked", "nobody"]);
    let callers: Vec<&str> = callers.collect();
    for route in ROUTES.iter().filter(|route| route.method.as_str() == "GET") {
        let mut rows: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for who in &callers {
            let may = who != &"narrowed"
                && MATRIX.iter().any(|rule| {
                    rule.action == "view.audit"
                        && Role::parse(who).is_some_and(|role| rule.roles.contains(&role))
                });
            let own =
                if route.path.contains("operations") && may { estate.verified(who) } else { "x".to_owned() };
            let paths = paths(&estate, route, &[own, foreign.clone()]);
            let answers: Vec<Told> = paths.iter().map(|(path, _)| get(&estate, who, path)).collect();
            if let ([_, foreign, missing], false) = (&answers[..], *who == "platform_admin") {
                same(&format!("{who} {route:?}"), (foreign, &paths[1].1), (missing, &paths[2].1));
            }
            let statuses: Vec<String> = answers.iter().map(|told| told.status.to_string()).collect();
            rows.entry(statuses.join(" ")).or_default().push(who);
        }
        writeln!(golden, "GET {}", route.path).expect("text");
        for (statuses, who) in rows {
            writeln!(golden, "  {statuses:<11}  {}", who.join(" ")).expect("text");
        }
    }
    expect_file![root().join("fixtures/surface/routes.txt")].assert_eq(&golden);
}

#[test]
fn no_parameter_tells_what_another_tenant_has() {
    let estate = Estate::new(&[]);
    let zed = &estate.tokens["zedfor"];
    let theirs = estate.server.get("/v1/views/principals?limit=1", zed);
    let tag = theirs.headers["etag"].clone();
    for who in ["org_admin", "auditor", "narrowed", "org_user"] {
        for route in ROUTES.iter().filter(|route| route.method.as_str() == "GET" && route.rule != Rule::Open)
        {
            let base = &paths(&estate, route, &["x".to_owned(), "y".to_owned()])[0].0;
            let base = base.split('?').next().expect("a path");
            let ask = |pairs: &[(&str, &str)], name: &str| {
                if !route.query.iter().any(|param| param.name == name) {
                    return;
                }
                for (theirs, none) in pairs {
                    let answer = |value: &str| get(&estate, who, &format!("{base}?{name}={value}"));
                    let what = format!("{who} {base} {name}={theirs}");
                    same(&what, (&answer(theirs), theirs), (&answer(none), none));
                }
            };
            ask(
                &[("/beta", "/nope"), ("/acme2", "/acme9"), ("/beta", "/beta/nope"), ("/", "/nope")],
                "scope",
            );
            ask(&[("principal%20zedfor", "principal%20zednot"), ("job%20jobfor", "job%20jobnot")], "about");
            // A stream of what nobody may see, and of what is not there, begin alike; what follows is another test.
            ask(&[("principal/zedfor", "principal/zednot")], "entity");
            let token = |who: &str| {
                let page = estate.server.get(&format!("{base}?limit=1"), &estate.tokens[who]);
                serde_json::from_str::<Value>(&page.body).ok()?["next_page_token"].as_str().map(str::to_owned)
            };
            if let Some(token) = token("zedfor").or_else(|| token("founder")) {
                let end = if token.ends_with('A') { "B" } else { "A" };
                let other = format!("{}{end}", &token[..token.len() - 1]);
                ask(&[(&token, &other)], "page_token");
            }
            let header = format!("authorization: Bearer {}", estate.tokens[who]);
            let tagged = |tag: &str| {
                estate.server.ask("GET", base, &[&header, &format!("if-none-match: {tag}")], None)
            };
            same(&format!("{who} {base} {tag}"), (&tagged(&tag), ""), (&tagged("W/\"0\""), ""));
        }
    }
}

#[test]
fn nothing_of_another_tenant_is_in_any_answer_and_nothing_moves_when_it_does() {
    let estate = Estate::new(&[]);
    let mut lists: Vec<String> =
        VIEWS.iter().map(|view| format!("/v1/views/{}?limit=500", view.name)).collect();
    lists.extend(QUEUES.iter().map(|queue| format!("/v1/queues/{}", queue.name)));
    let more =
        ["/v1/me", "/v1/me/attention", "/v1/queues", "/v1/governance/status", "/v1/governance/blocked"];
    lists.extend(more.iter().map(|path| (*path).to_owned()));
    lists.extend(["/v1/entries?limit=1000".to_owned(), "/v1/entities/principal/ownown".to_owned()]);
    lists.extend(
        ["job jobown", "principal ownown"]
            .map(|about| format!("/v1/entities/{}/timeline", about.replace(' ', "/"))),
    );
    let lists = std::cell::RefCell::new(lists);
    let look = |who: &str| -> Vec<(String, Value, Option<String>)> {
        let settled = |s: &crate::harness::server::Server| {
            s.figure("chancery_view_lag_entries", &estate.cast.founder) == 0
        };
        estate.server.until("the views are as far as the ledger", settled);
        let one = |path: &String| {
            let answer = estate.server.get(path, &estate.tokens[who]);
            // Whoever sees less than the tenant does not see what stands above.
            assert!([200, 403, 404, 409].contains(&answer.status), "{who} {path}: {answer:?}");
            for word in FOREIGN {
                assert!(!answer.body.contains(word), "{who} {path} has `{word}`: {}", answer.body);
            }
            let mut body = answer.json();
            let as_of = body.get_mut("as_of").and_then(Value::as_object_mut);
            if let Some(as_of) = as_of {
                as_of.retain(|name, _| ["changed", "skipped"].contains(&name.as_str()));
            }
            // How old something is by now, and where the next page of all entries begins.
            let text = answer.body.as_str();
            let age = text.contains("\"age_ms\"") || text.contains("\"now\"") || path.contains("/v1/entries");
            let body = if age { body["as_of"].clone() } else { body };
            (path.clone(), body, answer.headers.get("etag").cloned())
        };
        lists.borrow().iter().map(one).collect()
    };
    for who in ["org_admin", "auditor", "msp_admin", "narrowed"] {
        // A denial is an entry of its own: only what somebody may look at is compared.
        let all = std::mem::take(&mut *lists.borrow_mut());
        let may = |path: &String| estate.server.get(path, &estate.tokens[who]).status != 403;
        lists.replace(all.iter().filter(|path| may(path)).cloned().collect());
        let before = look(who);
        assert!(before.iter().filter(|(_, _, tag)| tag.is_some()).count() > 10, "{who}");
        // Everything of another tenant moves: people, keys, work, a stop, what somebody acknowledges.
        let n = format!("{}-{}", who.replace('_', "-"), 1);
        estate.observe("/beta", &format!("hostfor-{n}"));
        estate.must(
            "founder",
            "principal.register",
            "/acme2",
            &format!("yanfor-{n}"),
            json!({"kind": "human", "role": "org_user"}),
        );
        estate.ask("zedfor", "job.cancel", "/beta", "jobfor", json!({}));
        estate.ask("zedfor", "principal.suspend", "/beta", "nobody", json!({}));
        let after = look(who);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before, after, "{who}");
        }
        lists.replace(all);
    }
}

#[test]
fn no_action_tells_anothers_from_nothing() {
    use chancery_ledger::domains::{ACTIONS, Shape};
    fn value(shape: &Shape, id: &str) -> Value {
        match shape {
            Shape::Int(min, _) => json!(min),
            Shape::Bool => json!(true),
            Shape::OneOf(words) => json!(words[0]),
            Shape::List(_, each) => json!([value(each, id)]),
            Shape::Text(_) => json!("x"),
            Shape::Id | Shape::Principal => json!(id),
            Shape::Scope => json!("/acme"),
            Shape::Digest => json!(format!("b3:{}", "0".repeat(64))),
            Shape::Fingerprint => json!(format!("SHA256:{}", "A".repeat(43))),
            Shape::Bytes(_) => json!("AAAA"),
            Shape::Reference => json!("vault://mount/path#field"),
        }
    }
    let estate = Estate::new(&[]);
    let preview = |who: &str, action: &str, scope: &str, id: &str, args: &Value| {
        let body = json!({ "scope": scope, "entity": { "id": id }, "args": args }).to_string();
        let header = format!("authorization: Bearer {}", estate.tokens[who]);
        estate.server.ask("POST", &format!("/v1/actions/{action}/preview"), &[&header], Some(&body))
    };
    let mut taken = Vec::new();
    let mut decided = 0;
    for who in ["org_admin", "msp_admin", "worker", "service"] {
        for spec in ACTIONS.iter().copied().flatten() {
            let (theirs, none) = match spec.entity {
                "principal" | "worker" => ("zedfor", "zednot"),
                "token" => ("zedzedzedzed", "zedzedzednot"),
                "host_key" => ("ssh-ed25519:hostfor.example:22", "ssh-ed25519:hostnot.example:22"),
                "scope" => ("beta", "nope"),
                _ => ("jobfor", "jobnot"),
            };
            let args = |id: &str| -> Value {
                let fields = spec.fields.iter().filter(|field| field.required);
                fields
                    .map(|field| (field.name.to_owned(), value(&field.shape, id)))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            };
            let free = args("zednot");
            for (what, scope, foreign, missing) in [
                ("entity", "/acme", (theirs, &free), (none, &free)),
                ("argument", "/acme", ("jobown", &args("zedfor")), ("jobown", &args("zednot"))),
                ("job", "/acme", ("jobown", &args("jobfor")), ("jobown", &args("jobnot"))),
                ("scope", "", (none, &free), (none, &free)),
            ] {
                let scopes = if scope.is_empty() { ["/beta", "/nope"] } else { [scope, scope] };
                let f = preview(who, spec.id, scopes[0], foreign.0, foreign.1);
                let m = preview(who, spec.id, scopes[1], missing.0, missing.1);
                let plain = |told: &Told| {
                    let names = [theirs, none, "zedfor", "zednot", "jobfor", "jobnot"].into_iter();
                    let text = super::matrix::told(told, "/nope");
                    let body =
                        names.fold(text.2.replace("/beta", "NAME"), |body, name| body.replace(name, "NAME"));
                    (text.0, body)
                };
                decided += usize::from(f.status == 200);
                if plain(&f) != plain(&m) {
                    let code =
                        |told: &Told| told.json()["decision"]["code"].as_str().unwrap_or("yes").to_owned();
                    taken.push(format!("{who} {} {what}: {} or {}", spec.id, code(&f), code(&m)));
                }
            }
        }
    }
    assert!(decided > 200, "{decided} previews were decided");
    // An id that names somebody in the whole ledger is taken in every scope: whoever registers finds that out, by an entry.
    let known = |who: &str| format!("{who} principal.register entity: principal_exists or role_above_own");
    assert_eq!(taken, ["org_admin", "msp_admin"].map(known));
}

#[test]
fn a_token_for_one_use_looks_until_it_is_used() {
    let mut estate = Estate::new(&[]);
    estate.issue(
        "once",
        "/acme",
        "oncetokenabc",
        json!({"principal": "org-admin", "ttl_ms": 60_000, "once": true}),
    );
    get(&estate, "once", "/v1/me").ok();
    get(&estate, "once", "/v1/entries").ok();
    let denied = estate.ask("once", "scope.create", "/acme", "x", json!({}));
    denied.is(Code::RoleInsufficient);
    get(&estate, "once", "/v1/me").is(Code::Unauthenticated);
    estate.ask("once", "scope.create", "/acme", "x", json!({})).is(Code::Unauthenticated);
}

#[test]
fn who_verifies_often_pushes_out_its_own() {
    let estate = Estate::new(&["--operations", "3"]);
    let first = estate.verified("founder");
    for _ in 0..4 {
        estate.verified("org_admin");
    }
    estate.server.get(&format!("/v1/operations/{first}"), &estate.cast.founder).ok();
}
