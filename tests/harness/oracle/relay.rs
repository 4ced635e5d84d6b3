//! What a worker relays, and what stands between a job and its host: sections 8, 10.14, 10.18 and 10.19.

use super::state::{Job, Material, Oracle, Quarantined};
use super::{Ask, Decided, SYSTEM, entry};
use chancery_ledger::format::json::{self, Value};
use serde_json::json;
use std::collections::BTreeMap;

const PARTS: [&str; 3] = ["audit", "operator", "technical"];

/// Where work in a mode stops.
pub fn stops_at(mode: &str) -> &'static str {
    match mode {
        "worker_stub_execution" => "before_execution",
        "worker_ssh_dry_run" => "before_network",
        "worker_ssh_preflight" => "before_ssh",
        _ => "completed",
    }
}

impl Oracle {
    /// The system's request in place of a relay that looks like it holds a secret.
    pub(super) fn without_secret(&self, ask: &Ask) -> Option<Ask> {
        let action = match ask.action.as_str() {
            "transcript.append" => "transcript.quarantine",
            "job.report" => "job.reject",
            _ => return None,
        };
        // Of a job that is not here, what was handed out to this worker for those of that id elsewhere counts.
        let here = self.live_job(&ask.at, &ask.id).is_some();
        let leased = |text: &str| {
            let about = |m: &&Material| m.job == ask.id && (m.at == ask.at || !here && m.worker == ask.who);
            self.material.iter().filter(about).any(|m| text.contains(&m.text))
        };
        let texts: Vec<&str> = ask.args.values().filter_map(Value::text).collect();
        let detector = if texts.iter().any(|text| text.contains(&super::draw::secret())) {
            "github_token"
        } else if texts.iter().any(|text| leased(text)) {
            "leased_material"
        } else {
            return None;
        };
        let mut args: BTreeMap<String, Value> = BTreeMap::new();
        args.insert("detector".to_owned(), Value::from(detector));
        args.insert("worker".to_owned(), Value::from(ask.who.as_str()));
        if action == "transcript.quarantine" {
            args.insert("seq".to_owned(), Value::Int(ask.int("seq")));
        }
        let (who, action) = (SYSTEM.to_owned(), action.to_owned());
        Some(Ask { who, token: None, action, args, ..ask.clone() })
    }

    /// Why a result is not taken.
    pub(super) fn evidence(job: &Job, text: &str) -> Result<(), &'static str> {
        let Ok(Value::Object(members)) = json::parse(text.as_bytes()) else { return Err("malformed") };
        let word = |name: &str| members.get(name).and_then(Value::text);
        let (Some(capability), Some(mode), Some(stopped), Some(Value::Bool(network))) =
            (word("capability"), word("mode"), word("stopped_at"), members.get("network_opened"))
        else {
            return Err("malformed");
        };
        if capability != job.capability || mode != job.mode || stopped != stops_at(mode) || *network {
            return Err("mismatched");
        }
        let known = [
            "capability",
            "mode",
            "network_opened",
            "stopped_at",
            "checks",
            "exit_code",
            "fingerprint",
            "output_digest",
            "summary",
        ];
        match members.keys().all(|name| known.contains(&name.as_str())) {
            true => Ok(()),
            false => Err("non_allowlisted"),
        }
    }

    pub(super) fn transcript(&mut self, ask: &Ask) -> Decided {
        if ask.verb() == "release" {
            let position = u64::try_from(ask.int("position")).ok();
            let now = self.now;
            let found = self.quarantined.iter_mut().find(|q| {
                now < q.until
                    && q.position.is_some()
                    && q.position == position
                    && q.at == ask.at
                    && q.job == ask.id
                    && !q.released
            });
            return match found {
                None => Err("not_found"),
                Some(event) if !event.kept => Err("nothing_to_release"),
                Some(event) => {
                    event.released = true;
                    Ok(vec![entry("transcript.released", vec![("position", json!(position))])])
                }
            };
        }
        let system = ask.verb() == "quarantine";
        let worker = if system { ask.text("worker") } else { &ask.who };
        let found = self.job_at(&ask.at, &ask.id);
        let recorded_over = found.is_some_and(|at| self.jobs[at].over.is_some());
        let elsewhere = |j: &Job| {
            j.id == ask.id && j.over.is_none() && j.claim.as_ref().is_some_and(|(who, _)| who == worker)
        };
        if found.is_none() && !self.jobs.iter().any(elsewhere) {
            return Err("not_found");
        }
        let live = found.filter(|_| !recorded_over).map(|at| self.jobs[at].clone());
        self.stands(worker, &ask.at, live.as_ref())?;
        let reason =
            if system { Some("secret_looking") } else { self.unfit(ask, live.as_ref(), recorded_over) };
        if let Some(reason) = reason {
            self.quarantined.push(Quarantined {
                at: ask.at.clone(),
                job: ask.id.clone(),
                position: None,
                kept: !system,
                until: self.now + 2_592_000_000,
                released: false,
            });
            let data =
                vec![("reason", json!(reason)), ("seq", json!(ask.int("seq"))), ("worker", json!(worker))];
            return Ok(vec![entry("transcript.quarantined", data)]);
        }
        let job = &mut self.jobs[found.unwrap_or_default()];
        job.accepted.push(parts(ask));
        let mut said = vec![entry("transcript.appended", vec![("seq", json!(ask.int("seq")))])];
        if ask.flag("final") {
            job.closed = true;
            said.push(entry("transcript.closed", vec![("events", json!(ask.int("seq")))]));
        }
        Ok(said)
    }

    /// Why an event does not count.
    fn unfit(&self, ask: &Ask, job: Option<&Job>, over: bool) -> Option<&'static str> {
        if over || job.is_some_and(|job| job.closed || self.now >= job.deadline) {
            return Some("post_terminal");
        }
        let Some(job) = job else { return Some("wrong_scope") };
        if self.is_stopped(&ask.at, &ask.who, Some(&job.capability)) {
            return Some("emergency_disabled");
        }
        let texts: Vec<&str> = PARTS.iter().map(|part| ask.text(part)).collect();
        if texts.iter().all(|text| text.is_empty()) {
            return Some("schema_invalid");
        }
        if texts.iter().any(|text| text.len() > 4000) {
            return Some("oversized");
        }
        let seq = usize::try_from(ask.int("seq")).unwrap_or_default();
        match job.accepted.get(seq - 1) {
            Some(before) if *before == parts(ask) => Some("replay"),
            Some(_) => Some("replay_conflict"),
            None if seq == job.accepted.len() + 1 => None,
            None => Some("out_of_order"),
        }
    }

    pub(super) fn preflight(&mut self, ask: &Ask) -> Decided {
        let Some(at) = self.job_at(&ask.at, &ask.id) else { return Err("not_found") };
        let job = self.jobs[at].clone();
        if job.over.is_some() || self.now >= job.deadline {
            return Err("job_over");
        }
        let target = job.target.as_deref();
        let trusted = target.is_some_and(|id| {
            self.host_keys.iter().any(|k| k.at == ask.at && k.id == id && k.trust == "verified")
        });
        let holder = job.claim.as_ref().map(|(who, _)| who).or(job.eligible.first());
        let worker = holder.and_then(|id| self.worker_of(id));
        let routed = worker.zip(target).is_some_and(|(worker, target)| Self::reaches(worker, target));
        let known = self.capability_of(&job.capability);
        let listed = known.is_some_and(|c| c.commands.is_empty() || job.command.is_some());
        let live = |g: &super::Grant| {
            g.at == ask.at
                && g.job == ask.id
                && g.over.is_none()
                && self.now < g.expires
                && Some(&g.worker) == holder
        };
        let granted = known.is_some_and(|c| !c.grant) || self.grants.iter().any(live);
        let checks = [
            ("host_key_trust", trusted),
            ("target_route", routed),
            ("command_allowlist", listed),
            ("grant_lease", granted),
            // The last condition of live work is never met.
            ("live_mode", job.mode != "worker_ssh_preflight"),
        ];
        let passed = checks.iter().all(|check| check.1);
        let found: Vec<String> = checks.iter().map(|(name, passed)| format!("{name}={passed}")).collect();
        let data =
            vec![("passed", json!(passed)), ("stopped_at", json!("before_ssh")), ("checks", json!(found))];
        Ok(vec![entry("preflight.evaluated", data)])
    }
}

/// The parts of an event that were given.
fn parts(ask: &Ask) -> BTreeMap<String, Value> {
    ask.args
        .iter()
        .filter(|(name, _)| PARTS.contains(&name.as_str()))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}
