//! How does the Rego evaluator answer? One rule, and the records that it needs looked up by the host for each call.

use super::Done;
use super::candidate::Gate;
use super::request::Request;
use super::world::{Grant, World};
use agentmesh::OPAEvaluator;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The evaluator takes no data beside policy and input, so that the host has to join the grant before it asks.
const POLICY: &str = r#"
package gate
import rego.v1

allow if {
    input.record.agent == input.agent
    input.record.capability == input.capability
    input.record.resource == input.resource
    startswith(input.scope, input.record.scope)
    input.at < input.record.expires
    input.active
    input.enabled
}
"#;

/// The evaluator, and what the host looks up for it.
pub(crate) struct Rego {
    evaluator: OPAEvaluator,
    agents: HashMap<String, bool>,
    capabilities: HashMap<String, bool>,
    grants: HashMap<String, Grant>,
}

impl Rego {
    pub(crate) fn new(world: &World) -> Done<Self> {
        let evaluator = OPAEvaluator::new(POLICY);
        if let Some(found) = evaluator.diagnostics().first() {
            return Err(format!("{}: {}", found.message, found.expression).into());
        }
        Ok(Self {
            evaluator,
            agents: world.agents.iter().map(|one| (one.name.clone(), one.live)).collect(),
            capabilities: world.capabilities.iter().map(|one| (one.name.clone(), one.live)).collect(),
            grants: world.grants.iter().map(|grant| (grant.id.clone(), grant.clone())).collect(),
        })
    }

    fn record(&self, id: &str) -> Value {
        self.grants.get(id).map_or(Value::Null, |grant| {
            json!({
                "agent": grant.agent,
                "capability": grant.capability,
                "resource": grant.resource,
                "scope": format!("{}/", grant.scope),
                "expires": grant.expires,
            })
        })
    }
}

impl Gate for Rego {
    fn name(&self) -> String {
        "agentmesh-rego".to_owned()
    }

    fn conditions(&self) -> String {
        "agentmesh 4.0, `OPAEvaluator`, the grant looked up by the host and joined to the input".to_owned()
    }

    fn grants(&self) -> usize {
        self.grants.len()
    }

    fn answer(&mut self, _: usize, request: &Request) -> Done<bool> {
        let live = |all: &HashMap<String, bool>, name: &str| Value::Bool(all.get(name) == Some(&true));
        let input = HashMap::from(
            [
                ("agent", Value::String(request.agent.clone())),
                ("capability", Value::String(request.capability.clone())),
                ("resource", Value::String(request.resource.clone())),
                ("scope", Value::String(format!("{}/", request.scope))),
                ("at", Value::from(request.at)),
                ("record", self.record(&request.grant)),
                ("active", live(&self.agents, &request.agent)),
                ("enabled", live(&self.capabilities, &request.capability)),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        );
        Ok(self.evaluator.evaluate(&input).allow)
    }
}
