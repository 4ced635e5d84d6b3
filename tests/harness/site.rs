//! What must hold on a ledger after a bad day? A ledger that only the binary touches, what it acknowledged, and
//! the promises that are checked against both.

use super::{Home, Ran, copy_tree, ran};
use chancery_ledger::format::entry;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Codes with which a ledger whose creation was interrupted may stop: nothing in it was ever acknowledged.
pub const UNFINISHED: &[&str] = &[
    "not_a_ledger",
    "creation_unfinished",
    "key_file_missing",
    "key_file_invalid",
    "anchor_missing",
    "anchor_damaged",
    "ledger_damaged",
];

/// An entry that the binary said is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    pub position: u64,
    pub address: String,
}

/// A ledger in `l` of a home, with its anchor, keys, pin and step trace beside it.
pub struct Site {
    pub home: Home,
    pub acks: Vec<Ack>,
    /// Where the ledger lies: the home, or a disk that is mounted in it. The step trace is never on that disk.
    root: PathBuf,
}

/// A command line with the idempotency key, if any, under which it may be repeated.
#[derive(Debug, Clone)]
pub struct Step {
    pub name: &'static str,
    pub args: Vec<String>,
    /// Entries that it adds, once, when it may be repeated.
    pub adds: Option<u64>,
}

/// Entries that a run printed, one JSON object a line; a line that was cut short acknowledges nothing.
pub fn acks(stdout: &str) -> Vec<Ack> {
    let objects = stdout.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let mut found = Vec::new();
    for object in objects.filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        for entry in object["entries"].as_array().into_iter().flatten() {
            let position = entry["position"].as_u64().expect("a position");
            found.push(Ack { position, address: entry["address"].as_str().expect("an address").to_owned() });
        }
    }
    found
}

/// The code of a failure, from `--json` output; empty when there is none.
pub fn code(ran: &Ran) -> String {
    let objects = ran.stdout.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    objects.filter_map(|o| o["code"].as_str().map(str::to_owned)).next().unwrap_or_default()
}

/// Waits for a process, and kills it when it takes longer than anything here may take.
pub fn finish(mut command: Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let (mut out, mut err) = (child.stdout.take().expect("stdout"), child.stderr.take().expect("stderr"));
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        out.read_to_end(&mut text).expect("stdout");
        text
    });
    let errors = std::thread::spawn(move || {
        let mut text = Vec::new();
        err.read_to_end(&mut text).expect("stderr");
        text
    });
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(60) {
            child.kill().expect("killed");
            child.wait().expect("a status");
            panic!("{command:?} hangs");
        }
        std::thread::park_timeout(Duration::from_millis(1));
    };
    Output { status, stdout: reader.join().expect("stdout"), stderr: errors.join().expect("stderr") }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// A home without a ledger.
    pub fn new() -> Self {
        let home = Home::new();
        let root = home.path("");
        Self { home, acks: Vec::new(), root }
    }

    /// A home whose ledger will lie on a disk that is mounted at `disk` in it.
    pub fn with_disk() -> Self {
        let mut site = Self::new();
        site.root = site.home.path("disk");
        std::fs::create_dir(&site.root).expect("created");
        site
    }

    /// A ledger of stage `test` with a founder.
    pub fn begun() -> Self {
        let site = Self::new();
        site.must(&["init", "--name", "bad.example", "--no-token", "--stage", "test"]);
        site
    }

    /// A copy of everything, elsewhere.
    pub fn copy(&self) -> Self {
        let home = Home::new();
        copy_tree(&self.home.path(""), &home.path(""));
        let root = home.path("");
        Self { home, acks: self.acks.clone(), root }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Runs the binary as the founder, with a step trace.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.home.command(&[]);
        self.environment(&mut command);
        command.arg("--json").args(args);
        command
    }

    fn environment(&self, command: &mut Command) {
        command.env("CHANCERY_DIR", self.path("l"));
        command.env("CHANCERY_KEY_FILE", self.path("l.keys/founder.key"));
        command.env("CHANCERY_TEST_TRACE", self.home.path("trace"));
    }

    /// The same under strace, which does `what` to the calls of `syscall` on `path` that `when` names.
    pub fn under_strace(&self, strace: &[&str], args: &[&str]) -> Command {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-y"]).args(strace).arg(super::binary()).arg("--json").args(args);
        command.current_dir(self.path("")).env_clear().env("HOME", self.path(""));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        self.environment(&mut command);
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        ran(finish(self.command(args)))
    }

    /// Runs, and panics unless it ends with 0.
    pub fn must(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}\n{}\n{}", ran.stdout, ran.stderr);
        ran
    }

    /// Runs, remembers what was acknowledged, and panics unless it ends with 0.
    pub fn act(&mut self, args: &[&str]) -> Ran {
        let ran = self.must(args);
        self.acks.extend(acks(&ran.stdout));
        ran
    }

    /// Runs, and panics unless it ends with this exit code and this code.
    pub fn refused(&self, exit: i32, with: &str, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!((ran.code, code(&ran).as_str()), (exit, with), "{args:?}\n{}\n{}", ran.stdout, ran.stderr);
        ran
    }

    /// Exit code and verdict of `verify` on the live ledger under the pin; the pin stays.
    pub fn verdict(&self) -> (i32, String) {
        let pin = self.path("l.pin");
        let ran = self.run(&["verify", "--pin", pin.to_str().expect("a path"), "--keep-pin"]);
        let report: Value =
            serde_json::from_str(ran.stdout.lines().next().unwrap_or("{}")).unwrap_or_default();
        let said = report["verdict"].as_str().or(report["code"].as_str()).unwrap_or("nothing").to_owned();
        (ran.code, said)
    }

    /// Every entry: position and content address.
    pub fn entries(&self) -> Vec<(u64, String)> {
        entries(&self.path("l/ledger.db"))
    }

    /// Lines of the step trace of every process that wrote this ledger.
    pub fn trace(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.home.path("trace")).unwrap_or_default();
        // A process that was killed may have cut its last line; the next one begins after it.
        text.lines().map(str::to_owned).collect()
    }

    /// Holds every promise against the ledger as it stands now. It has been opened and closed before.
    pub fn check(&self, context: &str) {
        self.check_with(&self.trace(), context);
    }

    /// The same with the steps that count.
    pub fn check_with(&self, trace: &[String], context: &str) {
        let stored = self.entries();
        for (index, (position, _)) in stored.iter().enumerate() {
            assert_eq!(*position, index as u64, "{context}: a gap");
        }
        for ack in &self.acks {
            let there = usize::try_from(ack.position).ok().and_then(|at| stored.get(at));
            assert_eq!(
                there.map(|e| &e.1),
                Some(&ack.address),
                "{context}: {ack:?} was acknowledged and is gone"
            );
        }
        assert_eq!(self.verdict(), (0, "authentic".to_owned()), "{context}");
        check_trace(trace, context);
    }
}

/// Every entry of a store: position and content address, read past everything that the product does.
pub fn entries(store: &Path) -> Vec<(u64, String)> {
    // On a copy: a connection makes and removes files beside the store, and other threads may be copying it.
    let copy = tempfile::tempdir().expect("a directory");
    let name = store.file_name().expect("a name");
    for suffix in ["", "-wal"] {
        let beside = |name: &std::ffi::OsStr| {
            let mut name = name.to_owned();
            name.push(suffix);
            name
        };
        let from = store.with_file_name(beside(name));
        if from.exists() {
            std::fs::copy(from, copy.path().join(beside(name))).expect("a copy");
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let conn = Connection::open_with_flags(copy.path().join(name), flags).expect("a store");
    let mut query = conn.prepare("SELECT position, leaf FROM entry ORDER BY position").expect("a query");
    let rows = query.query_map([], |row| {
        let leaf: Vec<u8> = row.get(1)?;
        Ok((row.get::<_, i64>(0)?.cast_unsigned(), entry::address(&leaf).to_string()))
    });
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}

/// No size is signed twice with different roots, and no start finds an anchor ahead of its store.
pub fn check_trace(lines: &[String], context: &str) {
    let mut signed: BTreeMap<&str, &str> = BTreeMap::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["signed", size, root] if root.len() == 64 => {
                let before = signed.insert(size, root);
                assert!(before.is_none_or(|b| b == root), "{context}: size {size} is signed twice");
            }
            ["started", entries, anchored] => {
                let number = |text: &str| text.parse::<u64>().expect("a number");
                assert!(number(anchored) <= number(entries), "{context}: the anchor leads the store: {line}");
            }
            _ => {}
        }
    }
}

/// Whether the whole regime was asked for, and not a sample.
pub fn full() -> bool {
    std::env::var("CHANCERY_FULL").is_ok_and(|value| value == "1")
}

/// Whether a tool can be started.
pub fn has(tool: &str, arg: &str) -> bool {
    let run =
        Command::new(tool).arg(arg).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

/// Whether strace is here and may trace.
pub fn can_strace(test: &str) -> bool {
    let probe =
        Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let can = probe.is_ok_and(|status| status.success());
    if !can {
        super::skip(test, "apt-get install strace, and allow ptrace");
    }
    can
}

/// Says something that a person who reads a run wants to know, past the capture of the test runner.
pub fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Lines of known_hosts form for hosts `first..first + count`.
pub fn known_hosts(first: u64, count: u64) -> String {
    use base64::Engine as _;
    let line = |number: u64| {
        let mut blob = vec![0, 0, 0, 11];
        blob.extend_from_slice(b"ssh-ed25519\0\0\0\x20");
        blob.extend_from_slice(&[7; 24]);
        blob.extend_from_slice(&number.to_be_bytes());
        format!("h{number}.example ssh-ed25519 {}\n", base64::engine::general_purpose::STANDARD.encode(blob))
    };
    (first..first + count).map(line).collect()
}
