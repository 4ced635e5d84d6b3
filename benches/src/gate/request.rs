//! What is every gate asked? Distinct requests in a seeded shuffle, half of them to be denied for one reason each.

use super::Done;
use super::world::{BASE, Grant, Seeded, World, within};
use std::collections::HashSet;

/// Why a request is to be denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    UnknownGrant,
    ForeignAgent,
    WrongCapability,
    WrongResource,
    ForeignScope,
    Expired,
    DisabledCapability,
    SuspendedAgent,
}

impl Denial {
    pub(crate) const ALL: [Self; 8] = [
        Self::UnknownGrant,
        Self::ForeignAgent,
        Self::WrongCapability,
        Self::WrongResource,
        Self::ForeignScope,
        Self::Expired,
        Self::DisabledCapability,
        Self::SuspendedAgent,
    ];
}

/// May `agent` use `capability` on `resource` under `grant` in `scope` at `at`?
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub(crate) agent: String,
    pub(crate) capability: String,
    pub(crate) resource: String,
    pub(crate) grant: String,
    pub(crate) scope: String,
    /// Seconds since 1970.
    pub(crate) at: u64,
}

/// A request and what is expected of it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    /// Nothing when it is to be allowed.
    pub(crate) denial: Option<Denial>,
}

/// Grants that requests are made of.
struct Pools<'a> {
    good: Vec<&'a Grant>,
    disabled: Vec<&'a Grant>,
    suspended: Vec<&'a Grant>,
}

/// `count` distinct requests in a seeded shuffle, each reason as often as the others.
pub(crate) fn requests(world: &World, count: usize) -> Done<Vec<Asked>> {
    let live = |all: &[super::world::Named], name: &str| all.iter().any(|one| one.name == name && one.live);
    let mut pools = Pools { good: Vec::new(), disabled: Vec::new(), suspended: Vec::new() };
    for grant in &world.grants {
        match (live(&world.agents, &grant.agent), live(&world.capabilities, &grant.capability)) {
            (true, true) => pools.good.push(grant),
            (true, false) => pools.disabled.push(grant),
            (false, true) => pools.suspended.push(grant),
            (false, false) => {}
        }
    }
    let (mut seeded, mut seen, mut all) = (Seeded(11), HashSet::new(), Vec::with_capacity(count));
    while all.len() < count {
        let n = all.len();
        let denial = if n % 2 == 0 { None } else { Denial::ALL.get(n / 2 % Denial::ALL.len()).copied() };
        let request =
            made(world, &pools, denial, &mut seeded).ok_or("the world is too small for requests")?;
        if seen.insert(request.clone()) {
            all.push(Asked { request, denial });
        }
    }
    for at in (1..all.len()).rev() {
        all.swap(at, usize::try_from(seeded.below(at as u64 + 1))?);
    }
    Ok(all)
}

/// A request that fails for this reason and no other.
fn made(world: &World, pools: &Pools<'_>, denial: Option<Denial>, seeded: &mut Seeded) -> Option<Request> {
    let pool = match denial {
        Some(Denial::DisabledCapability) => &pools.disabled,
        Some(Denial::SuspendedAgent) => &pools.suspended,
        _ => &pools.good,
    };
    let grant = *seeded.pick(pool)?;
    let below: Vec<&String> = world.scopes.iter().filter(|scope| within(scope, &grant.scope)).collect();
    let mut request = Request {
        agent: grant.agent.clone(),
        capability: grant.capability.clone(),
        resource: grant.resource.clone(),
        grant: grant.id.clone(),
        scope: (*seeded.pick(&below)?).clone(),
        at: BASE + seeded.below(grant.expires - BASE),
    };
    match denial {
        None | Some(Denial::DisabledCapability | Denial::SuspendedAgent) => {}
        Some(Denial::UnknownGrant) => request.grant = format!("gr_{:016x}", seeded.next()),
        Some(Denial::ForeignAgent) => request.agent = pick_live(&world.agents, &grant.agent, seeded)?,
        Some(Denial::WrongCapability) => {
            request.capability = pick_live(&world.capabilities, &grant.capability, seeded)?;
        }
        Some(Denial::WrongResource) => {
            let others: Vec<&String> =
                world.resources.iter().filter(|name| **name != grant.resource).collect();
            request.resource = (*seeded.pick(&others)?).clone();
        }
        Some(Denial::ForeignScope) => request.scope = foreign(world, &grant.scope, seeded)?,
        // the first second without the grant is one of them
        Some(Denial::Expired) => request.at = grant.expires + seeded.below(3) * seeded.below(86_400),
    }
    Some(request)
}

/// Another agent or capability that may be used.
fn pick_live(all: &[super::world::Named], but: &str, seeded: &mut Seeded) -> Option<String> {
    let others: Vec<_> = all.iter().filter(|one| one.live && one.name != but).collect();
    Some(seeded.pick(&others)?.name.clone())
}

/// A scope that is not within `root`: mostly its twin, else the one above it, or any other.
fn foreign(world: &World, root: &str, seeded: &mut Seeded) -> Option<String> {
    let twin = root.strip_suffix('2').map_or_else(|| format!("{root}2"), str::to_owned);
    let above = root.rsplit_once('/').map(|(above, _)| above.to_owned()).filter(|above| !above.is_empty());
    match (seeded.below(4), above) {
        (0 | 1, _) => Some(twin),
        (2, Some(above)) => Some(above),
        _ => {
            let others: Vec<&String> = world.scopes.iter().filter(|scope| !within(scope, root)).collect();
            Some((*seeded.pick(&others)?).clone())
        }
    }
}
