//! Is damage of every kind found, named, and placed, with a pin and without?

use crate::harness::corpus::{CORPUS, Case, LEDGERS, RECIPES};
use chancery_ledger::Code;
use chancery_ledger::verify::{How, Trust, verify_export};
use std::collections::BTreeSet;

/// Verdict, code and span; an input that is no export has the verdict `error`.
pub fn told(bytes: &[u8], trust: &Trust) -> (String, String, Option<(u64, u64)>) {
    let how = How { threads: 1, screen: false, columns: true, recompute: false };
    match verify_export(&mut &bytes[..], trust, how, &mut |_| ()) {
        Ok(report) => {
            let finding = report.finding.as_ref();
            let code = finding.map_or("", |found| found.code.as_str()).to_owned();
            (report.verdict.as_str().to_owned(), code, finding.and_then(|found| found.span))
        }
        Err(error) => {
            assert!(matches!(error.code, Code::NotAnExport | Code::NewerFormat), "{error:?}");
            ("error".to_owned(), error.code.as_str().to_owned(), None)
        }
    }
}

fn allowed(list: &[String], found: &str) -> bool {
    list.iter().any(|one| one == "*" || one == found || (one == "-" && found.is_empty()))
}

fn check(case: &Case) -> Result<(), String> {
    let (verdict, code, span) = told(&case.bytes, &case.pinned);
    let (bare, bare_code, _) = told(&case.bytes, &case.bare);
    let wrong = |what: &str| {
        let found =
            format!("pinned {verdict} {code} {span:?}, bare {bare} {bare_code}, damage {:?}", case.place);
        Err(format!("{}: {what}: {found}", case.name))
    };
    let Some(recipe) = case.recipe else {
        let (pinned, without) = case.verdicts;
        let partial = ["authentic", "unverifiable"].contains(&verdict.as_str());
        if !(verdict == pinned || pinned.is_empty() && partial) {
            return wrong("a good one");
        }
        let partial = ["integrity_only", "unverifiable"].contains(&bare.as_str());
        return if bare == without || without.is_empty() && partial {
            Ok(())
        } else {
            wrong("a good one, bare")
        };
    };
    if verdict == "authentic" && !allowed(&recipe.pinned, "authentic") || bare == "authentic" {
        return wrong("authentic");
    }
    if !allowed(&recipe.pinned, &verdict) || !allowed(&recipe.bare, &bare) {
        return wrong("verdict");
    }
    if !allowed(&recipe.codes, &code) {
        return wrong("code");
    }
    if recipe.placed(span, case.place) { Ok(()) } else { wrong("place") }
}

#[test]
fn damage_is_found_named_and_placed() {
    let wrong: Vec<String> = CORPUS.iter().filter_map(|case| check(case).err()).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CORPUS.len(), wrong.join("\n"));
    let good = CORPUS.iter().filter(|case| case.recipe.is_none()).count();
    let kinds: BTreeSet<&str> = CORPUS.iter().filter_map(|case| Some(case.recipe?.name.as_str())).collect();
    eprintln!("{} exports of {LEDGERS} ledgers, {good} good, {} kinds of damage", CORPUS.len(), kinds.len());
    assert!(CORPUS.len() >= 500 && good >= 100 && LEDGERS >= 10);
    assert_eq!(kinds.len(), RECIPES.len(), "every recipe is used");
}
