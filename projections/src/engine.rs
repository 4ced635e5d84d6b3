//! How do views follow the ledger? In batches, each one transaction with its cursor, never beyond a released head.

use crate::letters::{self, Letter};
use crate::rows::{Overlay, Rows};
use crate::seen::{Seen, see};
use crate::store::{Cursor, Writer};
use crate::view::{Poison, View};
use chancery_ledger::format::checkpoint::Checkpoint;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::hash::Digest;
use chancery_ledger::store::Reader;
use chancery_ledger::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Entries of one transaction: what bounds the memory of a fold.
pub const BATCH: u64 = 1024;

/// What folds.
#[derive(Debug)]
pub struct Engine {
    writer: Writer,
    views: &'static [&'static View],
    /// The cursor of each view's present version, in the order of the views.
    cursors: Vec<Cursor>,
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
    /// there is an older one; what no view is asked for any more is dropped.
    pub fn open(path: &Path, ledger: &str, views: &'static [&'static View]) -> Result<Self> {
        let writer = Writer::open(path, ledger)?;
        let known = writer.cursors()?;
        for view in views {
            let of: Vec<&Cursor> = known.iter().filter(|cursor| cursor.view == view.name).collect();
            if !of.iter().any(|cursor| cursor.version == view.version) {
                writer.begin_view(view, of.is_empty())?;
            }
            // A third version is one that was being built when this build was put in place.
            for stale in of.iter().filter(|cursor| cursor.version != view.version && !cursor.live) {
                writer.drop_view(&stale.view, stale.version)?;
            }
        }
        for gone in known.iter().filter(|cursor| !views.iter().any(|view| view.name == cursor.view)) {
            writer.drop_view(&gone.view, gone.version)?;
        }
        let known = writer.cursors()?;
        let present = |view: &&&View| {
            let is = |cursor: &&Cursor| cursor.view == view.name && cursor.version == view.version;
            known.iter().find(is).cloned()
        };
        let cursors: Vec<Cursor> = views.iter().filter_map(|view| present(&view)).collect();
        Ok(Self { writer, views, cursors })
    }

    /// Builds a view anew, beside the one that is read until the new one has caught up.
    pub fn rebuild(&mut self, name: &str) -> Result<()> {
        let Some(at) = self.views.iter().position(|view| view.name == name) else { return Ok(()) };
        let (Some(view), Some(cursor)) = (self.views.get(at), self.cursors.get_mut(at)) else {
            return Ok(());
        };
        // One version has one table: what is rebuilt in place is read as it grows.
        self.writer.drop_view(view.name, view.version)?;
        self.writer.begin_view(view, true)?;
        letters::forget(&self.writer, self.views, view)?;
        let fresh = self.writer.cursors()?.into_iter();
        let is = |one: &Cursor| one.view == view.name && one.version == view.version;
        if let Some(fresh) = fresh.into_iter().find(is) {
            *cursor = fresh;
        }
        Ok(())
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
            return Err(Error::new(chancery_ledger::Code::ViewsDamaged, text));
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
        let to = next.min(head.size).min(from + BATCH);
        let group: Vec<usize> =
            (0..self.cursors.len()).filter(|at| self.cursors.get(*at).is_some_and(in_group)).collect();
        self.fold(reader, head, &group, from, to)?;
        Ok(Step::Folded(to))
    }

    /// What was built beside is read from now on.
    fn switch(&mut self) -> Result<()> {
        for (view, cursor) in self.views.iter().zip(&mut self.cursors) {
            if !cursor.live {
                self.writer.make_live(view)?;
                cursor.live = true;
            }
        }
        Ok(())
    }

    fn fold(
        &mut self,
        reader: &Reader,
        head: &Checkpoint,
        group: &[usize],
        from: u64,
        to: u64,
    ) -> Result<()> {
        let mut cursors: Vec<Cursor> = group.iter().filter_map(|at| self.cursors.get(*at).cloned()).collect();
        let views: Vec<&'static View> = group.iter().filter_map(|at| self.views.get(*at).copied()).collect();
        let mut prev = match from {
            0 => Digest::ZERO,
            _ => reader.address(from - 1)?,
        };
        if let Some(other) = cursors.iter().find(|cursor| cursor.address != prev) {
            return Err(Error::new(
                chancery_ledger::Code::ViewsDamaged,
                format!(
                    "view `{}` was folded from another entry {} than the ledger has",
                    other.view,
                    from - 1
                ),
            ));
        }
        let mut overlays: Vec<Overlay> = views.iter().map(|_| Overlay::default()).collect();
        let mut letters: Vec<Letter> = Vec::new();
        let mut time = 0;
        let writer = &self.writer;
        reader.leaves(from..to, |position, leaf| {
            prev = see(leaf, position, prev, &mut |seen| {
                time = seen.time;
                for ((view, overlay), cursor) in views.iter().zip(&mut overlays).zip(&mut cursors) {
                    match fold_one(writer, view, overlay, seen) {
                        Ok(()) if overlay.keep() => cursor.changed = position,
                        Ok(()) => {}
                        Err(poison) => {
                            overlay.take_back();
                            cursor.skipped += 1;
                            letters.push(Letter::new(view, seen, &poison));
                        }
                    }
                }
                Ok(())
            })?;
            Ok(())
        })?;
        self.writer.begin()?;
        for (view, overlay) in views.iter().zip(&mut overlays) {
            self.writer.write(view, overlay.drain())?;
        }
        if letters::write(&self.writer, self.views, &letters)?
            && let Some(last) = letters.last()
        {
            let own = |cursor: &&mut Cursor| cursor.view == letters::VIEW.name;
            if let Some(cursor) = cursors.iter_mut().find(own) {
                cursor.changed = last.position;
            } else if let Some(cursor) = self.cursors.iter_mut().find(own) {
                cursor.changed = cursor.changed.max(last.position);
                self.writer.advance(cursor)?;
            }
        }
        for cursor in &mut cursors {
            (cursor.entries, cursor.address, cursor.time) = (to, prev, time);
            if to == head.size {
                cursor.head = (head.size, hex(&head.root));
            }
            self.writer.advance(cursor)?;
        }
        self.writer.commit()?;
        for (at, cursor) in group.iter().zip(cursors) {
            if let Some(own) = self.cursors.get_mut(*at) {
                *own = cursor;
            }
        }
        Ok(())
    }
}

/// Folds one entry into one view; a fold that breaks an assertion is a fold that could not.
fn fold_one(
    writer: &Writer,
    view: &View,
    overlay: &mut Overlay,
    seen: &Seen<'_>,
) -> std::result::Result<(), Poison> {
    if let Some(why) = seen.unread {
        return Err(Poison::new(format!("`{}` cannot be read: {why}", seen.kind)));
    }
    let load = |key: &str| writer.load(view, key);
    let mut rows = Rows::new(overlay, &load);
    match catch_unwind(AssertUnwindSafe(|| (view.fold)(&mut rows, seen))) {
        Ok(done) => done,
        Err(_) => Err(Poison::new(format!("the fold of `{}` broke an assertion", seen.kind))),
    }
}
