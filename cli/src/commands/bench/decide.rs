//! How fast is governed work decided and recorded? Claims renewed, leases opened and closed, by callers who wait.

use super::subject::{Bench, Subject};
use super::write::{Work, together};
use crate::client::{Ask, Who, ask, must, read_key};
use crate::commands::key::{generate, proof};
use crate::diagnostic::Diagnostic;
use crate::measure::Figure;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::ids::{IdempotencyKey, PrincipalId, Scope};
use chancery_ledger::format::json::Value;
use chancery_ledger::gate::{Credential, Request, new_request};
use chancery_ledger::{Code, Entropy, Error, Receipt};

/// Workers that callers act as, in turn.
const WORKERS: u64 = 8;
/// Jobs that they hold; callers share them, each with leases of its own.
const JOBS: u64 = 32;
const REFERENCE: &str = "vault://kv/bench#key";

/// A ledger in which workers hold jobs under grants.
struct Office {
    subject: Subject,
    entropy: Entropy,
    /// Token of each worker.
    tokens: Vec<String>,
}

fn with(mut ask: Ask, more: &[(&str, Value)]) -> Ask {
    if let Value::Object(members) = &mut ask.args {
        members.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    ask
}

fn one(text: &str) -> Value {
    Value::List(vec![Value::from(text)])
}

fn worker(caller: u64) -> String {
    format!("worker-{}", caller % WORKERS)
}

fn job(caller: u64) -> String {
    format!("job-{}", caller % JOBS)
}

fn grant(caller: u64) -> String {
    format!("grant-{}", caller % JOBS)
}

impl Office {
    fn open(bench: &Bench, name: &str, callers: u64) -> Result<Self, Diagnostic> {
        let subject = bench.subject(name, false)?;
        let mut office = Self { subject, entropy: Entropy::default(), tokens: Vec::new() };
        for number in 0..WORKERS.min(callers) {
            office.hire(number)?;
        }
        office.equip()?;
        for number in 0..WORKERS.min(callers) {
            office.promote(number)?;
        }
        for caller in 0..JOBS.min(callers) {
            office.hand_out(caller)?;
        }
        Ok(office)
    }

    fn founder(&self, ask: Ask) -> Result<Receipt, Diagnostic> {
        must(&self.subject.ledger, &self.subject.founder, ask)
    }

    fn as_worker(&self, caller: u64, ask: Ask) -> Result<Receipt, Diagnostic> {
        let at = usize::try_from(caller % WORKERS).unwrap_or(0);
        let token = self.tokens.get(at).cloned().unwrap_or_default();
        must(&self.subject.ledger, &Who::Token(token), ask)
    }

    fn here(&self) -> &Scope {
        &self.subject.scope
    }

    fn hire(&mut self, number: u64) -> Result<(), Diagnostic> {
        let (id, here) = (worker(number), self.here().clone());
        let role = [("kind", "worker"), ("role", "worker")];
        self.founder(Ask::new("principal.register", &here, &id, &role))?;
        self.founder(Ask::new("principal.activate", &here, &id, &[]))?;
        let issue = Ask::new("token.issue", &here, &format!("work{number:08}"), &[("principal", &id)]);
        let receipt = self.founder(with(issue, &[("ttl_ms", Value::Int(7_776_000_000))]))?;
        self.tokens.push(receipt.secret.unwrap_or_default());
        Ok(())
    }

    /// A second administrator, and the capability that takes both.
    fn equip(&mut self) -> Result<(), Diagnostic> {
        let root = Scope::root();
        let role = [("kind", "human"), ("role", "platform_admin")];
        self.founder(Ask::new("principal.register", &root, "ada", &role))?;
        self.founder(Ask::new("principal.activate", &root, "ada", &[]))?;
        let id = PrincipalId::parse("ada").map_err(|error| Diagnostic::usage(error.to_string()))?;
        let path = self.subject.paths.keys.join("ada.key");
        let (public, proof) = proof(self.subject.ledger.origin(), &id, &generate(&id, &path)?)?;
        let ada = read_key(&path)?;
        let Who::Key(_, key) = &ada else { return Err(Diagnostic::usage("no key".to_owned())) };
        let members = [("principal", "ada"), ("public", public.as_str()), ("proof", proof.as_str())];
        self.founder(Ask::new("key.enrol", &root, &key.public().id().entity(), &members))?;
        let register = Ask::new("capability.register", &root, "service.status", &[("risk", "low")]);
        let register = with(register, &[("grant", Value::Bool(true))]);
        for step in [register, Ask::new("capability.enable", &root, "service.status", &[])] {
            let held = ask(&self.subject.ledger, &self.subject.founder, step.clone())?;
            let hold = held.hold.unwrap_or_default();
            must(&self.subject.ledger, &ada, Ask::new("hold.approve", &root, &hold, &[]))?;
            self.founder(step)?;
        }
        Ok(())
    }

    fn promote(&self, number: u64) -> Result<(), Diagnostic> {
        let (id, here) = (worker(number), self.here());
        self.founder(Ask::new("worker.promote", here, &id, &[("trust", "standard")]))?;
        let capabilities = ("capabilities", one("service.status"));
        let declare = Ask::new("worker.declare", here, &id, &[("locality", "onsite")]);
        self.as_worker(number, with(declare, &[capabilities.clone(), ("redaction", Value::Bool(true))]))?;
        let assign = Ask::new("worker.assign", here, &id, &[("to", here.as_str())]);
        self.founder(with(assign, &[capabilities]))?;
        let report = Ask::new("worker.report", here, &id, &[("health", "healthy")]);
        self.as_worker(number, with(report, &[("ttl_ms", Value::Int(86_400_000))]))?;
        Ok(())
    }

    fn hand_out(&self, caller: u64) -> Result<(), Diagnostic> {
        let (id, here, by) = (job(caller), self.here(), worker(caller));
        let ttl = ("ttl_ms", Value::Int(3_600_000));
        let what = [("capability", "service.status"), ("mode", "worker_stub_execution")];
        self.founder(with(Ask::new("job.submit", here, &id, &what), std::slice::from_ref(&ttl)))?;
        self.as_worker(caller, with(Ask::new("claim.acquire", here, &id, &[]), std::slice::from_ref(&ttl)))?;
        let members =
            [("job", id.as_str()), ("reference", REFERENCE), ("use", "service.status"), ("worker", &by)];
        self.founder(with(Ask::new("grant.issue", here, &grant(caller), &members), &[ttl]))?;
        Ok(())
    }

    /// What a caller asks next: it renews its claim, opens a lease, closes it, and so on.
    fn request(&mut self, caller: u64, turn: u64) -> Result<Request, Diagnostic> {
        let (fence, ttl) = (("fence", Value::Int(1)), ("ttl_ms", Value::Int(60_000)));
        let lease = format!("lease-{caller}-{}", turn / 3);
        let (action, id, args) = match turn % 3 {
            0 => ("claim.renew", job(caller), vec![fence, ttl]),
            1 => {
                let grant = Value::from(grant(caller).as_str());
                let job = Value::from(job(caller).as_str());
                let under = [("grant", grant), ("job", job), ("reference", Value::from(REFERENCE))];
                let mut args = vec![fence, ttl, ("use", Value::from("service.status"))];
                args.extend(under);
                ("lease.open", lease, args)
            }
            _ => ("lease.close", lease, Vec::new()),
        };
        let args = args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let key = IdempotencyKey::parse(&hex(&self.entropy.take::<16>()?))
            .map_err(|error| Error::new(Code::Internal, error.to_string()))?;
        let (scope, salt) = (self.here().clone(), self.entropy.take()?);
        let mut request =
            new_request(action, &scope, Some(&id), "bench.example", Value::Object(args), key, salt)?;
        let at = usize::try_from(caller % WORKERS).unwrap_or(0);
        request.credential = Credential::Token(self.tokens.get(at).cloned().unwrap_or_default());
        Ok(request)
    }
}

/// Gate, decision, seal and durable answer, for few and many callers.
pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Diagnostic> {
    let figure = |callers: u64| {
        let name = format!("decide.{callers}");
        let each = (bench.entries.min(20_000) / callers.max(8)).max(6);
        let mut office = Office::open(bench, &name, callers)?;
        let mut work: Work = Vec::new();
        for caller in 0..callers {
            work.push((0..each).map(|turn| office.request(caller, turn)).collect::<Result<_, _>>()?);
        }
        let what = "claims renewed, leases opened and closed";
        together(
            bench,
            &office.subject,
            &name,
            work,
            &format!("{callers} threads, {each} calls each: {what}"),
        )
    };
    [1, 16, 64, 256].into_iter().map(figure).collect()
}
