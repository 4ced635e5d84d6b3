//! Does the tree keep its own rules? Sizes, first lines, layers, licences, sources, and words that must not stand.

use crate::harness::root;
use crate::spec::sources;
use chancery_ledger::domains::KINDS;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

fn rust() -> Vec<(String, String)> {
    sources().into_iter().filter(|(file, _)| file.ends_with(".rs")).collect()
}

/// Lines of a source without its comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(i, line)| (i + 1, line))
}

#[test]
fn no_file_has_more_than_600_lines() {
    let files = sources();
    assert!(files.len() > 60);
    for (file, text) in files {
        assert!(text.lines().count() <= 600, "{file} has {} lines", text.lines().count());
    }
}

#[test]
fn every_file_begins_with_the_question_that_it_answers() {
    for (file, text) in rust() {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 20, "{file} begins with `{first}`");
        // The sentence may go on in the next line of the paragraph.
        let paragraph: Vec<&str> = text.lines().take_while(|line| line.starts_with("//! ")).collect();
        assert!(paragraph.join(" ").contains(['?', '.']), "{file} begins with a sentence");
    }
}

#[test]
fn no_test_file_is_forgotten() {
    for (dir, parent) in [("tests", "tests/main.rs"), ("tests/harness", "tests/harness/mod.rs")] {
        let text = std::fs::read_to_string(root().join(parent)).expect("the parent");
        let mut declared: Vec<String> = text
            .lines()
            .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
            .map(str::to_owned)
            .collect();
        declared.sort();
        let mut found: Vec<String> = std::fs::read_dir(root().join(dir))
            .expect("tests")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|end| end == "rs") || path.join("mod.rs").exists())
            .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
            .filter(|name| name != "main" && name != "mod")
            .collect();
        found.sort();
        assert_eq!(declared, found, "{parent}");
    }
}

#[test]
fn no_test_is_ignored_and_none_sleeps() {
    let words = [concat!("#[ign", "ore"), concat!("thread::sl", "eep"), concat!("should_", "panic")];
    for (file, text) in rust() {
        for word in words {
            assert!(!text.contains(word), "{file} has `{word}`");
        }
    }
}

#[test]
fn words_of_unfinished_work_do_not_stand() {
    let words = [
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
        concat!("db", "g!("),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("TO", "DO"),
        concat!("HA", "CK"),
    ];
    for (file, text) in sources() {
        for word in words {
            assert!(!text.contains(word), "{file} has `{word}`");
        }
    }
}

#[test]
fn sql_stands_in_the_store_alone() {
    let words = [
        "SELECT ",
        "INSERT ",
        "UPDATE ",
        "DELETE FROM",
        "CREATE TABLE",
        "PRAGMA ",
        "BEGIN IMMEDIATE",
        "ATTACH ",
    ];
    for (file, text) in rust() {
        let stores = ["ledger/src/store/", "projections/src/store/", "tests/"];
        let allowed = stores.iter().any(|store| file.starts_with(store));
        for (number, line) in code(&text).filter(|_| !allowed) {
            assert!(
                !words.iter().any(|word| line.contains(word)),
                "{file}:{number} has SQL: {}",
                line.trim()
            );
        }
    }
    let uses =
        rust().into_iter().filter(|(file, text)| text.contains("rusqlite") && file.starts_with("cli/"));
    assert_eq!(uses.map(|(file, _)| file).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn generic_verbs_name_no_domain() {
    let domains: BTreeSet<&str> = KINDS.iter().filter_map(|kind| kind.split('.').next()).collect();
    for verb in ["perform", "show", "log", "verify", "view"] {
        let file = format!("cli/src/commands/{verb}.rs");
        let text = std::fs::read_to_string(root().join(&file)).expect("a verb");
        for (number, line) in code(&text) {
            for domain in &domains {
                let named = line.contains(&format!("\"{domain}\""))
                    || line.contains(&format!("\"{domain}."))
                    || line.contains(&format!("domains::{domain}"));
                assert!(!named, "{file}:{number} names `{domain}`: {}", line.trim());
            }
        }
    }
}

#[test]
fn the_server_names_no_action_and_no_domain() {
    let domains: BTreeSet<&str> = KINDS.iter().filter_map(|kind| kind.split('.').next()).collect();
    for (file, text) in rust().into_iter().filter(|(file, _)| file.starts_with("api/src/")) {
        for (number, line) in code(&text) {
            for domain in &domains {
                let named =
                    line.contains(&format!("\"{domain}.")) || line.contains(&format!("domains::{domain}"));
                assert!(!named, "{file}:{number} names `{domain}`: {}", line.trim());
            }
        }
    }
}

#[test]
fn layers_look_down_only() {
    // A layer, and what its files may not use: format knows nothing of what is above it, verify nothing of the writer.
    let above_format = [
        "crate::domains",
        "crate::gate",
        "crate::store",
        "crate::writer",
        "crate::verify",
        "crate::door",
        "crate::ledger",
    ];
    let shell = [
        "crate::store",
        "crate::writer",
        "crate::verify",
        "crate::ledger",
        "crate::clock",
        "std::fs",
        "std::time",
        "std::env",
    ];
    let writer = ["crate::writer", "crate::queue", "crate::gate", "crate::ledger::"];
    let recompute = ["crate::writer", "crate::queue", "crate::store", "crate::ledger::"];
    let fold = [
        "std::fs",
        "std::time",
        "std::env",
        "std::io",
        "std::net",
        "std::process",
        "std::thread",
        "rusqlite",
        "crate::store",
        "crate::engine",
        "crate::ask",
        "chancery_ledger::store",
        "Clock",
        "f64",
        "f32",
    ];
    for (file, text) in rust() {
        let banned: &[&str] = match file.as_str() {
            f if f.starts_with("ledger/src/format/") => &above_format,
            f if f.starts_with("ledger/src/domains/") || f.starts_with("ledger/src/gate/") => &shell,
            f if f.starts_with("ledger/src/secrets/") => &shell,
            "ledger/src/door.rs" => &shell,
            // Whether the writer kept its own rules is asked of these rules, and in this one place.
            f if f.starts_with("ledger/src/verify/recompute") => &recompute,
            f if f.starts_with("ledger/src/verify/") => &writer,
            // What a fold and an answer may look at is handed to them.
            f if f.starts_with("projections/src/views/") => &fold,
            "projections/src/follow.rs" => &[],
            f if f.starts_with("projections/src/store/") => &[],
            f if f.starts_with("projections/src/") => &["std::time", "std::env", "std::fs"],
            _ => &[],
        };
        for (number, line) in code(&text) {
            for word in banned {
                assert!(!line.contains(word), "{file}:{number} uses `{word}`");
            }
        }
        let prints = ["println!", "eprintln!", "print!("]
            .iter()
            .any(|word| code(&text).any(|(_, line)| line.contains(word)));
        assert!(!prints || file.starts_with("tests/"), "{file} prints past output.rs");
    }
}

/// What cargo knows of this platform's packages.
fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let version = Command::new(&cargo).args(["-vV"]).output().expect("cargo runs");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("the host");
    let output = Command::new(&cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Names of all packages below `name` that are built with it, and not only for its tests.
fn below(metadata: &Value, name: &str) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().expect("packages");
    let names: BTreeMap<&str, &str> = packages.iter().map(|p| (text(p, "id"), text(p, "name"))).collect();
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| (text(node, "id"), node))
        .collect();
    let start = names.iter().find(|(_, n)| **n == name).map(|(id, _)| *id).expect("the package");
    let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
    while let Some(id) = next.pop() {
        for dependency in nodes[id]["deps"].as_array().expect("dependencies") {
            let kinds = dependency["dep_kinds"].as_array().expect("kinds");
            if kinds.iter().any(|kind| kind["kind"] != "dev") && seen.insert(text(dependency, "pkg")) {
                next.push(text(dependency, "pkg"));
            }
        }
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}

#[test]
fn dependencies_keep_to_their_layer() {
    let metadata = metadata();
    let (ledger, cli) = (below(&metadata, "chancery-ledger"), below(&metadata, "chancery"));
    for name in [
        "clap",
        "clap_complete",
        "indicatif",
        "jiff",
        "tokio",
        "axum",
        "hyper",
        "reqwest",
        "rand",
        "chrono",
        "chancery",
    ] {
        assert!(!ledger.contains(name), "chancery-ledger builds `{name}`");
    }
    assert!(ledger.contains("rusqlite") && cli.contains("clap"));
    let projections = below(&metadata, "chancery-projections");
    for name in ["clap", "indicatif", "jiff", "tokio", "axum", "hyper", "rand", "chrono", "chancery"] {
        assert!(!projections.contains(name), "chancery-projections builds `{name}`");
    }
    assert!(projections.contains("chancery-ledger") && !ledger.contains("chancery-projections"));
    let api = below(&metadata, "chancery-api");
    for name in ["clap", "indicatif", "ureq", "chancery", "tracing", "metrics", "rustls"] {
        assert!(!api.contains(name), "chancery-api builds `{name}`");
    }
    for below_api in [&ledger, &below(&metadata, "chancery-projections")] {
        for name in ["chancery-api", "tokio", "axum", "hyper"] {
            assert!(!below_api.contains(name), "a layer below the server builds `{name}`");
        }
    }
    let direct = |name: &str| -> BTreeSet<String> {
        let packages = metadata["packages"].as_array().expect("packages");
        let package = packages.iter().find(|p| p["name"] == name).expect("the package");
        let all = package["dependencies"].as_array().expect("dependencies");
        all.iter().filter(|d| d["kind"].is_null()).map(|d| text(d, "name").to_owned()).collect()
    };
    let cli = direct("chancery");
    for name in ["rusqlite", "ed25519-dalek", "curve25519-dalek", "blake3", "tokio"] {
        assert!(!cli.contains(name), "chancery uses `{name}` past the ledger");
    }
    let api = direct("chancery-api");
    for name in ["rusqlite", "ed25519-dalek", "blake3", "sha2"] {
        assert!(!api.contains(name), "chancery-api uses `{name}` past the ledger");
    }
}

#[test]
fn banned_packages_are_nowhere() {
    let metadata = metadata();
    let banned = [
        "openssl",
        "openssl-sys",
        "native-tls",
        "serde_yaml",
        "bincode",
        "paste",
        "instant",
        "backoff",
        "rustls-pemfile",
        "ring",
        "lazy_static",
        "time",
        "chrono",
        "atty",
        "failure",
        "rustc-serialize",
        "rand_core_0_5",
        "sqlx",
        "git2",
    ];
    for package in metadata["packages"].as_array().expect("packages") {
        let name = text(package, "name");
        assert!(!banned.contains(&name), "`{name}` is banned");
    }
}

#[test]
fn packages_come_from_the_registry_under_licences_that_we_may_use() {
    const ALLOWED: &[&str] = &[
        "MIT",
        "Apache-2.0",
        "BSD-3-Clause",
        "BSD-2-Clause",
        "Unicode-3.0",
        "Zlib",
        "ISC",
        "CC0-1.0",
        "Unlicense",
        "Apache-2.0 WITH LLVM-exception",
        "MIT-0",
        "BSL-1.0",
    ];
    // `AND` binds tighter than `OR`; brackets stand only around an `OR` that is part of an `AND`.
    fn allowed(licence: &str) -> bool {
        let licence = licence.replace('/', " OR ");
        if let Some((inner, rest)) = licence.strip_prefix('(').and_then(|l| l.split_once(") AND ")) {
            return allowed(inner) && allowed(rest);
        }
        licence.split(" OR ").any(|choice| choice.split(" AND ").all(|one| ALLOWED.contains(&one.trim())))
    }
    assert!(!allowed("GPL-3.0") && !allowed("MIT AND GPL-3.0") && !allowed("(MIT OR GPL-3.0) AND AGPL-3.0"));
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 50);
    for package in packages {
        let (name, source) = (text(package, "name"), package["source"].as_str());
        let ours = name.starts_with("chancery");
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        assert!(
            if ours { source.is_none() } else { source == Some(registry) },
            "`{name}` comes from {source:?}"
        );
        assert!(allowed(text(package, "license")), "`{name}` is under `{}`", text(package, "license"));
    }
}

#[test]
fn every_dependency_has_a_line_that_says_why() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let mut lines =
        manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1).peekable();
    let (mut reason, mut counted) = (false, 0);
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            reason = comment.len() > 5;
            continue;
        }
        let ours = line.starts_with("chancery-");
        assert!(reason || ours, "no reason above `{line}`");
        (reason, counted) = (false, counted + 1);
    }
    assert!(counted > 15, "{counted} dependencies");
    for member in ["ledger", "projections", "api", "cli"] {
        let text = std::fs::read_to_string(root().join(member).join("Cargo.toml")).expect("a manifest");
        let dependencies = text
            .lines()
            .skip_while(|line| *line != "[dependencies]")
            .skip(1)
            .take_while(|line| *line != "[lints]");
        for line in
            dependencies.filter(|line| !line.is_empty() && !line.starts_with('[') && !line.starts_with('#'))
        {
            let inherits = line.contains(".workspace = true") || line.contains("workspace = true");
            assert!(inherits, "{member}: `{line}` names a version of its own");
        }
    }
}

#[test]
fn the_tree_tells_nothing_of_the_machine_it_was_made_on() {
    let words = [
        concat!("/tm", "p/"),
        concat!("/ho", "me/"),
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("Co-Auth", "ored"),
    ];
    let mut files = sources();
    files.push((
        "Cargo.toml".to_owned(),
        std::fs::read_to_string(root().join("Cargo.toml")).expect("the manifest"),
    ));
    for (file, text) in files {
        for word in words {
            assert!(!text.contains(word), "{file} has `{word}`");
        }
    }
}
