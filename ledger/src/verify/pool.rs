//! Who looks at which piece? Chunks go out to threads and come back in order; author signatures are checked
//! beside them, and the first that fails counts where it stands.

use super::prepare::{Item, Source, line, row, signature_holds, signature_of};
use super::walk::{Job, Stop};
use super::{Finding, FindingCode, How, screen};
use crate::format::limits::EXPORT_LINE;
use crate::store::Row;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Author signatures that are checked as one piece of work.
const JOBS: usize = 256;

/// A piece of the input.
#[derive(Debug)]
pub(super) enum Chunk {
    /// Whole lines, and at the very end perhaps a part of one.
    Lines(Vec<u8>),
    /// Rows of a store.
    Rows(Vec<Row>),
}

/// A piece that was looked at: each item with the offset after it.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) items: Vec<(Item, usize)>,
    pub(super) chunk: Chunk,
}

enum Work {
    Look(Chunk, Sender<Looked>),
    Authors(Vec<Job>, Sender<Option<u64>>),
}

/// Threads that look at chunks.
pub(super) struct Pool<'a> {
    source: &'a Source,
    how: How,
    work: Option<SyncSender<Work>>,
    looked: VecDeque<Receiver<Looked>>,
    ready: VecDeque<Looked>,
    jobs: Vec<Job>,
    verdicts: Vec<Receiver<Option<u64>>>,
    bad_author: Option<u64>,
}

fn look(source: &Source, chunk: Chunk) -> Looked {
    let mut leaf = Vec::new();
    let items = match &chunk {
        Chunk::Rows(rows) => {
            rows.iter().enumerate().map(|(at, stored)| (row(source, stored), at + 1)).collect()
        }
        Chunk::Lines(bytes) => {
            let mut items = Vec::new();
            let mut start = 0;
            while start < bytes.len() {
                let rest = &bytes[start..];
                let end = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |at| at + 1);
                let text = &rest[..end];
                let item = match text.strip_suffix(b"\n") {
                    Some(text) if end <= EXPORT_LINE => line(source, text, &mut leaf),
                    _ => Item::Bad(FindingCode::LineInvalid),
                };
                start += end;
                items.push((item, start));
            }
            items
        }
    };
    Looked { items, chunk }
}

/// Position of the first signature of `jobs` that fails.
fn first_bad(jobs: &[Job], how: How) -> Option<u64> {
    if how.screen {
        let messages: Option<Vec<_>> =
            jobs.iter().map(|job| Some((job.public, signature_of(&job.leaf, job.purpose)?))).collect();
        if messages.is_some_and(|signed| screen::accepts(&signed)) {
            return None;
        }
    }
    let holds = |job: &&Job| !signature_holds(&job.leaf, job.public, job.purpose);
    jobs.iter().find(holds).map(|job| job.position)
}

fn serve(work: &Mutex<Receiver<Work>>, source: &Source, how: How) {
    loop {
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Err(_) => return,
            Ok(Work::Look(chunk, back)) => {
                let _ = back.send(look(source, chunk));
            }
            Ok(Work::Authors(jobs, back)) => {
                let _ = back.send(first_bad(&jobs, how));
            }
        }
    }
}

impl<'a> Pool<'a> {
    /// Runs `body` with a pool; its threads are gone when this returns.
    pub(super) fn run<T>(how: How, source: &Source, body: impl FnOnce(&mut Pool<'_>) -> T) -> T {
        std::thread::scope(|scope| {
            let (send, receive) = sync_channel(how.threads * 4 + 4);
            let receive = Arc::new(Mutex::new(receive));
            let threaded = how.threads > 1;
            if threaded {
                for _ in 0..how.threads {
                    let receive = Arc::clone(&receive);
                    scope.spawn(move || serve(&receive, source, how));
                }
            }
            let mut pool = Pool {
                source,
                how,
                work: threaded.then_some(send),
                looked: VecDeque::new(),
                ready: VecDeque::new(),
                jobs: Vec::new(),
                verdicts: Vec::new(),
                bad_author: None,
            };
            body(&mut pool)
        })
    }

    /// True when another chunk may be given.
    pub(super) fn has_room(&self) -> bool {
        let out = self.looked.len() + self.ready.len();
        if self.work.is_some() { out < self.how.threads + 2 } else { out == 0 }
    }

    /// True while a chunk that was given has not been taken.
    pub(super) fn is_busy(&self) -> bool {
        !self.looked.is_empty() || !self.ready.is_empty()
    }

    /// Hands a chunk out.
    pub(super) fn give(&mut self, chunk: Chunk) {
        match &self.work {
            None => self.ready.push_back(look(self.source, chunk)),
            Some(work) => {
                let (back, looked) = channel();
                if work.send(Work::Look(chunk, back)).is_ok() {
                    self.looked.push_back(looked);
                }
            }
        }
    }

    /// The next chunk, in the order in which they were given.
    pub(super) fn take(&mut self) -> Option<Looked> {
        match self.looked.pop_front() {
            Some(looked) => looked.recv().ok(),
            None => self.ready.pop_front(),
        }
    }

    /// Has signatures checked, sooner or later.
    pub(super) fn check_authors(&mut self, jobs: Vec<Job>) {
        self.jobs.extend(jobs);
        while self.jobs.len() >= JOBS {
            let rest = self.jobs.split_off(JOBS);
            let batch = std::mem::replace(&mut self.jobs, rest);
            self.send(batch);
        }
        let mut waiting = Vec::new();
        for verdict in std::mem::take(&mut self.verdicts) {
            match verdict.try_recv() {
                Ok(bad) => self.note(bad),
                Err(_) => waiting.push(verdict),
            }
        }
        self.verdicts = waiting;
    }

    fn send(&mut self, batch: Vec<Job>) {
        match &self.work {
            None => {
                let bad = first_bad(&batch, self.how);
                self.note(bad);
            }
            Some(work) => {
                let (back, verdict) = channel();
                if work.send(Work::Authors(batch, back)).is_ok() {
                    self.verdicts.push(verdict);
                }
            }
        }
    }

    fn note(&mut self, bad: Option<u64>) {
        self.bad_author = match (self.bad_author, bad) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// True when a signature failed; earlier ones may still be found to fail.
    pub(super) fn has_bad_author(&self) -> bool {
        self.bad_author.is_some()
    }

    /// Waits for every signature; the first thing that is wrong, of `stop` and of them. An author's signature is
    /// of an entry that the walk has passed, so it comes before whatever stopped the walk.
    pub(super) fn first_of(&mut self, stop: Option<Stop>) -> Option<Stop> {
        let rest = std::mem::take(&mut self.jobs);
        self.send(rest);
        for verdict in std::mem::take(&mut self.verdicts) {
            let bad = verdict.recv().ok().flatten();
            self.note(bad);
        }
        match self.bad_author {
            None => stop,
            Some(position) => {
                let text = "the author's signature does not verify";
                Some(Stop::Finding(Finding::at(FindingCode::AuthorSignature, position, text)))
            }
        }
    }
}
