//! What do tests share? A home that vanishes, the real binary, a story that touches every kind of event, and a
//! way to say that a tool is missing.

pub mod bench;
pub mod corpus;
pub mod forge;
pub mod governed;
pub mod invariants;
pub mod journey;
pub mod leaves;
pub mod oracle;
pub mod outcome;
pub mod queues;
pub mod run;
pub mod scenario;
pub mod server;
pub mod site;
pub mod story;
pub mod strikes;
pub mod work;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory of its own for one test; it is gone afterwards.
pub struct Home {
    dir: tempfile::TempDir,
}

/// What a run of the binary gave.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_chancery")
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

impl Home {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    /// The same in memory, where there is such a place: for tests that are not about the disk.
    pub fn in_memory() -> Self {
        let found = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self { dir: found.expect("a temporary directory") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command of the binary in this home, with an environment of its own.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).current_dir(self.dir.path()).env_clear().env("HOME", self.dir.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        ran(self.command(args).output().expect("the binary runs"))
    }

    /// Runs, and shows everything when the exit code is another than expected.
    pub fn expect(&self, code: i32, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, code, "chancery {args:?}\nstdout: {}\nstderr: {}", ran.stdout, ran.stderr);
        ran
    }
}

pub fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Says that a tool is missing: counted by the run, and a failure where everything is required. Written past the
/// test runner's capture so that it is always seen.
pub fn skip(name: &str, install: &str) {
    let line = format!("SKIPPED {name}: {install}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr");
    let required = std::env::var("CHANCERY_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!required, "{name} needs a tool that is not here: {install}");
}

/// Copies a directory tree.
pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("create");
    for entry in std::fs::read_dir(from).expect("read") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copy");
        }
    }
}

/// A small seeded generator: the same seed gives the same choices on every machine.
pub struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).expect("fits")
    }
}
