//! What goes to stdout, and what to stderr? The only file that prints; text of others is escaped here.

use crate::exit;
pub(crate) use chancery_ledger::format::plain::printable;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a command's words go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// One JSON object instead of text.
    pub(crate) json: bool,
}

impl Output {
    /// Data for whoever reads stdout. Once its pipe is closed nobody reads any more: what is still said is dropped without
    /// a complaint, and the command ends as it would have ended. Anything else that keeps the data from being written is
    /// a failure.
    pub(crate) fn data(&self, text: &str) {
        static CLOSED: AtomicBool = AtomicBool::new(false);
        if CLOSED.load(Ordering::Relaxed) {
            return;
        }
        let mut out = std::io::stdout().lock();
        let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) else { return };
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            CLOSED.store(true, Ordering::Relaxed);
            return;
        }
        self.talk(&format!("error[io]: cannot write to stdout\n  caused by: {error}\n  hint: see the cause"));
        std::process::exit(exit::FAILED.into());
    }

    /// Text for a person on stdout; nothing when JSON was asked for.
    pub(crate) fn say(&self, text: &str) {
        if !self.json {
            self.data(text);
        }
    }

    /// One JSON object on stdout.
    pub(crate) fn json<T: Serialize>(&self, value: &T) {
        match serde_json::to_string(value) {
            Ok(text) => self.data(&text),
            Err(error) => self.talk(&format!("cannot write JSON: {error}")),
        }
    }

    /// Talk on stderr.
    pub(crate) fn talk(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// A progress bar with rate and remaining time, on a terminal only.
    pub(crate) fn progress(&self, what: &'static str, bytes: bool) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let units = if bytes {
            "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}"
        } else {
            "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}"
        };
        let bar = ProgressBar::new(0).with_message(what);
        match ProgressStyle::with_template(units) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

/// Sets a bar to a position of a length.
pub(crate) fn advance(bar: &ProgressBar, position: u64, length: u64) {
    if bar.length() != Some(length) {
        bar.set_length(length);
    }
    bar.set_position(position);
}

/// An instant as people read it.
pub(crate) fn instant(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |t| format!("{t:.3}"))
}
