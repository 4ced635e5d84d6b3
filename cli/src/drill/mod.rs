//! What does a drill need around its items? A scope, workers, a host and a capability of its own; two administrators;
//! a record of each item; and everything put back at the end.

mod cast;
mod flow;
mod look;
mod stops;

use crate::client::Who;
use crate::diagnostic::Diagnostic;
use crate::output::{Output, printable};
use crate::provider::Config;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json::Value;
use chancery_ledger::format::limits::CAUSE;
use chancery_ledger::store::Paths;
use chancery_ledger::{Class, Code, Entropy, Ledger, Receipt};
use serde::Serialize;

/// A drill under way.
pub(crate) struct Drill {
    ledger: Ledger,
    paths: Paths,
    /// Its id.
    pub(crate) id: String,
    /// Name of its scope, from which everything else of it is named.
    name: String,
    scope: Scope,
    first: Who,
    second: Who,
    worker: Who,
    spare: Who,
    config: Config,
    /// Entries that show the item under way.
    seen: Vec<u64>,
    jobs: Vec<String>,
    features: Vec<(&'static str, Scope)>,
    begun: bool,
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The administrator who asks.
    First,
    /// The one who confirms.
    Second,
    /// The worker that stays to the end.
    Worker,
    /// The worker that is revoked.
    Spare,
}

/// What an item showed: where, why, next.
struct Finding {
    passed: bool,
    place: String,
    why: String,
    next: String,
}

/// An item as it is told.
#[derive(Debug, Serialize)]
pub(crate) struct Item {
    pub(crate) item: &'static str,
    pub(crate) passed: bool,
    pub(crate) positions: Vec<u64>,
    #[serde(skip)]
    pub(crate) narrative: String,
}

type Found = Result<Finding, Diagnostic>;
/// Performs an item.
type Act = fn(&mut Drill) -> Found;

/// Bytes of a narrative.
const NARRATIVE: usize = 2000;

fn finding(passed: bool, place: &str, why: &str, next: &str) -> Finding {
    Finding { passed, place: place.to_owned(), why: why.to_owned(), next: next.to_owned() }
}

fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

impl Drill {
    /// A drill with names of its own, that has not begun.
    pub(crate) fn new(
        ledger: Ledger,
        paths: Paths,
        (first, second): (Who, Who),
        above: &Scope,
        id: Option<String>,
        config: Config,
    ) -> Result<Self, Diagnostic> {
        let same = match (&first, &second) {
            (Who::Key(one, _), Who::Key(other, _)) => one == other,
            _ => true,
        };
        if same {
            let text = "what the drill does must be confirmed by another administrator";
            return Err(Diagnostic::new(Code::SeparationRequired, text)
                .hint("name the key of another one: `--second-key-file FILE`"));
        }
        let name = format!("drill-{}", hex(&Entropy::default().take::<4>()?));
        let Some(scope) = above.child(&name) else {
            let text = format!("there is no room for a scope in `{above}`");
            return Err(Diagnostic::new(Code::ScopeTooDeep, text));
        };
        let worker = cast::fresh(&format!("{name}-a"))?;
        let spare = cast::fresh(&format!("{name}-b"))?;
        Ok(Self {
            ledger,
            paths,
            id: id.unwrap_or_else(|| name.clone()),
            name,
            scope,
            first,
            second,
            worker,
            spare,
            config,
            seen: Vec::new(),
            jobs: Vec::new(),
            features: Vec::new(),
            begun: false,
        })
    }

    /// Closes the ledger and opens it again, as after an end of the process.
    fn reopen(self, out: &Output) -> Result<Self, Diagnostic> {
        let Self {
            ledger,
            paths,
            id,
            name,
            scope,
            first,
            second,
            worker,
            spare,
            config,
            seen,
            jobs,
            features,
            begun,
        } = self;
        ledger.close()?;
        let ledger = crate::commands::open(paths.clone(), out)?;
        Ok(Self {
            ledger,
            paths,
            id,
            name,
            scope,
            first,
            second,
            worker,
            spare,
            config,
            seen,
            jobs,
            features,
            begun,
        })
    }

    /// Records what an item showed. What could not be done, because the ledger said no to it, did not pass.
    fn record(&mut self, item: &'static str, found: Found) -> Result<Item, Diagnostic> {
        let found = match found {
            Ok(found) => found,
            Err(error) if error.code().class() == Class::Error => return Err(error),
            Err(error) => finding(
                false,
                &format!("in `{}`", self.scope),
                &format!("the item could not be performed: {}: {}", error.code(), error.message()),
                "find out what stands in the way, and run the drill again",
            ),
        };
        let mut narrative =
            printable(&format!("Where: {}. Why: {}. Next: {}.", found.place, found.why, found.next));
        while narrative.len() > NARRATIVE {
            narrative.pop();
        }
        let mut positions = std::mem::take(&mut self.seen);
        positions.sort_unstable();
        positions.dedup();
        positions.drain(..positions.len().saturating_sub(CAUSE - 1));
        let at = |position: &u64| Value::Int(i64::try_from(*position).unwrap_or(i64::MAX));
        let arguments = vec![
            ("item", text(item)),
            ("narrative", text(narrative.clone())),
            ("passed", Value::Bool(found.passed)),
            ("positions", Value::List(positions.iter().map(at).collect())),
        ];
        let id = self.id.clone();
        self.must(By::First, "drill.record", &id, arguments)?;
        Ok(Item { item, passed: found.passed, positions, narrative })
    }

    /// Remembers that an answer shows the item under way.
    fn shows(&mut self, receipt: &Receipt) {
        self.seen.extend(receipt.entries.iter().map(|entry| entry.position));
    }
}

/// Performs the ten items and puts everything back; gives what they showed, and what could not be put back.
pub(crate) fn perform(mut drill: Drill, out: &Output) -> Result<(Vec<Item>, Vec<String>), Diagnostic> {
    let mut items = Vec::new();
    let outcome = match drill.set_up() {
        Err(error) => Err(error),
        Ok(()) => {
            let polled = flow::poll(&mut drill);
            drill = drill.reopen(out)?;
            let found = polled.and_then(|polled| flow::reconnect(&mut drill, &polled));
            play(&mut drill, found, &mut items)
        }
    };
    let left = drill.put_back();
    drill.ledger.close()?;
    outcome.map(|()| (items, left))
}

/// The items after the first, in their order.
const ITEMS: [(&str, Act); 9] = [
    ("replay_resilience", flow::replay),
    ("partial_transcript", flow::partial),
    ("emergency_disable", stops::emergency),
    ("feature_disable", stops::feature),
    ("provider_disable", stops::provider),
    ("worker_revoke", stops::worker),
    ("host_key_invalidation", stops::host_key),
    ("lease_revocation", stops::lease),
    ("where_why_next", look::decision),
];

/// Records the first item, then performs and records the others.
fn play(drill: &mut Drill, reconnected: Found, items: &mut Vec<Item>) -> Result<(), Diagnostic> {
    items.push(drill.record("reconnect_polling", reconnected)?);
    for (item, act) in ITEMS {
        let found = act(drill);
        items.push(drill.record(item, found)?);
    }
    Ok(())
}
