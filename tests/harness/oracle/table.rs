//! Which role may do what? The table of section 9, read out of SPEC.md as it stands there.

use crate::harness::root;

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub action: String,
    pub roles: Vec<String>,
    /// `≠ registrar` and the like, or nothing.
    pub reviewed: String,
    /// `low` where the table is silent.
    pub risk: String,
}

/// All rows of the table.
pub fn read() -> Vec<Row> {
    let spec = std::fs::read_to_string(root().join("SPEC.md")).expect("SPEC.md");
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = spec.lines().skip_while(|line| !line.starts_with("| action | platform_admin"));
    let names = cells(lines.next().expect("the table of roles"));
    let row = |line: &str| {
        let found = cells(line);
        let roles = (1..=10).filter(|at| found[*at] == "yes").map(|at| names[at].clone()).collect();
        let risk = if found[12].is_empty() { "low".to_owned() } else { found[12].clone() };
        Row { action: found[0].trim_matches('`').to_owned(), roles, reviewed: found[11].clone(), risk }
    };
    lines.skip(1).take_while(|line| line.starts_with('|')).map(row).collect()
}

/// Roles of people; a machine's role is its kind.
pub const HUMAN: [&str; 7] =
    ["platform_admin", "msp_admin", "msp_operator", "msp_viewer", "org_admin", "org_user", "auditor"];

/// Roles of machines.
pub const MACHINES: [&str; 3] = ["agent", "worker", "service"];

/// Whether a role is a word of section 9.
pub fn is_built_in(role: &str) -> bool {
    HUMAN.contains(&role) || MACHINES.contains(&role)
}

/// Verbs that only take away or report: no kill switch denies them (section 10.11).
const OPEN: [&str; 24] = [
    "revoke",
    "suspend",
    "suspect",
    "disable",
    "reject",
    "close",
    "deny",
    "cancel",
    "release",
    "unassign",
    "turn_off",
    "engage",
    "clear",
    "fail",
    "stop",
    "expire",
    "append",
    "quarantine",
    "acknowledge",
    "record",
    "evaluate",
    "count",
    "confirm_clock",
    "snapshot",
];

/// Whether an action adds to risk.
pub fn adds_to_risk(action: &str) -> bool {
    let verb = action.split('.').nth(1).unwrap_or_default();
    action != "worker.report" && !OPEN.contains(&verb)
}
