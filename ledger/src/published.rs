//! What do readers see of the world? A second one, folded from what is durable, and the noes that are only counted.

use crate::domains::{Ended, World};
use crate::door::Folded;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Entries that are folded while readers wait.
const SLICE: usize = 64;

/// The world as far as it is durable.
#[derive(Debug)]
pub(crate) struct Published(RwLock<World>);

impl Published {
    pub(crate) fn new(world: World) -> Self {
        Self(RwLock::new(world))
    }

    /// Folds what has become durable, a slice at a time.
    pub(crate) fn take(&self, folded: &mut Vec<Folded>) {
        let mut ended: Vec<Ended> = Vec::new();
        let mut rest = folded.drain(..).peekable();
        while rest.peek().is_some() {
            let mut world = self.0.write().unwrap_or_else(PoisonError::into_inner);
            for one in rest.by_ref().take(SLICE) {
                one.fold(&mut world, &mut ended);
            }
            ended.clear();
        }
    }

    /// What `look` sees.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Answers without an entry, by principal and minute. What a crash loses of it is a number, not an answer.
#[derive(Debug, Default)]
pub(crate) struct Counted(HashMap<(String, i64), u64>);

impl Counted {
    pub(crate) fn add(&mut self, actor: &str, minute: i64) {
        *self.0.entry((actor.to_owned(), minute)).or_default() += 1;
    }

    /// Principals and minutes of which something was counted.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What was counted in minutes before this one: principal, minute, number, in a fixed order.
    pub(crate) fn before(&self, minute: i64) -> Vec<(String, i64, u64)> {
        let over = self.0.iter().filter(|((_, at), _)| *at < minute);
        let mut found: Vec<(String, i64, u64)> =
            over.map(|((actor, at), count)| (actor.clone(), *at, *count)).collect();
        found.sort_unstable();
        found
    }

    /// Forgets what was recorded, or can never be.
    pub(crate) fn forget(&mut self, actor: String, minute: i64) {
        self.0.remove(&(actor, minute));
    }
}
