//! In which processes do the servers of a measurement run? Each in one of its own, ended with its handle.

use super::subject::{Bench, Subject};
use super::wire::{Wire, broken, get};
use crate::client::{Ask, must};
use crate::diagnostic::Diagnostic;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json::Value;
use chancery_ledger::store::Paths;
use serde::Deserialize;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A server in a process of its own.
#[derive(Debug)]
pub(super) struct Served {
    child: Child,
    /// Kept open: to a closed one nothing can be said.
    _out: BufReader<ChildStdout>,
    pub(super) address: SocketAddr,
    /// Where event streams are written by the simplest loop.
    pub(super) events: Option<SocketAddr>,
}

/// What a server says when it listens.
#[derive(Debug, Deserialize)]
struct Said {
    listen: SocketAddr,
    events: Option<SocketAddr>,
}

impl Drop for Served {
    fn drop(&mut self) {
        // Its ledger is thrown away: nothing is asked of how it ends.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The ledger of a server: the token that it is asked with stays when the ledger is handed over.
#[derive(Debug)]
pub(super) struct Estate {
    pub(super) paths: Paths,
    pub(super) token: String,
    /// The token of somebody who may see every entry.
    pub(super) auditor: String,
    /// Entries in it.
    pub(super) entries: u64,
}

impl Estate {
    /// A ledger of so many entries, closed, for a server to open.
    pub(super) fn filled(bench: &Bench, name: &str, entries: u64) -> Result<Self, Diagnostic> {
        let mut subject: Subject = bench.subject(name, false)?;
        let (root, role) = (Scope::root(), [("kind", "human"), ("role", "auditor")]);
        let founder = |ask| must(&subject.ledger, &subject.founder, ask);
        founder(Ask::new("principal.register", &root, "ada", &role))?;
        founder(Ask::new("principal.activate", &root, "ada", &[]))?;
        let ttl = ("ttl_ms", Value::Int(7_776_000_000));
        let issue = vec![("principal", Value::from("ada")), ttl];
        let auditor =
            founder(Ask::with("token.issue", &root, "audit0000000", issue))?.secret.unwrap_or_default();
        subject.observe(entries, 1024)?;
        subject.ledger.snapshot_if_due(true)?;
        let entries = subject.ledger.reader()?.size()?;
        let token = subject.token().to_owned();
        subject.ledger.close()?;
        Ok(Self { paths: subject.paths, token, auditor, entries })
    }
}

impl Served {
    fn start(command: &mut Command) -> Result<Self, Diagnostic> {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| broken("cannot start a server", &error))?;
        let out = child.stdout.take().ok_or_else(|| broken("cannot start a server", &"it has no stdout"))?;
        let (mut out, mut line) = (BufReader::new(out), String::new());
        let read = out.read_line(&mut line).map_err(|error| broken("the server says nothing", &error));
        let said = read.and_then(|_| {
            serde_json::from_str::<Said>(&line)
                .map_err(|_| broken("the server does not listen", &line.trim()))
        });
        match said {
            Ok(Said { listen, events }) => Ok(Self { child, _out: out, address: listen, events }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Serves a ledger with bounds that the measurement does not meet, and its access log in a file; waits until the
    /// read models have everything.
    pub(super) fn ledger(estate: &Estate) -> Result<Self, Diagnostic> {
        let log = estate.paths.dir.with_extension("access.log");
        let mut command = own_process()?;
        command.args(["--json", "serve", "--listen", "127.0.0.1:0", "--access-log"]).arg(log);
        command.arg("--dir").arg(&estate.paths.dir);
        for (bound, value) in [
            ("--requests-per-second", "1000000"),
            ("--requests-burst", "1000000000"),
            ("--connections", "4000"),
            ("--connections-per-loopback", "4000"),
            ("--streams", "4000"),
            ("--streams-per-principal", "4000"),
            ("--heartbeat-ms", "3600000"),
            ("--stream-stall-ms", "600000"),
        ] {
            command.args([bound, value]);
        }
        let served = Self::start(&mut command)?;
        let last = estate.entries.saturating_sub(1);
        let path = format!("/v1/views/attention?limit=1&wait_ms=10000&min_position=1.{last}");
        let mut wire = Wire::open(served.address)?;
        for _ in 0..6 {
            if wire.ask(&get(&path, &estate.token, ""))?.status == 200 {
                return Ok(served);
            }
        }
        Err(broken("the server does not get ready", &"its read models stay behind"))
    }

    /// Serves what lies ready in the place of `bench`.
    pub(super) fn bare(bench: &Bench) -> Result<Self, Diagnostic> {
        Self::start(own_process()?.args(["--json", "bench", "bare", "--on"]).arg(bench.place()))
    }

    /// Kilobytes of a line of `/proc/<pid>/status`; nothing where there is no such file.
    pub(super) fn kilobytes(&self, name: &str) -> Option<u64> {
        kilobytes(self.child.id(), name)
    }
}

/// This program, to be started once more.
pub(super) fn own_process() -> Result<Command, Diagnostic> {
    let own = std::env::current_exe().map_err(|error| broken("cannot find this program", &error))?;
    Ok(Command::new(own))
}

/// Kilobytes of a line of `/proc/<pid>/status`; nothing where there is no such file.
pub(super) fn kilobytes(process: u32, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
