//! Which exports, good and damaged, do verifiers have to agree on? Generated in process from
//! `fixtures/corrupt/recipes.txt`, the same at every run but for keys and salts.

use super::Seeded;
use super::bench::Bench;
use super::forge::Forge;
use super::story::Story;
use super::{Home, root};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::format::json::Value;
use chancery_ledger::verify::Trust;
use std::sync::LazyLock;

/// Where the damage is: first and last position that differ from what was recorded.
pub type Place = Option<(u64, u64)>;

/// An export with what is known of it.
pub struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
    /// With a pin, and without.
    pub pinned: Trust,
    pub bare: Trust,
    pub place: Place,
    /// `None` for a good one.
    pub recipe: Option<&'static Recipe>,
    /// Verdicts that a good one has, pinned and bare.
    pub verdicts: (&'static str, &'static str),
}

/// A line of the recipes.
pub struct Recipe {
    pub name: String,
    pub op: String,
    pub repair: String,
    pub pinned: Vec<String>,
    pub codes: Vec<String>,
    pub place: String,
    pub bare: Vec<String>,
}

pub static RECIPES: LazyLock<Vec<Recipe>> = LazyLock::new(|| {
    let text = std::fs::read_to_string(root().join("fixtures/corrupt/recipes.txt")).expect("the recipes");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let fields: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let list = |at: usize| fields[at].split('|').map(str::to_owned).collect::<Vec<_>>();
            let field = |at: usize| fields[at].clone();
            assert_eq!(fields.len(), 7, "{line}");
            Recipe {
                name: field(0),
                op: field(1),
                repair: field(2),
                pinned: list(3),
                codes: list(4),
                place: field(5),
                bare: list(6),
            }
        })
        .collect()
});

pub static CORPUS: LazyLock<Vec<Case>> = LazyLock::new(generate);

/// Ledgers that the corpus is made of.
pub const LEDGERS: usize = 12;

/// A ledger of the corpus.
pub struct Source {
    pub story: Story,
    pub size: u64,
    _home: Option<Home>,
}

impl Source {
    /// A ledger that lies elsewhere.
    pub fn of(story: Story) -> Self {
        Self { size: story.pin().size, story, _home: None }
    }
}

impl Recipe {
    /// Whether a span is where the recipe says, for damage at a place.
    pub fn placed(&self, span: Option<(u64, u64)>, place: Place) -> bool {
        let touches = |room: u64| match (span, place) {
            (Some((first, last)), Some((from, to))) => first <= to + room && from <= last + room,
            _ => false,
        };
        match self.place.as_str() {
            "exact" => span == place.map(|(first, _)| (first, first)),
            "in" => touches(0),
            "near" => touches(1),
            "none" => span.is_none(),
            _ => true,
        }
    }
}

fn ledgers() -> Vec<Source> {
    (0..LEDGERS)
        .map(|number| {
            let home = Home::new();
            let form = if number % 2 == 0 { Form::Heads } else { Form::Entries };
            let mut story = Story::begin(home.path("").as_path(), form);
            match number % 3 {
                0 => story.everything(),
                1 => {
                    story.cast();
                    story.observations(1, 6 + number as u64, 3);
                    story.rotate("otto", "/acme");
                    story.observations(100, 4, 1);
                }
                _ => {
                    story.cast();
                    story.must("founder", "scope.create", "/", "umbra", &[]);
                    story.observations(1, 9 + number as u64, 7);
                    story.must("founder", "principal.suspend", "/acme", "bot-7", &[]);
                    story.must("founder", "principal.revoke", "/acme", "bot-7", &[("reason", "gone")]);
                }
            }
            let size = story.pin().size;
            Source { story, size, _home: Some(home) }
        })
        .collect()
}

fn generate() -> Vec<Case> {
    let sources = ledgers();
    let mut rng = Seeded::new(20_260_101);
    let mut cases = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        good(number, source, &mut cases);
        for (turn, recipe) in RECIPES.iter().enumerate() {
            for parts in [true, false] {
                let mut bench = Bench {
                    forge: Forge::of(&source.story.export(parts)),
                    source,
                    other: &sources[(number + 1 + turn % (LEDGERS - 1)) % LEDGERS],
                    parts,
                    rng: &mut rng,
                    trust: pinned(source),
                    tail: None,
                };
                let Some(place) = bench.apply(recipe) else { continue };
                let (bytes, pinned) = (bench.finish(), bench.trust);
                let bare = Trust::default();
                let name = format!("{number}-{}-{}", recipe.name, if parts { "parts" } else { "plain" });
                cases.push(Case {
                    name,
                    bytes,
                    pinned,
                    bare,
                    place,
                    recipe: Some(recipe),
                    verdicts: ("", ""),
                });
            }
        }
    }
    cases
}

fn pinned(source: &Source) -> Trust {
    let pin = source.story.pin();
    Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin) }
}

/// Exports of all and of some, as their ledger writes them.
fn good(number: usize, source: &Source, cases: &mut Vec<Case>) {
    let heads: Vec<u64> = {
        let forge = Forge::of(&source.story.export(false));
        forge.heads().iter().map(|line| forge.doc(*line)).map(|doc| size_of(&doc)).collect()
    };
    let half = heads[heads.len() / 2];
    let early = heads[2];
    for parts in [true, false] {
        for (from, to) in
            [(0, source.size), (0, half), (0, early), (early, half), (half, source.size), (1, source.size)]
        {
            let bytes = source.story.export_range(from, Some(to), parts);
            let key = Some(source.story.verifier());
            let pinned = Trust { key, ..Trust::default() };
            let verdicts = if from == 0 { ("authentic", "integrity_only") } else { ("", "") };
            let name = format!("{number}-good-{from}-{to}-{parts}");
            cases.push(Case {
                name,
                bytes,
                pinned,
                bare: Trust::default(),
                place: None,
                recipe: None,
                verdicts,
            });
        }
    }
}

/// The size in a head line.
pub fn size_of(head: &Value) -> u64 {
    head.get("head").and_then(|head| head.get("size")).and_then(Value::int).expect("a size").unsigned_abs()
}
