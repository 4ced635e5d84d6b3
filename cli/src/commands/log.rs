//! What happened? Entries in a row.

use super::Place;
use super::perform::scope;
use crate::diagnostic::{Diagnostic, Outcome};
use crate::exit;
use crate::output::{Output, instant};
use crate::record::{Far, Record};
use chancery_ledger::domains::{KINDS, nearest};
use chancery_ledger::format::entry;
use chancery_ledger::format::hash::Digest;
use chancery_ledger::{Code, Error};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    far: Far,
    /// First position
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// Position after the last
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Only entries of this kind, or of this domain
    #[arg(long)]
    kind: Option<String>,
    /// Only entries in this scope or within it
    #[arg(long)]
    scope: Option<String>,
    /// Only entries about this id
    #[arg(long)]
    id: Option<String>,
    /// At most so many, the newest that match [default: 50 unless a range is given]
    #[arg(long, value_name = "N", value_parser = super::some)]
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Line {
    actor: String,
    address: Digest,
    entity: String,
    kind: String,
    position: u64,
    scope: String,
    time: i64,
}

impl Args {
    /// What can match nothing is an error, not an empty answer.
    fn check(&self) -> Result<(), Diagnostic> {
        if let Some(text) = &self.scope {
            scope(text)?;
        }
        let Some(kind) = &self.kind else { return Ok(()) };
        let domain = |known: &&str| known.split('.').next() == Some(kind);
        if KINDS.iter().any(|known| known == kind || domain(known)) {
            return Ok(());
        }
        let domains = KINDS.iter().filter_map(|known| known.split('.').next());
        let known: Vec<&str> = KINDS.iter().copied().chain(domains).collect();
        let error = Diagnostic::usage(format!("`{kind}` is neither a kind of entry nor a domain"));
        Err(match nearest(kind, &known) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("SPEC 10 lists them: `chancery explain 10`"),
        })
    }

    fn wants(&self, line: &Line) -> bool {
        let kind = |kind: &String| line.kind == *kind || line.kind.split('.').next() == Some(kind);
        let scope = |scope: &String| {
            scope == "/" || line.scope == *scope || line.scope.starts_with(&format!("{scope}/"))
        };
        let id = |id: &String| line.entity.rsplit_once('/').is_some_and(|(_, found)| found == id);
        self.kind.as_ref().is_none_or(kind)
            && self.scope.as_ref().is_none_or(scope)
            && self.id.as_ref().is_none_or(id)
    }
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    args.check()?;
    let record = Record::open(&args.place, &args.far)?;
    let size = record.size();
    let (from, to) = (args.from.unwrap_or(0), args.to.unwrap_or(size).min(size));
    if from > to {
        return Err(Diagnostic::new(
            Code::RangeInvalid,
            format!("{from} to {to} is not a range of the {size} entries"),
        ));
    }
    let ranged = args.from.is_some() || args.to.is_some();
    let limit = args.limit.unwrap_or(if ranged { usize::MAX } else { 50 });
    let mut lines = std::collections::VecDeque::new();
    record.leaves(from..to, args.kind.as_deref(), |position, leaf| {
        let entry = entry::read(leaf).map_err(|error| Error::new(Code::LedgerDamaged, error.to_string()))?;
        let line = Line {
            actor: entry.actor.principal.to_owned(),
            address: entry::address(leaf),
            entity: format!("{}/{}", entry.entity.kind, entry.entity.id),
            kind: entry.kind.to_owned(),
            position,
            scope: entry.scope.to_owned(),
            time: entry.time,
        };
        if args.wants(&line) {
            lines.push_back(line);
            if lines.len() > limit {
                lines.pop_front();
            }
        }
        Ok(())
    })?;
    for line in &lines {
        if out.json {
            out.json(line);
            continue;
        }
        out.data(&format!(
            "{:>6}  {}  {:<22} {}  {}  by {}",
            line.position,
            instant(line.time),
            line.kind,
            line.scope,
            line.entity,
            line.actor
        ));
    }
    Ok(exit::YES)
}
