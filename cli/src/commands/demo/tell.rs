//! How is the story printed? Chapters and steps with their entries, in a hundred columns, or one JSON object a step.

use crate::output::{Output, printable};
use chancery_ledger::{Code, Receipt};
use serde::Serialize;
use std::cell::Cell;
use std::io::IsTerminal as _;

/// Columns of a line.
const WIDTH: usize = 100;
/// Where the text of a step begins.
const INDENT: usize = 14;
/// Letters of a label, at most.
const LABEL: usize = 10;

/// One step, for machines; a chapter's heading is its step 0.
#[derive(Debug, Serialize)]
struct Step<'a> {
    chapter: u32,
    step: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    text: &'a str,
    positions: &'a [u64],
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    lines: &'a [String],
}

/// Where the story is.
#[derive(Debug)]
pub(super) struct Story<'a> {
    pub(super) out: &'a Output,
    chapter: Cell<u32>,
    step: Cell<u32>,
    /// Headings stand out on a terminal, and nowhere else.
    bold: bool,
}

/// Positions as they are read: `12-14, 17`.
fn ranges(positions: &[u64]) -> String {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for at in positions {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == *at => *last = *at,
            _ => spans.push((*at, *at)),
        }
    }
    let span = |(first, last): &(u64, u64)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    spans.iter().map(span).collect::<Vec<_>>().join(", ")
}

/// Lines of at most so many columns, broken between words, and within one that is longer than a line.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let (mut lines, mut line, mut length) = (Vec::new(), String::new(), 0);
    for word in text.split(' ') {
        let letters: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + letters.len() > columns {
            lines.push(std::mem::take(&mut line));
            length = 0;
        } else if length > 0 {
            line.push(' ');
            length += 1;
        }
        for letter in letters {
            if length == columns {
                lines.push(std::mem::take(&mut line));
                length = 0;
            }
            line.push(letter);
            length += 1;
        }
    }
    lines.push(line);
    lines
}

/// A line in its label, such as `  why      `, and its text.
fn labelled(line: &str) -> (String, String) {
    let indent = line.len() - line.trim_start().len();
    let body = line.get(indent..).unwrap_or_default();
    let gap = body.find("  ").filter(|gap| *gap < LABEL);
    let text = gap.map_or(body, |gap| body.get(gap..).unwrap_or_default().trim_start());
    let (label, text) = line.split_at(line.len() - text.len());
    (label.to_owned(), text.to_owned())
}

/// What stands in the record of an answer: its entries.
pub(super) fn positions(receipt: &Receipt) -> Vec<u64> {
    receipt.entries.iter().map(|entry| entry.position).collect()
}

impl<'a> Story<'a> {
    pub(super) fn new(out: &'a Output) -> Self {
        let terminal = !out.json && std::io::stdout().is_terminal();
        let bold = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { out, chapter: Cell::new(0), step: Cell::new(0), bold }
    }

    /// Begins the next chapter, and says in a sentence what it means.
    pub(super) fn chapter(&self, title: &str, meaning: &str) {
        self.chapter.set(self.chapter.get() + 1);
        self.step.set(0);
        if self.out.json {
            self.json(Some(title), meaning, &[], None, &[]);
            return;
        }
        let (on, off) = if self.bold { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let gap = if self.chapter.get() > 1 { "\n" } else { "" };
        self.out.say(&format!("{gap}{on}{}. {title}{off}", self.chapter.get()));
        for line in wrapped(meaning, WIDTH - 3) {
            self.out.say(&format!("   {line}"));
        }
    }

    /// Tells a step with the entries that it rests on.
    pub(super) fn step(&self, positions: &[u64], text: &str) {
        self.tell(positions, text, None, &[]);
    }

    /// Tells a step and the lines that it shows.
    pub(super) fn show(&self, positions: &[u64], text: &str, lines: &[String]) {
        self.tell(positions, text, None, lines);
    }

    /// Tells an answer: what was asked and, when it was a no, the no.
    pub(super) fn answer(&self, receipt: &Receipt, text: &str) {
        self.tell(&positions(receipt), text, receipt.code, &[]);
    }

    fn tell(&self, positions: &[u64], text: &str, code: Option<Code>, lines: &[String]) {
        self.step.set(self.step.get() + 1);
        let said = match code {
            Some(code) => format!("{text}: {}, {}", word(code), code.as_str()),
            None => text.to_owned(),
        };
        if self.out.json {
            self.json(None, &said, positions, code, lines);
            return;
        }
        let at = ranges(positions);
        for (number, line) in wrapped(&printable(&said), WIDTH - INDENT).iter().enumerate() {
            let at = if number == 0 { at.as_str() } else { "" };
            self.out.say(format!("  {at:<width$}{line}", width = INDENT - 2).trim_end());
        }
        for line in lines {
            // What continues a line stands below its text, after the label that it may have.
            let (label, text) = labelled(&printable(line));
            let hang = label.chars().count();
            for (number, cell) in wrapped(&text, WIDTH - INDENT - 2 - hang).iter().enumerate() {
                let label = if number == 0 { label.as_str() } else { "" };
                self.out.say(format!("{:INDENT$}  {label:hang$}{cell}", "").trim_end());
            }
        }
    }

    fn json(&self, title: Option<&str>, text: &str, positions: &[u64], code: Option<Code>, lines: &[String]) {
        let (chapter, step) = (self.chapter.get(), self.step.get());
        self.out.json(&Step { chapter, step, title, text, positions, code, lines });
    }
}

/// The kind of a no, as people say it.
fn word(code: Code) -> &'static str {
    use chancery_ledger::Class;
    match code.class() {
        Class::Denial => "denied",
        Class::Hold => "held",
        _ => "refused",
    }
}
