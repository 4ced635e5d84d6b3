//! Who may? A pure function from world and request to yes or a reasoned no. SPEC 9.

mod constitution;
mod request;
mod roles;

pub use constitution::{Denial, RULES, evaluate};
pub use request::{Attest, Credential, Request, SystemMark, args_bytes, idempotency_digest, new_request};
pub use roles::{MATRIX, Role, Rule, Separation};
