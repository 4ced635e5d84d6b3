//! What can be done to an export? One operation for each that `fixtures/corrupt/recipes.txt` names, and the repairs
//! that an attacker can make afterwards.

use super::Seeded;
use super::corpus::{Place, Recipe, Source, size_of};
use super::forge::{Forge, Members, int, members, object};
use chancery_ledger::format::canonical::to_bytes;
use chancery_ledger::format::encoding::{base64, hex};
use chancery_ledger::format::ids::Origin;
use chancery_ledger::format::json::{Value, parse};
use chancery_ledger::format::key::{LogVerifier, PrivateKey};
use chancery_ledger::verify::{Pin, Trust};

/// One export on the work bench.
pub struct Bench<'a> {
    pub forge: Forge,
    pub source: &'a Source,
    pub other: &'a Source,
    pub parts: bool,
    pub rng: &'a mut Seeded,
    pub trust: Trust,
    /// Bytes in place of the forge's, when lines are not enough to say it.
    pub tail: Option<Vec<u8>>,
}

impl Bench<'_> {
    pub fn finish(&self) -> Vec<u8> {
        self.tail.clone().unwrap_or_else(|| self.forge.bytes())
    }

    fn count(&self) -> usize {
        self.forge.entries().len()
    }

    /// A position with neighbours on both sides, not one of the first and last.
    fn middle(&mut self) -> usize {
        3 + self.rng.below(self.count() - 6)
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        let at = self.rng.below(bytes.len());
        bytes[at] ^= 1 << self.rng.below(8);
    }

    /// First position from `from` on whose entry satisfies `wanted`, going round.
    fn find(&self, from: usize, wanted: impl Fn(&Value, &Value) -> bool) -> Option<usize> {
        let lines = self.forge.entries();
        let n = lines.len();
        (0..n)
            .map(|i| (from + i) % n)
            .find(|i| wanted(&self.forge.doc(lines[*i]), &self.forge.entry(lines[*i])))
    }

    /// Does what the recipe says; the place of the damage, or `None` when this export has nothing to damage so.
    pub fn apply(&mut self, recipe: &Recipe) -> Option<Place> {
        let mut k = self.middle();
        let lines = self.forge.entries();
        let own = self.source.story.log_key();
        let stranger = PrivateKey::from_seed(&[7; 32]);
        let last = self.count() - 1;
        let mut place: Place = None;
        match recipe.op.as_str() {
            "flip_leaf" => {
                let mut leaf = self.forge.leaf(lines[k])?;
                self.flip(&mut leaf);
                self.forge.set_leaf(lines[k], &leaf);
            }
            "flip_line" => {
                let mut text = self.forge.lines[lines[k]].clone();
                self.flip(&mut text);
                self.forge.lines[lines[k]] = text;
            }
            "flip_blind" => self.forge.change_entry(lines[k], |entry| flip_hex(entry, "blind")),
            "flip_part" | "flip_salt" => {
                k = self.find(k, |doc, _| doc.get("args").is_some())?;
                let salt = recipe.op == "flip_salt";
                let digit = self.rng.below(64);
                self.forge.change(lines[k], |doc| {
                    let part = members(doc.get_mut("args").expect("args"));
                    if salt {
                        let mut text = part["salt"].text().expect("hex").as_bytes().to_vec();
                        text[digit] = if text[digit] == b'0' { b'1' } else { b'0' };
                        part.insert("salt".to_owned(), Value::Text(String::from_utf8(text).expect("hex")));
                    } else {
                        members(part.get_mut("value").expect("a value")).insert("zz".to_owned(), int(1));
                    }
                });
            }
            "flip_head" => {
                let heads = self.forge.heads();
                let line = heads[self.rng.below(heads.len())];
                let mut doc = self.forge.doc(line);
                let mut sig =
                    chancery_ledger::format::encoding::unbase64(doc.get("head")?.get("sig")?.text()?)?;
                self.flip(&mut sig);
                members(members(&mut doc).get_mut("head")?)
                    .insert("sig".to_owned(), Value::Text(base64(&sig)));
                self.forge.set(line, &doc);
            }
            "flip_checkpoint" | "flip_trailer" | "flip_header" => {
                let line = match recipe.op.as_str() {
                    "flip_checkpoint" => self.forge.checkpoint(),
                    "flip_trailer" => self.forge.end(),
                    _ => 0,
                };
                // Within the value, past the name of the line's form.
                let skip = if line == 0 { 25 } else { 14 };
                let mut text = self.forge.lines[line].clone();
                self.flip(&mut text[skip..]);
                self.forge.lines[line] = text;
            }
            "delete" => {
                self.forge.lines.remove(lines[k]);
                if recipe.repair == "none" || recipe.repair == "trailer" {
                    place = Some((k as u64, k as u64));
                }
            }
            "swap" => {
                self.forge.lines.swap(lines[k], lines[k + 1]);
                place = Some((k as u64, k as u64 + 1));
            }
            "duplicate" => {
                let line = self.forge.lines[lines[k]].clone();
                self.forge.lines.insert(lines[k] + 1, line);
                k += 1;
            }
            "insert" => {
                let line = self.forge.lines[lines[k]].clone();
                self.forge.lines.insert(lines[k], line);
                self.forge.change_entry(lines[k], |entry| {
                    entry.remove("attestation");
                    flip_hex(entry, "blind");
                });
                place = Some((k as u64, k as u64 + 1));
            }
            "set_prev" => self.forge.change_entry(lines[k], |entry| {
                entry.insert("prev".to_owned(), Value::Text(format!("b3:{}", hex(&[9; 32]))));
            }),
            "set_n" => self.forge.change_entry(lines[k], |entry| {
                let n = entry["n"].int().expect("n");
                entry.insert("n".to_owned(), Value::Int(n + 1));
            }),
            "set_time" => self.forge.change_entry(lines[k], |entry| {
                entry.insert("time".to_owned(), int(0));
            }),
            "set_position" => self.forge.change_entry(lines[k], |entry| {
                entry.insert("position".to_owned(), int(k as u64 + 1));
            }),
            "set_scope" => self.forge.change_entry(lines[k], |entry| {
                entry.insert("scope".to_owned(), Value::from("/nowhere"));
            }),
            "set_log" => self.forge.change_entry(lines[k], |entry| {
                entry.insert("log".to_owned(), Value::from("other.example/e1"));
            }),
            "set_cause" => self.forge.change_entry(lines[k], |entry| {
                entry.insert("cause".to_owned(), Value::List(vec![int(k as u64)]));
            }),
            "set_kind" => self.forge.change_entry(lines[k], |entry| {
                entry.insert("kind".to_owned(), Value::from("ledger.opened"));
            }),
            "set_data" => self.forge.change_entry(lines[k], |entry| {
                members(entry.get_mut("data").expect("data")).insert("amount".to_owned(), int(1_000_000));
            }),
            "set_actor" => {
                k =
                    self.find(k, |_, entry| entry.get("attestation").is_some() && entry.get("by").is_some())?;
                self.forge.change_entry(lines[k], |entry| {
                    members(entry.get_mut("actor").expect("actor"))
                        .insert("principal".to_owned(), Value::from("eve"));
                });
            }
            "unsign" => {
                k = self.find(k, |_, entry| entry.get("attestation").is_some())?;
                self.forge.change_entry(lines[k], |entry| {
                    entry.remove("attestation");
                });
            }
            "set_seq" => {
                k = self.find(k, |_, entry| entry.get("attestation").is_some())?;
                self.forge.change_entry(lines[k], |entry| {
                    members(entry.get_mut("attestation").expect("one")).insert("seq".to_owned(), int(999));
                });
            }
            "swap_author" => {
                k = self.find(k, |_, entry| entry.get("attestation").is_some())?;
                let first = self.forge.entry(lines[0]);
                let sig = self
                    .find(k + 1, |_, entry| entry.get("attestation").is_some())
                    .filter(|other| *other != k);
                let donor = sig.map_or(first, |other| self.forge.entry(lines[other]));
                let sig = donor.get("attestation")?.get("sig")?.clone();
                self.forge.change_entry(lines[k], |entry| {
                    members(entry.get_mut("attestation").expect("one")).insert("sig".to_owned(), sig);
                });
            }
            "set_author" => {
                k = self.find(k, |_, entry| entry.get("attestation").is_some())?;
                let id = stranger.public().id().to_string();
                self.forge.change_entry(lines[k], |entry| {
                    members(entry.get_mut("attestation").expect("one"))
                        .insert("key".to_owned(), Value::Text(id));
                });
            }
            "set_key" => {
                k = self.find(k, |_, entry| {
                    entry.get("kind").and_then(Value::text) == Some("key.enrolled")
                        && entry.get("by").is_some()
                })?;
                self.forge.change_entry(lines[k], |entry| {
                    let public = stranger.public();
                    let id = Value::Text(public.id().entity());
                    members(entry.get_mut("entity").expect("one")).insert("id".to_owned(), id);
                    let public = Value::Text(public.to_base64());
                    members(entry.get_mut("data").expect("data")).insert("public".to_owned(), public);
                });
            }
            "foreign_entry" => {
                let other = Forge::of(&self.other.story.export(self.parts));
                let theirs = other.entries();
                self.forge.lines[lines[k]] = other.lines[theirs[k.min(theirs.len() - 1)]].clone();
            }
            "foreign_suffix" => {
                let other = Forge::of(&self.other.story.export(self.parts));
                let from = *other.entries().get(k)?;
                self.forge.lines.truncate(lines[k]);
                self.forge.lines.extend_from_slice(&other.lines[from..]);
                place = Some((k as u64, last as u64));
            }
            "part_removed" | "part_replaced" | "part_added" => {
                let wanted = recipe.op != "part_added";
                k = self.find(k, |doc, _| doc.get("private").is_some() == wanted)?;
                self.forge.change(lines[k], |doc| {
                    doc.remove("private");
                    if recipe.op != "part_removed" {
                        let value = object(&[("name", Value::from("somebody else"))]);
                        let salt = Value::Text(hex(&[3; 32]));
                        doc.insert("private".to_owned(), object(&[("salt", salt), ("value", value)]));
                    }
                });
            }
            "parts_swapped" => {
                k = self.find(k, |doc, _| doc.get("args").is_some())?;
                let mine = self.forge.doc(lines[k]).get("args")?.clone();
                let other = self.find(k + 1, |doc, _| doc.get("args").is_some_and(|args| *args != mine))?;
                let theirs = self.forge.doc(lines[other]).get("args")?.clone();
                self.forge.change(lines[k], |doc| {
                    doc.insert("args".to_owned(), theirs);
                });
            }
            "double_key" => self.edit_leaf_text(lines[k], "{\"actor\":", "{\"actor\":{},\"actor\":"),
            "leaf_space" => self.edit_leaf_text(lines[k], ",\"blind\":", ", \"blind\":"),
            "leaf_order" => self.edit_leaf_text(lines[k], ",\"v\":0}", ",\"v\":0,\"a\":0}"),
            "leaf_number" => self.edit_leaf_text(lines[k], ",\"v\":0}", ",\"v\":0.0}"),
            "line_space" => self.forge.lines[lines[k]].insert(1, b' '),
            "line_unknown" => {
                self.forge.lines.insert(lines[k], b"{\"note\":1}".to_vec());
            }
            "line_empty" => self.forge.lines.insert(lines[k], Vec::new()),
            "line_long" => {
                let text = format!("{{\"leaf\":\"{}\"}}", "A".repeat(163_832));
                self.forge.lines.insert(lines[k], text.into_bytes());
            }
            "base64_bits" => {
                let leaf = self.forge.doc(lines[k]).get("leaf")?.text()?.to_owned();
                let swapped = match leaf.strip_suffix('=') {
                    Some(text) if !text.ends_with('=') => format!("{}=", nudge(text)),
                    Some(text) => format!("{}==", nudge(text.strip_suffix('=')?)),
                    None => format!("{leaf}="),
                };
                self.forge.change(lines[k], |doc| {
                    doc.insert("leaf".to_owned(), Value::Text(swapped));
                });
            }
            "trailing" => {
                let mut bytes = self.forge.bytes();
                bytes.extend_from_slice(b"{}\n");
                self.tail = Some(bytes);
                return Some(None);
            }
            "trailing_byte" => {
                let mut bytes = self.forge.bytes();
                bytes.push(b'\n');
                self.tail = Some(bytes);
                return Some(None);
            }
            "cut_line" => {
                let keep = 1 + self.rng.below(self.forge.lines.len() - 1);
                self.forge.lines.truncate(keep);
                return Some(None);
            }
            "cut_anywhere" => {
                let mut bytes = self.forge.bytes();
                let header = self.forge.lines[0].len();
                let keep = header + self.rng.below(bytes.len() - header);
                bytes.truncate(keep);
                self.tail = Some(bytes);
                return Some(None);
            }
            "cut_trailer" => {
                self.forge.lines.pop();
                return Some(None);
            }
            "flip_parts_flag" => self.forge.change(0, |header| {
                let parts = header["parts"] == Value::Bool(false);
                header.insert("parts".to_owned(), Value::Bool(parts));
            }),
            "set_from" => self.forge.change(0, |header| {
                header.insert("from".to_owned(), int(1));
                header.insert("frontier".to_owned(), Value::List(vec![Value::Text(hex(&[5; 32]))]));
            }),
            "raise_to" => self.forge.change(0, |header| {
                header.insert("to".to_owned(), int(last as u64 + 5));
            }),
            "lower_to" => {
                self.forge.change(0, |header| {
                    header.insert("to".to_owned(), int(last as u64));
                });
                k = last;
            }
            "set_origin" => self.forge.change(0, |header| {
                header.insert("origin".to_owned(), Value::from("story.example/e2"));
            }),
            "from_above_to" => self.forge.change(0, |header| {
                header.insert("to".to_owned(), int(0));
                header.insert("from".to_owned(), int(1));
                header.insert("frontier".to_owned(), Value::List(vec![Value::Text(hex(&[5; 32]))]));
            }),
            "two_checkpoints" => {
                let line = self.forge.checkpoint();
                let copy = self.forge.lines[line].clone();
                self.forge.lines.insert(line, copy);
            }
            "no_checkpoint" => {
                let line = self.forge.checkpoint();
                self.forge.lines.remove(line);
            }
            "old_checkpoint" => self.old_checkpoint(),
            "note_extension" => self.change_note(|note| note.replacen("\n\n", "\nextension\n\n", 1)),
            "note_twice" => self.change_note(|note| {
                let line = note.lines().last().expect("a signature").to_owned();
                let forged = line.replace(line.split(' ').nth(2).expect("a blob"), &forged_blob(&line));
                format!("{note}{forged}\n")
            }),
            "note_stranger" => {
                self.change_note(|note| format!("{note}\u{2014} witness.example {}\n", base64(&[8; 76])))
            }
            "note_unsigned" => self.change_note(|note| {
                let text = note.split("\n\n").next().expect("a text").to_owned();
                format!("{text}\n\n\u{2014} witness.example {}\n", base64(&[8; 76]))
            }),
            "head_early" => {
                let heads = self.forge.heads();
                let at = heads[1 + self.rng.below(heads.len() - 1)];
                let head = self.forge.lines.remove(at);
                self.forge.lines.insert(at - 1, head);
                let size = size_of(&parse(&self.forge.lines[at - 1]).ok()?);
                place = Some((size - 1, size - 1));
            }
            "head_twice" => {
                let heads = self.forge.heads();
                let at = heads[self.rng.below(heads.len())];
                let head = self.forge.lines[at].clone();
                self.forge.lines.insert(at, head);
            }
            "heads_gone" => {
                for line in self.forge.heads().into_iter().rev() {
                    self.forge.lines.remove(line);
                }
            }
            "trailer_count" => {
                self.forge.retrail();
                let end = self.forge.end();
                let mut doc = self.forge.doc(end);
                members(members(&mut doc).get_mut("end")?).insert("entries".to_owned(), int(last as u64));
                self.forge.set(end, &doc);
                return Some(None);
            }
            "rollback" => {
                let heads = self.forge.heads();
                let line = heads[heads.len() / 2];
                let size = size_of(&self.forge.doc(line));
                self.forge = Forge::of(&self.source.story.export_range(0, Some(size), self.parts));
                return Some(None);
            }
            "newer_pin" => {
                self.trust.heads.push((last as u64 + 10, [1; 32]));
                return Some(None);
            }
            "other_pin" => {
                let origin = Origin::parse("other.example/e1").expect("an origin");
                let verifier = LogVerifier { origin, key: self.source.story.verifier().key };
                self.trust = Trust {
                    key: Some(verifier.clone()),
                    heads: Vec::new(),
                    pin: Some(Pin::new(verifier, 0, [1; 32])),
                };
                return Some(None);
            }
            "wrong_key" => {
                let verifier = self.other.story.verifier();
                self.trust = Trust { key: Some(verifier), ..Trust::default() };
                return Some(None);
            }
            "lying_head" => {
                self.trust.heads.push((k as u64, [1; 32]));
                self.trust.pin = None;
                place = Some((0, k as u64 - 1));
            }
            "old_head" => {
                let bytes = self.source.story.export_range(1, None, self.parts);
                self.forge = Forge::of(&bytes);
                self.trust.pin = None;
                self.trust.heads.push((0, [1; 32]));
                return Some(None);
            }
            "suspect" => {
                k = self.find(k, |_, entry| {
                    entry.get("attestation").is_some()
                        && entry.get("kind").and_then(Value::text) == Some("host_key.observed")
                })?;
                let id = self.forge.entry(lines[k]).get("attestation")?.get("key")?.text()?[2..].to_owned();
                let victim = self.find(k + 1, |doc, entry| {
                    let position = entry.get("position").and_then(Value::int).unwrap_or(0);
                    position > k as i64 && entry.get("attestation").is_none() && doc.get("private").is_none()
                });
                // Only what the log alone signed can become the suspicion; whoever holds its key can write one.
                let at = victim?;
                self.forge.change_entry(lines[at], |entry| {
                    entry.insert("kind".to_owned(), Value::from("key.suspected"));
                    entry.insert("data".to_owned(), object(&[("from", int(k as u64))]));
                    entry.insert(
                        "entity".to_owned(),
                        object(&[("id", Value::Text(id)), ("kind", Value::from("key"))]),
                    );
                });
                self.trust.pin = None;
                k = k.min(at);
                place = Some((k as u64, last as u64));
            }
            "nothing" => {}
            other => panic!("no operation `{other}`"),
        }
        let line = self.forge.entries().get(k).copied().unwrap_or(0);
        match recipe.repair.as_str() {
            "none" => {}
            "trailer" => self.forge.retrail(),
            "chain" => {
                self.forge.relink(line);
                self.forge.retrail();
            }
            "all" | "stranger" | "log" => {
                let moved = ["delete", "duplicate", "insert", "swap", "foreign_entry", "foreign_suffix"];
                if moved.contains(&recipe.op.as_str()) {
                    self.forge.renumber();
                    let before = self.forge.entries()[k.saturating_sub(1)];
                    self.forge.relink(before);
                } else {
                    self.forge.relink(line);
                }
                let key = match recipe.repair.as_str() {
                    "all" => None,
                    "log" => Some(&own),
                    _ => Some(&stranger),
                };
                self.forge.reroot(key);
                self.forge.retrail();
            }
            other => panic!("no repair `{other}`"),
        }
        if recipe.repair == "stranger" {
            return Some(Some((0, last as u64)));
        }
        if recipe.repair != "none" && recipe.repair != "trailer" && place.is_none() {
            // Everything after the damage was written again, so all of it differs from what was recorded.
            place = Some((k as u64, last.max(k) as u64));
        }
        Some(place.or(Some((k as u64, k as u64))))
    }

    fn edit_leaf_text(&mut self, line: usize, from: &str, to: &str) {
        let leaf = String::from_utf8(self.forge.leaf(line).expect("a leaf")).expect("text");
        self.forge.set_leaf(line, leaf.replacen(from, to, 1).as_bytes());
    }

    fn change_note(&mut self, change: impl FnOnce(&str) -> String) {
        let line = self.forge.checkpoint();
        let doc = self.forge.doc(line);
        let note = doc.get("checkpoint").and_then(Value::text).expect("a note").to_owned();
        self.forge.lines[line] =
            to_bytes(&object(&[("checkpoint", Value::Text(change(&note)))])).expect("canonical");
    }

    /// The checkpoint of an earlier export in place of the newest.
    fn old_checkpoint(&mut self) {
        let size = size_of(&self.forge.doc(self.forge.heads()[0]));
        let old = Forge::of(&self.source.story.export_range(0, Some(size), false));
        let (from, to) = (old.checkpoint(), self.forge.checkpoint());
        self.forge.lines[to] = old.lines[from].clone();
    }
}

fn flip_hex(entry: &mut Members, name: &str) {
    let text = entry[name].text().expect("hex").to_owned();
    let first = if text.starts_with('0') { "1" } else { "0" };
    entry.insert(name.to_owned(), Value::Text(format!("{first}{}", &text[1..])));
}

/// The same characters with unused bits set: another text for the same bytes.
fn nudge(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let last = bytes.last_mut().expect("a character");
    *last = match *last {
        b'z' => b'0',
        b'Z' => b'a',
        b'9' => b'+',
        other => other + 1,
    };
    String::from_utf8(bytes).expect("text")
}

/// The blob of a signature line with the signature spoilt and the key id kept.
fn forged_blob(line: &str) -> String {
    let blob = line.split(' ').nth(2).expect("a blob");
    let mut bytes = chancery_ledger::format::encoding::unbase64(blob).expect("base64");
    *bytes.last_mut().expect("a byte") ^= 1;
    base64(&bytes)
}
