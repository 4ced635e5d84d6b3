//! How does the policy engine answer? One rule for each grant, two rules before them for what is switched off.

use super::Done;
use super::candidate::Gate;
use super::request::{Denial, Request};
use super::world::{Named, World};
use agentmesh::PolicyEngine;
use agentmesh::policy::{PolicyProfile, PolicyRule};
use agentmesh::types::PolicyScope;
use serde_yaml::Value;
use std::collections::HashMap;

/// Conditions of a rule are equalities and memberships, all of which must hold; only the action is a pattern. So the
/// scope goes into the action, where `*` after a slash respects segments. Nothing compares instants.
pub(crate) struct Policy {
    engine: PolicyEngine,
    grants: usize,
}

fn action(capability: &str, scope: &str) -> String {
    format!("{capability}:{scope}/")
}

fn rule(name: &str, conditions: HashMap<String, Value>) -> PolicyRule {
    PolicyRule {
        name: name.to_owned(),
        rule_type: "capability".to_owned(),
        allowed_actions: Vec::new(),
        denied_actions: Vec::new(),
        actions: Vec::new(),
        min_approvals: 0,
        max_calls: 0,
        window: String::new(),
        conditions,
        priority: 0,
        scope: PolicyScope::Global,
    }
}

/// Rules in the order in which the engine tries them; the last denies what no grant allowed.
fn rules(world: &World) -> Vec<PolicyRule> {
    let off = |all: &[Named]| -> Vec<String> {
        all.iter().filter(|one| !one.live).map(|one| one.name.clone()).collect()
    };
    let suspended = Value::Sequence(off(&world.agents).into_iter().map(Value::String).collect());
    let mut agents = rule("suspended", HashMap::from([("agent".to_owned(), suspended)]));
    agents.denied_actions = vec!["*".to_owned()];
    let mut capabilities = rule("disabled", HashMap::new());
    capabilities.denied_actions = off(&world.capabilities).iter().map(|name| format!("{name}:*")).collect();
    let mut all = vec![agents, capabilities];
    for grant in &world.grants {
        let conditions = [("agent", &grant.agent), ("grant", &grant.id), ("resource", &grant.resource)];
        let conditions = conditions.map(|(key, value)| (key.to_owned(), Value::String(value.clone())));
        let mut rule = rule(&grant.id, HashMap::from(conditions));
        rule.allowed_actions = vec![format!("{}*", action(&grant.capability, &grant.scope))];
        all.push(rule);
    }
    let mut last = rule("nothing else", HashMap::new());
    last.denied_actions = vec!["*".to_owned()];
    all.push(last);
    all
}

impl Policy {
    pub(crate) fn new(world: &World) -> Done<Self> {
        let engine = PolicyEngine::new();
        let profile =
            PolicyProfile { version: "1.0".to_owned(), agent: "any".to_owned(), policies: rules(world) };
        engine.load_from_yaml(&serde_yaml::to_string(&profile)?)?;
        Ok(Self { engine, grants: world.grants.len() })
    }
}

impl Gate for Policy {
    fn name(&self) -> String {
        "agentmesh-policy".to_owned()
    }

    fn conditions(&self) -> String {
        "agentmesh 4.0, `PolicyEngine`, a rule for each grant, context built per call, no expiry".to_owned()
    }

    fn grants(&self) -> usize {
        self.grants
    }

    fn lacks(&self) -> &'static [Denial] {
        &[Denial::Expired]
    }

    fn answer(&mut self, _: usize, request: &Request) -> Done<bool> {
        let fields = [("agent", &request.agent), ("grant", &request.grant), ("resource", &request.resource)];
        let context =
            HashMap::from(fields.map(|(key, value)| (key.to_owned(), Value::String(value.clone()))));
        Ok(self.engine.evaluate(&action(&request.capability, &request.scope), Some(&context)).is_allowed())
    }
}
