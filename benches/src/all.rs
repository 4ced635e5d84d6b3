//! How does Chancery stand beside all its peers? Both measurements in one run: what is missing is built, one table at the end.

use crate::report::Figures;
use crate::{Args, Done, gate, here};
use std::io::Write;
use std::process::Command;

/// The arguments of both: where to write is a question of appends alone.
pub(crate) fn args(given: &[String]) -> Result<(Args, gate::Args), String> {
    let mut both = given.to_vec();
    if let Some(at) = both.iter().position(|one| one == "--on") {
        both.drain(at..(at + 2).min(both.len()));
    }
    if let Some(other) = both.iter().find(|one| !["--json", "--smoke"].contains(&one.as_str())) {
        return Err(format!("`all` does not take `{other}`: measure `gate`, or appends, by themselves"));
    }
    Ok((crate::args(given.iter().cloned())?, gate::args(both.into_iter())?))
}

/// Programs that are measured, the variable that names another one, and the workspace that they are built in.
const PROGRAMS: [(&str, &str); 3] = [
    ("CHANCERY_BIN", "../Cargo.toml"),
    ("PEERS_CHANCERY", "chancery/Cargo.toml"),
    ("PEERS_AGENTMESH", "agentmesh/Cargo.toml"),
];

/// Builds what no variable names; what cannot be built is said, and skipped later.
fn build() -> Done<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for (variable, manifest) in PROGRAMS {
        if std::env::var_os(variable).is_some() {
            continue;
        }
        let built = Command::new(&cargo)
            .args(["build", "--release", "--locked", "--manifest-path"])
            .arg(here().join(manifest))
            .status()?;
        if !built.success() {
            writeln!(std::io::stderr(), "peers: `{manifest}` was not built; set {variable} to its program")?;
        }
    }
    Ok(())
}

/// Appends, then gates, so that neither is beside the other.
pub(crate) fn run(appends: &Args, gates: &gate::Args) -> Done<(String, Figures)> {
    build()?;
    let (append_table, mut figures) = crate::run(appends)?;
    let (gate_table, more) = gate::run(gates)?;
    figures.conditions = format!("appends: {}; gates: {}", figures.conditions, more.conditions);
    figures.figures.extend(more.figures);
    Ok((format!("{append_table}\n\n{gate_table}"), figures))
}
