//! How does it begin? A ledger, people with keys, two who decide together, and workers that may do one thing.

use super::cast::{Cast, list, text};
use super::tell::positions;
use crate::client::Ask;
use crate::commands::init::verifier;
use crate::diagnostic::Diagnostic;
use chancery_ledger::Code;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json::Value;
use std::path::Path;

/// Where commands of the system are looked for, by the worker and here.
const DIRECTORIES: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
/// What the story runs: the same words on Linux and on macOS.
const COMMANDS: [&[&str]; 3] = [&["uname", "-sr"], &["uptime"], &["df", "-k", "/"]];
/// Milliseconds of a day: nothing of the story runs out but what is to run out.
pub(super) const DAY: i64 = 86_400_000;
/// The capability that most of the story is about.
pub(super) const FACTS: &str = "host_facts";

/// Whether the worker will find a command.
pub(super) fn is_here(program: &str) -> bool {
    DIRECTORIES.iter().any(|directory| Path::new(directory).join(program).is_file())
}

/// The commands that this machine has.
pub(super) fn commands() -> Vec<&'static [&'static str]> {
    COMMANDS.into_iter().filter(|argv| argv.first().is_some_and(|program| is_here(program))).collect()
}

/// Chapter 1: the ledger is there, and says by which key it is known.
pub(super) fn bootstrap(cast: &Cast<'_>) -> Result<(), Diagnostic> {
    cast.story.chapter(
        "Bootstrap",
        "A ledger, its keys and its anchor apart from it, and a pin that the auditor keeps from day one.",
    );
    let key = verifier(cast.paths)?.to_string();
    cast.story.step(&[0], &format!("the ledger opens; its log key is {key}"));
    Ok(())
}

/// Chapter 2: people, an agent, and two workers.
pub(super) fn enrolment(cast: &mut Cast<'_>) -> Result<(), Diagnostic> {
    cast.story.chapter(
        "Enrolment",
        "Each has a key of its own, and from the second person on nobody activates whom they registered.",
    );
    let (root, acme) = (Scope::root(), cast.acme.clone());
    cast.enrol("founder", "ada", &root, "human", "platform_admin")?;
    cast.does("founder", Ask::new("scope.create", &root, "acme", &[]), "founder creates the scope /acme")?;
    cast.enrol("ada", "otto", &acme, "human", "msp_operator")?;
    cast.enrol("ada", "scout", &acme, "agent", "agent")?;
    cast.enrol("ada", "hand", &acme, "worker", "worker")?;
    cast.enrol("ada", "spare", &acme, "worker", "worker")
}

/// Chapter 3: what adds to risk takes two.
pub(super) fn holds(cast: &Cast<'_>, leak: &Path) -> Result<(), Diagnostic> {
    cast.story.chapter(
        "A hold",
        "What adds to risk waits for a second principal, who confirms exactly that and nothing else.",
    );
    let root = Scope::root();
    let mut argvs: Vec<Value> = commands().into_iter().map(list).collect();
    let program: Vec<String> = commands().iter().map(|argv| format!("`{}`", argv.join(" "))).collect();
    argvs.push(list(&["cat", &leak.to_string_lossy()]));
    let arguments =
        vec![("commands", Value::List(argvs)), ("grant", Value::Bool(true)), ("risk", text("low"))];
    let register = Ask::with("capability.register", &root, FACTS, arguments);
    let held = cast.fails(
        "founder",
        register.clone(),
        Code::ConfirmationRequired,
        &format!("founder registers the capability {FACTS}: {} and one `cat`", program.join(", ")),
    )?;
    let hold = held.hold.unwrap_or_default();
    let approve = Ask::new("hold.approve", &root, &hold, &[]);
    cast.fails("founder", approve.clone(), Code::SeparationRequired, "founder approves it alone")?;
    cast.does("ada", approve, "ada approves")?;
    cast.does("founder", register, "founder asks again: registered")?;
    let enable = cast.confirmed(&cast.here("capability.enable", FACTS, Vec::new()))?;
    cast.story.step(&enable, "the same way: enabled in /acme");
    let mut at = Vec::new();
    for scope in [&root, &cast.acme] {
        let arguments = vec![("ttl_ms", Value::Int(DAY))];
        at.extend(cast.confirmed(&Ask::with(
            "switch.turn_on",
            scope,
            "worker_local_read_only",
            arguments,
        ))?);
    }
    cast.story.step(&at, "the same way: the mode worker_local_read_only is on, at / and in /acme");
    Ok(())
}

/// Has both workers say what they can, told what they may, and in health.
pub(super) fn workers(cast: &Cast<'_>, host: &str) -> Result<(), Diagnostic> {
    for name in ["hand", "spare"] {
        let promoted = cast.here("worker.promote", name, vec![("trust", text("standard"))]);
        let declared = vec![
            ("capabilities", list(&[FACTS])),
            ("locality", text("here")),
            ("redaction", Value::Bool(true)),
        ];
        let assigned =
            vec![("capabilities", list(&[FACTS])), ("targets", list(&[host])), ("to", text("/acme"))];
        let healthy = vec![("health", text("healthy")), ("ttl_ms", Value::Int(DAY))];
        let done = [
            cast.must("founder", promoted)?,
            cast.must(name, cast.here("worker.declare", name, declared))?,
            cast.must("founder", cast.here("worker.assign", name, assigned))?,
            cast.must(name, cast.here("worker.report", name, healthy))?,
        ];
        let at: Vec<u64> = done.iter().flat_map(positions).collect();
        let said = format!("{name} is promoted, declares what it can, is assigned what it may, is healthy");
        cast.story.step(&at, &said);
    }
    Ok(())
}
