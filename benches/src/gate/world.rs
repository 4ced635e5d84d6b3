//! What do all gates know? Agents, capabilities, resources, scopes and live grants, made from a seed.

/// The instant at which every grant of the world is live, in seconds since 1970.
pub(crate) const BASE: u64 = 1_767_225_600;
const AGENTS: usize = 1_000;
const RESOURCES: usize = 500;
const NOUNS: [&str; 10] =
    ["host_key", "secret", "deploy", "job", "worker", "repo", "queue", "policy", "tool", "vault"];
const VERBS: [&str; 5] = ["read", "write", "run", "verify", "revoke"];

/// A generator that gives the same numbers for the same seed everywhere (splitmix64).
#[derive(Debug)]
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// One of `many`, when there is any.
    pub(crate) fn pick<'a, T>(&mut self, many: &'a [T]) -> Option<&'a T> {
        many.get(usize::try_from(self.below(many.len() as u64)).ok()?)
    }
}

/// An agent or a capability, and whether it may be used at all.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// The agent is not suspended, the capability is not disabled.
    pub(crate) live: bool,
}

/// Who may use what on which resource, in which scope, until when.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) agent: String,
    pub(crate) capability: String,
    pub(crate) resource: String,
    /// With all scopes below it.
    pub(crate) scope: String,
    /// The first second at which it is no longer live.
    pub(crate) expires: u64,
}

/// All that a gate is told before it is asked.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) agents: Vec<Named>,
    pub(crate) capabilities: Vec<Named>,
    pub(crate) resources: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) grants: Vec<Grant>,
}

impl World {
    /// A world with as many grants; every fiftieth agent is suspended, every twenty-fifth capability disabled.
    pub(crate) fn new(grants: usize) -> Self {
        let agents =
            (0..AGENTS).map(|n| Named { name: format!("agent-{n:04}"), live: n % 50 != 49 }).collect();
        let names = NOUNS.iter().flat_map(|noun| VERBS.iter().map(move |verb| format!("{noun}.{verb}")));
        let capabilities = names.enumerate().map(|(n, name)| Named { name, live: n % 25 != 24 }).collect();
        let resources = (0..RESOURCES).map(|n| format!("host-{n:03}.example:22")).collect();
        let mut world = Self { agents, capabilities, resources, scopes: scopes(), grants: Vec::new() };
        let mut seeded = Seeded(7);
        world.grants = (0..grants).filter_map(|n| world.grant(n as u64, &mut seeded)).collect();
        world
    }

    fn grant(&self, n: u64, seeded: &mut Seeded) -> Option<Grant> {
        Some(Grant {
            id: format!("gr_{:016x}", Seeded(n).next()),
            agent: seeded.pick(&self.agents)?.name.clone(),
            capability: seeded.pick(&self.capabilities)?.name.clone(),
            resource: seeded.pick(&self.resources)?.clone(),
            scope: seeded.pick(&self.scopes)?.clone(),
            expires: BASE + 3_600 + seeded.below(30 * 86_400),
        })
    }
}

/// Three levels of scopes, each with a twin whose name only begins like its own: `/acme` and `/acme2`.
fn scopes() -> Vec<String> {
    let mut all = Vec::new();
    let mut above = vec![String::new()];
    for level in [&["acme", "globex", "initech", "umbra"][..], &["ops", "dev"], &["night"]] {
        let names = level.iter().flat_map(|name| [(*name).to_owned(), format!("{name}2")]);
        let names: Vec<String> = names.collect();
        above = above.iter().flat_map(|up| names.iter().map(move |name| format!("{up}/{name}"))).collect();
        all.extend(above.iter().cloned());
    }
    all
}

/// Whether `scope` is `root` or below it; a segment counts as a whole.
pub(crate) fn within(scope: &str, root: &str) -> bool {
    scope.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
