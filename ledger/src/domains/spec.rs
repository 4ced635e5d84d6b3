//! How is an action declared? Its entity, arguments and help as data, and the check of what was given
//! against it. The generic surfaces iterate over these tables and name no domain.

use crate::code::Code;
use crate::format::canonical::to_bytes;
use crate::format::ids::{Fingerprint, Id, PrincipalId, Scope};
use crate::format::json::Value;
use crate::format::limits::{INT_MAX, LIST};
use crate::format::reference::Reference;
use serde::{Deserialize, Serialize};

/// The declaration of an action.
#[derive(Debug)]
pub struct ActionSpec {
    /// `<domain>.<imperative>`
    pub id: &'static str,
    /// Kind of the entity that it is about.
    pub entity: &'static str,
    /// How the entity's id is found.
    pub subject: Subject,
    /// How much can go wrong: what is not low asks for a second principal first.
    pub risk: Risk,
    /// Whether it adds to what can go wrong.
    pub flow: Flow,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// Its arguments, in the order of their names.
    pub fields: &'static [Field],
}

/// How much can go wrong when an action is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// It is done when it is asked for.
    Low,
    /// A second principal confirms it.
    Medium,
    /// A second principal confirms it.
    High,
    /// An effect outside the ledger that cannot be undone: there is no route.
    Destructive,
}

impl Risk {
    /// Every word, in rising order.
    pub const NAMES: &'static [&'static str] = &["low", "medium", "high", "destructive"];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or_default()
    }
}

/// Whether an action adds to what can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It does: kill switches stop it.
    Raises,
    /// It reports what was: kill switches do not stop it, it waits with the others.
    Reports,
    /// It only looks: kill switches do not stop it, nobody need sign it, and a yes leaves no entry.
    Reads,
    /// It only takes authority away: kill switches do not stop it, and it goes before what waits.
    Reduces,
}

/// How an action's entity is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The request names it.
    Named,
    /// The request names it, and it is a token that is to be.
    NewToken,
    /// It is the ledger itself.
    Ledger,
}

/// The declaration of an argument.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
    /// What it means, in one sentence.
    pub help: &'static str,
}

/// What an argument may be.
#[derive(Debug)]
pub enum Shape {
    /// Text of at most so many bytes.
    Text(usize),
    /// An integer in a range.
    Int(i64, i64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A principal's id.
    Principal,
    /// A host key's fingerprint.
    Fingerprint,
    /// Padded base64 of so many bytes.
    Bytes(usize),
    /// A digest `b3:…`.
    Digest,
    /// An id.
    Id,
    /// A scope.
    Scope,
    /// A credential reference.
    Reference,
    /// `true` or `false`.
    Bool,
    /// Up to so many of these.
    List(usize, &'static Shape),
}

/// An argument that must be there.
pub(super) const fn need(name: &'static str, shape: Shape, help: &'static str) -> Field {
    Field { name, shape, required: true, help }
}

/// An argument that may be there.
pub(super) const fn may(name: &'static str, shape: Shape, help: &'static str) -> Field {
    Field { name, shape, required: false, help }
}

impl Shape {
    /// The grammar in words, with an example where the words are not enough.
    pub fn describe(&self) -> String {
        match self {
            Self::Text(max) => format!("text of at most {max} bytes"),
            Self::Int(min, max) if *max == INT_MAX => format!("an integer of at least {min}"),
            Self::Int(min, max) => format!("an integer from {min} to {max}"),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
            Self::Principal => "a principal's id, [a-z0-9][a-z0-9._:-]{0,127}".to_owned(),
            Self::Fingerprint => "a fingerprint, `SHA256:` and 43 characters of base64".to_owned(),
            Self::Bytes(n) => format!("padded base64 of {n} bytes"),
            Self::Digest => "a digest, `b3:` and 64 hex digits".to_owned(),
            Self::Id => "an id, [a-z0-9][a-z0-9._:-]{0,127}".to_owned(),
            Self::Scope => "a scope, `/` or up to five segments `/[a-z0-9-]`".to_owned(),
            Self::Reference => "a credential reference such as `vault://mount/path#field`".to_owned(),
            Self::Bool => "`true` or `false`".to_owned(),
            Self::List(max, shape) => format!("a list of at most {max}, each {}", shape.describe()),
        }
    }

    fn check(&self, value: &Value) -> Result<(), Code> {
        match self {
            Self::Int(min, max) => {
                let int = value.int().ok_or(Code::WrongType)?;
                if (*min..=*max).contains(&int) { Ok(()) } else { Err(Code::OutOfRange) }
            }
            Self::Bool if matches!(value, Value::Bool(_)) => Ok(()),
            Self::Bool => Err(Code::WrongType),
            Self::List(max, shape) => match value {
                Value::List(values) if values.len() > *max => Err(Code::TooLarge),
                // A list goes into the leaf as it stands, beside what else is there.
                Value::List(_) if to_bytes(value).map_or(usize::MAX, |text| text.len()) > LIST => {
                    Err(Code::TooLarge)
                }
                Value::List(values) => values.iter().try_for_each(|value| shape.check(value)),
                _ => Err(Code::WrongType),
            },
            _ => {
                let text = value.text().ok_or(Code::WrongType)?;
                self.check_text(text)
            }
        }
    }

    fn check_text(&self, text: &str) -> Result<(), Code> {
        let valid = match self {
            Self::Text(max) if text.len() > *max => return Err(Code::TooLarge),
            Self::Text(_) | Self::Int(..) | Self::Bool | Self::List(..) => true,
            Self::Id => Id::parse(text).is_ok(),
            Self::Scope => Scope::parse(text).is_ok(),
            Self::Reference => Reference::parse(text).is_ok(),
            Self::OneOf(words) => words.contains(&text),
            Self::Principal => PrincipalId::parse(text).is_ok(),
            Self::Fingerprint => Fingerprint::parse(text).is_ok(),
            Self::Bytes(n) => crate::format::encoding::unbase64(text).is_some_and(|b| b.len() == *n),
            Self::Digest => crate::format::hash::Digest::parse(text).is_some(),
        };
        if valid { Ok(()) } else { Err(Code::MalformedValue) }
    }
}

/// Bad input: what is wrong, where, and the way out. Never recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// The stable code.
    pub code: Code,
    /// JSON pointer into the request, or the name of what was given.
    pub pointer: String,
    /// What is wrong, in a sentence that names the field.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl ActionSpec {
    /// A declaration of low risk that names its entity and adds to what can go wrong.
    pub(super) const fn new(
        id: &'static str,
        entity: &'static str,
        help: &'static str,
        fields: &'static [Field],
    ) -> Self {
        Self { id, entity, subject: Subject::Named, risk: Risk::Low, flow: Flow::Raises, help, fields }
    }

    pub(super) const fn risk(self, risk: Risk) -> Self {
        Self { risk, ..self }
    }

    pub(super) const fn flow(self, flow: Flow) -> Self {
        Self { flow, ..self }
    }

    /// Whether it only asks whether somebody may look, and so changes nothing.
    pub fn is_read(&self) -> bool {
        self.flow == Flow::Reads
    }

    /// Whether it goes before what waits.
    pub fn reduces_risk(&self) -> bool {
        self.flow == Flow::Reduces
    }

    /// Checks `args` against the declaration; the first thing that is wrong is told.
    pub fn check(&self, args: &Value) -> Result<(), Invalid> {
        let Value::Object(members) = args else {
            return Err(Invalid {
                code: Code::WrongType,
                pointer: "/args".to_owned(),
                message: format!("`args` is {}, it must be an object", args.type_name()),
                hint: "pass arguments as `name=value`".to_owned(),
            });
        };
        for name in members.keys() {
            if !self.fields.iter().any(|field| field.name == name) {
                let known: Vec<&str> = self.fields.iter().map(|field| field.name).collect();
                return Err(Invalid {
                    code: Code::UnknownField,
                    pointer: format!("/args/{name}"),
                    message: format!("`{}` has no argument `{name}`", self.id),
                    hint: match nearest(name, &known) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None if known.is_empty() => "it takes no arguments".to_owned(),
                        None => format!("it takes {}", known.join(", ")),
                    },
                });
            }
        }
        for field in self.fields {
            let invalid = |code, message| Invalid {
                code,
                pointer: format!("/args/{}", field.name),
                message,
                hint: format!("`{}` is {}: {}", field.name, field.shape.describe(), field.help),
            };
            match members.get(field.name) {
                None if field.required => {
                    let message = format!("`{}` needs the argument `{}`", self.id, field.name);
                    return Err(invalid(Code::MissingField, message));
                }
                None => {}
                Some(value) => field.shape.check(value).map_err(|code| {
                    let what = match code {
                        Code::WrongType => format!("`{}` is {}", field.name, value.type_name()),
                        Code::OutOfRange => format!("`{}` is out of range", field.name),
                        Code::TooLarge => format!("`{}` is too long", field.name),
                        _ => format!("`{}` does not match its grammar", field.name),
                    };
                    invalid(code, what)
                })?,
            }
        }
        Ok(())
    }

    /// Checks the id of the entity that the request names.
    pub fn check_entity(&self, id: Option<&str>, ledger: &str) -> Result<Id, Invalid> {
        let id = match (self.subject, id) {
            (Subject::Ledger, None) => ledger,
            (Subject::Ledger, Some(id)) if id != ledger => {
                return Err(Invalid {
                    code: Code::MalformedValue,
                    pointer: "/entity/id".to_owned(),
                    message: format!("`{}` is about the ledger `{ledger}`, not about `{id}`", self.id),
                    hint: "leave the id out".to_owned(),
                });
            }
            (_, Some(id)) => id,
            (Subject::Named | Subject::NewToken, None) => {
                return Err(Invalid {
                    code: Code::EntityRequired,
                    pointer: "/entity/id".to_owned(),
                    message: format!("`{}` needs the id of a {}", self.id, self.entity),
                    hint: "name it: `--id ID`".to_owned(),
                });
            }
        };
        let malformed = |message, hint: &str| Invalid {
            code: Code::MalformedValue,
            pointer: "/entity/id".to_owned(),
            message,
            hint: hint.to_owned(),
        };
        if self.subject == Subject::NewToken && !super::token::is_token_id(id) {
            let text = format!("`{id}` is not 12 characters of [a-z0-9], as a token's id is");
            return Err(malformed(text, "draw one: `--id $(openssl rand -hex 6)`"));
        }
        Id::parse(id).map_err(|error| {
            malformed(error.to_string(), "lower-case letters, digits, and `.`, `_`, `:`, `-` after the first")
        })
    }
}

/// The known name nearest to what was typed, when one is near.
pub fn nearest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |name: &&&str| distance(typed, name) <= 2.max(name.len() / 3);
    known.iter().filter(close).min_by_key(|name| distance(typed, name)).copied()
}

/// Number of single-character edits between two short texts.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
