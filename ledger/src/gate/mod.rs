//! Who may? A pure function from world and request to yes, a reasoned no, or a wait for somebody else. SPEC 9.

mod confirm;
mod constitution;
mod denial;
mod evidence;
mod request;
mod roles;
mod separation;
mod slots;

pub(crate) use constitution::within;
pub use constitution::{CHECKS, Check, Found, RULES, Verdict, evaluate, explain, level};
pub use denial::Denial;
pub(crate) use request::recorded_request;
pub use request::{
    Attest, Caller, Credential, Request, SystemMark, args_bytes, idempotency_digest, new_request,
};
pub use roles::{MATRIX, Role, Rule, Separation, abilities, declared};
pub use slots::{GrantUse, Slots};
