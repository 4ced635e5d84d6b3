//! Which figures does the server keep? Counters by route and status, written as Prometheus reads them; no label ever
//! comes from input.

use crate::app::App;
use crate::routes::ROUTES;
use chancery_ledger::{BOUNDS, Histogram};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Statuses that are counted by themselves; others are counted as 0.
const STATUSES: [u16; 23] = [
    0, 200, 202, 304, 400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 422, 429, 431, 499, 500, 501, 502,
    503, 504,
];

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicI64);

/// One that is counted while it is there.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a Gauge);

impl Gauge {
    /// Counts one for as long as what is given back lives.
    pub(crate) fn hold(&self) -> Counted<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self)
    }

    pub(crate) fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Figures of one route.
#[derive(Debug, Default)]
struct OfRoute {
    statuses: [AtomicU64; STATUSES.len()],
    times: Histogram,
}

/// All figures; the last of `routes` is for what no route was found for.
#[derive(Debug)]
pub(crate) struct Metrics {
    routes: Vec<OfRoute>,
    pub(crate) in_flight: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) refused_connections: Counter,
    pub(crate) failed_authentications: Counter,
    pub(crate) frames: Counter,
    pub(crate) log_lines_lost: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            routes: (0..=ROUTES.len()).map(|_| OfRoute::default()).collect(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            refused_connections: Counter::default(),
            failed_authentications: Counter::default(),
            frames: Counter::default(),
            log_lines_lost: Counter::default(),
        }
    }
}

impl Metrics {
    /// Counts an answer of the route at this place of the table, or of none.
    pub(crate) fn answered(&self, route: Option<usize>, status: u16, took: Duration) {
        let Some(of) = self.routes.get(route.unwrap_or(ROUTES.len())) else { return };
        let at = STATUSES.iter().position(|known| *known == status).unwrap_or(0);
        if let Some(counter) = of.statuses.get(at) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        of.times.observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
}

/// Microseconds as seconds, without a fraction of binary digits.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Lines of a histogram under `name`, with these labels.
fn histogram(out: &mut String, name: &str, labels: &str, histogram: &Histogram) {
    let (counts, sum) = histogram.read();
    let comma = if labels.is_empty() { "" } else { "," };
    for (bound, count) in BOUNDS.iter().zip(&counts) {
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{}\"}} {count}", seconds(*bound));
    }
    let all = counts.last().copied().unwrap_or_default();
    let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {all}");
    let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    let _ = writeln!(out, "{name}_sum{braces} {}\n{name}_count{braces} {all}", seconds(sum));
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

impl App {
    /// Every figure as text.
    pub(crate) fn render_metrics(&self) -> String {
        let mut out = String::with_capacity(16 << 10);
        let name = |at: usize| {
            let route = ROUTES.get(at);
            route.map_or(("none", "other"), |route| (route.method.as_str(), route.path))
        };
        let used = |of: &&OfRoute| of.times.read().0.last().is_some_and(|count| *count > 0);
        let rows = || self.metrics.routes.iter().enumerate().filter(|(_, of)| used(of));
        head(&mut out, "chancery_http_requests_total", "counter", "Answers by route and status.");
        for (at, of) in rows() {
            let (method, path) = name(at);
            for (status, count) in STATUSES.iter().zip(&of.statuses) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let _ = writeln!(
                        out,
                        "chancery_http_requests_total{{method=\"{method}\",route=\"{path}\",status=\"{status}\"}} {count}"
                    );
                }
            }
        }
        let family = "chancery_http_request_seconds";
        head(&mut out, family, "histogram", "Time until the head of the answer.");
        for (at, of) in rows() {
            let (method, path) = name(at);
            histogram(&mut out, family, &format!("method=\"{method}\",route=\"{path}\""), &of.times);
        }
        head(&mut out, "chancery_commit_seconds", "histogram", "Time of a commit, head and anchor included.");
        histogram(&mut out, "chancery_commit_seconds", "", &self.ledger.stats().commits);
        let wal = std::fs::metadata(self.ledger.paths().wal()).map_or(0, |found| found.len());
        let (m, views) = (&self.metrics, self.follower.health());
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let sized = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        for (name, kind, help, value) in [
            ("chancery_entries", "gauge", "Entries under the newest released head.", signed(self.size())),
            (
                "chancery_queue_depth",
                "gauge",
                "Requests that wait for the writer.",
                sized(self.ledger.queued()),
            ),
            ("chancery_wal_bytes", "gauge", "Bytes of the store's WAL.", signed(wal)),
            ("chancery_http_in_flight", "gauge", "Requests that are worked on.", m.in_flight.get()),
            ("chancery_http_connections", "gauge", "Open connections.", m.connections.get()),
            (
                "chancery_http_connections_refused_total",
                "counter",
                "Connections that were one too many.",
                signed(m.refused_connections.get()),
            ),
            (
                "chancery_http_failed_authentications_total",
                "counter",
                "Requests without a live credential.",
                signed(m.failed_authentications.get()),
            ),
            ("chancery_view_lag_entries", "gauge", "Released entries that are not in every view yet.", {
                signed(self.size().saturating_sub(views.entries))
            }),
            (
                "chancery_view_beats_total",
                "counter",
                "How often the fold looked for something to do: it grows as long as it runs.",
                signed(views.beats),
            ),
            (
                "chancery_view_skipped_total",
                "counter",
                "Entries that some view could not fold.",
                signed(views.skipped),
            ),
            ("chancery_view_stopped", "gauge", "1 while the views stand still.", {
                i64::from(views.stopped.is_some())
            }),
            (
                "chancery_view_failures_total",
                "counter",
                "How often something kept the views from being folded.",
                signed(views.failures),
            ),
            (
                "chancery_view_rebuilds_total",
                "counter",
                "How often the file of the views was set aside, and another begun.",
                signed(views.rebuilds),
            ),
            ("chancery_clock_suspect", "gauge", "1 while the clock is not believed.", {
                i64::from(self.ledger.clock_suspect().is_some())
            }),
            ("chancery_stream_clients", "gauge", "Open event streams.", sized(self.streams.len())),
            ("chancery_stream_frames_total", "counter", "Entries sent to streams.", signed(m.frames.get())),
            (
                "chancery_log_lines_lost_total",
                "counter",
                "Lines of the access log that found no room.",
                signed(m.log_lines_lost.get()),
            ),
        ] {
            head(&mut out, name, kind, help);
            let _ = writeln!(out, "{name} {value}");
        }
        out
    }
}
