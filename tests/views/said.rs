//! Do the views say what happened? Jobs, transcripts, grants, holds and freshness of stories whose end is known.

use super::{fold, governed, row, rows};
use crate::harness::Home;
use crate::harness::governed::TARGET;
use crate::harness::story::{Story, fingerprint, scope};
use chancery_ledger::Code;
use chancery_ledger::domains::ledger::Form;
use chancery_projections::{Ask, Show, VIEWS, Views};
use serde_json::{Value, json};

fn words<'a>(items: &'a [Value], name: &str) -> Vec<&'a str> {
    items.iter().map(|item| item[name].as_str().unwrap_or_default()).collect()
}

#[test]
fn jobs_end_as_they_ended() {
    let (_home, story, views) = governed();
    let now = story.clock.wall();
    let all = rows(&story, &views, "jobs", None, now);
    let mut ends: Vec<(&str, &str)> = all
        .iter()
        .map(|job| (job["id"].as_str().expect("id"), job["state"].as_str().expect("state")))
        .collect();
    ends.sort_unstable();
    let expected = [
        ("j-1", "succeeded"),
        ("j-2", "failed"),
        ("j-3", "cancelled"),
        ("j-4", "blocked"),
        ("j-5", "timed_out"),
        ("j-6", "outcome_missing"),
    ];
    assert_eq!(ends, expected);
    let first = row(&story, &views, "jobs", "/acme j-1", now);
    assert_eq!((&first["result"]["network_opened"], &first["fence"]), (&json!(false), &json!(1)));
    assert_eq!(first["rejected"][0]["class"], "malformed");
    assert_eq!(first["started"]["grant"], "g-1");
    assert_eq!(first["verdicts"], json!([{"worker": "w-1", "eligible": true, "failed": []}]));
    let fourth = row(&story, &views, "jobs", "/acme j-4", now);
    assert_eq!(fourth["fallback"]["used"], false);
    assert_eq!(fourth["verdicts"][0]["failed"], json!(["locality"]));
    // S-06: a grant is used once; those of a job that is over are revoked with it.
    let grants = rows(&story, &views, "grants", None, now);
    let mut ends: Vec<(&str, &str)> =
        grants.iter().map(|g| (g["id"].as_str().expect("id"), g["state"].as_str().expect("state"))).collect();
    ends.sort_unstable();
    assert_eq!(ends, [("g-1", "consumed"), ("g-3", "revoked"), ("g-5", "expired"), ("g-6", "expired")]);
    let leases = rows(&story, &views, "leases", None, now);
    let mut ends: Vec<(&str, &str)> =
        leases.iter().map(|l| (l["id"].as_str().expect("id"), l["state"].as_str().expect("state"))).collect();
    ends.sort_unstable();
    assert_eq!(ends, [("l-1", "closed"), ("l-2", "failed"), ("l-3", "revoked"), ("l-5", "expired")]);
    let worker = row(&story, &views, "workers", "w-1", now);
    assert_eq!((&worker["state"], &worker["held"]), (&json!("revoked"), &json!([])));
}

#[test]
fn a_transcript_is_in_order_and_what_does_not_count_is_apart() {
    let home = Home::in_memory();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    story.work();
    story.job("j-1");
    story.grant("g-1", "j-1");
    story.did("w-1", "claim.acquire", "/acme", "j-1", &["ttl_ms:=600000"]);
    story.lease("l-1", "g-1", "j-1");
    story.did("w-1", "job.start", "/acme", "j-1", &["fence:=1", "grant=g-1", "lease=l-1"]);
    let tell = |story: &mut Story, seq: u64, more: &str| {
        let (seq, text) = (format!("seq:={seq}"), format!("operator=step {seq}{more}"));
        story.put(
            "w-1",
            "transcript.append",
            "/acme",
            "j-1",
            &["fence:=1", &seq, &text, "technical=t", "audit=a"],
        );
    };
    for seq in 1..=3 {
        tell(&mut story, seq, "");
    }
    tell(&mut story, 2, "");
    tell(&mut story, 5, "");
    tell(&mut story, 3, " otherwise");
    fold(&story, &home.path("views.db"), VIEWS);
    let views = Views::open(&home.path("views.db")).expect("views");
    let job = Some("job j-1");
    let operator = rows(&story, &views, "transcript_operator", job, 0);
    assert_eq!(words(&operator, "state"), ["told", "told", "told", "gap"]);
    assert_eq!(words(&operator[..3], "text"), ["step 1", "step 2", "step 3"]);
    assert_eq!(operator[3]["missing"], json!({"from": 4, "to": 5}));
    let aside = rows(&story, &views, "transcript_quarantine", job, 0);
    assert_eq!(words(&aside, "reason"), ["replay", "out_of_order", "replay_conflict"]);
    assert_eq!(aside[2]["text"]["operator"], "step 3 otherwise");
    // What came too early is released: it stands where it arrived. The gap closes when what was missing has come.
    let position = aside[1]["position"].as_u64().expect("a position");
    story.did("founder", "transcript.release", "/acme", "j-1", &[&format!("position:={position}")]);
    tell(&mut story, 4, "");
    let secret = format!("operator=AKIA{}", "IOSFODNN7QZ4MPLE");
    story.put("w-1", "transcript.append", "/acme", "j-1", &["fence:=1", "seq:=5", &secret]);
    story.did(
        "w-1",
        "transcript.append",
        "/acme",
        "j-1",
        &["fence:=1", "seq:=5", "operator=end", "final:=true"],
    );
    fold(&story, &home.path("views.db"), VIEWS);
    let operator = rows(&story, &views, "transcript_operator", job, 0);
    assert_eq!(words(&operator, "state"), ["told", "told", "told", "released", "told", "told", "closed"]);
    assert_eq!((&operator[3]["position"], &operator[3]["text"]), (&json!(position), &json!("step 5")));
    assert_eq!(
        words(&rows(&story, &views, "transcript_technical", job, 0), "text")[..4],
        ["t", "t", "t", "t"]
    );
    assert_eq!(words(&rows(&story, &views, "transcript_audit", job, 0), "text")[0], "a");
    let aside = rows(&story, &views, "transcript_quarantine", job, 0);
    assert_eq!(words(&aside, "state"), ["quarantined", "released", "quarantined", "withheld"]);
    assert_eq!((aside[3]["detector"].is_string(), aside[3].get("text")), (true, None));
    tell(&mut story, 6, "");
    fold(&story, &home.path("views.db"), VIEWS);
    let aside = rows(&story, &views, "transcript_quarantine", job, 0);
    assert_eq!(words(&aside, "reason").last(), Some(&"post_terminal"));
    assert_eq!(
        rows(&story, &views, "transcript_operator", job, 0).len(),
        7,
        "what operators read stays clean"
    );
}

#[test]
fn freshness_is_of_five_words_as_of_an_instant() {
    let home = Home::in_memory();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    let path = home.path("views.db");
    story.cast();
    story.work();
    story.enrol("w-2", "/acme", "worker", "worker");
    story.did("founder", "worker.promote", "/acme", "w-2", &["trust=standard"]);
    let now = story.clock.wall();
    let fresh = |story: &Story, id: &str, now: i64| {
        fold(story, &path, VIEWS);
        let views = Views::open(&path).expect("views");
        row(story, &views, "entities", &format!("worker {id}"), now)
    };
    let well = fresh(&story, "w-1", now);
    assert_eq!((&well["freshness"], &well["ok"]), (&json!("current"), &json!(true)));
    assert_eq!(well["changes_at"], json!(now + 3_600_000));
    assert_eq!(fresh(&story, "w-1", now + 3_599_999)["freshness"], "current");
    let stale = fresh(&story, "w-1", now + 3_600_000);
    assert_eq!((&stale["freshness"], &stale["ok"]), (&json!("stale"), &json!(false)));
    assert_eq!(stale.get("changes_at"), None, "it does not change by itself any more");
    assert_eq!(fresh(&story, "w-2", now)["freshness"], "unknown");
    story.did("w-1", "worker.report", "/acme", "w-1", &["health=unhealthy", "ttl_ms:=60000"]);
    assert_eq!(fresh(&story, "w-1", now)["freshness"], "degraded");
    assert_eq!(fresh(&story, "w-1", now + 60_000)["freshness"], "stale", "time goes before what was said");
    story.did("w-1", "worker.report", "/acme", "w-1", &["health=healthy", "ttl_ms:=3600000"]);
    story.job("j-1");
    story.did("w-1", "claim.acquire", "/acme", "j-1", &["ttl_ms:=30000"]);
    story.pass(30_000);
    story.ledger.sweep().expect("a sweep");
    let lost = fresh(&story, "w-1", story.clock.wall());
    assert_eq!(lost["freshness"], "unreachable");
    let cited = lost["why"][1]["positions"][0].as_u64().expect("a position");
    let text = lost["why"][1]["text"].as_str().expect("a sentence");
    assert!(text.contains(&format!("Entry {cited} ")), "{text}");
    story.did("w-1", "worker.report", "/acme", "w-1", &["health=healthy", "ttl_ms:=3600000"]);
    assert_eq!(fresh(&story, "w-1", story.clock.wall())["freshness"], "current");
}

#[test]
fn what_waits_for_whom_follows_the_separation_rule() {
    let home = Home::in_memory();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    let seen = [("fingerprint", fingerprint(1)), ("source", "access_test".to_owned())];
    let seen: Vec<(&str, &str)> = seen.iter().map(|(name, text)| (*name, text.as_str())).collect();
    story.must("otto", "host_key.observe", "/acme", TARGET, &seen);
    // Another fingerprint comes between, and the first one back: otto observed it all the same.
    let other = fingerprint(2);
    let other = [("fingerprint", other.as_str()), ("source", "access_test")];
    story.must("bot-7", "host_key.observe", "/acme", TARGET, &other);
    story.must("bot-7", "host_key.observe", "/acme", TARGET, &seen);
    let words = ["ttl_ms:=60000"];
    let held =
        story.told(Code::ConfirmationRequired, "founder", "switch.turn_on", "/acme", "feature-1", &words);
    let hold = held.and_then(|receipt| receipt.hold).expect("a hold");
    fold(&story, &home.path("views.db"), VIEWS);
    let views = Views::open(&home.path("views.db")).expect("views");
    let now = story.clock.wall();
    let part = |_: u64, _: u64| Ok(None);
    let needs = |who: &str, key: &str| {
        let abilities = story.ledger.abilities(who);
        let show = Show { now, principal: Some(who), abilities: Some(&abilities), part: &part };
        let root = scope("/");
        let (_, row) = views.row(super::named("entities"), key, &root, &show).expect("a read");
        let row = row.expect("a row");
        let named = |name: &str| -> Vec<String> {
            let all = row[name].as_array().expect("a list").iter();
            all.map(|one| one["action"].as_str().expect("an action").to_owned()).collect()
        };
        (named("needs_me"), named("can_do"))
    };
    let key = format!("host_key /acme {TARGET}");
    assert_eq!(needs("founder", &key).0, ["host_key.verify"]);
    assert_eq!(needs("otto", &key).0, Vec::<String>::new(), "who observed it does not verify it");
    assert!(needs("otto", &key).1.contains(&"host_key.verify".to_owned()), "though its role may");
    assert_eq!(needs("bot-7", &key), (vec![], vec!["host_key.observe".to_owned()]));
    assert_eq!(needs("ada", &format!("hold {hold}")).0, ["hold.approve"]);
    assert_eq!(
        needs("founder", &format!("hold {hold}")).0,
        Vec::<String>::new(),
        "who asked does not confirm"
    );
    assert_eq!(
        needs("otto", &format!("hold {hold}")).0,
        Vec::<String>::new(),
        "who may not do it does not confirm it"
    );
    // The arguments are shown to whoever may confirm, and to nobody else.
    let shown = |who: &str| {
        let abilities = story.ledger.abilities(who);
        let reader = story.ledger.reader().expect("a reader");
        let part = |position: u64, slot: u64| {
            let blob = reader.part(position, slot).expect("a part").unwrap_or_default();
            Ok(blob.get(32..).map(|text| chancery_ledger::format::json::parse(text).expect("JSON")))
        };
        let show = Show { now, principal: Some(who), abilities: Some(&abilities), part: &part };
        let root = scope("/");
        let ask = Ask {
            view: super::named("holds"),
            within: &root,
            about: None,
            state: Some("pending"),
            token: None,
            limit: None,
        };
        views.page(&ask, &show).expect("a page").items[0].get("arguments").cloned()
    };
    assert_eq!((shown("ada"), shown("bot-7")), (Some(json!({"ttl_ms": 60000})), None));
}

#[test]
fn a_timeline_has_what_stands_under_it() {
    let (_home, story, views) = governed();
    let under = |about: &str| {
        let all = rows(&story, &views, "timeline", Some(about), 0);
        all.iter().map(|row| row["kind"].as_str().expect("a kind").to_owned()).collect::<Vec<_>>()
    };
    let job = under("job j-1");
    for kind in [
        "job.submitted",
        "grant.issued",
        "preflight.evaluated",
        "claim.acquired",
        "claim.renewed",
        "lease.opened",
        "lease.resolved",
        "job.started",
        "transcript.appended",
        "transcript.quarantined",
        "transcript.released",
        "transcript.closed",
        "lease.closed",
        "job.result_rejected",
        "job.result_accepted",
        "grant.consumed",
        "job.succeeded",
    ] {
        assert!(job.contains(&kind.to_owned()), "{kind} stands under its job: {job:?}");
    }
    assert!(under("worker w-1").contains(&"grant.issued".to_owned()));
    assert!(under("principal w-1").contains(&"key.enrolled".to_owned()));
    assert!(under("principal bot-7").contains(&"role.assigned".to_owned()));
    assert!(under("principal founder").contains(&"hold.denied".to_owned()));
    assert!(under(&format!("host_key {TARGET}")).contains(&"job.submitted".to_owned()));
    let decided = rows(&story, &views, "decisions", Some("principal bot-7"), 0);
    assert!(decided.iter().any(|row| row["code"] == "role_insufficient" && row["state"] == "deny"));
}

#[test]
fn every_entity_has_a_status() {
    let (_home, story, views) = governed();
    let all = rows(&story, &views, "entities", None, story.clock.wall());
    let kinds: std::collections::BTreeSet<&str> =
        all.iter().map(|row| row["kind"].as_str().expect("a kind")).collect();
    let declared: std::collections::BTreeSet<&str> = chancery_ledger::domains::ACTIONS
        .iter()
        .copied()
        .flatten()
        .filter(|spec| !spec.is_read())
        .map(|spec| spec.entity)
        .collect();
    // Of tokens and scopes this story has its own below.
    let missing: Vec<&&str> = declared.difference(&kinds).filter(|kind| **kind != "token").collect();
    assert_eq!(missing, Vec::<&&str>::new());
    for row in &all {
        assert!(row["ok"].is_boolean() && !row["why"].as_array().expect("sentences").is_empty(), "{row}");
        for sentence in row["why"].as_array().expect("sentences") {
            assert!(!sentence["positions"].as_array().expect("positions").is_empty(), "{row}");
        }
    }
}
