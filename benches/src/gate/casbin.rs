//! How fast does casbin answer? One policy line for each grant, and the cheapest comparison first.

use super::Done;
use super::candidate::Gate;
use super::request::Request;
use super::world::{Named, World};
use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};

/// Values of a policy are strings: instants have ten digits, so that they compare as numbers do; scopes end in a slash,
/// so that `keyMatch` respects segments.
const MODEL: &str = r#"
[request_definition]
r = agent, capability, resource, grant, scope, at

[policy_definition]
p = agent, capability, resource, grant, scope, expires

[role_definition]
g = _, _

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.grant == p.grant && r.agent == p.agent && r.capability == p.capability && r.resource == p.resource && r.at < p.expires && keyMatch(r.scope, p.scope) && g(r.agent, "active") && g(r.capability, "enabled")
"#;

/// An enforcer with all grants.
pub(crate) struct Casbin {
    enforcer: Enforcer,
    grants: usize,
}

impl Casbin {
    pub(crate) fn new(world: &World) -> Done<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(Self { enforcer: runtime.block_on(enforcer(world))?, grants: world.grants.len() })
    }
}

async fn enforcer(world: &World) -> Done<Enforcer> {
    let model = DefaultModel::from_str(MODEL).await?;
    let mut enforcer = Enforcer::new(model, MemoryAdapter::default()).await?;
    let lines = world.grants.iter().map(|grant| {
        vec![
            grant.agent.clone(),
            grant.capability.clone(),
            grant.resource.clone(),
            grant.id.clone(),
            format!("{}/*", grant.scope),
            format!("{:010}", grant.expires),
        ]
    });
    enforcer.add_policies(lines.collect()).await?;
    let roles = |all: &[Named], role: &str| -> Vec<Vec<String>> {
        all.iter().filter(|one| one.live).map(|one| vec![one.name.clone(), role.to_owned()]).collect()
    };
    enforcer.add_grouping_policies(roles(&world.agents, "active")).await?;
    enforcer.add_grouping_policies(roles(&world.capabilities, "enabled")).await?;
    Ok(enforcer)
}

impl Gate for Casbin {
    fn name(&self) -> String {
        "casbin".to_owned()
    }

    fn conditions(&self) -> String {
        "casbin 2.20, a policy for each grant, arguments built per call".to_owned()
    }

    fn grants(&self) -> usize {
        self.grants
    }

    fn answer(&mut self, _: usize, request: &Request) -> Done<bool> {
        let arguments = vec![
            request.agent.clone(),
            request.capability.clone(),
            request.resource.clone(),
            request.grant.clone(),
            format!("{}/", request.scope),
            format!("{:010}", request.at),
        ];
        Ok(self.enforcer.enforce(arguments)?)
    }
}
