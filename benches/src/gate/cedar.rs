//! How fast does Cedar answer? One policy, and the grants as entities.

use super::Done;
use super::candidate::Gate;
use super::request::{Asked, Request};
use super::world::{Named, World};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet,
    Request as Call, RestrictedExpression,
};
use std::collections::{HashMap, HashSet};

/// Cedar compares no string with a pattern out of data, so that scopes are entities and `in` follows their parents.
const POLICY: &str = r#"
permit (principal in Status::"active", action in Action::"enabled", resource)
when {
    context.grant has agent &&
    context.grant.agent == principal &&
    context.grant.capability == action &&
    context.grant.resource == resource &&
    context.at < context.grant.expires &&
    context.scope in context.grant.scope
};
"#;

/// The types of entities, parsed once.
#[derive(Debug)]
struct Types {
    agent: EntityTypeName,
    action: EntityTypeName,
    resource: EntityTypeName,
    grant: EntityTypeName,
    scope: EntityTypeName,
    status: EntityTypeName,
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

impl Types {
    fn new() -> Done<Self> {
        Ok(Self {
            agent: "Agent".parse()?,
            action: "Action".parse()?,
            resource: "Resource".parse()?,
            grant: "Grant".parse()?,
            scope: "Scope".parse()?,
            status: "Status".parse()?,
        })
    }

    /// A call of the request's strings.
    fn call(&self, request: &Request) -> Done<Call> {
        let entity = |kind, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
        let context = Context::from_pairs([
            ("grant".to_owned(), entity(&self.grant, &request.grant)),
            ("scope".to_owned(), entity(&self.scope, &request.scope)),
            ("at".to_owned(), RestrictedExpression::new_long(i64::try_from(request.at)?)),
        ])?;
        let principal = uid(&self.agent, &request.agent);
        let (action, resource) =
            (uid(&self.action, &request.capability), uid(&self.resource, &request.resource));
        Ok(Call::new(principal, action, resource, context, None)?)
    }

    /// The world as entities.
    fn entities(&self, world: &World) -> Done<Entities> {
        let members = |kind, all: &[Named], group: &EntityUid| -> Vec<Entity> {
            let parents = |one: &Named| one.live.then(|| group.clone()).into_iter().collect::<HashSet<_>>();
            all.iter().map(|one| Entity::new_no_attrs(uid(kind, &one.name), parents(one))).collect()
        };
        let mut all = members(&self.agent, &world.agents, &uid(&self.status, "active"));
        all.extend(members(&self.action, &world.capabilities, &uid(&self.action, "enabled")));
        let alone = |uid| Entity::new_no_attrs(uid, HashSet::new());
        all.extend([uid(&self.status, "active"), uid(&self.action, "enabled")].map(alone));
        all.extend(world.resources.iter().map(|name| alone(uid(&self.resource, name))));
        for scope in &world.scopes {
            let above = scope.rsplit_once('/').map_or("", |(above, _)| above);
            let parents =
                world.scopes.iter().filter(|other| *other == above).map(|name| uid(&self.scope, name));
            all.push(Entity::new_no_attrs(uid(&self.scope, scope), parents.collect()));
        }
        for grant in &world.grants {
            let entity = |kind, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
            let attributes = HashMap::from([
                ("agent".to_owned(), entity(&self.agent, &grant.agent)),
                ("capability".to_owned(), entity(&self.action, &grant.capability)),
                ("resource".to_owned(), entity(&self.resource, &grant.resource)),
                ("scope".to_owned(), entity(&self.scope, &grant.scope)),
                ("expires".to_owned(), RestrictedExpression::new_long(i64::try_from(grant.expires)?)),
            ]);
            all.push(Entity::new(uid(&self.grant, &grant.id), attributes, HashSet::new())?);
        }
        Ok(Entities::from_entities(all, None)?)
    }
}

/// One way to ask Cedar.
#[derive(Debug)]
pub(crate) struct Cedar {
    types: Types,
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    grants: usize,
    prebuilt: Option<Vec<Call>>,
}

impl Cedar {
    pub(crate) fn new(world: &World) -> Done<Self> {
        let types = Types::new()?;
        Ok(Self {
            authorizer: Authorizer::new(),
            policies: POLICY.parse()?,
            entities: types.entities(world)?,
            types,
            grants: world.grants.len(),
            prebuilt: None,
        })
    }

    /// The same with calls made before the clock starts.
    pub(crate) fn prebuilt(world: &World) -> Done<Self> {
        Ok(Self { prebuilt: Some(Vec::new()), ..Self::new(world)? })
    }

    fn decide(&self, call: &Call) -> bool {
        self.authorizer.is_authorized(call, &self.policies, &self.entities).decision() == Decision::Allow
    }
}

impl Gate for Cedar {
    fn name(&self) -> String {
        if self.prebuilt.is_some() { "cedar-prebuilt" } else { "cedar" }.to_owned()
    }

    fn conditions(&self) -> String {
        let call = if self.prebuilt.is_some() { "prebuilt" } else { "built per call" };
        format!("cedar-policy {}, one policy and entities, request {call}", cedar_policy::get_sdk_version())
    }

    fn grants(&self) -> usize {
        self.grants
    }

    fn prepare(&mut self, asked: &[Asked]) -> Done<()> {
        if let Some(prebuilt) = &mut self.prebuilt {
            *prebuilt = asked.iter().map(|one| self.types.call(&one.request)).collect::<Done<_>>()?;
        }
        Ok(())
    }

    fn answer(&mut self, nth: usize, request: &Request) -> Done<bool> {
        match &self.prebuilt {
            Some(prebuilt) => Ok(self.decide(prebuilt.get(nth).ok_or("no such call")?)),
            None => Ok(self.decide(&self.types.call(request)?)),
        }
    }
}
