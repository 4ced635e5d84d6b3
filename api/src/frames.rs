//! What does an entry look like to those who watch? Rendered once, without private parts, and shared.

use crate::app::App;
use crate::problem::Problem;
use axum::body::Bytes;
use chancery_ledger::Error;
use chancery_ledger::format::entry;
use chancery_ledger::format::hash::Digest;
use chancery_ledger::format::ids::Scope;
use serde_json::value::RawValue;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Frames that are kept: the newest that were asked for, by position.
const KEPT: usize = 2048;
/// Entries that are read at once.
pub(crate) const PAGE: u64 = 64;

/// An entry as it is shown.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) position: u64,
    pub(crate) address: Digest,
    pub(crate) kind: String,
    pub(crate) entity: String,
    pub(crate) scope: Scope,
    /// The leaf, which is a JSON text.
    pub(crate) entry: Box<RawValue>,
    /// The event of a stream.
    pub(crate) bytes: Bytes,
}

impl Frame {
    fn render(epoch: u32, position: u64, leaf: &[u8]) -> Result<Self, Error> {
        let damaged = |why: &dyn std::fmt::Display| Error::damaged(format!("entry {position}: {why}"));
        let read = entry::read(leaf).map_err(|error| damaged(&error))?;
        let text = std::str::from_utf8(leaf).map_err(|error| damaged(&error))?;
        let address = entry::address(leaf);
        let bytes = format!(
            "id: {epoch}.{position}\nevent: entry\ndata: {{\"address\":\"{address}\",\"entry\":{text}}}\n\n"
        );
        Ok(Self {
            position,
            address,
            kind: read.kind.to_owned(),
            entity: format!("{}/{}", read.entity.kind, read.entity.id),
            scope: Scope::parse(read.scope).map_err(|error| damaged(&error))?,
            entry: RawValue::from_string(text.to_owned()).map_err(|error| damaged(&error))?,
            bytes: Bytes::from(bytes),
        })
    }
}

/// Frames by position, each in the place that its position has.
#[derive(Debug, Default)]
pub(crate) struct Frames(Mutex<Vec<Option<Arc<Frame>>>>);

impl Frames {
    fn slot(position: u64) -> usize {
        usize::try_from(position % KEPT as u64).unwrap_or(0)
    }

    fn kept(&self, range: &Range<u64>) -> Option<Vec<Arc<Frame>>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |position: u64| {
            let frame = kept.get(Self::slot(position))?.as_ref()?;
            (frame.position == position).then(|| Arc::clone(frame))
        };
        range.clone().map(at).collect()
    }

    fn keep(&self, frames: &[Arc<Frame>]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.resize(KEPT, None);
        for frame in frames {
            if let Some(slot) = kept.get_mut(Self::slot(frame.position)) {
                // A reader of old pages does not push out what is new.
                if slot.as_ref().is_none_or(|there| there.position <= frame.position) {
                    *slot = Some(Arc::clone(frame));
                }
            }
        }
    }
}

impl App {
    /// The frames of `range`, every position of which is released.
    pub(crate) async fn frames(self: &Arc<Self>, range: Range<u64>) -> Result<Vec<Arc<Frame>>, Problem> {
        if let Some(kept) = self.frames.kept(&range) {
            return Ok(kept);
        }
        let epoch = self.epoch;
        let read = self
            .read(move |reader| {
                let mut frames = Vec::new();
                reader.leaves(range, |position, leaf| {
                    frames.push(Arc::new(Frame::render(epoch, position, leaf)?));
                    Ok(())
                })?;
                Ok(frames)
            })
            .await?;
        self.frames.keep(&read);
        Ok(read)
    }
}
