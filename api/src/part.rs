//! What does whoever sees a part of a view learn of the rest? Nothing: what it is shown makes the tag, and says when it
//! changed. SPEC 17.

use chancery_ledger::format::encoding::hex;
use chancery_ledger::format::hash::PAGE;
use serde_json::Value;

/// An answer with `changed` as far as its own rows say it, and the entity tag of its content.
pub(crate) fn of(mut answer: Value, asked: &str) -> (Value, String) {
    let mut stable = answer.clone();
    let mut changed = 0;
    if let Some(members) = stable.as_object_mut() {
        members.remove("as_of");
        for member in members.values() {
            let rows = member.as_array().map_or(std::slice::from_ref(member), Vec::as_slice);
            changed = rows.iter().filter_map(|row| row["changed"].as_u64()).fold(changed, u64::max);
        }
    }
    if let Some(as_of) = answer.get_mut("as_of").and_then(Value::as_object_mut) {
        as_of.insert("changed".to_owned(), changed.into());
        let version = (as_of.get("version").cloned(), as_of.get("skipped").cloned());
        stable["as_of"] = Value::Array(vec![version.0.unwrap_or_default(), version.1.unwrap_or_default()]);
    }
    ageless(&mut stable);
    let digest = PAGE.digest(format!("{asked} {stable}").as_bytes());
    let tag = hex(digest.0.first_chunk::<16>().unwrap_or(&[0; 16]));
    (answer, format!("W/\"{tag}\""))
}

/// Leaves out how old things are by now: that changes without anything that changes.
fn ageless(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("age_ms");
            members.values_mut().for_each(ageless);
        }
        Value::Array(items) => items.iter_mut().for_each(ageless),
        _ => {}
    }
}
