//! How does the product know that world? By the events that would have made it, folded as a ledger folds its entries.

use super::Done;
use super::world::{BASE, Grant, World, within};
use chancery_ledger::domains::capability::Event as CapabilityEvent;
use chancery_ledger::domains::claim::Event as ClaimEvent;
use chancery_ledger::domains::grant::Event as GrantEvent;
use chancery_ledger::domains::job::{Event as JobEvent, Mode};
use chancery_ledger::domains::ledger::{Attest, Event as LedgerEvent, Form, Level, Limits, Settings, Stage};
use chancery_ledger::domains::principal::{Basis, Event as PrincipalEvent, Kind};
use chancery_ledger::domains::scope::Event as ScopeEvent;
use chancery_ledger::domains::spec::Risk;
use chancery_ledger::domains::worker::{Event as WorkerEvent, Trust};
use chancery_ledger::domains::{Ended, Event, Meta, World as Known};
use chancery_ledger::format::hash::Digest;
use chancery_ledger::gate::{RULES, Role};

/// The ledger's name.
pub(crate) const LEDGER: &str = "bench.example";
/// The fence under which every job is held.
pub(crate) const FENCE: u64 = 1;

/// The product's instants are milliseconds.
pub(crate) fn millis(seconds: u64) -> Done<i64> {
    Ok(i64::try_from(seconds)? * 1_000)
}

/// A resource, as a credential for it is named.
pub(crate) fn reference(resource: &str) -> String {
    format!("vault://kv/{}#key", resource.replace(':', "."))
}

/// The job that a grant is for.
pub(crate) fn job(grant: &str) -> String {
    format!("job-{grant}")
}

struct Folding {
    world: Known,
    ended: Vec<Ended>,
    time: i64,
}

impl Folding {
    fn fold(&mut self, scope: &str, id: &str, actor: &str, event: Event) {
        let (position, time) = (self.world.position, self.time);
        let meta = Meta { position, time, scope, id, actor, attestation: None, action: None, cause: &[] };
        self.world.fold(&meta, Digest::ZERO, &event, &mut self.ended);
    }

    fn opened(&mut self) {
        let attest = Attest {
            agent: Level::Observe,
            human: Level::Observe,
            service: Level::Observe,
            worker: Level::Observe,
        };
        let settings = Settings {
            administrator: None,
            attest,
            form: Form::Heads,
            limits: Limits::OURS,
            max_silence_ms: None,
            name: LEDGER.to_owned(),
            rules: RULES,
            stage: Stage::Test,
            system_key: None,
            vkey: String::new(),
        };
        self.fold("/", LEDGER, "system", Event::Ledger(LedgerEvent::Opened(Box::new(settings))));
    }

    fn worker(&mut self, id: &str, live: bool) {
        let registered = PrincipalEvent::Registered { kind: Kind::Worker, role: Role::Worker };
        self.fold("/", id, "founder", Event::Principal(registered));
        let activated = PrincipalEvent::Activated { basis: Basis::Review };
        self.fold("/", id, "founder", Event::Principal(activated));
        if !live {
            self.fold("/", id, "founder", Event::Principal(PrincipalEvent::Suspended {}));
        }
        let promoted = WorkerEvent::Promoted { node: None, trust: Trust::Standard };
        self.fold("/", id, "founder", Event::Worker(promoted));
    }

    fn capability(&mut self, id: &str, live: bool) {
        let registered = CapabilityEvent::Registered {
            commands: Vec::new(),
            grant: true,
            risk: Risk::Low,
            trust: Trust::Standard,
        };
        self.fold("/", id, "founder", Event::Capability(registered));
        self.fold("/", id, "founder", Event::Capability(CapabilityEvent::Enabled {}));
        if !live {
            self.fold("/", id, "founder", Event::Capability(CapabilityEvent::Disabled {}));
        }
    }

    /// A grant is for one job in one scope: there is a job, held by the agent, and a grant in each scope of its reach.
    fn grant(&mut self, grant: &Grant, scope: &str, until: i64) -> Done<()> {
        let job = job(&grant.id);
        let submitted = JobEvent::Submitted {
            capability: grant.capability.clone(),
            command: None,
            deadline: until,
            locality: None,
            mode: Mode::Stub,
            target: None,
        };
        self.fold(scope, &job, "founder", Event::Job(submitted));
        let routed = JobEvent::Routed {
            candidates: Vec::new(),
            considered: 1,
            eligible: vec![grant.agent.clone()],
            selected: grant.agent.clone(),
        };
        self.fold(scope, &job, "founder", Event::Job(routed));
        self.fold(scope, &job, &grant.agent, Event::Claim(ClaimEvent::Acquired { fence: FENCE, until }));
        let issued = GrantEvent::Issued {
            expires: millis(grant.expires)?,
            job,
            reference: reference(&grant.resource),
            purpose: grant.capability.clone(),
            worker: grant.agent.clone(),
        };
        self.fold(scope, &grant.id, "founder", Event::Grant(issued));
        Ok(())
    }
}

/// The product's world of these grants.
pub(crate) fn known(world: &World) -> Done<Known> {
    let mut folding = Folding { world: Known::default(), ended: Vec::new(), time: millis(BASE - 86_400)? };
    folding.opened();
    for scope in &world.scopes {
        let (parent, id) = scope.rsplit_once('/').ok_or("a scope without a slash")?;
        let parent = if parent.is_empty() { "/" } else { parent };
        folding.fold(parent, id, "founder", Event::Scope(ScopeEvent::Created {}));
    }
    world.agents.iter().for_each(|agent| folding.worker(&agent.name, agent.live));
    world.capabilities.iter().for_each(|one| folding.capability(&one.name, one.live));
    // jobs are held for longer than any grant lives
    let until = millis(BASE + 365 * 86_400)?;
    for grant in &world.grants {
        for scope in world.scopes.iter().filter(|scope| within(scope, &grant.scope)) {
            folding.grant(grant, scope, until)?;
        }
    }
    Ok(folding.world)
}
