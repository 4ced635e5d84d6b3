//! How does the gate say no? A code with what it is about; the sentence is written only when somebody reads it. SPEC 15.

use crate::code::Code;
use std::fmt;

/// The gate's no: you may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial<'a> {
    /// The stable code.
    pub code: Code,
    /// What it is about.
    pub about: &'a str,
    /// What it is measured by.
    pub by: &'a str,
}

impl<'a> Denial<'a> {
    pub(crate) fn new(code: Code, about: &'a str, by: &'a str) -> Self {
        Self { code, about, by }
    }
}

impl fmt::Display for Denial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (about, by) = (self.about, self.by);
        match self.code {
            Code::KillSwitch => write!(f, "the kill switch `{about}` is engaged in `{by}`"),
            Code::PrincipalNotActive => write!(f, "`{about}` is {by}"),
            Code::ScopeForeign => write!(f, "`{about}` is not within `{by}`"),
            Code::ScopeClosed => write!(f, "`{about}` is closed"),
            Code::RoleInsufficient => write!(f, "the role `{by}` may not do `{about}`"),
            Code::CapabilityDisabled => write!(f, "the capability `{about}` is not enabled in `{by}`"),
            Code::SwitchOff => write!(f, "the feature `{about}` is off in `{by}`"),
            Code::HostKeyUnverified => write!(f, "the host key `{about}` is {by}, not verified"),
            Code::ProductionRefused => write!(f, "there is no route to `{about}`"),
            Code::LiveGateClosed => write!(f, "`{about}` has no implementation behind its final gate"),
            Code::GrantRequired => write!(f, "the capability `{about}` is used under a grant only"),
            Code::GrantUnknown => write!(f, "no grant `{about}` in `{by}`"),
            Code::GrantExpired | Code::GrantRevoked | Code::GrantConsumed => {
                write!(f, "grant `{about}` was {by}")
            }
            Code::GrantJob => write!(f, "grant `{about}` is for another job than `{by}`"),
            Code::GrantWorker => write!(f, "grant `{about}` is for another worker than `{by}`"),
            Code::GrantUse => write!(f, "grant `{about}` is for another use than `{by}`"),
            Code::GrantScope => write!(f, "grant `{about}` is not of `{by}`"),
            Code::GrantReference => write!(f, "grant `{about}` is for another credential than `{by}`"),
            Code::StaleFence => write!(f, "job `{about}` is not held under this fence by `{by}`"),
            Code::ClaimExpired => write!(f, "the claim of `{by}` on job `{about}` has expired"),
            Code::LeaseOver => write!(f, "lease `{about}` is not open"),
            Code::AttestationRequired => write!(f, "requests of a {about} must be signed by its key"),
            Code::SeparationRequired => write!(f, "`{about}` {by}; another principal must do this"),
            Code::NoRoute => write!(f, "`{about}` is destructive: there is no route to it"),
            Code::HoldDenied => write!(f, "hold `{about}` was denied"),
            Code::HoldExpired => write!(f, "hold `{about}` expired, which is a no"),
            Code::HoldCancelled => write!(f, "hold `{about}` was cancelled"),
            code => write!(f, "{code}: {about} {by}"),
        }
    }
}
