//! Who may do what, where, signed how, and after whom? The gate against SPEC 9, every role by every action.

use crate::harness::root;
use crate::harness::story::{NAME, args, fingerprint, scope};
use crate::spec::{section, spans};
use chancery_ledger::Code;
use chancery_ledger::domains::{
    self, ACTIONS, ActionSpec, Asked, Facts, Flow, Risk, Shape, World, action_spec, parse_action, write_event,
};
use chancery_ledger::format::encoding::base64;
use chancery_ledger::format::hash::Digest;
use chancery_ledger::format::ids::{IdempotencyKey, Scope};
use chancery_ledger::format::json::Value;
use chancery_ledger::format::key::PrivateKey;
use chancery_ledger::gate::{
    self, Attest, Caller, Found, MATRIX, Request, Role, Separation, Verdict, new_request,
};
use expect_test::expect_file;
use serde_json::json;

pub fn key() -> PrivateKey {
    PrivateKey::from_seed(&[9; 32])
}

/// A world in which `actor` is active in `at` with `role`; others as the tests need them.
pub fn world(role: &str, at: &str, level: &str) -> World {
    let kind = if ["agent", "worker", "service"].contains(&role) { role } else { "human" };
    let principal = |kind: &str,
                     role: &str,
                     at: &str,
                     standing: &str,
                     registrar: &str,
                     suspender: Option<&str>| {
        json!({"kind": kind, "role": role, "scope": at, "standing": standing, "registrar": registrar, "suspender": suspender})
    };
    let held = key().public();
    let value = json!({
        "position": 100, "time": 1000, "address": Digest::ZERO.to_string(), "counts": {},
        "settings": {
            "administrator": null, "form": "heads", "name": NAME, "rules": 1, "stage": "test", "vkey": "",
            "attest": {"agent": level, "human": level, "service": level, "worker": level},
            "limits": {"cause": 16, "depth": 16, "leaf": 8192, "private": 65536},
        },
        "scopes": {"open": ["/acme", "/acme/lab", "/acme2"]},
        "principals": {"live": {
            "actor": principal(kind, role, at, "active", "system", None),
            "boss": principal("human", "platform_admin", "/", "active", "system", None),
            "other": principal("human", "platform_admin", "/", "active", "system", None),
            "mine": principal("human", "org_user", at, "pending", "actor", None),
            "theirs": principal("human", "org_user", at, "pending", "boss", None),
            "resting": principal("human", "org_user", at, "suspended", "boss", Some("actor")),
        }},
        "keys": {"live": {held.id().to_string(): {"principal": "theirs", "public": held.to_base64(), "purpose": "request", "next": 1, "suspect": null}},
                 "of": {"theirs": [held.id().to_string()]}},
        "tokens": {"live": {}, "of": {}},
        "host_keys": {"live": {format!("{at} ssh-ed25519:h:22"): {"trust": "bootstrap", "current": fingerprint(1), "observers": {"actor": [fingerprint(1)]}}}},
    });
    serde_json::from_value(value).expect("a world")
}

/// Arguments that fit a declaration: every one that must be there.
fn sample(spec: &ActionSpec) -> Value {
    fn value(shape: &Shape) -> Value {
        match shape {
            Shape::Text(_) => Value::from("text"),
            Shape::Int(min, _) => Value::Int(*min),
            Shape::OneOf(words) => Value::from(words[0]),
            Shape::Principal | Shape::Id => Value::from("theirs"),
            Shape::Fingerprint => Value::from(fingerprint(1).as_str()),
            Shape::Bytes(n) => Value::from(base64(&vec![0; *n]).as_str()),
            Shape::Digest => Value::from(Digest::ZERO.to_string().as_str()),
            Shape::Scope => Value::from("/"),
            Shape::Reference => Value::from("vault://mount/path#field"),
            Shape::Bool => Value::Bool(false),
            Shape::List(_, inner) => Value::List(vec![value(inner)]),
        }
    }
    let members = spec.fields.iter().filter(|field| field.required);
    Value::Object(members.map(|field| (field.name.to_owned(), value(&field.shape))).collect())
}

/// A well-formed request for `action` about `id`, with a signature that only stands there.
pub fn request(action: &str, at: &str, id: &str) -> Request {
    let digest = Digest::ZERO.to_string();
    let (one, two) = (base64(&key().public().to_bytes()), base64(&[0; 64]));
    let int = |members: &[(&str, i64)]| {
        Value::Object(members.iter().map(|(name, n)| ((*name).to_owned(), Value::Int(*n))).collect())
    };
    let given = match action {
        "principal.register" => args(&[("kind", "human"), ("role", "org_user")]),
        "key.enrol" => args(&[("principal", id), ("public", &one), ("proof", &two)]),
        "key.rotate" => args(&[("consent", &two), ("public", &one), ("proof", &two)]),
        "key.suspect" => int(&[("from", 1)]),
        "token.issue" => match (int(&[("ttl_ms", 60_000)]), args(&[("principal", "theirs")])) {
            (Value::Object(mut members), Value::Object(more)) => {
                members.extend(more);
                Value::Object(members)
            }
            _ => Value::object(),
        },
        "host_key.observe" => args(&[("fingerprint", &fingerprint(1)), ("source", "generated")]),
        "host_key.verify" | "host_key.reject" => args(&[("fingerprint", &fingerprint(1))]),
        "export.produce" => int(&[("from", 0), ("to", 1)]),
        "ledger.snapshot" => {
            let Value::Object(mut members) = int(&[("at", 1), ("version", 1)]) else {
                return request("scope.close", at, id);
            };
            members.insert("digest".to_owned(), Value::Text(digest));
            Value::Object(members)
        }
        _ => sample(action_spec(action).unwrap_or_else(|| panic!("no action `{action}`"))),
    };
    let spec = action_spec(action).unwrap_or_else(|| panic!("no action `{action}`"));
    let named = match spec.subject {
        domains::Subject::Named => Some(id),
        domains::Subject::NewToken => Some("tok000000001"),
        domains::Subject::Ledger => None,
    };
    let key = IdempotencyKey::parse("0123456789abcdef").expect("a key");
    let mut request = new_request(action, &scope(at), named, NAME, given, key, [0; 32]).expect("a request");
    let signer = self::key().public().id();
    request.attestation = Some(Attest { log: format!("{NAME}/e1"), key: signer, seq: 1, sig: [0; 64] });
    request
}

/// The gate's no, with its sentence; a hold is a yes that waits.
fn evaluate(world: &World, scope_ended: bool, request: &Request, actor: &str) -> Result<(), (Code, String)> {
    let mut facts = Facts::default();
    if scope_ended {
        facts.ended.push(("scope", request.scope.to_string(), "closed".to_owned()));
    }
    match gate::evaluate(world, &facts, request, &Caller::by_key(actor), 1000) {
        Verdict::Allow(_) | Verdict::Hold(_) => Ok(()),
        Verdict::Deny(denial) => Err((denial.code, denial.to_string())),
    }
}

fn code(outcome: Result<(), (Code, String)>) -> Option<Code> {
    outcome.err().map(|denial| denial.0)
}

fn actions() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().copied().flatten().map(|spec| spec.id)
}

/// Every role by every action, as the gate answers: `yes`, or nothing.
fn decided() -> Vec<(&'static str, Vec<bool>)> {
    let mut rows = Vec::new();
    for action in MATRIX.iter().map(|rule| rule.action) {
        let row = Role::NAMES.iter().map(|role| {
            let answer =
                evaluate(&world(role, "/", "observe"), false, &request(action, "/", "nobody"), "actor");
            match answer {
                Ok(()) => true,
                Err((Code::RoleInsufficient, _)) => false,
                Err((code, text)) => {
                    // A later check says no: the role was enough.
                    let earlier =
                        [Code::KillSwitch, Code::PrincipalNotActive, Code::ScopeForeign, Code::ScopeClosed];
                    assert!(!earlier.contains(&code), "{role} {action}: {text}");
                    true
                }
            }
        });
        rows.push((action, row.collect()));
    }
    rows
}

#[test]
fn every_action_stands_in_the_matrix_once() {
    let mut declared: Vec<&str> = actions().collect();
    let mut ruled: Vec<&str> = MATRIX.iter().map(|rule| rule.action).collect();
    assert_eq!(declared, ruled, "declarations and rules have one order");
    declared.sort_unstable();
    ruled.dedup();
    assert_eq!(declared.len(), ruled.len());
}

#[test]
fn every_role_by_every_action_is_the_golden_matrix() {
    let mut text =
        String::from("# Every role by every action, as the gate answers; SPEC 9 has the same table.\n");
    for (action, row) in decided() {
        for (role, yes) in Role::NAMES.iter().zip(row) {
            text.push_str(&format!("{action:<22} {role:<15} {}\n", if yes { "yes" } else { "no" }));
        }
    }
    expect_file!["../fixtures/surface/matrix.txt"].assert_eq(&text);
}

#[test]
fn every_role_by_every_action_is_the_table_of_section_9() {
    let spec = std::fs::read_to_string(root().join("SPEC.md")).expect("SPEC");
    let mut rows = spec.lines().skip_while(|line| !line.starts_with("| action | platform_admin"));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let heading = cells(rows.next().expect("the table"));
    assert_eq!(heading[1..11], Role::NAMES.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
    let rows: Vec<Vec<String>> = rows.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect();
    let decided = decided();
    assert_eq!(rows.len(), decided.len(), "as many rows as rules");
    for (row, (action, answers)) in rows.iter().zip(&decided) {
        assert_eq!(row[0], *action);
        for ((cell, yes), role) in row[1..11].iter().zip(answers).zip(Role::NAMES) {
            assert_eq!(cell, if *yes { "yes" } else { "" }, "{action} by {role}");
        }
        let rule = MATRIX.iter().find(|rule| rule.action == *action).expect("a rule");
        let reviewed = match rule.separation {
            Separation::None => "",
            Separation::NotRegistrar => "≠ registrar",
            Separation::NotSuspender => "≠ suspender",
            Separation::NotHolder => "≠ holder",
            Separation::Holder => "= holder",
            Separation::NotObserver => "≠ observer",
            Separation::NotBeneficiary => "≠ beneficiary",
            Separation::NotRequester => "≠ requester",
            Separation::Itself => "= itself",
        };
        assert_eq!(row[11], reviewed, "{action}");
        let risk = action_spec(action).expect("a declaration").risk;
        assert_eq!(row[12], if risk == Risk::Low { "" } else { risk.as_str() }, "{action}");
    }
}

#[test]
fn the_system_does_what_no_role_may_and_nothing_else() {
    let world = world("auditor", "/", "enforce");
    for action in actions() {
        let answer = code(evaluate(&world, false, &request(action, "/", "nobody"), "system"));
        let own = MATRIX.iter().any(|rule| rule.action == action && rule.roles.is_empty());
        let expected = (!own).then_some(Code::RoleInsufficient);
        assert_eq!(answer, expected, "{action}");
    }
    let request = request("ledger.snapshot", "/", "");
    let action = parse_action(request.spec, &request.args_text).expect("an action");
    let asked = Asked {
        actor: "system",
        log: "story.example/e1",
        scope: &request.scope,
        id: request.id.as_str(),
        args: &request.args,
        fresh: &[0; 32],
        now: 1000,
        wall: 1000,
    };
    let drafts = domains::decide(&world, &Facts::default(), &action, &asked).expect("a yes");
    let kinds: Vec<&str> =
        drafts.iter().map(|d| write_event(&d.event, &mut Vec::new()).expect("an event")).collect();
    assert_eq!(kinds, ["ledger.snapshotted"]);
}

#[test]
fn authority_ends_at_the_boundary_of_a_segment() {
    for (own, asked, expected) in [
        ("/acme", "/acme", None),
        ("/acme", "/acme/lab", None),
        ("/acme", "/acme2", Some(Code::ScopeForeign)),
        ("/acme", "/", Some(Code::ScopeForeign)),
        ("/acme/lab", "/acme", Some(Code::ScopeForeign)),
        ("/acme2", "/acme", Some(Code::ScopeForeign)),
        ("/", "/acme2", None),
    ] {
        let request = request("host_key.observe", asked, "ssh-ed25519:h:22");
        let answer = evaluate(&world("msp_operator", own, "observe"), false, &request, "actor");
        assert_eq!(code(answer), expected, "{own} asks in {asked}");
    }
    let at = |text: &str| Scope::parse(text).expect("a scope");
    assert!(at("/").contains(&at("/acme")) && at("/acme").contains(&at("/acme/a/b/c/d")));
    assert!(
        !at("/acme").contains(&at("/acm"))
            && !at("/acme").contains(&at("/acme-2"))
            && !at("/acme/a").contains(&at("/acme"))
    );
}

#[test]
fn a_foreign_and_a_missing_scope_are_one_answer() {
    let ask = |at: &str| {
        let request = request("host_key.observe", at, "ssh-ed25519:h:22");
        let denial =
            evaluate(&world("msp_operator", "/acme", "observe"), false, &request, "actor").expect_err("a no");
        (denial.0, denial.1.replace(at, "SCOPE"))
    };
    let foreign = ask("/acme2");
    assert_eq!(foreign.0, Code::ScopeForeign);
    for missing in ["/nowhere", "/acme/nowhere", "/acme2/nowhere", "/acme/lab/nowhere"] {
        assert_eq!(ask(missing), foreign, "{missing}");
    }
}

#[test]
fn a_closed_scope_is_told_only_to_those_whose_it_was() {
    let ask = |own: &str| {
        let request = request("host_key.observe", "/acme/gone", "ssh-ed25519:h:22");
        code(evaluate(&world("msp_operator", own, "observe"), true, &request, "actor"))
    };
    assert_eq!(ask("/acme"), Some(Code::ScopeClosed));
    assert_eq!(ask("/"), Some(Code::ScopeClosed));
    assert_eq!(ask("/acme2"), Some(Code::ScopeForeign));
}

#[test]
fn who_is_unknown_or_rests_may_nothing() {
    let request = request("host_key.observe", "/acme", "ssh-ed25519:h:22");
    let world = world("msp_operator", "/acme", "observe");
    for actor in ["ghost", "theirs", "resting"] {
        assert_eq!(code(evaluate(&world, false, &request, actor)), Some(Code::PrincipalNotActive), "{actor}");
    }
}

#[test]
fn signatures_are_asked_for_at_the_level_of_the_kind() {
    for role in ["msp_operator", "agent", "worker", "service"] {
        for (level, expected) in
            [("observe", None), ("warn", None), ("enforce", Some(Code::AttestationRequired))]
        {
            let mut request = request("host_key.observe", "/acme", "ssh-ed25519:x:22");
            assert_eq!(
                code(evaluate(&world(role, "/acme", level), false, &request, "actor")),
                None,
                "{role} {level}"
            );
            request.attestation = None;
            assert_eq!(
                code(evaluate(&world(role, "/acme", level), false, &request, "actor")),
                expected,
                "{role} {level}"
            );
        }
    }
    // The level is the kind's own: others that enforce do not count.
    let mut value = serde_json::to_value(world("worker", "/acme", "enforce")).expect("JSON");
    value["settings"]["attest"]["worker"] = json!("observe");
    let world: World = serde_json::from_value(value).expect("a world");
    let mut request = request("host_key.observe", "/acme", "ssh-ed25519:x:22");
    request.attestation = None;
    assert_eq!(code(evaluate(&world, false, &request, "actor")), None);
}

#[test]
fn duties_are_separate() {
    let held = key().public().id().entity();
    for (action, id, expected) in [
        ("principal.activate", "mine", Some(Code::SeparationRequired)),
        ("principal.activate", "theirs", None),
        ("principal.reactivate", "resting", Some(Code::SeparationRequired)),
        ("principal.reactivate", "theirs", None),
        ("key.enrol", "actor", Some(Code::SeparationRequired)),
        ("key.enrol", "theirs", None),
        ("key.rotate", held.as_str(), Some(Code::SeparationRequired)),
        ("key.rotate", "nobody", None),
        ("host_key.verify", "ssh-ed25519:h:22", Some(Code::SeparationRequired)),
        ("host_key.verify", "ssh-ed25519:x:22", None),
        ("host_key.reject", "ssh-ed25519:h:22", None),
    ] {
        let answer =
            evaluate(&world("msp_admin", "/acme", "observe"), false, &request(action, "/acme", id), "actor");
        assert_eq!(code(answer), expected, "{action} {id}");
    }
}

#[test]
fn only_the_one_administrator_activates_what_it_registered() {
    let with = |role: &str, administrators: &[&str]| {
        let mut value = serde_json::to_value(world(role, "/", "observe")).expect("JSON");
        let live = value["principals"]["live"].as_object_mut().expect("principals");
        live.retain(|id, _| {
            !["boss", "other"].contains(&id.as_str()) || administrators.contains(&id.as_str())
        });
        let world: World = serde_json::from_value(value).expect("a world");
        code(evaluate(&world, false, &request("principal.activate", "/", "mine"), "actor"))
    };
    assert_eq!(with("platform_admin", &[]), None, "the one administrator");
    assert_eq!(with("platform_admin", &["boss"]), Some(Code::SeparationRequired), "one of two");
    assert_eq!(
        with("org_admin", &["boss"]),
        Some(Code::SeparationRequired),
        "somebody else, while there is one"
    );
    assert_eq!(
        with("msp_admin", &["boss"]),
        Some(Code::SeparationRequired),
        "somebody else, while there is one"
    );
    assert_eq!(with("msp_admin", &["boss", "other"]), Some(Code::SeparationRequired), "somebody else");
}

#[test]
fn a_request_without_a_rule_is_denied() {
    // Silence means deny: no role does what the matrix gives to nobody.
    for role in Role::NAMES {
        let answer =
            evaluate(&world(role, "/", "observe"), false, &request("ledger.snapshot", "/", ""), "actor");
        assert_eq!(code(answer), Some(Code::RoleInsufficient), "{role}");
    }
}

#[test]
fn what_is_told_check_by_check_is_the_answer() {
    let mut asked = 0;
    for action in MATRIX.iter().map(|rule| rule.action) {
        for role in Role::NAMES {
            for (own, at, level) in
                [("/", "/", "observe"), ("/acme", "/acme", "enforce"), ("/acme", "/", "warn")]
            {
                let world = world(role, own, level);
                let mut request = request(action, at, "nobody");
                for signed in [true, false] {
                    if !signed {
                        request.attestation = None;
                    }
                    let (facts, caller) = (Facts::default(), Caller::by_key("actor"));
                    let verdict = gate::evaluate(&world, &facts, &request, &caller, 1000);
                    let found = gate::explain(&world, &facts, &request, &caller, 1000);
                    let last = found.last().expect("a check").1.clone();
                    let fits = match (&verdict, last) {
                        (Verdict::Deny(denial), Found::Fail(told)) => *denial == told,
                        (Verdict::Hold(hold), Found::Hold(told)) => *hold == told,
                        (Verdict::Allow(None), Found::Pass | Found::NotApplicable) => {
                            found.len() == gate::CHECKS.len()
                        }
                        _ => false,
                    };
                    assert!(fits, "{role} {action} in {at}: {verdict:?} and {found:?}");
                    let before = &found[..found.len() - 1];
                    assert!(before.iter().all(|(_, f)| matches!(f, Found::Pass | Found::NotApplicable)));
                    asked += 1;
                }
            }
        }
    }
    assert_eq!(asked, MATRIX.len() * Role::NAMES.len() * 6);
}

#[test]
fn what_a_kill_switch_leaves_open_is_what_section_10_11_lists() {
    let text = section("10.11");
    let list = text.split("stays open: ").nth(1).and_then(|rest| rest.split("; and to").next());
    let listed = spans(list.expect("the list"));
    for spec in ACTIONS.iter().copied().flatten() {
        let verb = spec.id.split('.').nth(1).expect("a verb");
        let open = listed.iter().any(|word| word == verb || word == spec.id);
        assert_eq!(open, spec.flow != Flow::Raises, "{}", spec.id);
    }
    for word in listed {
        let known = |spec: &ActionSpec| spec.id == word || spec.id.split('.').nth(1) == Some(&word);
        assert!(ACTIONS.iter().copied().flatten().any(known), "`{word}` is no action");
    }
}
