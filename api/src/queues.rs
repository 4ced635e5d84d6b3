//! What needs somebody? The queues, and the three questions of whoever comes to work. SPEC 20.

use crate::call::{Call, Reply};
use crate::problem::Problem;
use crate::views::{Asking, Cost, known};
use chancery_ledger::{Code, Error};
use chancery_projections::View;
use chancery_projections::attention::{self, Reader};
use chancery_projections::{Queue, Views};
use serde_json::Value;

/// The views that the queues come from.
fn sources() -> Result<[&'static View; 2], Problem> {
    Ok([known("attention")?, known("acknowledgements")?])
}

type Look = fn(&Views, Reader<'_>) -> Result<Value, Error>;

/// Answers with what one of the questions about all queues gives.
async fn answer(call: Call, look: Look) -> Reply {
    let asking = Asking::of(&call).await?;
    let make = move |asking: &Asking| {
        let value = asking.show(|show| look(&asking.app.views, Reader { within: &asking.within, show }))?;
        asking.tell(value)
    };
    asking.answer(&call, &sources()?, Cost::Page, make).await
}

pub(crate) async fn attention(call: Call) -> Reply {
    answer(call, attention::attention).await
}

pub(crate) async fn queues(call: Call) -> Reply {
    answer(call, attention::queues).await
}

pub(crate) async fn status(call: Call) -> Reply {
    answer(call, attention::governance_status).await
}

pub(crate) async fn blocked(call: Call) -> Reply {
    answer(call, attention::blocked).await
}

pub(crate) async fn items(call: Call) -> Reply {
    let queue: &'static Queue = attention::queue(call.param()).ok_or_else(Problem::not_found)?;
    let asking = Asking::of(&call).await?;
    let limit = call.query.some("limit")?.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let token = call.query.get("page_token").map(str::to_owned);
    let make = move |asking: &Asking| {
        let page = asking.show(|show| {
            let reader = Reader { within: &asking.within, show };
            attention::items(&asking.app.views, queue, reader, token.as_deref(), limit)
        })?;
        let value = serde_json::to_value(page).map_err(|e| Problem::new(Code::Internal, e.to_string()))?;
        let mut value = asking.tell(value)?;
        if let Value::Object(members) = &mut value {
            members.insert("queue".to_owned(), Value::from(queue.name));
            members.insert("question".to_owned(), Value::from(queue.question));
        }
        Ok(value)
    };
    asking.answer(&call, &sources()?, Cost::Page, make).await
}
