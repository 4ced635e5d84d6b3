//! Does the gate allocate when it says yes? Every action of the matrix, by every role that may do it.

use super::counted;
use chancery_ledger::domains::{Ended, Facts, Meta, World, parse_event};
use chancery_ledger::format::hash::Digest;
use chancery_ledger::format::ids::{IdempotencyKey, KeyId, Scope};
use chancery_ledger::format::json;
use chancery_ledger::gate::{
    Attest, Caller, MATRIX, Request, Role, Verdict, declared, evaluate, new_request,
};

const LOG: &str = "count.example";
const NOW: i64 = 2000;
const FINGERPRINT: &str = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const PRINT: &str = "f:12:0000000000000000000000000000000000000000000000000000000000000000";

/// Where, on what, by whom, and what happened.
const EVENTS: &[(&str, &str, &str, &str, &str)] = &[
    ("/", "acme", "boss", "scope.created", "{}"),
    ("/", "boss", "system", "principal.registered", r#"{"kind":"human","role":"platform_admin"}"#),
    ("/", "boss", "system", "principal.activated", r#"{"basis":"review"}"#),
    ("/acme", "theirs", "boss", "principal.registered", r#"{"kind":"human","role":"org_user"}"#),
    ("/acme", "helped", "boss", "principal.registered", r#"{"kind":"human","role":"auditor"}"#),
    ("/acme", "helped", "boss", "principal.activated", r#"{"basis":"review"}"#),
    ("/", "helper", "boss", "role.defined", r#"{"actions":["job.cancel"]}"#),
    ("/acme", "helper", "boss", "role.assigned", r#"{"principal":"helped"}"#),
    (
        "/",
        "low",
        "boss",
        "capability.registered",
        r#"{"commands":[],"grant":true,"risk":"low","trust":"standard"}"#,
    ),
    ("/", "low", "boss", "capability.enabled", "{}"),
    (
        "/",
        "mid",
        "boss",
        "capability.registered",
        r#"{"commands":[],"grant":false,"risk":"medium","trust":"standard"}"#,
    ),
    ("/", "mid", "boss", "capability.enabled", "{}"),
    ("/", "worker_local_read_only", "boss", "switch.turned_on", r#"{"until":9000}"#),
    ("/acme", "worker_local_read_only", "boss", "switch.turned_on", r#"{"until":9000}"#),
    ("/acme", "elsewhere", "boss", "switch.engaged", r#"{"target":"principal"}"#),
    (
        "/acme",
        "ssh-ed25519:h:22",
        "boss",
        "host_key.observed",
        r#"{"fingerprint":"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","source":"known_hosts"}"#,
    ),
    (
        "/acme",
        "ssh-ed25519:h:22",
        "boss",
        "host_key.verified",
        r#"{"fingerprint":"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
    ),
    (
        "/acme",
        "job",
        "boss",
        "job.submitted",
        r#"{"capability":"low","deadline":9000,"mode":"worker_ssh_dry_run","target":"ssh-ed25519:h:22"}"#,
    ),
    ("/acme", "job", "worker", "claim.acquired", r#"{"fence":1,"until":9000}"#),
    (
        "/acme",
        "grant",
        "boss",
        "grant.issued",
        r#"{"expires":9000,"job":"job","reference":"vault://kv/h#key","use":"low","worker":"worker"}"#,
    ),
    (
        "/acme",
        "lease",
        "worker",
        "lease.opened",
        r#"{"expires":9000,"fence":1,"grant":"grant","job":"job","provider":"vault","reference":"vault://kv/h#key"}"#,
    ),
    ("/acme", "h1", "boss", "hold.opened", r#"{"hold":"h1","risk":"medium","until":9000}"#),
];

/// What is asked: action, id, arguments. Every action of the matrix stands here at least once.
const ASKED: &[(&str, &str, &str)] = &[
    ("scope.create", "new", "{}"),
    ("scope.close", "new", "{}"),
    ("principal.register", "new", r#"{"kind":"human","role":"org_user"}"#),
    ("principal.activate", "theirs", "{}"),
    ("principal.suspend", "theirs", "{}"),
    ("principal.reactivate", "theirs", "{}"),
    ("principal.revoke", "theirs", "{}"),
    ("key.enrol", "new", r#"{"principal":"theirs","proof":"SIG","public":"KEY"}"#),
    ("key.rotate", "00000000000000000000000000000000", r#"{"consent":"SIG","proof":"SIG","public":"KEY"}"#),
    ("key.revoke", "new", "{}"),
    ("key.suspect", "new", r#"{"from":1}"#),
    ("token.issue", "newtoken0001", r#"{"principal":"theirs","ttl_ms":60000}"#),
    ("token.revoke", "new", "{}"),
    ("host_key.observe", "ssh-ed25519:h:22", r#"{"fingerprint":"PRINT","source":"known_hosts"}"#),
    ("host_key.verify", "ssh-ed25519:h:22", r#"{"fingerprint":"PRINT"}"#),
    ("host_key.reject", "ssh-ed25519:h:22", r#"{"fingerprint":"PRINT"}"#),
    ("host_key.disable", "ssh-ed25519:h:22", "{}"),
    ("export.produce", "", r#"{"from":0,"to":1}"#),
    ("role.define", "helper", r#"{"actions":["job.cancel"]}"#),
    ("role.assign", "helper", r#"{"principal":"theirs"}"#),
    ("role.unassign", "helper", r#"{"principal":"theirs"}"#),
    ("capability.register", "new", r#"{"risk":"low"}"#),
    ("capability.enable", "low", "{}"),
    ("capability.disable", "low", "{}"),
    ("switch.turn_on", "new", r#"{"ttl_ms":60000}"#),
    ("switch.turn_off", "new", "{}"),
    ("switch.engage", "new", r#"{"target":"scope"}"#),
    ("switch.clear", "new", r#"{"target":"scope"}"#),
    ("hold.approve", "h1", "{}"),
    ("hold.deny", "h1", "{}"),
    ("hold.cancel", "h1", "{}"),
    ("hold.expire", "h1", "{}"),
    ("worker.promote", "worker", r#"{"trust":"standard"}"#),
    ("worker.declare", "worker", r#"{"capabilities":["low"],"locality":"here","redaction":true}"#),
    ("worker.assign", "worker", r#"{"capabilities":["low"],"to":"/acme"}"#),
    ("worker.report", "worker", r#"{"health":"healthy","ttl_ms":60000}"#),
    ("worker.suspend", "worker", "{}"),
    ("worker.revoke", "worker", "{}"),
    ("worker.expire", "worker", "{}"),
    (
        "job.submit",
        "new",
        r#"{"capability":"low","mode":"worker_ssh_dry_run","stage":"test","target":"ssh-ed25519:h:22","ttl_ms":60000}"#,
    ),
    ("job.submit", "new", r#"{"capability":"low","mode":"worker_local_read_only","ttl_ms":60000}"#),
    ("job.submit", "new", r#"{"capability":"mid","mode":"worker_stub_execution","ttl_ms":60000}"#),
    ("job.start", "job", r#"{"fence":1,"grant":"grant","lease":"lease"}"#),
    ("job.report", "job", r#"{"evidence":"{}","fence":1,"grant":"grant","outcome":"failed"}"#),
    ("job.cancel", "job", "{}"),
    ("job.reject", "job", r#"{"detector":"one","worker":"worker"}"#),
    ("job.stop", "job", "{}"),
    ("job.expire", "job", "{}"),
    ("claim.acquire", "job", r#"{"ttl_ms":60000}"#),
    ("claim.renew", "job", r#"{"fence":1,"ttl_ms":60000}"#),
    ("claim.release", "job", r#"{"fence":1}"#),
    ("claim.expire", "job", "{}"),
    (
        "grant.issue",
        "new",
        r#"{"job":"job","reference":"vault://kv/h#key","ttl_ms":60000,"use":"low","worker":"worker"}"#,
    ),
    ("grant.revoke", "grant", "{}"),
    ("grant.expire", "grant", "{}"),
    (
        "lease.open",
        "new",
        r#"{"fence":1,"grant":"grant","job":"job","reference":"vault://kv/h#key","ttl_ms":60000,"use":"low"}"#,
    ),
    ("lease.resolve", "lease", r#"{"fingerprints":["F"]}"#),
    ("lease.fail", "lease", r#"{"failure":"missing"}"#),
    ("lease.close", "lease", "{}"),
    ("lease.revoke", "lease", "{}"),
    ("lease.expire", "lease", "{}"),
    ("transcript.append", "job", r#"{"fence":1,"operator":"done","seq":1}"#),
    ("transcript.release", "job", r#"{"position":1}"#),
    ("transcript.quarantine", "job", r#"{"detector":"one","seq":1,"worker":"worker"}"#),
    ("preflight.evaluate", "job", "{}"),
    ("attention.acknowledge", "new", r#"{"position":1}"#),
    (
        "drill.record",
        "new",
        r#"{"item":"reconnect_polling","narrative":"done","passed":true,"positions":[1]}"#,
    ),
    ("door.count", "boss", r#"{"count":1,"minute":1}"#),
    ("view.read", "attention", "{}"),
    ("view.audit", "decisions", "{}"),
    ("view.restricted", "transcript_technical", "{}"),
    ("ledger.snapshot", "", r#"{"at":1,"digest":"DIGEST","version":1}"#),
    ("ledger.confirm_clock", "", "{}"),
];

fn fold(
    world: &mut World,
    (scope, id, actor, kind, data): (&str, &str, &str, &str, &str),
    action: Option<&str>,
) {
    let event = parse_event(kind, data.as_bytes()).expect("an event");
    let meta = Meta {
        position: world.position,
        time: 1000,
        scope,
        id,
        actor,
        attestation: None,
        action,
        cause: &[],
    };
    world.fold(&meta, Digest::ZERO, &event, &mut Vec::<Ended>::new());
}

fn world() -> World {
    let mut world = World::default();
    fold(&mut world, EVENTS[0], None);
    for role in Role::ALL {
        let kind = role.machine_kind().map_or("human", |kind| kind.as_str());
        let data = format!(r#"{{"kind":"{kind}","role":"{}"}}"#, role.as_str());
        fold(&mut world, ("/", role.as_str(), "boss", "principal.registered", &data), None);
        fold(&mut world, ("/", role.as_str(), "boss", "principal.activated", r#"{"basis":"review"}"#), None);
    }
    EVENTS[1..].iter().for_each(|event| fold(&mut world, *event, None));
    world
}

fn request(action: &str, id: &str, args: &str) -> Request {
    let (key, sig) = ("A".repeat(43) + "=", "A".repeat(86) + "==");
    let text = args
        .replace("\"SIG\"", &format!("\"{sig}\""))
        .replace("\"KEY\"", &format!("\"{key}\""))
        .replace("\"PRINT\"", &format!("\"{FINGERPRINT}\""))
        .replace("\"F\"", &format!("\"{PRINT}\""))
        .replace("DIGEST", &Digest::ZERO.to_string());
    let args = json::parse(text.as_bytes()).expect("arguments");
    let scope = Scope::parse("/acme").expect("a scope");
    let key = IdempotencyKey::parse("0123456789abcdef").expect("a key");
    let id = (!id.is_empty()).then_some(id);
    let mut request = new_request(action, &scope, id, LOG, args, key, [0; 32]).expect(action);
    // Agents must sign by default; whether the signature is right was asked before the gate is.
    request.attestation =
        Some(Attest { log: format!("{LOG}/e1"), key: KeyId([0; 16]), seq: 1, sig: [0; 64] });
    request
}

/// Has this request, which takes a second principal, confirmed.
fn confirm(world: &mut World, request: &Request, actor: &str, facts: &mut Facts) {
    let hold = format!("h{}", world.position);
    facts.parts.push((world.position, 1, request.args.clone()));
    let data = format!(r#"{{"hold":"{hold}","risk":"medium","until":9000}}"#);
    let id = request.id.as_str();
    fold(world, ("/acme", id, actor, "hold.opened", &data), Some(request.spec.id));
    fold(world, ("/acme", &hold, "boss", "hold.approved", "{}"), None);
}

/// Asks as `actor`, with and without a token, and holds that the answer is a yes for which nothing was allocated.
fn allowed(world: &World, facts: &Facts, request: &Request, actor: &str) {
    for session in [None, Some("tok000000001".to_owned())] {
        let caller = Caller { principal: actor.to_owned(), session };
        let (taken, verdict) = counted(|| evaluate(world, facts, request, &caller, NOW));
        assert!(matches!(verdict, Verdict::Allow(_)), "{actor} {}: {verdict:?}", request.spec.id);
        assert_eq!(taken, 0, "{actor} {}: the gate allocated", request.spec.id);
    }
}

#[test]
fn an_allowed_action_allocates_nothing() {
    let mut asked = 0;
    for (action, id, args) in ASKED {
        let request = request(action, id, args);
        for role in request.rule.roles {
            let (mut world, mut facts) = (world(), Facts::default());
            let caller = Caller::by_key(role.as_str());
            if let Verdict::Hold(_) = evaluate(&world, &facts, &request, &caller, NOW) {
                confirm(&mut world, &request, role.as_str(), &mut facts);
            }
            allowed(&world, &facts, &request, role.as_str());
            asked += 1;
        }
        if request.rule.roles.is_empty() {
            allowed(&world(), &Facts::default(), &request, "system");
        }
    }
    assert!(asked > 150, "{asked} allowed");
    for rule in MATRIX {
        assert!(ASKED.iter().any(|(action, ..)| *action == rule.action), "`{}` is not asked", rule.action);
    }
    // A role that is not the first, and one that was defined.
    allowed(&world(), &Facts::default(), &request("job.cancel", "job", "{}"), "helped");
}

#[test]
fn an_action_is_found_without_an_allocation() {
    declared("scope.create");
    let (taken, found) = counted(|| declared("lease.open").map(|(spec, _)| spec.id));
    assert_eq!((taken, found), (0, Some("lease.open")));
}
