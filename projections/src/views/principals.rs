//! Who can act, in which roles, with which keys and tokens? One row a principal. SPEC 17.

use super::Mark;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::show::Show;
use crate::view::{Access, Index, Order, Poison, Row, View};
use chancery_ledger::domains::principal::{Event as Principal, Kind};
use chancery_ledger::domains::{Event, key, ledger, role, token};
use chancery_ledger::gate::Role;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The view.
pub(super) static VIEW: View = View {
    name: "principals",
    question: "Who can act, in which roles, and with which keys and tokens?",
    version: 1,
    access: Access::Read,
    indexes: &[Index::About, Index::State, Index::Rank],
    order: Order::Descending,
    states: &["pending", "active", "suspended", "revoked"],
    fold,
    show,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    id: String,
    /// Live keys by id.
    keys: BTreeMap<String, Key>,
    kind: Kind,
    last: Mark,
    registered: Mark,
    role: Role,
    /// Further roles.
    roles: Vec<Further>,
    /// Tokens that were not revoked, by id.
    tokens: BTreeMap<String, Token>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Further {
    position: u64,
    role: String,
    scope: String,
    /// From this instant on it no longer counts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    until: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Key {
    position: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    suspected_from: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Token {
    expires: i64,
    once: bool,
    position: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    within: Option<String>,
}

fn register(rows: &mut Rows<'_>, seen: &Seen<'_>, id: &str, kind: Kind, role: Role) -> Result<(), Poison> {
    let body = Body {
        id: id.to_owned(),
        kind,
        role,
        registered: Mark::of(seen),
        last: Mark::of(seen),
        roles: Vec::new(),
        keys: BTreeMap::new(),
        tokens: BTreeMap::new(),
    };
    rows.put(Row::new(id, seen, body).about(format!("principal {id}")).state("pending"));
    Ok(())
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<(), Poison> {
    match seen.event {
        Some(Event::Ledger(ledger::Event::Opened(settings))) => {
            let Some(first) = &settings.administrator else { return Ok(()) };
            register(rows, seen, first.id.as_str(), Kind::Human, Role::PlatformAdmin)?;
            rows.amend(first.id.as_str(), seen, |row, body: &mut Body| {
                row.state = "active".to_owned();
                let key = Key { position: seen.position, suspected_from: None };
                body.keys.insert(first.public.id().entity(), key);
            })?;
            let owner =
                Row::memo(format!("key {}", first.public.id().entity()), seen, first.id.as_str().to_owned());
            rows.put(owner);
            Ok(())
        }
        Some(Event::Principal(Principal::Registered { kind, role })) => {
            register(rows, seen, seen.entity_id, *kind, *role)
        }
        Some(Event::Principal(event)) => rows.amend(seen.entity_id, seen, |row, body: &mut Body| {
            body.last = Mark::of(seen);
            row.state = match event {
                Principal::Suspended {} => "suspended",
                Principal::Revoked {} => {
                    body.keys.clear();
                    body.tokens.clear();
                    body.roles.clear();
                    "revoked"
                }
                Principal::Registered { .. } | Principal::Activated { .. } | Principal::Reactivated {} => {
                    "active"
                }
            }
            .to_owned();
        }),
        Some(Event::Key(event)) => keys(rows, seen, event),
        Some(Event::Token(event)) => tokens(rows, seen, event),
        Some(Event::Role(role::Event::Assigned { principal, until })) => {
            let role = Further {
                position: seen.position,
                role: seen.entity_id.to_owned(),
                scope: seen.scope.to_owned(),
                until: *until,
            };
            rows.amend(principal, seen, |_, body: &mut Body| {
                body.roles.retain(|role| role.until.is_none_or(|until| seen.time < until));
                body.roles.push(role);
            })
        }
        Some(Event::Role(role::Event::Unassigned { principal })) => {
            rows.amend(principal, seen, |_, body: &mut Body| {
                body.roles.retain(|known| known.role != seen.entity_id || known.scope != seen.scope);
            })
        }
        _ => Ok(()),
    }
}

/// Whose a key or a token is, is kept beside the rows.
fn owner(rows: &Rows<'_>, seen: &Seen<'_>) -> Result<String, Poison> {
    let owner = rows.memo(&format!("{} {}", seen.entity_kind, seen.entity_id))?;
    owner.ok_or_else(|| Poison::new(format!("`{}` is about something of nobody", seen.kind)))
}

fn keys(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &key::Event) -> Result<(), Poison> {
    let id = seen.entity_id.to_owned();
    if let key::Event::Enrolled { principal, .. } = event {
        rows.put(Row::memo(format!("key {id}"), seen, principal.clone()));
        return rows.amend(principal, seen, |_, body: &mut Body| {
            body.keys.insert(id, Key { position: seen.position, suspected_from: None });
        });
    }
    let owner = owner(rows, seen)?;
    // The system's own key has no principal that is listed.
    rows.amend_known(&owner, seen, |_, body: &mut Body| match event {
        key::Event::Suspected { from } => {
            if let Some(key) = body.keys.get_mut(&id) {
                key.suspected_from = Some(*from);
            }
        }
        key::Event::Rotated { .. } | key::Event::Revoked {} | key::Event::Enrolled { .. } => {
            body.keys.remove(&id);
        }
    })?;
    Ok(())
}

fn tokens(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &token::Event) -> Result<(), Poison> {
    let id = seen.entity_id.to_owned();
    match event {
        token::Event::Issued { expires, once, principal, within, .. } => {
            rows.put(Row::memo(format!("token {id}"), seen, principal.clone()));
            let (expires, once, within) = (*expires, *once, within.clone());
            rows.amend(principal, seen, |_, body: &mut Body| {
                // What expired makes room.
                body.tokens.retain(|_, token| seen.time < token.expires);
                body.tokens.insert(id, Token { expires, once, position: seen.position, within });
            })
        }
        token::Event::Revoked {} => {
            let owner = owner(rows, seen)?;
            rows.amend(&owner, seen, |_, body: &mut Body| {
                body.tokens.remove(&id);
            })
        }
    }
}

fn show(row: &Row, _: &Show<'_>) -> Result<Value, Poison> {
    row.value()
}
