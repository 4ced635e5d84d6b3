//! What does SPEC say of a code? The normative text, and the rows of its table of codes. SPEC 15.

use chancery_ledger::Code;

/// The text that is normative; ways out and explanations come from it.
pub const SPEC: &str = include_str!("../../SPEC.md");

/// What SPEC 15 says of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    /// The class in a word.
    pub class: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// The way out.
    pub way_out: &'static str,
}

/// The row of SPEC 15 for a code.
pub fn row(code: Code) -> Option<Row> {
    let start = format!("| `{code}` |");
    // A verdict of section 14 may have the same name.
    let mut table = SPEC.lines().skip_while(|line| !line.starts_with("| code | class |"));
    let line = table.find(|line| line.starts_with(&start))?;
    let mut cells = line.trim_matches('|').split(" | ").map(str::trim).skip(1);
    Some(Row { class: cells.next()?, meaning: cells.next()?, way_out: cells.next()? })
}
