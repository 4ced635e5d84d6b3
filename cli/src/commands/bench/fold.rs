//! How does a world come of rows? By the events that would have made them, folded as a ledger folds its entries.

use super::estate::{Estate, Grant, HostKey, Job, LATER, Lease, NOW, Principal};
use chancery_ledger::domains::capability::Event as CapabilityEvent;
use chancery_ledger::domains::claim::Event as ClaimEvent;
use chancery_ledger::domains::grant::Event as GrantEvent;
use chancery_ledger::domains::host_key::{Event as HostKeyEvent, Source};
use chancery_ledger::domains::job::Event as JobEvent;
use chancery_ledger::domains::lease::Event as LeaseEvent;
use chancery_ledger::domains::ledger::{Attest, Event as LedgerEvent, Form, Level, Limits, Settings, Stage};
use chancery_ledger::domains::principal::{Basis, Event as PrincipalEvent, Kind};
use chancery_ledger::domains::scope::Event as ScopeEvent;
use chancery_ledger::domains::switch::{Event as SwitchEvent, Target};
use chancery_ledger::domains::worker::{Event as WorkerEvent, Trust};
use chancery_ledger::domains::{Ended, Event, Meta, World};
use chancery_ledger::format::encoding::base64_unpadded;
use chancery_ledger::format::hash::Digest;
use chancery_ledger::format::ids::{Fingerprint, NameError};
use chancery_ledger::gate::RULES;

/// When everything was made.
const BEFORE: i64 = NOW - 86_400_000;

#[derive(Default)]
struct Folding {
    world: World,
    ended: Vec<Ended>,
}

impl Folding {
    fn fold(&mut self, scope: &str, id: &str, actor: &str, event: Event) {
        let meta = Meta {
            position: self.world.position,
            time: BEFORE,
            scope,
            id,
            actor,
            attestation: None,
            action: None,
            cause: &[],
        };
        self.world.fold(&meta, Digest::ZERO, &event, &mut self.ended);
    }

    fn opened(&mut self) {
        let settings = Settings {
            administrator: None,
            attest: Attest {
                agent: Level::Observe,
                human: Level::Observe,
                service: Level::Enforce,
                worker: Level::Observe,
            },
            form: Form::Heads,
            limits: Limits::OURS,
            max_silence_ms: None,
            name: "bench.example".to_owned(),
            rules: RULES,
            stage: Stage::Test,
            system_key: None,
            vkey: String::new(),
        };
        self.fold("/", "bench.example", "system", Event::Ledger(LedgerEvent::Opened(Box::new(settings))));
    }

    fn principal(&mut self, one: &Principal) {
        let events = [
            Some(PrincipalEvent::Registered { kind: one.kind, role: one.role }),
            Some(PrincipalEvent::Activated { basis: Basis::Review }),
            (!one.active).then_some(PrincipalEvent::Suspended {}),
        ];
        for event in events.into_iter().flatten() {
            self.fold(&one.scope, &one.id, "founder", Event::Principal(event));
        }
        if one.kind == Kind::Worker {
            let event = WorkerEvent::Promoted { node: None, trust: Trust::Standard };
            self.fold(&one.scope, &one.id, "founder", Event::Worker(event));
        }
    }

    fn host_key(&mut self, one: &HostKey) -> Result<(), NameError> {
        let fingerprint = Fingerprint::parse(&format!("SHA256:{}", base64_unpadded(&Digest::ZERO.0)))?;
        let event = HostKeyEvent::Observed { fingerprint: fingerprint.clone(), source: Source::KnownHosts };
        self.fold(&one.scope, &one.id, &one.observer, Event::HostKey(event));
        if one.verified {
            self.fold(&one.scope, &one.id, "founder", Event::HostKey(HostKeyEvent::Verified { fingerprint }));
        }
        Ok(())
    }

    fn job(&mut self, one: &Job) {
        let submitted = JobEvent::Submitted {
            capability: one.capability.clone(),
            command: None,
            deadline: LATER,
            locality: None,
            mode: one.mode,
            target: one.target.clone(),
        };
        self.fold(&one.scope, &one.id, "founder", Event::Job(submitted));
        let routed = JobEvent::Routed {
            candidates: Vec::new(),
            considered: 1,
            eligible: vec![one.worker.clone()],
            selected: one.worker.clone(),
        };
        self.fold(&one.scope, &one.id, "founder", Event::Job(routed));
        for fence in 1..=one.fence {
            let event = ClaimEvent::Acquired { fence, until: one.until };
            self.fold(&one.scope, &one.id, &one.worker, Event::Claim(event));
            if fence < one.fence {
                self.fold(&one.scope, &one.id, &one.worker, Event::Claim(ClaimEvent::Released { fence }));
            }
        }
    }

    fn grant(&mut self, one: &Grant) {
        let event = GrantEvent::Issued {
            expires: one.expires,
            job: one.job.clone(),
            reference: one.reference.clone(),
            purpose: one.purpose.clone(),
            worker: one.worker.clone(),
        };
        self.fold(&one.scope, &one.id, "founder", Event::Grant(event));
    }

    fn lease(&mut self, one: &Lease) {
        let event = LeaseEvent::Opened {
            expires: one.expires,
            fence: one.fence,
            grant: one.grant.clone(),
            job: one.job.clone(),
            provider: "vault".to_owned(),
            reference: String::new(),
        };
        self.fold(&one.scope, &one.id, &one.worker, Event::Lease(event));
    }
}

impl Estate {
    /// The world that these rows are.
    pub(super) fn world(&self) -> Result<World, NameError> {
        let mut folding = Folding::default();
        folding.opened();
        for scope in &self.scopes {
            let (parent, id) = scope.rsplit_once('/').unwrap_or_default();
            let parent = if parent.is_empty() { "/" } else { parent };
            folding.fold(parent, id, "founder", Event::Scope(ScopeEvent::Created {}));
        }
        self.principals.iter().for_each(|one| folding.principal(one));
        for one in &self.capabilities {
            let registered = CapabilityEvent::Registered {
                commands: Vec::new(),
                grant: one.grant,
                risk: one.risk,
                trust: Trust::Standard,
            };
            folding.fold("/", &one.id, "founder", Event::Capability(registered));
            folding.fold("/", &one.id, "founder", Event::Capability(CapabilityEvent::Enabled {}));
            folding.fold(&one.disabled, &one.id, "founder", Event::Capability(CapabilityEvent::Disabled {}));
        }
        for (feature, scope) in &self.features {
            let event = SwitchEvent::TurnedOn { runbook: None, until: LATER };
            folding.fold(scope, feature, "founder", Event::Switch(event));
        }
        for one in &self.host_keys {
            folding.host_key(one)?;
        }
        self.jobs.iter().for_each(|one| folding.job(one));
        self.grants.iter().for_each(|one| folding.grant(one));
        self.leases.iter().for_each(|one| folding.lease(one));
        for (capability, scope) in &self.kills {
            let event = SwitchEvent::Engaged { target: Target::Capability };
            folding.fold(scope, capability, "founder", Event::Switch(event));
        }
        Ok(folding.world)
    }
}
