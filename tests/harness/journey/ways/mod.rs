//! Which ways is a journey walked? Each step is taken in this process, by the command line, or over HTTP.
//!
//! | step | core | cli | http |
//! |---|---|---|---|
//! | `do`, `preview` | `Ledger::submit`, `Ledger::preview` | the binary, `--dir` | a request of SPEC 20, its status with it |
//! | `see`, `told` | the views and questions of `chancery-projections` | `view`, `queue`, `transcript`, `log` | the routes |
//! | `sweep` | `Ledger::sweep` | the binary | the server sweeps by itself: until it did |
//! | `log` | `Reader::leaves` | the binary | the binary, `--url` |
//! | `worker run` | the binary, `--dir` | the binary, `--dir` | the binary, `--url` |
//! | keys of those who enrol | made here | `key generate`, `key prove` | made here |
//! | `http` | not taken | not taken | a request as it stands |
//!
//! What is a client's own work has no library to call: `worker run`, `lease resolve` and `drill run` resolve credentials
//! and run commands, `import` reads a file of hosts, `init`, `serve` and `provider check` are about the command itself.
//! But for the worker they are, in every way, the binary on the directory, which nobody else has open meanwhile.

mod cli;
mod core;
mod http;

use super::checks::Said;
use super::parse::{Asked, Thing};
use super::{Journey, NAME, ORIGIN};
use chancery_ledger::domains::Invalid;
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::ids::IdempotencyKey;
use chancery_ledger::format::key::{PrivateKey, parse_author_key_file};
use chancery_ledger::gate::{Attest, Credential, Request, new_request};
use chancery_ledger::store::read_secret;
use chancery_ledger::{Entropy, statement};
use serde_json::Value;

/// How a journey is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Core,
    Cli,
    Http,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::Core, Self::Cli, Self::Http];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Cli => "cli",
            Self::Http => "http",
        }
    }
}

impl Journey {
    /// Asks as somebody, in the way that is walked.
    pub(super) fn act(&mut self, who: &str, words: &[&str], expected: &[&str]) -> Said {
        match (self.way, words[0]) {
            (Way::Core, "do" | "preview") => self.asked_here(who, &Asked::of(words)),
            (Way::Core, "sweep") => self.swept_here(),
            (Way::Core, "log") => self.logged_here(words),
            (Way::Http, "do" | "preview") => self.asked_over_http(who, &Asked::of(words)),
            (Way::Http, "sweep") => self.swept_by_the_server(expected),
            (Way::Http, "log") => self.logged_from_afar(words),
            (Way::Http, "worker") if words[1] == "run" => self.worked_from_afar(who, words),
            _ => self.client(who, words),
        }
    }

    /// What somebody sees of a thing; `None` when this way has no word for it.
    pub(super) fn look(&mut self, who: &str, path: &str) -> Option<Value> {
        match self.way {
            Way::Core => Some(self.looked_here(who, &Thing::of(path))),
            Way::Cli => self.looked_by_command(&Thing::of(path)),
            Way::Http => Some(self.looked_over_http(who, path)),
        }
    }

    /// Number of entries under the newest head.
    pub(super) fn size(&mut self) -> u64 {
        match self.way {
            Way::Core => self.ledger().released().head().checkpoint.size,
            Way::Cli => self.printed_by(&["checkpoint"])["size"].as_u64().expect("a size"),
            Way::Http => self.size_over_http(),
        }
    }

    /// The entry at a position.
    pub(super) fn entry(&mut self, position: u64) -> Value {
        if let Some(entry) = self.entries.get(&position) {
            return entry.clone();
        }
        let entry = match self.way {
            Way::Core => {
                let leaf = self.ledger().reader().expect("a reader").leaf(position).expect("a leaf");
                serde_json::from_slice(&leaf.expect("an entry")).expect("JSON")
            }
            Way::Cli => self.printed_by(&["show", &position.to_string()])["entry"].clone(),
            Way::Http => self.get_as("founder", &format!("/v1/entries/{position}")).json()["entry"].clone(),
        };
        self.entries.insert(position, entry.clone());
        entry
    }

    /// The key of somebody, and the name in its file.
    fn private(&mut self, who: &str) -> (String, PrivateKey) {
        let file = self.key(who);
        let known = self.keys.entry(who.to_owned()).or_insert_with(|| {
            let text = read_secret(std::path::Path::new(&file)).expect("a key file");
            let (principal, key) = parse_author_key_file(&text).expect("an author's key");
            (principal.to_string(), key)
        });
        known.clone()
    }

    /// The request that somebody puts together, signed under this number, or what is wrong with it.
    fn request(
        &mut self,
        who: &str,
        asked: &Asked,
        key: &IdempotencyKey,
        seq: u64,
    ) -> Result<Request, Invalid> {
        let salt = Entropy::default().take().expect("entropy");
        let at = crate::harness::story::scope(&asked.scope);
        let (id, args) = (asked.id.as_deref(), asked.args.clone());
        let mut request = new_request(&asked.action, &at, id, NAME, args, key.clone(), salt)?;
        if let Some(file) = &asked.token_file {
            let token = read_secret(&self.site.path(file)).expect("a token");
            request.credential = Credential::Token(token.trim().to_owned());
        } else if who != "-" {
            let (principal, private) = self.private(who);
            let log = ORIGIN.to_owned();
            let attest = Attest { log: log.clone(), key: private.public().id(), seq, sig: [0; 64] };
            request.attestation = Some(attest.clone());
            let text = statement(&request, &log, &principal, seq).expect("a statement");
            request.attestation = Some(Attest { sig: private.sign(&text), ..attest });
        }
        Ok(request)
    }
}

/// The key under which a request may be repeated.
fn key_of(asked: &Asked) -> IdempotencyKey {
    let drawn = || hex(&Entropy::default().take::<16>().expect("entropy"));
    IdempotencyKey::parse(&asked.key.clone().unwrap_or_else(drawn)).expect("a key")
}
