//! In which world is the gate measured? The rows of a large operation, in plain vectors.

use chancery_ledger::domains::job::Mode;
use chancery_ledger::domains::principal::Kind;
use chancery_ledger::domains::spec::Risk;
use chancery_ledger::gate::Role;

/// The instant at which the gate is asked.
pub(super) const NOW: i64 = 1_790_000_000_000;
/// Long enough to be live at [`NOW`].
pub(super) const LATER: i64 = NOW + 3_600_000;
/// Organisations, each with [`SITES`] scopes below it.
pub(super) const ORGANISATIONS: u64 = 20;
/// Scopes of an organisation; work is done in all but the last.
pub(super) const SITES: u64 = 5;
/// Workers: the holders of jobs and grants.
pub(super) const WORKERS: u64 = 1000;
/// Capabilities: the first 40 are low in risk, then five that take a second principal, then five destructive.
pub(super) const CAPABILITIES: u64 = 50;
/// Rows of each special kind: what is asked about to be told no.
pub(super) const SPECIAL: u64 = 256;

/// A principal.
#[derive(Debug)]
pub(super) struct Principal {
    pub(super) id: String,
    pub(super) scope: String,
    pub(super) kind: Kind,
    pub(super) role: Role,
    pub(super) active: bool,
}

/// A capability; it is enabled everywhere but in one scope.
#[derive(Debug)]
pub(super) struct Capability {
    pub(super) id: String,
    pub(super) risk: Risk,
    pub(super) grant: bool,
    pub(super) disabled: String,
}

/// A job that is held.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) scope: String,
    pub(super) id: String,
    pub(super) capability: String,
    pub(super) mode: Mode,
    pub(super) target: Option<String>,
    pub(super) worker: String,
    pub(super) fence: u64,
    pub(super) until: i64,
}

/// A grant.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) scope: String,
    pub(super) id: String,
    pub(super) job: String,
    pub(super) worker: String,
    pub(super) reference: String,
    pub(super) purpose: String,
    pub(super) expires: i64,
}

/// A lease that is open.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) scope: String,
    pub(super) id: String,
    pub(super) job: String,
    pub(super) grant: String,
    pub(super) fence: u64,
    pub(super) worker: String,
    pub(super) expires: i64,
}

/// A host key, observed and perhaps verified.
#[derive(Debug)]
pub(super) struct HostKey {
    pub(super) scope: String,
    pub(super) id: String,
    pub(super) observer: String,
    pub(super) verified: bool,
}

/// Everything that there is.
#[derive(Debug, Default)]
pub(super) struct Estate {
    pub(super) scopes: Vec<String>,
    pub(super) principals: Vec<Principal>,
    pub(super) capabilities: Vec<Capability>,
    /// Features that are on, and where.
    pub(super) features: Vec<(String, String)>,
    /// Capabilities that a kill switch stops, and where.
    pub(super) kills: Vec<(String, String)>,
    pub(super) host_keys: Vec<HostKey>,
    pub(super) jobs: Vec<Job>,
    pub(super) grants: Vec<Grant>,
    pub(super) leases: Vec<Lease>,
    /// Ordinary jobs, each with its grant and its lease; they stand first among the jobs and grants.
    pub(super) ordinary: u64,
}

pub(super) fn organisation(number: u64) -> String {
    format!("/org-{:02}", number % ORGANISATIONS)
}

pub(super) fn site(organisation: u64, site: u64) -> String {
    format!("/org-{:02}/site-{}", organisation % ORGANISATIONS, site % SITES)
}

pub(super) fn capability(number: u64) -> String {
    format!("capability-{:02}", number % CAPABILITIES)
}

pub(super) fn worker(number: u64) -> String {
    format!("worker-{:04}", number % WORKERS)
}

/// An agent lives in the organisation of its number.
pub(super) fn agent(number: u64) -> String {
    format!("agent-{:03}", number % (ORGANISATIONS * 10))
}

/// Where the ordinary job of this number is: its worker's organisation.
pub(super) fn job_site(number: u64) -> String {
    site(number % WORKERS, number / WORKERS % (SITES - 1))
}

pub(super) fn job_capability(number: u64) -> u64 {
    number * 7 % 40
}

pub(super) fn reference(number: u64) -> String {
    format!("vault://kv/org-{:02}/host-{number:07}#key", number % ORGANISATIONS)
}

impl Estate {
    /// An operation with this many ordinary jobs, each held under a live grant and an open lease.
    pub(super) fn new(jobs: u64, killed: bool) -> Self {
        let mut estate = Self { ordinary: jobs.max(WORKERS), ..Self::default() };
        estate.people();
        estate.work();
        estate.special();
        if killed {
            let halted = |number: u64| (capability(number), organisation(number));
            estate.kills = (40..48).map(halted).collect();
        }
        estate
    }

    fn people(&mut self) {
        self.scopes = (0..ORGANISATIONS).map(organisation).collect();
        for org in 0..ORGANISATIONS {
            self.scopes.extend((0..SITES).map(|at| site(org, at)));
        }
        let mut add = |id, org: u64, kind, role, active| {
            self.principals.push(Principal { id, scope: organisation(org), kind, role, active });
        };
        for number in 0..WORKERS {
            add(worker(number), number, Kind::Worker, Role::Worker, true);
        }
        for number in 0..ORGANISATIONS * 10 {
            add(agent(number), number, Kind::Agent, Role::Agent, true);
        }
        for org in 0..ORGANISATIONS {
            add(format!("operator-{org:02}"), org, Kind::Human, Role::MspOperator, true);
            add(format!("service-{org:02}"), org, Kind::Service, Role::Service, true);
            add(format!("resting-{org:02}"), org, Kind::Worker, Role::Worker, false);
        }
        for number in 0..CAPABILITIES {
            let risk = match number {
                0..40 => Risk::Low,
                40..45 => Risk::Medium,
                _ => Risk::Destructive,
            };
            let (id, disabled) = (capability(number), site(number, SITES - 1));
            self.capabilities.push(Capability { id, risk, grant: number % 2 == 0, disabled });
        }
        // Live work is asked for in the first site of the first organisation, and refused at the last gate only.
        let live = Mode::SshLive.as_str();
        self.features =
            ["/".to_owned(), organisation(0), site(0, 0)].map(|at| (live.to_owned(), at)).to_vec();
    }

    fn work(&mut self) {
        for number in 0..self.ordinary {
            let (scope, worker) = (job_site(number), worker(number));
            let host = (number % 4 == 0).then(|| format!("ssh-ed25519:host-{number:07}.example:22"));
            if let Some(id) = &host {
                let observer = agent(number);
                self.host_keys.push(HostKey {
                    scope: scope.clone(),
                    id: id.clone(),
                    observer,
                    verified: true,
                });
            }
            let purpose = capability(job_capability(number));
            self.jobs.push(Job {
                scope: scope.clone(),
                id: format!("job-{number:07}"),
                capability: purpose.clone(),
                mode: if host.is_some() { Mode::SshDryRun } else { Mode::Stub },
                target: host,
                worker: worker.clone(),
                fence: 1 + number % 2,
                until: LATER,
            });
            self.grants.push(Grant {
                scope: scope.clone(),
                id: format!("grant-{number:07}"),
                job: format!("job-{number:07}"),
                worker: worker.clone(),
                reference: reference(number),
                purpose,
                expires: LATER,
            });
            let id = format!("lease-{number:07}");
            self.leases.push(Lease {
                scope,
                id,
                job: format!("job-{number:07}"),
                grant: format!("grant-{number:07}"),
                fence: 1 + number % 2,
                worker,
                expires: LATER,
            });
        }
    }

    /// What stands in the way: claims that ran out, grants of other scopes and workers, keys that nobody verified.
    fn special(&mut self) {
        for number in 0..SPECIAL {
            let (base, purpose) = (job_site(number), capability(job_capability(number)));
            let job = |id: String, scope: String, until| Job {
                scope,
                id,
                capability: purpose.clone(),
                mode: Mode::Stub,
                target: None,
                worker: worker(number),
                fence: 1,
                until,
            };
            let grant = |id: String, scope: String, job: String, worker, expires| Grant {
                scope,
                id,
                job,
                worker,
                reference: reference(number),
                purpose: purpose.clone(),
                expires,
            };
            let (own, far) = (format!("job-{number:07}"), format!("far-{number:03}"));
            let away = site(number, SITES - 2);
            self.jobs.push(job(format!("late-{number:03}"), base.clone(), NOW - 1));
            self.jobs.push(job(far.clone(), away.clone(), LATER));
            self.grants.push(grant(format!("twin-{number:03}"), away, far, worker(number), LATER));
            self.grants.push(grant(
                format!("other-{number:03}"),
                base.clone(),
                own.clone(),
                worker(number + 1),
                LATER,
            ));
            self.grants.push(grant(format!("stale-{number:03}"), base, own, worker(number), NOW));
            let id = format!("ssh-ed25519:seen-{number:03}.example:22");
            let observer = format!("operator-{:02}", number % ORGANISATIONS);
            self.host_keys.push(HostKey { scope: site(number, 0), id, observer, verified: false });
        }
    }
}
