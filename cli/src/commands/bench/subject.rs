//! Which ledger is measured? One made for the purpose: an operator that observes host keys, by token or signed.

use crate::client::{Ask, Who, must, read_key};
use crate::commands::init::{Plan, create};
use crate::commands::key::{generate, proof};
use crate::diagnostic::{Diagnostic, io};
use chancery_ledger::domains::ledger::{Form, Stage};
use chancery_ledger::format::encoding::{base64_unpadded, hex};
use chancery_ledger::format::ids::{IdempotencyKey, LogName, PrincipalId, Scope};
use chancery_ledger::format::json::Value;
use chancery_ledger::format::key::PrivateKey;
use chancery_ledger::gate::{Attest, Credential, Request, new_request};
use chancery_ledger::limits::Stopwatch;
use chancery_ledger::store::Paths;
use chancery_ledger::{Answer, Bounds, Clock, Code, Entropy, Error, Ledger, Options, Tracer, statement};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// Host keys that observations are spread over: the world stays as small as a real one.
pub(crate) const HOSTS: u64 = 1000;

/// A place for ledgers that are measured; they are gone afterwards.
#[derive(Debug)]
pub(crate) struct Bench {
    dir: PathBuf,
    form: Form,
    pub(crate) entries: u64,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A ledger that is measured, and who acts in it.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) ledger: Ledger,
    pub(crate) paths: Paths,
    token: String,
    operator: Author,
    pub(crate) founder: Who,
    pub(crate) scope: Scope,
    entropy: Entropy,
    signed: bool,
    next: u64,
}

/// Somebody who signs requests with a key of its own.
#[derive(Debug)]
pub(crate) struct Author {
    id: PrincipalId,
    key: PrivateKey,
    seq: u64,
}

fn id(text: &str) -> Result<PrincipalId, Diagnostic> {
    PrincipalId::parse(text).map_err(|error| Diagnostic::usage(error.to_string()))
}

/// Registers and activates an operator, and enrols a key for it.
fn enrol(
    ledger: &Ledger,
    paths: &Paths,
    founder: &Who,
    scope: &Scope,
    name: &str,
) -> Result<Author, Diagnostic> {
    let role = [("kind", "human"), ("role", "msp_operator")];
    must(ledger, founder, Ask::new("principal.register", scope, name, &role))?;
    must(ledger, founder, Ask::new("principal.activate", scope, name, &[]))?;
    let id = id(name)?;
    let key = generate(&id, &paths.keys.join(format!("{name}.key")))?;
    let (public, proof) = proof(ledger.origin(), &id, &key)?;
    let entity = key.public().id().entity();
    let members = [("principal", name), ("public", public.as_str()), ("proof", proof.as_str())];
    must(ledger, founder, Ask::new("key.enrol", scope, &entity, &members))?;
    Ok(Author { id, key, seq: 1 })
}

impl Bench {
    pub(crate) fn new(on: Option<PathBuf>, sign_entries: bool, entries: u64) -> Result<Self, Diagnostic> {
        let base = on.unwrap_or_else(std::env::temp_dir);
        let mut entropy = Entropy::default();
        let dir = base.join(format!("chancery-bench-{}", hex(&entropy.take::<6>()?)));
        std::fs::create_dir_all(&dir).map_err(|error| io("create", &dir, error))?;
        Ok(Self { dir, form: if sign_entries { Form::Entries } else { Form::Heads }, entries })
    }

    /// Where everything of this run lies.
    pub(crate) fn place(&self) -> &Path {
        &self.dir
    }

    /// Paths of a ledger by name.
    pub(crate) fn paths(&self, name: &str) -> Paths {
        Paths::of(&self.dir.join(name))
    }

    /// A new ledger; with `signed` every observation is signed by its author.
    pub(crate) fn subject(&self, name: &str, signed: bool) -> Result<Subject, Diagnostic> {
        let paths = self.paths(name);
        let plan = Plan {
            name: LogName::parse("bench.example").map_err(|e| Diagnostic::usage(e.to_string()))?,
            stage: Stage::Test,
            form: self.form,
            administrator: id("founder")?,
            max_silence_ms: None,
        };
        let ledger = create(&paths, &plan)?;
        let founder = read_key(&paths.keys.join("founder.key"))?;
        let (root, scope) = (Scope::root(), Scope::root().child("acme").unwrap_or_else(Scope::root));
        must(&ledger, &founder, Ask::new("scope.create", &root, "acme", &[]))?;
        let operator = enrol(&ledger, &paths, &founder, &scope, "otto")?;
        let mut issue = Ask::new("token.issue", &scope, "bench0000000", &[("principal", "otto")]);
        if let Value::Object(args) = &mut issue.args {
            args.insert("ttl_ms".to_owned(), Value::Int(7_776_000_000));
        }
        let token = must(&ledger, &founder, issue)?.secret.unwrap_or_default();
        // Form `entries` enforces signed requests for all.
        let signed = signed || self.form == Form::Entries;
        let entropy = Entropy::default();
        Ok(Subject { ledger, paths, token, operator, founder, scope, entropy, signed, next: 0 })
    }

    /// A ledger filled with `entries` observations, in batches of 1,024, and closed.
    pub(crate) fn filled(&self, name: &str, signed: bool) -> Result<Paths, Diagnostic> {
        let mut subject = self.subject(name, signed)?;
        subject.observe(self.entries, 1024)?;
        subject.ledger.snapshot_if_due(true)?;
        subject.ledger.close()?;
        Ok(subject.paths)
    }

    /// Opens a ledger again.
    pub(crate) fn open(paths: &Paths) -> Result<Ledger, Diagnostic> {
        let options = Options {
            paths: paths.clone(),
            clock: Clock::system(),
            trace: Tracer::default(),
            bounds: Bounds::default(),
        };
        Ok(Ledger::open(options, &mut |_, _| ())?)
    }
}

impl Subject {
    /// Somebody who can ask beside others: where every request is signed, running numbers are each author's own.
    pub(crate) fn caller(&self, number: u64) -> Result<Option<Author>, Diagnostic> {
        if !self.signed {
            return Ok(None);
        }
        let name = format!("caller-{number}");
        enrol(&self.ledger, &self.paths, &self.founder, &self.scope, &name).map(Some)
    }

    /// The operator's token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The next observation, ready to be submitted, by the author or else by the operator.
    pub(crate) fn request(&mut self, author: Option<&mut Author>) -> Result<Request, Diagnostic> {
        let host = format!("ssh-ed25519:host-{}.example:22", self.next % HOSTS);
        let mut digest = [9u8; 32];
        digest[..8].copy_from_slice(&(self.next % HOSTS).to_be_bytes());
        let members = [
            ("fingerprint".to_owned(), Value::Text(format!("SHA256:{}", base64_unpadded(&digest)))),
            ("source".to_owned(), Value::from("known_hosts")),
        ];
        self.next += 1;
        let key = IdempotencyKey::parse(&hex(&self.entropy.take::<16>()?))
            .map_err(|error| Error::new(Code::Internal, error.to_string()))?;
        let args = Value::Object(members.into_iter().collect());
        let salt = self.entropy.take()?;
        let mut request =
            new_request("host_key.observe", &self.scope, Some(&host), "bench.example", args, key, salt)?;
        if !self.signed {
            request.credential = Credential::Token(self.token.clone());
            return Ok(request);
        }
        let author = author.unwrap_or(&mut self.operator);
        let (log, key, seq) = (self.ledger.origin().to_string(), author.key.public().id(), author.seq);
        request.attestation = Some(Attest { log: log.clone(), key, seq, sig: [0; 64] });
        let text = statement(&request, &log, author.id.as_str(), seq).unwrap_or_default();
        request.attestation = Some(Attest { log, key, seq, sig: author.key.sign(&text) });
        author.seq += 1;
        Ok(request)
    }

    /// Submits `count` observations, `batch` at a time, and gives the time of each batch: from the first one
    /// handed over to the last one answered. Requests are made before the clock starts.
    pub(crate) fn observe(&mut self, count: u64, batch: u64) -> Result<Vec<Duration>, Diagnostic> {
        let mut times = Vec::new();
        let mut done = 0;
        while done < count {
            let n = batch.min(count - done);
            let requests = (0..n).map(|_| self.request(None)).collect::<Result<Vec<_>, _>>()?;
            let (send, receive) = mpsc::channel();
            let watch = Stopwatch::start();
            let replies = requests.into_iter().map(|request| {
                let send = send.clone();
                let reply: Box<dyn FnOnce(Answer) + Send> = Box::new(move |answer| {
                    let _ = send.send(answer);
                });
                (request, reply)
            });
            self.ledger.submit_all(replies.collect())?;
            for _ in 0..n {
                match receive.recv() {
                    Ok(Answer::Receipt(receipt)) if receipt.code.is_none() => {}
                    Ok(Answer::Receipt(receipt)) => {
                        return Err(Error::new(Code::Internal, format!("answered {:?}", receipt.code)).into());
                    }
                    Ok(Answer::Conflict(conflict)) => return Err(conflict.into()),
                    Ok(Answer::Failed(error)) => return Err(error.into()),
                    Err(error) => return Err(Error::new(Code::Stopped, error.to_string()).into()),
                }
            }
            times.push(watch.elapsed());
            done += n;
        }
        Ok(times)
    }
}
