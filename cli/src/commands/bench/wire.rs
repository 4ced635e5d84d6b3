//! How does a measurement speak HTTP? A blocking connection that stays open; requests are bytes before the clock starts.

use crate::diagnostic::Diagnostic;
use chancery_ledger::{Code, Error};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for an answer.
const WAIT: Duration = Duration::from_secs(60);
/// Most of an answer's head.
const HEAD: usize = 16 << 10;

/// What goes wrong on the way.
pub(super) fn broken(what: &str, why: &dyn std::fmt::Display) -> Diagnostic {
    Error::new(Code::Io, format!("{what}: {why}")).into()
}

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were read.
    filled: usize,
}

/// An answer, in the connection's buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    head: &'a [u8],
    pub(super) body: &'a [u8],
}

/// The value of a header in the head of an answer.
fn value<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = head.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let mut named = lines.filter_map(|line| line.trim_end().split_once(": "));
    named.find(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

impl<'a> Answer<'a> {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        value(self.head, name)
    }

    /// The body as text.
    pub(super) fn text(&self) -> &'a str {
        std::str::from_utf8(self.body).unwrap_or_default()
    }

    /// It has this status, or what it is instead.
    pub(super) fn must(self, status: u16) -> Result<Self, Diagnostic> {
        if self.status == status {
            return Ok(self);
        }
        let text = format!("answered {} in place of {status}: {}", self.status, self.text());
        Err(Error::new(Code::Internal, text).into())
    }
}

/// The bytes of a GET.
pub(super) fn get(path: &str, token: &str, more: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{more}\r\n")
        .into_bytes()
}

/// The bytes of a POST of JSON.
pub(super) fn post(path: &str, token: &str, key: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Text as a segment of a path.
pub(super) fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

impl Wire {
    pub(super) fn open(to: SocketAddr) -> Result<Self, Diagnostic> {
        let open = || {
            let socket = TcpStream::connect(to)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(WAIT))?;
            Ok(socket)
        };
        let socket = open().map_err(|error: std::io::Error| broken("cannot connect", &error))?;
        Ok(Self { socket, buffer: vec![0; HEAD], filled: 0 })
    }

    fn more(&mut self) -> Result<(), Diagnostic> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.filled * 2, 0);
        }
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match self.socket.read(room) {
            Ok(0) => Err(broken("no answer", &"the connection was closed")),
            Ok(read) => {
                self.filled += read;
                Ok(())
            }
            Err(error) => Err(broken("no answer", &error)),
        }
    }

    /// Sends a request, and reads its answer whole. One is in flight at a time.
    pub(super) fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>, Diagnostic> {
        self.filled = 0;
        self.socket.write_all(request).map_err(|error| broken("cannot ask", &error))?;
        let end = loop {
            self.more()?;
            let found = self.buffer.get(..self.filled).unwrap_or_default();
            if let Some(at) = found.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = self.buffer.get(..end).unwrap_or_default();
        let length = value(head, "content-length").and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
        while self.filled < end + length {
            self.more()?;
        }
        let (head, rest) = self.buffer.split_at(end);
        let status = head.get(9..12).and_then(|text| std::str::from_utf8(text).ok());
        let status = status.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Answer { status, head, body: rest.get(..length).unwrap_or_default() })
    }
}
