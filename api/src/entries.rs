//! What stands in the record? Entries in a row or one with its proof, and the newest head. SPEC 20.

use crate::app::App;
use crate::call::{Call, Reply, json, text};
use crate::frames::{Frame, PAGE};
use crate::problem::Problem;
use axum::http::StatusCode;
use chancery_ledger::domains::KINDS;
use chancery_ledger::format::encoding::{base64, hex};
use chancery_ledger::format::entry;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::plain::one_line;
use chancery_ledger::format::tree::{leaf_hash, root_from_inclusion};
use chancery_ledger::{Code, Error};
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Entries of a page when nothing is said, and at most.
const LIMIT: (u64, u64) = (100, 1000);
/// Entries that are looked at for one page.
const LOOKED_AT: u64 = 16_384;

/// Which entries somebody wants.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    /// How far the reader's authority goes.
    pub(crate) authority: Scope,
    scope: Option<Scope>,
    kind: Option<String>,
    entity: Option<String>,
}

impl Filter {
    /// The filter that a call asks for.
    pub(crate) fn of(call: &Call) -> Result<Self, Problem> {
        let scope = call.query.get("scope").map(Scope::parse).transpose();
        Ok(Self {
            authority: call.viewer()?.authority.clone(),
            scope: scope
                .map_err(|error| Problem::at(Code::MalformedValue, "/query/scope", error.to_string()))?,
            kind: call.query.get("kind").map(known_kind).transpose()?,
            entity: call.query.get("entity").map(entity).transpose()?,
        })
    }

    /// Whether a frame may be seen, and is wanted.
    pub(crate) fn wants(&self, frame: &Frame) -> bool {
        let kind = |kind: &String| frame.kind == *kind || frame.kind.split('.').next() == Some(kind);
        self.authority.contains(&frame.scope)
            && self.scope.as_ref().is_none_or(|scope| scope.contains(&frame.scope))
            && self.kind.as_ref().is_none_or(kind)
            && self.entity.as_ref().is_none_or(|entity| frame.entity == *entity)
    }
}

/// A kind of entry, or the domain of several.
fn known_kind(text: &str) -> Result<String, Problem> {
    let is = |kind: &&str| *kind == text || kind.split_once('.').is_some_and(|(domain, _)| domain == text);
    if KINDS.iter().any(is) {
        return Ok(text.to_owned());
    }
    let said = format!("there is no kind of entry `{}`", one_line(text));
    let problem = Problem::at(Code::MalformedValue, "/query/kind", said);
    Err(problem.hint("a kind is written `job.submitted`, all of a domain `job`"))
}

fn entity(text: &str) -> Result<String, Problem> {
    match text.split_once('/') {
        Some((kind, id)) if !kind.is_empty() && !id.is_empty() => Ok(text.to_owned()),
        _ => {
            let said = format!("`{}` is not `<kind>/<id>`", one_line(text));
            Err(Problem::at(Code::MalformedValue, "/query/entity", said))
        }
    }
}

/// The position after the one that a cursor names: `<epoch>.<position>`. Nothing when its epoch is an older one.
pub(crate) fn after(app: &App, cursor: &str) -> Result<Option<u64>, Problem> {
    let bad = || Problem::new(Code::BadCursor, "the cursor is not `<epoch>.<position>`");
    let plain = |text: &str| {
        let digits = !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_digit());
        let zeros = text.len() > 1 && text.starts_with('0');
        (digits && !zeros).then(|| text.parse::<u64>().ok()).flatten()
    };
    let (epoch, position) = cursor.split_once('.').ok_or_else(bad)?;
    let (epoch, position) = (plain(epoch).ok_or_else(bad)?, plain(position).ok_or_else(bad)?);
    let (ours, size) = (u64::from(app.epoch), app.size());
    if epoch == 0 {
        return Err(bad());
    }
    if epoch > ours || (epoch == ours && position >= size) {
        let text =
            format!("`{cursor}` is ahead of the newest entry, {}", app.reference(size.saturating_sub(1)));
        return Err(Problem::new(Code::ClientAhead, text));
    }
    Ok((epoch == ours).then_some(position + 1))
}

#[derive(Serialize)]
struct Seen<'a> {
    address: String,
    entry: &'a RawValue,
    position: u64,
}

#[derive(Serialize)]
struct Page<'a> {
    entries: Vec<Seen<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(crate) async fn list(call: Call) -> Reply {
    let (app, filter) = (&call.app, Filter::of(&call)?);
    let from = match call.query.get("after") {
        None => 0,
        Some(cursor) => after(app, cursor)?.unwrap_or(0),
    };
    let limit = call.query.some("limit")?.unwrap_or(LIMIT.0).clamp(1, LIMIT.1);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let size = app.size();
    let end = size.min(from.saturating_add(LOOKED_AT));
    let (mut next, mut found): (u64, Vec<Arc<Frame>>) = (from, Vec::new());
    'pages: while next < end {
        for frame in app.frames(next..end.min(next + PAGE)).await? {
            next = frame.position + 1;
            if filter.wants(&frame) {
                found.push(frame);
                if found.len() == limit {
                    break 'pages;
                }
            }
        }
    }
    let seen = |frame: &'_ Arc<Frame>| (frame.address.to_string(), frame.position);
    let entries = found.iter().map(|frame| {
        let (address, position) = seen(frame);
        Seen { address, entry: &frame.entry, position }
    });
    let more = next < size && next > 0;
    json(&Page { entries: entries.collect(), next: more.then(|| app.reference(next - 1)) })
}

#[derive(Serialize)]
struct Shown<'a> {
    address: String,
    entry: &'a RawValue,
    head: String,
    inclusion: Vec<String>,
    leaf: String,
    position: u64,
}

pub(crate) async fn one(call: Call) -> Reply {
    let (app, authority) = (&call.app, &call.viewer()?.authority);
    let text = call.param();
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let position = text.parse::<u64>().ok().filter(|_| plain);
    let note = app.head();
    let size = note.checkpoint.size;
    let position = position.filter(|position| *position < size).ok_or_else(Problem::not_found)?;
    let frames = app.frames(position..position + 1).await?;
    // What stands elsewhere and what is not there are one answer.
    let seen = frames.first().filter(|frame| authority.contains(&frame.scope));
    let frame = seen.ok_or_else(Problem::not_found)?;
    let path = app.read(move |reader| reader.inclusion(position, size)).await?;
    let leaf = frame.entry.get().as_bytes();
    if root_from_inclusion(position, size, leaf_hash(leaf), &path) != Some(note.checkpoint.root) {
        return Err(Error::damaged(format!("entry {position} is not under the newest head")).into());
    }
    json(&Shown {
        address: entry::address(leaf).to_string(),
        entry: &frame.entry,
        head: note.text(),
        inclusion: path.iter().map(|hash| hex(hash)).collect(),
        leaf: base64(leaf),
        position,
    })
}

pub(crate) async fn checkpoint(call: Call) -> Reply {
    let note = call.app.head();
    Ok(text(StatusCode::OK, "text/plain; charset=utf-8", note.text()))
}
