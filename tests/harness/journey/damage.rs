//! Is a journey's record known to be damaged, where and by what cause? Exports by the recipes of `fixtures/corrupt`, and
//! the live store, which is put right again afterwards.

use super::checks::plain;
use super::{Journey, Way, paths};
use crate::harness::Seeded;
use crate::harness::bench::Bench;
use crate::harness::corpus::{RECIPES, Source};
use crate::harness::forge::{Forge, Members, int, members};
use crate::harness::story::Story;
use chancery_ledger::format::canonical::to_bytes;
use chancery_ledger::format::checkpoint::{Checkpoint, Note};
use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::json::{Value as Json, parse};
use chancery_ledger::format::key::PrivateKey;
use chancery_ledger::store::{Anchor, Reader};
use chancery_ledger::verify::{How, Pin, ReportJson, Trust, verify_export};
use rusqlite::{Connection, params};
use serde_json::Value;

/// Guards against accidents, which an attacker takes away.
const GUARDS: &str = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'";
/// Tables that are damaged, kept beside, and put right.
const TABLES: [&str; 3] = ["entry", "part", "head"];

impl Journey {
    /// Keeps the newest signed head, as an auditor does: a pin in `NAME.pin`, outside the ledger.
    pub(super) fn keep_head(&mut self, name: &str) {
        let note = match self.way {
            Way::Core => Anchor::read(&paths(&self.site).anchor).expect("an anchor").expect("a head"),
            Way::Cli => Note::parse(&plain(&self.printed_by(&["checkpoint"])["note"])).expect("a note"),
            Way::Http => {
                let text = self.server().ask("GET", "/checkpoint", &[], None).body;
                Note::parse(&text).expect("a note")
            }
        };
        let first = std::fs::read_to_string(self.site.path("l.pin")).expect("a pin");
        let key = Pin::parse(&first).expect("a pin").key;
        let text = Pin::of_note(key, &note).to_text().expect("a pin");
        std::fs::write(self.site.path(&format!("{name}.pin")), text).expect("a file");
    }

    fn kept(&self, name: &str) -> Trust {
        let text = std::fs::read_to_string(self.site.path(&format!("{name}.pin"))).expect("a head was kept");
        let pin = Pin::parse(&text).expect("a pin");
        Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin) }
    }

    /// An export of everything, damaged by a recipe, is told so under a kept head, and at the place of the damage.
    pub(super) fn export(&mut self, head: &str, recipe: &str, expected: &[&str], at: &str) {
        self.release();
        let trust = self.kept(head);
        let story = Story::resume(paths(&self.site), Default::default(), self.time.clone());
        let source = Source::of(story);
        let mut rng = Seeded::new(20_261_121);
        let mut bench = Bench {
            forge: Forge::of(&source.story.export(true)),
            source: &source,
            other: &source,
            parts: true,
            rng: &mut rng,
            trust: Trust::default(),
            tail: None,
        };
        let found = RECIPES.iter().find(|one| one.name == recipe);
        assert!(found.is_some() || recipe == "untouched", "{at}: no such recipe");
        let place =
            found.map(|found| bench.apply(found).unwrap_or_else(|| panic!("{at}: nothing to damage")));
        let bytes = bench.finish();
        source.story.ledger.close().expect("a clean end");
        let report = match self.way {
            Way::Core => {
                let how = How { threads: 1, ..How::default() };
                let report = verify_export(&mut &bytes[..], &trust, how, &mut |_| ()).expect("a verdict");
                serde_json::to_value(ReportJson::of(&report, false)).expect("JSON")
            }
            // What a server gave out, or a command wrote, is verified by who has it: with the command.
            Way::Cli | Way::Http => {
                std::fs::write(self.site.path("damaged.chancery"), &bytes).expect("a file");
                let pin = format!("{head}.pin");
                self.printed_by(&["verify", "damaged.chancery", "--keep-pin", "--pin", &pin])
            }
        };
        let all = format!("{at}\nway {}: damage {place:?}, {report}", self.way.as_str());
        assert_eq!(verdict(&report), expected, "{all}");
        if let (Some(recipe), Some(place)) = (found, place) {
            assert!(recipe.placed(span(&report), place), "{all}");
        }
    }

    /// The live store is damaged at a position and told so, by whoever has it open; then it is put right.
    pub(super) fn live(&mut self, head: &str, what: &str, k: u64, expected: &[&str], at: &str) {
        let trust = self.kept(head);
        // A server is up before the damage is done: none would start on some of it.
        match self.way {
            Way::Http => drop(self.server().url()),
            Way::Core | Way::Cli => self.release(),
        }
        let store = Store::open(self);
        store.keep();
        store.damage(what, k, &trust);
        let report = match self.way {
            Way::Core => self.verified_here(&trust, false),
            Way::Cli => {
                let pin = format!("{head}.pin");
                self.printed_by(&["verify", "--keep-pin", "--pin", &pin])
            }
            Way::Http => {
                let pin = trust.pin.as_ref().expect("a pin").to_text().expect("a pin");
                self.verified_by_the_server(&pin)
            }
        };
        store.put_right();
        let place = span(&report).map_or("-".to_owned(), |(first, last)| format!("{first}-{last}"));
        let found = [verdict(&report), vec![&place]].concat();
        assert_eq!(found, expected, "{at}\nway {}: {report}", self.way.as_str());
    }
}

/// Verdict and, when something was found, its code.
fn verdict(report: &Value) -> Vec<&str> {
    [&report["verdict"], &report["finding"]["code"]].into_iter().filter_map(Value::as_str).collect()
}

fn span(report: &Value) -> Option<(u64, u64)> {
    let finding = &report["finding"];
    Some((finding["first"].as_u64()?, finding["last"].as_u64()?))
}

/// A store as somebody sees it who can write the file.
struct Store {
    conn: Connection,
    reader: Reader,
    guards: Vec<(String, String)>,
}

impl Store {
    fn open(journey: &Journey) -> Self {
        let path = paths(&journey.site).store();
        let conn = Connection::open(&path).expect("a store");
        conn.busy_timeout(crate::harness::server::WAIT).expect("patience");
        let mut query = conn.prepare(GUARDS).expect("a query");
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        let guards = rows.map(|row| row.expect("a row")).collect();
        drop(query);
        Self { conn, reader: Reader::open(&path).expect("a reader"), guards }
    }

    fn run(&self, sql: &str) {
        self.conn.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    fn keep(&self) {
        for (name, _) in &self.guards {
            self.run(&format!("DROP TRIGGER {name}"));
        }
        for table in TABLES {
            self.run(&format!("CREATE TEMP TABLE kept_{table} AS SELECT * FROM main.{table}"));
        }
    }

    fn put_right(&self) {
        self.run("BEGIN IMMEDIATE");
        for table in TABLES {
            self.run(&format!(
                "DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM kept_{table}"
            ));
        }
        self.guards.iter().for_each(|(_, sql)| self.run(sql));
        self.run("COMMIT");
    }

    fn leaf(&self, position: u64) -> Vec<u8> {
        self.reader.leaf(position).expect("a read").expect("an entry")
    }

    fn set_leaf(&self, position: u64, leaf: &[u8]) {
        let set = "UPDATE entry SET leaf = ?2 WHERE position = ?1";
        assert_eq!(self.conn.execute(set, params![position.cast_signed(), leaf]).expect("a row"), 1);
    }

    fn change(&self, position: u64, change: impl FnOnce(&mut Members)) {
        let mut entry = parse(&self.leaf(position)).expect("an entry");
        change(members(&mut entry));
        self.set_leaf(position, &to_bytes(&entry).expect("canonical"));
    }

    fn attestation(&self, position: u64, member: &str, value: Json) {
        self.change(position, |entry| {
            let signed = entry.get_mut("attestation").expect("an entry that its author signed");
            members(signed).insert(member.to_owned(), value);
        });
    }

    fn damage(&self, what: &str, k: u64, trust: &Trust) {
        match what {
            "untouched" => {}
            "data" => self.change(k, |entry| {
                members(entry.get_mut("data").expect("data")).insert("amount".to_owned(), int(1_000_000));
            }),
            "payload" => {
                let at = k * 2 + 1;
                let flip = "CAST(substr(blob, 1, 40) || x'7a' || substr(blob, 42) AS BLOB)";
                self.run(&format!("UPDATE part SET blob = {flip} WHERE id = {at}"));
                assert_eq!(self.conn.changes(), 1, "entry {k} has arguments");
            }
            "prev" => self.change(k, |entry| {
                entry.insert("prev".to_owned(), Json::Text(format!("b3:{}", hex(&[9; 32]))));
            }),
            "position" => self.change(k, |entry| {
                entry.insert("position".to_owned(), int(k + 1));
            }),
            "author" => {
                let donor = parse(&self.leaf(k + 1)).expect("an entry");
                let sig = donor.get("attestation").and_then(|signed| signed.get("sig")).expect("a signature");
                self.attestation(k, "sig", sig.clone());
            }
            "seq" => self.attestation(k, "seq", int(999)),
            "swap" => {
                let (one, two) = (self.leaf(k), self.leaf(k + 1));
                self.set_leaf(k, &two);
                self.set_leaf(k + 1, &one);
            }
            "remove" => self.run(&format!("DELETE FROM entry WHERE position = {k}")),
            "insert" => self.run(&format!(
                "UPDATE entry SET position = -position - 1 WHERE position >= {k};
                 UPDATE entry SET position = -position WHERE position < 0;
                 INSERT INTO entry SELECT {k}, leaf FROM entry WHERE position = {k} + 1;"
            )),
            "cut" => self.run(&format!("DELETE FROM entry WHERE position >= {k}")),
            "head" => {
                let flip = "CAST(x'00' || substr(sig, 2) AS BLOB)";
                self.run(&format!("UPDATE head SET sig = {flip} WHERE size = {k}"));
                assert_eq!(self.conn.changes(), 1, "there is a head of {k} entries");
            }
            "resign" => {
                let origin = trust.key.as_ref().expect("a key").origin.clone();
                let root = self.reader.frontier(k).expect("a frontier").root();
                let note = Checkpoint { origin, size: k, root }.sign(&PrivateKey::from_seed(&[7; 32]));
                let set = "UPDATE head SET sig = ?2 WHERE size = ?1";
                let sig: &[u8] = &note.signatures[0].bytes;
                let row = params![k.cast_signed(), sig];
                assert_eq!(self.conn.execute(set, row).expect("a row"), 1, "there is a head of {k} entries");
            }
            other => panic!("nobody can do `{other}` to a store"),
        }
    }
}
