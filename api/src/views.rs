//! What do the read models say? Pages and rows with the position and head that they come from, and whether they are
//! the same as last time. SPEC 20.

use crate::app::App;
use crate::call::{Call, Reply, json};
use crate::entries::after;
use crate::part::{self, State};
use crate::problem::Problem;
use crate::routes::Which;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json::{self, Value as Part};
use chancery_ledger::format::limits::PART_DEPTH;
use chancery_ledger::{Code, Error};
use chancery_projections::views::{STREAMS, view};
use chancery_projections::{AsOf, Ask, Poison, Show, VIEWS, View, told};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long a reader waits for a position when nothing is said, and at most.
const WAIT_MS: (u64, u64) = (5_000, 10_000);

/// The view that a call is about.
pub(crate) fn named(call: &Call, which: Which) -> Result<&'static View, Problem> {
    match which {
        Which::Named => view(call.param()).ok_or_else(Problem::not_found),
        Which::Stream => {
            let stream = call.query.get("stream").unwrap_or("operator");
            let found = STREAMS.iter().find(|(name, _)| *name == stream).and_then(|(_, name)| view(name));
            found.ok_or_else(|| {
                let names: Vec<&str> = STREAMS.iter().map(|(name, _)| *name).collect();
                let text = format!("there is no stream `{stream}`");
                Problem::at(Code::MalformedValue, "/query/stream", text)
                    .hint(format!("the streams are {}", names.join(", ")))
            })
        }
    }
}

/// What it costs to make an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// A look at a row, which is done where it is asked for: to wake another thread takes longer.
    Row,
    /// More than that, on a thread that may wait for the disk.
    Page,
}

/// A question about views: who asks, and as of when.
pub(crate) struct Asking {
    pub(crate) app: Arc<App>,
    pub(crate) now: i64,
    pub(crate) principal: String,
    pub(crate) abilities: Vec<&'static str>,
    /// What is looked at: in this scope and below.
    pub(crate) within: Scope,
}

impl Asking {
    /// The question of a call, once the views have the position that it waits for.
    pub(crate) async fn of(call: &Call) -> Result<Self, Problem> {
        let (app, viewer) = (Arc::clone(&call.app), call.viewer()?);
        let within = match call.query.get("scope") {
            None => viewer.authority.clone(),
            Some(scope) => Scope::parse(scope)
                .map_err(|error| Problem::at(Code::MalformedValue, "/query/scope", error.to_string()))?,
        };
        reach(call).await?;
        let abilities = app.ledger.abilities(&viewer.principal);
        // Only deadlines are judged as of another instant: what stands in the rows is what stands there now.
        let named = call.query.number("now")?.map(instant).transpose()?;
        let now = named.unwrap_or(viewer.now);
        Ok(Self { app, now, principal: viewer.principal.clone(), abilities, within })
    }

    /// Shows what `look` finds, with this reader's eyes.
    pub(crate) fn show<T>(&self, look: impl FnOnce(&Show<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let part = |position: u64, slot: u64| self.part(position, slot);
        look(&Show {
            now: self.now,
            principal: Some(&self.principal),
            abilities: Some(&self.abilities),
            part: &part,
        })
    }

    fn part(&self, position: u64, slot: u64) -> Result<Option<Part>, Poison> {
        let stored = self.app.read_here(|reader| reader.part(position, slot));
        let stored = stored.map_err(|error| Poison::unread(&error))?;
        let Some(text) = stored.as_ref().and_then(|blob| blob.get(32..)) else { return Ok(None) };
        let damaged = |error: json::JsonError| Poison::unread(&Error::damaged(error.to_string()));
        json::parse_within(text, PART_DEPTH).map(Some).map_err(damaged)
    }

    /// What an answer depends on beside the ledger.
    fn asked(&self, call: &Call) -> String {
        let url = call.parts.uri.path_and_query().map_or("", |url| url.as_str());
        format!("{} {} {} {url}", self.principal, self.within, self.abilities.join(","))
    }

    /// What an unchanged answer to this call of these views is recognised by; not modified, when the caller has it.
    fn unchanged(&self, call: &Call, views: &[&'static View]) -> Result<(String, bool), Problem> {
        let (mut asked, mut tag) = (self.asked(call), String::new());
        let generation = self.app.folded.borrow().beats;
        for view in views {
            tag = self.app.views.tag(view, self.now, &asked, generation)?;
            asked.push_str(&tag);
        }
        let tag = format!("W/\"{tag}\"");
        let known = has(call, &tag)?;
        Ok((tag, known))
    }

    /// Answers with what `make` gives, unless the caller has it already. The views are those that it comes from.
    pub(crate) async fn answer(
        self,
        call: &Call,
        views: &[&'static View],
        cost: Cost,
        make: impl FnOnce(&Self) -> Result<Value, Problem> + Send + 'static,
    ) -> Reply {
        if !self.within.is_root() {
            return self.answer_part(call, views, cost, make).await;
        }
        let (tag, known) = self.unchanged(call, views)?;
        let response = if known {
            not_modified()
        } else {
            match cost {
                Cost::Row => json(&make(&self)?)?,
                Cost::Page => {
                    let app = Arc::clone(&self.app);
                    app.blocking(move || Ok(make(&self).and_then(|made| json(&made)))).await??
                }
            }
        };
        Ok(tagged(response, &tag))
    }

    /// The same to whoever sees a part: neither the tag nor `changed` tells when something else did.
    async fn answer_part(
        self,
        call: &Call,
        views: &[&'static View],
        cost: Cost,
        make: impl FnOnce(&Self) -> Result<Value, Problem> + Send + 'static,
    ) -> Reply {
        let (asked, app) = (self.asked(call), Arc::clone(&self.app));
        // Before anything is read: what is folded meanwhile is of another state.
        let state = self.state(views, &asked)?;
        let known = app.stood.tag(&state);
        if let Some(tag) = &known
            && has(call, &tag.text)?
        {
            return Ok(tagged(not_modified(), &tag.text));
        }
        let (answer, tag) = match cost {
            Cost::Row => part::of(make(&self)?, &asked, known),
            Cost::Page => {
                app.blocking(move || Ok(make(&self).map(|made| part::of(made, &asked, known)))).await??
            }
        };
        let response = if has(call, &tag.text)? { not_modified() } else { json(&answer)? };
        let response = tagged(response, &tag.text);
        app.stood.keep(state, tag);
        Ok(response)
    }

    /// A question, as long as nothing is folded and no deadline passes.
    fn state(&self, views: &[&'static View], asked: &str) -> Result<State, Problem> {
        let generation = self.app.folded.borrow().beats;
        let mut state = asked.to_owned();
        for view in views {
            state.push_str(&self.app.views.standing(view, self.now, generation)?);
        }
        Ok(State::of(&state))
    }

    /// An answer that has `as_of`, as it is told.
    pub(crate) fn tell(&self, answer: Value) -> Result<Value, Problem> {
        Ok(told(answer, self.app.epoch, self.app.size(), self.now)?)
    }

    /// An answer of these members, with what it was made from.
    fn told(&self, as_of: &AsOf, members: Vec<(&str, Value)>) -> Result<Value, Problem> {
        let as_of = serde_json::to_value(as_of).map_err(|e| Problem::new(Code::Internal, e.to_string()))?;
        let mut answer = serde_json::Map::new();
        answer.insert("as_of".to_owned(), as_of);
        answer.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self.tell(Value::Object(answer))
    }
}

/// Whether the caller has what this tag stands for.
fn has(call: &Call, tag: &str) -> Result<bool, Problem> {
    let same =
        |one: &str| one.trim() == "*" || one.trim().trim_start_matches("W/") == tag.trim_start_matches("W/");
    Ok(call.header("if-none-match")?.is_some_and(|known| known.split(',').any(same)))
}

/// With its tag.
fn tagged(mut response: Response<Body>, tag: &str) -> Response<Body> {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn not_modified() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

/// An instant that somebody names.
fn instant(now: u64) -> Result<i64, Problem> {
    let known = i64::try_from(now).ok().filter(|now| *now < 1 << 53);
    known.ok_or_else(|| Problem::at(Code::OutOfRange, "/query/now", "`now` is over 2^53-1"))
}

/// Waits until the views have the position that the call names.
async fn reach(call: &Call) -> Result<(), Problem> {
    let wait = call.query.number("wait_ms")?.unwrap_or(WAIT_MS.0).min(WAIT_MS.1);
    let Some(cursor) = call.query.get("min_position") else { return Ok(()) };
    let app = &call.app;
    let Some(entries) = after(app, cursor)? else { return Ok(()) };
    let mut folded = app.folded.clone();
    let reached = folded.wait_for(|health| health.entries >= entries || health.stopped.is_some());
    match tokio::time::timeout(Duration::from_millis(wait), reached).await {
        Ok(Ok(health)) if health.entries >= entries => Ok(()),
        _ => {
            let text = format!("the views have {} entries, not yet `{cursor}`", app.folded.borrow().entries);
            Err(Problem::new(Code::Behind, text))
        }
    }
}

/// The rows that a call asks of a view; of something that must exist, when that is said.
async fn rows(call: Call, view: &'static View, about: Option<String>, exists: bool) -> Reply {
    let asking = Asking::of(&call).await?;
    let limit = call.query.some("limit")?.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let (state, token) =
        (call.query.get("state").map(str::to_owned), call.query.get("page_token").map(str::to_owned));
    let make = move |asking: &Asking| {
        let ask = Ask {
            view,
            within: &asking.within,
            about: about.as_deref(),
            state: state.as_deref(),
            token: token.as_deref(),
            limit,
        };
        let page = asking.show(|show| asking.app.views.page(&ask, show))?;
        // What is out of the reader's scope is not there.
        if exists && page.items.is_empty() && !asking.app.views.knows(ask.about, &asking.within)? {
            return Err(Problem::not_found());
        }
        let mut members = vec![("view", Value::from(view.name)), ("items", Value::Array(page.items))];
        members.extend(page.next_page_token.map(|token| ("next_page_token", Value::String(token))));
        asking.told(&page.as_of, members)
    };
    asking.answer(&call, &[view], Cost::Page, make).await
}

/// One row of a view.
async fn single(call: Call, view: &'static View, key: String) -> Reply {
    let asking = Asking::of(&call).await?;
    let make = move |asking: &Asking| {
        let found = asking.show(|show| asking.app.views.row(view, &key, &asking.within, show))?;
        let (as_of, row) = found;
        asking.told(&as_of, vec![("item", row.ok_or_else(Problem::not_found)?)])
    };
    asking.answer(&call, &[view], Cost::Row, make).await
}

fn of(call: &Call) -> Result<&'static View, Problem> {
    call.view.ok_or_else(|| Problem::new(Code::Internal, "no view was named"))
}

pub(crate) fn known(name: &str) -> Result<&'static View, Problem> {
    view(name).ok_or_else(|| Problem::new(Code::Internal, format!("there is no view `{name}`")))
}

pub(crate) async fn list(call: Call) -> Reply {
    #[derive(Serialize)]
    struct Listed {
        name: &'static str,
        question: &'static str,
        rule: &'static str,
        states: &'static [&'static str],
        version: u32,
    }
    #[derive(Serialize)]
    struct Answer {
        views: Vec<Listed>,
    }
    call.viewer()?;
    let listed = |view: &&View| Listed {
        name: view.name,
        question: view.question,
        rule: view.access.action(),
        states: view.states,
        version: view.version,
    };
    json(&Answer { views: VIEWS.iter().map(listed).collect() })
}

pub(crate) async fn page(call: Call) -> Reply {
    let (view, about) = (of(&call)?, call.query.get("about").map(str::to_owned));
    rows(call, view, about, false).await
}

pub(crate) async fn row(call: Call) -> Reply {
    let (view, key) = (of(&call)?, call.params.get(1).cloned().unwrap_or_default());
    single(call, view, key).await
}

/// `<kind> <id>` of the path.
fn about(call: &Call) -> String {
    let param = |at: usize| call.params.get(at).map_or("", String::as_str);
    format!("{} {}", param(0), param(1))
}

pub(crate) async fn entity(call: Call) -> Reply {
    let (view, about) = (known("entities")?, about(&call));
    let asking = Asking::of(&call).await?;
    let make = move |asking: &Asking| {
        let ask = Ask {
            view,
            within: &asking.within,
            about: Some(&about),
            state: None,
            token: None,
            limit: Some(2),
        };
        let mut page = asking.show(|show| asking.app.views.page(&ask, show))?;
        // Ids are unique within a scope; who sees several scopes says which.
        if page.items.len() > 1 {
            let text = format!("`{about}` stands in more than one scope that you may see");
            let problem = Problem::at(Code::Ambiguous, "/query/scope", text);
            return Err(problem.hint("name the scope: `?scope=/…`"));
        }
        let item = page.items.pop().ok_or_else(Problem::not_found)?;
        asking.told(&page.as_of, vec![("item", item)])
    };
    asking.answer(&call, &[view], Cost::Page, make).await
}

pub(crate) async fn timeline(call: Call) -> Reply {
    let (view, about) = (known("timeline")?, about(&call));
    rows(call, view, Some(about), false).await
}

pub(crate) async fn transcript(call: Call) -> Reply {
    let (view, about) = (of(&call)?, format!("job {}", call.param()));
    rows(call, view, Some(about), true).await
}
