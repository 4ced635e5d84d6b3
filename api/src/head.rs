//! Is it clear for whom a request is and where it ends? What two readers could read in two ways is refused. SPEC 20.
//!
//! hyper has refused what cannot be read at all; here is what it reads and another reader may read otherwise.

use crate::problem::Problem;
use axum::http::{HeaderMap, Uri, Version, header};
use chancery_ledger::Code;

/// Refuses a head that is ambiguous: no host or two, a target for another host, a body that is coded in more than chunks.
pub(crate) fn check(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let no = |text: &str| Err(Problem::new(Code::HeaderMalformed, text));
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() || (host.is_none() && version == Version::HTTP_11) {
        return no("a request has one `Host`");
    }
    let named = uri.authority().map(|authority| authority.as_str().as_bytes());
    if named.is_some_and(|named| host.is_none_or(|host| host.as_bytes() != named)) {
        return no("the target is not of the host that `Host` names");
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !chunked || codings.next().is_some() {
            return no("a body is coded in chunks, or not at all");
        }
    }
    Ok(())
}
