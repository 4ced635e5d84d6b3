//! How do views follow the ledger? In batches, each one transaction with its cursor, never beyond a released head.

use crate::letters::{self, Letter};
use crate::overlay::Overlay;
use crate::rows::Rows;
use crate::seen::{Seen, see};
use crate::store::{Cursor, Table, Writer, set_aside};
use crate::view::{Poison, View};
use chancery_ledger::format::checkpoint::Checkpoint;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::hash::Digest;
use chancery_ledger::store::{Lock, Reader, SPACE_MIN, free_bytes};
use chancery_ledger::{Code, Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Entries of one batch.
pub const BATCH: u64 = 1024;

/// Batches of which more are still to come where a fold is far behind.
const FAR: u64 = 4;

/// Batches of one transaction while it is: what they change again and again is written once.
const TOGETHER: u64 = 16;

/// Bytes of rows that are kept at hand from one transaction to the next, over all views.
const AT_HAND: usize = 8 << 20;
/// Bytes with which a transaction takes no further batch.
const FULL: usize = 12 << 20;
/// Bytes of a dead letter that is not written yet, about.
const LETTER: usize = 256;

/// Free bytes below which nothing is folded: what the ledger keeps for what reduces risk, and what one batch writes.
const SPARE: u64 = SPACE_MIN + (8 << 20);
/// What a transaction of many batches writes beyond that, with its log.
const FAR_SPARE: u64 = 48 << 20;

/// What folds.
#[derive(Debug)]
pub struct Engine {
    path: PathBuf,
    writer: Writer,
    views: &'static [&'static View],
    /// The cursor of the build that is folded of each view, in the order of the views.
    cursors: Vec<Cursor>,
    /// What is at hand of the rows of each, in the same order.
    overlays: Vec<Overlay>,
    /// Whether each has its indexes, in the same order; what is folded from far behind gets them at its end.
    indexed: Vec<bool>,
    /// Bytes that a batch leaves free on the disk: they are the ledger's.
    spare: u64,
    /// Nobody else folds into this file.
    _lock: Lock,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It folded up to here, and there is more.
    Folded(u64),
    /// Every view has everything that is under the head.
    Whole,
}

impl Engine {
    /// Opens the views' file: a view that it does not have in this version is built, beside the one that is read when
    /// there is an older one; what no view is asked for any more is dropped. Who folds already is not disturbed.
    pub fn open(path: &Path, ledger: &str, views: &'static [&'static View]) -> Result<Self> {
        Self::under(take(path)?, path, ledger, views)
    }

    /// Opens a new file, and keeps what stood there before beside it, as `projections.damaged`.
    pub(crate) fn open_anew(path: &Path, ledger: &str, views: &'static [&'static View]) -> Result<Self> {
        let lock = take(path)?;
        room(path, SPARE)?;
        set_aside(path)?;
        Self::under(lock, path, ledger, views)
    }

    fn under(lock: Lock, path: &Path, ledger: &str, views: &'static [&'static View]) -> Result<Self> {
        room(path, SPARE)?;
        let writer = Writer::open(path, ledger)?;
        let known = writer.cursors()?;
        let has = |view: &View| known.iter().any(|c| c.view == view.name && c.version == view.version);
        // What could not be folded is found again only where everything is folded again.
        let all = !known.is_empty() && views.iter().any(|view| view.name == letters::VIEW.name && !has(view));
        let mut engine = Self {
            path: path.to_owned(),
            writer,
            views,
            cursors: Vec::new(),
            overlays: Vec::new(),
            indexed: Vec::new(),
            spare: SPARE,
            _lock: lock,
        };
        for view in views {
            let of: Vec<&Cursor> = known.iter().filter(|cursor| cursor.view == view.name).collect();
            let present = |cursor: &&&Cursor| cursor.version == view.version && !all;
            // One that is being built beside goes on being built.
            let goes_on = of.iter().filter(present).min_by_key(|cursor| cursor.live);
            match goes_on {
                Some(cursor) => engine.cursors.push((*cursor).clone()),
                None => engine.cursors.push(next_build(view, &known)),
            }
        }
        engine.writer.together(|writer| {
            let cursors = &engine.cursors;
            for cursor in known.iter().filter(|one| !cursors.contains(one)) {
                // A third build is one that was being made when this program was put in its place.
                if !cursor.live || !views.iter().any(|view| view.name == cursor.view) {
                    writer.remove(cursor)?;
                }
            }
            let fresh = cursors.iter().filter(|cursor| !known.contains(cursor));
            fresh.into_iter().try_for_each(|cursor| writer.create(cursor))
        })?;
        engine.overlays = engine.cursors.iter().map(overlay).collect();
        // One that was made before may have been left without.
        engine.indexed = vec![false; views.len()];
        Ok(engine)
    }

    /// Builds every view anew.
    pub fn rebuild_all(&mut self) -> Result<()> {
        match self.letters() {
            Some(_) => self.rebuild(letters::VIEW.name),
            None => self.views.iter().try_for_each(|view| self.rebuild(view.name)),
        }
    }

    /// Builds a view anew, beside the one that is read until the new one has caught up. With the dead letters, all are.
    pub fn rebuild(&mut self, name: &str) -> Result<()> {
        let known = self.writer.cursors()?;
        let letters = self.letters();
        let each = self.views.iter().zip(&mut self.cursors).zip(&mut self.overlays).zip(&mut self.indexed);
        for (((view, cursor), at_hand), indexed) in each {
            if view.name != name && name != letters::VIEW.name {
                continue;
            }
            let fresh = next_build(view, &known);
            self.writer.together(|writer| {
                if !cursor.live {
                    writer.remove(cursor)?;
                }
                if let Some(table) = letters.as_deref().filter(|_| name != letters::VIEW.name) {
                    letters::begin(writer, table, view.name)?;
                }
                writer.create(&fresh)
            })?;
            *at_hand = overlay(&fresh);
            *cursor = fresh;
            *indexed = false;
        }
        Ok(())
    }

    /// Where the dead letters stand, when there is a view of them.
    fn letters(&self) -> Option<String> {
        let own = self.cursors.iter().find(|cursor| cursor.view == letters::VIEW.name);
        own.map(Cursor::table)
    }

    /// Entries that every view has.
    pub fn entries(&self) -> u64 {
        self.cursors.iter().map(|cursor| cursor.entries).min().unwrap_or_default()
    }

    /// Entries that could not be folded, over all views.
    pub fn skipped(&self) -> u64 {
        self.cursors.iter().map(|cursor| cursor.skipped).sum()
    }

    /// Folds everything under `head`; `progress` is told entries folded and entries there are.
    pub fn catch_up(
        &mut self,
        reader: &Reader,
        head: &Checkpoint,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        while let Step::Folded(entries) = self.step(reader, head)? {
            progress(entries, head.size);
        }
        progress(head.size, head.size);
        Ok(())
    }

    /// Folds one batch under `head` into the views that are furthest behind; those that are read come first.
    pub fn step(&mut self, reader: &Reader, head: &Checkpoint) -> Result<Step> {
        if let Some(ahead) = self.cursors.iter().find(|cursor| cursor.entries > head.size) {
            let text = format!(
                "the views hold {} entries, the ledger has {}: they are of another ledger, or of a later copy",
                ahead.entries, head.size
            );
            return Err(Error::new(Code::ViewsDamaged, text));
        }
        let behind = |live: bool| {
            let of = self.cursors.iter().filter(|cursor| cursor.live == live && cursor.entries < head.size);
            of.map(|cursor| cursor.entries).min().map(|from| (live, from))
        };
        let Some((live, from)) = behind(true).or_else(|| behind(false)) else {
            return self.switch().map(|()| Step::Whole);
        };
        let in_group = |cursor: &Cursor| cursor.entries == from && cursor.live == live;
        let others = self.cursors.iter().filter(|cursor| cursor.live == live && cursor.entries > from);
        let next = others.map(|cursor| cursor.entries).min().unwrap_or(u64::MAX);
        let far = head.size - from > BATCH * FAR;
        room(&self.path, if far { self.spare + FAR_SPARE } else { self.spare })?;
        let most = if far { BATCH * TOGETHER } else { BATCH };
        let to = next.min(head.size).min(from + most);
        let group: Vec<usize> =
            (0..self.cursors.len()).filter(|at| self.cursors.get(*at).is_some_and(in_group)).collect();
        self.writer.set_behind(far)?;
        self.fold(reader, head, &group, from, to).map(Step::Folded)
    }

    /// What was built beside is read from now on, all of it at once.
    fn switch(&mut self) -> Result<()> {
        let fresh: Vec<&mut Cursor> = self.cursors.iter_mut().filter(|cursor| !cursor.live).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = fresh.iter().map(|cursor| cursor.view.clone()).collect();
        for cursor in fresh {
            cursor.live = true;
        }
        let letters = self.letters();
        self.writer.together(|writer| {
            for cursor in self.cursors.iter().filter(|cursor| names.contains(&cursor.view)) {
                writer.make_live(cursor)?;
                if let Some(table) = &letters {
                    letters::switch(writer, table, &cursor.view)?;
                }
            }
            Ok(())
        })
    }

    fn fold(
        &mut self,
        reader: &Reader,
        head: &Checkpoint,
        group: &[usize],
        from: u64,
        to: u64,
    ) -> Result<u64> {
        let mut cursors: Vec<Cursor> = group.iter().filter_map(|at| self.cursors.get(*at).cloned()).collect();
        let views: Vec<&'static View> = group.iter().filter_map(|at| self.views.get(*at).copied()).collect();
        let mut prev = match from {
            0 => Digest::ZERO,
            _ => reader.address(from - 1)?,
        };
        if let Some(other) = cursors.iter().find(|cursor| cursor.address != prev) {
            return Err(Error::new(
                Code::ViewsDamaged,
                format!(
                    "view `{}` was folded from other entries than the {from} that the ledger begins with",
                    other.view
                ),
            ));
        }
        let tables: Vec<Table> = cursors.iter().map(|cursor| Table::new(&cursor.table())).collect();
        // What is not committed is forgotten with what else was at hand.
        let own = |at: &usize| self.overlays.get_mut(*at).map(std::mem::take);
        let mut overlays: Vec<Overlay> = group.iter().filter_map(own).collect();
        let mut letters: Vec<Letter> = Vec::new();
        let own_letters = self.letters();
        let mut at = from;
        // One transaction from the first look to the last row: each row that a fold asks for is read within it.
        self.writer.together(|writer| {
            let mut time = 0;
            while at == from || (at < to && held(&overlays) + letters.len() * LETTER < FULL) {
                let end = to.min(at + BATCH);
                reader.leaves(at..end, |position, leaf| {
                    prev = see(leaf, position, prev, &mut |seen| {
                        time = seen.time;
                        let each = views.iter().zip(&tables).zip(&mut overlays).zip(&mut cursors);
                        for (((view, table), overlay), cursor) in each {
                            match fold_one(writer, table, view, overlay, seen)? {
                                Ok(()) if overlay.keep() => cursor.changed = position,
                                Ok(()) => {}
                                Err(poison) => {
                                    overlay.take_back();
                                    cursor.skipped += 1;
                                    letters.push(Letter::new(view, !cursor.live, seen, &poison));
                                }
                            }
                        }
                        Ok(())
                    })?;
                    Ok(())
                })?;
                at = end;
            }
            for (table, overlay) in tables.iter().zip(&mut overlays) {
                writer.write(table, |put| overlay.write(put))?;
            }
            if head.size - at <= BATCH * FAR {
                let bare = group.iter().zip(views.iter().zip(&cursors));
                let bare = bare.filter(|(at, _)| !self.indexed.get(**at).is_some_and(|indexed| *indexed));
                for (_, (view, cursor)) in bare {
                    writer.index(view, cursor)?;
                }
            }
            let mut beside = None;
            if let (Some(table), Some(last)) = (&own_letters, letters.last()) {
                letters::write(writer, table, &letters)?;
                let own = |cursor: &&mut Cursor| cursor.view == letters::VIEW.name;
                match cursors.iter_mut().find(own) {
                    Some(cursor) => cursor.changed = last.position,
                    None => beside = self.cursors.iter_mut().find(own),
                }
                if let Some(cursor) = &mut beside {
                    cursor.changed = cursor.changed.max(last.position);
                }
            }
            for cursor in &mut cursors {
                (cursor.entries, cursor.address, cursor.time) = (at, prev, time);
                if at == head.size {
                    cursor.head = (head.size, hex(&head.root));
                }
            }
            cursors.iter().chain(beside.as_deref()).try_for_each(|cursor| writer.advance(cursor))
        })?;
        for ((view, cursor), mut overlay) in group.iter().zip(cursors).zip(overlays) {
            overlay.written();
            if let (Some(own), Some(at_hand)) = (self.cursors.get_mut(*view), self.overlays.get_mut(*view)) {
                (*own, *at_hand) = (cursor, overlay);
            }
            if let Some(indexed) = self.indexed.get_mut(*view) {
                *indexed |= head.size - at <= BATCH * FAR;
            }
        }
        self.make_room();
        Ok(at)
    }

    /// Too much at hand: what was not asked for goes, or all of it when that was not a quarter.
    fn make_room(&mut self) {
        if held(&self.overlays) > AT_HAND {
            self.overlays.iter_mut().for_each(Overlay::shrink);
            if held(&self.overlays) > AT_HAND / 4 * 3 {
                self.overlays.iter_mut().for_each(Overlay::clear);
            }
        }
    }
}

fn take(path: &Path) -> Result<Lock> {
    Lock::take(&path.with_extension("lock")).map_err(|error| match error.code {
        Code::Locked => {
            let text = format!("another process folds the views: `{}` is its", path.display());
            Error::new(Code::Locked, text)
        }
        _ => error,
    })
}

/// Views can be folded later; a kill switch cannot be engaged later.
fn room(path: &Path, spare: u64) -> Result<()> {
    let free = path.parent().and_then(free_bytes).unwrap_or(u64::MAX);
    if free >= spare {
        return Ok(());
    }
    let text = format!(
        "{} MiB are free where the views stand, of which the ledger keeps {}: they stay as they are",
        free >> 20,
        spare >> 20
    );
    Err(Error::new(Code::StorageFull, text))
}

/// Bytes of rows that are at hand, over all views.
fn held(all: &[Overlay]) -> usize {
    all.iter().map(Overlay::bytes).sum()
}

/// What is at hand of a build before it is folded.
fn overlay(cursor: &Cursor) -> Overlay {
    if cursor.entries == 0 { Overlay::of_nothing() } else { Overlay::default() }
}

/// A build that there is not yet: read at once when no other is.
fn next_build(view: &View, known: &[Cursor]) -> Cursor {
    let of = |cursor: &&Cursor| cursor.view == view.name;
    let builds = known.iter().filter(of).filter(|cursor| cursor.version == view.version);
    let build = builds.map(|cursor| cursor.build).max().map_or(0, |last| last + 1);
    Cursor::new(view, build, !known.iter().any(|cursor| of(&cursor) && cursor.live))
}

/// Folds one entry into one view; a fold that breaks an assertion is a fold that could not.
fn fold_one(
    writer: &Writer,
    table: &Table,
    view: &View,
    overlay: &mut Overlay,
    seen: &Seen<'_>,
) -> Result<std::result::Result<(), Poison>> {
    if let Some(why) = seen.unread {
        return Ok(Err(Poison::new(format!("`{}` cannot be read: {why}", seen.kind))));
    }
    let load = |key: &str| writer.load(table, key);
    let mut rows = Rows::new(overlay, &load);
    match catch_unwind(AssertUnwindSafe(|| (view.fold)(&mut rows, seen))) {
        // Only the entry makes a dead letter; with anything else the batch is as if it had not begun.
        Ok(done) => match done.as_ref().err().and_then(Poison::fault) {
            Some(fault) => Err(fault),
            None => Ok(done),
        },
        Err(_) => Ok(Err(Poison::new(format!("the fold of `{}` broke an assertion", seen.kind)))),
    }
}
