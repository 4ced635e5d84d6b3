//! Does every action, every kind of event and every no have a case, and does each case hold?

use crate::harness::root;
use crate::harness::scenario::{Case, parse, run};
use chancery_ledger::domains::transcript::Reason;
use chancery_ledger::domains::{ACTIONS, KINDS};
use chancery_ledger::gate::MATRIX;
use chancery_ledger::verify::{How, Trust, Verdict, verify_live};
use chancery_ledger::{CODES, Class, Code};
use std::collections::{BTreeMap, BTreeSet};

/// The files, in the order of SPEC 10.
const FILES: &[&str] = &[
    "ledger",
    "scope",
    "principal",
    "key",
    "token",
    "host_key",
    "export",
    "decision",
    "role",
    "capability",
    "switch",
    "hold",
    "worker",
    "job",
    "claim",
    "grant",
    "lease",
    "transcript",
    "preflight",
    "attention",
    "drill",
    "door",
    "view",
    "gate",
    "secret",
];

/// The domains, in the order of section 10.
const DOMAINS: &[&str] = &[
    "ledger",
    "scope",
    "principal",
    "key",
    "token",
    "host_key",
    "export",
    "decision",
    "role",
    "capability",
    "switch",
    "hold",
    "worker",
    "job",
    "claim",
    "grant",
    "lease",
    "transcript",
    "preflight",
    "attention",
    "drill",
    "door",
    "view",
];

/// What the system does otherwise than in a sweep.
const SYSTEM_ELSEWHERE: &[&str] = &["ledger.snapshot", "transcript.quarantine", "job.reject", "door.count"];

/// The refusals of a worker that does not stand, SPEC 10.13.
const STAND: &[&str] = &[
    "worker_wrong",
    "worker_disabled",
    "worker_revoked",
    "worker_stale",
    "worker_unhealthy",
    "worker_untrusted",
    "worker_capability_missing",
    "worker_scope_wrong",
];

/// Kinds that no request of a person makes happen, and the test that has them.
const KINDS_ELSEWHERE: &[(&str, &str)] = &[("ledger.snapshotted", "gate.rs")];

fn cases(name: &str) -> (String, Vec<Case>) {
    let file = format!("fixtures/scenarios/{name}.txt");
    let text = std::fs::read_to_string(root().join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let cases = parse(&file, &text);
    assert!(!cases.is_empty(), "{file} has no case");
    (file, cases)
}

/// Runs each case on a ledger of its own, which must verify afterwards.
fn tell(name: &str) {
    let (file, cases) = cases(name);
    for case in &cases {
        let (story, _home) = run(&file, case);
        let pin = story.pin();
        let trust = Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin) };
        let how = How { threads: 1, screen: false, columns: true, recompute: false };
        let report = verify_live(&story.paths, &trust, how, &mut |_, _| ()).expect("a ledger");
        let suspects = case.lines.iter().any(|line| line.words.iter().any(|word| word == "key.suspect"));
        let fits = report.verdict == Verdict::Authentic || (suspects && report.verdict == Verdict::Suspect);
        assert!(fits, "{file}: `{}` ends {:?}: {:?}", case.title, report.verdict, report.finding);
        crate::recompute::holds(&story, &format!("{file}: `{}`", case.title));
    }
    eprintln!("{file}: {} cases", cases.len());
}

#[test]
fn stories_of_the_ledger_hold() {
    tell("ledger");
}

#[test]
fn stories_of_scopes_hold() {
    tell("scope");
}

#[test]
fn stories_of_principals_hold() {
    tell("principal");
}

#[test]
fn stories_of_keys_hold() {
    tell("key");
}

#[test]
fn stories_of_tokens_hold() {
    tell("token");
}

#[test]
fn stories_of_host_keys_hold() {
    tell("host_key");
}

#[test]
fn stories_of_exports_hold() {
    tell("export");
}

#[test]
fn stories_of_the_gate_hold() {
    tell("gate");
}

#[test]
fn stories_of_decision_hold() {
    tell("decision");
}

#[test]
fn stories_of_role_hold() {
    tell("role");
}

#[test]
fn stories_of_capability_hold() {
    tell("capability");
}

#[test]
fn stories_of_switch_hold() {
    tell("switch");
}

#[test]
fn stories_of_hold_hold() {
    tell("hold");
}

#[test]
fn stories_of_worker_hold() {
    tell("worker");
}

#[test]
fn stories_of_job_hold() {
    tell("job");
}

#[test]
fn stories_of_claim_hold() {
    tell("claim");
}

#[test]
fn stories_of_grant_hold() {
    tell("grant");
}

#[test]
fn stories_of_lease_hold() {
    tell("lease");
}

#[test]
fn stories_of_transcript_hold() {
    tell("transcript");
}

#[test]
fn stories_of_preflight_hold() {
    tell("preflight");
}

#[test]
fn stories_of_attention_hold() {
    tell("attention");
}

#[test]
fn stories_of_drill_hold() {
    tell("drill");
}

#[test]
fn stories_of_door_hold() {
    tell("door");
}

#[test]
fn stories_of_view_hold() {
    tell("view");
}

#[test]
fn stories_of_secret_hold() {
    tell("secret");
}

/// What the cases name: actions, kinds, and codes by the word before them.
#[derive(Default)]
struct Named {
    actions: Vec<String>,
    kinds: BTreeSet<String>,
    codes: BTreeMap<&'static str, BTreeSet<String>>,
    /// Actions of the system that a sweep did.
    swept: BTreeSet<String>,
    /// Action and the refusal that it got.
    refusals: BTreeSet<(String, String)>,
}

fn named(cases: &[Case], named: &mut Named) {
    for case in cases {
        let mut action = String::new();
        for line in &case.lines {
            let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
            match (line.verb.as_str(), &words[..]) {
                ("when", [_, asked, ..]) => {
                    action = (*asked).to_owned();
                    if !named.actions.contains(&action) {
                        named.actions.push(action.clone());
                    }
                }
                ("then", ["allow", kinds @ ..]) => {
                    named.kinds.extend(kinds.iter().map(|kind| (*kind).to_owned()))
                }
                ("then", ["entry", _, kind, ..]) => {
                    named.kinds.insert((*kind).to_owned());
                }
                ("then", ["hold", again @ ..]) => {
                    let kind = if again.is_empty() { "hold.opened" } else { "decision.held" };
                    named.kinds.insert(kind.to_owned());
                    named.codes.entry("hold").or_default().insert("confirmation_required".to_owned());
                }
                ("then", ["quarantine", _]) => {
                    named.kinds.insert("transcript.quarantined".to_owned());
                    named.codes.entry("refuse").or_default().insert("quarantined".to_owned());
                    named.refusals.insert((action.clone(), "quarantined".to_owned()));
                }
                ("then", ["reject", _]) => {
                    named.kinds.insert("job.result_rejected".to_owned());
                    named.codes.entry("refuse").or_default().insert("result_rejected".to_owned());
                    named.refusals.insert((action.clone(), "result_rejected".to_owned()));
                }
                ("then", ["also" | "before" | "last", kind, ..]) => {
                    named.kinds.insert((*kind).to_owned());
                }
                ("then", ["swept", actions @ ..]) => {
                    named.swept.extend(actions.iter().map(|a| (*a).to_owned()))
                }
                ("then", [word, code, ..]) => {
                    let Some(word) =
                        ["deny", "refuse", "conflict", "invalid", "error"].into_iter().find(|w| w == word)
                    else {
                        continue;
                    };
                    named.codes.entry(word).or_default().insert((*code).to_owned());
                    match word {
                        "refuse" => {
                            named.kinds.insert("decision.refused".to_owned());
                            named.refusals.insert((action.clone(), (*code).to_owned()));
                        }
                        "deny" => {
                            named.kinds.insert("decision.denied".to_owned());
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }
}

fn all_named() -> Named {
    let mut all = Named::default();
    for name in FILES {
        named(&cases(name).1, &mut all);
    }
    all
}

#[test]
fn every_file_of_scenarios_is_told() {
    let mut found: Vec<String> = std::fs::read_dir(root().join("fixtures/scenarios"))
        .expect("scenarios")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    let mut listed: Vec<String> = FILES.iter().map(|name| format!("{name}.txt")).collect();
    listed.sort();
    assert_eq!(found, listed);
}

#[test]
fn every_action_has_a_case_in_the_order_of_its_declaration() {
    for domain in ACTIONS {
        let asked = |id: &&str| MATRIX.iter().any(|rule| rule.action == *id && !rule.roles.is_empty());
        let declared: Vec<&str> = domain.iter().map(|spec| spec.id).filter(asked).collect();
        let name = domain[0].id.split('.').next().expect("a domain");
        let mut own = Named::default();
        named(&cases(name).1, &mut own);
        let told: Vec<&str> =
            own.actions.iter().map(String::as_str).filter(|action| declared.contains(action)).collect();
        assert_eq!(told, declared, "fixtures/scenarios/{name}.txt");
    }
    let known: BTreeSet<&str> = ACTIONS.iter().copied().flatten().map(|spec| spec.id).collect();
    let unknown: Vec<String> =
        all_named().actions.into_iter().filter(|action| !known.contains(action.as_str())).collect();
    // The one misspelt action shows what is said of an unknown one.
    assert_eq!(unknown, ["scope.opne"]);
}

#[test]
fn every_action_of_the_system_is_swept_or_shown_elsewhere() {
    let mut told = all_named().swept;
    told.extend(SYSTEM_ELSEWHERE.iter().map(|id| (*id).to_owned()));
    let own = MATRIX.iter().filter(|rule| rule.roles.is_empty()).map(|rule| rule.action.to_owned());
    assert_eq!(told, own.collect());
}

#[test]
fn the_eight_refusals_are_shown_at_claim_transcript_and_result() {
    let told = all_named().refusals;
    for action in ["claim.acquire", "transcript.append", "job.report"] {
        for code in STAND {
            assert!(told.contains(&(action.to_owned(), (*code).to_owned())), "{action} {code}");
        }
    }
}

#[test]
fn every_reason_of_quarantine_and_every_class_of_rejection_has_a_case() {
    let text = FILES.iter().map(|name| {
        let file = root().join(format!("fixtures/scenarios/{name}.txt"));
        std::fs::read_to_string(file).expect("scenarios")
    });
    let text: String = text.collect();
    for reason in Reason::NAMES {
        assert!(text.contains(&format!("then quarantine {reason}\n")), "{reason}");
    }
    for class in ["malformed", "mismatched", "non_allowlisted", "secret_looking"] {
        assert!(text.contains(&format!("then reject {class}\n")), "{class}");
    }
}

#[test]
fn every_kind_of_event_has_a_case() {
    let mut told = all_named().kinds;
    for (kind, file) in KINDS_ELSEWHERE {
        let text = std::fs::read_to_string(root().join("tests").join(file)).expect("a test");
        assert!(text.contains(kind), "tests/{file} has no `{kind}`");
        assert!(told.insert((*kind).to_owned()), "`{kind}` has a case: take it off the list");
    }
    let known: BTreeSet<String> = KINDS.iter().map(|kind| (*kind).to_owned()).collect();
    assert_eq!(told, known);
}

#[test]
fn every_denial_and_every_refusal_has_a_case() {
    let told = all_named().codes;
    for (word, class) in [("deny", Class::Denial), ("refuse", Class::Refusal)] {
        let declared: BTreeSet<String> =
            CODES.iter().filter(|code| code.class() == class).map(|code| code.as_str().to_owned()).collect();
        assert_eq!(told[word], declared, "{class:?}");
    }
    for (word, class) in [("conflict", Class::Conflict), ("invalid", Class::Invalid), ("error", Class::Error)]
    {
        for text in &told[word] {
            assert_eq!(Code::parse(text).map(Code::class), Some(class), "`{text}`");
        }
    }
}

#[test]
fn every_conflict_has_a_case() {
    let declared: BTreeSet<String> = CODES
        .iter()
        .filter(|code| code.class() == Class::Conflict)
        .map(|code| code.as_str().to_owned())
        .filter(|code| !crate::codes::OVER_HTTP.iter().any(|(over, _)| over == code))
        .collect();
    assert_eq!(all_named().codes["conflict"], declared);
}

/// Code spans of a text.
fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn refusals_are_those_that_section_10_names_for_the_domain() {
    let spec = std::fs::read_to_string(root().join("SPEC.md")).expect("SPEC");
    let told = all_named().refusals;
    for (number, domain) in DOMAINS.iter().enumerate() {
        let heading = format!("### 10.{} {domain}\n", number + 1);
        let start = spec.find(&heading).unwrap_or_else(|| panic!("no heading `{}`", heading.trim()));
        let body = &spec[start + heading.len()..];
        let body = &body[..body.find("\n#").unwrap_or(body.len())].replace("```", "");
        let listed: BTreeSet<&str> = spans(body)
            .into_iter()
            .filter(|span| Code::parse(span).is_some_and(|code| code.class() == Class::Refusal))
            .collect();
        let prefix = format!("{domain}.");
        let stand = |code: &&str| STAND.contains(code);
        // Section 10.13 lists the refusals of a worker that does not stand, for all who ask.
        let elsewhere = body.contains("those of 10.13");
        let found: BTreeSet<&str> = told
            .iter()
            .map(|(action, code)| (action.as_str(), code.as_str()))
            .filter(|(action, code)| match (action.starts_with(&prefix), *domain) {
                (_, "worker") if stand(code) => true,
                // Whatever is held is refused with it.
                (_, domain) if *code == "hold_limit" => domain == "hold",
                (own, _) => own && !(elsewhere && stand(code)),
            })
            .map(|(_, code)| code)
            .collect();
        assert_eq!(found, listed, "section 10.{}: cases, and text", number + 1);
    }
}
