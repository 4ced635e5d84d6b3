//! How do capability scopes answer? One for each agent, found by its name, with the grants of that agent.

use super::Done;
use super::candidate::Gate;
use super::request::{Denial, Request};
use super::world::World;
use agentmesh::{CapabilityGrant, CapabilityScope};
use std::collections::HashMap;

/// A capability is matched by its segments between colons, so that grant and scope go into its name. The map is the
/// host's: the crate's own registry has no way to deny or revoke. A grant expires by the machine's clock, at no other
/// instant.
pub(crate) struct Scopes {
    agents: HashMap<String, CapabilityScope>,
    grants: usize,
}

fn capability(capability: &str, grant: &str, scope: &str) -> String {
    format!("{capability}:{grant}{}", scope.replace('/', ":"))
}

impl Scopes {
    pub(crate) fn new(world: &World) -> Done<Self> {
        let mut agents: HashMap<String, CapabilityScope> = world
            .agents
            .iter()
            .map(|agent| (agent.name.clone(), CapabilityScope::new(&agent.name)))
            .collect();
        for grant in &world.grants {
            let name = capability(&grant.capability, &grant.id, &grant.scope);
            let mut made =
                CapabilityGrant::create(&name, &grant.agent, "registrar", vec![grant.resource.clone()])?;
            made.expires_at_secs = Some(u64::MAX);
            agents.get_mut(&grant.agent).ok_or("a grant of nobody")?.add_grant(made)?;
        }
        for scope in agents.values_mut() {
            for off in world.capabilities.iter().filter(|one| !one.live) {
                scope.deny(&off.name);
            }
        }
        for off in world.agents.iter().filter(|agent| !agent.live) {
            agents.get_mut(&off.name).ok_or("no such agent")?.revoke_all();
        }
        Ok(Self { agents, grants: world.grants.len() })
    }
}

impl Gate for Scopes {
    fn name(&self) -> String {
        "agentmesh-scopes".to_owned()
    }

    fn conditions(&self) -> String {
        "agentmesh 4.0, a `CapabilityScope` for each agent in a map of ours, name built per call, no instant"
            .to_owned()
    }

    fn grants(&self) -> usize {
        self.grants
    }

    fn lacks(&self) -> &'static [Denial] {
        &[Denial::Expired]
    }

    fn answer(&mut self, _: usize, request: &Request) -> Done<bool> {
        let name = capability(&request.capability, &request.grant, &request.scope);
        let scope = self.agents.get(&request.agent);
        Ok(scope.is_some_and(|scope| scope.has_capability(&name, Some(&request.resource))))
    }
}
