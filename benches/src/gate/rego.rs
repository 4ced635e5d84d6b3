//! How fast does regorus answer? One Rego rule over the grants as data, in its register machine and as compiled policy.

use super::Done;
use super::candidate::Gate;
use super::request::{Asked, Request};
use super::world::World;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{CompiledPolicy, Engine, Rc, Value};

const ENTRY: &str = "data.gate.allow";

/// Scopes end in a slash, in data and input, so that one `startswith` respects segments.
const POLICY: &str = r#"
package gate
import rego.v1

default allow := false

allow if {
    grant := data.grants[input.grant]
    grant.agent == input.agent
    grant.capability == input.capability
    grant.resource == input.resource
    startswith(input.scope, grant.scope)
    input.at < grant.expires
    data.agents[input.agent]
    data.capabilities[input.capability]
}
"#;

/// Names of the input's fields, made once.
#[derive(Debug)]
struct Fields([Value; 6]);

impl Fields {
    fn new() -> Self {
        Self(["agent", "at", "capability", "grant", "resource", "scope"].map(Value::from))
    }

    /// An input of the request's strings.
    fn input(&self, request: &Request) -> Done<Value> {
        let [agent, at, capability, grant, resource, scope] = self.0.clone();
        let mut input = Value::new_object();
        let object = input.as_object_mut()?;
        object.insert(agent, Value::from(request.agent.as_str()));
        object.insert(at, Value::from(request.at));
        object.insert(capability, Value::from(request.capability.as_str()));
        object.insert(grant, Value::from(request.grant.as_str()));
        object.insert(resource, Value::from(request.resource.as_str()));
        object.insert(scope, Value::from(format!("{}/", request.scope)));
        Ok(input)
    }
}

/// What evaluates the rule.
enum Machine {
    Registers(Box<RegoVM>),
    Compiled(CompiledPolicy),
}

/// One way to ask regorus.
pub(crate) struct Rego {
    machine: Machine,
    fields: Fields,
    grants: usize,
    prebuilt: Option<Vec<Value>>,
}

fn object(pairs: impl Iterator<Item = (String, Value)>) -> Done<Value> {
    let mut object = Value::new_object();
    let inner = object.as_object_mut()?;
    for (key, value) in pairs {
        inner.insert(Value::from(key), value);
    }
    Ok(object)
}

/// The world as Rego's data.
fn data(world: &World) -> Done<Value> {
    let named =
        |all: &[super::world::Named]| object(all.iter().map(|one| (one.name.clone(), Value::from(one.live))));
    let mut grants = Vec::with_capacity(world.grants.len());
    for grant in &world.grants {
        let fields = [
            ("agent", Value::from(grant.agent.as_str())),
            ("capability", Value::from(grant.capability.as_str())),
            ("resource", Value::from(grant.resource.as_str())),
            ("scope", Value::from(format!("{}/", grant.scope))),
            ("expires", Value::from(grant.expires)),
        ];
        grants.push((
            grant.id.clone(),
            object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)))?,
        ));
    }
    let all = [
        ("agents", named(&world.agents)?),
        ("capabilities", named(&world.capabilities)?),
        ("grants", object(grants.into_iter())?),
    ];
    object(all.into_iter().map(|(key, value)| (key.to_owned(), value)))
}

impl Rego {
    fn new(world: &World, machine: Machine) -> Self {
        Self { machine, fields: Fields::new(), grants: world.grants.len(), prebuilt: None }
    }

    fn compile(world: &World) -> Done<(CompiledPolicy, Value)> {
        let data = data(world)?;
        let mut engine = Engine::new();
        engine.add_policy("gate.rego".to_owned(), POLICY.to_owned())?;
        engine.add_data(data.clone())?;
        Ok((engine.compile_with_entrypoint(&Rc::from(ENTRY))?, data))
    }

    /// The register machine.
    pub(crate) fn registers(world: &World) -> Done<Self> {
        let (policy, data) = Self::compile(world)?;
        let mut machine = RegoVM::new();
        machine.load_program(Compiler::compile_from_policy(&policy, &[ENTRY])?);
        machine.set_data(data)?;
        Ok(Self::new(world, Machine::Registers(Box::new(machine))))
    }

    /// The same with inputs made before the clock starts.
    pub(crate) fn prebuilt(world: &World) -> Done<Self> {
        Ok(Self { prebuilt: Some(Vec::new()), ..Self::registers(world)? })
    }

    /// The compiled policy, interpreted.
    pub(crate) fn compiled(world: &World) -> Done<Self> {
        Ok(Self::new(world, Machine::Compiled(Self::compile(world)?.0)))
    }
}

impl Gate for Rego {
    fn name(&self) -> String {
        match (&self.machine, &self.prebuilt) {
            (Machine::Compiled(_), _) => "regorus-compiled",
            (Machine::Registers(_), None) => "regorus-rvm",
            (Machine::Registers(_), Some(_)) => "regorus-rvm-prebuilt",
        }
        .to_owned()
    }

    fn conditions(&self) -> String {
        let input = if self.prebuilt.is_some() { "prebuilt" } else { "built per call" };
        format!("regorus 0.14, one rule over the grants as data, input {input}")
    }

    fn grants(&self) -> usize {
        self.grants
    }

    fn prepare(&mut self, asked: &[Asked]) -> Done<()> {
        if let Some(prebuilt) = &mut self.prebuilt {
            *prebuilt = asked.iter().map(|one| self.fields.input(&one.request)).collect::<Done<_>>()?;
        }
        Ok(())
    }

    fn answer(&mut self, nth: usize, request: &Request) -> Done<bool> {
        let input = match &self.prebuilt {
            Some(prebuilt) => prebuilt.get(nth).ok_or("no such input")?.clone(),
            None => self.fields.input(request)?,
        };
        let answer = match &mut self.machine {
            Machine::Registers(machine) => {
                machine.set_input(input);
                machine.execute()?
            }
            Machine::Compiled(policy) => policy.eval_with_input(input)?,
        };
        Ok(*answer.as_bool()?)
    }
}
