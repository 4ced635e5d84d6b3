//! May somebody look? The same gate as for everything else, on the published world; a yes leaves no entry. SPEC 10.23.

use crate::code::Code;
use crate::domains::World;
use crate::domains::door::minute_of;
use crate::door::{self, Conflict};
use crate::error::Result;
use crate::facts::{self, Sources};
use crate::format::encoding::hex;
use crate::format::hash::IDEMPOTENCY;
use crate::format::ids::{IdempotencyKey, Scope};
use crate::gate::{self, Request, Role, Verdict};
use crate::ledger::Ledger;
use crate::looked::with_store;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// What a request to look at something is answered.
#[derive(Debug)]
pub enum Admission {
    /// The caller may look.
    Yes(Viewer),
    /// It may not.
    No {
        /// The stable code.
        code: Code,
        /// The reason in a sentence.
        message: String,
        /// Whether the denial is to be recorded: the request, as it is now, is to be submitted before it is answered.
        record: bool,
    },
    /// It was not found out who asks.
    Conflict(Conflict),
}

/// Somebody who may look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// The principal.
    pub principal: String,
    /// The token that it came with.
    pub session: Option<String>,
    /// Its first role.
    pub role: Role,
    /// How far its authority goes.
    pub authority: Scope,
    /// The instant at which it was found that it may.
    pub now: i64,
    /// Entries that this was found from.
    pub position: u64,
}

/// Denied reads of the running minute: by principal and route.
#[derive(Debug, Default)]
pub(crate) struct DeniedReads(Mutex<(i64, HashSet<(String, String)>)>);

impl DeniedReads {
    /// Most that are kept; what is beyond is not recorded in this minute.
    const MAX: usize = 65_536;

    /// Whether this is the first of its principal and route in this minute.
    fn is_first(&self, principal: &str, route: String, minute: i64) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 != minute {
            *state = (minute, HashSet::new());
        }
        state.1.len() < Self::MAX && state.1.insert((principal.to_owned(), route))
    }
}

impl Ledger {
    /// Whether somebody may look. Nothing is appended; a denial that is to be recorded gives the request the
    /// idempotency key of its principal, route and minute, and is then the caller's to submit.
    pub fn admit(&self, request: &mut Request) -> Result<Admission> {
        let now = self.now();
        let (caller, found) = {
            let look = |sources: &Sources<'_>, world: &World| -> Result<_> {
                let caller = match door::authenticate(world, self.origin(), request, now) {
                    Ok(caller) => caller,
                    Err(conflict) => return Ok(Err(conflict)),
                };
                // A read names nothing that could have ended but its scope.
                let ended = |kind: &str, id: &str| match world.scope_is_open(&request.scope) {
                    true => Ok(None),
                    false => (sources.ended)(kind, id),
                };
                let sources = Sources { ended: &ended, part: &|_, _| Ok(None) };
                let facts = facts::gather(world, request, &caller.principal, None, &sources)?;
                let found = match gate::evaluate(world, &facts, request, &caller, now) {
                    Verdict::Allow(_) => {
                        let Some(principal) = world.principals.get(&caller.principal) else {
                            let text = "the ledger's own principal does not read".to_owned();
                            return Ok(Err(Conflict { code: Code::Unauthenticated, message: text }));
                        };
                        Ok(Viewer {
                            principal: caller.principal.clone(),
                            session: caller.session.clone(),
                            role: principal.role,
                            authority: gate::within(world, &caller, &principal.scope).clone(),
                            now,
                            position: world.position,
                        })
                    }
                    Verdict::Deny(denial) => Err((denial.code, denial.to_string())),
                    Verdict::Hold(_) => Err((Code::ConfirmationRequired, "reads are not held".to_owned())),
                };
                Ok(Ok((caller, found)))
            };
            // The disk is read while nobody waits for the world.
            let looked = with_store(&|| self.reader(), |sources| self.look(|world| look(sources, world)))?;
            match looked {
                Ok(looked) => looked,
                Err(conflict) => return Ok(Admission::Conflict(conflict)),
            }
        };
        let (code, message) = match found {
            Ok(viewer) => return Ok(Admission::Yes(viewer)),
            Err(no) => no,
        };
        let (minute, route) = (minute_of(now), format!("{} {}", request.spec.id, request.id));
        let digest = IDEMPOTENCY.digest(format!("{} {route} {minute}", caller.principal).as_bytes());
        if let Ok(key) = IdempotencyKey::parse(&hex(&digest.0)) {
            request.key = key;
        }
        let record = request.spec.is_read() && self.denied.is_first(&caller.principal, route, minute);
        Ok(Admission::No { code, message, record })
    }

    /// Every action that a principal's roles allow, wherever its authority goes; in the order of SPEC 9.
    pub fn abilities(&self, principal: &str) -> Vec<&'static str> {
        let now = self.now();
        self.look(|world| gate::abilities(world, principal, now))
    }
}
