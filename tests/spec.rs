//! Do SPEC.md and the code say the same? Each table and list of the text against what the code declares, both ways.

use crate::harness::story::Story;
use crate::harness::{Home, root};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::domains::{ACTIONS, KINDS};
use chancery_ledger::format::entry;
use chancery_ledger::format::hash::CONTEXTS;
use chancery_ledger::format::limits::TABLE;
use chancery_ledger::secrets::DETECTORS;
use chancery_ledger::verify::{FindingCode, Verdict};
use chancery_ledger::{CODES, Class, Code};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn spec() -> String {
    std::fs::read_to_string(root().join("SPEC.md")).expect("SPEC")
}

/// The text of a section, its subsections included.
pub fn section(number: &str) -> String {
    let spec = spec();
    let level = number.matches('.').count() + 2;
    let dot = if level == 2 { "." } else { "" };
    let heading = format!("{} {number}{dot} ", "#".repeat(level));
    let mut lines = spec.lines().skip_while(|line| !line.starts_with(&heading));
    assert!(lines.next().is_some(), "section {number} is there");
    let ends = |line: &&str| {
        let hashes = line.chars().take_while(|c| *c == '#').count();
        hashes == 0 || hashes > level
    };
    lines.take_while(ends).collect::<Vec<_>>().join("\n")
}

/// Rows of the table that begins with these heads; a `|` that is escaped belongs to its cell.
pub fn table(text: &str, first: &str) -> Vec<Vec<String>> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&format!("| {first} |")));
    assert!(lines.next().is_some(), "the table `{first}` is there");
    let cells = |line: &str| -> Vec<String> {
        line.replace("\\|", "\u{1}")
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().replace('\u{1}', "|"))
            .collect()
    };
    lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
}

pub fn plain(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// Code spans outside of code blocks.
pub fn spans(text: &str) -> Vec<String> {
    let mut outside = String::new();
    for (i, part) in text.split("```").enumerate() {
        if i % 2 == 0 {
            outside.push_str(part);
        }
    }
    outside
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn limits_are_those_of_section_13() {
    let listed: Vec<(String, usize)> = table(&section("13"), "limit")
        .iter()
        .map(|row| (plain(&row[0]).to_owned(), row[1].parse().expect("a number")))
        .collect();
    let declared: Vec<(String, usize)> = TABLE.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    assert_eq!(listed, declared);
    assert_eq!(entry::VERSION, 0);
}

#[test]
fn contexts_are_those_of_section_4() {
    let listed: Vec<String> =
        table(&section("4"), "context").iter().map(|row| plain(&row[0]).to_owned()).collect();
    let declared: Vec<String> = CONTEXTS.iter().map(|context| context.name().to_owned()).collect();
    assert_eq!(listed, declared);
}

#[test]
fn codes_and_classes_are_those_of_section_15() {
    let rows = table(&section("15"), "code");
    let listed: Vec<(String, String)> =
        rows.iter().map(|row| (plain(&row[0]).to_owned(), row[1].clone())).collect();
    let class = |code: &Code| match code.class() {
        Class::Invalid => "invalid",
        Class::Conflict => "conflict",
        Class::Denial => "denial",
        Class::Hold => "hold",
        Class::Refusal => "refusal",
        Class::Error => "error",
    };
    let declared: Vec<(String, String)> =
        CODES.iter().map(|code| (code.as_str().to_owned(), class(code).to_owned())).collect();
    assert_eq!(listed, declared);
    for row in &rows {
        assert!(
            row.len() == 4 && row.iter().all(|cell| !cell.is_empty()),
            "{row:?} says what it means and the way out"
        );
    }
}

#[test]
fn verdicts_are_those_of_section_14() {
    let listed: Vec<(String, u8)> = table(&section("14"), "verdict")
        .iter()
        .map(|row| (plain(&row[0]).to_owned(), row[2].parse().expect("an exit code")))
        .collect();
    let declared: Vec<(String, u8)> =
        Verdict::ALL.iter().map(|v| (v.as_str().to_owned(), v.exit())).collect();
    assert_eq!(listed, declared);
}

#[test]
fn findings_are_those_that_section_14_names() {
    // Words of section 14 in code spans that are neither findings nor codes nor verdicts.
    const WORDS: &[&str] = &[
        "address",
        "args",
        "attestation",
        "authors",
        "by",
        "cause",
        "chain",
        "columns",
        "contradicted",
        "count",
        "data",
        "decisions",
        "ended",
        "entries",
        "entry",
        "export",
        "for",
        "form",
        "frontier",
        "good",
        "h",
        "hash",
        "head",
        "heads",
        "hold",
        "key",
        "keys",
        "launcher",
        "ledger",
        "log",
        "n",
        "name",
        "not_after",
        "now",
        "order",
        "p",
        "parts",
        "policy",
        "position",
        "prev",
        "private",
        "request",
        "rules",
        "sig",
        "silence",
        "system",
        "system_key",
        "time",
        "tree",
        "vkey",
        "wall",
    ];
    let declared: BTreeSet<String> = FindingCode::ALL.iter().map(|code| code.as_str().to_owned()).collect();
    assert_eq!(declared.len(), FindingCode::ALL.len());
    let word = |span: &String| !span.is_empty() && span.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let known = |span: &String| {
        WORDS.contains(&span.as_str())
            || Code::parse(span).is_some()
            || Verdict::ALL.iter().any(|verdict| verdict.as_str() == span)
    };
    let named: BTreeSet<String> = spans(&section("14"))
        .into_iter()
        .filter(word)
        .filter(|span| declared.contains(span) || !known(span))
        .collect();
    assert_eq!(named, declared);
}

/// Members of the first braces of a text, nested ones left out, `?` kept.
fn members(braces: &str) -> BTreeSet<String> {
    let inner = braces.trim_start_matches('{').trim_end_matches('}');
    let (mut depth, mut flat) = (0, String::new());
    for c in inner.chars() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            c if depth == 0 => flat.push(c),
            _ => {}
        }
    }
    flat.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// `domain.verb {members}` of section 10: each name, and its members where they stand.
fn dotted() -> Vec<(String, Option<BTreeSet<String>>)> {
    let actions = ACTIONS.iter().copied().flatten().map(|spec| spec.id);
    let names = KINDS.iter().copied().chain(actions);
    let domains: BTreeSet<&str> = names.filter_map(|name| name.split('.').next()).collect();
    let mut found = Vec::new();
    for span in spans(&section("10")) {
        let end =
            span.find(|c: char| !(c.is_ascii_lowercase() || c == '_' || c == '.')).unwrap_or(span.len());
        let (name, rest) = (&span[..end], span[end..].trim());
        let is_dotted =
            name.split_once('.').is_some_and(|(domain, verb)| domains.contains(domain) && !verb.is_empty());
        if is_dotted && !name.ends_with('.') {
            found.push((name.to_owned(), rest.starts_with('{').then(|| members(rest))));
        }
    }
    found
}

#[test]
fn actions_and_kinds_are_those_of_section_10() {
    let named: BTreeSet<String> = dotted().into_iter().map(|(name, _)| name).collect();
    let actions: BTreeSet<String> =
        ACTIONS.iter().copied().flatten().map(|spec| spec.id.to_owned()).collect();
    let kinds: BTreeSet<String> = KINDS.iter().map(|kind| (*kind).to_owned()).collect();
    assert_eq!(actions.intersection(&kinds).count(), 0);
    assert_eq!(named, actions.union(&kinds).cloned().collect());
}

#[test]
fn arguments_of_actions_are_those_of_section_10() {
    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, members) in dotted() {
        if let Some(members) = members {
            listed.entry(name).or_insert(members);
        }
    }
    for spec in ACTIONS.iter().copied().flatten() {
        let declared: BTreeSet<String> =
            spec.fields.iter().map(|f| format!("{}{}", f.name, if f.required { "" } else { "?" })).collect();
        assert_eq!(listed.get(spec.id), Some(&declared), "{}", spec.id);
    }
}

/// Leaves of two stories that touch every kind of event but the snapshot's.
fn leaves() -> Vec<serde_json::Value> {
    let mut leaves = Vec::new();
    for tell in [Story::everything, Story::governed_everything] {
        let home = Home::new();
        let mut story = Story::begin(home.path("").as_path(), Form::Entries);
        tell(&mut story);
        let reader = story.ledger.reader().expect("a reader");
        let size = reader.size().expect("a size");
        reader
            .leaves(0..size, |_, leaf| {
                leaves.push(serde_json::from_slice(leaf).expect("JSON"));
                Ok(())
            })
            .expect("leaves");
    }
    leaves
}

fn keys(value: &serde_json::Value) -> BTreeSet<String> {
    value.as_object().expect("an object").keys().cloned().collect()
}

/// Whether what was found is what the text lists: every member without `?`, and none that is not listed.
fn fits(found: &BTreeSet<String>, listed: &BTreeSet<String>, what: &str) {
    for name in listed.iter().filter(|name| !name.ends_with('?')) {
        assert!(found.contains(name), "{what} lacks `{name}`: {found:?}");
    }
    for name in found {
        assert!(
            listed.contains(name) || listed.contains(&format!("{name}?")),
            "{what} has `{name}`, which SPEC does not list"
        );
    }
}

#[test]
fn members_of_entries_are_those_of_section_6() {
    let rows = table(&section("6"), "member");
    let listed: BTreeSet<String> = rows.iter().map(|row| plain(&row[0]).to_owned()).collect();
    let braces = |name: &str| -> BTreeSet<String> {
        let row = rows.iter().find(|row| plain(&row[0]) == name).expect("a row");
        members(spans(&row[1]).first().expect("braces"))
    };
    let mut seen = BTreeSet::new();
    for leaf in leaves() {
        let found = keys(&leaf);
        fits(&found, &listed, "an entry");
        fits(&keys(&leaf["entity"]), &braces("entity"), "`entity`");
        fits(&keys(&leaf["actor"]), &braces("actor"), "`actor`");
        for name in ["by", "attestation"] {
            if let Some(value) = leaf.get(name) {
                fits(&keys(value), &braces(&format!("{name}?")), name);
            }
        }
        seen.extend(found);
    }
    let all: BTreeSet<String> = listed.iter().map(|name| name.trim_end_matches('?').to_owned()).collect();
    assert_eq!(seen, all, "every member that SPEC lists stands in some entry");
}

#[test]
fn data_of_events_is_what_section_10_lists() {
    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, members) in dotted() {
        if let Some(members) = members {
            listed.entry(name).or_insert(members);
        }
    }
    let opened = spans(&section("10.1"))
        .into_iter()
        .find(|span| span.starts_with("{administrator"))
        .expect("the data");
    listed.insert("ledger.opened".to_owned(), members(&opened));
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for leaf in leaves() {
        let kind = leaf["kind"].as_str().expect("a kind").to_owned();
        let members = listed.get(&kind).unwrap_or_else(|| panic!("section 10 lists no data of `{kind}`"));
        fits(&keys(&leaf["data"]), members, &kind);
        seen.insert(kind);
    }
    let mut all: BTreeSet<String> = KINDS.iter().map(|kind| (*kind).to_owned()).collect();
    // The system's own, at 65,536 entries; gate.rs decides it.
    all.remove("ledger.snapshotted");
    all.remove("key.suspected");
    seen.remove("key.suspected");
    assert_eq!(seen, all, "the stories touch every kind");
}

#[test]
fn detectors_are_those_of_section_8_1() {
    let rows = table(&section("8.1"), "detector");
    let listed: Vec<(&str, &str)> = rows.iter().map(|row| (plain(&row[0]), row[1].as_str())).collect();
    let declared: Vec<(&str, &str)> = DETECTORS.iter().map(|row| (row.name, row.what)).collect();
    assert_eq!(listed, declared);
}

/// Commands of a `--help`.
pub fn commands(help: &str) -> Vec<String> {
    let lines =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A description that is too long for its line goes on in a line that is indented further.
    lines
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn commands_are_those_of_section_16() {
    // Commands that may be built without the others.
    const OPTIONAL: &[&str] = &[];
    let optional = |name: &String| !OPTIONAL.contains(&name.as_str());
    let rows = table(&section("16"), "command");
    let listed: BTreeSet<String> = rows
        .iter()
        .flat_map(|row| spans(&row[0]))
        .filter_map(|span| span.split(' ').next().map(str::to_owned))
        .filter(optional)
        .collect();
    let home = Home::new();
    let built: BTreeSet<String> =
        commands(&home.expect(0, &["--help"]).stdout).into_iter().filter(optional).collect();
    assert_eq!(listed, built);
}

/// Every text file of the sources, with its path.
pub fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<(String, String)>) {
        let mut entries: Vec<_> = std::fs::read_dir(dir)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !["target", "__pycache__"].contains(&name) {
                walk(&path, found);
            } else if [".rs", ".py", ".sql", ".toml"].iter().any(|end| name.ends_with(end)) {
                let text = std::fs::read_to_string(&path).expect("text");
                let relative = path.strip_prefix(root()).expect("below the root");
                found.push((relative.to_string_lossy().into_owned(), text));
            }
        }
    }
    let mut found = Vec::new();
    for dir in ["ledger", "projections", "api", "cli", "tests"] {
        walk(&root().join(dir), &mut found);
    }
    found
}

#[test]
fn sections_that_sources_cite_are_there() {
    let spec = spec();
    let headings: BTreeSet<String> = spec
        .lines()
        .filter(|line| line.starts_with("## ") || line.starts_with("### "))
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(|number| number.trim_end_matches('.').to_owned())
        .collect();
    let mut cited = 0;
    let number = |text: &str| -> String {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        text[..end].trim_end_matches('.').to_owned()
    };
    let mut check = |file: &str, at: &str| {
        let first = number(at);
        if first.is_empty() {
            return;
        }
        let mut numbers = vec![first.clone()];
        for word in [" and ", " to ", ", "] {
            if let Some(rest) = at[first.len()..].strip_prefix(word) {
                numbers.push(number(rest));
            }
        }
        for number in numbers.into_iter().filter(|number| !number.is_empty()) {
            assert!(headings.contains(&number), "{file} cites section {number}, which is not there");
            cited += 1;
        }
    };
    for (file, text) in sources() {
        for at in text.split("SPEC ").skip(1) {
            check(&file, at);
        }
    }
    for at in spec.split("section ").skip(1) {
        check("SPEC.md", at);
    }
    assert!(cited > 60, "{cited} citations");
}

#[test]
fn the_example_of_section_0_is_real() {
    let spec = std::fs::read_to_string(root().join("SPEC.md")).expect("SPEC");
    let blocks: Vec<&str> =
        spec.split("```vector\n").skip(1).map(|rest| rest.split("\n```").next().expect("an end")).collect();
    let [leaf, note] = blocks[..] else { panic!("two vectors") };
    let address = chancery_ledger::format::entry::address(leaf.as_bytes()).to_string();
    let hash =
        chancery_ledger::format::encoding::hex(&chancery_ledger::format::tree::leaf_hash(leaf.as_bytes()));
    assert!(spec.contains(&format!("`{address}`")) && spec.contains(&format!("`{hash}`")));
    chancery_ledger::format::entry::open(leaf.as_bytes()).expect("an entry");
    let note = chancery_ledger::format::checkpoint::Note::parse(&format!("{note}\n")).expect("a note");
    let vkey = spec.split("signed by the log key `").nth(1).and_then(|rest| rest.split('`').next());
    let vkey = chancery_ledger::format::key::LogVerifier::parse(vkey.expect("a key")).expect("a key");
    assert_eq!(note.signed_by(&vkey), chancery_ledger::format::checkpoint::Signed::Valid);
}

#[test]
fn views_are_those_of_section_17_4() {
    let rows = table(&section("17.4"), "view");
    let listed: Vec<(String, String, String, Vec<String>)> = rows
        .iter()
        .map(|row| (plain(&row[0]).to_owned(), row[1].clone(), plain(&row[2]).to_owned(), spans(&row[5])))
        .collect();
    let declared: Vec<(String, String, String, Vec<String>)> = chancery_projections::VIEWS
        .iter()
        .map(|view| {
            let states = view.states.iter().map(|state| (*state).to_owned()).collect();
            (view.name.to_owned(), view.question.to_owned(), view.access.action().to_owned(), states)
        })
        .collect();
    assert_eq!(listed, declared);
}
