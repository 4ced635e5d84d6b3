//! May it be done? The fourteen checks of section 9, in their order; the first that fails names the code.

use super::state::{Grant, Job, Oracle};
use super::table::adds_to_risk;
use super::{Ask, SYSTEM, Verdict, contains, levels};

/// What a request is about, as far as the checks ask.
#[derive(Default)]
struct About {
    capability: Option<String>,
    mode: Option<String>,
    stage: Option<String>,
    target: Option<String>,
    /// Job and fence that are named.
    fence: Option<(String, i64)>,
    grant: Option<Used>,
    /// Done under a grant only, where the capability says so.
    under_grant: bool,
    lease: Option<String>,
    /// The capability whose kill switch stops it.
    stopped_with: Option<String>,
}

/// How a grant is used.
struct Used {
    id: String,
    job: String,
    purpose: String,
    reference: Option<String>,
}

/// Whether a mode has a feature switch.
pub fn has_feature(mode: &str) -> bool {
    ["local_dev_execution_mode", "worker_ssh_live_nonproduction", "worker_local_read_only"].contains(&mode)
}

/// Whether a mode goes to a host.
pub fn goes_to_host(mode: &str) -> bool {
    mode.starts_with("worker_ssh_")
}

fn settled(job: Option<&Job>) -> About {
    let Some(job) = job else { return About::default() };
    About {
        capability: Some(job.capability.clone()),
        mode: Some(job.mode.clone()),
        target: job.target.clone(),
        ..About::default()
    }
}

impl Oracle {
    fn about(&self, ask: &Ask) -> About {
        let named = |name: &str| ask.has(name).then(|| ask.text(name).to_owned());
        let job = self.live_job(&ask.at, &ask.id);
        let used = |grant: Option<String>, job: &str, known: Option<&Job>, reference: Option<String>| {
            let purpose = known.map_or(String::new(), |job| job.capability.clone());
            grant.map(|id| Used { id, job: job.to_owned(), purpose, reference })
        };
        let mut about = match ask.action.as_str() {
            "job.submit" => About {
                capability: named("capability"),
                mode: named("mode"),
                stage: named("stage"),
                target: named("target"),
                ..About::default()
            },
            "claim.acquire" => settled(job),
            "job.start" => About {
                fence: Some((ask.id.clone(), ask.int("fence"))),
                grant: used(named("grant"), &ask.id, job, None),
                under_grant: true,
                lease: named("lease"),
                ..settled(job)
            },
            // Reporting uses nothing any more, but it is done under the grant, and is stopped with the capability.
            "job.report" => About {
                fence: Some((ask.id.clone(), ask.int("fence"))),
                grant: used(named("grant"), &ask.id, job, None),
                under_grant: true,
                stopped_with: job.map(|job| job.capability.clone()),
                ..About::default()
            },
            "claim.renew" => About {
                capability: job.map(|job| job.capability.clone()),
                fence: Some((ask.id.clone(), ask.int("fence"))),
                ..About::default()
            },
            "claim.release" | "transcript.append" => {
                About { fence: Some((ask.id.clone(), ask.int("fence"))), ..About::default() }
            }
            "grant.issue" => {
                let job = self.live_job(&ask.at, ask.text("job"));
                About { capability: job.map(|job| job.capability.clone()), ..About::default() }
            }
            "lease.open" => {
                let job = self.live_job(&ask.at, ask.text("job"));
                let mut grant = used(named("grant"), ask.text("job"), job, named("reference"));
                // The use is named here, and must be the grant's.
                grant.iter_mut().for_each(|used| used.purpose = ask.text("use").to_owned());
                About { fence: Some((ask.text("job").to_owned(), ask.int("fence"))), grant, ..settled(job) }
            }
            "lease.resolve" => {
                let lease = self.lease_at(&ask.at, &ask.id).map(|at| &self.leases[at]);
                match lease.filter(|lease| lease.over.is_none() && lease.worker == ask.who) {
                    None => About { lease: Some(ask.id.clone()), ..About::default() },
                    Some(lease) => {
                        let job = self.live_job(&ask.at, &lease.job);
                        About {
                            fence: Some((lease.job.clone(), lease.fence)),
                            grant: used(Some(lease.grant.clone()), &lease.job, job, None),
                            lease: Some(ask.id.clone()),
                            ..settled(job)
                        }
                    }
                }
            }
            _ => About::default(),
        };
        about.stopped_with = about.stopped_with.or_else(|| about.capability.clone());
        about
    }

    /// Kill switches that stop somebody, or a capability, or everything, in a scope.
    pub fn is_stopped(&self, at: &str, who: &str, capability: Option<&str>) -> bool {
        self.kills.iter().any(|kill| {
            contains(&kill.at, at)
                && match kill.target.as_str() {
                    "scope" => true,
                    "principal" => kill.id == who,
                    _ => capability == Some(&kill.id),
                }
        })
    }

    fn killed(&self, ask: &Ask, own: Option<&str>, capability: Option<&str>) -> bool {
        let near = |at: &str| own.is_some_and(|own| contains(own, at) || contains(at, own));
        let live = |h: &&super::Hold| h.name == ask.id && ["pending", "approved"].contains(&h.state);
        let adds = match ask.action.as_str() {
            // To approve adds to risk when what is held does, or nothing is; else only a switch on the approver counts.
            "hold.approve" => self.holds.iter().find(live).is_none_or(|hold| adds_to_risk(&hold.action)),
            action => adds_to_risk(action),
        };
        let only_approver = ask.action == "hold.approve" && !adds;
        if !adds && !only_approver {
            return false;
        }
        self.kills.iter().any(|kill| {
            let meant = match kill.target.as_str() {
                "scope" => !only_approver,
                "principal" => kill.id == ask.who,
                _ => !only_approver && capability == Some(&kill.id),
            };
            meant && contains(&kill.at, &ask.at) && near(&kill.at)
        })
    }

    /// Whether a feature is on at every level from `/` down to a scope.
    pub fn is_on(&self, feature: &str, at: &str) -> bool {
        levels(at).iter().all(|level| self.is_on_at(feature, level))
    }

    /// Whether a feature is on at one level.
    pub fn is_on_at(&self, feature: &str, at: &str) -> bool {
        self.features.iter().any(|f| f.id == feature && f.at == at && self.now < f.until)
    }

    /// Whether a capability is registered, marked enabled here or above, and disabled at none of these.
    pub fn is_enabled(&self, capability: &str, at: &str) -> bool {
        let Some(known) = self.capability_of(capability) else { return false };
        let here: Vec<bool> =
            known.marks.iter().filter(|(scope, _)| contains(scope, at)).map(|(_, on)| *on).collect();
        here.contains(&true) && !here.contains(&false)
    }

    /// The gate without an earlier hold under the same key.
    pub fn gate(&self, ask: &Ask, session: Option<&str>) -> Verdict {
        self.gate_after(ask, session, None)
    }

    /// The gate; `prior` is the hold that this very key opened and that is not pending any more.
    pub fn gate_after(&self, ask: &Ask, session: Option<&str>, prior: Option<usize>) -> Verdict {
        match self.checks(ask, session) {
            Err(code) => Verdict::Deny(code),
            Ok(()) => self.confirmation(ask, prior),
        }
    }

    /// All checks but the last.
    fn checks(&self, ask: &Ask, session: Option<&str>) -> Result<(), &'static str> {
        let about = self.about(ask);
        let person = self.person(&ask.who);
        let own = person.map(|p| p.scope.as_str());
        if self.killed(ask, own, about.stopped_with.as_deref()) {
            return Err("kill_switch");
        }
        let Some(person) = person.filter(|p| p.standing == "active") else {
            return Err("principal_not_active");
        };
        let token = session.and_then(|id| self.tokens.iter().find(|t| t.id == id));
        let reach = token.and_then(|t| t.within.as_deref()).unwrap_or(&person.scope);
        if !contains(reach, &ask.at) || (ask.at != "/" && !self.scopes.iter().any(|(s, _)| *s == ask.at)) {
            return Err("scope_foreign");
        }
        if !self.is_open(&ask.at) {
            return Err("scope_closed");
        }
        if !self.may(&ask.who, &ask.action) {
            return Err("role_insufficient");
        }
        if about.capability.as_ref().is_some_and(|id| !self.is_enabled(id, &ask.at)) {
            return Err("capability_disabled");
        }
        let mode = about.mode.as_deref().unwrap_or_default();
        if has_feature(mode) && !self.is_on(mode, &ask.at) {
            return Err("switch_off");
        }
        if about.stage.as_deref() == Some("production") {
            return Err("production_refused");
        }
        if mode == "worker_ssh_live_nonproduction" {
            return Err("live_gate_closed");
        }
        if let Some(target) = about.target.as_deref().filter(|_| goes_to_host(mode)) {
            let known = self.host_keys.iter().find(|k| k.at == ask.at && k.id == target);
            if known.is_none_or(|key| key.trust != "verified") {
                return Err("host_key_unverified");
            }
        }
        self.check_grant(ask, &about)?;
        self.check_fence(ask, &about)?;
        if person.kind == "agent" && session.is_some() {
            return Err("attestation_required");
        }
        match self.is_separate(ask) {
            true => Ok(()),
            false => Err("separation_required"),
        }
    }

    fn check_grant(&self, ask: &Ask, about: &About) -> Result<(), &'static str> {
        let Some(used) = &about.grant else {
            let job = about.fence.as_ref().and_then(|(job, _)| self.live_job(&ask.at, job));
            let needs = job.and_then(|job| self.capability_of(&job.capability)).is_some_and(|c| c.grant);
            return if about.under_grant && needs { Err("grant_required") } else { Ok(()) };
        };
        let Some(grant) = self.grant_at(&ask.at, &used.id).map(|at| &self.grants[at]) else {
            // That it is of another scope is told to its worker only.
            let elsewhere = |g: &Grant| g.id == used.id && g.worker == ask.who && g.over.is_none();
            return Err(if self.grants.iter().any(elsewhere) { "grant_scope" } else { "grant_unknown" });
        };
        match grant.over {
            Some("consumed") => return Err("grant_consumed"),
            Some("revoked") => return Err("grant_revoked"),
            Some(_) => return Err("grant_expired"),
            None if self.now >= grant.expires => return Err("grant_expired"),
            None => {}
        }
        if grant.job != used.job {
            return Err("grant_job");
        }
        if grant.worker != ask.who {
            return Err("grant_worker");
        }
        if grant.purpose != used.purpose {
            return Err("grant_use");
        }
        match &used.reference {
            Some(reference) if *reference != grant.reference => Err("grant_reference"),
            _ => Ok(()),
        }
    }

    fn check_fence(&self, ask: &Ask, about: &About) -> Result<(), &'static str> {
        // Whether there is such a job, and whether the caller is one of its workers, the domain says.
        let named = about.fence.as_ref().and_then(|(id, fence)| Some((self.live_job(&ask.at, id)?, *fence)));
        if let Some((job, fence)) = named.filter(|(job, _)| job.eligible.contains(&ask.who)) {
            match &job.claim {
                Some((worker, until)) if *worker == ask.who && fence == job.fence => {
                    if self.now >= *until {
                        return Err("claim_expired");
                    }
                }
                _ => return Err("stale_fence"),
            }
        }
        if let Some(id) = &about.lease {
            let lease = self.lease_at(&ask.at, id).map(|at| &self.leases[at]);
            let fence = about.fence.as_ref().map(|(job, fence)| (job.as_str(), *fence));
            let fits = lease.is_some_and(|lease| {
                lease.over.is_none()
                    && self.now < lease.expires
                    && lease.worker == ask.who
                    && fence == Some((lease.job.as_str(), lease.fence))
            });
            if !fits {
                return Err("lease_over");
            }
        }
        Ok(())
    }

    /// Whether whoever asks is, or is not, the one that the table wants.
    fn is_separate(&self, ask: &Ask) -> bool {
        let who = ask.who.as_str();
        match self.row(&ask.action).reviewed.as_str() {
            "" => true,
            "≠ registrar" => {
                let own = self.person_in(&ask.id, &ask.at).is_some_and(|p| p.registrar == who);
                let alone = self.administrators() == 1
                    && self.person(who).is_some_and(|p| p.role == "platform_admin");
                !own || alone
            }
            "≠ suspender" => self.person_in(&ask.id, &ask.at).is_none_or(|p| p.suspender != who),
            "≠ observer" => {
                let record =
                    self.host_keys.iter().find(|k| k.at == ask.at && k.id == ask.id && k.trust != "disabled");
                record.is_none_or(|k| !k.observers.contains(&(who.to_owned(), k.current.clone())))
            }
            "≠ requester" => {
                let live = |h: &&super::Hold| ["pending", "approved"].contains(&h.state);
                let hold = self.holds.iter().filter(live).find(|h| h.name == ask.id && h.at == ask.at);
                hold.is_none_or(|hold| hold.who != who)
            }
            "≠ beneficiary" => ask.text("principal") != who && ask.text("worker") != who,
            "= itself" => ask.id == who,
            other => panic!("the model knows no review `{other}`"),
        }
    }

    /// How much can go wrong.
    pub fn risk(&self, ask: &Ask) -> String {
        let administrators = ["platform_admin", "msp_admin", "org_admin"];
        match ask.action.as_str() {
            "role.assign" if administrators.contains(&ask.id.as_str()) => "high".to_owned(),
            "job.submit" => {
                self.capability_of(ask.text("capability")).map_or("low".to_owned(), |c| c.risk.clone())
            }
            action => self.row(action).risk.clone(),
        }
    }

    fn confirmation(&self, ask: &Ask, prior: Option<usize>) -> Verdict {
        let reviews = ["≠ registrar", "≠ suspender", "≠ holder", "≠ observer", "≠ requester"];
        let risk = self.risk(ask);
        if risk == "destructive" {
            return Verdict::Deny("no_route");
        }
        if risk == "low" || reviews.contains(&self.row(&ask.action).reviewed.as_str()) || ask.who == SYSTEM {
            return Verdict::Allow(None);
        }
        if let Some(hold) = prior.map(|at| &self.holds[at]) {
            let lapsed = ["pending", "approved"].contains(&hold.state) && self.now >= hold.until;
            match hold.state {
                "denied" => return Verdict::Deny("hold_denied"),
                "cancelled" => return Verdict::Deny("hold_cancelled"),
                "expired" => return Verdict::Deny("hold_expired"),
                _ if lapsed => return Verdict::Deny("hold_expired"),
                _ => {}
            }
        }
        let same = |state: &str| {
            self.holds.iter().position(|h| {
                h.state == state
                    && self.now < h.until
                    && (&h.who, &h.action, &h.at, &h.id, &h.args)
                        == (&ask.who, &ask.action, &ask.at, &ask.id, &ask.args)
            })
        };
        match (same("approved"), same("pending")) {
            (Some(approved), _) => Verdict::Allow(Some(approved)),
            (None, pending) => Verdict::Hold(pending),
        }
    }
}
