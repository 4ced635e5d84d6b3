//! What does an entry change for those who act, their keys, tokens and holds?

use super::Word;
use super::life::{Change, ids, known};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::{Poison, Row};
use chancery_ledger::domains::hold::Event as Hold;
use chancery_ledger::domains::key::Event as Key;
use chancery_ledger::domains::principal::Event as Principal;
use chancery_ledger::domains::token::Event as Token;

pub(super) fn principal(rows: &Rows<'_>, seen: &Seen<'_>, event: &Principal) -> Result<Vec<Change>, Poison> {
    let id = seen.entity_id;
    let own = Change::of("principal", id);
    Ok(vec![match event {
        Principal::Registered { .. } => Change::begin("principal", id, "pending").barred(&[seen.actor]),
        Principal::Activated { .. } | Principal::Reactivated {} => own.now("active").barred(&[]),
        Principal::Suspended {} => own.now("suspended").barred(&[seen.actor]),
        Principal::Revoked {} => {
            let before = known(rows, seen, "principal", id)?;
            let related = before.map(|body| body.related.clone()).unwrap_or_default();
            let mut all = vec![own.over("revoked")];
            // Its keys and tokens end with it, without entries of their own.
            for kind in ["key", "token"] {
                all.extend(ids(&related, kind).map(|id| Change::of(kind, id).over("revoked")));
            }
            return Ok(all);
        }
    }])
}

fn owner(rows: &Rows<'_>, seen: &Seen<'_>) -> Result<Option<String>, Poison> {
    let before = known(rows, seen, seen.entity_kind, seen.entity_id)?;
    Ok(before.and_then(|body| ids(&body.related, "principal").next().map(str::to_owned)))
}

pub(super) fn key(rows: &Rows<'_>, seen: &Seen<'_>, event: &Key) -> Result<Vec<Change>, Poison> {
    let own = Change::of("key", seen.entity_id);
    let own = match event {
        Key::Enrolled { principal, .. } => {
            let key = Change::begin("key", seen.entity_id, "live").gains([format!("principal {principal}")]);
            return Ok(vec![key, Change::of("principal", principal).gains([seen.entity()])]);
        }
        Key::Suspected { .. } => return Ok(vec![own.now("suspected").saw(Word::Partial, None)]),
        Key::Rotated { to } => own.over("rotated").gains([format!("key {}", to.entity())]),
        Key::Revoked {} => own.over("revoked"),
    };
    let owner = owner(rows, seen)?.map(|owner| Change::of("principal", &owner).loses([seen.entity()]));
    Ok([own].into_iter().chain(owner).collect())
}

pub(super) fn token(rows: &Rows<'_>, seen: &Seen<'_>, event: &Token) -> Result<Vec<Change>, Poison> {
    if let Token::Issued { expires, principal, .. } = event {
        let token = Change::begin("token", seen.entity_id, "live").saw(Word::Whole, Some(*expires));
        let token = token.gains([format!("principal {principal}")]);
        // What expired makes room for it.
        let before =
            known(rows, seen, "principal", principal)?.map(|body| body.related.clone()).unwrap_or_default();
        let mut gone = Vec::new();
        for id in ids(&before, "token") {
            let end = known(rows, seen, "token", id)?.and_then(|body| body.evidence.until);
            if end.is_some_and(|end| end <= seen.time) {
                gone.push(id.to_owned());
            }
        }
        let mut all = vec![token];
        all.extend(gone.iter().map(|id| Change::of("token", id).over("expired")));
        let loses = gone.iter().map(|id| format!("token {id}"));
        all.push(Change::of("principal", principal).loses(loses).gains([seen.entity()]));
        return Ok(all);
    }
    let owner = owner(rows, seen)?.map(|owner| Change::of("principal", &owner).loses([seen.entity()]));
    Ok([Change::of("token", seen.entity_id).over("revoked")].into_iter().chain(owner).collect())
}

pub(super) fn hold(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &Hold) -> Result<Vec<Change>, Poison> {
    let own = Change::of("hold", seen.entity_id);
    Ok(vec![match event {
        Hold::Opened { hold, until, .. } => {
            let opened = Change::begin("hold", hold, "pending").saw(Word::Whole, Some(*until));
            let action = seen.action.unwrap_or_default();
            let opened = opened.gains([seen.entity(), format!("principal {}", seen.actor)]);
            Change { fact: Some(action.to_owned()), ..opened.barred(&[seen.actor]) }
        }
        Hold::Approved {} => {
            rows.put(Row::memo(format!("approved {}", seen.position), seen, seen.entity_id.to_owned()));
            own.now("approved")
        }
        Hold::Denied {} => own.over("denied"),
        Hold::Cancelled {} => own.over("cancelled"),
        Hold::Expired {} => own.over("expired"),
    }])
}

/// The hold that this entry uses up: it is the request that was held, asked again, and cites the approval.
pub(super) fn used(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<Vec<Change>, Poison> {
    let Some(action) = seen.action else { return Ok(Vec::new()) };
    for approval in seen.cause {
        let key = format!("approved {approval}");
        let Some(hold) = rows.memo::<String>(&key)? else { continue };
        let same = known(rows, seen, "hold", &hold)?.is_some_and(|body| {
            let asked = body.fact.as_deref() == Some(action) && body.barred.contains(seen.actor);
            asked && body.state == "approved" && body.related.contains(&seen.entity())
        });
        if same {
            rows.forget(&key);
            return Ok(vec![Change::of("hold", &hold).over("used")]);
        }
    }
    Ok(Vec::new())
}
