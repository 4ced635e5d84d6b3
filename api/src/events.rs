//! What happens, as it happens? A cursor for each client, pages by position, nothing that waits in memory. SPEC 20.

use crate::app::{App, stopped};
use crate::auth::{bearer, looking};
use crate::call::{Call, Reply};
use crate::entries::{Filter, after};
use crate::frames::PAGE;
use crate::limits::Limits;
use crate::problem::Problem;
use crate::slots::{NoStream, Stream};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use chancery_ledger::format::ids::Scope;
use chancery_ledger::{Admission, Code};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// How often it is asked whether the token still speaks for somebody who may look.
const LIVENESS: Duration = Duration::from_secs(5);
/// Time between two frames that only carry a position.
const POSITIONS: Duration = Duration::from_secs(1);
/// How long what was read is kept for a client that does not take it.
const PATIENCE: Duration = Duration::from_millis(250);
/// Frames on their way to one client, each of at most a leaf and its envelope.
const ON_THE_WAY: usize = 2;

/// One client.
struct Client {
    app: Arc<App>,
    token: String,
    scope: Scope,
    filter: Filter,
    send: mpsc::Sender<Bytes>,
    /// The next position to look at.
    next: u64,
    /// The position after the last that the client knows of.
    told: u64,
    _stream: Stream,
}

/// Nobody takes frames any more, or nobody may.
struct Ended;

pub(crate) async fn stream(call: Call) -> Reply {
    let app = Arc::clone(&call.app);
    let (viewer, filter) = (call.viewer()?, Filter::of(&call)?);
    let Some(token) = bearer(&call.parts)? else {
        return Err(Problem::new(Code::Unauthenticated, "a stream is read with a token"));
    };
    let cursor = match call.header("last-event-id")? {
        Some(cursor) => Some(cursor),
        None => call.query.get("after"),
    };
    // A cursor of an older epoch is of another numbering: the client is told to begin anew.
    let (next, resync) = match cursor {
        None => (app.size(), false),
        Some(cursor) => match after(&app, cursor)? {
            Some(next) => (next, false),
            None => (0, true),
        },
    };
    let stream = app.streams.open(&viewer.principal).map_err(|no| match no {
        NoStream::Full => Problem::new(Code::QueueFull, "as many event streams are open as there may be"),
        NoStream::Share => Problem::new(Code::TooManyRequests, "too many event streams of this principal"),
    })?;
    let (send, receive) = mpsc::channel(ON_THE_WAY);
    let scope = call.query.get("scope").and_then(|text| Scope::parse(text).ok());
    let scope = scope.unwrap_or_else(|| viewer.authority.clone());
    let client = Client { app, token, scope, filter, send, next, told: next, _stream: stream };
    tokio::spawn(client.run(resync));
    let frames = ReceiverStream::new(receive).map(Ok::<_, Infallible>);
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl Client {
    async fn run(mut self, resync: bool) {
        // However it ends, the client comes back with the position that it has.
        let _ = self.follow(resync).await;
    }

    async fn follow(&mut self, resync: bool) -> Result<(), Ended> {
        let (mut heads, mut closing) = (self.app.heads.clone(), self.app.closing.clone());
        self.send(Bytes::from_static(b"retry: 1000\n\n")).await?;
        if resync {
            self.resync().await?;
        }
        // The first frame says where the stream begins, so that whoever loses it at once loses nothing.
        self.position("position").await?;
        let every = |period: Duration| {
            let mut ticks = interval_at(Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let mut beats = every(Limits::ms(self.app.limits.heartbeat_ms.max(1)));
        let (mut look, mut positions) = (Instant::now() + LIVENESS, every(POSITIONS));
        loop {
            let size = heads.borrow_and_update().checkpoint.size;
            if self.next < size {
                self.page(size, &mut look).await?;
                if self.next < size && !*closing.borrow() {
                    continue;
                }
            }
            tokio::select! {
                moved = heads.changed() => moved.map_err(|_| Ended)?,
                () = stopped(&mut closing) => return Ok(()),
                () = self.send.closed() => return Ok(()),
                () = sleep_until(look) => self.look(&mut look).await?,
                _ = positions.tick() => if self.told < self.next { self.position("position").await? },
                _ = beats.tick() => self.position("heartbeat").await?,
            }
        }
    }

    /// Sends what is wanted of the next page.
    async fn page(&mut self, size: u64, look: &mut Instant) -> Result<(), Ended> {
        let end = size.min(self.next + PAGE);
        let Ok(frames) = self.app.frames(self.next..end).await else {
            return self.resync().await;
        };
        let (mut sent, mut slow) = (0, None);
        for frame in frames.iter().filter(|frame| self.filter.wants(frame)) {
            // A client that takes little at a time is on one page for long.
            self.look(look).await?;
            if !self.offer(frame.bytes.clone()).await? {
                slow = Some(frame.position);
                break;
            }
            self.told = frame.position + 1;
            sent += 1;
        }
        self.app.metrics.frames.add(sent);
        let Some(position) = slow else {
            self.next = end;
            return self.look(look).await;
        };
        // What was read for a client that is slow is not kept while it is waited for, but read again.
        self.next = position;
        drop(frames);
        self.room().await
    }

    /// Whether a frame went off within a moment.
    async fn offer(&self, bytes: Bytes) -> Result<bool, Ended> {
        match timeout(PATIENCE, self.send.send(bytes)).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(_)) => Err(Ended),
            Err(_) => Ok(false),
        }
    }

    /// Waits until the client takes something.
    async fn room(&self) -> Result<(), Ended> {
        match timeout(Limits::ms(self.app.limits.stream_stall_ms), self.send.reserve()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended),
        }
    }

    /// What was asked for cannot be served: the client reads anew, and goes on from the newest entry.
    async fn resync(&mut self) -> Result<(), Ended> {
        self.next = self.app.size();
        self.position("resync").await
    }

    /// A frame that only says how far the stream is.
    async fn position(&mut self, event: &str) -> Result<(), Ended> {
        let id = match self.next.checked_sub(1) {
            Some(last) => self.app.reference(last),
            None => return Ok(()),
        };
        self.told = self.next;
        let text = format!("id: {id}\nevent: {event}\ndata: {{\"position\":\"{id}\"}}\n\n");
        self.send(Bytes::from(text)).await
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Ended> {
        let stall = Limits::ms(self.app.limits.stream_stall_ms);
        match timeout(stall, self.send.send(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended),
        }
    }

    /// Asks whether somebody still may look, when it is time to.
    async fn look(&self, due: &mut Instant) -> Result<(), Ended> {
        if Instant::now() < *due {
            return Ok(());
        }
        *due = Instant::now() + LIVENESS;
        self.is_live().await
    }

    /// Whether the token still speaks for somebody who may look.
    async fn is_live(&self) -> Result<(), Ended> {
        let what = ("view.audit", "events");
        let mut request = looking(&self.app, &self.token, what, &self.scope).map_err(|_| Ended)?;
        let app = Arc::clone(&self.app);
        let admission = self.app.blocking(move || app.ledger.admit(&mut request)).await;
        match admission {
            Ok(Admission::Yes(viewer)) if viewer.authority == self.filter.authority => Ok(()),
            _ => Err(Ended),
        }
    }
}
