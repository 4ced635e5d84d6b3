//! In which order does the gate check, and is that what SPEC 9 says? One world in which everything is wrong, mended
//! step by step.

use crate::gate::{request, world};
use crate::harness::story::{NAME, fingerprint, scope};
use crate::spec::{section, spans, table};
use chancery_ledger::Code;
use chancery_ledger::domains::{Facts, World};
use chancery_ledger::format::ids::IdempotencyKey;
use chancery_ledger::gate::{self, CHECKS, Caller, Request, Verdict, new_request};
use serde_json::{Value, json};

/// A world and a request, both of which can be mended.
struct Step {
    world: Value,
    request: Request,
    ended: Vec<(&'static str, String, String)>,
    seen: Vec<Code>,
}

impl Step {
    fn new(role: &str, at: &str, request: Request) -> Self {
        let mut world = serde_json::to_value(world(role, at, "enforce")).expect("JSON");
        world["capabilities"] = json!({"live": {"probe": {
            "risk": "destructive", "commands": [], "grant": true, "trust": "standard", "marks": []
        }}});
        world["principals"]["live"]["actor"]["assigned"] = json!([]);
        Self { world, request, ended: Vec::new(), seen: Vec::new() }
    }

    /// Asks, and keeps the code of the no.
    fn ask(&mut self) -> &mut Self {
        let world: World = serde_json::from_value(self.world.clone()).expect("a world");
        let facts = Facts { ended: self.ended.clone(), ..Facts::default() };
        match gate::evaluate(&world, &facts, &self.request, &Caller::by_key("actor"), 1000) {
            Verdict::Allow(_) => panic!("a yes after {:?}", self.seen),
            Verdict::Deny(denial) => self.seen.push(denial.code),
            Verdict::Hold(_) => self.seen.push(Code::ConfirmationRequired),
        }
        self
    }

    /// Mends the world at a JSON pointer, and asks.
    fn mend(&mut self, pointer: &str, value: Value) -> &mut Self {
        *self.world.pointer_mut(pointer).unwrap_or_else(|| panic!("no `{pointer}`")) = value;
        self.ask()
    }

    /// Asks for something else.
    fn instead(&mut self, action: &str, at: &str, id: &str, args: &Value) -> &mut Self {
        self.request = asked(action, at, id, args);
        self.ask()
    }

    fn sign(&mut self) -> &mut Self {
        self.request.attestation = request("scope.create", "/", "x").attestation;
        self.ask()
    }
}

/// An unsigned request.
fn asked(action: &str, at: &str, id: &str, args: &Value) -> Request {
    let args = chancery_ledger::format::json::parse(args.to_string().as_bytes()).expect("arguments");
    let key = IdempotencyKey::parse("0123456789abcdef").expect("a key");
    new_request(action, &scope(at), Some(id), NAME, args, key, [0; 32]).expect("a request")
}

fn submitted() -> Vec<Code> {
    let live = json!({"capability": "probe", "mode": "worker_ssh_live_nonproduction", "stage": "production",
        "target": "ssh-ed25519:h:22", "ttl_ms": 60000});
    let mut step = Step::new("org_user", "/acme", asked("job.submit", "/acme2", "j-1", &live));
    step.ended.push(("scope", "/acme/gone".to_owned(), "closed".to_owned()));
    step.world["switches"] = json!({"features": {}, "kills": [
        {"scope": "/", "target": "scope", "id": "stop", "by": "boss", "position": 5}
    ]});
    step.world["principals"]["live"]["actor"]["standing"] = json!("suspended");
    step.ask();
    step.mend("/switches/kills", json!([]));
    step.mend("/principals/live/actor/standing", json!("active"));
    step.instead("job.submit", "/acme/gone", "j-1", &live);
    step.instead("job.submit", "/acme", "j-1", &live);
    step.mend("/principals/live/actor/role", json!("msp_operator"));
    step.mend("/capabilities/live/probe/marks", json!([["/acme", true]]));
    let on = json!({"worker_ssh_live_nonproduction": [["/", 9000, null], ["/acme", 9000, null]]});
    step.mend("/switches/features", on);
    let mut tested = live.clone();
    tested["stage"] = json!("test");
    step.instead("job.submit", "/acme", "j-1", &tested);
    tested["mode"] = json!("worker_ssh_dry_run");
    step.instead("job.submit", "/acme", "j-1", &tested);
    let record =
        json!({"trust": "verified", "current": fingerprint(1), "observers": {"boss": [fingerprint(1)]}});
    step.mend("/host_keys/live/~1acme ssh-ed25519:h:22", record);
    step.sign();
    step.mend("/capabilities/live/probe/risk", json!("high"));
    step.seen
}

fn started() -> Vec<Code> {
    let start = |words: Value| asked("job.start", "/acme", "j-1", &words);
    let mut step = Step::new("worker", "/acme", start(json!({"fence": 1})));
    step.world["capabilities"]["live"]["probe"]["marks"] = json!([["/acme", true]]);
    step.world["jobs"] = json!({"live": {"/acme j-1": {
        "capability": "probe", "mode": "worker_stub_execution", "target": null, "command": null, "deadline": 9000,
        "eligible": ["actor"], "claim": null, "fence": 1, "started": null, "leases": [], "grants": [], "position": 5
    }}});
    step.ask();
    step.instead("job.start", "/acme", "j-1", &json!({"fence": 1, "grant": "g-1", "lease": "l-1"}));
    let grant = json!({"job": "j-2", "worker": "boss", "reference": "test://canary", "purpose": "other", "expires": 1});
    step.world["grants"] = json!({"live": {"/acme g-1": grant}});
    step.ask();
    step.mend("/grants/live/~1acme g-1/expires", json!(9000));
    step.mend("/grants/live/~1acme g-1/job", json!("j-1"));
    step.mend("/grants/live/~1acme g-1/worker", json!("actor"));
    step.mend("/grants/live/~1acme g-1/purpose", json!("probe"));
    step.mend("/jobs/live/~1acme j-1/claim", json!({"worker": "actor", "until": 1}));
    step.mend("/jobs/live/~1acme j-1/claim/until", json!(9000));
    let lease = json!({"job": "j-1", "worker": "actor", "grant": "g-1", "fence": 1, "expires": 9000, "fingerprints": []});
    step.world["leases"] = json!({"live": {"/acme l-1": lease}, "handed_out": {}, "to": {}, "over": {}});
    step.ask();
    step.seen
}

fn reviewed() -> Vec<Code> {
    let mut step = Step::new("msp_admin", "/acme", asked("principal.activate", "/acme", "mine", &json!({})));
    step.ask();
    step.sign();
    step.seen
}

#[test]
fn checks_come_in_the_order_of_section_9() {
    let rows = table(&section("9"), "check");
    let listed: Vec<(String, String, Vec<String>)> =
        rows.iter().map(|row| (row[0].clone(), row[1].clone(), spans(&row[2]))).collect();
    let declared: Vec<(String, String, Vec<String>)> = CHECKS
        .iter()
        .map(|check| {
            let codes = check.codes.iter().map(|code| code.as_str().to_owned());
            (check.name.to_owned(), check.applies.to_owned(), codes.collect())
        })
        .collect();
    assert_eq!(listed, declared);
    let order: Vec<Code> = CHECKS.iter().flat_map(|check| check.codes).copied().collect();
    let place = |code: &Code| order.iter().position(|other| other == code).expect("a check names it");
    let mut reached: Vec<Code> = Vec::new();
    for seen in [submitted(), started(), reviewed()] {
        // Within the check of grants, what is asked first is not what the table has first.
        let checks: Vec<usize> = seen
            .iter()
            .map(|code| CHECKS.iter().position(|check| check.codes.contains(code)).expect("a check"))
            .collect();
        assert!(checks.is_sorted(), "{seen:?}");
        let mut once = seen.clone();
        once.sort_by_key(place);
        once.dedup();
        assert_eq!(once.len(), seen.len(), "each mend uncovers another no: {seen:?}");
        reached.extend(seen);
    }
    for check in CHECKS {
        assert!(check.codes.iter().any(|code| reached.contains(code)), "no world shows `{}`", check.name);
    }
    use Code::*;
    let submit = [
        KillSwitch,
        PrincipalNotActive,
        ScopeForeign,
        ScopeClosed,
        RoleInsufficient,
        CapabilityDisabled,
        SwitchOff,
        ProductionRefused,
        LiveGateClosed,
        HostKeyUnverified,
        AttestationRequired,
        NoRoute,
        ConfirmationRequired,
    ];
    assert_eq!(submitted(), submit);
    let start = [
        GrantRequired,
        GrantUnknown,
        GrantExpired,
        GrantJob,
        GrantWorker,
        GrantUse,
        StaleFence,
        ClaimExpired,
        LeaseOver,
        AttestationRequired,
    ];
    assert_eq!(started(), start);
    assert_eq!(reviewed(), [AttestationRequired, SeparationRequired]);
}
