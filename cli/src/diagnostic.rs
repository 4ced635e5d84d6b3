//! How is a person told what went wrong, and the way out? SPEC 15 and 16.

use crate::exit;
use crate::output::{Output, printable};
pub(crate) use chancery_api::{SPEC, row};
use chancery_ledger::domains::Invalid;
use chancery_ledger::{Class, Code, Conflict, Error};
use serde::Serialize;

/// Something that ends a command without a yes.
#[derive(Debug)]
pub(crate) struct Diagnostic {
    code: Code,
    message: String,
    hint: Option<String>,
    pointer: Option<String>,
    causes: Vec<String>,
}

/// Result of a command: its exit code.
pub(crate) type Outcome = Result<u8, Diagnostic>;

impl Diagnostic {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, pointer: None, causes: Vec::new() }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where in the request it is wrong.
    pub(crate) fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// What lies below, a line each.
    pub(crate) fn causes(mut self, causes: Vec<String>) -> Self {
        self.causes = causes;
        self
    }

    /// Bad usage that clap cannot know of.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::MalformedValue, message)
    }

    /// What clap found wrong with a command line; `None` when it only wants to print help or a version.
    pub(crate) fn from_clap(error: &clap::Error) -> Option<Self> {
        use clap::error::ErrorKind as Kind;
        let code = match error.kind() {
            Kind::DisplayHelp | Kind::DisplayVersion | Kind::DisplayHelpOnMissingArgumentOrSubcommand => {
                return None;
            }
            Kind::UnknownArgument => Code::UnknownField,
            Kind::InvalidSubcommand => Code::UnknownAction,
            Kind::MissingRequiredArgument if error.get(clap::error::ContextKind::InvalidArg).is_some() => {
                Code::MissingField
            }
            Kind::MissingSubcommand => Code::MissingField,
            _ => Code::MalformedValue,
        };
        // Paragraphs: what is wrong, a tip when there is one, the usage, and where to find more.
        let text = error.to_string();
        let line = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut parts = text.trim().split("\n\n").map(line);
        let message = parts.next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
        let rest: Vec<String> = parts.collect();
        let tip = rest.iter().find_map(|part| part.strip_prefix("tip: "));
        let usage = rest.iter().find(|part| part.starts_with("Usage: "));
        let hint = tip.map(str::to_owned).or_else(|| usage.cloned());
        Some(
            Self::new(code, message)
                .hint(hint.unwrap_or_else(|| "`chancery --help` shows what there is".to_owned())),
        )
    }

    /// The stable code.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// What went wrong, in a sentence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    fn exit(&self) -> u8 {
        match self.code.class() {
            Class::Invalid => exit::USAGE,
            Class::Conflict | Class::Denial | Class::Hold | Class::Refusal => exit::NO,
            Class::Error => exit::FAILED,
        }
    }

    /// Prints it and gives the exit code.
    pub(crate) fn report(&self, out: &Output) -> u8 {
        let hint = self.hint.clone().or_else(|| row(self.code).map(|row| row.way_out.to_owned()));
        if out.json {
            #[derive(Serialize)]
            struct Json<'a> {
                code: Code,
                error: &'a str,
                hint: Option<&'a str>,
                #[serde(skip_serializing_if = "Option::is_none")]
                pointer: Option<&'a str>,
            }
            out.json(&Json {
                code: self.code,
                error: &self.message,
                hint: hint.as_deref(),
                pointer: self.pointer.as_deref(),
            });
        }
        let mut text = format!("error[{}]: {}", self.code, printable(&self.message));
        for cause in &self.causes {
            text.push_str(&format!("\n  caused by: {}", printable(cause)));
        }
        if let Some(pointer) = &self.pointer {
            text.push_str(&format!("\n  at: {}", printable(pointer)));
        }
        if let Some(hint) = hint {
            text.push_str(&format!("\n  hint: {}", printable(&hint)));
        }
        out.talk(&text);
        self.exit()
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let mut causes = Vec::new();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self { code: error.code, message: error.message, hint: None, pointer: None, causes }
    }
}

impl From<Invalid> for Diagnostic {
    fn from(invalid: Invalid) -> Self {
        Self {
            code: invalid.code,
            message: invalid.message,
            hint: Some(invalid.hint),
            pointer: Some(invalid.pointer),
            causes: Vec::new(),
        }
    }
}

impl From<Conflict> for Diagnostic {
    fn from(conflict: Conflict) -> Self {
        Self::new(conflict.code, conflict.message)
    }
}

/// A failure of the operating system at a path.
pub(crate) fn io(what: &str, path: &std::path::Path, error: std::io::Error) -> Diagnostic {
    Error::io(what, path, error).into()
}
