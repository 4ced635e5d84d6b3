//! What stands after the question mark? Only what a route declares, each once. SPEC 20.

use crate::problem::Problem;
use crate::routes::Param;
use chancery_ledger::Code;

/// Parameters of one request.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(&'static str, String)>);

/// `text` with `%xx` and `+` resolved.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |b: &u8| char::from(*b).to_digit(16);
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                rest = after;
            }
            (b'%', _) => return None,
            (b'+', _) => bytes.push(b' '),
            (b, _) => bytes.push(*b),
        }
    }
    String::from_utf8(bytes).ok()
}

impl Query {
    /// Reads a query against what is declared.
    pub(crate) fn parse(text: Option<&str>, declared: &'static [Param]) -> Result<Self, Problem> {
        let mut found = Self::default();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let known = declared.iter().find(|param| param.name == name);
            let pointer = format!("/query/{name}");
            let Some(param) = known else {
                let names: Vec<&str> = declared.iter().map(|param| param.name).collect();
                let hint = match names.is_empty() {
                    true => "it takes none".to_owned(),
                    false => format!("it takes {}", names.join(", ")),
                };
                return Err(Problem::at(Code::UnknownField, pointer, "there is no such parameter").hint(hint));
            };
            let Some(value) = decode(value) else {
                let text = format!("`{name}` is not percent-encoded UTF-8");
                return Err(Problem::at(Code::MalformedValue, pointer, text));
            };
            if found.get(param.name).is_some() {
                return Err(Problem::at(Code::DuplicateKey, pointer, format!("`{name}` is given twice")));
            }
            found.0.push((param.name, value));
        }
        Ok(found)
    }

    /// A parameter that was given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that is a number from 1 on: of rows or entries; no page is empty by wish.
    pub(crate) fn some(&self, name: &str) -> Result<Option<u64>, Problem> {
        match self.number(name)? {
            Some(0) => {
                let pointer = format!("/query/{name}");
                Err(Problem::at(Code::OutOfRange, pointer, format!("`{name}` is 0, and begins with 1")))
            }
            other => Ok(other),
        }
    }

    /// A parameter that is a number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(number) if plain => Ok(Some(number)),
            _ => {
                let text = format!("`{name}` is not a number");
                Err(Problem::at(Code::MalformedValue, format!("/query/{name}"), text))
            }
        }
    }
}
