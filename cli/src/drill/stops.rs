//! Does what was stopped stay stopped, and can what reduces risk still be done? Six stops, each in the middle of work.

use super::cast::fingerprint;
use super::look::event;
use super::{By, Drill, Found, finding, text};
use crate::client::{Ask, must};
use crate::commands::{Fetched, Wanted, fetch};
use crate::desk::Desk;
use crate::diagnostic::Diagnostic;
use crate::provider::{Config, ProviderKind};
use chancery_ledger::format::json::Value;
use chancery_ledger::{Code, Receipt};

fn word(receipt: &Receipt) -> &'static str {
    receipt.code.map_or("yes", Code::as_str)
}

fn is(receipt: &Receipt, code: Code) -> bool {
    receipt.code == Some(code)
}

/// `emergency_disable`: one administrator stops everything in the scope while events arrive; two clear it.
pub(super) fn emergency(drill: &mut Drill) -> Found {
    drill.started("j-stop", By::Worker)?;
    drill.claimed("j-lease", By::Worker)?;
    let opened = drill.open("l-stop", "j-lease")?;
    let free = drill.submit("j-free", "worker_stub_execution", Vec::new())?;
    drill.tell("j-stop", 1..=3)?;
    let (name, scope) = (drill.name.clone(), drill.scope.clone());
    let engaged = drill.must(By::First, "switch.engage", &name, vec![("target", text("scope"))])?;
    let late = drill.append(By::Worker, "j-stop", 4, &event(4))?;
    let claim = drill.ask(By::Worker, "claim.acquire", "j-free", vec![("ttl_ms", Value::Int(60_000))])?;
    let closed = drill.ask(By::Worker, "lease.close", "l-stop", Vec::new())?;
    let revoked = drill.ask(By::First, "grant.revoke", "g-j-lease", Vec::new())?;
    drill.ledger.sweep()?;
    let stopped = drill.is_over("j-stop");
    let (kept, _) = drill.page("j-stop", 0, usize::MAX)?;
    let alone = drill.ask(By::First, "switch.clear", &name, vec![("target", text("scope"))])?;
    // The same request, asked again, is the one that is confirmed.
    let cleared = match &alone.hold {
        Some(hold) => {
            must(&drill.ledger, drill.who(By::Second), Ask::new("hold.approve", &scope, hold, &[]))?;
            drill.must(By::First, "switch.clear", &name, vec![("target", text("scope"))])?
        }
        None => alone.clone(),
    };
    for receipt in [&engaged, &late, &claim, &closed, &revoked, &cleared] {
        drill.shows(receipt);
    }
    let reason = drill.reason(&late)?;
    let after = drill.submit("j-after", "worker_stub_execution", Vec::new())?;
    let right = opened.code.is_none()
        && free.code.is_none()
        && is(&late, Code::Quarantined)
        && reason == "emergency_disabled"
        && is(&claim, Code::KillSwitch)
        && closed.code.is_none()
        && revoked.code.is_none()
        && stopped
        && kept.len() == 3
        && is(&alone, Code::ConfirmationRequired)
        && cleared.code.is_none()
        && after.code.is_none();
    let place = format!("job `j-stop` in `{scope}`, after event 3");
    let why = format!(
        "the kill switch was engaged: event 4 was quarantined as `{reason}`, a claim was answered `{}`, closing a lease \
         `{}`, revoking a grant `{}`, and {} events stay readable; clearing it took two",
        word(&claim),
        word(&closed),
        word(&revoked),
        kept.len()
    );
    Ok(finding(right, &place, &why, "jobs that it stopped are submitted anew, and pass the gate anew"))
}

/// `feature_disable`: a feature that two turned on at every level is used, turned off at one, and denied.
pub(super) fn feature(drill: &mut Drill) -> Found {
    let feature = "local_dev_execution_mode";
    drill.turn_on(feature)?;
    let used = drill.submit("j-feature", feature, Vec::new())?;
    let off = drill.must(By::First, "switch.turn_off", feature, Vec::new())?;
    let again = drill.submit("j-feature-2", feature, Vec::new())?;
    let claim = drill.ask(By::Worker, "claim.acquire", "j-feature", vec![("ttl_ms", Value::Int(60_000))])?;
    for receipt in [&used, &off, &again, &claim] {
        drill.shows(receipt);
    }
    let right = used.code.is_none() && is(&again, Code::SwitchOff) && is(&claim, Code::SwitchOff);
    let place = format!("the feature `{feature}` in `{}`", drill.scope);
    let why = format!(
        "with the feature on a job was answered `{}`; turned off at one level, another was answered `{}`, and a claim \
         on the first `{}`",
        word(&used),
        word(&again),
        word(&claim)
    );
    Ok(finding(right, &place, &why, "two administrators turn it on at each level from `/` down"))
}

/// `provider_disable`: what resolved a moment ago gives nothing once its provider is not enabled.
pub(super) fn provider(drill: &mut Drill) -> Found {
    drill.claimed("j-provider", By::Worker)?;
    let resolved = drill.resolve("l-on", "j-provider", &Config::synthetic())?;
    let on = matches!(resolved, Fetched::Material(_));
    if on {
        drill.must(By::Worker, "lease.close", "l-on", Vec::new())?;
    }
    drill.config.enabled.retain(|kind| *kind != ProviderKind::Test);
    let from = drill.size()?;
    let failed = drill.resolve("l-off", "j-provider", &drill.config)?;
    drill.seen.extend(from..drill.size()?);
    let name = match &failed {
        Fetched::Failed(failure) => failure.as_str(),
        Fetched::Material(_) => "resolved",
        Fetched::No(_) => "denied",
    };
    let place = format!("lease `l-off` of job `j-provider` in `{}`", drill.scope);
    let why =
        format!("the provider `test` is not enabled: the lease ended `{name}`, and nothing was handed out");
    Ok(finding(
        on && name == "disabled",
        &place,
        &why,
        "enable the provider in the configuration, and open another lease",
    ))
}

/// `worker_revoke`: a worker that is revoked while it works relays and claims nothing more.
pub(super) fn worker(drill: &mut Drill) -> Found {
    drill.started("j-worker", By::Spare)?;
    let told = drill.append(By::Spare, "j-worker", 1, &event(1))?;
    let free = drill.submit("j-worker-2", "worker_stub_execution", Vec::new())?;
    let spare = drill.id_of(By::Spare);
    let revoked = drill.must(By::First, "worker.revoke", &spare, Vec::new())?;
    let late = drill.append(By::Spare, "j-worker", 2, &event(2))?;
    let claim = drill.ask(By::Spare, "claim.acquire", "j-worker-2", vec![("ttl_ms", Value::Int(60_000))])?;
    let other = drill.ask(By::Worker, "claim.acquire", "j-worker-2", vec![("ttl_ms", Value::Int(60_000))])?;
    for receipt in [&told, &revoked, &late, &claim, &other] {
        drill.shows(receipt);
    }
    let right = told.code.is_none()
        && free.code.is_none()
        && is(&late, Code::WorkerRevoked)
        && is(&claim, Code::WorkerRevoked)
        && other.code.is_none();
    let place = format!("worker `{spare}` in `{}`", drill.scope);
    let why = format!(
        "it was revoked after its event 1: its event 2 was answered `{}`, its claim `{}`; another worker's claim on the \
         same job `{}`",
        word(&late),
        word(&claim),
        word(&other)
    );
    Ok(finding(right, &place, &why, "cancel what it held, and let another worker do it"))
}

/// `host_key_invalidation`: a host that shows another key is not gone to until somebody has reviewed that key.
pub(super) fn host_key(drill: &mut Drill) -> Found {
    let before = drill.submit("j-host", "worker_ssh_dry_run", Vec::new())?;
    let (target, shown) = (drill.target(), fingerprint()?);
    let observed = vec![("fingerprint", text(shown.clone())), ("source", text("generated"))];
    let changed = drill.must(By::First, "host_key.observe", &target, observed)?;
    let denied = drill.submit("j-host-2", "worker_ssh_dry_run", Vec::new())?;
    let preflight = drill.must(By::First, "preflight.evaluate", "j-host", Vec::new())?;
    let told = drill.entries(&preflight)?;
    let check = told.first().map(|entry| entry.data["checks"][0].clone()).unwrap_or_default();
    drill.must(By::Second, "host_key.verify", &target, vec![("fingerprint", text(shown))])?;
    let after = drill.submit("j-host-3", "worker_ssh_dry_run", Vec::new())?;
    for receipt in [&before, &changed, &denied, &preflight, &after] {
        drill.shows(receipt);
    }
    let why = check["why"].as_str().unwrap_or_default();
    let right = before.code.is_none()
        && is(&denied, Code::HostKeyUnverified)
        && check["name"] == "host_key_trust"
        && check["passed"] == false
        && why == "changed"
        && after.code.is_none();
    let place = format!("host key `{target}` in `{}`", drill.scope);
    let why = format!(
        "the host showed another key: a job was answered `{}`, and preflight said `{why}`; once the new key was \
         reviewed, `{}`",
        word(&denied),
        word(&after)
    );
    Ok(finding(right, &place, &why, "find out why the key changed before somebody verifies it"))
}

/// `lease_revocation`: a job does not start on a lease that was taken away.
pub(super) fn lease(drill: &mut Drill) -> Found {
    drill.claimed("j-revoked", By::Worker)?;
    let opened = drill.open("l-revoked", "j-revoked")?;
    let revoked = drill.must(By::First, "lease.revoke", "l-revoked", Vec::new())?;
    let arguments =
        vec![("fence", Value::Int(1)), ("grant", text("g-j-revoked")), ("lease", text("l-revoked"))];
    let start = drill.ask(By::Worker, "job.start", "j-revoked", arguments)?;
    for receipt in [&opened, &revoked, &start] {
        drill.shows(receipt);
    }
    let right = opened.code.is_none() && is(&start, Code::LeaseOver);
    let place = format!("lease `l-revoked` of job `j-revoked` in `{}`", drill.scope);
    let why = format!("the lease was revoked: starting the job on it was answered `{}`", word(&start));
    Ok(finding(right, &place, &why, "open another lease, if the grant still stands"))
}

impl Drill {
    /// Opens a lease of the worker's under the grant of a claimed job.
    fn open(&self, id: &str, job: &str) -> Result<Receipt, Diagnostic> {
        let arguments = vec![
            ("fence", Value::Int(1)),
            ("grant", text(format!("g-{job}"))),
            ("job", text(job)),
            ("reference", text(self.reference())),
            ("ttl_ms", Value::Int(60_000)),
            ("use", text(self.name.clone())),
        ];
        self.ask(By::Worker, "lease.open", id, arguments)
    }

    /// Has the credential of a claimed job resolved, as a worker does.
    fn resolve(&self, id: &str, job: &str, config: &Config) -> Result<Fetched, Diagnostic> {
        let (grant, reference) = (format!("g-{job}"), self.reference());
        let wanted = Wanted {
            scope: &self.scope,
            id,
            job,
            grant: &grant,
            purpose: &self.name,
            reference: &reference,
            fence: 1,
            ttl_ms: 60_000,
        };
        let desk = Desk::Near(&self.ledger, self.who(By::Worker));
        fetch(desk, &wanted, config, &self.paths.fingerprint_key())
    }
}
