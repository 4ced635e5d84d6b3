//! Which parts of a request does the gate look at? Lifted out of it, typed; what a job settled comes from the job. SPEC 9.

use super::request::Request;
use crate::domains::job::{Job, Mode};
use crate::domains::table::At;
use crate::domains::{Action, World, claim, grant, job, lease, transcript};

/// What a request is about, as far as checks ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct Slots<'a> {
    /// The capability that it uses.
    pub capability: Option<&'a str>,
    /// The mode of execution.
    pub mode: Option<Mode>,
    /// The stage that it is meant for.
    pub stage: Option<&'a str>,
    /// The host that it goes to, as the id of its key.
    pub target: Option<&'a str>,
    /// The job, and the fence that the caller has.
    pub fence: Option<(&'a str, u64)>,
    /// The grant that is used.
    pub grant: Option<GrantUse<'a>>,
    /// True when it goes only under a grant, if the capability says so.
    pub under_grant: bool,
    /// The lease that must be open.
    pub lease: Option<&'a str>,
    /// The job that it names, when there is one.
    pub job: Option<&'a Job>,
}

/// How a grant is used.
#[derive(Debug, Clone, Copy)]
pub struct GrantUse<'a> {
    /// The grant.
    pub id: &'a str,
    /// For which job.
    pub job: &'a str,
    /// For which use.
    pub purpose: &'a str,
    /// For which credential, where one is named.
    pub reference: Option<&'a str>,
}

/// The slots of a request of `actor`'s.
pub(super) fn of<'a>(world: &'a World, request: &'a Request, actor: &str) -> Slots<'a> {
    let id = request.id.as_str();
    let find = |id: &'a str| world.jobs.get(At { scope: request.scope.as_str(), id });
    // The job that a caller holds, and nothing that the job settled.
    let held = |fence: u64| Slots { fence: Some((id, fence)), job: find(id), ..Slots::default() };
    let of_job = |id: &'a str| find(id).map_or(Slots::default(), settled);
    match &request.action {
        Action::Job(job::Action::Submit { capability, mode, target, stage, .. }) => Slots {
            capability: Some(capability),
            mode: Some(*mode),
            stage: stage.as_deref(),
            target: target.as_deref(),
            ..Slots::default()
        },
        Action::Job(job::Action::Start { fence, grant, lease }) => {
            let slots = of_job(id);
            let purpose = slots.capability.unwrap_or_default();
            let grant =
                grant.as_deref().map(|grant| GrantUse { id: grant, job: id, purpose, reference: None });
            Slots { fence: Some((id, *fence)), grant, under_grant: true, lease: lease.as_deref(), ..slots }
        }
        Action::Job(job::Action::Report { fence, grant, .. }) => {
            let held = held(*fence);
            let purpose = held.job.map_or("", |job| &job.capability);
            let grant =
                grant.as_deref().map(|grant| GrantUse { id: grant, job: id, purpose, reference: None });
            Slots { grant, under_grant: true, ..held }
        }
        Action::Claim(claim::Action::Acquire { .. }) => of_job(id),
        Action::Claim(claim::Action::Renew { fence, .. }) => {
            let held = held(*fence);
            Slots { capability: held.job.map(|job| job.capability.as_str()), ..held }
        }
        Action::Claim(claim::Action::Release { fence }) => held(*fence),
        Action::Grant(grant::Action::Issue { job, .. }) => {
            Slots { capability: of_job(job).capability, ..Slots::default() }
        }
        Action::Lease(lease::Action::Open { fence, grant, job, purpose, reference, .. }) => Slots {
            fence: Some((job, *fence)),
            grant: Some(GrantUse { id: grant, job, purpose, reference: Some(reference) }),
            ..of_job(job)
        },
        // Handing the material out needs all that opening did: things may have changed since.
        Action::Lease(lease::Action::Resolve { .. }) => {
            match world.leases.get(At { scope: request.scope.as_str(), id }) {
                Some(lease) if lease.worker == actor => {
                    let slots = of_job(&lease.job);
                    let purpose = slots.capability.unwrap_or_default();
                    let grant =
                        Some(GrantUse { id: &lease.grant, job: &lease.job, purpose, reference: None });
                    Slots { fence: Some((&lease.job, lease.fence)), grant, lease: Some(id), ..slots }
                }
                _ => Slots { lease: Some(id), ..Slots::default() },
            }
        }
        Action::Transcript(transcript::Action::Append { fence, .. }) => held(*fence),
        _ => Slots::default(),
    }
}

fn settled(job: &Job) -> Slots<'_> {
    Slots {
        capability: Some(&job.capability),
        mode: Some(job.mode),
        target: job.target.as_deref(),
        job: Some(job),
        ..Slots::default()
    }
}
