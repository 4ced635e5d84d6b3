//! Who may do what, and who may give it? Roles by the table of section 9 and sections 10.3 and 10.9.

use super::state::{Oracle, Person};
use super::table::{Row, is_built_in};

impl Oracle {
    pub(super) fn row(&self, action: &str) -> &Row {
        let found = self.table.iter().find(|row| row.action == action);
        found.unwrap_or_else(|| panic!("SPEC has no row for `{action}`"))
    }

    /// Whether one of its roles may do an action.
    pub fn may(&self, who: &str, action: &str) -> bool {
        let Some(row) = self.table.iter().find(|row| row.action == action) else { return false };
        let Some(person) = self.person(who) else { return false };
        self.roles_of(person).iter().any(|role| {
            if is_built_in(role) {
                return row.roles.contains(role);
            }
            // What no role of the table may do is the system's; where it has a ≠, a machine is none that may.
            if row.reviewed.starts_with('≠') && person.kind != "human" {
                return false;
            }
            let defined = self.roles.iter().find(|(id, _)| id == role);
            !row.roles.is_empty() && defined.is_some_and(|(_, actions)| actions.iter().any(|a| a == action))
        })
    }

    /// Its roles that count now.
    pub fn roles_of(&self, person: &Person) -> Vec<String> {
        let live = |until: &Option<i64>| until.is_none_or(|until| self.now < until);
        let further = person.further.iter().filter(|(_, until)| live(until)).map(|(role, _)| role.clone());
        std::iter::once(person.role.clone()).chain(further).collect()
    }

    /// Number of active platform administrators.
    pub fn administrators(&self) -> usize {
        self.people.iter().filter(|p| p.role == "platform_admin" && p.standing == "active").count()
    }

    /// Whether `who` may give a role at `at`; of the giver the first role counts.
    pub fn may_give(&self, who: &str, role: &str, at: &str) -> bool {
        let own = self.person(who).map_or("", |p| p.role.as_str());
        match role {
            "platform_admin" => own == "platform_admin" && at == "/",
            "msp_admin" | "msp_operator" | "msp_viewer" | "auditor" => {
                ["platform_admin", "msp_admin"].contains(&own)
            }
            role if is_built_in(role) => true,
            role => {
                let actions = self.roles.iter().find(|(id, _)| id == role).map(|(_, actions)| actions);
                actions.is_none_or(|actions| actions.iter().all(|action| self.may(who, action)))
            }
        }
    }

    /// Whether `who` may give each role of a principal.
    pub fn may_give_all(&self, who: &str, person: &Person, at: &str) -> bool {
        self.roles_of(person).iter().all(|role| self.may_give(who, role, at))
    }
}
