//! Which host keys wait for a person's review? Those seen for the first time, and those that changed.

use super::item::{self, CITED, Fact, Item};
use super::opening::{Care, Opening};
use super::tell::Tell;
use super::{Queue, notes};
use crate::narrative::Narrative;
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::Poison;
use chancery_ledger::domains::{Event, Risk, host_key};
use serde::{Deserialize, Serialize};

/// Observers of other fingerprints of a host that are kept; the gate knows more of them.
const REMEMBERED: usize = 64;

/// The queue.
pub(super) static QUEUE: Queue = Queue {
    name: "host_key_review",
    question: "Which host keys wait for a person's review?",
    fold,
    also,
    tell,
};

/// A host key that is not disabled.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    current: String,
    /// Who observed the current fingerprint, whenever that was.
    observers: Vec<Fact>,
    /// Who observed other fingerprints, the oldest first: one of them may come back.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    others: Vec<(String, Fact)>,
    /// The cause of its item; nothing once it was reviewed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    waits: Option<String>,
}

impl Known {
    /// Another fingerprint is current: who observed it before does not verify it now.
    fn moved(&mut self, fingerprint: &str) {
        let left = std::mem::replace(&mut self.current, fingerprint.to_owned());
        self.others.extend(self.observers.drain(..).map(|fact| (left.clone(), fact)));
        let (back, others) = self.others.drain(..).partition(|(print, _)| print == fingerprint);
        self.others = others;
        self.others.drain(..self.others.len().saturating_sub(REMEMBERED));
        let back: Vec<(String, Fact)> = back;
        self.observers = back.into_iter().map(|(_, fact)| fact).collect();
    }
}

fn fold(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &Event) -> Result<(), Poison> {
    let Event::HostKey(event) = event else { return Ok(()) };
    let note = ["host_key ", &seen.place()].concat();
    let before: Option<Known> = notes::get(rows, &note)?;
    match event {
        host_key::Event::Observed { fingerprint, source } => {
            let (is_new, fingerprint) = (before.is_none(), fingerprint.as_str());
            let mut known = before.unwrap_or_else(|| Known {
                current: fingerprint.to_owned(),
                observers: Vec::new(),
                others: Vec::new(),
                waits: Some("first_seen".to_owned()),
            });
            let moved = known.current != fingerprint;
            if moved {
                // The change is the next entry of the same answer.
                known.moved(fingerprint);
            }
            let observed = known.observers.iter().any(|fact| fact.text == seen.actor);
            if !observed && known.observers.len() < CITED {
                known.observers.push(Fact { position: seen.position, text: seen.actor.to_owned() });
            }
            if let Some(waits) = known.waits.clone().filter(|_| is_new || !moved) {
                let opening = opening(seen, &waits, &known).fact("current", seen.position, fingerprint);
                item::open(rows, seen, opening.fact("source", seen.position, source_words(*source)))?;
            }
            notes::put(rows, seen, &note, known)
        }
        host_key::Event::Changed { from, to } => {
            let Some(mut known) = before else { return Ok(()) };
            if known.waits.as_deref() == Some("first_seen") {
                item::close(rows, seen, &key(seen, "first_seen"))?;
            }
            known.waits = Some("changed".to_owned());
            let opening = opening(seen, "changed", &known).fact("from", seen.position, from.as_str());
            item::open(rows, seen, opening.fact("current", seen.position, to.as_str()))?;
            notes::put(rows, seen, &note, known)
        }
        host_key::Event::Verified { .. }
        | host_key::Event::Rejected { .. }
        | host_key::Event::Disabled {} => {
            let Some(mut known) = before else { return Ok(()) };
            if let Some(waits) = known.waits.take() {
                item::close(rows, seen, &key(seen, &waits))?;
            }
            if matches!(event, host_key::Event::Disabled {}) {
                notes::remove(rows, &note);
                return Ok(());
            }
            notes::put(rows, seen, &note, known)
        }
    }
}

fn key(seen: &Seen<'_>, cause: &str) -> String {
    item::key(QUEUE.name, seen.scope, &format!("host_key {}", seen.entity_id), cause)
}

fn opening<'a>(seen: &Seen<'_>, cause: &'a str, known: &Known) -> Opening<'a> {
    let risk = if cause == "changed" { Risk::High } else { Risk::Medium };
    let about = format!("host_key {}", seen.entity_id);
    Opening::new(QUEUE.name, seen, about, cause, risk, Care::Owner("host_key.verify"))
        .fact("host", seen.position, seen.entity_id)
        .all("observer", known.observers.clone())
}

fn source_words(source: host_key::Source) -> &'static str {
    match source {
        host_key::Source::SshKeyscan => "a scan of the host",
        host_key::Source::KnownHosts => "somebody's list of known hosts",
        host_key::Source::HostPublicKey => "the host's own public key file",
        host_key::Source::Generated => "whoever made the key",
        host_key::Source::AccessTest => "a test of access",
    }
}

fn also(_: &Item) -> &'static [&'static str] {
    &["host_key.reject", "host_key.disable"]
}

fn tell(tell: &Tell<'_>) -> Result<Narrative, Poison> {
    let item = tell.item;
    let place = format!("Host key {}", tell.id("host"));
    let (current, from) = (tell.id("current"), tell.id("from"));
    let draft = match item.cause.as_str() {
        "changed" => tell
            .begin(&place, &format!("The host showed the key {current}; before that it showed {from}."))
            .risk("the host may have been set up anew, or somebody may stand between it and us; work for it is stopped.")
            .next(&format!(
                "Ask whoever runs the host, on another way than the one the key came, whether {current} is its key."
            ))
            .missing("Nobody has recorded why the key changed.", tell.on("current")),
        _ => {
            let source = item.fact("source").map_or("an unknown place", |fact| fact.text.as_str());
            tell.begin(&place, &format!("The key {current} was seen for the first time; it comes from {source}."))
                .risk("a key that nobody compared may be anybody's; work for the host is stopped until then.")
                .next(&format!("Compare {current} with what whoever runs the host says, on another way."))
        }
    };
    Ok(draft
        .safe("Leave it unreviewed: no job goes to the host.")
        .safe("Reject the fingerprint: no job goes to the host until it shows another and that is reviewed.")
        .harmful("Verifying it because it was seen often: whoever saw it saw the same way.")
        .end())
}
