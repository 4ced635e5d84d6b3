//! At which system calls can a run be struck? They are counted first, and then struck one by one.

use super::site::{Site, Step, finish};
use std::collections::BTreeMap;
use std::fs;

/// System calls that change something, and those that begin to.
pub const WRITES: &str = "write,pwrite64,fsync,fdatasync,ftruncate,unlink,rename,linkat,link,mkdir,openat";

/// The `n`th call of a kind on a file, of the thread that gets there first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    pub syscall: String,
    /// Relative to the home; empty when calls on any file count.
    pub path: String,
    pub n: u64,
}

impl Strike {
    /// Arguments of strace that do `what` (`signal=SIGKILL`, `error=EIO`) to it, and with `for_ever` to all after it.
    pub fn strace(&self, site: &Site, what: &str, for_ever: bool, log: &str) -> Vec<String> {
        let mut args = vec!["-o".to_owned(), log.to_owned()];
        if !self.path.is_empty() {
            args.extend(["-P".to_owned(), site.path(&self.path).display().to_string()]);
        }
        let plus = if for_ever { "+" } else { "" };
        args.extend(["-e".to_owned(), format!("trace={}", self.syscall)]);
        args.extend(["-e".to_owned(), format!("inject={}:{what}:when={}{plus}", self.syscall, self.n)]);
        args
    }
}

/// The file that a logged call is about: a descriptor's, or the first quoted path.
fn path_of(args: &str, home: &str) -> Option<String> {
    let inside = |path: &str| path.strip_prefix(home).map(|rest| rest.trim_start_matches('/').to_owned());
    let descriptor = args.starts_with(|c: char| c.is_ascii_digit());
    if descriptor {
        let (_, rest) = args.split_once('<')?;
        return inside(rest.split_once('>')?.0);
    }
    inside(args.split_once('"')?.1.split_once('"')?.0)
}

/// Every call of `syscalls` that a step makes, counted on a copy of the ledger before it.
pub fn count(before: &Site, step: &Step, syscalls: &str) -> Vec<Strike> {
    let site = before.copy();
    let log = site.path("strace.log");
    let args: Vec<&str> = step.args.iter().map(String::as_str).collect();
    let strace = ["-o", log.to_str().expect("a path"), "-e", &format!("trace={syscalls}")];
    let ran = super::ran(finish(site.under_strace(&strace, &args)));
    assert_eq!(ran.code, 0, "{}: {}", step.name, ran.stderr);
    let home = site.path("").display().to_string();
    let home = home.trim_end_matches('/');
    // Per thread, as strace counts; of two threads that reach a number, the one that gets there first is struck.
    let mut counts: BTreeMap<(String, String, String), u64> = BTreeMap::new();
    for line in fs::read_to_string(&log).expect("a log").lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((name, rest)) = call.trim_start().split_once('(') else { continue };
        if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            continue;
        }
        let inside = path_of(rest, home);
        // What goes to stdout is struck without a path: a pipe has none.
        let path = match inside {
            Some(path) => path,
            None if name == "write" => String::new(),
            None => continue,
        };
        *counts.entry((name.to_owned(), path, thread.to_owned())).or_default() += 1;
    }
    let mut most: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut writes: BTreeMap<String, u64> = BTreeMap::new();
    for ((name, path, thread), times) in counts {
        if name == "write" {
            *writes.entry(thread).or_default() += times;
        }
        let highest = most.entry((name, path)).or_default();
        *highest = times.max(*highest);
    }
    if let Some(highest) = most.get_mut(&("write".to_owned(), String::new())) {
        *highest = writes.values().copied().max().unwrap_or(*highest);
    }
    let each = |((syscall, path), times): ((String, String), u64)| {
        (1..=times).map(move |n| Strike { syscall: syscall.clone(), path: path.clone(), n })
    };
    most.into_iter().flat_map(each).collect()
}
