//! What is the right answer? Six comparisons after three look-ups, written to be read and not to be fast.

use super::Done;
use super::request::{Asked, Denial, Request};
use super::world::{Grant, World, within};
use std::collections::HashMap;

/// The world by names.
#[derive(Debug)]
pub(crate) struct Reference<'a> {
    agents: HashMap<&'a str, bool>,
    capabilities: HashMap<&'a str, bool>,
    grants: HashMap<&'a str, &'a Grant>,
}

impl<'a> Reference<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Self {
            agents: world.agents.iter().map(|agent| (agent.name.as_str(), agent.live)).collect(),
            capabilities: world.capabilities.iter().map(|one| (one.name.as_str(), one.live)).collect(),
            grants: world.grants.iter().map(|grant| (grant.id.as_str(), grant)).collect(),
        }
    }

    /// Nothing when the request is to be allowed.
    pub(crate) fn answer(&self, request: &Request) -> Option<Denial> {
        if self.agents.get(request.agent.as_str()) != Some(&true) {
            return Some(Denial::SuspendedAgent);
        }
        if self.capabilities.get(request.capability.as_str()) != Some(&true) {
            return Some(Denial::DisabledCapability);
        }
        let Some(grant) = self.grants.get(request.grant.as_str()) else {
            return Some(Denial::UnknownGrant);
        };
        if grant.agent != request.agent {
            return Some(Denial::ForeignAgent);
        }
        if grant.capability != request.capability {
            return Some(Denial::WrongCapability);
        }
        if grant.resource != request.resource {
            return Some(Denial::WrongResource);
        }
        if !within(&request.scope, &grant.scope) {
            return Some(Denial::ForeignScope);
        }
        (request.at >= grant.expires).then_some(Denial::Expired)
    }

    /// Refuses requests that were not made as they were meant.
    pub(crate) fn check(&self, all: &[Asked]) -> Done<()> {
        match all.iter().find(|asked| self.answer(&asked.request) != asked.denial) {
            None => Ok(()),
            Some(asked) => Err(format!("{asked:?}, but the reference says otherwise").into()),
        }
    }
}
