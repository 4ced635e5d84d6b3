//! What do the leaves of a chain tell by themselves? Entries as anybody can read them, for checks that know no model.

use chancery_ledger::Ledger;
use chancery_ledger::format::{entry, json};
use serde_json::{Value as Json, json};

/// An entry, as its leaf tells it.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub position: u64,
    pub time: i64,
    pub kind: String,
    pub scope: String,
    pub actor: String,
    pub session: Option<String>,
    /// Id of the entity.
    pub id: String,
    /// The action that was asked for, on the first entry of a request.
    pub action: Option<String>,
    /// The arguments beside it.
    pub args: Json,
    pub data: Json,
    pub cause: Vec<u64>,
}

impl Leaf {
    pub fn text(&self, name: &str) -> &str {
        self.data[name].as_str().unwrap_or_default()
    }

    pub fn int(&self, name: &str) -> i64 {
        self.data[name].as_i64().unwrap_or_default()
    }

    pub fn has(&self, name: &str) -> bool {
        self.data.get(name).is_some()
    }

    /// An answer that is no event.
    pub fn is_no(&self) -> bool {
        self.kind.starts_with("decision.") || self.kind == "hold.opened"
    }

    /// A leaf that a test makes up.
    pub fn made(kind: &str, actor: &str, id: &str, data: Json) -> Self {
        Self {
            position: 0,
            time: 0,
            kind: kind.to_owned(),
            scope: "/acme".to_owned(),
            actor: actor.to_owned(),
            session: None,
            id: id.to_owned(),
            action: None,
            args: Json::Null,
            data,
            cause: Vec::new(),
        }
    }

    pub fn at(self, scope: &str) -> Self {
        Self { scope: scope.to_owned(), ..self }
    }

    pub fn by(self, action: &str) -> Self {
        Self { action: Some(action.to_owned()), ..self }
    }

    pub fn args(self, args: Json) -> Self {
        Self { args, ..self }
    }

    pub fn citing(self, cause: u64) -> Self {
        Self { cause: vec![cause], ..self }
    }

    pub fn after(self, time: i64) -> Self {
        Self { time, ..self }
    }
}

/// Made-up leaves in their places.
pub fn chain(leaves: Vec<Leaf>) -> Vec<Leaf> {
    (0..).zip(leaves).map(|(position, leaf)| Leaf { position, ..leaf }).collect()
}

/// Every entry of a ledger.
pub fn read(ledger: &Ledger) -> Vec<Leaf> {
    let reader = ledger.reader().expect("a reader");
    let size = reader.size().expect("a size");
    let mut all = Vec::new();
    for position in 0..size {
        let bytes = reader.leaf(position).expect("a store").expect("an entry");
        let read = entry::read(&bytes).expect("an entry");
        let args = reader.part(position, 1).expect("a store");
        let args = args.map(|part| json::parse(&part[32..]).expect("arguments"));
        let text = |value: &json::Value| {
            chancery_ledger::format::canonical::to_bytes(value).expect("canonical arguments")
        };
        all.push(Leaf {
            position,
            time: read.time,
            kind: read.kind.to_owned(),
            scope: read.scope.to_owned(),
            actor: read.actor.principal.to_owned(),
            session: read.actor.session.map(str::to_owned),
            id: read.entity.id.to_owned(),
            action: read.by.map(|by| by.action.to_owned()),
            args: args.map_or(json!(null), |args| serde_json::from_slice(&text(&args)).expect("JSON")),
            data: serde_json::from_str(read.data.get()).expect("data"),
            cause: read.cause,
        });
    }
    all
}
