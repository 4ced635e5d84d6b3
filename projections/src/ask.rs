//! What does a view say? Rows of one read transaction, with the position and head that they were folded from.

use crate::show::Show;
use crate::standing::Standing;
use crate::store::{self, Cursor, Filter};
use crate::view::{NOTE, Poison, Row, View};
use crate::views::view;
use chancery_ledger::format::canonical::to_bytes;
use chancery_ledger::format::encoding::{base64_url, hex, unbase64_url};
use chancery_ledger::format::hash::PAGE;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::{Code, Error, Result};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of a page, unless it is said otherwise.
pub const PAGE_ROWS: usize = 20;
/// Most rows of a page.
pub const PAGE_ROWS_MAX: usize = 500;

/// Members that a row of every view has, in the order in which people read them.
pub const COLUMNS: [&str; 5] = ["key", "state", "about", "scope", "changed"];

/// The views as readers have them; a connection for each that reads at the same time.
#[derive(Debug)]
pub struct Views {
    path: PathBuf,
    /// Which file stands there.
    file: Arc<Standing>,
    /// Connections to it, and which file it was when they were opened.
    idle: Mutex<(u64, Vec<Connection>)>,
    /// What is known of a view without a look at the file, by its name.
    known: Mutex<HashMap<&'static str, Known>>,
}

/// How far a view is and which deadlines have passed, as long as nothing is folded and no further deadline passes.
#[derive(Debug, Clone)]
struct Known {
    generation: u64,
    /// The instant at which it was looked at, and the first deadline after it.
    now: i64,
    until: Option<i64>,
    at: Cursor,
    passed: Option<i64>,
}

impl Known {
    fn holds(&self, generation: u64, now: i64) -> bool {
        self.generation == generation && self.now <= now && self.until.is_none_or(|until| now < until)
    }
}

/// What an answer was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AsOf {
    /// Entries that were folded.
    pub entries: u64,
    /// Content address of the last of them.
    pub address: String,
    /// Its time, in milliseconds since 1970.
    pub time: i64,
    /// The newest head that lies wholly within.
    pub head: Head,
    /// Position of the entry that last changed the view.
    pub changed: u64,
    /// Entries that the view could not fold; the view `dead_letters` says why.
    pub skipped: u64,
    /// Version of the view's fold.
    pub version: u32,
}

/// A head by its size and root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    /// Its size.
    pub size: u64,
    /// Its root in hex.
    pub root: String,
}

impl From<Cursor> for AsOf {
    fn from(at: Cursor) -> Self {
        Self {
            entries: at.entries,
            address: at.address.to_string(),
            time: at.time,
            head: Head { size: at.head.0, root: at.head.1 },
            changed: at.changed,
            skipped: at.skipped,
            version: at.version,
        }
    }
}

/// An answer that has `as_of`, with what its reader must know beside: the reference of the last entry, how many released
/// entries are not folded yet, and the instant as of which deadlines are judged.
pub fn told(mut answer: Value, epoch: u32, released: u64, now: i64) -> Result<Value> {
    let lost = || Error::new(Code::Internal, "an answer does not say what it was made from");
    let as_of = answer.get_mut("as_of").and_then(Value::as_object_mut).ok_or_else(lost)?;
    let entries = as_of.get("entries").and_then(Value::as_u64).ok_or_else(lost)?;
    as_of.insert("position".to_owned(), format!("{epoch}.{}", entries.saturating_sub(1)).into());
    as_of.insert("lag".to_owned(), released.saturating_sub(entries).into());
    as_of.insert("now".to_owned(), now.into());
    Ok(answer)
}

/// Which rows are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Of which view.
    pub view: &'static View,
    /// In this scope and below.
    pub within: &'a Scope,
    /// About exactly this.
    pub about: Option<&'a str>,
    /// In exactly this state.
    pub state: Option<&'a str>,
    /// The page that follows, as the one before says it.
    pub token: Option<&'a str>,
    /// Rows, at most; what is beyond [`PAGE_ROWS_MAX`] is cut.
    pub limit: Option<usize>,
}

/// Some rows, and where the next are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// What it was made from.
    pub as_of: AsOf,
    /// The rows.
    pub items: Vec<Value>,
    /// The token of the next page; nothing at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Token {
    /// Digest of the question: of another one, the token is refused.
    asked: String,
    key: String,
    rank: i64,
}

impl Ask<'_> {
    /// What the question is recognised by.
    fn digest(&self, version: u32) -> String {
        let text = format!("{} {version} {} {:?} {:?}", self.view.name, self.within, self.about, self.state);
        short(&text)
    }
}

fn short(text: &str) -> String {
    hex(PAGE.digest(text.as_bytes()).0.first_chunk::<16>().unwrap_or(&[0; 16]))
}

/// Why a row cannot be shown: it is of an older version, or what it is read from failed, or we did.
fn broken(view: &View, at: &Cursor, poison: &Poison) -> Error {
    let code = match poison.fault() {
        _ if at.version != view.version => Code::ViewBuilding,
        Some(fault) => fault.code,
        None => Code::Internal,
    };
    Error::new(code, format!("view `{}`: {}", view.name, poison.reason()))
}

impl Views {
    /// The views of a file that an engine has opened before.
    pub fn open(path: &Path) -> Result<Self> {
        let first = store::open_reader(path)?;
        let idle = Mutex::new((0, vec![first]));
        Ok(Self { path: path.to_owned(), file: Arc::default(), idle, known: Mutex::default() })
    }

    /// Those of a file that somebody follows, who mends what its readers find damaged.
    pub(crate) fn followed(path: &Path, file: Arc<Standing>) -> Self {
        Self { path: path.to_owned(), file, idle: Mutex::default(), known: Mutex::default() }
    }

    /// Runs `read` in one read transaction.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let file = self.file.now()?;
        let done = self.connection(file).and_then(|conn| {
            store::begin_read(&conn)?;
            let done = read(&conn)?;
            store::end_read(&conn)?;
            Ok((conn, done))
        });
        // A connection on which something failed is not used again.
        let (conn, done) = done.map_err(|error| self.file.judge(file, error))?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.0 == file {
            idle.1.push(conn);
        }
        Ok(done)
    }

    /// A connection to this file; those to one that stood there before are closed.
    fn connection(&self, file: u64) -> Result<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.0 != file {
            *idle = (file, Vec::new());
        }
        let kept = idle.1.pop();
        drop(idle);
        kept.map_or_else(|| store::open_reader(&self.path), Ok)
    }

    pub(crate) fn live(conn: &Connection, view: &View) -> Result<Cursor> {
        store::live(conn, view)?.ok_or_else(|| {
            Error::new(Code::ViewsDamaged, format!("the views' file does not have `{}`", view.name))
        })
    }

    /// What an answer of a view would be made from now.
    pub fn as_of(&self, view: &View) -> Result<AsOf> {
        self.read(|conn| Self::live(conn, view).map(AsOf::from))
    }

    /// What an unchanged answer is recognised by: the view and its version, what last changed it, the deadlines that
    /// `now` has passed, and `asked`, which is whatever else the answer depends on. The caller's `generation` grows with
    /// each fold: within one, the file is looked at once.
    pub fn tag(&self, view: &View, now: i64, asked: &str, generation: u64) -> Result<String> {
        let Known { at, passed, .. } = self.known(view, now, generation)?;
        Ok(short(&format!("{} {} {} {} {passed:?} {asked}", view.name, at.version, at.changed, at.skipped)))
    }

    /// As long as this stays the same, nothing is folded and no deadline of the view passes: what it says stays the same.
    pub fn standing(&self, view: &View, now: i64, generation: u64) -> Result<String> {
        let Known { passed, .. } = self.known(view, now, generation)?;
        Ok(format!("{generation} {} {passed:?}", view.name))
    }

    fn known(&self, view: &View, now: i64, generation: u64) -> Result<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(view.name).cloned();
        if let Some(known) = known.filter(|known| known.holds(generation, now)) {
            return Ok(known);
        }
        let fresh = self.read(|conn| {
            let at = Self::live(conn, view)?;
            let (passed, until) = store::passed(conn, view, &at, now)?;
            Ok(Known { generation, now, until, at, passed })
        })?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(view.name, fresh.clone());
        Ok(fresh)
    }

    /// A page of rows.
    pub fn page(&self, ask: &Ask<'_>, show: &Show<'_>) -> Result<Page> {
        self.read(|conn| page_of(conn, ask, show))
    }

    /// Whether there is something, `<kind> <id>`, in a scope or below.
    pub fn knows(&self, about: Option<&str>, within: &Scope) -> Result<bool> {
        let filter = Filter { within, about, state: None, after: None, limit: 1 };
        let lost = || Error::new(Code::Internal, "there is no view of what there is");
        let entities = view("entities").ok_or_else(lost)?;
        self.read(|conn| {
            let at = Self::live(conn, entities)?;
            Ok(!store::page(conn, entities, &at, &filter)?.is_empty())
        })
    }

    /// The row of a key, when it is in a scope or below.
    pub fn row(
        &self,
        view: &'static View,
        key: &str,
        within: &Scope,
        show: &Show<'_>,
    ) -> Result<(AsOf, Option<Value>)> {
        self.read(|conn| {
            let at = Self::live(conn, view)?;
            let row = store::find(conn, &at, key)?.filter(|row| !row.key.starts_with(NOTE));
            let row = row.filter(|row| Scope::parse(&row.scope).is_ok_and(|scope| within.contains(&scope)));
            let value = row.map(|row| item(view, &at, &row, show)).transpose()?;
            Ok((AsOf::from(at), value))
        })
    }
}

/// A page of rows, in a transaction that was begun.
pub(crate) fn page_of(conn: &Connection, ask: &Ask<'_>, show: &Show<'_>) -> Result<Page> {
    let invalid = || Error::new(Code::PageTokenInvalid, "the page token is not of this question");
    let limit = ask.limit.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS_MAX);
    let at = Views::live(conn, ask.view)?;
    let asked = ask.digest(at.version);
    let token = match ask.token {
        None => None,
        Some(text) => {
            let bytes = unbase64_url(text).ok_or_else(invalid)?;
            let token: Token = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
            Some(token).filter(|token| token.asked == asked).ok_or_else(invalid).map(Some)?
        }
    };
    let filter = Filter {
        within: ask.within,
        about: ask.about,
        state: ask.state,
        after: token.as_ref().map(|token| (token.rank, token.key.as_str())),
        limit: limit + 1,
    };
    let mut rows = store::page(conn, ask.view, &at, &filter)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next =
        rows.last().filter(|_| more).map(|last| Token { asked, key: last.key.clone(), rank: last.rank });
    let next = next.and_then(|token| to_bytes(&token).ok()).map(|text| base64_url(&text));
    let items = rows.iter().map(|row| item(ask.view, &at, row, show)).collect::<Result<Vec<Value>>>()?;
    Ok(Page { as_of: AsOf::from(at), items, next_page_token: next })
}

/// A row as a reader gets it: its columns, and what the view shows of it.
pub(crate) fn item(view: &View, at: &Cursor, row: &Row, show: &Show<'_>) -> Result<Value> {
    let shown = (view.show)(row, show).map_err(|poison| broken(view, at, &poison))?;
    let mut members = Map::new();
    for (name, value) in [
        ("key", Value::from(row.key.as_str())),
        ("scope", Value::from(row.scope.as_str())),
        ("about", Value::from(row.about.as_str())),
        ("state", Value::from(row.state.as_str())),
        ("changed", Value::from(row.changed)),
    ] {
        members.insert(name.to_owned(), value);
    }
    if let Some(until) = row.until.filter(|until| show.now < *until) {
        members.insert("changes_at".to_owned(), Value::from(until));
    }
    match shown {
        Value::Object(own) => members.extend(own),
        other => {
            members.insert("value".to_owned(), other);
        }
    }
    Ok(Value::Object(members))
}
