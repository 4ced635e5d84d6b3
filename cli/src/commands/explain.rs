//! What does a code, a verdict, an action, or a section mean? Printed from SPEC and from the declarations.

use crate::diagnostic::{Diagnostic, Outcome, SPEC, row};
use crate::exit;
use crate::output::Output;
use chancery_ledger::domains::{ACTIONS, ActionSpec, action_spec, nearest};
use chancery_ledger::gate::MATRIX;
use chancery_ledger::{CODES, Code};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A code such as `wrong_seq`, a verdict such as `tampered`, an action such as `host_key.verify`, a section such as
    /// `14.1`, or `actions`
    topic: String,
}

fn explain_action(spec: &ActionSpec) -> String {
    let mut lines = vec![format!("{}  on a {}", spec.id, spec.entity), format!("  {}", spec.help)];
    for field in spec.fields {
        let need = if field.required { "" } else { ", optional" };
        lines.push(format!("  {}  {}: {}{need}", field.name, field.help, field.shape.describe()));
    }
    if let Some(rule) = MATRIX.iter().find(|rule| rule.action == spec.id) {
        let roles: Vec<&str> = rule.roles.iter().map(|role| role.as_str()).collect();
        lines.push(format!(
            "  allowed to: {}",
            if roles.is_empty() { "system".to_owned() } else { roles.join(", ") }
        ));
    }
    lines.join("\n")
}

/// The text of a numbered section, up to the next heading of its level.
fn section(number: &str) -> Option<String> {
    let heading =
        |line: &str| line.starts_with('#') && line.trim_start_matches('#').trim_start().starts_with(number);
    let mut lines = SPEC.lines().skip_while(|line| {
        let rest = line.trim_start_matches('#').trim_start().strip_prefix(number);
        !(heading(line) && rest.is_some_and(|rest| rest.starts_with([' ', '.'])))
    });
    let first = lines.next()?;
    let level = first.chars().take_while(|c| *c == '#').count();
    let ends = |line: &&str| {
        let hashes = line.chars().take_while(|c| *c == '#').count();
        hashes == 0 || hashes > level
    };
    let body: Vec<&str> = lines.take_while(ends).collect();
    Some(format!("{first}\n{}", body.join("\n").trim_end()))
}

/// The row of a verdict in the table of section 14.
fn verdict(name: &str) -> Option<String> {
    let table = SPEC.lines().skip_while(|line| !line.starts_with("| verdict | holds when |"));
    let mut rows = table.skip(2).take_while(|line| line.starts_with('|'));
    rows.find_map(|line| {
        let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
        let (word, when, exit) = (cells.next()?, cells.next()?, cells.next()?);
        (word.trim_matches('`') == name).then(|| format!("{name} (verdict, exit {exit})\n  {when}"))
    })
}

/// What there is to say of a topic.
fn explained(topic: &str) -> Option<String> {
    if let Some(code) = Code::parse(topic) {
        let row = row(code).unwrap_or_default();
        return Some(format!("{code} ({})\n  {}\n  way out: {}", row.class, row.meaning, row.way_out));
    }
    if topic == "actions" {
        let line = |spec: &ActionSpec| format!("{:<22} {}", spec.id, spec.help);
        return Some(ACTIONS.iter().copied().flatten().map(line).collect::<Vec<_>>().join("\n"));
    }
    let action = || action_spec(topic).map(explain_action);
    verdict(topic).or_else(action).or_else(|| section(topic.trim_end_matches('.')))
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let topic = args.topic.as_str();
    if let Some(text) = explained(topic) {
        if out.json {
            #[derive(Serialize)]
            struct Explained<'a> {
                text: &'a str,
                topic: &'a str,
            }
            out.json(&Explained { text: &text, topic });
        } else {
            out.data(&text);
        }
        return Ok(exit::YES);
    }
    let known: Vec<&str> = CODES
        .iter()
        .map(|code| code.as_str())
        .chain(ACTIONS.iter().copied().flatten().map(|spec| spec.id))
        .chain(["actions"])
        .collect();
    let error = Diagnostic::usage(format!("nothing is called `{topic}`"));
    Err(match nearest(topic, &known) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("name a code, a verdict, an action, a section of SPEC, or `actions`"),
    })
}
