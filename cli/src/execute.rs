//! What does a mode allow to be done here? Nothing, or one command of an allow-list, to the letter, for a limited time.

use crate::commands::executes;
use chancery_ledger::domains::job::Mode;
use chancery_ledger::limits::Stopwatch;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Bytes of output that are told; an event's part has room for twice as many.
const TOLD: usize = 2000;
/// Between two looks at whether a command has ended.
const LOOK: Duration = Duration::from_millis(2);

/// What was done, as it is told.
pub(crate) struct Done {
    /// For operators.
    pub(crate) said: String,
    /// For administrators.
    pub(crate) detail: Option<String>,
    /// The evidence.
    pub(crate) evidence: serde_json::Value,
    /// Whether it worked.
    pub(crate) succeeded: bool,
}

/// What a command printed: the digest of all of it, and its beginning.
struct Printed {
    digest: String,
    beginning: Vec<u8>,
}

/// Reads to the end, and keeps the beginning.
fn read(mut from: impl Read) -> std::io::Result<Printed> {
    let (mut hash, mut beginning, mut buffer) = (Sha256::new(), Vec::new(), [0; 8192]);
    loop {
        let read = from.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        beginning.extend(bytes.iter().take(TOLD.saturating_sub(beginning.len())));
    }
    let digest = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Printed { digest, beginning })
}

/// The status with which it ended within what is left of `limit`.
fn ended(child: &mut Child, watch: &Stopwatch, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if watch.elapsed() >= limit => return Ok(None),
            None => std::thread::park_timeout(LOOK),
        }
    }
}

/// Runs an argument vector without a shell, without an environment, without input. `None` when it took too long.
fn run(
    program: &str,
    arguments: &[String],
    limit: Duration,
) -> std::io::Result<Option<(Printed, ExitStatus)>> {
    let watch = Stopwatch::start();
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (send, receive) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || send.send(read(stdout)));
    }
    let printed = receive.recv_timeout(limit);
    let status = match printed {
        Ok(_) => ended(&mut child, &watch, limit)?,
        Err(_) => None,
    };
    let (Some(status), Ok(printed)) = (status, printed) else {
        child.kill()?;
        child.wait()?;
        return Ok(None);
    };
    Ok(Some((printed?, status)))
}

/// Text that an event may carry: no controls but line ends and tabs, no noncharacters.
fn plain(bytes: &[u8]) -> String {
    let carried = |c: &char| {
        let code = u32::from(*c);
        let noncharacter = (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE;
        !noncharacter && (matches!(c, '\n' | '\t') || !c.is_control())
    };
    // What is no UTF-8, such as a character that was cut, takes three bytes instead of one.
    let text: String = String::from_utf8_lossy(bytes).chars().filter(carried).collect();
    let end = (0..=text.len().min(TOLD)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

/// Does what the job's mode allows. Where it runs something, it is the argument vector that the ledger has.
pub(crate) fn execute(capability: &str, how: Mode, argv: &[String], limit: Duration) -> Done {
    let mode = how.as_str();
    let mut evidence = serde_json::json!({
        "capability": capability,
        "mode": mode,
        "network_opened": false,
        "stopped_at": how.stops_at(),
    });
    let (program, arguments) = match argv.split_first() {
        Some(split) if executes(how) => split,
        _ => {
            let said = match how.stops_at() {
                "completed" => "there was nothing to run".to_owned(),
                stop => format!("stopped {}, as {mode} does", stop.replace('_', " ")),
            };
            return Done { said, detail: None, evidence, succeeded: true };
        }
    };
    let (said, detail, code) = match run(program, arguments, limit) {
        Err(error) => {
            (format!("`{program}` could not be run"), Some(plain(error.to_string().as_bytes())), None)
        }
        Ok(None) => (format!("`{program}` took over {} ms and was ended", limit.as_millis()), None, None),
        Ok(Some((printed, status))) => {
            evidence["output_digest"] = printed.digest.into();
            let how = status.code().map_or("a signal".to_owned(), |code| code.to_string());
            (format!("`{program}` ended with {how}"), Some(plain(&printed.beginning)), status.code())
        }
    };
    if let Some(code) = code {
        evidence["exit_code"] = code.into();
    }
    Done { said, detail: detail.filter(|text| !text.is_empty()), evidence, succeeded: code == Some(0) }
}
