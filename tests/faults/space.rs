//! Is a full disk said clearly, is what was recorded still readable, and does it go on once there is space?

use crate::harness::site::{Site, has};
use crate::harness::skip;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system in memory; it is unmounted whatever happens.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).expect("created");
        let run = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(at)
            .output();
        run.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }

    /// Leaves `free` bytes.
    fn fill(&self, free: u64) {
        let stat = Command::new("stat").args(["-f", "-c", "%a %S"]).arg(&self.0).output().expect("stat");
        let text = String::from_utf8(stat.stdout).expect("text");
        let numbers: Vec<u64> = text.split_whitespace().map(|n| n.parse().expect("a number")).collect();
        let there = numbers[0] * numbers[1];
        let bytes = usize::try_from(there.saturating_sub(free)).expect("fits");
        fs::write(self.filler(), vec![0u8; bytes]).expect("filled");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_and_survived() {
    let mut site = Site::new();
    let Some(disk) = Small::mount(&site.path("l"), "48m") else {
        assert!(has("mount", "--version"));
        return skip("full disk", "run as root, mount needs it");
    };
    site.must(&["init", "--name", "full.example", "--no-token", "--stage", "test"]);
    site.act(&["do", "principal.register", "--id", "bot-1", "kind=agent", "role=agent"]);
    site.act(&["do", "principal.activate", "--id", "bot-1"]);
    let held = site.entries().len();

    // Little space: only what reduces risk is taken.
    disk.fill(12 << 20);
    site.refused(5, "storage_full", &["do", "scope.create", "--id", "acme"]);
    site.act(&["do", "principal.suspend", "--id", "bot-1"]);
    assert_eq!(site.entries().len(), held + 1);

    // No space at all: the reserve is given back, and what reduces risk still works.
    fs::remove_file(disk.filler()).expect("removed");
    disk.fill(0);
    site.refused(5, "storage_full", &["do", "scope.create", "--id", "acme"]);
    site.act(&["do", "principal.revoke", "--id", "bot-1"]);
    assert!(!site.path("l/reserve").exists(), "the reserve is still there");
    site.must(&["log"]);
    assert_eq!(site.verdict(), (0, "authentic".to_owned()));

    // Not even the reserve: clear, readable, nothing lost.
    fs::remove_file(disk.filler()).expect("removed");
    disk.fill(0);
    let ran = site.run(&["do", "scope.close", "--id", "nothing", "--idempotency-key", "not-one-byte-free"]);
    let code = crate::harness::site::code(&ran);
    assert_eq!((ran.code, code.as_str()), (5, "storage_full"), "{} {}", ran.stdout, ran.stderr);

    // Space returns.
    fs::remove_file(disk.filler()).expect("removed");
    site.act(&["do", "scope.create", "--id", "acme"]);
    assert!(site.path("l/reserve").exists(), "there is no reserve for the next time");
    site.check("after the disk was full");
}
