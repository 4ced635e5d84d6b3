//! Must somebody else confirm it first? The last check: risk, and the hold that binds exactly this request. SPEC 9.

use super::constitution::{Context, Found};
use crate::code::Code;
use crate::domains::hold::Standing;
use crate::domains::spec::Risk;

/// Whether the risk is low, or was confirmed.
pub(super) fn check<'a>(context: &Context<'a>) -> Found<'a> {
    let (world, request) = (context.world, context.request);
    let risk = crate::domains::risk_of(request, |_| context.capability);
    if risk == Risk::Destructive {
        return context.fail(Code::NoRoute, request.spec.id, "");
    }
    // A review is itself the confirmation.
    if risk == Risk::Low || request.rule.separation.is_review() {
        return Found::NotApplicable;
    }
    if let Some((id, state)) = &context.facts.prior {
        let code = match state.as_str() {
            "denied" => Some(Code::HoldDenied),
            "expired" => Some(Code::HoldExpired),
            "cancelled" => Some(Code::HoldCancelled),
            _ => None,
        };
        if let Some(code) = code {
            return context.fail(code, id, "");
        }
    }
    let mut open = None;
    for (id, hold) in world.holds.of(&context.caller.principal) {
        let same = hold.action == request.spec.id
            && hold.is_in(&request.scope)
            && hold.entity == request.id.as_str()
            && context.now < hold.until
            && context.facts.same_args(hold.position, &request.args);
        if !same {
            continue;
        }
        match hold.standing {
            Standing::Approved(position) => return Found::Approved(position),
            Standing::Pending => open = Some(id),
        }
    }
    match (&context.facts.prior, open) {
        // Whatever else became of the hold that this key opened, it is no yes.
        (Some((id, state)), None) if state != "used" => context.fail(Code::HoldExpired, id, ""),
        (_, open) => Found::Hold(open),
    }
}
