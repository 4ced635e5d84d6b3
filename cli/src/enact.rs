//! What is told while a mode does what it allows? Nothing is run, or one command of an allow-list, each line that it
//! prints told by itself while the job is kept.

use crate::commands::executes;
use crate::desk::Found;
use crate::diagnostic::Diagnostic;
use crate::execute::{End, LINE, Next, Printed, Running};
use crate::work::{Left, Seen, Work, step};
use std::time::Duration;

/// Between two looks at whether somebody asked for the end.
const LOOK: Duration = Duration::from_millis(50);

/// What was done, as it is told last.
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

/// Text that an event may carry: no controls but tabs, no noncharacters.
fn plain(bytes: &[u8]) -> String {
    let carried = |c: &char| {
        let code = u32::from(*c);
        let noncharacter = (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE;
        !noncharacter && (*c == '\t' || !c.is_control())
    };
    // What is no UTF-8, such as a character that was cut, takes three bytes instead of one.
    let text: String = String::from_utf8_lossy(bytes).chars().filter(carried).collect();
    let end = (0..=text.len().min(LINE)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

/// What of the output was not told, in words.
fn untold(printed: &Printed) -> String {
    let lines = printed.lines - printed.kept_lines;
    match (lines, printed.cut_bytes) {
        (0, 0) => String::new(),
        (0, bytes) => format!("; {bytes} bytes of long lines are left out"),
        (lines, bytes) => format!("; {lines} further lines are left out, {bytes} bytes in all"),
    }
}

/// Whether any line was withheld, and how it ended.
struct Ran {
    withheld: bool,
    stopped: bool,
    end: Result<End, std::io::Error>,
}

impl Work<'_> {
    /// Does what the job's mode allows. Where it runs something, it is the argument vector that the ledger has.
    pub(crate) fn execute(&self, left: &mut Left, found: &Found) -> Result<Result<Done, Seen>, Diagnostic> {
        let mode = found.mode.as_str();
        let mut evidence = serde_json::json!({
            "capability": found.capability,
            "mode": mode,
            "network_opened": false,
            "stopped_at": found.mode.stops_at(),
        });
        let (program, arguments) = match found.argv.split_first() {
            Some(split) if executes(found.mode) => split,
            _ => {
                let said = match found.mode.stops_at() {
                    "completed" => "there was nothing to run".to_owned(),
                    stop => format!("stopped {}, as {mode} does", stop.replace('_', " ")),
                };
                return Ok(Ok(Done { said, detail: None, evidence, succeeded: true }));
            }
        };
        let ran = step!(self.run(left, program, arguments)?);
        let mut detail = None;
        let (said, code) = match ran.end {
            Err(error) => {
                detail = Some(plain(error.to_string().as_bytes())).filter(|text| !text.is_empty());
                (format!("`{program}` could not be run"), None)
            }
            Ok(End { status: None, .. }) if ran.stopped => {
                (format!("`{program}` was ended, because its worker was told to stop"), None)
            }
            Ok(End { status: None, printed }) => {
                let rest = printed.as_ref().map(untold).unwrap_or_default();
                (
                    format!("`{program}` took over {} ms and was ended{rest}", self.pace.limit.as_millis()),
                    None,
                )
            }
            Ok(End { status: Some(status), printed }) => {
                let how = status.code().map_or("a signal".to_owned(), |code| code.to_string());
                let rest = printed.as_ref().map(untold).unwrap_or_default();
                // Not even the digest of what was withheld is told, of which a short secret could be guessed.
                if let Some(printed) = printed.filter(|_| !ran.withheld) {
                    evidence["output_digest"] = printed.digest.into();
                }
                let withheld = if ran.withheld { "; what it printed is withheld" } else { "" };
                (format!("`{program}` ended with {how}{rest}{withheld}"), status.code())
            }
        };
        if let Some(code) = code {
            evidence["exit_code"] = code.into();
        }
        Ok(Ok(Done { said, detail, evidence, succeeded: code == Some(0) }))
    }

    /// Runs a command, tells each line, and keeps the job meanwhile. Whatever ends this early ends the command.
    fn run(
        &self,
        left: &mut Left,
        program: &str,
        arguments: &[String],
    ) -> Result<Result<Ran, Seen>, Diagnostic> {
        let (mut withheld, mut stopped, mut number) = (false, false, 0);
        let mut running = match Running::start(program, arguments, self.pace.limit) {
            Ok(running) => running,
            Err(error) => return Ok(Ok(Ran { withheld, stopped, end: Err(error) })),
        };
        loop {
            if self.pace.stop.asked() {
                stopped = true;
                running.kill();
            }
            match running.next(LOOK.min(self.until_beat(left))) {
                Next::Line(bytes) => {
                    number += 1;
                    let said = format!("line {number} of what `{program}` printed");
                    // After a line that looked like it held a secret, further lines may hold the rest of it.
                    let detail = Some(plain(&bytes)).filter(|text| !withheld && !text.is_empty());
                    withheld |= step!(self.relay(left, &said, detail.as_deref(), false)?);
                }
                Next::Quiet => {}
                Next::Over => break,
            }
            if self.until_beat(left).is_zero() {
                step!(self.renew(left)?);
            }
        }
        Ok(Ok(Ran { withheld, stopped, end: running.end() }))
    }
}
