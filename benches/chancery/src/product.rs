//! How does the product's gate answer? It is asked whether a lease may be opened: the action for which it looks at most.

use super::Done;
use super::candidate::Gate;
use super::folded::{FENCE, LEDGER, job, known, millis, reference};
use super::request::{Asked, Denial, Request};
use super::world::World;
use chancery_ledger::Code;
use chancery_ledger::domains::{Facts, World as Known};
use chancery_ledger::format::ids::{IdempotencyKey, Scope};
use chancery_ledger::format::json::Value;
use chancery_ledger::gate::{Caller, Request as Typed, Verdict, evaluate, new_request};

/// The gate, and its requests where they are made before the clock starts.
pub(crate) struct Product {
    world: Known,
    facts: Facts,
    grants: usize,
    prebuilt: bool,
    ready: Vec<(Typed, Caller)>,
}

/// The request as the product's door makes it of what came over the wire: checked against the action's declaration,
/// searched for secrets, its arguments in canonical form.
fn typed(nth: usize, request: &Request) -> Done<(Typed, Caller)> {
    let text = |name: &str, value: &str| (name.to_owned(), Value::from(value));
    let number = |name: &str, value| (name.to_owned(), Value::Int(value));
    let args = [
        text("grant", &request.grant),
        text("job", &job(&request.grant)),
        text("reference", &reference(&request.resource)),
        text("use", &request.capability),
        number("fence", i64::try_from(FENCE)?),
        number("ttl_ms", 60_000),
    ];
    let (args, scope) = (Value::Object(args.into_iter().collect()), Scope::parse(&request.scope)?);
    let (id, key) = (format!("lease-{nth:06}"), IdempotencyKey::parse(&format!("{nth:016}"))?);
    let made = new_request("lease.open", &scope, Some(&id), LEDGER, args, key, [0; 32]);
    let made = made.map_err(|invalid| format!("{}: {}", invalid.pointer, invalid.message))?;
    Ok((made, Caller::by_key(&request.agent)))
}

/// The code with which the product says this no.
fn code(denial: Denial) -> Code {
    match denial {
        Denial::UnknownGrant => Code::GrantUnknown,
        Denial::ForeignAgent => Code::GrantWorker,
        Denial::WrongCapability => Code::GrantUse,
        Denial::WrongResource => Code::GrantReference,
        Denial::ForeignScope => Code::GrantScope,
        Denial::Expired => Code::GrantExpired,
        Denial::DisabledCapability => Code::CapabilityDisabled,
        Denial::SuspendedAgent => Code::PrincipalNotActive,
    }
}

impl Product {
    pub(crate) fn new(world: &World) -> Done<Self> {
        let (known, grants) = (known(world)?, world.grants.len());
        Ok(Self { world: known, facts: Facts::default(), grants, prebuilt: false, ready: Vec::new() })
    }

    pub(crate) fn prebuilt(world: &World) -> Done<Self> {
        Ok(Self { prebuilt: true, ..Self::new(world)? })
    }

    fn ask(&self, (typed, caller): &(Typed, Caller), at: u64) -> Done<Option<Code>> {
        Ok(match evaluate(&self.world, &self.facts, typed, caller, millis(at)?) {
            Verdict::Allow(_) => None,
            Verdict::Deny(denial) => Some(denial.code),
            Verdict::Hold(_) => Some(Code::ConfirmationRequired),
        })
    }
}

impl Gate for Product {
    fn name(&self) -> String {
        if self.prebuilt { "chancery-prebuilt" } else { "chancery" }.to_owned()
    }

    fn conditions(&self) -> String {
        let input = if self.prebuilt {
            "requests made before"
        } else {
            "request made per call, as the door makes it"
        };
        format!(
            "the product's gate, all checks of its constitution, `lease.open` under a held job; {} grants, one in each \
             scope of a grant's reach; {input}; the code of every no was checked",
            self.world.grants.len()
        )
    }

    fn grants(&self) -> usize {
        self.grants
    }

    /// Whoever answers with the wrong reason is not right, whatever the answer.
    fn prepare(&mut self, asked: &[Asked]) -> Done<()> {
        for (nth, one) in asked.iter().enumerate() {
            let ready = typed(nth, &one.request)?;
            let found = self.ask(&ready, one.request.at)?;
            if found != one.denial.map(code) {
                return Err(format!("{one:?} is answered with {found:?}").into());
            }
            if self.prebuilt {
                self.ready.push(ready);
            }
        }
        Ok(())
    }

    fn answer(&mut self, nth: usize, request: &Request) -> Done<bool> {
        let found = match self.ready.get(nth) {
            Some(ready) => self.ask(ready, request.at)?,
            None => self.ask(&typed(nth, request)?, request.at)?,
        };
        Ok(found.is_none())
    }
}
