//! Do the sabotages still fit the code, and is there a test for each to turn red?
//!
//! Whether they turn it red is run by hand, it builds the tree once for each: `tests/sabotage/run.sh`.

use crate::harness::{root, site::has, skip};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn patches() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/sabotage")).expect("a directory");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "patch"));
    found.sort();
    found
}

/// Whether this is the name of a test: in the file of its module, or in a module that stands in the file above.
pub fn is_a_test(test: &str) -> bool {
    let (module, name) = test.rsplit_once("::").expect("module::name");
    let read = |module: &str| {
        fs::read_to_string(root().join("tests").join(format!("{}.rs", module.replace("::", "/"))))
    };
    let stands = |text: &str| text.contains(&format!("fn {name}()"));
    match (read(module), module.rsplit_once("::")) {
        (Ok(text), _) => stands(&text),
        (Err(_), Some((above, inner))) => {
            read(above).is_ok_and(|text| stands(&text) && text.contains(&format!("    {inner} \"")))
        }
        (Err(_), None) => false,
    }
}

#[test]
fn every_sabotage_applies() {
    if !has("git", "--version") || !has("bash", "--version") {
        return skip("sabotages apply", "install git and bash");
    }
    let run =
        Command::new("bash").arg(root().join("tests/sabotage/run.sh")).arg("--check").output().expect("bash");
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}\n{err}");
}

#[test]
fn every_sabotage_is_small_and_names_a_test_that_exists() {
    let patches = patches();
    assert!(patches.len() >= 10, "{} sabotages", patches.len());
    for path in patches {
        let text = fs::read_to_string(&path).expect("a patch");
        let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned);
        assert!(
            line("Sabotage: ").is_some_and(|words| words.ends_with('.')),
            "{path:?} does not say what it breaks"
        );
        let test = line("Red: ").expect("a test to turn red");
        assert!(is_a_test(&test), "{path:?}: no test {test}");
        let changed = text
            .lines()
            .filter(|l| l.starts_with(['+', '-']) && !l.starts_with("+++") && !l.starts_with("---"));
        assert!((1..=15).contains(&changed.count()), "{path:?} is not small");
    }
}
