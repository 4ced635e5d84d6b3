//! What is a record that cannot be changed unseen? Shown on this machine's own host keys, damage included.

mod damage;
mod work;

use super::export::to_file;
use super::init::{Plan, create, verifier};
use super::key::{generate, proof};
use super::verify::{file as verify_file, read_pin};
use crate::client::{Ask, Who, ask, must, read_key};
use crate::diagnostic::{Diagnostic, Outcome, io};
use crate::exit;
use crate::machine::{generated, host_keys};
use crate::output::{Output, printable};
use chancery_ledger::domains::ledger::{Form, Stage};
use chancery_ledger::export::Selection;
use chancery_ledger::format::ids::{LogName, PrincipalId, Scope};
use chancery_ledger::store::{Paths, write_new};
use chancery_ledger::verify::{How, Pin, Trust, Verdict};
use chancery_ledger::{Code, Entropy, Error, Ledger, Receipt};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory to make; it must be empty or absent
    #[arg(long, default_value = "chancery-demo", value_name = "DIR")]
    dir: PathBuf,
}

/// One file and what an auditor is told about it.
#[derive(Debug, Serialize)]
struct Shown {
    file: String,
    what: &'static str,
    verdict: &'static str,
    exit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
}

struct Cast<'a> {
    ledger: &'a Ledger,
    keys: &'a Path,
    out: &'a Output,
    founder: Who,
}

fn id(text: &str) -> Result<PrincipalId, Diagnostic> {
    PrincipalId::parse(text).map_err(|error| Diagnostic::usage(error.to_string()))
}

impl Cast<'_> {
    fn tell(&self, receipt: &Receipt, text: &str) {
        self.told(receipt.entries.iter().map(|entry| entry.position), text);
    }

    fn told(&self, positions: impl Iterator<Item = u64>, text: &str) {
        let at: Vec<String> = positions.map(|position| position.to_string()).collect();
        self.out.say(&format!("  entry {:<6} {}", at.join(", "), printable(text)));
    }

    /// Registers a principal, has another activate it, and gives it a key of its own.
    fn enrol(
        &self,
        activator: &Who,
        name: &str,
        scope: &Scope,
        kind: &str,
        role: &str,
    ) -> Result<Who, Diagnostic> {
        let arguments = [("kind", kind), ("role", role)];
        let receipt =
            must(self.ledger, &self.founder, Ask::new("principal.register", scope, name, &arguments))?;
        self.tell(&receipt, &format!("founder registers {name} as {role} in {scope}"));
        let receipt = must(self.ledger, activator, Ask::new("principal.activate", scope, name, &[]))?;
        let by = if matches!(activator, Who::Key(who, _) if who.as_str() == "founder") {
            "founder"
        } else {
            "ada"
        };
        self.tell(&receipt, &format!("{by} activates {name}"));
        let principal = id(name)?;
        let path = self.keys.join(format!("{name}.key"));
        let key = generate(&principal, &path)?;
        let (public, proof) = proof(self.ledger.origin(), &principal, &key)?;
        let entity = key.public().id().entity();
        let arguments = [("principal", name), ("public", public.as_str()), ("proof", proof.as_str())];
        let receipt = must(self.ledger, &self.founder, Ask::new("key.enrol", scope, &entity, &arguments))?;
        self.tell(&receipt, &format!("{name}'s own key is enrolled, with proof that {name} has it"));
        read_key(&path)
    }
}

/// Plays the story of the record: people, observations, a review, a change.
fn record(paths: &Paths, out: &Output) -> Result<(), Diagnostic> {
    let plan = Plan {
        name: LogName::parse("demo.example").map_err(|e| Diagnostic::usage(e.to_string()))?,
        stage: Stage::Test,
        form: Form::Heads,
        administrator: id("founder")?,
        max_silence_ms: None,
    };
    out.say("1. A ledger, its keys, its anchor, and a pin for the auditor");
    let ledger = create(paths, &plan)?;
    out.say(&format!("  entry 0      the ledger opens; its log key is\n  {}", verifier(paths)?));
    let founder = read_key(&paths.keys.join("founder.key"))?;
    let cast = Cast { ledger: &ledger, keys: &paths.keys, out, founder };
    let (root, acme) = (Scope::root(), Scope::root().child("acme").unwrap_or_else(Scope::root));

    out.say("\n2. People and an agent, each with a key of its own; nobody activates whom they registered");
    let ada = cast.enrol(&cast.founder, "ada", &root, "human", "platform_admin")?;
    let receipt = must(&ledger, &cast.founder, Ask::new("scope.create", &root, "acme", &[]))?;
    cast.tell(&receipt, "founder creates the scope /acme");
    let otto = cast.enrol(&ada, "otto", &acme, "human", "msp_operator")?;
    let scout = cast.enrol(&ada, "scout", &acme, "agent", "agent")?;

    let mut entropy = Entropy::default();
    let found = host_keys(&entropy.take()?);
    out.say(&format!("\n3. The agent reports this machine's SSH host keys, from {}", found.place));
    for key in &found.keys {
        let arguments = [("fingerprint", key.fingerprint.as_str()), ("source", found.source)];
        let receipt = must(&ledger, &scout, Ask::new("host_key.observe", &acme, &key.id, &arguments))?;
        cast.tell(&receipt, &format!("{} {}", key.id, key.fingerprint));
    }
    let Some(first) = found.keys.first() else { return Ok(()) };

    out.say("\n4. Seeing is not trusting: a person who did not report the key reviews it");
    let fingerprint = [("fingerprint", first.fingerprint.as_str())];
    let denied = ask(&ledger, &scout, Ask::new("host_key.verify", &acme, &first.id, &fingerprint))?;
    let code = denied.code.map_or("", Code::as_str);
    cast.tell(&denied, &format!("scout asks to verify its own report: denied, {code}"));
    let receipt = must(&ledger, &otto, Ask::new("host_key.verify", &acme, &first.id, &fingerprint))?;
    cast.tell(&receipt, &format!("otto verifies exactly {}", first.fingerprint));

    out.say("\n5. The host shows another key (made up for this demo): its trust is gone at once");
    let changed = generated(&entropy.take()?);
    let arguments = [
        ("fingerprint", changed.fingerprint.as_str()),
        ("source", "generated"),
        ("comment", "generated by the demo, to show a change"),
    ];
    let receipt = must(&ledger, &scout, Ask::new("host_key.observe", &acme, &first.id, &arguments))?;
    cast.tell(&receipt, &format!("scout observes {}: changed", changed.fingerprint));
    let refused = ask(&ledger, &otto, Ask::new("host_key.verify", &acme, &first.id, &fingerprint))?;
    let code = refused.code.map_or("", Code::as_str);
    cast.tell(&refused, &format!("otto still names the old one: refused, {code}"));
    work::work(&cast, &ada, &otto, &acme)?;
    ledger.close()?;
    Ok(())
}

fn shown(
    path: &Path,
    what: &'static str,
    trust: &Trust,
    out: &Output,
) -> Result<(Shown, Option<Pin>), Diagnostic> {
    let report = verify_file(path, trust, How::default(), out)?;
    let span = report.finding.as_ref().and_then(|finding| finding.span);
    let shown = Shown {
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        what,
        verdict: report.verdict.as_str(),
        exit: report.verdict.exit(),
        code: report.finding.as_ref().map(|finding| finding.code.as_str()),
        first: span.map(|span| span.0),
        last: span.map(|span| span.1),
    };
    let place = match span {
        None => String::new(),
        Some((first, last)) if first == last => format!("at {first}"),
        Some((first, last)) => format!("{first} to {last}"),
    };
    out.say(&format!("  {:<25} {:<10} {place:<8} {what}", shown.file, shown.verdict));
    Ok((shown, report.pin))
}

pub(crate) fn run(args: &Args, out: &Output) -> Outcome {
    let occupied = fs::read_dir(&args.dir).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        let text = format!("`{}` is not empty", args.dir.display());
        return Err(
            Diagnostic::new(Code::DirectoryNotEmpty, text).hint("name another: `chancery demo --dir DIR`")
        );
    }
    fs::create_dir_all(&args.dir).map_err(|error| io("create", &args.dir, error))?;
    let paths = Paths::of(&args.dir.join("ledger"));
    record(&paths, out)?;

    let export = args.dir.join("record.chancery");
    let pin_path = paths.pin();
    let exported = to_file(&paths, &Selection { from: 0, to: None, parts: false }, &export, out)?;
    out.say(&format!("\n8. The auditor gets {} and brings the pin from the first day", export.display()));
    let pin = read_pin(&pin_path)?;
    let trust = |pin: Pin| Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin) };
    let (good, advanced) = shown(&export, "as it was exported", &trust(pin.clone()), out)?;
    let advanced = advanced.unwrap_or(pin);
    write_new(&pin_path, advanced.to_text()?.as_bytes())?;
    let mut verdicts = vec![good];

    out.say("\n9. Five copies are damaged; the pin now knows the newest head");
    for (path, what) in damage::damage(&args.dir, &export, &paths)? {
        verdicts.push(shown(&path, what, &trust(advanced.clone()), out)?.0);
    }
    let right = verdicts
        .iter()
        .enumerate()
        .all(|(at, shown)| (shown.verdict == Verdict::Authentic.as_str()) == (at == 0));
    #[derive(Serialize)]
    struct Json {
        dir: String,
        entries: u64,
        verdicts: Vec<Shown>,
    }
    let dir = args.dir.display().to_string();
    if out.json {
        out.json(&Json { dir, entries: exported.entries, verdicts });
    } else {
        out.data(&format!(
            "\nThree things to try:\n  chancery log --dir {dir}/ledger\n  chancery show --dir {dir}/ledger --private 9\n  \
             chancery verify {dir}/damaged-2-edit.chancery --pin {dir}/ledger.pin --explain"
        ));
    }
    if !right {
        return Err(Error::new(Code::Internal, "a verdict is not what it must be").into());
    }
    Ok(exit::YES)
}
