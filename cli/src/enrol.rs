//! How does a machine come by its key? It makes one, and enrols it with its token: its first, and no other. SPEC 10.4.

use crate::client::{Ask, Who, read_key};
use crate::commands::{generate, proof};
use crate::diagnostic::{Diagnostic, io};
use crate::patience::Patience;
use crate::remote::Remote;
use chancery_ledger::Code;
use chancery_ledger::format::ids::{PrincipalId, Scope};
use serde::Deserialize;
use std::path::Path;

/// Who the token speaks for. SPEC 20.
#[derive(Deserialize)]
struct Me {
    principal: String,
    scope: String,
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    id: String,
}

fn me(remote: &Remote, patience: &Patience) -> Result<Me, Diagnostic> {
    if remote.token().is_none() {
        return Err(Diagnostic::new(
            Code::Unauthenticated,
            "a worker reads with a token, and none was given",
        )
        .hint("add `--token-file FILE`, or set CHANCERY_TOKEN"));
    }
    let text = patience.until_heard(|limit| remote.fetch("/v1/me", limit))?;
    let read = serde_json::from_str(&text);
    read.map_err(|_| Diagnostic::new(Code::Io, "the server's answer does not say whom the token speaks for"))
}

/// The key in a file: one that is enrolled, or one that now is.
pub(crate) fn key(remote: &Remote, patience: &Patience, path: &Path) -> Result<Who, Diagnostic> {
    let me = me(remote, patience)?;
    let new = !path.exists();
    if new {
        if !me.keys.is_empty() {
            let text = format!("there is no key file `{}`, and `{}` has a key", path.display(), me.principal);
            return Err(Diagnostic::new(Code::KeyFileMissing, text).hint(
                "name its file with `--key-file FILE`; a further key is enrolled by an administrator, with what \
                 `chancery key prove` prints",
            ));
        }
        let principal = PrincipalId::parse(&me.principal);
        generate(&principal.map_err(|error| Diagnostic::usage(error.to_string()))?, path)?;
    }
    let who = read_key(path)?;
    let Who::Key(principal, private) = &who else { return Ok(who) };
    if principal.as_str() != me.principal {
        let text =
            format!("`{}` is a key of `{principal}`, the token is `{}`'s", path.display(), me.principal);
        return Err(Diagnostic::usage(text).hint("name key and token of one principal"));
    }
    let id = private.public().id();
    if me.keys.iter().any(|key| key.id == id.to_string()) {
        return Ok(who);
    }
    let origin = patience.until_heard(|limit| remote.origin(limit))?;
    let (public, proof) = proof(origin, principal, private)?;
    let scope = Scope::parse(&me.scope).map_err(|error| Diagnostic::usage(error.to_string()))?;
    let arguments = [("principal", principal.as_str()), ("public", &public), ("proof", &proof)];
    let mut ask = Ask::new("key.enrol", &scope, &id.entity(), &arguments);
    ask.named()?;
    let token = Who::Token(remote.token().unwrap_or_default().to_owned());
    let said = patience.until_heard(|limit| remote.invoke(&token, ask.clone(), limit))?;
    match said.no() {
        None => Ok(who),
        Some(code) => {
            if new {
                // It never was anybody's key.
                std::fs::remove_file(path).map_err(|error| io("remove", path, error))?;
            }
            let why = said.message.unwrap_or_else(|| "the key was not enrolled".to_owned());
            Err(Diagnostic::new(code, why).hint(
                "a machine enrols its first key by itself; a further one is enrolled by an administrator",
            ))
        }
    }
}
