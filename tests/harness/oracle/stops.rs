//! Capabilities, switches and holds: sections 10.10 to 10.12.

use super::state::{Capability, Feature, Hold, Kill, Oracle};
use super::{Ask, Decided, Said, entry, one};
use chancery_ledger::format::json::Value;
use serde_json::json;

/// How long a hold waits: a day.
const DAY: i64 = 86_400_000;

impl Oracle {
    pub(super) fn capability(&mut self, ask: &Ask) -> Decided {
        let known = self.capabilities.iter().position(|c| c.id == ask.id);
        if ask.verb() == "register" {
            let commands = match ask.args.get("commands") {
                Some(Value::List(commands)) => commands.clone(),
                _ => Vec::new(),
            };
            if known.is_some() {
                return Err("capability_exists");
            }
            if ask.at != "/" {
                return Err("scope_not_root");
            }
            if commands.iter().any(|command| *command == Value::List(Vec::new())) {
                return Err("command_empty");
            }
            let trust = if ask.has("trust") { ask.text("trust") } else { "standard" };
            self.capabilities.push(Capability {
                id: ask.id.clone(),
                risk: ask.text("risk").to_owned(),
                grant: ask.flag("grant"),
                trust: trust.to_owned(),
                commands,
                marks: Vec::new(),
            });
            return one("capability.registered");
        }
        let on = ask.verb() == "enable";
        let Some(known) = known else { return Err("not_found") };
        let marks = &mut self.capabilities[known].marks;
        if marks.contains(&(ask.at.clone(), on)) {
            return Err("wrong_state");
        }
        marks.retain(|(at, _)| *at != ask.at);
        marks.push((ask.at.clone(), on));
        one(if on { "capability.enabled" } else { "capability.disabled" })
    }

    pub(super) fn switch(&mut self, ask: &Ask) -> Decided {
        let target = ask.text("target").to_owned();
        // A scope has one kill switch, whatever the id.
        let this = |k: &Kill| k.at == ask.at && k.target == target && (target == "scope" || k.id == ask.id);
        match ask.verb() {
            "turn_on" => {
                let until = self.now + ask.int("ttl_ms");
                self.features.retain(|f| !(f.id == ask.id && f.at == ask.at));
                self.features.push(Feature { id: ask.id.clone(), at: ask.at.clone(), until });
                Ok(vec![entry("switch.turned_on", vec![("until", json!(until))])])
            }
            "turn_off" if !self.is_on_at(&ask.id, &ask.at) => Err("not_found"),
            "turn_off" => {
                self.features.retain(|f| !(f.id == ask.id && f.at == ask.at));
                one("switch.turned_off")
            }
            "engage" if self.kills.iter().any(this) => Err("wrong_state"),
            "engage" => {
                self.kills.push(Kill { at: ask.at.clone(), target, id: ask.id.clone() });
                one("switch.engaged")
            }
            _ if !self.kills.iter().any(this) => Err("not_found"),
            _ => {
                self.kills.retain(|kill| !this(kill));
                one("switch.cleared")
            }
        }
    }

    /// The answer to a request that must be confirmed.
    pub(super) fn held(&mut self, ask: &Ask, open: Option<usize>) -> Said {
        let said = |code: &str, entries, hold: Option<usize>| {
            let effect = if hold.is_some() { "hold" } else { "refuse" };
            Said { effect, code: Some(code.to_owned()), entries, replay: false, hold }
        };
        if let Some(open) = open {
            let data = vec![("hold", json!(self.holds[open].name))];
            return said("confirmation_required", vec![entry("decision.held", data)], Some(open));
        }
        let waits =
            |h: &&Hold| h.who == ask.who && ["pending", "approved"].contains(&h.state) && self.now < h.until;
        if self.holds.iter().filter(waits).count() >= 16 {
            let data = vec![("code", json!("hold_limit"))];
            return said("hold_limit", vec![entry("decision.refused", data)], None);
        }
        let until = self.now + DAY;
        self.holds.push(Hold {
            name: String::new(),
            action: ask.action.clone(),
            at: ask.at.clone(),
            id: ask.id.clone(),
            who: ask.who.clone(),
            args: ask.args.clone(),
            until,
            state: "pending",
        });
        let data = vec![("risk", json!(self.risk(ask))), ("until", json!(until))];
        said("confirmation_required", vec![entry("hold.opened", data)], Some(self.holds.len() - 1))
    }

    pub(super) fn hold(&mut self, ask: &Ask) -> Decided {
        let found = self.holds.iter().position(|h| h.name == ask.id);
        let Some(at) = found else { return Err("not_found") };
        let hold = &self.holds[at];
        if !["pending", "approved"].contains(&hold.state) {
            return Err("hold_over");
        }
        if hold.at != ask.at {
            return Err("not_found");
        }
        if (self.now >= hold.until) != (ask.verb() == "expire") {
            return Err("hold_over");
        }
        let (to, kind) = match ask.verb() {
            "approve" if hold.state == "approved" => return Err("wrong_state"),
            "approve" => {
                let about = hold.args.get("principal").and_then(Value::text);
                if !self.may(&ask.who, &hold.action) || about == Some(&ask.who) {
                    return Err("not_eligible");
                }
                ("approved", "hold.approved")
            }
            "deny" => ("denied", "hold.denied"),
            "cancel" if hold.who != ask.who => return Err("not_eligible"),
            "cancel" => ("cancelled", "hold.cancelled"),
            _ => ("expired", "hold.expired"),
        };
        self.holds[at].state = to;
        one(kind)
    }
}
