//! What is governed work whose record cannot be changed unseen? Played on this machine, with its own commands and host
//! keys, damage included.

mod begin;
mod cast;
mod damage;
mod disorder;
mod leak;
mod look;
mod record;
mod serve;
mod stop;
mod tell;
mod trust;
mod work;

use super::bench::glance;
use super::init::{Plan, create};
use crate::diagnostic::{Diagnostic, Outcome, io};
use crate::exit;
use crate::machine::host_keys;
use crate::measure::Figure;
use crate::output::Output;
use cast::{Cast, broken};
use chancery_ledger::domains::ledger::{Form, Stage};
use chancery_ledger::format::ids::{LogName, PrincipalId};
use chancery_ledger::limits::Stopwatch;
use chancery_ledger::store::Paths;
use chancery_ledger::{Code, Entropy};
use record::{Found, Shown};
use serde::Serialize;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use tell::Story;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory to make and to keep; it must be empty or absent [default: a temporary one, gone in the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// End after the story; without it, the ledger is served until Ctrl-C
    #[arg(long)]
    no_serve: bool,
    /// Where to serve it [default: 127.0.0.1:7878, or a free port where that is taken]
    #[arg(long, value_name = "ADDR", conflicts_with = "no_serve")]
    listen: Option<SocketAddr>,
}

/// The directory of the demo; one that nobody asked for is gone in the end.
struct Home {
    dir: PathBuf,
    kept: bool,
}

impl Home {
    fn new(asked: Option<&Path>) -> Result<Self, Diagnostic> {
        let temporary = || std::env::temp_dir().join(format!("chancery-demo-{}", std::process::id()));
        let dir = asked.map_or_else(temporary, Path::to_owned);
        let occupied = fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some());
        if occupied {
            let text = format!("`{}` is not empty", dir.display());
            return Err(Diagnostic::new(Code::DirectoryNotEmpty, text)
                .hint("name another: `chancery demo --dir DIR`"));
        }
        // Nobody else's directory is used, but for one that was named.
        let made = fs::DirBuilder::new().mode(0o700).recursive(asked.is_some()).create(&dir);
        made.map_err(|error| io("create", &dir, error))?;
        let dir = dir.canonicalize().map_err(|error| io("find", &dir, error))?;
        Ok(Self { dir, kept: asked.is_some() })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// The last line for machines.
#[derive(Serialize)]
struct Summary {
    dir: String,
    entries: u64,
    decisions: u64,
    views: usize,
    verdicts: Vec<Shown>,
    gate: Vec<Figure>,
    #[serde(rename = "try")]
    tries: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// Plays the story up to the record.
fn play(paths: &Paths, dir: &Path, story: &Story<'_>) -> Result<(), Diagnostic> {
    let plan = Plan {
        name: LogName::parse("demo.example").map_err(|error| broken(error.to_string()))?,
        stage: Stage::Test,
        form: Form::Heads,
        administrator: PrincipalId::parse("founder").map_err(|error| broken(error.to_string()))?,
        max_silence_ms: None,
    };
    let ledger = create(paths, &plan)?;
    let mut cast = Cast::new(&ledger, paths, dir, story)?;
    let found = host_keys(&Entropy::default().take()?);
    let key = found.keys.first().ok_or_else(|| broken("no host key was found or made"))?;
    let commands = begin::commands();
    let argv = commands.first().copied().ok_or_else(|| {
        Diagnostic::usage("none of `uname`, `uptime` and `df` is in /usr/bin, /bin, /usr/sbin or /sbin")
    })?;
    let leak = dir.join("left-lying");
    begin::bootstrap(&cast)?;
    begin::enrolment(&mut cast)?;
    begin::holds(&cast, &leak)?;
    trust::review(&cast, &found, key, argv)?;
    work::work(&cast, key)?;
    leak::leak(&cast, key, &leak)?;
    disorder::disorder(&cast, key)?;
    let changed = trust::changed(&cast, key, argv)?;
    stop::kill_switch(&cast, key)?;
    stop::before(&cast)?;
    stop::after(&cast, &changed)?;
    ledger.close()?;
    Ok(())
}

/// Chapter 14: what a decision costs here, before it is made durable.
fn latency(story: &Story<'_>) -> Result<Vec<Figure>, Diagnostic> {
    story.chapter(
        "The gate's latency on this machine",
        "What one decision costs before it is made durable; `chancery bench all` measures the rest.",
    );
    let figures = glance()?;
    for figure in &figures {
        let (p50, p99) = (figure.p50_ns.unwrap_or_default(), figure.p99_ns.unwrap_or_default());
        story.step(&[], &format!("{}: p50 {p50} ns, p99 {p99} ns ({})", figure.name, figure.conditions));
    }
    Ok(figures)
}

/// Says what can be tried: the end of the story, for people and for machines.
fn end(
    home: &Home,
    found: Found,
    gate: Vec<Figure>,
    commands: &[Vec<String>],
    url: Option<String>,
    out: &Output,
) {
    if out.json {
        let Found { entries, decisions, views, verdicts } = found;
        let tries = commands.iter().map(|command| command.join(" ")).collect();
        let dir = home.dir.display().to_string();
        out.json(&Summary { dir, entries, decisions, views, verdicts, gate, tries, url });
        return;
    }
    match &url {
        Some(url) => {
            out.data(&format!("\nThe ledger is served at {url}, until Ctrl-C. Three things to try:"))
        }
        None if home.kept => out.data("\nThree things to try:"),
        None => {
            out.data("\nNothing of it is left; `--dir DIR` keeps it, and without `--no-serve` it is served.")
        }
    }
    commands.iter().for_each(|command| out.data(&serve::lines(command)));
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let watch = Stopwatch::start();
    let home = Home::new(args.dir.as_deref())?;
    let (dir, paths) = (&home.dir, Paths::of(&home.dir.join("ledger")));
    let story = Story::new(out);
    play(&paths, dir, &story)?;
    let found = record::audit(&paths, dir, &story)?;
    let gate = latency(&story)?;
    out.say(&format!("\n{} entries, told in {} ms.", found.entries, watch.elapsed().as_millis()));
    if args.no_serve {
        let commands = if home.kept { serve::kept(dir, &paths.dir) } else { Vec::new() };
        end(&home, found, gate, &commands, None, out);
        return Ok(exit::YES);
    }
    let token = serve::token(&paths, dir, out)?;
    serve::serve(&paths, args.listen, out, |address| {
        let url = format!("http://{address}");
        let commands = serve::served(dir, &url, &token);
        end(&home, found, gate, &commands, Some(url), out);
    })?;
    Ok(exit::YES)
}
