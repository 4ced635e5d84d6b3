//! How is a command run so that nothing of it is left behind? Without a shell, an environment or input, in a directory
//! and a process group of its own, for a limited time, with what it prints handed on line by line.

use chancery_ledger::limits::Stopwatch;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Lines that are handed on.
pub(crate) const LINES: usize = 256;
/// Bytes of a line that are handed on; an event's part has room for twice as many.
pub(crate) const LINE: usize = 2000;
/// Bytes that are handed on.
pub(crate) const TOTAL: usize = 65_536;
/// Lines that wait for whoever tells them: then the command waits.
const WAITING: usize = 16;
/// Between two looks at whether a command has ended.
const LOOK: Duration = Duration::from_millis(2);
/// How long its output is waited for when it has ended: what left its group may hold the other end for ever.
const REST: Duration = Duration::from_secs(1);

/// What a command printed: the digest of all of it, and how much of it was not handed on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Printed {
    pub(crate) digest: String,
    pub(crate) lines: usize,
    pub(crate) kept_lines: usize,
    pub(crate) cut_bytes: usize,
}

/// What comes next of a command.
#[derive(Debug)]
pub(crate) enum Next {
    /// A line, or its beginning.
    Line(Vec<u8>),
    /// Nothing so far.
    Quiet,
    /// Nothing more.
    Over,
}

enum Piece {
    Line(Vec<u8>),
    End(Printed),
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct End {
    /// `None` when it was ended.
    pub(crate) status: Option<ExitStatus>,
    /// `None` when somebody still holds its output.
    pub(crate) printed: Option<Printed>,
}

/// A directory of its own; it is gone afterwards.
#[derive(Debug)]
struct Room(PathBuf);

impl Room {
    fn new() -> std::io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("chancery-work-{}-{number}", std::process::id()));
        // Nobody else's directory is used: it must be new.
        std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A command that runs; it is ended when this is dropped, with all of its group.
#[derive(Debug)]
pub(crate) struct Running {
    pieces: Receiver<Piece>,
    kill: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    /// Ends it, and is the only one that does: so no number of a process is used after it was given back.
    keeper: Option<JoinHandle<std::io::Result<Option<ExitStatus>>>>,
    printed: Option<Printed>,
    rest: Option<Stopwatch>,
    _room: Room,
}

impl Running {
    /// Starts an argument vector, to the letter.
    pub(crate) fn start(program: &str, arguments: &[String], limit: Duration) -> std::io::Result<Self> {
        let room = Room::new()?;
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .current_dir(&room.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let (send, pieces) = sync_channel(WAITING);
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || read(stdout, &send));
        }
        let (kill, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (told, ended) = (Arc::clone(&kill), Arc::clone(&over));
        let keeper = std::thread::spawn(move || {
            let status = keep(child, &told, limit);
            ended.store(true, Ordering::Release);
            status
        });
        Ok(Self { pieces, kill, over, keeper: Some(keeper), printed: None, rest: None, _room: room })
    }

    /// Ends it.
    pub(crate) fn kill(&self) {
        self.kill.store(true, Ordering::Release);
    }

    /// What comes next, waited for no longer than `wait`.
    pub(crate) fn next(&mut self, wait: Duration) -> Next {
        match self.pieces.recv_timeout(wait) {
            Ok(Piece::Line(line)) => Next::Line(line),
            Ok(Piece::End(printed)) => {
                self.printed = Some(printed);
                self.next(wait)
            }
            Err(RecvTimeoutError::Timeout) if !self.is_over() => Next::Quiet,
            Err(RecvTimeoutError::Disconnected) if !self.is_over() => {
                std::thread::park_timeout(LOOK.min(wait));
                Next::Quiet
            }
            Err(RecvTimeoutError::Disconnected) => Next::Over,
            Err(RecvTimeoutError::Timeout) => {
                let rest = *self.rest.get_or_insert_with(Stopwatch::start);
                if rest.elapsed() >= REST { Next::Over } else { Next::Quiet }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// How it ended, once it has.
    pub(crate) fn end(mut self) -> std::io::Result<End> {
        let printed = self.printed.take();
        Ok(End { status: self.join()?, printed })
    }

    fn join(&mut self) -> std::io::Result<Option<ExitStatus>> {
        let Some(keeper) = self.keeper.take() else { return Ok(None) };
        keeper.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that ends it has failed")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        let _ = self.join();
    }
}

/// Waits until it ends by itself, is to be ended, or took too long; then ends what is left of its group. `None` when it
/// did not end by itself.
fn keep(mut child: Child, kill: &AtomicBool, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let watch = Stopwatch::start();
    let pid = Pid::from_child(&child);
    // Its number stays its own, and its group's, until it is waited for below.
    let exited =
        || waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT);
    let by_itself = loop {
        match exited() {
            Ok(None) => {}
            Ok(Some(_)) => break true,
            Err(_) => break false,
        }
        if kill.load(Ordering::Acquire) || watch.elapsed() >= limit {
            break false;
        }
        std::thread::park_timeout(LOOK);
    };
    let _ = kill_process_group(pid, Signal::KILL);
    let status = child.wait()?;
    Ok(by_itself.then_some(status))
}

/// Reads to the end: hands on lines as far as they may be told, and counts the rest.
fn read(mut from: impl Read, to: &SyncSender<Piece>) {
    let (mut hash, mut buffer) = (Sha256::new(), [0; 8192]);
    let (mut line, mut length, mut told, mut printed) = (Vec::new(), 0, 0, Printed::default());
    let mut hand_on = |line: &mut Vec<u8>, length: &mut usize, printed: &mut Printed| {
        let bytes = std::mem::take(line);
        printed.lines += 1;
        // What comes after something that was left out is left out too.
        let whole = printed.kept_lines + 1 == printed.lines;
        let fits = whole && printed.kept_lines < LINES && told + bytes.len() <= TOTAL;
        printed.cut_bytes += std::mem::take(length) - if fits { bytes.len() } else { 0 };
        if !fits {
            return true;
        }
        told += bytes.len();
        printed.kept_lines += 1;
        to.send(Piece::Line(bytes)).is_ok()
    };
    loop {
        let read = match from.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        for byte in bytes {
            if *byte == b'\n' {
                if !hand_on(&mut line, &mut length, &mut printed) {
                    return;
                }
                continue;
            }
            length += 1;
            if line.len() < LINE {
                line.push(*byte);
            }
        }
    }
    if length > 0 && !hand_on(&mut line, &mut length, &mut printed) {
        return;
    }
    printed.digest = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let _ = to.send(Piece::End(printed));
}
