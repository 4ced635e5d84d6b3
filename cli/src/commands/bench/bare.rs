//! What is HTTP and an event stream divided by? Ready bytes, given by the same stack or by the simplest loop, in a
//! process of their own.

use super::subject::Bench;
use super::wire::broken;
use crate::diagnostic::{Diagnostic, Outcome, io};
use crate::exit;
use crate::output::Output;
use chancery_api::ReadyAnswer;
use serde::{Deserialize, Serialize};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;

/// What lies ready.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Ready {
    pub(super) row: String,
    pub(super) page: String,
    pub(super) tag: String,
    /// What opens an event stream, and each of its frames.
    pub(super) frames: Vec<String>,
    /// How many take the stream at the same time.
    pub(super) subscribers: usize,
}

const FILE: &str = "ready.json";

impl Ready {
    /// Lays it ready.
    pub(super) fn write(&self, bench: &Bench) -> Result<(), Diagnostic> {
        let path = bench.place().join(FILE);
        let text = serde_json::to_string(self).map_err(|error| broken("what lies ready", &error))?;
        std::fs::write(&path, text).map_err(|error| io("write", &path, error))
    }
}

/// The simplest loop: each frame, written to each socket.
fn give(sockets: &mut [TcpStream], frames: &[Vec<u8>]) -> std::io::Result<()> {
    frames.iter().try_for_each(|frame| sockets.iter_mut().try_for_each(|socket| socket.write_all(frame)))
}

/// Waits until as many have asked as take the stream, then gives it to all of them; again and again.
fn stream(listener: &TcpListener, frames: &[Vec<u8>], subscribers: usize) -> std::io::Result<()> {
    const HEAD: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    loop {
        let mut sockets = Vec::with_capacity(subscribers);
        while sockets.len() < subscribers {
            let (socket, _) = listener.accept()?;
            socket.set_nodelay(true)?;
            sockets.push(socket);
        }
        for socket in &mut sockets {
            let mut asked = [0; 4096];
            let mut length = 0;
            while !asked[..length].ends_with(b"\r\n\r\n") {
                length += socket.read(&mut asked[length..])?;
            }
            socket.write_all(HEAD)?;
        }
        // Who leaves before the end is missed on the other side.
        let _ = give(&mut sockets, frames);
    }
}

/// Gives what lies ready in `dir` until stdin ends.
pub(super) fn run(dir: Option<&Path>, out: &Output) -> Outcome {
    #[derive(Serialize)]
    struct Listening {
        listen: SocketAddr,
        events: SocketAddr,
    }
    let path = dir.unwrap_or(Path::new(".")).join(FILE);
    let text = std::fs::read_to_string(&path).map_err(|error| io("read", &path, error))?;
    let ready: Ready = serde_json::from_str(&text).map_err(|error| broken("what lies ready", &error))?;
    let answer = |path, status, tag: &str, body: &str| ReadyAnswer {
        path,
        status,
        tag: Some(tag.to_owned()),
        body: body.into(),
    };
    let answers = [
        answer("/row", 200, &ready.tag, &ready.row),
        answer("/page", 200, &ready.tag, &ready.page),
        answer("/unchanged", 304, &ready.tag, ""),
    ];
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| broken("cannot listen", &error))?;
    let events = listener.local_addr().map_err(|error| broken("cannot listen", &error))?;
    let chunk = |frame: &String| format!("{:X}\r\n{frame}\r\n", frame.len()).into_bytes();
    let frames: Vec<Vec<u8>> = ready.frames.iter().map(chunk).collect();
    std::thread::spawn(move || stream(&listener, &frames, ready.subscribers));
    let until = || {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
    };
    chancery_api::bare(&answers, |listen| out.json(&Listening { listen, events }), until)?;
    Ok(exit::YES)
}
