//! Which questions does the server answer? Every route on one screen: method, path, who may, what it takes. SPEC 20.

use crate::call::{Call, Reply};
use crate::{actions, entries, events, me, operations, queues, system, views};
use std::future::Future;
use std::pin::Pin;

/// What a handler gives back.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Method {
    Get,
    Post,
}

/// Who may, and who decides that. Every route has one; the server asks before the handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Anybody: it tells nothing that is not public.
    Open,
    /// Who may look, by this action on the view of this id, in the scope that the query names or else the caller's own.
    Read {
        /// The action that the gate is asked for.
        action: &'static str,
        /// The view.
        view: &'static str,
    },
    /// Who may look at the view that the path or the query names, in the same scope.
    View(Which),
    /// Whoever the gate lets do the action in the path: the answer is the ledger's own.
    Ask,
}

/// By what a route says which view it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// By the first parameter of its path.
    Named,
    /// By the stream of a transcript, in its query.
    Stream,
}

/// A query parameter.
#[derive(Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// A row of the table.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; braces are parameters.
    pub path: &'static str,
    /// What it gives.
    pub summary: &'static str,
    /// Who may.
    pub rule: Rule,
    /// What may stand in its query.
    pub query: &'static [Param],
    /// Media type of what it gives when it can.
    pub media: &'static str,
    /// Status when it can, and those with which it cannot beside what every route has.
    pub statuses: &'static [u16],
    pub(crate) run: fn(Call) -> Answering,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.method, self.path)
    }
}

impl Method {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// Statuses that every route may answer with.
pub const COMMON: &[u16] = &[400, 401, 403, 404, 405, 414, 422, 429, 500, 503, 504];

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const fn read(view: &'static str) -> Rule {
    Rule::Read { action: "view.read", view }
}
const fn audit(view: &'static str) -> Rule {
    Rule::Read { action: "view.audit", view }
}
const AFTER: Param = Param { name: "after", help: "what comes after this position: `<epoch>.<position>`" };
const KIND: Param = Param { name: "kind", help: "only entries of this kind, or of this domain" };
const SCOPE: Param = Param { name: "scope", help: "only what is in this scope or within it" };
const LIMIT: Param = Param { name: "limit", help: "at most so many: 100, and never over 1000" };
const ENTITY: Param = Param { name: "entity", help: "only entries about this: `<kind>/<id>`" };
const ROWS: Param = Param { name: "limit", help: "at most so many rows: 20, and never over 500" };
const TOKEN: Param = Param { name: "page_token", help: "the page that follows, as the one before says it" };
const ABOUT: Param = Param { name: "about", help: "only rows about this: `<kind> <id>`" };
const STATE: Param = Param { name: "state", help: "only rows in this state" };
const MIN: Param =
    Param { name: "min_position", help: "not before the view has this position: `<epoch>.<position>`" };
const WAIT: Param =
    Param { name: "wait_ms", help: "wait so long for `min_position`: 5000, and never over 10000" };
const NOW: Param =
    Param { name: "now", help: "as of this instant, in milliseconds since 1970; now, when nothing is said" };
const OF_STREAM: Param = Param { name: "stream", help: "`operator`, `technical`, `audit` or `quarantine`" };
const TABLE: &[Param] = &[SCOPE, ABOUT, STATE, ROWS, TOKEN, MIN, WAIT, NOW];
const ROW: &[Param] = &[SCOPE, MIN, WAIT, NOW];
const HISTORY: &[Param] = &[SCOPE, ROWS, TOKEN, MIN, WAIT, NOW];
const TRANSCRIPT: &[Param] = &[OF_STREAM, SCOPE, ROWS, TOKEN, MIN, WAIT];
const PAGE: &[Param] = &[AFTER, LIMIT, KIND, SCOPE];
const STREAM: &[Param] = &[AFTER, SCOPE, KIND, ENTITY];

macro_rules! route {
    ($method:ident $path:literal $rule:expr, $query:expr, $media:expr, $statuses:expr, $run:path, $summary:literal) => {
        Route {
            method: Method::$method,
            path: $path,
            summary: $summary,
            rule: $rule,
            query: $query,
            media: $media,
            statuses: $statuses,
            run: |call| Box::pin($run(call)),
        }
    };
}

/// Every route.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    route!(Get "/healthz" Rule::Open, &[], TEXT, &[200], system::health, "Whether the process answers"),
    route!(Get "/readyz" Rule::Open, &[], TEXT, &[200, 503], system::ready, "Whether it takes requests"),
    route!(Get "/metrics" audit("metrics"), &[], TEXT, &[200], system::metrics, "Figures, as Prometheus reads them"),
    route!(Get "/openapi.json" Rule::Open, &[], JSON, &[200], system::openapi, "This table as OpenAPI 3.1"),
    route!(Get "/checkpoint" Rule::Open, &[], TEXT, &[200], entries::checkpoint, "The newest released head, as a signed note"),
    route!(Get "/v1/codes/{code}" Rule::Open, &[], JSON, &[200], system::code, "What a code means, and the way out"),
    route!(Get "/v1/actions" read("actions"), &[], JSON, &[200], actions::list, "What can be asked for"),
    route!(Post "/v1/actions/{id}/invoke" Rule::Ask, &[], JSON, &[200, 408, 409, 413, 415], actions::invoke, "Ask for an action; the answer is durable"),
    route!(Post "/v1/actions/{id}/preview" Rule::Ask, &[], JSON, &[200, 408, 409, 413, 415], actions::preview, "Say what the answer would be; nothing is appended"),
    route!(Get "/v1/me" read("me"), &[], JSON, &[200], me::me, "Who asks, and what it may do"),
    route!(Get "/v1/me/attention" read("attention"), ROW, JSON, &[200, 304, 409], queues::attention, "Is it OK, what needs me, what can I do"),
    route!(Get "/v1/queues" read("attention"), ROW, JSON, &[200, 304, 409], queues::queues, "The queues: how much is open, how bad, since when"),
    route!(Get "/v1/queues/{queue}" read("attention"), HISTORY, JSON, &[200, 304, 409], queues::items, "Items of a queue with their narratives"),
    route!(Get "/v1/governance/status" read("attention"), ROW, JSON, &[200, 304, 409], queues::status, "How governance stands: queues, emergency stops, the live gate"),
    route!(Get "/v1/governance/blocked" read("attention"), ROW, JSON, &[200, 304, 409], queues::blocked, "Work that does not go on, and what stands in its way"),
    route!(Get "/v1/views" read("views"), &[], JSON, &[200], views::list, "Which read models there are, and the question of each"),
    route!(Get "/v1/views/{view}" Rule::View(Which::Named), TABLE, JSON, &[200, 304, 409], views::page, "Rows of a read model"),
    route!(Get "/v1/views/{view}/{key}" Rule::View(Which::Named), ROW, JSON, &[200, 304, 409], views::row, "One row of a read model"),
    route!(Get "/v1/entities/{kind}/{id}" read("entities"), ROW, JSON, &[200, 304, 409], views::entity, "How something is: state, freshness, what needs doing, what can be done"),
    route!(Get "/v1/entities/{kind}/{id}/status" read("entities"), ROW, JSON, &[200, 304, 409], views::entity, "The same"),
    route!(Get "/v1/entities/{kind}/{id}/timeline" read("timeline"), HISTORY, JSON, &[200, 304, 409], views::timeline, "What happened to something, in order"),
    route!(Get "/v1/transcripts/{job}" Rule::View(Which::Stream), TRANSCRIPT, JSON, &[200, 304, 409], views::transcript, "What a worker said about a job"),
    route!(Get "/v1/entries" audit("entries"), PAGE, JSON, &[200, 409], entries::list, "Entries in a row, without private parts"),
    route!(Get "/v1/entries/{position}" audit("entries"), &[], JSON, &[200], entries::one, "One entry with the head and the path that sign it"),
    route!(Get "/v1/events" audit("events"), STREAM, "text/event-stream", &[200, 409], events::stream, "Entries as they are released"),
    route!(Post "/v1/verify" audit("verify"), &[], JSON, &[202, 408, 409, 413, 415], operations::verify, "Verify the live ledger; an operation"),
    route!(Get "/v1/operations/{id}" audit("operations"), &[], JSON, &[200], operations::one, "How far an operation is"),
];
