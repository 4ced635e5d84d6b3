//! What do strings hold that are JSON themselves? They are read as others write JSON: any names, any numbers, names
//! that occur twice, one document after another.

use super::context::is_value;
use super::names::is_secret;
use super::{MEMBER, SHORTEST_MEMBER, look};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The detector that finds something in a text that is one JSON object or array, or several of them.
pub(super) fn in_json(text: &str, levels: usize) -> Option<&'static str> {
    if levels == 0 || !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let mut documents = serde_json::Deserializer::from_str(text);
    while let Ok(node) = (Node { levels }).deserialize(&mut documents) {
        if node.found.is_some() {
            return node.found;
        }
    }
    None
}

/// A value that is read and not kept.
#[derive(Clone, Copy)]
struct Node {
    levels: usize,
}

/// What reading a value told.
struct Told {
    found: Option<&'static str>,
    /// Whether it would be a secret under a secret's name.
    value: bool,
}

impl Told {
    const NOTHING: Self = Self { found: None, value: false };
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Told;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Told, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Told;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Told, E> {
        let value = is_value(text.as_bytes(), SHORTEST_MEMBER);
        Ok(Told { found: look(text, self.levels - 1), value })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Told, A::Error> {
        let mut told = Told::NOTHING;
        while let Some(item) = items.next_element_seed(self)? {
            told = Told { found: told.found.or(item.found), value: told.value || item.value };
        }
        Ok(told)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Told, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            let told = members.next_value_seed(self)?;
            let member = (told.value && is_secret(name.as_bytes())).then_some(MEMBER);
            found = found.or(told.found).or(member).or_else(|| super::in_text(&name));
        }
        Ok(Told { found, value: false })
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Told, E> {
        Ok(Told::NOTHING)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Told, E> {
        Ok(Told::NOTHING)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Told, E> {
        Ok(Told::NOTHING)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Told, E> {
        Ok(Told::NOTHING)
    }

    fn visit_unit<E: Error>(self) -> Result<Told, E> {
        Ok(Told::NOTHING)
    }
}
