//! What is the gate asked? Distinct requests in a seeded shuffle: half that it allows, half spread over its noes.

use super::estate::{
    NOW, ORGANISATIONS, SITES, SPECIAL, WORKERS, agent, capability, job_capability, job_site, organisation,
    reference, site, worker,
};
use crate::diagnostic::Diagnostic;
use chancery_ledger::domains::Facts;
use chancery_ledger::domains::job::Mode;
use chancery_ledger::format::ids::{IdempotencyKey, Scope};
use chancery_ledger::format::json::Value;
use chancery_ledger::gate::{Caller, Request, new_request};
use chancery_ledger::{Code, Error};

/// What is asked most dearly: every table of governed work is looked at.
pub(super) const DEAREST: &str = "lease.open";
/// Actions that are allowed, in equal parts.
const YES: [&str; 8] = [
    "lease.open",
    "job.start",
    "claim.renew",
    "lease.resolve",
    "transcript.append",
    "host_key.observe",
    "job.submit",
    "grant.issue",
];
/// Noes, in equal parts; the last is left out where no kill switch is engaged.
const NO: [Code; 30] = [
    Code::PrincipalNotActive,
    Code::ScopeForeign,
    Code::ScopeClosed,
    Code::RoleInsufficient,
    Code::CapabilityDisabled,
    Code::SwitchOff,
    Code::ProductionRefused,
    Code::LiveGateClosed,
    Code::HostKeyUnverified,
    Code::GrantRequired,
    Code::GrantUnknown,
    Code::GrantExpired,
    Code::GrantRevoked,
    Code::GrantConsumed,
    Code::GrantScope,
    Code::GrantJob,
    Code::GrantWorker,
    Code::GrantUse,
    Code::GrantReference,
    Code::StaleFence,
    Code::ClaimExpired,
    Code::LeaseOver,
    Code::AttestationRequired,
    Code::SeparationRequired,
    Code::NoRoute,
    Code::HoldDenied,
    Code::HoldExpired,
    Code::HoldCancelled,
    Code::ConfirmationRequired,
    Code::KillSwitch,
];

/// One question, and the answer that it must get.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) request: Request,
    pub(super) caller: Caller,
    pub(super) facts: Facts,
    pub(super) expected: Option<Code>,
}

/// A small generator: the same numbers in every run.
#[derive(Debug)]
pub(super) struct Seeded(pub(super) u64);

impl Seeded {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

fn words(members: &[(&str, &str)]) -> Vec<(String, Value)> {
    members.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text))).collect()
}

fn number(name: &str, value: u64) -> (String, Value) {
    (name.to_owned(), Value::Int(i64::try_from(value).unwrap_or(i64::MAX)))
}

/// A question before it is a request.
struct Draft {
    action: &'static str,
    scope: String,
    id: String,
    by: String,
    args: Vec<(String, Value)>,
    facts: Facts,
}

impl Draft {
    fn new(action: &'static str, scope: String, id: String, by: String, args: Vec<(String, Value)>) -> Self {
        Self { action, scope, id, by, args, facts: Facts::default() }
    }

    fn case(self, at: u64, expected: Option<Code>) -> Result<Case, Diagnostic> {
        let broken = |text: String| Diagnostic::from(Error::new(Code::Internal, text));
        let scope = Scope::parse(&self.scope).map_err(|e| broken(e.to_string()))?;
        let key = IdempotencyKey::parse(&format!("{at:016}")).map_err(|e| broken(e.to_string()))?;
        let args = Value::Object(self.args.into_iter().collect());
        let request = new_request(self.action, &scope, Some(&self.id), "bench.example", args, key, [0; 32])?;
        Ok(Case { request, caller: Caller::by_key(&self.by), facts: self.facts, expected })
    }
}

/// Opens a lease for the job of this number under its own grant.
fn lease_open(at: u64, job: u64, change: Option<(&str, &str)>) -> Draft {
    let (id, grant) = (format!("job-{job:07}"), format!("grant-{job:07}"));
    let (purpose, reference) = (capability(job_capability(job)), reference(job));
    let mut args = words(&[("grant", &grant), ("job", &id), ("reference", &reference), ("use", &purpose)]);
    args.extend([number("fence", 1 + job % 2), number("ttl_ms", 60_000)]);
    if let Some((name, text)) = change {
        args.retain(|(known, _)| known != name);
        args.extend(words(&[(name, text)]));
    }
    Draft::new("lease.open", job_site(job), format!("new-{at:07}"), worker(job), args)
}

fn submit(at: u64, scope: String, by: String, capability: &str, mode: Mode, more: &[(&str, &str)]) -> Draft {
    let mut args = words(&[("capability", capability), ("mode", mode.as_str())]);
    args.extend(words(more));
    args.push(number("ttl_ms", 60_000));
    Draft::new("job.submit", scope, format!("new-{at:07}"), by, args)
}

fn observe(at: u64, scope: String, by: String) -> Draft {
    let fingerprint = format!("SHA256:{}", "A".repeat(43));
    let args = words(&[("fingerprint", &fingerprint), ("source", "known_hosts")]);
    Draft::new("host_key.observe", scope, format!("ssh-ed25519:new-{at:07}.example:22"), by, args)
}

fn renew(scope: String, id: String, by: String, fence: u64) -> Draft {
    Draft::new("claim.renew", scope, id, by, vec![number("fence", fence), number("ttl_ms", 60_000)])
}

fn yes(action: &str, at: u64, job: u64) -> Draft {
    let (scope, id, fence) = (job_site(job), format!("job-{job:07}"), number("fence", 1 + job % 2));
    let (by, grant) = (worker(job), format!("grant-{job:07}"));
    match action {
        "lease.open" => lease_open(at, job, None),
        "job.start" => {
            let mut args = words(&[("grant", &grant), ("lease", &format!("lease-{job:07}"))]);
            args.push(fence);
            Draft::new("job.start", scope, id, by, args)
        }
        "claim.renew" => renew(scope, id, by, 1 + job % 2),
        "lease.resolve" => {
            let print = Value::from(format!("f:12:{at:064x}").as_str());
            let args = vec![("fingerprints".to_owned(), Value::List(vec![print]))];
            Draft::new("lease.resolve", scope, format!("lease-{job:07}"), by, args)
        }
        "transcript.append" => {
            let args = vec![fence, number("seq", 1 + at), words(&[("operator", "step done")]).remove(0)];
            Draft::new("transcript.append", scope, id, by, args)
        }
        "job.submit" => {
            let purpose = capability(job_capability(job));
            submit(at, site(job, job % (SITES - 1)), agent(job), &purpose, Mode::Stub, &[])
        }
        "grant.issue" => {
            let purpose = capability(job_capability(job));
            let mut args =
                words(&[("job", &id), ("reference", &reference(job)), ("use", &purpose), ("worker", &by)]);
            args.push(number("ttl_ms", 60_000));
            let operator = format!("operator-{:02}", job % WORKERS % ORGANISATIONS);
            Draft::new("grant.issue", scope, format!("new-{at:07}"), operator, args)
        }
        _ => observe(at, site(job, at % SITES), agent(job)),
    }
}

fn no(code: Code, at: u64, job: u64, pick: u64) -> Draft {
    // Numbers below that of the special rows name a job of the first thousand.
    let special = pick % SPECIAL;
    let ended = |state: &str| {
        let mut draft = lease_open(at, job, Some(("grant", &format!("gone-{at:07}"))));
        draft.facts.ended.push(("grant", format!("{} gone-{at:07}", draft.scope), state.to_owned()));
        draft
    };
    // What needs a second principal, or has no route, is asked for where no kill switch is engaged.
    let risky = |purpose: u64| {
        let org = 10 + pick % 10;
        submit(at, site(org, pick % SITES), agent(org), &capability(purpose), Mode::Stub, &[])
    };
    let held = |state: &str| {
        let mut draft = risky(40);
        draft.facts.prior = Some((format!("h{at:015x}"), state.to_owned()));
        draft
    };
    let here = site(pick, pick % (SITES - 1));
    match code {
        Code::PrincipalNotActive => {
            renew(job_site(job), format!("job-{job:07}"), format!("resting-{:02}", job % ORGANISATIONS), 1)
        }
        Code::ScopeForeign => renew(job_site(job), format!("job-{job:07}"), worker(job + 1), 1 + job % 2),
        Code::ScopeClosed => {
            let scope = format!("{}/closed", organisation(pick));
            let mut draft = observe(at, scope.clone(), agent(pick));
            draft.facts.ended.push(("scope", scope, "closed".to_owned()));
            draft
        }
        Code::RoleInsufficient => Draft { by: agent(job), ..lease_open(at, job, None) },
        Code::CapabilityDisabled => {
            let purpose = capability(pick % 40);
            submit(at, site(pick % 40, SITES - 1), agent(pick % 40), &purpose, Mode::Stub, &[])
        }
        Code::SwitchOff => submit(at, here, agent(pick), &capability(pick % 40), Mode::LocalReadOnly, &[]),
        Code::ProductionRefused => {
            let stage = [("stage", "production")];
            submit(at, here, agent(pick), &capability(pick % 40), Mode::Stub, &stage)
        }
        Code::LiveGateClosed => {
            let by = agent(pick % 10 * ORGANISATIONS);
            submit(at, site(0, 0), by, &capability(pick % 40), Mode::SshLive, &[])
        }
        Code::HostKeyUnverified => {
            let target = format!("ssh-ed25519:none-{at:07}.example:22");
            submit(at, here, agent(pick), &capability(pick % 40), Mode::SshDryRun, &[("target", &target)])
        }
        Code::GrantRequired => {
            // Capabilities with an even number need a grant; so does every job whose number is even.
            let job = job & !1;
            let args = vec![number("fence", 1)];
            Draft::new("job.start", job_site(job), format!("job-{job:07}"), worker(job), args)
        }
        Code::GrantUnknown => lease_open(at, job, Some(("grant", &format!("none-{at:07}")))),
        Code::GrantExpired => lease_open(at, special, Some(("grant", &format!("stale-{special:03}")))),
        Code::GrantRevoked => ended("revoked"),
        Code::GrantConsumed => ended("consumed"),
        Code::GrantScope => lease_open(at, special, Some(("grant", &format!("twin-{special:03}")))),
        Code::GrantJob => {
            // The grant of the worker twenty before or after: of the same organisation and site.
            let next = if job % WORKERS < ORGANISATIONS { job + ORGANISATIONS } else { job - ORGANISATIONS };
            lease_open(at, job, Some(("grant", &format!("grant-{next:07}"))))
        }
        Code::GrantWorker => lease_open(at, special, Some(("grant", &format!("other-{special:03}")))),
        Code::GrantUse => lease_open(at, job, Some(("use", "capability-49"))),
        Code::GrantReference => lease_open(at, job, Some(("reference", "vault://kv/none#key"))),
        Code::StaleFence => renew(job_site(job), format!("job-{job:07}"), worker(job), 7 + at),
        Code::ClaimExpired => {
            let mut draft = renew(job_site(special), format!("late-{special:03}"), worker(special), 1);
            draft.args = vec![number("fence", 1), number("ttl_ms", 1000 + at)];
            draft
        }
        Code::LeaseOver => Draft { id: format!("none-{at:07}"), ..yes("lease.resolve", at, job) },
        Code::AttestationRequired => observe(at, here, format!("service-{:02}", pick % ORGANISATIONS)),
        Code::SeparationRequired => {
            let draft = observe(at, site(special, 0), format!("operator-{:02}", special % ORGANISATIONS));
            let args = draft.args.into_iter().filter(|(name, _)| name == "fingerprint").collect();
            Draft {
                action: "host_key.verify",
                id: format!("ssh-ed25519:seen-{special:03}.example:22"),
                args,
                ..draft
            }
        }
        Code::NoRoute => risky(45 + pick % 5),
        Code::HoldDenied => held("denied"),
        Code::HoldExpired => held("expired"),
        Code::HoldCancelled => held("cancelled"),
        Code::KillSwitch => {
            let org = pick % 8;
            submit(at, site(org, pick % SITES), agent(org), &capability(40 + org), Mode::Stub, &[])
        }
        _ => risky(40),
    }
}

/// A question by its numbers: few bytes, so that a long list of them leaves the caches to the world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    at: u64,
    job: u64,
    pick: u64,
    what: Result<&'static str, Code>,
}

impl Plan {
    /// The question, made anew.
    pub(super) fn case(&self) -> Result<Case, Diagnostic> {
        match self.what {
            Ok(action) => yes(action, self.at, self.job).case(self.at, None),
            Err(code) => no(code, self.at, self.job, self.pick).case(self.at, Some(code)),
        }
    }
}

/// `count` questions about `hot` of an estate's `ordinary` jobs, shuffled; `only` one allowed action, or everything.
pub(super) fn plans(
    count: u64,
    (ordinary, hot): (u64, u64),
    killed: bool,
    only: Option<&'static str>,
) -> Vec<Plan> {
    let mut seeded = Seeded(count ^ ordinary);
    let noes = if killed { &NO[..] } else { &NO[..NO.len() - 1] };
    let hot = hot.min(ordinary);
    let mut plans = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for at in 0..count {
        // The jobs that are asked about lie all over the table.
        let job = seeded.below(hot) * (ordinary / hot);
        let pick = seeded.below(NOW.unsigned_abs());
        let turn = usize::try_from(at / 2).unwrap_or(0);
        let what = match (only, at % 2) {
            (Some(action), _) => Ok(action),
            (None, 0) => Ok(YES[turn % YES.len()]),
            (None, _) => Err(noes[turn % noes.len()]),
        };
        plans.push(Plan { at, job, pick, what });
    }
    for at in (1..plans.len()).rev() {
        let other = seeded.below(at as u64 + 1);
        plans.swap(at, usize::try_from(other).unwrap_or(0));
    }
    plans
}
