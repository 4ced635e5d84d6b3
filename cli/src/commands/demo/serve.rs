//! What can somebody try afterwards? A server on the demo's ledger, a token for it, and three commands to paste.

use crate::client::{Ask, must, read_key};
use crate::commands::open;
use crate::diagnostic::Diagnostic;
use crate::output::Output;
use chancery_api::{Config, LogTo, serve as serve_http};
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::ids::Scope;
use chancery_ledger::format::json::Value;
use chancery_ledger::store::{Paths, write_secret};
use chancery_ledger::{Code, Entropy, Error};
use std::io::IsTerminal as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// Columns of a line.
const WIDTH: usize = 100;

/// A text as a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// This program, as it was called.
fn program() -> String {
    let name = std::env::args_os().next().unwrap_or_else(|| "chancery".into());
    quoted(&name.to_string_lossy())
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// Three commands about the server that work when they are pasted.
pub(super) fn served(dir: &Path, url: &str, token: &Path) -> Vec<Vec<String>> {
    let word = str::to_owned;
    let bearer = format!("\"Authorization: Bearer $(cat {})\"", path(token));
    let queue = ["queue", "transcript_quarantine", "--url", url, "--token-file"].map(word);
    vec![
        [vec![program()], queue.to_vec(), vec![path(token)]].concat(),
        vec![word("curl"), word("-sSf"), format!("{url}/v1/me/attention"), word("-H"), bearer],
        verify(dir),
    ]
}

/// Three commands about the files that work when they are pasted.
pub(super) fn kept(dir: &Path, ledger: &Path) -> Vec<Vec<String>> {
    let here = |verb: &str, more: &[&str]| {
        let more = more.iter().map(|word| (*word).to_owned());
        [program(), verb.to_owned()]
            .into_iter()
            .chain(more)
            .chain(["--dir".to_owned(), path(ledger)])
            .collect()
    };
    vec![here("queue", &["transcript_quarantine"]), here("log", &["--kind", "transcript"]), verify(dir)]
}

fn verify(dir: &Path) -> Vec<String> {
    let export = dir.join("record.chancery");
    let (pin, word) = (dir.join("ledger.pin"), str::to_owned);
    vec![program(), word("verify"), path(&export), word("--pin"), path(&pin), word("--explain")]
}

/// A command in lines of a hundred columns that a shell takes as one.
pub(super) fn lines(command: &[String]) -> String {
    let (mut text, mut length) = (String::from("  "), 2);
    for (number, word) in command.iter().enumerate() {
        if number > 0 && length + word.len() + 3 > WIDTH {
            text.push_str(" \\\n    ");
            length = 4;
        } else if number > 0 {
            text.push(' ');
            length += 1;
        }
        text.push_str(word);
        length += word.len();
    }
    text
}

/// A token for otto, in a file that nobody else may read.
pub(super) fn token(paths: &Paths, dir: &Path, out: &Output) -> Result<PathBuf, Diagnostic> {
    let ledger = open(paths.clone(), out)?;
    let founder = read_key(&paths.keys.join("founder.key"))?;
    let acme = Scope::root().child("acme").unwrap_or_else(Scope::root);
    let arguments = vec![("principal", Value::from("otto")), ("ttl_ms", Value::Int(super::begin::DAY))];
    let id = hex(&Entropy::default().take::<6>()?);
    let receipt = must(&ledger, &founder, Ask::with("token.issue", &acme, &id, arguments))?;
    ledger.close()?;
    let secret = receipt.secret.ok_or_else(|| Error::new(Code::Internal, "the new token has no text"))?;
    let file = dir.join("otto.token");
    write_secret(&file, &secret)?;
    Ok(file)
}

/// Where to listen: where it was said, else at the default, else anywhere.
fn listen(said: Option<SocketAddr>, out: &Output) -> SocketAddr {
    let usual = Config::default().listen;
    match said {
        Some(said) => said,
        None if TcpListener::bind(usual).is_ok() => usual,
        None => {
            out.talk(&format!("{usual} is taken, so a free port is used; `--listen ADDR` names one"));
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
        }
    }
}

/// Serves the ledger until a signal comes; `ready` is told where.
pub(super) fn serve(
    paths: &Paths,
    said: Option<SocketAddr>,
    out: &Output,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Diagnostic> {
    let config = Config { listen: listen(said, out), access_log: LogTo::Off, ..Config::default() };
    if !std::io::stdout().is_terminal() {
        out.talk("the demo serves its ledger until it is told to stop; `--no-serve` ends it after the story");
    }
    let ledger = open(paths.clone(), out)?;
    serve_http(ledger, &config, |bound| ready(bound.listen))?;
    Ok(())
}
