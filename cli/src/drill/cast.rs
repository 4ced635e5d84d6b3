//! Who and what takes part in a drill? Made before the items, taken away after them.

use super::{By, Drill, text};
use crate::client::{Ask, Who, ask, must};
use crate::commands::proof;
use crate::diagnostic::Diagnostic;
use chancery_ledger::format::encoding::base64_unpadded;
use chancery_ledger::format::ids::{PrincipalId, Scope};
use chancery_ledger::format::json::Value;
use chancery_ledger::format::key::PrivateKey;
use chancery_ledger::{Code, Entropy, Receipt};

/// Milliseconds of an hour: nothing of a drill lasts longer.
const HOUR: i64 = 3_600_000;

/// A principal with a key that is nowhere but in this process.
pub(super) fn fresh(id: &str) -> Result<Who, Diagnostic> {
    let principal = PrincipalId::parse(id).map_err(|error| Diagnostic::usage(error.to_string()))?;
    Ok(Who::Key(principal, PrivateKey::from_seed(&Entropy::default().take()?)))
}

/// A host key's fingerprint that is no host's.
pub(super) fn fingerprint() -> Result<String, Diagnostic> {
    Ok(format!("SHA256:{}", base64_unpadded(&Entropy::default().take::<32>()?)))
}

impl Drill {
    pub(super) fn who(&self, by: By) -> &Who {
        match by {
            By::First => &self.first,
            By::Second => &self.second,
            By::Worker => &self.worker,
            By::Spare => &self.spare,
        }
    }

    /// Id of the principal.
    pub(super) fn id_of(&self, by: By) -> String {
        match self.who(by) {
            Who::Key(id, _) => id.to_string(),
            Who::Token(_) => String::new(),
        }
    }

    /// The host that jobs of the drill are for, as the id of its key.
    pub(super) fn target(&self) -> String {
        format!("ssh-ed25519:{}.invalid:22", self.name)
    }

    /// Asks in the drill's scope.
    pub(super) fn ask(
        &self,
        by: By,
        action: &str,
        id: &str,
        arguments: Vec<(&str, Value)>,
    ) -> Result<Receipt, Diagnostic> {
        ask(&self.ledger, self.who(by), Ask::with(action, &self.scope, id, arguments))
    }

    /// Asks in the drill's scope for what must happen.
    pub(super) fn must(
        &self,
        by: By,
        action: &str,
        id: &str,
        arguments: Vec<(&str, Value)>,
    ) -> Result<Receipt, Diagnostic> {
        must(&self.ledger, self.who(by), Ask::with(action, &self.scope, id, arguments))
    }

    /// Asks for what another administrator must confirm, has it confirmed, and asks again.
    pub(super) fn confirmed(
        &self,
        action: &str,
        scope: &Scope,
        id: &str,
        arguments: &[(&str, Value)],
    ) -> Result<Receipt, Diagnostic> {
        let again = || Ask::with(action, scope, id, arguments.to_vec());
        let held = ask(&self.ledger, &self.first, again())?;
        match &held.hold {
            Some(hold) if held.code == Some(Code::ConfirmationRequired) => {
                must(&self.ledger, &self.second, Ask::new("hold.approve", scope, hold, &[]))?;
            }
            _ => {
                let why = held.message.unwrap_or_else(|| "nobody had to confirm it".to_owned());
                let code = held.code.unwrap_or(Code::SeparationRequired);
                return Err(Diagnostic::new(code, format!("`{action}`: {why}")));
            }
        }
        must(&self.ledger, &self.first, again())
    }

    /// Makes the scope, the capability, the host, and two workers that are fit.
    pub(super) fn set_up(&mut self) -> Result<(), Diagnostic> {
        let (Some(above), name) = (self.scope.parent(), self.name.clone()) else { return Ok(()) };
        must(&self.ledger, &self.first, Ask::new("scope.create", &above, &name, &[]))?;
        self.begun = true;
        let register = [("grant", Value::Bool(true)), ("risk", text("low"))];
        self.confirmed("capability.register", &Scope::root(), &name, &register)?;
        self.confirmed("capability.enable", &self.scope.clone(), &name, &[])?;
        let (target, seen) = (self.target(), fingerprint()?);
        let observed = vec![("fingerprint", text(seen.clone())), ("source", text("generated"))];
        self.must(By::First, "host_key.observe", &target, observed)?;
        self.must(By::Second, "host_key.verify", &target, vec![("fingerprint", text(seen))])?;
        self.worker(By::Worker, "local_dev")?;
        self.worker(By::Spare, "onsite")
    }

    fn worker(&self, by: By, locality: &str) -> Result<(), Diagnostic> {
        let Who::Key(principal, key) = self.who(by) else { return Ok(()) };
        let id = principal.as_str();
        let kind = vec![("kind", text("worker")), ("role", text("worker"))];
        self.must(By::First, "principal.register", id, kind)?;
        self.must(By::Second, "principal.activate", id, Vec::new())?;
        let (public, proof) = proof(self.ledger.origin(), principal, key)?;
        let enrol = vec![("principal", text(id)), ("public", text(public)), ("proof", text(proof))];
        self.must(By::First, "key.enrol", &key.public().id().entity(), enrol)?;
        self.must(By::First, "worker.promote", id, vec![("trust", text("standard"))])?;
        let capabilities = || ("capabilities", Value::List(vec![text(self.name.clone())]));
        let declared = vec![capabilities(), ("locality", text(locality)), ("redaction", Value::Bool(true))];
        self.must(by, "worker.declare", id, declared)?;
        let hosts = Value::List(vec![text(format!("{}.invalid", self.name))]);
        let assigned = vec![capabilities(), ("targets", hosts), ("to", text(self.scope.to_string()))];
        self.must(By::First, "worker.assign", id, assigned)?;
        let healthy = vec![("health", text("healthy")), ("ttl_ms", Value::Int(HOUR))];
        self.must(by, "worker.report", id, healthy).map(|_| ())
    }

    /// Asks for a job of an hour; what is settled about it besides is in `more`.
    pub(super) fn submit(
        &mut self,
        id: &str,
        mode: &str,
        more: Vec<(&str, Value)>,
    ) -> Result<Receipt, Diagnostic> {
        let mut arguments =
            vec![("capability", text(self.name.clone())), ("mode", text(mode)), ("ttl_ms", Value::Int(HOUR))];
        if mode == "worker_ssh_dry_run" {
            arguments.push(("target", text(self.target())));
        }
        arguments.extend(more);
        self.jobs.push(id.to_owned());
        self.ask(By::First, "job.submit", id, arguments)
    }

    /// A job that goes through the motions, with a grant `g-JOB`, claimed by this worker.
    pub(super) fn claimed(&mut self, id: &str, by: By) -> Result<(), Diagnostic> {
        let submitted = self.submit(id, "worker_stub_execution", Vec::new())?;
        if let Some(code) = submitted.code {
            return Err(Diagnostic::new(code, submitted.message.unwrap_or_default()));
        }
        let arguments = vec![
            ("job", text(id)),
            ("reference", text(self.reference())),
            ("ttl_ms", Value::Int(HOUR)),
            ("use", text(self.name.clone())),
            ("worker", text(self.id_of(by))),
        ];
        self.must(By::First, "grant.issue", &format!("g-{id}"), arguments)?;
        self.must(by, "claim.acquire", id, vec![("ttl_ms", Value::Int(HOUR))]).map(|_| ())
    }

    /// The same, and started.
    pub(super) fn started(&mut self, id: &str, by: By) -> Result<(), Diagnostic> {
        self.claimed(id, by)?;
        let arguments = vec![("fence", Value::Int(1)), ("grant", text(format!("g-{id}")))];
        self.must(by, "job.start", id, arguments).map(|_| ())
    }

    /// The credential that grants of the drill are for; its value is made up.
    pub(super) fn reference(&self) -> String {
        format!("test://{}", self.name)
    }

    /// Turns a feature on at every level from `/` down to the drill's scope where it is off; two decide.
    pub(super) fn turn_on(&mut self, feature: &'static str) -> Result<(), Diagnostic> {
        let mut levels = vec![self.scope.clone()];
        while let Some(above) = levels.last().and_then(Scope::parent) {
            levels.push(above);
        }
        let now = self.ledger.now();
        for level in levels.iter().rev() {
            if !self.ledger.look(|world| world.switches.is_on_at(feature, level, now)) {
                let receipt =
                    self.confirmed("switch.turn_on", level, feature, &[("ttl_ms", Value::Int(HOUR))])?;
                self.shows(&receipt);
                self.features.push((feature, level.clone()));
            }
        }
        Ok(())
    }

    /// Takes away what the drill made; says what is left.
    pub(super) fn put_back(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        if !self.begun {
            return left;
        }
        let scope = self.scope.clone();
        let engaged = self.ledger.look(|world| world.switches.kills().iter().any(|kill| kill.scope == scope));
        if engaged {
            let cleared = self.confirmed("switch.clear", &scope, &self.name, &[("target", text("scope"))]);
            left.extend(cleared.err().map(|error| error.message().to_owned()));
        }
        let now = self.ledger.now();
        for (feature, level) in std::mem::take(&mut self.features) {
            if self.ledger.look(|world| world.switches.is_on_at(feature, &level, now)) {
                let off = must(&self.ledger, &self.first, Ask::new("switch.turn_off", &level, feature, &[]));
                left.extend(off.err().map(|error| error.message().to_owned()));
            }
        }
        let mut away: Vec<(&str, String)> = Vec::new();
        let mut jobs = std::mem::take(&mut self.jobs);
        jobs.retain(|job| !self.is_over(job));
        away.extend(jobs.into_iter().map(|job| ("job.cancel", job)));
        away.push(("host_key.disable", self.target()));
        away.push(("principal.revoke", self.id_of(By::Worker)));
        away.push(("principal.revoke", self.id_of(By::Spare)));
        away.push(("capability.disable", self.name.clone()));
        for (action, id) in away {
            left.extend(self.ask(By::First, action, &id, Vec::new()).err().map(|e| e.message().to_owned()));
        }
        if let Some(above) = scope.parent() {
            let closed = must(&self.ledger, &self.first, Ask::new("scope.close", &above, &self.name, &[]));
            left.extend(closed.err().map(|error| error.message().to_owned()));
        }
        left
    }
}
