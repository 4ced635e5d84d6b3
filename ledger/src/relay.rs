//! What happens to a relayed event that looks like it holds a secret? The system says so, without it. SPEC 10.18.

use crate::domains::job::Action as JobAction;
use crate::domains::table::At;
use crate::domains::transcript::Action as TranscriptAction;
use crate::domains::{Action, World};
use crate::fingerprint::{Fingerprint, FingerprintKey, find};
use crate::format::encoding::hex;
use crate::format::hash::IDEMPOTENCY;
use crate::format::ids::{IdempotencyKey, Scope};
use crate::format::json::Value;
use crate::gate::{Credential, Request, SystemMark, new_request};
use crate::secrets::Found;

/// The detector of material that was leased.
const LEASED: &str = "leased_material";

/// Whether a request relays what a worker saw, and is not known to hold a secret yet.
pub(crate) fn is_relay(request: &Request) -> bool {
    let relays = matches!(
        request.action,
        Action::Transcript(TranscriptAction::Append { .. }) | Action::Job(JobAction::Report { .. })
    );
    relays && request.tainted.is_none()
}

/// What was handed out for the job of a relay.
pub(crate) fn handed_out(world: &World, request: &Request, worker: &str) -> Vec<Fingerprint> {
    let job = At { scope: request.scope.as_str(), id: request.id.as_str() };
    let mut known = world.leases.handed_out(job).to_vec();
    if world.jobs.get(job).is_none() {
        // The worker may have taken this scope for that of a job which it works on, or did.
        for scope in world.leases.handed_to(worker, job.id).iter().filter(|scope| *scope != job.scope) {
            known.extend(world.leases.handed_out(At { scope, id: job.id }));
        }
    }
    known
}

/// Looks for what was handed out in what is relayed, whatever it stands in. What was looked for before is not looked for
/// again: the writer asks once more, because a lease may have been resolved since the request came in.
pub(crate) fn search(key: &FingerprintKey, known: &[Fingerprint], request: &mut Request) {
    if known.len() == request.searched {
        return;
    }
    request.searched = known.len();
    let Value::Object(members) = &request.args else { return };
    for (name, value) in members {
        if value.text().is_some_and(|text| find(key, known, text).is_some()) {
            request.tainted = Some(Found { pointer: format!("/args/{name}"), detector: LEASED });
            return;
        }
    }
}

/// A request of the system's own; its key is drawn from what makes the occasion, so that it is recorded once, and from
/// the minute, so that a no is not the last word.
pub(crate) fn own(
    action: &str,
    scope: &Scope,
    id: &str,
    args: Value,
    (occasion, minute): (i64, i64),
    ledger: &str,
    salt: [u8; 32],
) -> Option<Request> {
    let text = format!("{action} {scope} {id} {occasion} {minute}");
    let digest = IDEMPOTENCY.digest(text.as_bytes());
    let key = IdempotencyKey::parse(&hex(&digest.0)).ok()?;
    let mut request = new_request(action, scope, Some(id), ledger, args, key, salt).ok()?;
    request.credential = Credential::System(SystemMark(()));
    Some(request)
}

/// The system's word of how often a principal was told no without an entry. Where it stands is part of the occasion: a
/// ledger that is closed and opened within a minute counts twice in it.
pub(crate) fn counted(
    scope: &Scope,
    actor: &str,
    (minute, position): (i64, u64),
    count: u64,
    ledger: &str,
    salt: [u8; 32],
) -> Option<Request> {
    let count = Value::Int(i64::try_from(count).ok()?);
    let members = [("count".to_owned(), count), ("minute".to_owned(), Value::Int(minute))];
    own(
        "door.count",
        scope,
        actor,
        Value::Object(members.into()),
        (minute, i64::try_from(position).ok()?),
        ledger,
        salt,
    )
}

/// The system's request in place of a tainted one; none of what was relayed is in it.
pub(crate) fn without_secret(
    request: &Request,
    worker: &str,
    ledger: &str,
    salt: [u8; 32],
) -> Option<Request> {
    let detector = request.tainted.as_ref()?.detector;
    let mut members = vec![("detector", Value::from(detector)), ("worker", Value::from(worker))];
    let action = match &request.action {
        Action::Transcript(TranscriptAction::Append { seq, .. }) => {
            members.push(("seq", Value::Int(i64::try_from(*seq).ok()?)));
            "transcript.quarantine"
        }
        Action::Job(JobAction::Report { .. }) => "job.reject",
        _ => return None,
    };
    let args = Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    let id = Some(request.id.as_str());
    let mut clean = new_request(action, &request.scope, id, ledger, args, request.key.clone(), salt).ok()?;
    clean.credential = Credential::System(SystemMark(()));
    Some(clean)
}
