//! What do the read models say, and are they what the ledger says? The generic verb: it names no view and no domain.

use super::Place;
use crate::asked::{Url, Where, beside, value};
use crate::diagnostic::{Diagnostic, Outcome};
use crate::exit;
use crate::folded::{Elsewhere, build_to, catch_up, fold, line};
use crate::output::{Output, instant, printable};
use chancery_ledger::Code;
use chancery_ledger::domains::nearest;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::verify::Verdict;
use chancery_projections::views::view;
use chancery_projections::{
    Ask, COLUMNS, Compared, Engine, VIEWS, View, ViewDigest, compare, digests, entries,
};
use serde::Serialize;
use serde_json::{Value, json};

/// Times that a comparison is tried again while somebody else folds.
const TRIES: usize = 8;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, clap::Args)]
struct PageArgs {
    /// The view; without it, the views are listed
    name: Option<String>,
    #[command(flatten)]
    at: Where,
    /// Only rows in this scope and below [default: all that may be seen]
    #[arg(long)]
    scope: Option<String>,
    /// Only rows about exactly this, such as `job j-1`
    #[arg(long)]
    about: Option<String>,
    /// Only rows in exactly this state
    #[arg(long)]
    state: Option<String>,
    /// At most so many rows
    #[arg(long, value_name = "N", value_parser = super::some)]
    limit: Option<usize>,
    /// The page that follows, as the one before says it
    #[arg(long, value_name = "T")]
    page_token: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show one row
    Show {
        #[command(flatten)]
        at: Where,
        /// The view
        name: String,
        /// Key of the row
        key: String,
    },
    /// Fold everything again elsewhere, and compare row by row
    Verify {
        #[command(flatten)]
        place: Place,
        /// The view [default: all]
        name: Option<String>,
    },
    /// Print a digest of the rows
    Digest {
        #[command(flatten)]
        place: Place,
        /// The view [default: all]
        name: Option<String>,
        /// Of the first so many entries
        #[arg(long, value_name = "ENTRIES")]
        at: Option<u64>,
    },
    /// Build views anew from the ledger
    Rebuild {
        #[command(flatten)]
        place: Place,
        /// The view [default: all]
        name: Option<String>,
    },
}

/// The view of this name.
fn named(name: &str) -> Result<&'static View, Diagnostic> {
    view(name).ok_or_else(|| {
        let known: Vec<&str> = VIEWS.iter().map(|view| view.name).collect();
        let error = Diagnostic::usage(format!("no view `{name}`"));
        match nearest(name, &known) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("`chancery view` lists them"),
        }
    })
}

/// The one that was named, or all.
fn chosen(name: Option<&String>) -> Result<Vec<&'static View>, Diagnostic> {
    name.map_or_else(|| Ok(VIEWS.to_vec()), |name| named(name).map(|view| vec![view]))
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    match &args.verb {
        None => match &args.page.name {
            None => Ok(list(out)),
            Some(name) => page(&args.page, named(name)?, out),
        },
        Some(Verb::Show { at, name, key }) => show(at, named(name)?, key, out),
        Some(Verb::Verify { place, name }) => verify(place, &chosen(name.as_ref())?, out),
        Some(Verb::Digest { place, name, at }) => digest(place, &chosen(name.as_ref())?, *at, out),
        Some(Verb::Rebuild { place, name }) => rebuild(place, name.as_ref(), out),
    }
}

fn list(out: &Output) -> u8 {
    #[derive(Serialize)]
    struct Listed {
        access: &'static str,
        name: &'static str,
        question: &'static str,
        states: &'static [&'static str],
        version: u32,
    }
    for view in VIEWS {
        let (access, name, question) = (view.access.action(), view.name, view.question);
        if out.json {
            out.json(&Listed { access, name, question, states: view.states, version: view.version });
        } else {
            out.data(&format!("{name:<22} {question}"));
        }
    }
    exit::YES
}

fn page(args: &PageArgs, view: &'static View, out: &Output) -> Outcome {
    let within = args.scope.as_deref().map_or_else(|| Ok(Scope::root()), Scope::parse);
    let within = within.map_err(|error| Diagnostic::usage(error.to_string()))?;
    if let Some(state) = args.state.as_deref().filter(|_| !view.states.is_empty())
        && !view.states.contains(&state)
    {
        let text = format!("no row of `{}` is ever `{state}`", view.name);
        return Err(Diagnostic::usage(text).hint(format!("one of {}", view.states.join(", "))));
    }
    let limit = args.limit.map(|limit| limit.to_string());
    let url = Url::new(&["views", view.name])
        .within(args.scope.as_deref())
        .with("about", args.about.as_deref())
        .with("state", args.state.as_deref())
        .with("limit", limit.as_deref())
        .with("page_token", args.page_token.as_deref());
    let answer = args.at.ask(url, out, |folded, now| {
        let ask = Ask {
            view,
            within: &within,
            about: args.about.as_deref(),
            state: args.state.as_deref(),
            token: args.page_token.as_deref(),
            limit: args.limit,
        };
        folded.page(&ask, now)
    })?;
    if out.json {
        out.json(&answer);
        return Ok(exit::YES);
    }
    table(answer["items"].as_array().map(Vec::as_slice).unwrap_or_default(), out);
    beside(&answer, out);
    Ok(exit::YES)
}

/// Columns as wide as what stands in them.
fn table(items: &[Value], out: &Output) {
    let cell = |item: &Value, name: &str| {
        let text = item.get(name).map(line).unwrap_or_default();
        printable(&text).replace('\n', "\\n")
    };
    let until =
        |item: &Value| item.get("changes_at").and_then(Value::as_i64).map(instant).unwrap_or_default();
    let mut heads: Vec<String> = COLUMNS.iter().map(|name| name.to_uppercase()).collect();
    heads.extend(["UNTIL", "TEXT"].map(str::to_owned));
    let row = |item: &Value| {
        let mut cells: Vec<String> = COLUMNS.iter().map(|name| cell(item, name)).collect();
        cells.extend([until(item), cell(item, "text")]);
        cells
    };
    let mut rows = vec![heads];
    rows.extend(items.iter().map(row));
    let mut widths = [0; COLUMNS.len() + 2];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        out.data(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

fn show(at: &Where, view: &'static View, key: &str, out: &Output) -> Outcome {
    let answer = at.ask(Url::new(&["views", view.name, key]), out, |folded, now| {
        let views = folded.views()?;
        let (as_of, item) = folded.show(now, |show| views.row(view, key, &Scope::root(), show))?;
        let Some(item) = item else {
            let text = format!("view `{}` has no row `{key}`", view.name);
            let error = Diagnostic::new(Code::NotFound, text);
            return Err(error.hint(format!("`chancery view {}` lists them", view.name)));
        };
        Ok(json!({ "as_of": value(&as_of)?, "item": item }))
    })?;
    if out.json {
        out.json(&answer);
        return Ok(exit::YES);
    }
    out.data(&printable(&serde_json::to_string_pretty(&answer["item"]).unwrap_or_default()));
    beside(&answer, out);
    Ok(exit::YES)
}

fn verify(place: &Place, chosen: &[&'static View], out: &Output) -> Outcome {
    let folded = fold(&place.paths(), out)?;
    let elsewhere = Elsewhere::new()?;
    let mut compared: Vec<Compared> = Vec::new();
    for tried in 1..=TRIES {
        let at = entries(&folded.path, VIEWS)?;
        if at == 0 {
            return Err(Diagnostic::new(Code::ViewBuilding, "the views have no entry yet"));
        }
        build_to(&elsewhere.file(), &folded.name, VIEWS, &folded.reader, at, out)?;
        match compare(&folded.path, &elsewhere.file(), chosen) {
            Ok(done) => {
                compared = done;
                break;
            }
            // Somebody else folded on in the meantime: what was built elsewhere follows.
            Err(error) if error.code == Code::ViewBuilding && tried < TRIES => {}
            Err(error) => return Err(error.into()),
        }
    }
    for one in &compared {
        if out.json {
            out.json(one);
            continue;
        }
        let word = if one.different == 0 { "equal".to_owned() } else { format!("{} differ", one.different) };
        out.data(&format!("{:<22} {} rows, {word}", one.view, one.rows));
        for (key, how) in &one.named {
            out.data(&format!("  {}: {how}", printable(key)));
        }
    }
    let whole = compared.iter().all(|one| one.different == 0);
    Ok(if whole { exit::YES } else { Verdict::Tampered.exit() })
}

fn digest(place: &Place, chosen: &[&'static View], at: Option<u64>, out: &Output) -> Outcome {
    let folded = fold(&place.paths(), out)?;
    let found: Vec<ViewDigest> = match at {
        None => digests(&folded.path, chosen)?,
        Some(at) if at == 0 || at > folded.head.size => {
            let text = format!("the newest head covers {} entries, not {at}", folded.head.size);
            return Err(Diagnostic::new(Code::RangeInvalid, text));
        }
        Some(at) => {
            let elsewhere = Elsewhere::new()?;
            build_to(&elsewhere.file(), &folded.name, VIEWS, &folded.reader, at, out)?;
            digests(&elsewhere.file(), chosen)?
        }
    };
    for one in &found {
        if out.json {
            out.json(one);
        } else {
            out.data(&format!(
                "{:<22} {}  {} rows, {} entries",
                one.view, one.digest, one.rows, one.as_of.entries
            ));
        }
    }
    Ok(exit::YES)
}

fn rebuild(place: &Place, name: Option<&String>, out: &Output) -> Outcome {
    let views = chosen(name)?;
    let paths = place.paths();
    let folded = fold(&paths, out)?;
    let mut engine = Engine::open(&paths.views(), &folded.name, VIEWS)?;
    match name {
        Some(_) => views.iter().try_for_each(|view| engine.rebuild(view.name))?,
        None => engine.rebuild_all()?,
    }
    catch_up(&mut engine, &folded.reader, &folded.head, out)?;
    #[derive(Serialize)]
    struct Built {
        entries: u64,
        views: Vec<&'static str>,
    }
    let built = Built { entries: engine.entries(), views: views.iter().map(|view| view.name).collect() };
    if out.json {
        out.json(&built);
    } else {
        out.data(&format!("built from {} entries: {}", built.entries, built.views.join(", ")));
    }
    Ok(exit::YES)
}
