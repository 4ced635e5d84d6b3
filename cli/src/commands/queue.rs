//! What needs somebody? The queues of attention, as a person reads them.

use crate::asked::{Url, Where, beside, value};
use crate::diagnostic::{Diagnostic, Outcome};
use crate::exit;
use crate::output::{Output, instant, printable};
use chancery_ledger::domains::nearest;
use chancery_ledger::format::ids::Scope;
use chancery_projections::attention::{self, Reader};
use chancery_projections::{QUEUES, Queue};
use serde_json::Value;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The queue; without it, all of them in short
    name: Option<String>,
    #[command(flatten)]
    at: Where,
    /// What needs the bearer of the token, and what it can do; of a server only
    #[arg(long, requires = "url", conflicts_with = "name")]
    me: bool,
    /// Only what is in this scope and below [default: all that may be seen]
    #[arg(long)]
    scope: Option<String>,
    /// At most so many items
    #[arg(long, value_name = "N", requires = "name", value_parser = super::some)]
    limit: Option<usize>,
    /// The page that follows, as the one before says it
    #[arg(long, value_name = "T", requires = "name")]
    page_token: Option<String>,
}

fn named(name: &str) -> Result<&'static Queue, Diagnostic> {
    attention::queue(name).ok_or_else(|| {
        let known: Vec<&str> = QUEUES.iter().map(|queue| queue.name).collect();
        let error = Diagnostic::usage(format!("no queue `{name}`"));
        match nearest(name, &known) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("the queues are {}", known.join(", "))),
        }
    })
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let within = args.scope.as_deref().map_or_else(|| Ok(Scope::root()), Scope::parse);
    let within = within.map_err(|error| Diagnostic::usage(error.to_string()))?;
    let scope = args.scope.as_deref();
    if args.me {
        let url = Url::new(&["me", "attention"]).within(scope);
        let answer = args.at.ask(url, out, |_, _| Err(Diagnostic::usage("`--me` asks a server")))?;
        return Ok(tell(&answer, out, mine));
    }
    let Some(name) = &args.name else {
        let url = Url::new(&["queues"]).within(scope);
        let answer = args.at.ask(url, out, |folded, now| {
            let views = folded.views()?;
            Ok(folded.show(now, |show| attention::queues(&views, Reader { within: &within, show }))?)
        })?;
        return Ok(tell(&answer, out, summary));
    };
    let queue = named(name)?;
    let (limit, token) = (args.limit.map(|limit| limit.to_string()), args.page_token.as_deref());
    let url = Url::new(&["queues", queue.name]).within(scope).with("limit", limit.as_deref());
    let answer = args.at.ask(url.with("page_token", token), out, |folded, now| {
        let views = folded.views()?;
        let found = folded.show(now, |show| {
            attention::items(&views, queue, Reader { within: &within, show }, token, args.limit)
        })?;
        let mut answer = value(&found)?;
        if let Value::Object(members) = &mut answer {
            members.insert("queue".to_owned(), queue.name.into());
            members.insert("question".to_owned(), queue.question.into());
        }
        Ok(answer)
    })?;
    Ok(tell(&answer, out, |answer, out| {
        out.data(queue.question);
        list(&answer["items"]).iter().for_each(|one| item(one, out));
    }))
}

fn tell(answer: &Value, out: &Output, text: impl FnOnce(&Value, &Output)) -> u8 {
    if out.json {
        out.json(answer);
    } else {
        text(answer, out);
        beside(answer, out);
    }
    exit::YES
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn word(value: &Value) -> String {
    printable(value.as_str().unwrap_or_default())
}

/// Each queue in a line: how much is open, the worst of it, and since when.
fn summary(answer: &Value, out: &Output) {
    for queue in list(&answer["queues"]) {
        let open = queue["open"].as_u64().unwrap_or_default();
        let worst = ["high", "medium", "low"].into_iter().find(|risk| queue["risks"].get(risk).is_some());
        let since = queue["oldest"]["first"]["time"].as_i64().map(instant).unwrap_or_default();
        let name = word(&queue["queue"]);
        let line = format!("{name:<22} {open:>4}  {:<6}  {since}", worst.unwrap_or("-"));
        out.data(line.trim_end());
    }
}

/// Is it OK, what needs me, what can I do.
fn mine(answer: &Value, out: &Output) {
    out.data(if answer["ok"] == true { "nothing is open" } else { "something is open" });
    for one in list(&answer["needs_me"]) {
        item(one, out);
    }
    for one in list(&answer["can_do"]) {
        let items = one["items"].as_u64().unwrap_or_default();
        out.data(&format!("you can: {}  ({items} items)  {}", word(&one["action"]), word(&one["help"])));
    }
}

fn item(item: &Value, out: &Output) {
    out.data(&format!("\n{}", told(item).join("\n")));
}

/// An item with its narrative, a line each.
pub(crate) fn told(item: &Value) -> Vec<String> {
    let since = item["first"]["time"].as_i64().map(instant).unwrap_or_default();
    let (about, risk) = (word(&item["about"]), word(&item["risk"]));
    let overdue = if item["overdue"] == true { ", overdue" } else { "" };
    let mut lines = vec![format!("{risk}  {about}  in {}  since {since}{overdue}", word(&item["scope"]))];
    let told = &item["narrative"];
    lines.extend(
        ["where", "why", "status", "risk", "next"].iter().filter_map(|name| sentence(name, &told[*name])),
    );
    let roles: Vec<String> = list(&told["decides"]).iter().map(word).collect();
    if !roles.is_empty() {
        lines.push(format!("  {:<9}{}", "decides", roles.join(", ")));
    }
    for name in ["safe", "unsafe", "missing"] {
        lines.extend(list(&told[name]).iter().filter_map(|one| sentence(name, one)));
    }
    for seen in list(&item["acknowledged"]) {
        let at = seen["time"].as_i64().map(instant).unwrap_or_default();
        lines.push(format!("  {:<9}by {} at {at}", "seen", word(&seen["by"])));
    }
    lines.push(format!("  {:<9}{}", "id", word(&item["id"])));
    lines
}

fn sentence(name: &str, told: &Value) -> Option<String> {
    let text = told["text"].as_str()?;
    let rests: Vec<String> = list(&told["positions"]).iter().map(ToString::to_string).collect();
    Some(format!("  {name:<9}{}  [{}]", printable(text), rests.join(", ")))
}
