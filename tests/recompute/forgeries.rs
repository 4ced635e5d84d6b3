//! What may a holder of the log key do to the record, where does it show, and in which words?

use super::{
    AGAIN, PLAIN, becomes, denied, edit, first, governed, last, look, of, of_kind, part, position, remove,
    repeat,
};
use crate::harness::Home;
use crate::harness::forge::{Forge, int};
use crate::harness::story::{Story, args, fingerprint};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::format::json::Value;
use chancery_ledger::verify::{How, Verdict};

fn code(code: &str) -> Value {
    args(&[("code", code)])
}

type Change = fn(&mut Forge) -> usize;

/// What a holder of the log key may do to the record, where that shows, and in which words.
const FORGERIES: &[(&str, Change, &str)] = &[
    (
        "an allow becomes a denial",
        |f| {
            let line = first(f, "host_key.verified");
            becomes(f, line, "decision.denied", code("role_insufficient"));
            line
        },
        "recorded is `decision.denied` with `role_insufficient`, the rules answer `host_key.verified`",
    ),
    (
        "a denial becomes an allow",
        |f| {
            let line = denied(f, "role_insufficient");
            becomes(f, line, "host_key.verified", args(&[("fingerprint", &fingerprint(1))]));
            line
        },
        "recorded is `host_key.verified`, the rules answer `decision.denied` with `role_insufficient`",
    ),
    (
        "a refusal becomes an allow",
        |f| {
            let line = first(f, "decision.refused");
            becomes(f, line, "host_key.verified", args(&[("fingerprint", &fingerprint(1))]));
            line
        },
        "the rules answer `decision.refused` with `fingerprint_moved`",
    ),
    (
        "another code",
        |f| {
            let line = denied(f, "role_insufficient");
            edit(f, line, &["data", "code"], Value::from("scope_foreign"));
            line
        },
        "recorded is `decision.denied` with `scope_foreign`",
    ),
    (
        "another action",
        |f| {
            let line = first(f, "host_key.verified");
            edit(f, line, &["by", "action"], Value::from("host_key.reject"));
            line
        },
        "the rules answer `host_key.rejected`",
    ),
    (
        "an action that there is not",
        |f| {
            let line = first(f, "host_key.verified");
            edit(f, line, &["by", "action"], Value::from("host_key.adore"));
            line
        },
        "unknown_action",
    ),
    (
        "another actor, whose role may not",
        |f| {
            let line = first(f, "host_key.verified");
            edit(f, line, &["actor"], args(&[("principal", "uma"), ("session", "tok000000003")]));
            line
        },
        "the rules answer `decision.denied` with `role_insufficient`",
    ),
    (
        "another's token",
        |f| {
            let line = first(f, "host_key.verified");
            edit(f, line, &["actor", "session"], Value::from("tok000000003"));
            line
        },
        "unauthenticated",
    ),
    (
        "a token that has expired",
        |f| {
            let line = first(f, "host_key.verified");
            let late = int(1_790_000_000_000 + 700_000_000);
            for at in f.entries().into_iter().filter(|at| *at >= line) {
                edit(f, at, &["time"], late.clone());
            }
            line
        },
        "unauthenticated",
    ),
    (
        "another fingerprint",
        |f| {
            let line = first(f, "host_key.observed");
            edit(f, line, &["data", "fingerprint"], Value::from(fingerprint(77).as_str()));
            line
        },
        "differs from what the rules answer in `fingerprint`",
    ),
    (
        "other arguments",
        |f| {
            let line = first(f, "host_key.verified");
            part(f, line, "args", &args(&[("fingerprint", &fingerprint(77))]));
            line
        },
        "the rules answer `decision.refused` with `fingerprint_moved`",
    ),
    (
        "arguments that the action has not",
        |f| {
            let line = first(f, "host_key.verified");
            part(f, line, "args", &args(&[("fingerprint", &fingerprint(1)), ("force", "yes")]));
            line
        },
        "unknown_field",
    ),
    (
        "another private part",
        |f| {
            let line = first(f, "host_key.rejected");
            part(f, line, "private", &args(&[("reason", "yes")]));
            line
        },
        "the private part of `host_key.rejected` is not what was asked",
    ),
    (
        "a private part less",
        |f| {
            let line = first(f, "host_key.rejected");
            let data = of(f, line, "data");
            becomes(f, line, "host_key.rejected", data);
            line
        },
        "the private part of `host_key.rejected` is not what was asked",
    ),
    (
        "the second event removed",
        |f| {
            let line = first(f, "host_key.changed");
            remove(f, line);
            line
        },
        "`host_key.changed` of the request at",
    ),
    (
        "the second event as another one",
        |f| {
            let line = first(f, "host_key.changed");
            let data = args(&[("fingerprint", &fingerprint(2))]);
            becomes(f, line, "host_key.verified", data);
            line
        },
        "recorded is `host_key.verified`, the rules answer `host_key.changed`",
    ),
    (
        "an event added",
        |f| {
            let line = first(f, "host_key.changed");
            repeat(f, line);
            line + 1
        },
        "it answers no request, and no request before it has it",
    ),
    (
        "another cause of a further event",
        |f| {
            let line = first(f, "host_key.changed");
            edit(f, line, &["cause"], Value::List(vec![int(3)]));
            line
        },
        "it rests on [3], the rules answer",
    ),
    (
        "a cause that the first event has not",
        |f| {
            let line = first(f, "host_key.verified");
            edit(f, line, &["cause"], Value::List(vec![int(3)]));
            line
        },
        "it rests on [3], the rules answer []",
    ),
    (
        "another entity",
        |f| {
            let line = first(f, "host_key.verified");
            edit(f, line, &["entity", "id"], Value::from("ssh-ed25519:host-9.example:22"));
            line
        },
        "the rules answer `decision.refused` with `not_found`",
    ),
    (
        "an entity of another kind",
        |f| {
            let line = first(f, "host_key.verified");
            edit(f, line, &["entity", "kind"], Value::from("principal"));
            line
        },
        "it is about principal",
    ),
    (
        "another entity of a further event",
        |f| {
            let line = first(f, "host_key.changed");
            edit(f, line, &["entity", "id"], Value::from("ssh-ed25519:host-9.example:22"));
            line
        },
        "it is about host_key `ssh-ed25519:host-9.example:22`",
    ),
    (
        "a grant that somebody without the role gave",
        |f| {
            let line = first(f, "grant.issued");
            edit(f, line, &["actor"], args(&[("principal", "uma"), ("session", "tok000000003")]));
            line
        },
        "recorded is `grant.issued`, the rules answer `decision.denied` with `role_insufficient`",
    ),
    (
        "a grant for longer",
        |f| {
            let line = first(f, "grant.issued");
            edit(f, line, &["data", "expires"], int(1_999_000_000_000));
            line
        },
        "differs from what the rules answer in `expires`",
    ),
    (
        "a request that was void by then",
        |f| {
            let line = first(f, "host_key.verified");
            edit(f, line, &["by", "not_after"], int(1_790_000_000_000));
            line
        },
        "request_expired",
    ),
    (
        "rules that nobody knows",
        |f| {
            let line = first(f, "host_key.verified");
            edit(f, line, &["by", "rules"], int(2));
            line
        },
        "it was decided by rules 2",
    ),
    (
        "somebody on whose behalf it was",
        |f| {
            let line = first(f, "host_key.verified");
            edit(f, line, &["actor", "for"], Value::from("founder"));
            line
        },
        "launcher",
    ),
    (
        "a hold approved by whoever asked",
        |f| {
            let line = first(f, "hold.approved");
            edit(f, line, &["actor"], args(&[("principal", "founder"), ("session", "tok000000000")]));
            line
        },
        "the rules answer `decision.denied` with `separation_required`",
    ),
    (
        "a hold that was denied is used",
        |f| {
            let line = denied(f, "hold_denied");
            let given = of(f, first(f, "capability.registered"), "data");
            becomes(f, line, "capability.registered", given);
            line
        },
        "the rules answer `decision.denied` with `hold_denied`",
    ),
    (
        "an approval that is passed over",
        |f| {
            let line = first(f, "capability.registered");
            edit(f, line, &["cause"], Value::List(Vec::new()));
            line
        },
        "it rests on [], the rules answer [",
    ),
    (
        "a key that had its answer",
        |f| {
            let opened = f.entry(first(f, "hold.opened"));
            let line = first(f, "hold.approved");
            edit(
                f,
                line,
                &["by", "key"],
                opened.get("by").and_then(|by| by.get("key")).expect("a key").clone(),
            );
            line
        },
        "its idempotency key had its answer before",
    ),
    (
        "a hold by the id of another",
        |f| {
            let holds = of_kind(f, "hold.opened");
            let id = of(f, holds[0], "data").get("hold").expect("a hold").clone();
            edit(f, holds[1], &["data", "hold"], id);
            holds[1]
        },
        "the hold's id is not a new one",
    ),
    (
        "a result that was rejected counts",
        |f| {
            let line = first(f, "job.result_rejected");
            let data = of(f, first(f, "job.result_accepted"), "data");
            becomes(f, line, "job.result_accepted", data);
            line
        },
        "the rules answer `job.result_rejected` with `result_rejected`",
    ),
    (
        "a token for one use lives on",
        |f| {
            let line = last(f, "token.revoked");
            remove(f, line);
            line
        },
        "`token.revoked` of the request at",
    ),
    (
        "the ledger opens under other limits",
        |f| {
            let line = first(f, "ledger.opened");
            edit(f, line, &["data", "limits", "cause"], int(99));
            line
        },
        "no ledger opens so",
    ),
];

#[test]
fn a_decision_that_was_edited_under_a_new_signature_is_named() {
    let home = Home::new();
    let story = governed(&home).story;
    let good = Forge::of(&story.export(true));
    assert_eq!(look(&story, &good.bytes(), AGAIN).verdict, Verdict::Authentic);
    for (what, change, words) in FORGERIES {
        let mut forge = good.clone();
        let line = change(&mut forge);
        forge.sign_again(1, &story.log_key());
        let at = position(&forge, line) as u64;
        let bytes = forge.bytes();
        let plain = look(&story, &bytes, PLAIN);
        assert_eq!(plain.verdict, Verdict::Authentic, "{what}: {:?}", plain.finding);
        for threads in [1, 2] {
            let report = look(&story, &bytes, How { threads, ..AGAIN });
            let finding = report.finding.unwrap_or_else(|| panic!("{what}: {:?}", report.verdict));
            assert_eq!(report.verdict, Verdict::Tampered, "{what}");
            assert_eq!(
                (finding.code.as_str(), finding.span),
                ("decision_mismatch", Some((at, at))),
                "{what}: {}",
                finding.message
            );
            assert!(finding.message.contains(words), "{what}: {}", finding.message);
            assert_eq!(report.dimensions.decisions, "decision_mismatch", "{what}");
            assert!(report.pin.is_none());
        }
    }
}

#[test]
fn what_an_author_signed_is_decided_again_as_well() {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.everything();
    let good = Forge::of(&story.export(true));
    for (line, kind, data) in [
        (first(&good, "host_key.verified"), "decision.denied", code("role_insufficient")),
        (denied(&good, "role_insufficient"), "host_key.verified", args(&[("fingerprint", &fingerprint(1))])),
    ] {
        let mut forge = good.clone();
        becomes(&mut forge, line, kind, data);
        forge.sign_again(1, &story.log_key());
        // The author signed what was asked, not what was answered.
        assert_eq!(look(&story, &forge.bytes(), PLAIN).verdict, Verdict::Authentic);
        let report = look(&story, &forge.bytes(), AGAIN);
        let at = position(&forge, line) as u64;
        assert_eq!(report.finding.and_then(|finding| finding.span), Some((at, at)), "{kind}");
    }
}

#[test]
fn a_request_whose_last_entry_is_missing_at_the_end_is_named() {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    let id = "ssh-ed25519:host-1.example:22";
    for n in [1, 2] {
        let seen = [("fingerprint", fingerprint(n)), ("source", "known_hosts".to_owned())];
        let seen: Vec<(&str, &str)> = seen.iter().map(|(name, value)| (*name, value.as_str())).collect();
        story.must("otto", "host_key.observe", "/acme", id, &seen);
    }
    let mut forge = Forge::of(&story.export(true));
    let line = first(&forge, "host_key.changed");
    forge.lines.remove(line);
    forge.sign_again(1, &story.log_key());
    assert_eq!(look(&story, &forge.bytes(), PLAIN).verdict, Verdict::Authentic);
    let report = look(&story, &forge.bytes(), AGAIN);
    let finding = report.finding.expect("a finding");
    let end = forge.entries().len() as u64 - 1;
    assert_eq!((finding.code.as_str(), finding.span), ("decision_mismatch", Some((end, end))));
    assert!(finding.message.contains("`host_key.changed`"), "{}", finding.message);
}
