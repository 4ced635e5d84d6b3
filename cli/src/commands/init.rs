//! How does a ledger begin?

use super::Place;
use super::open::options;
use crate::client::{Ask, must, read_key};
use crate::diagnostic::{Diagnostic, Outcome};
use crate::exit;
use crate::output::Output;
use chancery_ledger::domains::ledger::{Attest, Form, Level, Stage};
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::ids::{LogName, PrincipalId, Scope};
use chancery_ledger::format::json::Value;
use chancery_ledger::format::key::{LogVerifier, PrivateKey, parse_log_key_file};
use chancery_ledger::store::{Anchor, Paths, read_secret, write_new};
use chancery_ledger::verify::Pin;
use chancery_ledger::{Code, Entropy, Error, Genesis, Ledger};
use serde::Serialize;
use std::os::unix::fs::MetadataExt as _;
use zeroize::Zeroizing;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// Name of the ledger: lower-case letters, digits, dots and hyphens; it is in every entry for ever
    #[arg(long)]
    name: String,
    /// Stage: `test` honours test switches; `production` does not exist
    #[arg(long, default_value = "staging", value_parser = ["test", "staging"])]
    stage: String,
    /// Id of the first administrator
    #[arg(long, default_value = "founder", value_name = "ID")]
    administrator: String,
    /// Where signatures stand: over each commit's head, or in every entry as well
    #[arg(long, default_value = "heads", value_parser = ["heads", "entries"])]
    sign: String,
    /// Issue no token: the administrator's key file is enough
    #[arg(long)]
    no_token: bool,
    /// Longest time without an entry that you promise, in milliseconds
    #[arg(long, value_name = "MS")]
    max_silence_ms: Option<u64>,
}

/// How long the first token lives, in milliseconds: a day.
const BOOTSTRAP_MS: i64 = 86_400_000;

/// What a new ledger is made from.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) name: LogName,
    pub(crate) stage: Stage,
    pub(crate) form: Form,
    pub(crate) administrator: PrincipalId,
    pub(crate) max_silence_ms: Option<i64>,
}

/// Creates a ledger, the first administrator's key beside it, and a pin for the auditor.
pub(crate) fn create(paths: &Paths, plan: &Plan) -> Result<Ledger, Diagnostic> {
    let mut entropy = Entropy::default();
    let private = PrivateKey::from_seed(&Zeroizing::new(entropy.take::<32>()?));
    let level = if plan.form == Form::Entries { Level::Enforce } else { Level::Observe };
    let genesis = Genesis {
        name: plan.name.clone(),
        stage: plan.stage,
        form: plan.form,
        attest: Attest { agent: Level::Enforce, human: level, service: level, worker: level },
        max_silence_ms: plan.max_silence_ms,
        administrator: (plan.administrator.clone(), private.public()),
        administrator_key: Some(private),
    };
    let ledger = Ledger::create(options(paths.clone()), &genesis)?;
    let pinned = pin(paths)
        .and_then(|pin| Ok(pin.to_text()?))
        .and_then(|pin| Ok(write_new(&paths.pin(), pin.as_bytes())?));
    match pinned {
        Ok(()) => Ok(ledger),
        Err(error) => {
            ledger.discard(&plan.administrator);
            Err(error)
        }
    }
}

/// The log's verifier key, from its key file.
pub(crate) fn verifier(paths: &Paths) -> Result<LogVerifier, Diagnostic> {
    let path = paths.log_key();
    let text = read_secret(&path)?;
    let (origin, key) = parse_log_key_file(&text).ok_or_else(|| {
        Error::new(Code::KeyFileInvalid, format!("`{}` is no log key file", path.display()))
    })?;
    Ok(LogVerifier { origin, key: key.public() })
}

/// A pin to the head that the anchor holds now.
fn pin(paths: &Paths) -> Result<Pin, Diagnostic> {
    let note = Anchor::read(&paths.anchor)?;
    let note = note.ok_or_else(|| Error::new(Code::AnchorMissing, "the new ledger has no anchor"))?;
    Ok(Pin::of_note(verifier(paths)?, &note))
}

/// A token for the first administrator: for one use, within a day.
fn bootstrap(ledger: &Ledger, paths: &Paths, administrator: &PrincipalId) -> Result<String, Diagnostic> {
    let founder = read_key(&paths.key_of(administrator))?;
    let id: String = hex(&Entropy::default().take::<6>()?);
    let arguments = vec![
        ("once", Value::Bool(true)),
        ("principal", Value::from(administrator.as_str())),
        ("ttl_ms", Value::Int(BOOTSTRAP_MS)),
    ];
    let receipt = must(ledger, &founder, Ask::with("token.issue", &Scope::root(), &id, arguments))?;
    receipt.secret.ok_or_else(|| Error::new(Code::Internal, "the new token has no text").into())
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let paths = args.place.paths();
    let max_silence_ms = args.max_silence_ms.map(i64::try_from).transpose();
    let plan = Plan {
        name: LogName::parse(&args.name).map_err(|e| Diagnostic::usage(e.to_string()))?,
        stage: if args.stage == "test" { Stage::Test } else { Stage::Staging },
        form: if args.sign == "entries" { Form::Entries } else { Form::Heads },
        administrator: PrincipalId::parse(&args.administrator)
            .map_err(|e| Diagnostic::usage(e.to_string()))?,
        max_silence_ms: max_silence_ms.map_err(|e| Diagnostic::usage(format!("`--max-silence-ms`: {e}")))?,
    };
    let ledger = create(&paths, &plan)?;
    let open = |dir: &std::path::Path| dir.metadata().is_ok_and(|found| found.mode() & 0o077 != 0);
    for dir in [&paths.dir, &paths.keys].into_iter().filter(|dir| open(dir)) {
        out.talk(&format!(
            "warning: `{0}` was there before, and others may look into it: `chmod 700 {0}` if they must not",
            dir.display()
        ));
    }
    let origin = ledger.origin().clone();
    let token = match (!args.no_token).then(|| bootstrap(&ledger, &paths, &plan.administrator)).transpose() {
        Ok(token) => token,
        Err(error) => {
            let _ = std::fs::remove_file(paths.pin());
            ledger.discard(&plan.administrator);
            return Err(error);
        }
    };
    ledger.close()?;
    #[derive(Serialize)]
    struct Created {
        anchor: String,
        dir: String,
        keys: String,
        origin: String,
        pin: String,
        stage: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        vkey: String,
    }
    let created = Created {
        anchor: paths.anchor.display().to_string(),
        dir: paths.dir.display().to_string(),
        keys: paths.keys.display().to_string(),
        origin: origin.to_string(),
        pin: paths.pin().display().to_string(),
        stage: plan.stage.as_str(),
        token,
        vkey: verifier(&paths)?.to_string(),
    };
    if out.json {
        out.json(&created);
        return Ok(exit::YES);
    }
    out.data(&format!("created   {} (stage {})", created.origin, created.stage));
    out.data(&format!("ledger    {}", created.dir));
    out.data(&format!("keys      {}  back them up apart from the ledger", created.keys));
    out.data(&format!("anchor    {}  never restore it from a backup", created.anchor));
    out.data(&format!("pin       {}  give it to your auditor", created.pin));
    out.data(&format!("log key   {}", created.vkey));
    if let Some(token) = &created.token {
        out.data(&format!("token     {token}  for one request within a day; it is not shown again"));
    }
    Ok(exit::YES)
}
