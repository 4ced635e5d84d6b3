//! What is governed work? A job, its worker, its grant and lease, and a kill switch, for the demo.

use super::Cast;
use crate::client::{Ask, Who, ask, must, read_key};
use crate::desk::Desk;
use crate::diagnostic::Diagnostic;
use crate::output::printable;
use crate::pace::Pace;
use crate::patience::Stop;
use crate::provider::Config;
use crate::work::{Seen, Work};
use chancery_ledger::Code;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json::Value;

/// Asks for what a second principal confirms, has it confirmed, and asks again.
fn confirmed(cast: &Cast<'_>, by: &Who, ask_for: &Ask, what: &str) -> Result<(), Diagnostic> {
    let held = ask(cast.ledger, &cast.founder, ask_for.clone())?;
    let hold = held.hold.clone().unwrap_or_default();
    let approved = must(cast.ledger, by, Ask::new("hold.approve", &ask_for.scope, &hold, &[]))?;
    let mut receipt = must(cast.ledger, &cast.founder, ask_for.clone())?;
    receipt.entries.splice(0..0, held.entries.into_iter().chain(approved.entries));
    cast.tell(&receipt, &format!("founder asks: held; ada confirms exactly that; asked again: {what}"));
    Ok(())
}

/// Plays a job from its capability to its result, and a kill switch.
pub(super) fn work(cast: &Cast<'_>, ada: &Who, otto: &Who, acme: &Scope) -> Result<(), Diagnostic> {
    let (out, ledger, root) = (cast.out, cast.ledger, Scope::root());
    out.say("\n6. Governed work: a job with one command, a worker, a grant for one credential");
    let command = Value::List(vec![Value::List(vec![Value::from("uname"), Value::from("-sr")])]);
    let arguments =
        vec![("commands", command.clone()), ("grant", Value::Bool(true)), ("risk", Value::from("low"))];
    confirmed(
        cast,
        ada,
        &Ask::with("capability.register", &root, "host_facts", arguments),
        "capability registered",
    )?;
    confirmed(cast, ada, &Ask::new("capability.enable", acme, "host_facts", &[]), "enabled in /acme")?;
    for scope in [&root, acme] {
        let arguments = vec![("ttl_ms", Value::Int(3_600_000))];
        confirmed(
            cast,
            ada,
            &Ask::with("switch.turn_on", scope, "worker_local_read_only", arguments),
            &format!("mode on in {scope}"),
        )?;
    }
    cast.enrol(ada, "hand", acme, "worker", "worker")?;
    let hand = read_key(&cast.keys.join("hand.key"))?;
    let names = || Value::List(vec![Value::from("host_facts")]);
    let promote = Ask::new("worker.promote", acme, "hand", &[("trust", "standard")]);
    must(ledger, &cast.founder, promote)?;
    let declared =
        vec![("capabilities", names()), ("locality", Value::from("here")), ("redaction", Value::Bool(true))];
    must(ledger, &hand, Ask::with("worker.declare", acme, "hand", declared))?;
    let assigned = vec![("capabilities", names()), ("to", Value::from("/acme"))];
    must(ledger, &cast.founder, Ask::with("worker.assign", acme, "hand", assigned))?;
    let health = vec![("health", Value::from("healthy")), ("ttl_ms", Value::Int(3_600_000))];
    let receipt = must(ledger, &hand, Ask::with("worker.report", acme, "hand", health))?;
    cast.tell(&receipt, "hand is promoted, declares what it can, is assigned what it may, says how it is");
    submit(cast, otto, acme, "facts-1")?;
    let arguments = vec![
        ("job", Value::from("facts-1")),
        ("reference", Value::from("test://facts")),
        ("ttl_ms", Value::Int(600_000)),
        ("use", Value::from("host_facts")),
        ("worker", Value::from("hand")),
    ];
    let receipt = must(ledger, otto, Ask::with("grant.issue", acme, "g-1", arguments))?;
    cast.tell(&receipt, "otto grants hand one credential, for this job, once, for ten minutes");
    let pace = Pace::new(60_000, &Stop::default());
    let desk = Desk::Near(ledger, &hand);
    let job = Work { desk, worker: "hand", scope: acme, job: "facts-1".to_owned(), pace: &pace };
    match job.see_through(&Config::synthetic(), &cast.keys.join("fingerprint.key"))? {
        Seen::Answer(said) if said.no().is_none() => cast.told(
            said.entries.iter().map(|entry| entry.position),
            "hand claims, leases, starts, runs `uname -sr`, tells, reports: taken",
        ),
        Seen::Answer(no) => {
            let why = format!("hand is told no: {}", no.reason().unwrap_or_default());
            cast.told(no.entries.iter().map(|entry| entry.position), &why);
        }
        Seen::NothingGiven(_, failure) => {
            out.say(&format!("  the provider gave nothing: {}", failure.sentence()))
        }
        Seen::Blocked(checks) => out.say(&format!("  these checks did not pass: {}", checks.join(", "))),
    }
    let again = vec![
        ("fence", Value::Int(1)),
        ("grant", Value::from("g-1")),
        ("job", Value::from("facts-1")),
        ("reference", Value::from("test://facts")),
        ("ttl_ms", Value::Int(60_000)),
        ("use", Value::from("host_facts")),
    ];
    let denied = ask(ledger, &hand, Ask::with("lease.open", acme, "l-again", again))?;
    cast.tell(
        &denied,
        &format!("hand tries the grant again: denied, {}", denied.code.map_or("", Code::as_str)),
    );

    out.say("\n7. A kill switch: one principal engages it, two clear it");
    let engaged = must(ledger, otto, Ask::new("switch.engage", acme, "all", &[("target", "scope")]))?;
    cast.tell(&engaged, "otto stops everything in /acme that adds to risk");
    let denied = ask(ledger, otto, submission(acme, "facts-2"))?;
    cast.tell(&denied, &format!("otto submits a job: denied, {}", denied.code.map_or("", Code::as_str)));
    confirmed(cast, ada, &Ask::new("switch.clear", acme, "all", &[("target", "scope")]), "cleared")?;
    Ok(())
}

fn submission(acme: &Scope, id: &str) -> Ask {
    let command = Value::List(vec![Value::from("uname"), Value::from("-sr")]);
    let arguments = vec![
        ("capability", Value::from("host_facts")),
        ("command", command),
        ("mode", Value::from("worker_local_read_only")),
        ("ttl_ms", Value::Int(600_000)),
    ];
    Ask::with("job.submit", acme, id, arguments)
}

fn submit(cast: &Cast<'_>, otto: &Who, acme: &Scope, id: &str) -> Result<(), Diagnostic> {
    let receipt = must(cast.ledger, otto, submission(acme, id))?;
    cast.tell(
        &receipt,
        &printable("otto submits facts-1 with `uname -sr`: routed, a verdict on each candidate"),
    );
    Ok(())
}
