//! What does an entry change in the status of what? One or more changes, each of one entity.

use super::{Body, Word, key};
use crate::rows::Rows;
use crate::seen::Seen;
use crate::view::{Poison, Row};
use chancery_ledger::domains::host_key::Event as HostKey;
use chancery_ledger::domains::switch::{Event as Switch, Target};
use chancery_ledger::domains::{Event, drill, ledger, preflight, role, scope};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A change of one entity.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) kind: String,
    pub(super) id: String,
    /// Whether the entity may begin with it.
    pub(super) begins: bool,
    pub(super) state: Option<String>,
    pub(super) over: bool,
    /// What was observed, and until when that holds.
    pub(super) evidence: Option<(Word, Option<i64>)>,
    /// Until when what was observed holds, when nothing new was.
    pub(super) until: Option<Option<i64>>,
    pub(super) gains: Vec<String>,
    pub(super) loses: Vec<String>,
    pub(super) barred: Option<BTreeSet<String>>,
    pub(super) fact: Option<String>,
    /// Where it counts, when that is not where it happened.
    pub(super) scope: Option<String>,
}

impl Change {
    /// Of something that is there already; otherwise it is no change.
    pub(super) fn of(kind: &str, id: &str) -> Self {
        Self { kind: kind.to_owned(), id: id.to_owned(), ..Self::default() }
    }

    /// Of something that may begin with it; that it was recorded is the observation.
    pub(super) fn begin(kind: &str, id: &str, state: &str) -> Self {
        Self { begins: true, ..Self::of(kind, id) }.now(state).saw(Word::Whole, None)
    }

    pub(super) fn now(self, state: &str) -> Self {
        Self { state: Some(state.to_owned()), ..self }
    }

    pub(super) fn over(self, state: &str) -> Self {
        Self { over: true, ..self.now(state) }
    }

    pub(super) fn saw(self, word: Word, until: Option<i64>) -> Self {
        Self { evidence: Some((word, until)), ..self }
    }

    pub(super) fn until(self, until: Option<i64>) -> Self {
        Self { until: Some(until), ..self }
    }

    pub(super) fn gains(self, gains: impl IntoIterator<Item = String>) -> Self {
        Self { gains: gains.into_iter().collect(), ..self }
    }

    pub(super) fn loses(self, loses: impl IntoIterator<Item = String>) -> Self {
        Self { loses: loses.into_iter().collect(), ..self }
    }

    pub(super) fn barred(self, who: &[&str]) -> Self {
        Self { barred: Some(who.iter().map(|who| (*who).to_owned()).collect()), ..self }
    }
}

/// The status of an entity as it stands.
pub(super) fn known(
    rows: &Rows<'_>,
    seen: &Seen<'_>,
    kind: &str,
    id: &str,
) -> Result<Option<Arc<Body>>, Poison> {
    rows.read(&key(kind, seen.scope, id))
}

/// Ids of what a thing is connected with, of one kind.
pub(super) fn ids<'a>(related: &'a BTreeSet<String>, kind: &'a str) -> impl Iterator<Item = &'a str> {
    related.iter().filter_map(move |one| one.split_once(' ').filter(|(k, _)| *k == kind).map(|(_, id)| id))
}

/// What an entry changes.
pub(super) fn changes(rows: &mut Rows<'_>, seen: &Seen<'_>) -> Result<Vec<Change>, Poison> {
    let Some(event) = seen.event else { return Ok(Vec::new()) };
    let mut all = super::people::used(rows, seen)?;
    let (kind, id) = (seen.entity_kind, seen.entity_id);
    all.extend(match event {
        Event::Ledger(ledger::Event::Opened(settings)) => {
            let first = settings.administrator.iter().flat_map(|first| {
                let key = first.public.id().entity();
                [
                    Change::begin("principal", first.id.as_str(), "active").gains([format!("key {key}")]),
                    Change::begin("key", &key, "live").gains([format!("principal {}", first.id)]),
                ]
            });
            let system = settings.system_key.iter().map(|public| {
                Change::begin("key", &public.id().entity(), "live").gains(["principal system".to_owned()])
            });
            [Change::begin(kind, id, "open")].into_iter().chain(first).chain(system).collect()
        }
        Event::Ledger(_) | Event::Export(_) | Event::Door(_) => vec![Change::of(kind, id)],
        Event::Decision(_) => Vec::new(),
        Event::Scope(event) => {
            let own = if seen.scope == "/" { format!("/{id}") } else { format!("{}/{id}", seen.scope) };
            vec![match event {
                scope::Event::Created {} => Change { scope: Some(own), ..Change::begin(kind, id, "open") },
                scope::Event::Closed {} => Change::of(kind, id).over("closed"),
            }]
        }
        Event::Principal(event) => super::people::principal(rows, seen, event)?,
        Event::Key(event) => super::people::key(rows, seen, event)?,
        Event::Token(event) => super::people::token(rows, seen, event)?,
        Event::Hold(event) => super::people::hold(rows, seen, event)?,
        Event::Role(event) => match event {
            role::Event::Defined { .. } => vec![Change::begin(kind, id, "defined")],
            role::Event::Assigned { principal, .. } => {
                let built_in = known(rows, seen, kind, id)?.is_none();
                let role = Change { begins: true, ..Change::of(kind, id) }.saw(Word::Whole, None);
                let role = if built_in { role.now("built_in") } else { role };
                vec![role, Change::of("principal", principal).gains([seen.entity()])]
            }
            role::Event::Unassigned { principal } => {
                vec![Change::of(kind, id), Change::of("principal", principal).loses([seen.entity()])]
            }
        },
        Event::HostKey(event) => vec![host_key(rows, seen, event)?],
        Event::Capability(event) => vec![super::work::capability(rows, seen, event)?],
        Event::Switch(event) => vec![switch(rows, seen, event)?],
        Event::Worker(event) => super::work::worker(rows, seen, event)?,
        Event::Job(event) => super::work::job(rows, seen, event)?,
        Event::Claim(event) => super::work::claim(seen, event),
        Event::Grant(event) => super::work::grant(rows, seen, event)?,
        Event::Lease(event) => super::work::lease(rows, seen, event)?,
        Event::Transcript(event) => super::work::transcript(rows, seen, event)?,
        Event::Preflight(preflight::Event::Evaluated { passed, .. }) => {
            let (state, word) = if *passed { ("passed", Word::Whole) } else { ("stopped", Word::Partial) };
            let own = Change::begin(kind, id, state).saw(word, None).gains([format!("job {id}")]);
            vec![own, Change::of("job", id).gains([seen.entity()])]
        }
        Event::Attention(_) => vec![Change::begin(kind, id, "acknowledged")],
        Event::Drill(drill::Event::Recorded { passed, .. }) => {
            let (state, word) = if *passed { ("passed", Word::Whole) } else { ("failed", Word::Partial) };
            vec![Change::begin(kind, id, state).saw(word, None)]
        }
    });
    Ok(all)
}

fn host_key(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &HostKey) -> Result<Change, Poison> {
    let own = Change::of("host_key", seen.entity_id);
    Ok(match event {
        HostKey::Observed { fingerprint, .. } => {
            // Whoever observed this fingerprint is kept from verifying it, also when others came between.
            let memo = format!("observed {} {} {fingerprint}", seen.scope, seen.entity_id);
            let known_of: String = rows.memo(&memo)?.unwrap_or_default();
            let mut barred: BTreeSet<String> = known_of.split_whitespace().map(str::to_owned).collect();
            if barred.len() < 16 {
                barred.insert(seen.actor.to_owned());
            }
            let names: Vec<&str> = barred.iter().map(String::as_str).collect();
            rows.put(Row::memo(memo, seen, names.join(" ")));
            let fact = Some(fingerprint.to_string());
            let Some(before) = known(rows, seen, "host_key", seen.entity_id)? else {
                let begun = Change::begin("host_key", seen.entity_id, "bootstrap").barred(&[seen.actor]);
                return Ok(Change { fact, ..begun });
            };
            // What is observed as it was says nothing against a change that nobody has reviewed.
            let word = if before.state == "changed" { Word::Partial } else { Word::Whole };
            Change { fact, barred: Some(barred), ..own.saw(word, None) }
        }
        HostKey::Changed { .. } => own.now("changed").saw(Word::Partial, None),
        HostKey::Verified { .. } => own.now("verified").saw(Word::Whole, None),
        HostKey::Rejected { .. } => own.now("rejected").saw(Word::Whole, None),
        HostKey::Disabled {} => own.over("disabled"),
    })
}

/// One id names a feature, and kill switches on it: engaged counts for more than on.
fn switch(rows: &mut Rows<'_>, seen: &Seen<'_>, event: &Switch) -> Result<Change, Poison> {
    // A scope has one kill switch of its own, whatever the id: the id that engaged it is kept.
    let memo = format!("stop {}", seen.scope);
    let id = match event {
        Switch::Engaged { target: Target::Scope } => {
            rows.put(Row::memo(memo, seen, seen.entity_id.to_owned()));
            seen.entity_id.to_owned()
        }
        Switch::Cleared { target: Target::Scope } => {
            rows.memo(&memo)?.unwrap_or_else(|| seen.entity_id.to_owned())
        }
        _ => seen.entity_id.to_owned(),
    };
    let before = known(rows, seen, "switch", &id)?;
    let stops = |target: &Target| match target {
        Target::Scope => format!("scope {}", seen.scope),
        Target::Principal => format!("principal {id}"),
        Target::Capability => format!("capability {id}"),
    };
    let mut engaged = before.as_ref().map(|body| body.related.clone()).unwrap_or_default();
    let mut feature = before.as_ref().and_then(|body| body.fact.clone());
    let mut until = before.and_then(|body| body.evidence.until);
    match event {
        Switch::TurnedOn { until: to, .. } => (feature, until) = (Some("on".to_owned()), Some(*to)),
        Switch::TurnedOff {} => (feature, until) = (Some("off".to_owned()), None),
        Switch::Engaged { target } => {
            engaged.insert(stops(target));
        }
        Switch::Cleared { target } => {
            engaged.remove(&stops(target));
        }
    }
    let state = match (engaged.is_empty(), &feature) {
        (false, _) => "engaged",
        (true, Some(feature)) => feature.as_str(),
        (true, None) => "clear",
    };
    let change = Change::begin("switch", &id, state).saw(Word::Whole, until).gains(engaged);
    let loses = match event {
        Switch::Cleared { target } => vec![stops(target)],
        _ => Vec::new(),
    };
    Ok(Change { fact: feature, ..change.loses(loses) })
}
