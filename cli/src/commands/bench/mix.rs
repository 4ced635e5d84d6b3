//! Which decisions are decided again in a measurement? A day of governed work: host keys seen, changed and reviewed, noes of the
//! gate and of the domain, and jobs from their submission to their result.

use super::subject::Bench;
use crate::client::{Ask, Who, build, must, read_key};
use crate::commands::init::{Plan, create};
use crate::diagnostic::Diagnostic;
use chancery_ledger::domains::ledger::{Form, Stage};
use chancery_ledger::format::encoding::base64_unpadded;
use chancery_ledger::format::ids::{LogName, PrincipalId, Scope};
use chancery_ledger::format::json::Value;
use chancery_ledger::gate::Request;
use chancery_ledger::store::Paths;
use chancery_ledger::{Answer, Bounds, Clock, Code, Error, Ledger, Options, Tracer};
use std::collections::BTreeMap;
use std::sync::mpsc;

/// Requests of one round.
pub(super) const ROUND: u64 = 16;
/// Rounds of one batch.
const ROUNDS: u64 = 64;
/// Hosts that keep their key, and hosts that change it.
const HOSTS: (u64, u64) = (1000, 100);
/// What a worker says of a job that it went through the motions of.
const EVIDENCE: &str = r#"{"capability":"probe","mode":"worker_stub_execution","network_opened":false,"stopped_at":"before_execution"}"#;
const MODE: &str = "worker_stub_execution";

/// A ledger that is filled with rounds.
struct Mix {
    ledger: Ledger,
    clock: Clock,
    scope: Scope,
    tokens: BTreeMap<&'static str, Who>,
    next: u64,
}

fn usage(error: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::usage(error.to_string())
}

fn int(number: i64) -> Value {
    Value::Int(number)
}

fn list(text: &str) -> Value {
    Value::List(vec![Value::from(text)])
}

fn fingerprint(host: u64, turn: u64) -> Value {
    let mut digest = [5u8; 32];
    digest[..8].copy_from_slice(&host.to_be_bytes());
    digest[8..16].copy_from_slice(&turn.to_be_bytes());
    Value::Text(format!("SHA256:{}", base64_unpadded(&digest)))
}

/// A ledger of at least `bench.entries` entries, closed, and the number of requests that it answers.
pub(super) fn filled(bench: &Bench, name: &str) -> Result<Paths, Diagnostic> {
    let paths = bench.paths(name);
    let mut mix = Mix::begin(&paths)?;
    let mut batch = 0u64;
    while mix.ledger.look(|world| world.position) < bench.entries {
        // Noes of one principal are recorded up to a number in each minute, and a worker's word lasts a day.
        mix.clock.advance(60_000, 60_000);
        if batch.is_multiple_of(1000) {
            let health = vec![("health", Value::from("healthy")), ("ttl_ms", int(86_400_000))];
            must(&mix.ledger, mix.who("wes"), Ask::with("worker.report", &mix.scope, "wes", health))?;
        }
        mix.batch()?;
        batch += 1;
    }
    mix.ledger.close()?;
    Ok(paths)
}

impl Mix {
    fn begin(paths: &Paths) -> Result<Self, Diagnostic> {
        let plan = Plan {
            name: LogName::parse("bench.example").map_err(usage)?,
            stage: Stage::Test,
            form: Form::Heads,
            administrator: PrincipalId::parse("founder").map_err(usage)?,
            max_silence_ms: None,
        };
        create(paths, &plan)?.close()?;
        // Time passes as fast as requests are made, so that a year of days fits into a measurement.
        let clock = Clock::manual(Clock::system().wall());
        let options = Options {
            paths: paths.clone(),
            clock: clock.clone(),
            trace: Tracer::default(),
            bounds: Bounds::default(),
        };
        let ledger = Ledger::open(options, &mut |_, _| ())?;
        let founder = read_key(&paths.keys.join("founder.key"))?;
        let scope = Scope::root().child("acme").unwrap_or_else(Scope::root);
        let mut mix = Self { ledger, clock, scope, tokens: BTreeMap::new(), next: 0 };
        mix.people(&founder)?;
        mix.worker(&founder)?;
        Ok(mix)
    }

    fn who(&self, name: &str) -> &Who {
        const NOBODY: &Who = &Who::Token(String::new());
        self.tokens.get(name).unwrap_or(NOBODY)
    }

    fn people(&mut self, founder: &Who) -> Result<(), Diagnostic> {
        let (root, acme) = (Scope::root(), self.scope.clone());
        let ledger = &self.ledger;
        must(ledger, founder, Ask::new("scope.create", &root, "acme", &[]))?;
        let people = [
            ("ada", &root, "human", "platform_admin"),
            ("otto", &acme, "human", "msp_operator"),
            ("scout", &acme, "service", "service"),
            ("wes", &acme, "worker", "worker"),
        ];
        for (at, (name, scope, kind, role)) in people.into_iter().enumerate() {
            let members = [("kind", kind), ("role", role)];
            must(ledger, founder, Ask::new("principal.register", scope, name, &members))?;
            let activator = self.tokens.get("ada").unwrap_or(founder);
            must(ledger, activator, Ask::new("principal.activate", scope, name, &[]))?;
            let members = vec![("principal", Value::from(name)), ("ttl_ms", int(7_776_000_000))];
            let issue = Ask::with("token.issue", scope, &format!("bench{at:07}"), members);
            let secret = must(ledger, founder, issue)?.secret.unwrap_or_default();
            self.tokens.insert(name, Who::Token(secret));
        }
        Ok(())
    }

    /// What a second principal confirms is asked for twice, under one key.
    fn confirmed(&self, founder: &Who, mut ask: Ask) -> Result<(), Diagnostic> {
        let first = build(&self.ledger, founder, ask.clone())?;
        ask.key = Some(first.key.clone());
        let Answer::Receipt(held) = self.ledger.submit(first) else {
            return Err(Error::new(Code::Internal, "a hold was not answered").into());
        };
        let hold = held.hold.unwrap_or_default();
        must(&self.ledger, self.who("ada"), Ask::new("hold.approve", &ask.scope, &hold, &[]))?;
        must(&self.ledger, founder, ask).map(drop)
    }

    fn worker(&self, founder: &Who) -> Result<(), Diagnostic> {
        let (root, acme) = (Scope::root(), &self.scope);
        self.confirmed(founder, Ask::new("capability.register", &root, "probe", &[("risk", "low")]))?;
        self.confirmed(founder, Ask::new("capability.enable", acme, "probe", &[]))?;
        must(&self.ledger, founder, Ask::new("worker.promote", acme, "wes", &[("trust", "standard")]))?;
        let declared = vec![
            ("capabilities", list("probe")),
            ("locality", Value::from("onsite")),
            ("redaction", Value::Bool(true)),
        ];
        must(&self.ledger, self.who("wes"), Ask::with("worker.declare", acme, "wes", declared))?;
        let assigned = vec![("capabilities", list("probe")), ("to", Value::from(acme.as_str()))];
        must(&self.ledger, founder, Ask::with("worker.assign", acme, "wes", assigned)).map(drop)
    }

    fn ask(
        &self,
        who: &str,
        action: &str,
        id: &str,
        args: Vec<(&str, Value)>,
    ) -> Result<Request, Diagnostic> {
        build(&self.ledger, self.who(who), Ask::with(action, &self.scope, id, args))
    }

    /// Sixteen requests: eleven about host keys, five about a job.
    fn round(&mut self) -> Result<Vec<Request>, Diagnostic> {
        let n = self.next;
        self.next += 1;
        let mut requests = Vec::new();
        let host = |n: u64| format!("ssh-ed25519:host-{n}.example:22");
        let seen = |print| vec![("fingerprint", print), ("source", Value::from("known_hosts"))];
        for i in 0..7 {
            let at = (n * 7 + i) % HOSTS.0;
            requests.push(self.ask("scout", "host_key.observe", &host(at), seen(fingerprint(at, 0)))?);
        }
        let (moving, turn) = (HOSTS.0 + n % HOSTS.1, n / HOSTS.1);
        let changed = || fingerprint(moving, turn);
        let named = |print| vec![("fingerprint", print)];
        requests.push(self.ask("scout", "host_key.observe", &host(moving), seen(changed()))?);
        requests.push(self.ask("scout", "host_key.verify", &host(moving), named(changed()))?);
        requests.push(self.ask(
            "otto",
            "host_key.verify",
            &host(moving),
            named(fingerprint(moving, turn + 1)),
        )?);
        requests.push(self.ask("otto", "host_key.verify", &host(moving), named(changed()))?);
        let job = format!("job-{n}");
        let submit = vec![
            ("capability", Value::from("probe")),
            ("mode", Value::from(MODE)),
            ("ttl_ms", int(3_600_000)),
        ];
        requests.push(self.ask("otto", "job.submit", &job, submit)?);
        requests.push(self.ask("wes", "claim.acquire", &job, vec![("ttl_ms", int(600_000))])?);
        requests.push(self.ask("wes", "job.start", &job, vec![("fence", int(1))])?);
        let said =
            vec![("fence", int(1)), ("operator", Value::from("went through the motions")), ("seq", int(1))];
        requests.push(self.ask("wes", "transcript.append", &job, said)?);
        let report = vec![
            ("evidence", Value::from(EVIDENCE)),
            ("fence", int(1)),
            ("outcome", Value::from("succeeded")),
        ];
        requests.push(self.ask("wes", "job.report", &job, report)?);
        Ok(requests)
    }

    /// One batch of rounds, each answered as the mix has it: two noes, and the rest as asked.
    fn batch(&mut self) -> Result<(), Diagnostic> {
        let mut requests = Vec::new();
        for _ in 0..ROUNDS {
            requests.extend(self.round()?);
        }
        let (send, receive) = mpsc::channel();
        let count = requests.len();
        let replies = requests.into_iter().map(|request| {
            let send = send.clone();
            let reply: Box<dyn FnOnce(Answer) + Send> = Box::new(move |answer| {
                let _ = send.send(answer);
            });
            (request, reply)
        });
        self.ledger.submit_all(replies.collect())?;
        let mut noes = 0;
        for _ in 0..count {
            match receive.recv() {
                Ok(Answer::Receipt(receipt)) => noes += u64::from(receipt.code.is_some()),
                Ok(Answer::Conflict(conflict)) => return Err(conflict.into()),
                Ok(Answer::Failed(error)) => return Err(error.into()),
                Err(error) => return Err(Error::new(Code::Stopped, error.to_string()).into()),
            }
        }
        if noes == 2 * ROUNDS {
            return Ok(());
        }
        Err(Error::new(Code::Internal, format!("{noes} noes in a batch that has {}", 2 * ROUNDS)).into())
    }
}
