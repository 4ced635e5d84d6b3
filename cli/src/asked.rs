//! Where are read models asked? In the files of a ledger, or of a server of it; either way the same answer.

use crate::commands::Place;
use crate::diagnostic::Diagnostic;
pub(crate) use crate::folded::value;
use crate::folded::{Folded, fold};
use crate::output::Output;
use crate::record::Far;
use chancery_ledger::{Clock, Code};
use chancery_projections::told;
use serde_json::Value;
use std::fmt::Write as _;

/// Where, and as of when.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Where {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) far: Far,
    /// As of this instant, in milliseconds since 1970 [default: now]
    #[arg(long, value_name = "MS")]
    now: Option<u64>,
}

/// A path with what stands after its question mark.
#[derive(Debug)]
pub(crate) struct Url(String);

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

impl Url {
    /// A path whose parts are these.
    pub(crate) fn new(parts: &[&str]) -> Self {
        let mut path = "/v1".to_owned();
        for part in parts {
            path.push('/');
            path.push_str(&encoded(part));
        }
        Self(path)
    }

    /// As it is asked for.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// In a scope and below, when one was named.
    pub(crate) fn within(self, scope: Option<&str>) -> Self {
        self.with("scope", scope)
    }

    /// With a parameter, when it has a value.
    pub(crate) fn with(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let joint = if self.0.contains('?') { '&' } else { '?' };
            let _ = write!(self.0, "{joint}{name}={}", encoded(value));
        }
        self
    }
}

impl Where {
    /// What stands at `url` of the server that was named, or what `local` finds in the files.
    pub(crate) fn ask(
        &self,
        url: Url,
        out: &Output,
        local: impl FnOnce(&Folded, i64) -> Result<Value, Diagnostic>,
    ) -> Result<Value, Diagnostic> {
        if let Some(remote) = self.far.remote()? {
            let now = self.now.map(|now| now.to_string());
            let text = remote.get(&url.with("now", now.as_deref()).0)?;
            let broken = |_| Diagnostic::new(Code::Io, "the server's answer is no JSON");
            return serde_json::from_str(&text).map_err(broken);
        }
        let folded = fold(&self.place.paths(), out)?;
        let named = self.now.map(|now| i64::try_from(now).unwrap_or(i64::MAX));
        let now = named.unwrap_or_else(|| Clock::system().wall());
        let answer = local(&folded, now)?;
        let epoch = folded.head.origin.epoch();
        Ok(told(answer, epoch, folded.head.size, now)?)
    }
}

/// Says where the next page is, and from how much of the ledger an answer was made when that is not all.
pub(crate) fn beside(answer: &Value, out: &Output) {
    if let Some(token) = answer["next_page_token"].as_str() {
        out.talk(&format!("there are more: `--page-token {token}`"));
    }
    let at = &answer["as_of"];
    if let Some(lag) = at["lag"].as_u64().filter(|lag| *lag > 0) {
        let entries = at["entries"].as_u64().unwrap_or_default();
        out.talk(&format!("made from {entries} entries, {lag} fewer than there are"));
    }
    if let Some(skipped) = at["skipped"].as_u64().filter(|skipped| *skipped > 0) {
        out.talk(&format!("{skipped} entries could not be folded: `chancery view dead_letters`"));
    }
}
