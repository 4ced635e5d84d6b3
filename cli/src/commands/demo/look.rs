//! What do the read models show while the story goes on? Queues with their narratives, and what a worker said.

use super::cast::{Cast, broken};
use crate::asked::value;
use crate::commands::queue::told;
use crate::diagnostic::Diagnostic;
use crate::folded::{fold, line};
use chancery_ledger::format::ids::Scope;
use chancery_projections::attention::{Reader, items as items_of, queue, queues};
use chancery_projections::views::{STREAMS, view};
use chancery_projections::{Ask, Show, Views};
use serde_json::Value;

/// Folds what is new, and reads it as whoever has the files.
fn folded<T>(
    cast: &Cast<'_>,
    read: impl FnOnce(&Views, &Show<'_>) -> Result<T, Diagnostic>,
) -> Result<T, Diagnostic> {
    let folded = fold(cast.paths, cast.story.out)?;
    let views = folded.views()?;
    folded.show(cast.ledger.now(), |show| read(&views, show))
}

/// The items of a queue, the worst first.
pub(super) fn items(cast: &Cast<'_>, name: &str) -> Result<Vec<Value>, Diagnostic> {
    let queue = queue(name).ok_or_else(|| broken(format!("there is no queue `{name}`")))?;
    folded(cast, |views, show| {
        let reader = Reader { within: &Scope::root(), show };
        Ok(items_of(views, queue, reader, None, None)?.items)
    })
}

/// What `chancery queue NAME` prints of an item: all of it, or why, what is next and who decides.
pub(super) fn item(item: &Value, whole: bool) -> Vec<String> {
    let short = ["  why", "  next", "  decides"];
    let lines = told(item).into_iter().filter(|line| !line.starts_with("  id "));
    lines
        .enumerate()
        .filter(|(number, line)| whole || *number == 0 || short.iter().any(|name| line.starts_with(name)))
        .map(|(_, line)| line)
        .collect()
}

/// The queues in which something is open, with the number of their items.
pub(super) fn open(cast: &Cast<'_>) -> Result<Vec<(String, u64)>, Diagnostic> {
    folded(cast, |views, show| {
        let all = value(&queues(views, Reader { within: &Scope::root(), show })?)?;
        let each = all["queues"].as_array().into_iter().flatten();
        let open = each.map(|one| {
            (one["queue"].as_str().unwrap_or_default().to_owned(), one["open"].as_u64().unwrap_or_default())
        });
        Ok(open.collect())
    })
}

/// The beginning of what a worker said of a job in a stream: at most so many lines of each event.
pub(super) fn said(cast: &Cast<'_>, job: &str, stream: &str, most: usize) -> Result<Vec<String>, Diagnostic> {
    let known = STREAMS.iter().find(|(name, _)| *name == stream).and_then(|(_, name)| view(name));
    let view = known.ok_or_else(|| broken(format!("there is no stream `{stream}`")))?;
    folded(cast, |views, show| {
        let about = format!("job {job}");
        let within = &Scope::root();
        let ask = Ask { view, within, about: Some(&about), state: None, token: None, limit: None };
        let page = views.page(&ask, show)?;
        let texts = page.items.iter().filter(|item| !item["text"].is_null());
        let lines = texts.flat_map(|item| {
            let text = line(&item["text"]);
            text.lines().take(most).map(str::to_owned).collect::<Vec<_>>()
        });
        Ok(lines.collect())
    })
}
