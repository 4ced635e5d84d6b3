//! Who am I, and what may I do? The caller's principal, token and keys as the ledger knows them now. SPEC 20.

use crate::call::{Call, Reply, json};
use chancery_ledger::domains::World;
use serde::Serialize;

#[derive(Serialize)]
struct Token {
    id: String,
    expires: i64,
    once: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<String>,
}

#[derive(Serialize)]
struct Key {
    id: String,
    next: u64,
}

#[derive(Serialize)]
struct Me {
    principal: String,
    kind: &'static str,
    roles: Vec<String>,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Token>,
    keys: Vec<Key>,
    may: Vec<&'static str>,
    log: String,
    now: i64,
}

fn token(world: &World, id: &str) -> Option<Token> {
    let token = world.tokens.get(id)?;
    let within = token.within.as_ref().map(ToString::to_string);
    Some(Token { id: id.to_owned(), expires: token.expires, once: token.once, within })
}

pub(crate) async fn me(call: Call) -> Reply {
    let viewer = call.viewer()?;
    let ledger = &call.app.ledger;
    let may = ledger.abilities(&viewer.principal);
    let me = ledger.look(|world| {
        let principal = world.principals.get(&viewer.principal);
        let mut roles = vec![viewer.role.as_str().to_owned()];
        let further = principal.into_iter().flat_map(|principal| &principal.assigned);
        roles.extend(
            further.filter(|a| a.until.is_none_or(|until| viewer.now < until)).map(|a| a.role.clone()),
        );
        let keys = world.keys.of(&viewer.principal);
        Me {
            principal: viewer.principal.clone(),
            kind: principal.map_or("", |principal| principal.kind.as_str()),
            roles,
            scope: viewer.authority.to_string(),
            token: viewer.session.as_deref().and_then(|id| token(world, id)),
            keys: keys.map(|(id, key)| Key { id: id.to_string(), next: key.next }).collect(),
            may,
            log: ledger.origin().to_string(),
            now: viewer.now,
        }
    });
    json(&me)
}
