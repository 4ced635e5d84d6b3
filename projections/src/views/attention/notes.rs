//! How does a fold find the rows that an event ends? By what it noted under keys of its own: facts, and chains of items.
//!
//! ```text
//! ~chain scope /acme -> newest item <-> older item <-> …     each link names its neighbours: nothing is searched
//! ```

use crate::body::Keep;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::{Poison, Row};
use serde::{Deserialize, Serialize};

/// What was noted under a key.
pub(super) fn get<T: Keep + Clone>(rows: &Rows<'_>, key: &str) -> Result<Option<T>, Poison> {
    rows.memo(key)
}

/// Notes something; what stood under the key is replaced.
pub(super) fn put<T: Keep>(rows: &mut Rows<'_>, seen: &Seen<'_>, key: &str, value: T) -> Result<(), Poison> {
    rows.put(Row::memo(key, seen, value));
    Ok(())
}

/// Forgets it.
pub(super) fn remove(rows: &mut Rows<'_>, key: &str) {
    rows.forget(key);
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Link {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    newer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    older: Option<String>,
}

fn link(chain: &str, item: &str) -> String {
    ["link ", chain, " ", item].concat()
}

/// The newest item of a chain.
pub(super) fn newest(rows: &Rows<'_>, chain: &str) -> Result<Option<String>, Poison> {
    get(rows, &["chain ", chain].concat())
}

/// Puts an item at the head of a chain.
pub(super) fn push(rows: &mut Rows<'_>, seen: &Seen<'_>, chain: &str, item: &str) -> Result<(), Poison> {
    let older = newest(rows, chain)?;
    if let Some(older) = &older {
        let key = link(chain, older);
        let before: Link = get(rows, &key)?.unwrap_or_default();
        put(rows, seen, &key, Link { newer: Some(item.to_owned()), ..before })?;
    }
    put(rows, seen, &link(chain, item), Link { newer: None, older })?;
    put(rows, seen, &["chain ", chain].concat(), item.to_owned())
}

/// Takes an item out of a chain.
pub(super) fn unlink(rows: &mut Rows<'_>, seen: &Seen<'_>, chain: &str, item: &str) -> Result<(), Poison> {
    let own = link(chain, item);
    let Some(Link { newer, older }) = get(rows, &own)? else { return Ok(()) };
    remove(rows, &own);
    if let Some(older) = &older {
        let key = link(chain, older);
        let before: Link = get(rows, &key)?.unwrap_or_default();
        put(rows, seen, &key, Link { newer: newer.clone(), ..before })?;
    }
    match (&newer, &older) {
        (Some(newer), _) => {
            let key = link(chain, newer);
            let before: Link = get(rows, &key)?.unwrap_or_default();
            put(rows, seen, &key, Link { older: older.clone(), ..before })?;
        }
        (None, Some(older)) => put(rows, seen, &["chain ", chain].concat(), older.clone())?,
        (None, None) => remove(rows, &["chain ", chain].concat()),
    }
    Ok(())
}
