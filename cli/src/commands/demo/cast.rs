//! Who takes part in the story? People, an agent and workers with keys of their own, and how each of them asks.

use super::tell::{Story, positions};
use crate::client::{Ask, Who, ask, must, read_key};
use crate::commands::key::{generate, proof};
use crate::diagnostic::Diagnostic;
use chancery_ledger::format::entry;
use chancery_ledger::format::ids::{PrincipalId, Scope};
use chancery_ledger::format::json::Value;
use chancery_ledger::store::Paths;
use chancery_ledger::{Code, Error, Ledger, Receipt};
use std::collections::BTreeMap;
use std::path::Path;

/// Everybody, and where they are.
pub(super) struct Cast<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) paths: &'a Paths,
    /// Where the demo may put files of its own.
    pub(super) dir: &'a Path,
    pub(super) story: &'a Story<'a>,
    pub(super) acme: Scope,
    who: BTreeMap<String, Who>,
}

/// An entry as the store has it.
pub(super) struct Seen {
    pub(super) position: u64,
    pub(super) kind: String,
    pub(super) data: serde_json::Value,
}

/// Text as an argument.
pub(super) fn text(text: &str) -> Value {
    Value::from(text)
}

/// A list of texts as an argument.
pub(super) fn list(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|text| Value::from(*text)).collect())
}

/// Something of the demo is not as it must be.
pub(super) fn broken(text: impl Into<String>) -> Diagnostic {
    Error::new(Code::Internal, text).into()
}

impl<'a> Cast<'a> {
    pub(super) fn new(
        ledger: &'a Ledger,
        paths: &'a Paths,
        dir: &'a Path,
        story: &'a Story<'a>,
    ) -> Result<Self, Diagnostic> {
        let founder = read_key(&paths.keys.join("founder.key"))?;
        let acme = Scope::root().child("acme").ok_or_else(|| broken("`acme` is no scope"))?;
        Ok(Self { ledger, paths, dir, story, acme, who: [("founder".to_owned(), founder)].into() })
    }

    pub(super) fn who(&self, name: &str) -> Result<&Who, Diagnostic> {
        self.who.get(name).ok_or_else(|| broken(format!("nobody is called `{name}`")))
    }

    /// A request in `/acme`.
    pub(super) fn here(&self, action: &str, id: &str, arguments: Vec<(&str, Value)>) -> Ask {
        Ask::with(action, &self.acme, id, arguments)
    }

    /// Asks, whatever the answer.
    pub(super) fn ask(&self, by: &str, request: Ask) -> Result<Receipt, Diagnostic> {
        ask(self.ledger, self.who(by)?, request)
    }

    /// Asks for what must happen, and does not tell it.
    pub(super) fn must(&self, by: &str, request: Ask) -> Result<Receipt, Diagnostic> {
        must(self.ledger, self.who(by)?, request)
    }

    /// Asks for what must happen, and tells it.
    pub(super) fn does(&self, by: &str, request: Ask, said: &str) -> Result<Receipt, Diagnostic> {
        let receipt = self.must(by, request)?;
        self.story.answer(&receipt, said);
        Ok(receipt)
    }

    /// Asks for what must not happen, for this reason, and tells it.
    pub(super) fn fails(
        &self,
        by: &str,
        request: Ask,
        code: Code,
        said: &str,
    ) -> Result<Receipt, Diagnostic> {
        let action = request.action.clone();
        let receipt = self.ask(by, request)?;
        if receipt.code != Some(code) {
            let found = receipt.code.map_or("yes", Code::as_str);
            return Err(broken(format!("`{action}` was answered `{found}`, not `{}`", code.as_str())));
        }
        self.story.answer(&receipt, said);
        Ok(receipt)
    }

    /// Founder asks for what a second principal confirms, ada confirms it, founder asks again. Returns all entries.
    pub(super) fn confirmed(&self, request: &Ask) -> Result<Vec<u64>, Diagnostic> {
        let held = self.ask("founder", request.clone())?;
        let hold = held.hold.clone().ok_or_else(|| broken(format!("`{}` was not held", request.action)))?;
        let approved = self.must("ada", Ask::new("hold.approve", &request.scope, &hold, &[]))?;
        let done = self.must("founder", request.clone())?;
        Ok([held, approved, done].iter().flat_map(positions).collect())
    }

    /// Registers a principal, has another activate it, and gives it a key of its own.
    pub(super) fn enrol(
        &mut self,
        by: &str,
        name: &str,
        scope: &Scope,
        kind: &str,
        role: &str,
    ) -> Result<(), Diagnostic> {
        let arguments = [("kind", kind), ("role", role)];
        let registered = self.must("founder", Ask::new("principal.register", scope, name, &arguments))?;
        let activated = self.must(by, Ask::new("principal.activate", scope, name, &[]))?;
        let principal = PrincipalId::parse(name).map_err(|error| broken(error.to_string()))?;
        let path = self.paths.keys.join(format!("{name}.key"));
        let key = generate(&principal, &path)?;
        let (public, proof) = proof(self.ledger.origin(), &principal, &key)?;
        let entity = key.public().id().entity();
        let arguments = [("principal", name), ("public", public.as_str()), ("proof", proof.as_str())];
        let enrolled = self.must("founder", Ask::new("key.enrol", scope, &entity, &arguments))?;
        self.who.insert(name.to_owned(), read_key(&path)?);
        let at: Vec<u64> = [registered, activated, enrolled].iter().flat_map(positions).collect();
        let said =
            format!("founder registers {name}, {role} in {scope}; {by} activates; its own key is enrolled");
        self.story.step(&at, &said);
        Ok(())
    }

    /// Number of entries.
    pub(super) fn size(&self) -> Result<u64, Diagnostic> {
        Ok(self.ledger.reader()?.size()?)
    }

    /// The entries from a position on, from the store.
    pub(super) fn since(&self, from: u64) -> Result<Vec<Seen>, Diagnostic> {
        let reader = self.ledger.reader()?;
        let rows = reader.rows(from..reader.size()?, usize::MAX)?;
        let seen = rows.into_iter().map(|row| {
            let read = entry::read(&row.leaf).map_err(|error| broken(error.to_string()))?;
            let data = serde_json::from_str(read.data.get()).map_err(|error| broken(error.to_string()))?;
            Ok(Seen { position: row.position, kind: read.kind.to_owned(), data })
        });
        seen.collect()
    }
}
