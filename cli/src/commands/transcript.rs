//! What did a worker say about a job? One stream of its transcript, in the order in which it arrived.

use crate::asked::{Url, Where, beside};
use crate::diagnostic::{Diagnostic, Outcome};
use crate::exit;
use crate::folded::line;
use crate::output::{Output, instant, printable};
use chancery_ledger::Code;
use chancery_ledger::format::ids::Scope;
use chancery_projections::Ask;
use chancery_projections::views::{STREAMS, view};
use serde_json::Value;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job
    job: String,
    /// `operator`, `technical`, `audit` or `quarantine`
    #[arg(long, default_value = "operator")]
    stream: String,
    #[command(flatten)]
    at: Where,
    /// Scope of the job [default: all that may be seen]
    #[arg(long)]
    scope: Option<String>,
    /// At most so many events
    #[arg(long, value_name = "N", value_parser = super::some)]
    limit: Option<usize>,
    /// The page that follows, as the one before says it
    #[arg(long, value_name = "T")]
    page_token: Option<String>,
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let found = STREAMS.iter().find(|(name, _)| *name == args.stream).and_then(|(_, name)| view(name));
    let Some(view) = found else {
        let names: Vec<&str> = STREAMS.iter().map(|(name, _)| *name).collect();
        let error = Diagnostic::new(Code::MalformedValue, format!("there is no stream `{}`", args.stream));
        return Err(error.hint(format!("the streams are {}", names.join(", "))));
    };
    let within = args.scope.as_deref().map_or_else(|| Ok(Scope::root()), Scope::parse);
    let within = within.map_err(|error| Diagnostic::usage(error.to_string()))?;
    let limit = args.limit.map(|limit| limit.to_string());
    let url = Url::new(&["transcripts", &args.job])
        .with("stream", Some(&args.stream))
        .within(args.scope.as_deref())
        .with("limit", limit.as_deref())
        .with("page_token", args.page_token.as_deref());
    let answer = args.at.ask(url, out, |folded, now| {
        let about = format!("job {}", args.job);
        let ask = Ask {
            view,
            within: &within,
            about: Some(&about),
            state: None,
            token: args.page_token.as_deref(),
            limit: args.limit,
        };
        let page = folded.page(&ask, now)?;
        let none = page["items"].as_array().is_none_or(Vec::is_empty);
        if none && !folded.views()?.knows(ask.about, &within)? {
            // What a server says as well.
            return Err(Diagnostic::new(Code::NotFound, "there is nothing here that you may see"));
        }
        Ok(page)
    })?;
    if out.json {
        out.json(&answer);
        return Ok(exit::YES);
    }
    for item in answer["items"].as_array().into_iter().flatten() {
        event(item, out);
    }
    beside(&answer, out);
    Ok(exit::YES)
}

fn event(item: &Value, out: &Output) {
    let at = item["time"].as_i64().map(instant).unwrap_or_default();
    let state = item["state"].as_str().unwrap_or_default();
    let seq = item["seq"].as_u64().map(|seq| seq.to_string()).unwrap_or_default();
    let text = match (&item["text"], item["missing"].as_object()) {
        (Value::Null, Some(gap)) => {
            format!("{} to {} did not come", gap["from"], gap["to"])
        }
        (Value::Null, None) => item["reason"].as_str().unwrap_or_default().to_owned(),
        (text, _) => line(text),
    };
    let text = printable(&text).replace('\n', "\\n");
    out.data(format!("{at}  {seq:>5}  {state:<11}  {text}").trim_end());
}
