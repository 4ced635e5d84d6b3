//! Where are entries read from? A ledger's directory, or a server of it; either way the same leaves.

use crate::commands::{Place, released};
use crate::diagnostic::Diagnostic;
use crate::remote::Remote;
use chancery_ledger::format::checkpoint::Note;
use chancery_ledger::format::encoding::{unbase64, unhex};
use chancery_ledger::format::tree::Hash;
use chancery_ledger::store::{Reader, read_secret};
use chancery_ledger::{Code, Error};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::ops::Range;
use std::path::PathBuf;

/// A server in place of a directory.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Far {
    /// Server of the ledger, `http://host:port`; asked in place of `--dir`
    #[arg(long, env = "CHANCERY_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// File that holds a token for the server; without it, `CHANCERY_TOKEN`
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
}

/// Entries, and the head that they stand under.
#[derive(Debug)]
pub(crate) enum Record {
    Here(Reader, Note),
    There(Remote, Note),
}

/// One entry with what signs it.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) leaf: Vec<u8>,
    pub(crate) path: Vec<Hash>,
    pub(crate) note: Note,
}

fn no_ledger(what: &str) -> Diagnostic {
    Diagnostic::new(Code::Io, format!("the server's answer is no {what}"))
}

impl Far {
    /// The server, when one was named.
    pub(crate) fn remote(&self) -> Result<Option<Remote>, Diagnostic> {
        let Some(url) = &self.url else { return Ok(None) };
        let token = match &self.token_file {
            Some(path) => Some(read_secret(path)?.trim().to_owned()),
            None => std::env::var("CHANCERY_TOKEN").ok(),
        };
        Remote::new(url, token).map(Some)
    }
}

impl Record {
    /// The entries of a directory, or of the server that was named.
    pub(crate) fn open(place: &Place, far: &Far) -> Result<Self, Diagnostic> {
        if let Some(remote) = far.remote()? {
            let note = remote.head()?;
            return Ok(Self::There(remote, note));
        }
        let (reader, note) = released(&place.paths())?;
        Ok(Self::Here(reader, note))
    }

    /// Number of entries.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Here(_, note) | Self::There(_, note) => note.checkpoint.size,
        }
    }

    /// Hands each leaf in `range` to `each`, in order; a server leaves out what its caller may not see, and may
    /// leave out what is not of `kind`.
    pub(crate) fn leaves(
        &self,
        range: Range<u64>,
        kind: Option<&str>,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Diagnostic> {
        #[derive(Deserialize)]
        struct Seen {
            entry: Box<RawValue>,
            position: u64,
        }
        #[derive(Deserialize)]
        struct Page {
            entries: Vec<Seen>,
            next: Option<String>,
        }
        let (remote, note) = match self {
            Self::Here(reader, _) => return Ok(reader.leaves(range, each)?),
            Self::There(remote, note) => (remote, note),
        };
        let epoch = note.checkpoint.origin.epoch();
        let mut after = range.start.checked_sub(1).map(|last| format!("{epoch}.{last}"));
        loop {
            let mut path = "/v1/entries?limit=1000".to_owned();
            if let Some(after) = &after {
                path.push_str(&format!("&after={after}"));
            }
            if let Some(kind) =
                kind.filter(|kind| kind.bytes().all(|b| b.is_ascii_lowercase() || b"_.".contains(&b)))
            {
                path.push_str(&format!("&kind={kind}"));
            }
            let page: Page =
                serde_json::from_str(&remote.get(&path)?).map_err(|_| no_ledger("page of entries"))?;
            for seen in page.entries.iter().filter(|seen| seen.position < range.end) {
                each(seen.position, seen.entry.get().as_bytes())?;
            }
            let reached = |next: &String| {
                let last = next.split('.').nth(1).and_then(|text| text.parse::<u64>().ok());
                last.is_some_and(|last| last + 1 < range.end)
            };
            match page.next.filter(reached) {
                Some(next) if after.as_ref() != Some(&next) => after = Some(next),
                _ => return Ok(()),
            }
        }
    }

    /// The entry at a position with what signs it; whether it does is the caller's to check.
    pub(crate) fn proven(&self, position: u64) -> Result<Proven, Diagnostic> {
        #[derive(Deserialize)]
        struct Shown {
            head: String,
            inclusion: Vec<String>,
            leaf: String,
        }
        match self {
            Self::Here(reader, note) => Ok(Proven {
                leaf: reader.leaf(position)?.unwrap_or_default(),
                path: reader.inclusion(position, note.checkpoint.size)?,
                note: note.clone(),
            }),
            Self::There(remote, _) => {
                let text = remote.get(&format!("/v1/entries/{position}"))?;
                let shown: Shown = serde_json::from_str(&text).map_err(|_| no_ledger("entry"))?;
                let path: Option<Vec<Hash>> = shown.inclusion.iter().map(|hash| unhex(hash)).collect();
                Ok(Proven {
                    leaf: unbase64(&shown.leaf).ok_or_else(|| no_ledger("leaf"))?,
                    path: path.ok_or_else(|| no_ledger("path"))?,
                    note: Note::parse(&shown.head).ok_or_else(|| no_ledger("signed head"))?,
                })
            }
        }
    }
}
