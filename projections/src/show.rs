//! What does a reader bring to a row? The instant, what its role may do, and the private parts that it may read.

use crate::view::Poison;
use chancery_ledger::format::json::Value as Part;
use serde_json::Value;

/// What a row is shown with.
pub struct Show<'a> {
    /// The instant as of which it is shown.
    pub now: i64,
    /// The reader; nothing for somebody who reads the files.
    pub principal: Option<&'a str>,
    /// Actions that the reader's roles allow; nothing for somebody who reads the files.
    pub abilities: Option<&'a [&'static str]>,
    /// A part of an entry: slot 0 is private, 1 the arguments.
    pub part: &'a dyn Fn(u64, u64) -> Result<Option<Part>, Poison>,
}

impl std::fmt::Debug for Show<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Show").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Show<'_> {
    /// Whether the reader's roles allow an action; who reads the files is not asked.
    pub fn may(&self, action: &str) -> bool {
        self.abilities.is_none_or(|abilities| abilities.contains(&action))
    }

    /// A text of the private part of an entry, or a list of them; `null` when there is none, or when it was erased.
    pub fn private(&self, position: u64, member: &str) -> Result<Value, Poison> {
        let part = (self.part)(position, 0)?;
        let member = part.as_ref().and_then(|part| match part {
            Part::Object(members) => members.get(member),
            _ => None,
        });
        let text = |part: &Part| part.text().map(Value::from);
        Ok(member
            .and_then(|part| match part {
                Part::List(items) => items.iter().map(text).collect::<Option<Vec<_>>>().map(Value::Array),
                other => text(other),
            })
            .unwrap_or_default())
    }
}
