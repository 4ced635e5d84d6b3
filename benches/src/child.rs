//! How fast are those who measure themselves? `chancery bench append` and `eventsourcing.py`, as child processes.

use crate::Done;
use crate::report::Figures;
use crate::rounds::{BATCHES, Candidate, Plan};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// A program that prints figures as `chancery bench --json` does.
#[derive(Debug)]
pub(crate) struct Child {
    name: &'static str,
    program: OsString,
    arguments: Vec<OsString>,
    conditions: String,
}

impl Child {
    /// The product, by its binary.
    pub(crate) fn chancery(binary: PathBuf) -> Done<Self> {
        let output = Command::new(&binary).arg("--version").output();
        let output = output.map_err(|error| format!("run `{}`: {error}", binary.display()))?;
        let version = String::from_utf8(output.stdout)?;
        Ok(Self {
            name: "chancery",
            program: binary.into(),
            arguments: ["bench", "append", "--json"].map(OsString::from).into(),
            conditions: format!(
                "{}, `bench append`, each round the median of its own three turns; authentication, gate, decision, \
                 hashing, signed head and the anchor's sync are in it",
                version.trim()
            ),
        })
    }

    /// The Python package, by an interpreter that has it.
    pub(crate) fn eventsourcing(python: &str, script: PathBuf) -> Done<Self> {
        let output = Command::new(python).arg(&script).arg("--conditions").output();
        let output = output.map_err(|error| format!("run `{python}`: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into());
        }
        Ok(Self {
            name: "eventsourcing",
            program: python.into(),
            arguments: vec![script.into(), "--json".into(), "--rounds".into(), "1".into()],
            conditions: String::from_utf8(output.stdout)?.trim().to_owned(),
        })
    }
}

impl Candidate for Child {
    fn name(&self) -> &'static str {
        self.name
    }

    fn conditions(&self) -> String {
        self.conditions.clone()
    }

    fn round(&mut self, plan: &Plan) -> Done<[u64; 3]> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg("--entries").arg(plan.entries.to_string());
        let output = command.arg("--on").arg(&plan.on).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into());
        }
        let found: Figures = serde_json::from_slice(&output.stdout)?;
        let mut rates = [0; 3];
        for (rate, batch) in rates.iter_mut().zip(BATCHES) {
            let name = format!("append.{batch}");
            let ends = |figure: &str| figure == name || figure == format!("{}.{name}", self.name);
            let figure = found.figures.iter().find(|figure| ends(&figure.name));
            *rate = figure.and_then(|figure| figure.per_second).ok_or(format!("printed no `{name}`"))?;
        }
        Ok(rates)
    }
}
