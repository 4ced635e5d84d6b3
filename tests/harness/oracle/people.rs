//! Scopes, principals, roles, tokens and host keys: sections 10.2, 10.3, 10.5, 10.6 and 10.9.

use super::state::{HostKey, Oracle, Person, Token};
use super::table::{HUMAN, is_built_in};
use super::{Ask, Decided, contains, entry, one};
use serde_json::json;

/// What a role's holder must be.
fn fits(role: &str, kind: &str) -> bool {
    if HUMAN.contains(&role) { kind == "human" } else { role == kind }
}

impl Oracle {
    pub(super) fn scope(&mut self, ask: &Ask) -> Decided {
        let child = if ask.at == "/" { format!("/{}", ask.id) } else { format!("{}/{}", ask.at, ask.id) };
        let known = self.scopes.iter().find(|(scope, _)| *scope == child).map(|(_, open)| *open);
        if ask.verb() == "create" {
            return match known {
                Some(false) => Err("scope_ended"),
                Some(true) => Err("scope_exists"),
                None => {
                    self.scopes.push((child, true));
                    one("scope.created")
                }
            };
        }
        if known != Some(true) {
            return Err("not_found");
        }
        let within = |at: &str| contains(&child, at);
        let scopes = self.scopes.iter().any(|(at, open)| *open && *at != child && within(at));
        let people = self.people.iter().any(|p| p.standing != "revoked" && within(&p.scope));
        let jobs = self.jobs.iter().any(|j| j.over.is_none() && within(&j.at));
        let grants = self.grants.iter().any(|g| g.over.is_none() && within(&g.at));
        let leases = self.leases.iter().any(|l| l.over.is_none() && within(&l.at));
        let holds = self.holds.iter().any(|h| ["pending", "approved"].contains(&h.state) && within(&h.at));
        if scopes || people || jobs || grants || leases || holds {
            return Err("scope_not_empty");
        }
        self.scopes.iter_mut().filter(|(at, _)| *at == child).for_each(|scope| scope.1 = false);
        one("scope.closed")
    }

    pub(super) fn principal(&mut self, ask: &Ask) -> Decided {
        if ask.verb() == "register" {
            return self.register(ask);
        }
        let Some(person) = self.person_in(&ask.id, &ask.at).cloned() else { return Err("not_found") };
        let widens = ["activate", "reactivate"].contains(&ask.verb());
        if widens && !self.may_give_all(&ask.who, &person, &ask.at) {
            return Err("role_above_own");
        }
        let (from, to, kind) = match ask.verb() {
            "activate" => (Some("pending"), "active", "principal.activated"),
            "suspend" => (Some("active"), "suspended", "principal.suspended"),
            "reactivate" => (Some("suspended"), "active", "principal.reactivated"),
            _ => (None, "revoked", "principal.revoked"),
        };
        if from.is_some_and(|from| person.standing != from) {
            return Err("wrong_state");
        }
        let last =
            person.role == "platform_admin" && person.standing == "active" && self.administrators() == 1;
        if last && to != "active" {
            return Err("last_administrator");
        }
        let changed = self.person_mut(&ask.id);
        changed.standing = to;
        match to {
            "suspended" => changed.suspender.clone_from(&ask.who),
            "revoked" => {
                changed.has_key = false;
                let mine = |t: &&mut Token| t.principal == ask.id;
                self.tokens.iter_mut().filter(mine).for_each(|t| t.over = Some("revoked"));
                self.workers.iter_mut().filter(|w| w.id == ask.id).for_each(|w| w.revoked = true);
            }
            _ => {}
        }
        let basis = if person.registrar == ask.who { "bootstrap" } else { "review" };
        let data = if kind == "principal.activated" { vec![("basis", json!(basis))] } else { Vec::new() };
        Ok(vec![entry(kind, data)])
    }

    fn register(&mut self, ask: &Ask) -> Decided {
        let (kind, role) = (ask.text("kind").to_owned(), ask.text("role").to_owned());
        if let Some(known) = self.people.iter().find(|p| p.id == ask.id) {
            return Err(if known.standing == "revoked" { "principal_ended" } else { "principal_exists" });
        }
        if !fits(&role, &kind) {
            return Err("role_kind_mismatch");
        }
        if !self.may_give(&ask.who, &role, &ask.at) {
            return Err("role_above_own");
        }
        self.people.push(Person {
            id: ask.id.clone(),
            kind,
            role,
            scope: ask.at.clone(),
            standing: "pending",
            registrar: ask.who.clone(),
            suspender: String::new(),
            further: Vec::new(),
            has_key: false,
        });
        one("principal.registered")
    }

    pub(super) fn role(&mut self, ask: &Ask) -> Decided {
        if ask.verb() == "define" {
            if is_built_in(&ask.id) {
                return Err("role_built_in");
            }
            if ask.at != "/" {
                return Err("scope_not_root");
            }
            let actions = ask.list("actions");
            if !actions.iter().all(|action| self.may(&ask.who, action)) {
                return Err("role_above_own");
            }
            self.roles.retain(|(id, _)| *id != ask.id);
            self.roles.push((ask.id.clone(), actions));
            return one("role.defined");
        }
        let now = self.now;
        let live = |role: &&(String, Option<i64>)| role.1.is_none_or(|until| now < until);
        let owner = self.person_in(ask.text("principal"), &ask.at).cloned();
        if ask.verb() == "unassign" {
            let has = owner.is_some_and(|p| p.further.iter().filter(live).any(|(role, _)| *role == ask.id));
            if !has {
                return Err("not_found");
            }
            self.person_mut(ask.text("principal")).further.retain(|(role, _)| *role != ask.id);
            return one("role.unassigned");
        }
        let Some(owner) = owner else { return Err("principal_unknown") };
        if is_built_in(&ask.id) && !fits(&ask.id, &owner.kind) {
            return Err("role_kind_mismatch");
        }
        if !is_built_in(&ask.id) {
            let Some((_, actions)) = self.roles.iter().find(|(id, _)| *id == ask.id) else {
                return Err("role_unknown");
            };
            let reviews = |action: &String| {
                let row = self.table.iter().find(|row| row.action == *action);
                row.is_some_and(|row| row.reviewed.starts_with('≠'))
            };
            if owner.kind != "human" && actions.iter().any(reviews) {
                return Err("role_kind_mismatch");
            }
        }
        if !self.may_give(&ask.who, &ask.id, &ask.at) {
            return Err("role_above_own");
        }
        if self.roles_of(&owner).contains(&ask.id) {
            return Err("role_assigned");
        }
        if owner.further.iter().filter(live).count() >= 8 {
            return Err("role_limit");
        }
        let until = ask.has("ttl_ms").then(|| now + ask.int("ttl_ms"));
        let person = self.person_mut(ask.text("principal"));
        person.further.retain(|(role, _)| *role != ask.id);
        person.further.push((ask.id.clone(), until));
        one("role.assigned")
    }

    pub(super) fn token(&mut self, ask: &Ask) -> Decided {
        let known = self.tokens.iter().find(|t| t.id == ask.id).cloned();
        if ask.verb() == "revoke" {
            let here = known
                .filter(|t| t.over.is_none())
                .is_some_and(|t| self.person_in(&t.principal, &ask.at).is_some());
            if !here {
                return Err("not_found");
            }
            let this = self.tokens.iter_mut().filter(|t| t.id == ask.id);
            this.for_each(|t| t.over = Some("revoked"));
            return one("token.revoked");
        }
        let principal = ask.text("principal").to_owned();
        let Some(owner) = self.person_in(&principal, &ask.at).cloned() else {
            return Err("principal_unknown");
        };
        if !self.may_give_all(&ask.who, &owner, &ask.at) {
            return Err("role_above_own");
        }
        let within = ask.has("within").then(|| ask.text("within").to_owned());
        if within.as_ref().is_some_and(|within| !contains(&owner.scope, within)) {
            return Err("scope_not_below");
        }
        if let Some(known) = known {
            return Err(if known.over.is_some() { "token_ended" } else { "token_exists" });
        }
        let now = self.now;
        // What expired is cleared when its principal is given another.
        let dead = |t: &&mut Token| t.principal == principal && t.over.is_none() && now >= t.expires;
        self.tokens.iter_mut().filter(dead).for_each(|t| t.over = Some("expired"));
        let expires = now + ask.int("ttl_ms");
        let once = ask.flag("once");
        self.tokens.push(Token { id: ask.id.clone(), principal, within, once, expires, over: None });
        Ok(vec![entry("token.issued", vec![("expires", json!(expires))])])
    }

    pub(super) fn host_key(&mut self, ask: &Ask) -> Decided {
        let at = self.host_keys.iter().position(|k| k.at == ask.at && k.id == ask.id);
        let print = ask.text("fingerprint").to_owned();
        if at.is_some_and(|at| self.host_keys[at].trust == "disabled") {
            return Err("host_key_disabled");
        }
        if ask.verb() == "observe" {
            let Some(at) = at else {
                let (scope, id) = (ask.at.clone(), ask.id.clone());
                let observers = vec![(ask.who.clone(), print.clone())];
                let key = HostKey { at: scope, id, trust: "bootstrap", current: print, observers };
                self.host_keys.push(key);
                return one("host_key.observed");
            };
            let key = &mut self.host_keys[at];
            key.observers.push((ask.who.clone(), print.clone()));
            if key.current == print {
                return one("host_key.observed");
            }
            (key.trust, key.current) = ("changed", print);
            return Ok(vec![entry("host_key.observed", Vec::new()), entry("host_key.changed", Vec::new())]);
        }
        let Some(at) = at else { return Err("not_found") };
        let key = &mut self.host_keys[at];
        let (to, from, kind): (_, &[&str], _) = match ask.verb() {
            "verify" => ("verified", &["bootstrap", "changed"], "host_key.verified"),
            "reject" => ("rejected", &["bootstrap", "verified", "changed"], "host_key.rejected"),
            _ => {
                key.trust = "disabled";
                return one("host_key.disabled");
            }
        };
        if !from.contains(&key.trust) {
            return Err("wrong_state");
        }
        if key.current != print {
            return Err("fingerprint_moved");
        }
        key.trust = to;
        one(kind)
    }
}
