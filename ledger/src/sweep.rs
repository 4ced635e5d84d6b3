//! What does the clock make happen? The sweeper: it records, as the system, what the comparison with the clock
//! already decided. SPEC 8.

use crate::answer::Answer;
use crate::domains::door::minute_of;
use crate::domains::{Due, due};
use crate::entropy::Entropy;
use crate::error::Result;
use crate::format::json::Value;
use crate::ledger::Ledger;
use crate::relay;
use std::sync::mpsc;

/// Things that one sweep records at the most.
pub const SWEEP: usize = 512;

impl Ledger {
    /// Records what is due; gives what was recorded. What is left over is due in the next sweep.
    pub fn sweep(&self) -> Result<Vec<Due>> {
        let now = self.now();
        let found = self.look(|world| due(world, now, SWEEP));
        let (send, receive) = mpsc::channel();
        let mut entropy = Entropy::default();
        let mut requests = Vec::with_capacity(found.len());
        for (at, due) in found.iter().enumerate() {
            let salt = entropy.take()?;
            let name = self.origin().name();
            let occasion = (due.occasion, minute_of(now));
            let request = relay::own(due.action, &due.scope, &due.id, Value::object(), occasion, name, salt);
            let Some(request) = request else { continue };
            let send = send.clone();
            let reply: crate::Reply = Box::new(move |answer| {
                let _ = send.send((at, answer));
            });
            requests.push((request, reply));
        }
        drop(send);
        if !requests.is_empty() {
            self.submit_all(requests)?;
        }
        let mut recorded: Vec<usize> = receive
            .iter()
            .filter(|(_, answer)| matches!(answer, Answer::Receipt(receipt) if receipt.code.is_none()))
            .map(|(at, _)| at)
            .collect();
        recorded.sort_unstable();
        Ok(recorded.into_iter().filter_map(|at| found.get(at).cloned()).collect())
    }

    /// The present as readers see it: the wall clock, and never before the last durable entry. The writer's own instants
    /// are never behind it by more than its clock was ahead, for it follows the monotonic clock as well.
    pub fn now(&self) -> i64 {
        self.time.now()
    }

    /// Why appending is stopped until somebody confirms what the clock shows, when it is.
    pub fn clock_suspect(&self) -> Option<String> {
        self.time.now();
        self.time.check().err().map(|error| error.message)
    }
}
