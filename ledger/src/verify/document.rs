//! What does a verification say to a machine? The report's members as they are printed and served. SPEC 16.

use super::{Dimensions, Report};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Found<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct DecisionCounts {
    recomputed: u64,
    without_arguments: u64,
    without_past: u64,
}

/// The report as JSON.
#[derive(Debug, Serialize)]
pub struct ReportJson<'a> {
    verdict: &'a str,
    exit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<Found<'a>>,
    from: u64,
    size: u64,
    entries: u64,
    signed: u64,
    attested: u64,
    unchecked: u64,
    heads: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<DecisionCounts>,
    screened: bool,
    dimensions: &'a Dimensions,
    explain: Vec<String>,
}

impl<'a> ReportJson<'a> {
    /// The report; `screened` when signatures were checked in batches.
    pub fn of(report: &'a Report, screened: bool) -> Self {
        Self {
            verdict: report.verdict.as_str(),
            exit: report.verdict.exit(),
            finding: report.finding.as_ref().map(|finding| Found {
                code: finding.code.as_str(),
                first: finding.span.map(|span| span.0),
                last: finding.span.map(|span| span.1),
                message: &finding.message,
            }),
            from: report.from,
            size: report.size,
            entries: report.entries,
            signed: report.signed,
            attested: report.attested,
            unchecked: report.unchecked,
            heads: report.heads,
            decisions: report.decisions.map(|decisions| DecisionCounts {
                recomputed: decisions.recomputed,
                without_arguments: decisions.without_arguments,
                without_past: decisions.without_past,
            }),
            screened,
            dimensions: &report.dimensions,
            explain: report.explain(),
        }
    }
}
