//! In which words does a person read what the ledger has names for? One table a set of names; an unknown name is said to be one.

use chancery_ledger::domains::Risk;
use chancery_ledger::domains::job::{Mode, Rejection};
use chancery_ledger::domains::lease::Failure;
use chancery_ledger::domains::transcript::Reason;

type Words = &'static [(&'static str, &'static str)];

fn of(table: Words, name: &str) -> &'static str {
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map_or("for a reason that has no words here", |(_, text)| text)
}

/// How a job is done.
pub(super) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::LocalDev => "on a developer's machine instead",
        Mode::Stub => "as a rehearsal that runs nothing",
        Mode::SshDryRun => "as a dry run that stops before the network",
        Mode::SshPreflight => "as checks that stop before SSH",
        Mode::SshLive => "live, on a host that is not production",
        Mode::LocalReadOnly => "as a read on the worker's own machine",
    }
}

/// Why what a worker said does not count.
pub(super) fn quarantine(reason: Reason) -> &'static str {
    match reason {
        Reason::PostTerminal => "it came after the end of the job or of its transcript",
        Reason::WrongScope => "the worker holds a job of that id in another scope",
        Reason::EmergencyDisabled => "a kill switch was engaged",
        Reason::SchemaInvalid => "it had no content",
        Reason::Oversized => "a part of it was too long",
        Reason::Replay => "the same had been accepted before",
        Reason::ReplayConflict => "something else had been accepted under its number",
        Reason::OutOfOrder => "events before it are missing",
        Reason::SecretLooking => "it looked like it held a secret, so nothing of it was kept",
    }
}

/// Why a provider gave nothing.
pub(super) fn failure(failure: Failure) -> &'static str {
    match failure {
        Failure::Disabled => "the provider is not enabled where the worker runs",
        Failure::Missing => "the provider has no such credential",
        Failure::Unsupported => "the provider hands nothing out",
        Failure::ProductionLocal => "the provider is for tests, and this ledger is not at that stage",
        Failure::NotImplemented => "this build cannot ask that provider",
        Failure::Unreachable => "the provider did not answer",
        Failure::Refused => "the provider refused the worker",
        Failure::Malformed => "the provider answered something that is no credential",
    }
}

/// Why a result was not taken.
pub(super) fn rejection(class: Rejection) -> &'static str {
    match class {
        Rejection::Malformed => "it is not of the form that a result has",
        Rejection::Mismatched => "it contradicts the job, or the way in which it was started",
        Rejection::NonAllowlisted => "it has a member that no result may have",
        Rejection::SecretLooking => "it looked like it held a secret, so nothing of it was kept",
    }
}

/// Which check the first candidate for a job did not pass.
pub(super) fn route(reason: &str) -> &'static str {
    of(
        &[
            ("capability", "no worker both says that it can do this and is assigned to it"),
            ("trust", "the worker is trusted too little for it"),
            ("locality", "the worker is not where it was asked for, or is not assigned to the host"),
            ("scope", "the worker is not assigned to this scope"),
            ("policy", "the worker is suspended, stopped, unhealthy, or silent"),
            ("confirmation", "somebody must confirm first"),
            ("redaction", "the worker does not say that it redacts what it relays"),
            ("audit", "the worker has no live key or token"),
            ("no_candidate", "there is no worker for this scope"),
        ],
        reason,
    )
}

/// The action that mends what the first candidate did not pass.
pub(super) fn mends(reason: &str) -> &'static str {
    match reason {
        "trust" | "policy" | "no_candidate" => "worker.promote",
        "audit" => "key.enrol",
        _ => "worker.assign",
    }
}

const GATES: Words = &[
    ("worker", "the worker"),
    ("scope", "the worker's assignment to the scope"),
    ("host_key", "the host key"),
    ("route", "the worker's way to the host"),
    ("command", "the command"),
    ("grant", "the grant"),
    ("lease", "the lease"),
    ("provider", "the provider of the credential"),
    ("emergency_disable", "the kill switch"),
    ("global_flag", "live work being on for the whole ledger"),
    ("environment_flag", "live work being on in the environment"),
    ("organization_allowlist", "the capability being enabled in the organization"),
    ("environment_allowlist", "the capability being enabled in the environment"),
    ("no_worker_deny", "no stop on the worker"),
    ("no_organization_deny", "no stop on the organization"),
    ("no_environment_deny", "no stop on the environment"),
    ("runbook_acknowledged", "a runbook that somebody acknowledged"),
    ("final_implementation", "live work itself, which this build does not have"),
];

/// A gate of live work, or a condition of its enablement.
pub(super) fn gate(name: &str) -> &'static str {
    of(GATES, name)
}

/// The action that opens a gate of live work; none when nothing does in this build.
pub(super) fn opens(gate: &str) -> Option<&'static str> {
    Some(match gate {
        "worker" | "scope" | "route" => "worker.assign",
        "host_key" => "host_key.verify",
        "command" => "job.submit",
        "grant" | "lease" | "provider" => "grant.issue",
        "emergency_disable" | "no_worker_deny" | "no_organization_deny" | "no_environment_deny" => {
            "switch.clear"
        }
        "global_flag" | "environment_flag" | "runbook_acknowledged" => "switch.turn_on",
        "organization_allowlist" | "environment_allowlist" => "capability.enable",
        _ => return None,
    })
}

/// An item of the rollback drill.
pub(super) fn drill(item: &str) -> &'static str {
    of(
        &[
            ("reconnect_polling", "reading on after a lost connection"),
            ("replay_resilience", "taking nothing twice"),
            ("partial_transcript", "keeping a transcript that breaks off"),
            ("emergency_disable", "stopping everything at once"),
            ("feature_disable", "turning a feature off"),
            ("provider_disable", "turning a provider off"),
            ("worker_revoke", "revoking a worker"),
            ("host_key_invalidation", "not trusting a host key any more"),
            ("lease_revocation", "taking a lease back"),
            ("where_why_next", "saying where, why and what next"),
        ],
        item,
    )
}

/// How much can go wrong, as a sentence begins with it.
pub(super) fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "Low",
        Risk::Medium => "Medium",
        Risk::High => "High",
        Risk::Destructive => "Cannot be undone",
    }
}

/// A list as it is read: `one`, `one and two`, `one, two and three`.
pub(super) fn list(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
