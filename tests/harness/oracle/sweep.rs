//! What has the clock decided already? Section 8: the system records it once.

use super::state::Oracle;
use super::{Ask, Entry, SYSTEM};
use std::collections::BTreeMap;

/// Something that the system records in a sweep.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    pub action: String,
    pub at: String,
    pub id: String,
}

impl Oracle {
    /// What is due now, in the order of action, scope and id.
    fn due(&self) -> Vec<Due> {
        let due = |action: &str, at: &str, id: &str| Due {
            action: action.to_owned(),
            at: at.to_owned(),
            id: id.to_owned(),
        };
        let mut all = Vec::new();
        for hold in self.holds.iter().filter(|h| ["pending", "approved"].contains(&h.state)) {
            if self.now >= hold.until {
                all.push(due("hold.expire", &hold.at, &hold.name));
            }
        }
        for worker in self.workers.iter().filter(|w| !w.revoked) {
            if worker.health.as_ref().is_some_and(|(health, until)| health != "stale" && self.now >= *until) {
                all.push(due("worker.expire", &worker.at, &worker.id));
            }
        }
        for lease in self.leases.iter().filter(|l| l.over.is_none() && self.now >= l.expires) {
            all.push(due("lease.expire", &lease.at, &lease.id));
        }
        for grant in self.grants.iter().filter(|g| g.over.is_none() && self.now >= g.expires) {
            all.push(due("grant.expire", &grant.at, &grant.id));
        }
        for job in self.jobs.iter().filter(|j| j.over.is_none()) {
            let holder = job.claim.as_ref().map_or("", |(who, _)| who.as_str());
            if self.now >= job.deadline {
                all.push(due("job.expire", &job.at, &job.id));
            } else if self.is_stopped(&job.at, holder, Some(&job.capability)) {
                all.push(due("job.stop", &job.at, &job.id));
            } else if job.claim.as_ref().is_some_and(|(_, until)| self.now >= *until) {
                all.push(due("claim.expire", &job.at, &job.id));
            }
        }
        all.sort();
        all
    }

    /// A sweep: what was due, with its entries.
    pub fn sweep(&mut self) -> Vec<(Due, Vec<Entry>)> {
        let found = self.due();
        let mut said = Vec::new();
        for due in found {
            let ask = Ask {
                who: SYSTEM.to_owned(),
                token: None,
                action: due.action.clone(),
                at: due.at.clone(),
                id: due.id.clone(),
                args: BTreeMap::new(),
                key: 0,
            };
            match self.decide(&ask) {
                Ok(entries) => said.push((due, entries)),
                Err(code) => panic!("the system's {} {} {}: {code}", due.action, due.at, due.id),
            }
        }
        said
    }
}
