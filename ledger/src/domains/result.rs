//! Is this the evidence of a job that was done as it was started? The shape of a relayed result. SPEC 10.14.

use super::job::{Job, Rejection};
use crate::format::json::{self, Value};

/// Members that evidence may have; what is not here has no business in it.
pub const ALLOWED: &[&str] = &[
    "capability",
    "checks",
    "exit_code",
    "fingerprint",
    "mode",
    "network_opened",
    "output_digest",
    "stopped_at",
    "summary",
];
/// Bytes of a summary.
const SUMMARY: usize = 2000;

/// Where it stopped and whether it opened the network, or why it is not taken.
pub(super) fn check(job: &Job, evidence: &str) -> Result<(String, bool), Rejection> {
    let Ok(Value::Object(members)) = json::parse(evidence.as_bytes()) else {
        return Err(Rejection::Malformed);
    };
    let text = |name: &str| members.get(name).and_then(Value::text);
    let (Some(capability), Some(mode), Some(stopped_at), Some(Value::Bool(network))) =
        (text("capability"), text("mode"), text("stopped_at"), members.get("network_opened"))
    else {
        return Err(Rejection::Malformed);
    };
    let summary = members.get("summary");
    if summary.is_some_and(|summary| summary.text().is_none_or(|text| text.len() > SUMMARY)) {
        return Err(Rejection::Malformed);
    }
    let same = capability == job.capability && mode == job.mode.as_str();
    if !same || stopped_at != job.mode.stops_at() || (*network && !job.mode.is_live()) {
        return Err(Rejection::Mismatched);
    }
    if members.keys().any(|name| !ALLOWED.contains(&name.as_str())) {
        return Err(Rejection::NonAllowlisted);
    }
    Ok((stopped_at.to_owned(), *network))
}
