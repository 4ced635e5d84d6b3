//! What is the limit? A hand-written gate that answers this one question and no other.

use super::Done;
use super::candidate::Gate;
use super::request::{Denial, Request};
use super::world::{Named, World, within};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Folds words of eight bytes by multiplication: quick, and no protection against chosen keys.
#[derive(Debug, Default, Clone)]
struct Quick(u64);

impl Quick {
    fn fold(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.fold(u64::from_le_bytes(last));
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

type Map<K, V> = HashMap<K, V, BuildHasherDefault<Quick>>;

/// An identifier of at most 32 bytes, kept where it is compared.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Id([u8; 32]);

impl Id {
    fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self(bytes))
    }
}

/// A grant by the numbers of what it names.
#[derive(Debug)]
struct Known {
    agent: u32,
    capability: u32,
    resource: u32,
    scope: u32,
    expires: u64,
}

/// A hand-written hash-map gate.
#[derive(Debug)]
pub(crate) struct Floor {
    /// Number, and whether it may be used.
    agents: Map<Box<str>, (u32, bool)>,
    capabilities: Map<Box<str>, (u32, bool)>,
    resources: Map<Box<str>, u32>,
    scopes: Vec<Box<str>>,
    grants: Map<Id, Known>,
}

fn numbered(all: &[Named]) -> Map<Box<str>, (u32, bool)> {
    (0..).zip(all).map(|(n, one)| (one.name.as_str().into(), (n, one.live))).collect()
}

impl Floor {
    pub(crate) fn new(world: &World) -> Done<Self> {
        let (agents, capabilities) = (numbered(&world.agents), numbered(&world.capabilities));
        let resources: Map<Box<str>, u32> =
            (0..).zip(&world.resources).map(|(n, name)| (name.as_str().into(), n)).collect();
        let mut grants = Map::default();
        for grant in &world.grants {
            let scope = world.scopes.iter().position(|scope| *scope == grant.scope);
            let known = Known {
                agent: agents.get(grant.agent.as_str()).ok_or("a grant of nobody")?.0,
                capability: capabilities.get(grant.capability.as_str()).ok_or("a grant of nothing")?.0,
                resource: *resources.get(grant.resource.as_str()).ok_or("a grant on nothing")?,
                scope: u32::try_from(scope.ok_or("a grant nowhere")?)?,
                expires: grant.expires,
            };
            grants.insert(Id::new(&grant.id).ok_or("an identifier is too long")?, known);
        }
        let scopes = world.scopes.iter().map(|scope| scope.as_str().into()).collect();
        Ok(Self { agents, capabilities, resources, scopes, grants })
    }

    /// The reason for a denial, or nothing.
    fn evaluate(&self, request: &Request) -> Option<Denial> {
        let Some(&(agent, true)) = self.agents.get(request.agent.as_str()) else {
            return Some(Denial::SuspendedAgent);
        };
        let Some(&(capability, true)) = self.capabilities.get(request.capability.as_str()) else {
            return Some(Denial::DisabledCapability);
        };
        let Some(grant) = Id::new(&request.grant).and_then(|id| self.grants.get(&id)) else {
            return Some(Denial::UnknownGrant);
        };
        if grant.agent != agent {
            return Some(Denial::ForeignAgent);
        }
        if grant.capability != capability {
            return Some(Denial::WrongCapability);
        }
        if self.resources.get(request.resource.as_str()) != Some(&grant.resource) {
            return Some(Denial::WrongResource);
        }
        let within = self.scopes.get(grant.scope as usize).is_some_and(|root| within(&request.scope, root));
        if !within {
            return Some(Denial::ForeignScope);
        }
        (request.at >= grant.expires).then_some(Denial::Expired)
    }
}

impl Gate for Floor {
    fn name(&self) -> String {
        super::report::FLOOR.to_owned()
    }

    fn conditions(&self) -> String {
        "a hand-written hash-map gate: the limit; answers this one question, with a reason, from borrowed strings"
            .to_owned()
    }

    fn grants(&self) -> usize {
        self.grants.len()
    }

    fn answer(&mut self, _: usize, request: &Request) -> Done<bool> {
        Ok(self.evaluate(request).is_none())
    }
}
