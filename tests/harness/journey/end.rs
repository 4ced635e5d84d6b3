//! What holds however a journey went? The record is authentic and decided by its own rules, views are what a rebuild
//! gives, and no canary is anywhere.

use super::checks::plain;
use super::{Journey, NAME, Way, paths};
use chancery_ledger::store::{Anchor, Reader};
use chancery_ledger::verify::{How, Pin, ReportJson, Trust, verify_live};
use chancery_projections::{Engine, VIEWS, build, compare, digests};
use serde_json::Value;
use std::path::Path;

impl Journey {
    pub(super) fn end(&mut self) {
        let file = self.file.clone();
        let pin = std::fs::read_to_string(self.site.path("l.pin")).expect("a pin");
        let place = format!("{file}, way {}", self.way.as_str());
        let authentic = |report: &Value| assert_eq!(report["verdict"], "authentic", "{place}: {report}");
        if self.way == Way::Http {
            authentic(&self.verified_by_the_server(&pin));
        }
        let rows = self.rows(None);
        self.rows_are_those_of_the_ledger(&place);
        self.forget();
        assert_eq!(self.rows(None), rows, "{place}: rows of a rebuild");
        let report = match self.way {
            Way::Cli => {
                let pin = self.site.path("l.pin");
                self.printed_by(&["verify", "--recompute", "--pin", pin.to_str().expect("a path")])
            }
            Way::Core | Way::Http => {
                let pin = Pin::parse(&pin).expect("a pin");
                let trust = Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin) };
                self.verified_here(&trust, true)
            }
        };
        authentic(&report);
        let decided = &report["decisions"];
        assert_eq!(decided["recomputed"].as_u64().map(|n| n > 20), Some(true), "{place}: {report}");
        self.no_canary();
    }

    /// Verifies the live ledger in this process, which nobody has open.
    pub(super) fn verified_here(&mut self, trust: &Trust, recompute: bool) -> Value {
        self.release();
        let how = How { threads: 1, recompute, ..How::default() };
        let report = verify_live(&paths(&self.site), trust, how, &mut |_, _| ()).expect("a verdict");
        serde_json::to_value(ReportJson::of(&report, false)).expect("JSON")
    }

    /// Entries that the views were folded from, and the digest of each; of the first so many entries, or of all.
    pub(super) fn rows(&mut self, at: Option<u64>) -> (u64, Vec<String>) {
        if self.way == Way::Cli {
            let at = at.map(|at| at.to_string());
            let more: Vec<&str> = at.iter().flat_map(|at| ["--at", at]).collect();
            let ran = self.binary(&[&["view", "digest"], &more[..]].concat());
            let lines: Vec<Value> =
                ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            assert!(lines.len() > 15, "{}: {}", self.file, ran.stderr);
            let entries = lines[0]["as_of"]["entries"].as_u64().expect("a number");
            return (
                entries,
                lines
                    .iter()
                    .map(|line| format!("{} {}", plain(&line["view"]), plain(&line["digest"])))
                    .collect(),
            );
        }
        self.release();
        let (elsewhere, paths) = (super::super::Home::new(), paths(&self.site));
        let reader = Reader::open(&paths.store()).expect("a reader");
        let path = match at {
            Some(entries) => {
                let path = elsewhere.path("views.db");
                build(&path, NAME, VIEWS, &reader, entries, &mut |_, _| ()).expect("views");
                path
            }
            None => {
                let head = Anchor::read(&paths.anchor).expect("an anchor").expect("a head").checkpoint;
                let mut engine = Engine::open(&paths.views(), NAME, VIEWS).expect("views");
                engine.catch_up(&reader, &head, &mut |_, _| ()).expect("a fold");
                assert_eq!(engine.skipped(), 0, "{}: an entry could not be folded", self.file);
                paths.views()
            }
        };
        let found = digests(&path, VIEWS).expect("digests");
        (found[0].as_of.entries, found.iter().map(|one| format!("{} {}", one.view, one.digest)).collect())
    }

    pub(super) fn rebuilt(&mut self, name: &str, at: &str) {
        let remembered =
            self.remembered.get(name).unwrap_or_else(|| panic!("{at}: nothing remembered")).clone();
        assert_eq!(self.rows(Some(remembered.0)), remembered, "{at}, way {}", self.way.as_str());
    }

    pub(super) fn forget(&mut self) {
        self.release();
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(self.site.path("l").join(format!("projections.db{end}")));
        }
    }

    /// Every row as it stands is the row of a rebuild: not by digest, but one by one.
    fn rows_are_those_of_the_ledger(&mut self, place: &str) {
        if self.way == Way::Cli {
            let ran = self.binary(&["view", "verify"]);
            assert_eq!(ran.code, 0, "{place}: {}{}", ran.stdout, ran.stderr);
            return;
        }
        let (elsewhere, paths) = (super::super::Home::new(), paths(&self.site));
        let reader = Reader::open(&paths.store()).expect("a reader");
        let (again, size) = (elsewhere.path("views.db"), reader.size().expect("a size"));
        build(&again, NAME, VIEWS, &reader, size, &mut |_, _| ()).expect("views");
        for compared in compare(&paths.views(), &again, VIEWS).expect("a comparison") {
            assert_eq!(compared.different, 0, "{place}: {compared:?}");
        }
    }

    /// No canary stands in a file beside the ones that a journey wrote itself, or in anything that was said.
    fn no_canary(&mut self) {
        self.release();
        let mut places: Vec<(String, Vec<u8>)> =
            self.printed.iter().map(|text| ("output".to_owned(), text.clone().into_bytes())).collect();
        for name in ["l", "l.keys", "l.anchor", "l.pin"] {
            files(&self.site.path(name), &mut places);
        }
        assert!(places.len() > 5, "there is something to look at");
        for canary in &self.canaries {
            let (plain, reversed) = (canary.as_bytes(), canary.bytes().rev().collect::<Vec<u8>>());
            for form in [plain, &reversed] {
                for (name, bytes) in &places {
                    let found = bytes.windows(form.len()).any(|window| window == form);
                    assert!(!found, "{}: a canary stands in {name}", self.file);
                }
            }
        }
    }
}

fn files(path: &Path, all: &mut Vec<(String, Vec<u8>)>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a directory") {
            files(&entry.expect("an entry").path(), all);
        }
    } else if path.exists() {
        all.push((path.display().to_string(), std::fs::read(path).expect("a file")));
    }
}
