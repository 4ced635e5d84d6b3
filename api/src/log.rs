//! Who asked for what? One JSON line a request, without tokens, paths or arguments, written by a thread of its own.

use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Lines that may wait for the disk; what finds no room is counted, nobody waits for it.
const WAITING: usize = 8192;

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LogTo {
    /// Nowhere.
    Off,
    /// To stderr.
    #[default]
    Stderr,
    /// To the end of a file.
    File(PathBuf),
}

/// One request as it was answered.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    pub(crate) time: i64,
    pub(crate) request: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) principal: Option<&'a str>,
    pub(crate) peer: String,
    pub(crate) method: &'a str,
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
    pub(crate) micros: u64,
}

/// The log.
#[derive(Debug)]
pub(crate) struct Log(Option<SyncSender<String>>);

impl Log {
    /// Opens the log; the thread ends once the log is dropped and everything is written.
    pub(crate) fn open(to: &LogTo) -> std::io::Result<(Self, Option<JoinHandle<()>>)> {
        let out: Box<dyn Write + Send> = match to {
            LogTo::Off => return Ok((Self(None), None)),
            LogTo::Stderr => Box::new(std::io::stderr()),
            LogTo::File(path) => Box::new(std::fs::OpenOptions::new().create(true).append(true).open(path)?),
        };
        let (send, receive) = sync_channel(WAITING);
        let thread = std::thread::Builder::new().name("chancery-log".to_owned());
        let thread = thread.spawn(move || write(out, &receive))?;
        Ok((Self(Some(send)), Some(thread)))
    }

    /// Writes a line when there is room for it; false when there was none. JSON escapes what a terminal would obey.
    pub(crate) fn write(&self, line: &Line<'_>) -> bool {
        let Some(send) = &self.0 else { return true };
        serde_json::to_string(line).is_ok_and(|text| send.try_send(text).is_ok())
    }
}

fn write(mut out: Box<dyn Write + Send>, lines: &Receiver<String>) {
    let mut text = String::new();
    while let Ok(line) = lines.recv() {
        text.clear();
        // What waits is written at once.
        for line in std::iter::once(line).chain(lines.try_iter().take(256)) {
            text.push_str(&line);
            text.push('\n');
        }
        // A log that cannot be written stops nothing.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
