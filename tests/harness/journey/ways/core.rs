//! How is a step taken in this process? The ledger is open here, and the views are folded here.

use super::super::checks::Said;
use super::super::parse::{Asked, Thing, option};
use super::super::{Journey, paths};
use super::key_of;
use crate::harness::queues::{folded, reading};
use chancery_ledger::format::entry;
use chancery_ledger::{Answer, Bounds, Class, Code, Effect, Ledger, Options, Tracer};
use chancery_projections::attention::{self, Reader};
use chancery_projections::views::{STREAMS, view};
use chancery_projections::{Ask, View, Views};
use serde_json::{Value, json};

impl Journey {
    /// The ledger, open in this process.
    pub(in super::super) fn ledger(&mut self) -> &Ledger {
        let (paths, clock) = (paths(&self.site), self.time.clone());
        self.ledger.get_or_insert_with(|| {
            let options = Options { paths, clock, trace: Tracer::default(), bounds: Bounds::default() };
            Ledger::open(options, &mut |_, _| ()).expect("the ledger opens")
        })
    }

    pub(super) fn asked_here(&mut self, who: &str, asked: &Asked) -> Said {
        let seq = match who {
            "-" => 0,
            _ => {
                let id = self.private(who).1.public().id();
                self.ledger().look(move |world| world.keys.get(id).map_or(1, |key| key.next))
            }
        };
        let request = match self.request(who, asked, &key_of(asked), seq) {
            Ok(request) => request,
            Err(invalid) => return no(invalid.code, &invalid.message),
        };
        let exit = |effect: Effect| i32::from(effect != Effect::Allow);
        if asked.preview {
            return match self.ledger().preview(&request).expect("a preview") {
                Ok(preview) => Said::of(exit(preview.effect), serde_json::to_value(&preview).expect("JSON")),
                Err(conflict) => no(conflict.code, &conflict.message),
            };
        }
        match self.ledger().submit(request) {
            Answer::Receipt(receipt) => {
                Said::of(exit(receipt.effect), serde_json::to_value(&receipt).expect("JSON"))
            }
            Answer::Conflict(conflict) => no(conflict.code, &conflict.message),
            Answer::Failed(error) => no(error.code, &error.message),
        }
    }

    pub(super) fn swept_here(&mut self) -> Said {
        let mut recorded = Vec::new();
        loop {
            let swept = self.ledger().sweep().expect("a sweep");
            if swept.is_empty() {
                return Said::of(0, json!({ "recorded": recorded }));
            }
            let rows = swept.iter().map(|due| json!({"action": due.action, "id": due.id}));
            recorded.extend(rows);
        }
    }

    pub(super) fn logged_here(&mut self, words: &[&str]) -> Said {
        let number = |name: &str| option(words, name).map(|text| text.parse::<u64>().expect("a number"));
        let size = self.size();
        let range = number("--from").unwrap_or(0)..number("--to").unwrap_or(size).min(size);
        let mut lines = Vec::new();
        let reader = self.ledger().reader().expect("a reader");
        let read = reader.leaves(range, |position, leaf| {
            let entry = entry::read(leaf).expect("an entry");
            let wanted = option(words, "--kind").is_none_or(|kind| entry.kind == kind)
                && option(words, "--id").is_none_or(|id| entry.entity.id == id);
            if wanted {
                let about = format!("{}/{}", entry.entity.kind, entry.entity.id);
                lines.push(json!({"entity": about, "kind": entry.kind, "position": position}).to_string());
            }
            Ok(())
        });
        read.expect("entries");
        Said { exit: 0, object: Value::Null, printed: lines.join("\n") }
    }

    /// What somebody sees of a thing: nobody is somebody who reads the files.
    pub(super) fn looked_here(&mut self, who: &str, thing: &Thing) -> Value {
        let (views, now) = (paths(&self.site).views(), self.clock);
        let ledger = self.ledger();
        let views = folded(ledger, &views);
        let who = (who != "-").then_some(who);
        reading(ledger, now, who, |reader| found(&views, thing, reader))
    }
}

/// An answer that is not a receipt.
fn no(code: Code, message: &str) -> Said {
    let exit = match code.class() {
        Class::Invalid => 2,
        Class::Error => 5,
        Class::Conflict | Class::Denial | Class::Hold | Class::Refusal => 1,
    };
    Said::of(exit, json!({ "code": code.as_str(), "error": message }))
}

fn rows(views: &Views, name: &str, about: Option<&str>, thing: &Thing, reader: Reader<'_>) -> Value {
    let view: &'static View = view(name).unwrap_or_else(|| panic!("no view `{name}`"));
    let (state, token) = (thing.get("state"), thing.get("page_token"));
    let ask = Ask { view, within: reader.within, about, state, token, limit: thing.limit() };
    serde_json::to_value(views.page(&ask, reader.show).expect("a page")).expect("JSON")
}

fn found(views: &Views, thing: &Thing, reader: Reader<'_>) -> Value {
    match thing.parts()[..] {
        ["queues"] => attention::queues(views, reader).expect("queues"),
        ["queues", name] => {
            let queue = attention::queue(name).unwrap_or_else(|| panic!("no queue `{name}`"));
            let page = attention::items(views, queue, reader, thing.get("page_token"), thing.limit());
            serde_json::to_value(page.expect("items")).expect("JSON")
        }
        ["views", name] => rows(views, name, thing.get("about"), thing, reader),
        ["transcripts", job] => {
            let stream = thing.get("stream").unwrap_or("operator");
            let name = STREAMS.iter().find(|(name, _)| *name == stream).expect("a stream").1;
            rows(views, name, Some(&format!("job {job}")), thing, reader)
        }
        ["entities", kind, id] | ["entities", kind, id, "status"] => {
            let page = rows(views, "entities", Some(&format!("{kind} {id}")), thing, reader);
            json!({ "item": page["items"][0] })
        }
        ["entities", kind, id, "timeline"] => {
            rows(views, "timeline", Some(&format!("{kind} {id}")), thing, reader)
        }
        ["me", "attention"] => attention::attention(views, reader).expect("attention"),
        ["governance", "status"] => attention::governance_status(views, reader).expect("a status"),
        ["governance", "blocked"] => attention::blocked(views, reader).expect("what is blocked"),
        ref other => panic!("nobody can see {other:?}"),
    }
}
