//! How does an item become a narrative? Sentences that rest on its entries, in the parts that every narrative has.

use super::item::{Fact, Item};
use super::words;
use crate::narrative::{Evidence, Narrative, Sentence, id, said};
use crate::show::Show;
use crate::view::{Poison, Row};
use chancery_ledger::gate;
use serde_json::Value;

/// What a narrative is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tell<'a> {
    pub(super) item: &'a Item,
    pub(super) row: &'a Row,
    pub(super) show: &'a Show<'a>,
}

/// A narrative in the making.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    tell: Tell<'a>,
    narrative: Narrative,
}

impl<'a> Tell<'a> {
    /// Everything that the item cites.
    pub(super) fn all(&self) -> Evidence {
        self.item.evidence()
    }

    /// A fact's text, set apart; what is not there is said to be unknown.
    pub(super) fn id(&self, name: &str) -> String {
        self.item.fact(name).map_or("(unknown)".to_owned(), |fact| id(&fact.text))
    }

    /// What a fact rests on, or all of it.
    pub(super) fn on(&self, name: &str) -> Evidence {
        self.item.fact(name).map_or_else(|| self.all(), |fact: &Fact| Evidence::at(fact.position))
    }

    /// Where the item is, and what happened.
    pub(super) fn begin(&self, place: &str, why: &str) -> Draft<'a> {
        let (item, all) = (self.item, self.all());
        let scope = id(&self.row.scope);
        let decides = item.owner.as_deref().and_then(gate::declared);
        let decides =
            decides.map_or(Vec::new(), |(_, rule)| rule.roles.iter().map(|role| role.as_str()).collect());
        let first = Evidence::of(item.first.position, [item.last.position]);
        let times = match item.count {
            1 => "It happened once".to_owned(),
            count => format!("It happened {count} times"),
        };
        let still = match item.open {
            open if open == item.count => "and is open".to_owned(),
            1 => "and one of them is still open".to_owned(),
            open => format!("and {open} of them are still open"),
        };
        let late = match self.row.until {
            Some(until) if self.show.now >= until => {
                "; the instant by which the clock was to end this has passed, and nothing that ends it is recorded"
            }
            _ => "",
        };
        let mut narrative = Narrative {
            place: Sentence::new(&format!("{place} in {scope}."), first.clone()),
            why: Sentence::new(why, all.clone()),
            status: Sentence::new(&format!("{times}, {still}{late}."), first),
            risk: Sentence::new(&format!("{}.", words::risk(item.risk)), all.clone()),
            next: Sentence::new("Nobody is asked to do anything: the clock ends this.", all),
            decides,
            safe: Vec::new(),
            harmful: Vec::new(),
            missing: Vec::new(),
        };
        if narrative.decides.is_empty() {
            let text = "No role can decide this: there is no action that resolves it.";
            narrative.missing.push(Sentence::new(text, self.all()));
        }
        Draft { tell: *self, narrative }
    }

    /// A private text of an entry, quoted; nothing when there is none that may be shown.
    pub(super) fn private(&self, position: u64, member: &str) -> Result<Option<String>, Poison> {
        Ok(match self.show.private(position, member)? {
            Value::String(text) if !text.is_empty() => Some(said(&text)),
            _ => None,
        })
    }
}

impl Draft<'_> {
    /// What can go wrong; the level is put before it.
    pub(super) fn risk(mut self, text: &str) -> Self {
        let text = format!("{}: {text}", words::risk(self.tell.item.risk));
        self.narrative.risk = Sentence::new(&text, self.tell.all());
        self
    }

    /// What to do next.
    pub(super) fn next(mut self, text: &str) -> Self {
        self.narrative.next = Sentence::new(text, self.tell.all());
        self
    }

    /// What can be done without adding to the risk.
    pub(super) fn safe(mut self, text: &str) -> Self {
        self.narrative.safe.push(Sentence::new(text, self.tell.all()));
        self
    }

    /// What is not to be done.
    pub(super) fn harmful(mut self, text: &str) -> Self {
        self.narrative.harmful.push(Sentence::new(text, self.tell.all()));
        self
    }

    /// What is not known; `at` is where it would stand.
    pub(super) fn missing(mut self, text: &str, at: Evidence) -> Self {
        self.narrative.missing.push(Sentence::new(text, at));
        self
    }

    /// The same, when it is missing.
    pub(super) fn missing_if(self, missing: bool, text: &str, at: Evidence) -> Self {
        if missing { self.missing(text, at) } else { self }
    }

    pub(super) fn end(self) -> Narrative {
        self.narrative
    }
}
