//! How is the server run? Accept within bounds, sweep, and on a signal: no more, finish, close. SPEC 20.

use crate::app::{App, stopped};
use crate::config::Config;
use crate::conn::{Phase, Timed};
use crate::limits::{Limits, count};
use crate::log::Log;
use crate::router::{Peer, router};
use crate::throttle::counted;
use axum::body::Body;
use axum::extract::Request;
use chancery_ledger::{Code, Error, Ledger};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Time between two sweeps.
const SWEEP: Duration = Duration::from_secs(1);
/// Sweeps between two looks at whether a snapshot is due.
const SNAPSHOT: u32 = 60;
/// How long a start waits for the views.
const FOLD: Duration = Duration::from_secs(2);
/// Threads that may wait for the disk.
const BLOCKING: usize = 64;

/// Where the server listens, once it does.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// Where requests are taken.
    pub listen: SocketAddr,
    /// Where figures are given.
    pub metrics: Option<SocketAddr>,
}

/// Serves a ledger until a signal comes or the writer ends, then closes it. `ready` is told where it listens.
pub fn serve(ledger: Ledger, config: &Config, ready: impl FnOnce(Bound)) -> Result<(), Error> {
    let failed = |what: &str, error: std::io::Error| Error {
        code: Code::Io,
        message: format!("cannot {what}"),
        source: Some(Box::new(error)),
    };
    let (log, writing) =
        Log::open(&config.access_log).map_err(|error| failed("open the access log", error))?;
    let (heads, watched) = watch::channel(ledger.released().head());
    let (close, closing) = watch::channel(false);
    let app = Arc::new(App::new(ledger, config, log, watched, closing)?);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING).build();
    let runtime = runtime.map_err(|error| failed("start the server's threads", error))?;
    let close = Arc::new(close);
    let (stop_sweeping, swept) = mpsc::channel::<()>();
    // Whoever would not be told of heads, or whose deadlines nobody keeps, is not served at all.
    let telling = spawn_with(&app, "chancery-heads", {
        let close = Arc::clone(&close);
        move |app| follow_heads(app, &heads, &close)
    });
    let telling = telling.map_err(|error| failed("start the thread that tells of heads", error))?;
    let sweeping = spawn_with(&app, "chancery-sweeper", move |app| sweep(app, &swept)).map_err(|error| {
        close.send_replace(true);
        failed("start the thread that sweeps", error)
    })?;
    let served = runtime.block_on(async {
        let bind = |address: SocketAddr| async move {
            let bound = TcpListener::bind(address).await;
            bound.map_err(|error| failed(&format!("listen on `{address}`"), error))
        };
        let main = bind(config.listen).await?;
        let metrics = match config.metrics_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let local =
            |listener: &TcpListener| listener.local_addr().map_err(|e| failed("tell where it listens", e));
        let bound = Bound { listen: local(&main)?, metrics: metrics.as_ref().map(local).transpose()? };
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| failed("listen for signals", e))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(|e| failed("listen for signals", e))?;
        let mut hangup = signal(SignalKind::hangup()).map_err(|e| failed("listen for signals", e))?;
        // Whoever is the first to look need not find the views behind, unless there is much to fold.
        let (folding, size) = (Arc::clone(&app), app.size());
        let _ = tokio::task::spawn_blocking(move || folding.follower.wait(size, FOLD)).await;
        ready(bound);
        let figures = metrics.map(|listener| {
            // Whoever reaches this address may see the figures: it is the operator who gave it.
            let app = Arc::clone(&app);
            tokio::spawn(accept(app, listener, Kind::Figures))
        });
        let main = tokio::spawn(accept(Arc::clone(&app), main, Kind::Main));
        let mut closing = app.closing.clone();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            () = stopped(&mut closing) => {}
        }
        close.send_replace(true);
        let _ = main.await;
        if let Some(figures) = figures {
            let _ = figures.await;
        }
        Ok(())
    });
    close.send_replace(true);
    drop(stop_sweeping);
    // What still waits for the disk is waited for: it holds the ledger.
    runtime.shutdown_timeout(Limits::ms(config.limits.drain_ms));
    for thread in [telling, sweeping] {
        let _ = thread.join();
    }
    let closed = match Arc::into_inner(app) {
        Some(App { ledger, follower, .. }) => {
            let closed = ledger.close();
            drop(follower);
            closed
        }
        None => Err(Error::new(Code::Internal, "something still holds the ledger")),
    };
    if let Some(writing) = writing {
        let _ = writing.join();
    }
    served.and(closed)
}

/// What a listener answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Main,
    Figures,
}

fn spawn_with(
    app: &Arc<App>,
    name: &str,
    work: impl FnOnce(&App) + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let app = Arc::clone(app);
    std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&app))
}

/// Tells everybody who waits of each released head; when there will be no further one, the server stops.
fn follow_heads(
    app: &App,
    heads: &watch::Sender<Arc<chancery_ledger::format::checkpoint::Note>>,
    close: &watch::Sender<bool>,
) {
    while !*app.closing.borrow() {
        let size = heads.borrow().checkpoint.size;
        let head = app.ledger.released().wait(size, Duration::from_millis(250));
        if head.checkpoint.size > size {
            heads.send_replace(head);
        } else if app.ledger.released().has_ended() {
            close.send_replace(true);
        }
    }
}

/// Records what the clock decided, until the server stops.
fn sweep(app: &App, stopped: &mpsc::Receiver<()>) {
    let mut sweeps = 0;
    while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(SWEEP) {
        // What cannot be recorded now is due in the next sweep.
        let _ = app.ledger.sweep();
        sweeps += 1;
        if sweeps % SNAPSHOT == 0 {
            let _ = app.ledger.snapshot_if_due(false);
        }
    }
}

/// Open connections by peer.
type Peers = Arc<Mutex<HashMap<IpAddr, u64>>>;

/// A connection that is counted.
struct Connected(Peers, IpAddr);

impl Connected {
    /// Counts one more, unless it is one too many.
    fn new(peers: &Peers, peer: IpAddr, limits: &Limits) -> Option<Self> {
        let mut open = peers.lock().unwrap_or_else(PoisonError::into_inner);
        let all: u64 = open.values().sum();
        let most = match peer.is_loopback() {
            true => limits.connections_per_loopback,
            false => limits.connections_per_address,
        };
        let peer = counted(peer);
        let own = open.get(&peer).copied().unwrap_or_default();
        if all >= limits.connections || own >= most {
            return None;
        }
        open.insert(peer, own + 1);
        Some(Self(Arc::clone(peers), peer))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.1) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                open.remove(&self.1);
            }
        }
    }
}

/// Takes connections until the server stops, then waits for what is in flight.
async fn accept(app: Arc<App>, listener: TcpListener, kind: Kind) {
    let routes = match kind {
        Kind::Main => router(&app, |_| true),
        Kind::Figures => crate::router::figures(&app),
    };
    let service = TowerToHyperService::new(routes);
    let (peers, mut closing) = (Peers::default(), app.closing.clone());
    let mut open = JoinSet::new();
    loop {
        let (socket, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // Out of descriptors, as a rule: what is open ends sooner or later.
                Err(_) => {
                    sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
            () = stopped(&mut closing) => break,
        };
        while open.try_join_next().is_some() {}
        let peer = peer.ip().to_canonical();
        match Connected::new(&peers, peer, &app.limits) {
            Some(connected) => {
                open.spawn(connection(Arc::clone(&app), service.clone(), socket, peer, connected));
            }
            None => app.metrics.refused_connections.add(1),
        }
    }
    drop(listener);
    let drained = async { while open.join_next().await.is_some() {} };
    let _ = timeout(Limits::ms(app.limits.drain_ms), drained).await;
    open.shutdown().await;
}

async fn connection(
    app: Arc<App>,
    service: TowerToHyperService<axum::Router>,
    socket: TcpStream,
    peer: IpAddr,
    _connected: Connected,
) {
    let _counted = app.metrics.connections.hold();
    let _ = socket.set_nodelay(true);
    let (limits, phase) = (app.limits, Phase::new());
    let (peer, mut closing) = (Peer(peer), app.closing.clone());
    let serving = phase.clone();
    let answering = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let busy = serving.busy();
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        let answer = service.call(request);
        async move {
            let answer = answer.await;
            drop(busy);
            answer
        }
    });
    let (head, stall) = (Limits::ms(limits.header_read_ms), Limits::ms(limits.stream_stall_ms));
    let socket = TokioIo::new(Timed::new(socket, phase, head, stall));
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Limits::ms(limits.idle_ms.max(limits.header_read_ms)))
        .max_headers(count(limits.headers))
        .max_header_size(count(limits.header_bytes))
        .max_buf_size(count(limits.header_bytes).max(16 << 10))
        .serve_connection(socket, answering);
    tokio::pin!(http);
    tokio::select! {
        _ = http.as_mut() => return,
        () = stopped(&mut closing) => http.as_mut().graceful_shutdown(),
    }
    let _ = http.await;
}
