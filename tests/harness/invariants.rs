//! What may never stand in a chain? Eight invariants of governed work, each checked on the leaves alone.

use super::leaves::Leaf;
use super::oracle::contains;
use std::collections::BTreeMap;

/// A check: the first thing that is wrong, in words.
pub type Check = fn(&[Leaf]) -> Result<(), String>;

/// All of them, by name.
pub const ALL: [(&str, Check); 8] = [
    ("an effect has a recorded allow of its actor", effects_are_allowed),
    ("a stale fence is taken by nobody", fences_are_newest),
    ("nothing is used after its end", nothing_is_used_after_its_end),
    ("nobody acts in a foreign scope", nobody_acts_elsewhere),
    ("what has an outcome keeps it", outcomes_stay),
    ("a job has one owner", one_owner),
    ("a hold is used once, by what was held", holds_are_used_once),
    ("nobody approves what it asked for", nobody_approves_its_own),
];

/// Kinds that have an effect, and the action that makes them happen.
const EFFECTS: [(&str, &str); 5] = [
    ("job.started", "job.start"),
    ("lease.opened", "lease.open"),
    ("lease.resolved", "lease.resolve"),
    ("grant.consumed", "job.report"),
    ("job.result_accepted", "job.report"),
];
const ENDS: [&str; 6] =
    ["job.succeeded", "job.failed", "job.timed_out", "job.cancelled", "job.outcome_missing", "job.blocked"];
/// Kinds that are events of a job, though another entity's.
const OF_JOB: [&str; 6] = [
    "claim.acquired",
    "claim.renewed",
    "claim.released",
    "claim.expired",
    "transcript.appended",
    "transcript.closed",
];

fn is_effect(leaf: &Leaf) -> bool {
    EFFECTS.iter().any(|(kind, _)| *kind == leaf.kind)
}

fn wrong<T>(leaf: &Leaf, why: impl std::fmt::Display) -> Result<T, String> {
    Err(format!("{} `{}` at {} by {}: {why}", leaf.kind, leaf.id, leaf.position, leaf.actor))
}

/// The scope and id of what a leaf is about.
fn place(leaf: &Leaf) -> (String, String) {
    (leaf.scope.clone(), leaf.id.clone())
}

/// (a) No effect without the request that asked for it, by the one that acted.
fn effects_are_allowed(leaves: &[Leaf]) -> Result<(), String> {
    for leaf in leaves {
        let Some((_, action)) = EFFECTS.iter().find(|(kind, _)| *kind == leaf.kind) else { continue };
        let first = match leaf.action {
            Some(_) => Some(leaf),
            None => leaves.iter().find(|l| leaf.cause.contains(&l.position) && l.action.is_some()),
        };
        let allowed = first.is_some_and(|first| {
            first.action.as_deref() == Some(action) && first.actor == leaf.actor && !first.is_no()
        });
        if !allowed {
            return wrong(leaf, format!("no `{action}` of its actor allows it"));
        }
    }
    Ok(())
}

/// Who holds which job, read off the claims.
#[derive(Default)]
struct Claims {
    /// Holder, fence and end of each job's claim; the fence outlives it.
    held: BTreeMap<(String, String), (Option<String>, i64, i64)>,
}

impl Claims {
    fn take(&mut self, leaf: &Leaf) {
        let job = place(leaf);
        match leaf.kind.as_str() {
            "claim.acquired" | "claim.renewed" => {
                let held = (Some(leaf.actor.clone()), leaf.int("fence"), leaf.int("until"));
                self.held.insert(job, held);
            }
            "claim.released" | "claim.expired" => {
                self.held.entry(job).or_default().0 = None;
            }
            kind if ENDS.contains(&kind) => {
                self.held.entry(job).or_default().0 = None;
            }
            _ => {}
        }
    }
}

/// (b) Whatever carries a fence carries the newest, of the holder, in time.
fn fences_are_newest(leaves: &[Leaf]) -> Result<(), String> {
    let mut claims = Claims::default();
    for leaf in leaves {
        let job = if leaf.kind == "lease.opened" { leaf.text("job") } else { &leaf.id };
        let known = claims.held.get(&(leaf.scope.clone(), job.to_owned())).cloned().unwrap_or_default();
        match leaf.kind.as_str() {
            "claim.acquired" if leaf.int("fence") != known.1 + 1 => {
                return wrong(leaf, format!("the fence does not rise by one from {}", known.1));
            }
            "claim.renewed"
            | "claim.released"
            | "job.started"
            | "job.result_accepted"
            | "lease.opened"
            | "transcript.appended" => {
                if (known.0.as_ref(), known.1) != (Some(&leaf.actor), leaf.int("fence")) {
                    return wrong(leaf, format!("the newest fence is {} of {:?}", known.1, known.0));
                }
                if leaf.time >= known.2 {
                    return wrong(leaf, "the claim ran out");
                }
            }
            _ => {}
        }
        claims.take(leaf);
    }
    Ok(())
}

/// What has ended by a certain entry, as far as effects rest on it.
#[derive(Default)]
struct Ended {
    /// Job, worker, end and state of each grant.
    grants: BTreeMap<(String, String), (String, String, i64, bool)>,
    /// Worker, end and state of each lease.
    leases: BTreeMap<(String, String), (String, i64, bool)>,
    /// Principals and workers that were suspended or revoked.
    stopped: Vec<(&'static str, String)>,
    /// Engaged kill switches: scope, target, id.
    kills: Vec<(String, String, String)>,
    capabilities: BTreeMap<(String, String), String>,
    tokens: BTreeMap<String, (i64, bool)>,
}

impl Ended {
    fn take(&mut self, leaf: &Leaf) {
        let (here, id) = (place(leaf), leaf.id.clone());
        let kill = (leaf.scope.clone(), leaf.text("target").to_owned(), id.clone());
        match leaf.kind.as_str() {
            "job.submitted" => {
                self.capabilities.insert(here, leaf.text("capability").to_owned());
            }
            "grant.issued" => {
                let grant =
                    (leaf.text("job").to_owned(), leaf.text("worker").to_owned(), leaf.int("expires"), true);
                self.grants.insert(here, grant);
            }
            "grant.consumed" | "grant.revoked" | "grant.expired" => {
                self.grants.entry(here).or_default().3 = false;
            }
            "lease.opened" => {
                self.leases.insert(here, (leaf.actor.clone(), leaf.int("expires"), true));
            }
            "lease.failed" | "lease.closed" | "lease.revoked" | "lease.expired" => {
                self.leases.entry(here).or_default().2 = false;
            }
            "principal.suspended" | "principal.revoked" => self.stopped.push(("principal", id)),
            "principal.reactivated" => self.stopped.retain(|s| *s != ("principal", id.clone())),
            "worker.suspended" | "worker.revoked" => self.stopped.push(("worker", id)),
            "worker.promoted" => self.stopped.retain(|s| *s != ("worker", id.clone())),
            "switch.engaged" => self.kills.push(kill),
            "switch.cleared" => {
                self.kills
                    .retain(|k| !(k.0 == kill.0 && k.1 == kill.1 && (kill.1 == "scope" || k.2 == kill.2)));
            }
            "token.issued" => {
                self.tokens.insert(id, (leaf.int("expires"), true));
            }
            "token.revoked" => {
                self.tokens.entry(id).or_default().1 = false;
            }
            kind if ENDS.contains(&kind) => {
                let of_job = |(at, grant): (&(String, String), &mut (String, String, i64, bool))| {
                    if at.0 == leaf.scope && grant.0 == leaf.id {
                        grant.3 = false;
                    }
                };
                self.grants.iter_mut().for_each(of_job);
            }
            _ => {}
        }
    }
}

/// (c) No use after a revocation, an expiry, a consumption or a kill switch.
fn nothing_is_used_after_its_end(leaves: &[Leaf]) -> Result<(), String> {
    let mut ended = Ended::default();
    for leaf in leaves {
        if let Some(session) = leaf.session.as_ref().filter(|_| leaf.kind != "token.revoked") {
            let live = ended.tokens.get(session).is_some_and(|t| t.1 && leaf.time < t.0);
            // The last answer under a token may be the one that ends it.
            let first = leaf.action.is_some();
            if first && !live {
                return wrong(leaf, format!("token `{session}` is over"));
            }
        }
        let actor_stopped = ended.stopped.contains(&("principal", leaf.actor.clone()));
        if actor_stopped && leaf.action.is_some() && !leaf.is_no() {
            return wrong(leaf, "its actor is suspended or revoked");
        }
        if is_effect(leaf) {
            if ended.stopped.contains(&("worker", leaf.actor.clone())) {
                return wrong(leaf, "its worker is suspended or revoked");
            }
            let used: Option<&str> = match leaf.kind.as_str() {
                "grant.consumed" => Some(&leaf.id),
                _ => leaf.data["grant"].as_str(),
            };
            if let Some(grant) = used {
                let known = ended.grants.get(&(leaf.scope.clone(), grant.to_owned()));
                if !known.is_some_and(|g| g.3 && leaf.time < g.2 && g.1 == leaf.actor) {
                    return wrong(leaf, format!("grant `{grant}` is over, or another worker's"));
                }
            }
            let lease = if leaf.kind == "lease.resolved" {
                Some(leaf.id.as_str())
            } else {
                leaf.data["lease"].as_str()
            };
            if let Some(lease) = lease {
                let known = ended.leases.get(&(leaf.scope.clone(), lease.to_owned()));
                if !known.is_some_and(|l| l.2 && leaf.time < l.1 && l.0 == leaf.actor) {
                    return wrong(leaf, format!("lease `{lease}` is over, or another worker's"));
                }
            }
            let capability = ended.capabilities.get(&place(leaf));
            let kill = ended.kills.iter().find(|(scope, target, id)| {
                contains(scope, &leaf.scope)
                    && match target.as_str() {
                        "scope" => true,
                        "principal" => *id == leaf.actor,
                        _ => Some(id) == capability,
                    }
            });
            if let Some(kill) = kill {
                return wrong(leaf, format!("the kill switch {kill:?} is engaged"));
            }
        }
        ended.take(leaf);
    }
    Ok(())
}

/// (d) Whoever acts acts within its own scope, and a worker where it was assigned.
fn nobody_acts_elsewhere(leaves: &[Leaf]) -> Result<(), String> {
    let mut homes: BTreeMap<String, String> = BTreeMap::from([("system".to_owned(), "/".to_owned())]);
    let mut assigned: BTreeMap<String, String> = BTreeMap::new();
    let mut within: BTreeMap<String, String> = BTreeMap::new();
    for leaf in leaves {
        match leaf.kind.as_str() {
            "ledger.opened" => {
                let founder = leaf.data["administrator"]["id"].as_str().unwrap_or_default();
                homes.insert(founder.to_owned(), "/".to_owned());
            }
            "principal.registered" => {
                homes.insert(leaf.id.clone(), leaf.scope.clone());
            }
            "worker.assigned" => {
                assigned.insert(leaf.id.clone(), leaf.text("to").to_owned());
            }
            "token.issued" if leaf.has("within") => {
                within.insert(leaf.id.clone(), leaf.text("within").to_owned());
            }
            _ => {}
        }
        // A token that a no has used up ends where the no stands.
        if leaf.is_no() || (leaf.kind == "token.revoked" && leaf.action.is_none()) {
            continue;
        }
        let home = homes.get(&leaf.actor);
        if !home.is_some_and(|home| contains(home, &leaf.scope)) {
            return wrong(leaf, format!("{} is foreign to its actor", leaf.scope));
        }
        let narrow = leaf.session.as_ref().and_then(|session| within.get(session));
        if narrow.is_some_and(|narrow| !contains(narrow, &leaf.scope)) {
            return wrong(leaf, format!("{} is beyond its token", leaf.scope));
        }
        let to = assigned.get(&leaf.actor);
        if is_effect(leaf) && !to.is_some_and(|to| contains(to, &leaf.scope)) {
            return wrong(leaf, format!("{} is beyond what its worker was assigned", leaf.scope));
        }
    }
    Ok(())
}

/// (e) After a job's terminal event nothing of that job changes it.
fn outcomes_stay(leaves: &[Leaf]) -> Result<(), String> {
    let mut over: BTreeMap<(String, String), &str> = BTreeMap::new();
    for leaf in leaves {
        let of_job = leaf.kind.starts_with("job.") || OF_JOB.contains(&leaf.kind.as_str());
        let about = match leaf.kind.as_str() {
            "grant.issued" | "lease.opened" => Some((leaf.scope.clone(), leaf.text("job").to_owned())),
            _ if of_job => Some(place(leaf)),
            _ => None,
        };
        let Some(job) = about else { continue };
        if let Some(end) = over.get(&job) {
            return wrong(leaf, format!("the job ended with `{end}`"));
        }
        if ENDS.contains(&leaf.kind.as_str()) {
            over.insert(job, &leaf.kind);
        }
    }
    Ok(())
}

/// (f) At most one live owner: who acquires finds it free, and a claim ends early by its holder only.
fn one_owner(leaves: &[Leaf]) -> Result<(), String> {
    let mut claims = Claims::default();
    for leaf in leaves {
        let known = claims.held.get(&place(leaf)).cloned().unwrap_or_default();
        if leaf.kind == "claim.acquired" && known.0.is_some() {
            return wrong(leaf, format!("{:?} holds it", known.0));
        }
        if leaf.kind == "claim.expired" && leaf.time < known.2 {
            return wrong(leaf, "the claim had time left");
        }
        claims.take(leaf);
    }
    Ok(())
}

/// A hold, read off its entries.
struct Held<'a> {
    opened: &'a Leaf,
    approved: Option<u64>,
    over: bool,
}

/// (g) An approval is used once, by exactly what was held, in time; and what must be confirmed cites one.
fn holds_are_used_once(leaves: &[Leaf]) -> Result<(), String> {
    let confirmed =
        ["role.defined", "capability.registered", "capability.enabled", "switch.turned_on", "switch.cleared"];
    let mut holds: Vec<Held<'_>> = Vec::new();
    for leaf in leaves {
        let named = |hold: &Held<'_>| hold.opened.text("hold") == leaf.id;
        match leaf.kind.as_str() {
            "hold.opened" => holds.push(Held { opened: leaf, approved: None, over: false }),
            "hold.approved" => match holds.iter_mut().find(|h| named(h)) {
                Some(hold) if !hold.over && leaf.time < hold.opened.int("until") => {
                    hold.approved = Some(leaf.position);
                }
                _ => return wrong(leaf, "there is no such hold that is not over"),
            },
            "hold.denied" | "hold.cancelled" | "hold.expired" => {
                holds.iter_mut().filter(|h| named(h)).for_each(|h| h.over = true);
            }
            _ => {}
        }
        let Some(action) = leaf.action.as_ref().filter(|_| !leaf.kind.starts_with("hold.")) else { continue };
        let cited = holds.iter_mut().find(|h| h.approved.is_some_and(|at| leaf.cause.contains(&at)));
        match cited {
            None if confirmed.contains(&leaf.kind.as_str()) => return wrong(leaf, "nobody confirmed it"),
            None => {}
            // What refers to entries may refer to approvals.
            Some(_) if ["attention.acknowledge", "drill.record"].contains(&action.as_str()) => {}
            Some(hold) => {
                let held = hold.opened;
                if hold.over {
                    return wrong(leaf, "the hold was used, or is over");
                }
                let same = (&held.action, &held.scope, &held.id, &held.actor, &held.args)
                    == (&leaf.action, &leaf.scope, &leaf.id, &leaf.actor, &leaf.args);
                if !same {
                    return wrong(leaf, "something else was confirmed");
                }
                if leaf.time >= held.int("until") {
                    return wrong(leaf, "the hold has expired");
                }
                hold.over = true;
            }
        }
    }
    Ok(())
}

/// (h) Who approves, activates, reactivates, verifies or gives is not the one that asked, or has the benefit.
fn nobody_approves_its_own(leaves: &[Leaf]) -> Result<(), String> {
    let mut observers: BTreeMap<(String, String), Vec<(String, String)>> = BTreeMap::new();
    for leaf in leaves {
        let before = &leaves[..usize::try_from(leaf.position).unwrap_or_default()];
        let last = |kind: &str| before.iter().rev().find(|l| l.kind == kind && l.id == leaf.id);
        let own = match leaf.kind.as_str() {
            "hold.approved" | "hold.denied" => {
                let opened = before.iter().find(|l| l.kind == "hold.opened" && l.text("hold") == leaf.id);
                let approves = leaf.kind == "hold.approved";
                opened.is_none_or(|opened| {
                    opened.actor == leaf.actor
                        || (approves && opened.args["principal"] == leaf.actor.as_str())
                })
            }
            "principal.activated" if leaf.text("basis") == "review" => {
                last("principal.registered").is_none_or(|l| l.actor == leaf.actor)
            }
            "principal.reactivated" => last("principal.suspended").is_none_or(|l| l.actor == leaf.actor),
            "role.assigned" => leaf.text("principal") == leaf.actor,
            "host_key.observed" => {
                let print = leaf.text("fingerprint").to_owned();
                observers.entry(place(leaf)).or_default().push((print, leaf.actor.clone()));
                false
            }
            "host_key.verified" => {
                let seen = observers.get(&place(leaf)).map_or(&[][..], Vec::as_slice);
                let of_this = seen.iter().filter(|(print, _)| *print == leaf.text("fingerprint"));
                let moved = seen.last().is_none_or(|(print, _)| *print != leaf.text("fingerprint"));
                moved || of_this.into_iter().any(|(_, who)| *who == leaf.actor)
            }
            _ => false,
        };
        if own {
            return wrong(leaf, "its own doing, or nobody's");
        }
    }
    Ok(())
}
