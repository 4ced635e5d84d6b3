//! What does a mode allow to be done here? Nothing, or one command of an allow-list, to the letter.

use crate::commands::executes;
use chancery_ledger::domains::job::Job;
use sha2::{Digest, Sha256};
use std::process::{Command, Stdio};

/// Bytes of output that are told.
const TOLD: usize = 2000;

/// What was done, as it is told.
pub(crate) struct Done {
    /// For operators.
    pub(crate) said: String,
    /// For administrators.
    pub(crate) detail: Option<String>,
    /// The evidence, as JSON.
    pub(crate) evidence: String,
    /// Whether it worked.
    pub(crate) succeeded: bool,
}

/// Does what the job's mode allows. Where it runs something, it is the argument vector that the ledger has, without a
/// shell, without an environment, without input.
pub(crate) fn execute(job: &Job, argv: &[String]) -> Done {
    let mode = job.mode.as_str();
    let mut evidence = serde_json::json!({
        "capability": job.capability,
        "mode": mode,
        "network_opened": false,
        "stopped_at": job.mode.stops_at(),
    });
    let (program, arguments) = match argv.split_first() {
        Some(split) if executes(job.mode) => split,
        _ => {
            let said = format!("stopped {}, as {mode} does", job.mode.stops_at().replace('_', " "));
            return Done { said, detail: None, evidence: evidence.to_string(), succeeded: true };
        }
    };
    let output = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .current_dir("/")
        .stdin(Stdio::null())
        .output();
    let (said, detail, code) = match output {
        Err(error) => (format!("`{program}` could not be run"), error.to_string(), None),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let digest: String =
                Sha256::digest(&output.stdout).iter().map(|byte| format!("{byte:02x}")).collect();
            evidence["output_digest"] = digest.into();
            let told: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).take(TOLD).collect();
            let code = output.status.code();
            (
                format!("`{program}` ended with {}", code.map_or("a signal".to_owned(), |c| c.to_string())),
                told,
                code,
            )
        }
    };
    if let Some(code) = code {
        evidence["exit_code"] = code.into();
    }
    Done { said, detail: Some(detail), evidence: evidence.to_string(), succeeded: code == Some(0) }
}
