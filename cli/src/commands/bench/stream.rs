//! What does a subscriber receive? Chunks off a socket, every byte compared, or every event counted by its id.

use super::wire::broken;
use crate::diagnostic::Diagnostic;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// Where in a chunked answer its reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// In the head; so many bytes of the empty line that ends it were seen.
    Head(usize),
    /// In the length of a chunk, so far.
    Size(usize),
    /// Before so many bytes of a chunk.
    Data(usize),
    /// Before so many bytes of what ends a chunk.
    End(usize),
}

/// A subscriber's connection.
#[derive(Debug)]
pub(super) struct Subscriber {
    socket: TcpStream,
    at: At,
}

impl Subscriber {
    pub(super) fn open(to: SocketAddr, wait: Duration) -> Result<Self, Diagnostic> {
        let socket = TcpStream::connect(to).and_then(|socket| {
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(wait))?;
            Ok(socket)
        });
        let socket = socket.map_err(|error| broken("cannot subscribe", &error))?;
        Ok(Self { socket, at: At::Head(0) })
    }

    pub(super) fn ask(&mut self, request: &[u8]) -> Result<(), Diagnostic> {
        self.socket.write_all(request).map_err(|error| broken("cannot subscribe", &error))
    }

    /// Reads once, and hands on what is of the stream itself; false when nothing came in time.
    pub(super) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        each: &mut dyn FnMut(&[u8]) -> Result<(), Diagnostic>,
    ) -> Result<bool, Diagnostic> {
        buffer.resize(BUFFER, 0);
        let read = match self.socket.read(buffer) {
            Ok(0) => return Err(broken("a stream", &"it ended early")),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(false);
            }
            Err(error) => return Err(broken("a stream", &error)),
        };
        let mut rest = buffer.get(..read).unwrap_or_default();
        while let Some((first, after)) = rest.split_first() {
            (self.at, rest) = match self.at {
                At::Head(seen) => {
                    let seen = match (seen % 2, first) {
                        (0, b'\r') | (1, b'\n') => seen + 1,
                        _ => 0,
                    };
                    (if seen == 4 { At::Size(0) } else { At::Head(seen) }, after)
                }
                At::Size(_) if *first == b'\r' => (self.at, after),
                At::Size(0) if *first == b'\n' => return Err(broken("a stream", &"it ended early")),
                At::Size(size) if *first == b'\n' => (At::Data(size), after),
                At::Size(size) => {
                    let digit = char::from(*first).to_digit(16).and_then(|digit| usize::try_from(digit).ok());
                    let digit = digit.ok_or_else(|| broken("a stream", &"it is not in chunks"))?;
                    (At::Size(size * 16 + digit), after)
                }
                At::Data(left) => {
                    let (data, after) = rest.split_at(left.min(rest.len()));
                    each(data)?;
                    (if data.len() == left { At::End(2) } else { At::Data(left - data.len()) }, after)
                }
                At::End(left) => (if left == 1 { At::Size(0) } else { At::End(left - 1) }, after),
            };
        }
        Ok(true)
    }
}

/// What opens a stream that begins after `cursor`.
pub(super) fn opening(cursor: &str) -> String {
    format!("retry: 1000\n\nid: {cursor}\nevent: position\ndata: {{\"position\":\"{cursor}\"}}\n\n")
}

/// Cuts a stream into events, and gives the position of each entry.
#[derive(Debug, Default)]
pub(super) struct Events {
    rest: Vec<u8>,
}

impl Events {
    /// Takes what came; `entry` is told the position of each entry, in the order in which they came.
    pub(super) fn take(&mut self, data: &[u8], entry: &mut dyn FnMut(u64)) -> Result<(), Diagnostic> {
        self.rest.extend_from_slice(data);
        let mut from = 0;
        let rest = &self.rest;
        let next = |from: usize| rest.get(from..)?.windows(2).position(|two| two == b"\n\n");
        while let Some(length) = next(from) {
            let text = rest.get(from..from + length).and_then(|text| std::str::from_utf8(text).ok());
            let text = text.ok_or_else(|| broken("an event", &"it is not text"))?;
            from += length + 2;
            if let Some((id, _)) =
                text.strip_prefix("id: 1.").and_then(|text| text.split_once("\nevent: entry\n"))
            {
                entry(id.parse().map_err(|error| broken("an event", &error))?);
            }
        }
        self.rest.drain(..from);
        Ok(())
    }
}
