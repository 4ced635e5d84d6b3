//! What would be the answer? The same gate and the same decision on the published world; nothing is appended. SPEC 8.

use crate::answer::Effect;
use crate::code::Code;
use crate::domains::{self, World};
use crate::door::{self, Answered, Conflict};
use crate::error::Result;
use crate::facts::{self, Sources};
use crate::gate::{self, Found, Request};
use crate::ledger::Ledger;
use crate::looked::with_store;
use serde::Serialize;

/// What the gate and the domain would say now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Whether it would be allowed.
    pub effect: Effect,
    /// The reason, when it would not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The reason in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Every check up to the one that answers, in their order.
    pub checks: Vec<CheckSeen>,
    /// Kinds of the entries that it would leave.
    pub entries: Vec<&'static str>,
    /// How much can go wrong.
    pub risk: &'static str,
    /// Number of entries that it was answered from.
    pub position: u64,
}

/// One check of the constitution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckSeen {
    /// Its name.
    pub name: &'static str,
    /// `pass`, `fail`, `hold`, `approved` or `not_applicable`.
    pub found: &'static str,
}

impl Ledger {
    /// What the answer would be; nothing is appended, no number is consumed, no secret is drawn.
    pub fn preview(&self, request: &Request) -> Result<std::result::Result<Preview, Conflict>> {
        let (now, wall) = (self.now(), self.time.wall());
        let look = |sources: &Sources<'_>, world: &World| {
            let caller = match door::authenticate(world, self.origin(), request, now) {
                Ok(caller) => caller,
                Err(conflict) => return Ok(Err(conflict)),
            };
            let facts = facts::gather(world, request, &caller.principal, None, sources)?;
            let checks = gate::explain(world, &facts, request, &caller, now);
            let checks =
                checks.into_iter().map(|(check, found)| CheckSeen { name: check.name, found: word(&found) });
            let Answered { code, message, drafts } =
                door::answer(world, self.origin(), request, &caller, &facts, &[0; 32], (now, wall));
            // Only a read that is allowed makes nothing happen.
            let effect = drafts.first().map_or(Effect::Allow, |first| domains::outcome(&first.event).0);
            let kind = |draft: &domains::Draft| domains::write_event(&draft.event, &mut Vec::new()).ok();
            Ok(Ok(Preview {
                effect,
                code,
                message,
                checks: checks.collect(),
                entries: drafts.iter().filter_map(kind).collect(),
                risk: domains::risk(world, request).as_str(),
                position: world.position,
            }))
        };
        with_store(&|| self.reader(), |sources| self.look(|world| look(sources, world)))
    }
}

fn word(found: &Found<'_>) -> &'static str {
    match found {
        Found::NotApplicable => "not_applicable",
        Found::Pass => "pass",
        Found::Approved(_) => "approved",
        Found::Fail(_) => "fail",
        Found::Hold(_) => "hold",
    }
}
