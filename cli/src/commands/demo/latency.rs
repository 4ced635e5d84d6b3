//! How fast is the gate on this machine? One clocked pass, beside what the clock itself costs.

use super::tell::Story;
use crate::commands::bench::glance;
use crate::diagnostic::Diagnostic;
use crate::measure::Figure;

/// Chapter 14: what a decision costs here, before it is made durable.
pub(super) fn latency(story: &Story<'_>) -> Result<Vec<Figure>, Diagnostic> {
    story.chapter(
        "The gate's latency on this machine",
        "What one decision costs before it is made durable; `chancery bench all` measures the rest.",
    );
    let figures = glance()?;
    for figure in &figures {
        let (p50, p99) = (figure.p50_ns.unwrap_or_default(), figure.p99_ns.unwrap_or_default());
        story.step(&[], &format!("{}: p50 {p50} ns, p99 {p99} ns ({})", figure.name, figure.conditions));
    }
    Ok(figures)
}
