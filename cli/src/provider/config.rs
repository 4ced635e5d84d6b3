//! Which providers are enabled, and where do they lie? One JSON file, read once; what it does not say is off. SPEC 16.

use super::test::Values;
use super::vault::Vault;
use crate::diagnostic::{Diagnostic, io};
use chancery_ledger::domains::{Invalid, nearest};
use chancery_ledger::format::json::{Value, parse};
use chancery_ledger::format::reference::ProviderKind;
use chancery_ledger::store::read_secret;
use chancery_ledger::{Code, Error};
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of a configuration.
const LIMIT: usize = 65_536;
/// Where a Vault agent listens when nothing is said.
const ADDRESS: &str = "http://127.0.0.1:8200";

/// What resolves references, and with what.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) enabled: Vec<ProviderKind>,
    pub(crate) vault: Option<Vault>,
    pub(crate) local: Option<PathBuf>,
    pub(crate) test: Option<Values>,
}

impl Config {
    /// Synthetic values under `test://`, and nothing else.
    pub(crate) fn synthetic() -> Self {
        Self {
            enabled: vec![ProviderKind::Test],
            test: Some(Values::Seed("chancery demo".to_owned())),
            ..Self::default()
        }
    }
}

fn invalid(code: Code, pointer: &str, message: String, hint: impl Into<String>) -> Invalid {
    Invalid { code, pointer: pointer.to_owned(), message, hint: hint.into() }
}

/// An object of which only these members are known.
struct Section<'a> {
    value: &'a Value,
    pointer: &'static str,
}

impl<'a> Section<'a> {
    fn new(value: &'a Value, pointer: &'static str, known: &[&str]) -> Result<Self, Invalid> {
        let Value::Object(members) = value else {
            let what = if pointer.is_empty() { "the configuration" } else { pointer };
            let text = format!("{what} is {}, not an object", value.type_name());
            return Err(invalid(Code::WrongType, pointer, text, "write `{…}`"));
        };
        if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
            let hint = match nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there is {}", known.join(", ")),
            };
            let text = format!("the configuration has no member `{name}` here");
            return Err(invalid(Code::UnknownField, &format!("{pointer}/{name}"), text, hint));
        }
        Ok(Self { value, pointer })
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.pointer)
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, Invalid> {
        let Some(value) = self.value.get(name) else { return Ok(None) };
        let wrong = || format!("`{name}` is {}, not a string", value.type_name());
        let text = value
            .text()
            .ok_or_else(|| invalid(Code::WrongType, &self.at(name), wrong(), "write a string"))?;
        if text.is_empty() {
            let text = format!("`{name}` is empty");
            return Err(invalid(Code::OutOfRange, &self.at(name), text, "write it, or leave the member out"));
        }
        Ok(Some(text))
    }

    fn needed(&self, name: &str, hint: &str) -> Result<&'a str, Invalid> {
        let text = || format!("an enabled provider needs `{name}`");
        self.text(name)?.ok_or_else(|| invalid(Code::MissingField, &self.at(name), text(), hint))
    }
}

/// True for this machine's own addresses.
fn is_loopback(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let ip = authority.parse::<SocketAddr>().map(|address| address.ip());
    let ip = ip.or_else(|_| authority.trim_matches(['[', ']']).parse::<IpAddr>());
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

fn address(section: &Section<'_>) -> Result<String, Invalid> {
    let text = section.text("address")?.unwrap_or(ADDRESS);
    let wrong =
        |message: String, hint: &str| invalid(Code::MalformedValue, &section.at("address"), message, hint);
    let agent = "run a Vault agent on this machine and name its listener, such as `http://127.0.0.1:8200`";
    let authority = text.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".:-[]".contains(&b);
    let Some(authority) = authority.filter(|a| !a.is_empty() && a.bytes().all(plain)) else {
        return Err(wrong(format!("`{text}` is not `http://HOST:PORT`"), agent));
    };
    let remote = match section.value.get("remote") {
        None => false,
        Some(Value::Bool(remote)) => *remote,
        Some(other) => {
            let text = format!("`remote` is {}, not a boolean", other.type_name());
            return Err(invalid(Code::WrongType, &section.at("remote"), text, "write `true` or `false`"));
        }
    };
    if !remote && !is_loopback(authority) {
        let text = format!(
            "`{text}` is not on this machine, and token and values would cross the network in the clear"
        );
        return Err(wrong(text, &format!("{agent}; or set `remote` to true on a network that you trust")));
    }
    Ok(format!("http://{authority}"))
}

fn timeout(section: &Section<'_>) -> Result<Duration, Invalid> {
    let at = section.at("timeout_ms");
    match section.value.get("timeout_ms") {
        None => Ok(Duration::from_secs(2)),
        Some(Value::Int(ms @ 1..=60_000)) => Ok(Duration::from_millis(ms.unsigned_abs())),
        Some(Value::Int(ms)) => {
            let text = format!("`timeout_ms` is {ms}, not from 1 to 60000");
            Err(invalid(Code::OutOfRange, &at, text, "keep to the bounds in the message"))
        }
        Some(other) => {
            let text = format!("`timeout_ms` is {}, not an integer", other.type_name());
            Err(invalid(Code::WrongType, &at, text, "write milliseconds"))
        }
    }
}

fn enabled(value: Option<&Value>) -> Result<Vec<ProviderKind>, Invalid> {
    let schemes = ProviderKind::ALL.map(ProviderKind::scheme);
    let items = match value {
        None => return Ok(Vec::new()),
        Some(Value::List(items)) => items,
        Some(other) => {
            let text = format!("`enabled` is {}, not an array", other.type_name());
            return Err(invalid(Code::WrongType, "/enabled", text, "write `[\"vault\"]`"));
        }
    };
    let kind = |(index, item): (usize, &Value)| {
        item.text().and_then(ProviderKind::of_scheme).ok_or_else(|| {
            let text = match item.text() {
                Some(text) => format!("there is no provider `{text}`"),
                None => format!("a provider is named by a string, not by {}", item.type_name()),
            };
            let hint = format!("there is {}", schemes.join(", "));
            invalid(Code::MalformedValue, &format!("/enabled/{index}"), text, hint)
        })
    };
    items.iter().enumerate().map(kind).collect()
}

impl Config {
    /// Reads a configuration; paths in it are taken from the directory that it lies in.
    pub(crate) fn read(path: &Path) -> Result<Self, Diagnostic> {
        let mut bytes = Vec::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(LIMIT as u64 + 1).read_to_end(&mut bytes));
        read.map_err(|error| io("read the configuration", path, error))?;
        if bytes.len() > LIMIT {
            let text = format!("`{}` has more than {LIMIT} bytes", path.display());
            return Err(Diagnostic::new(Code::TooLarge, text));
        }
        let value = parse(&bytes).map_err(|error| {
            let text = format!("`{}`: {}", path.display(), error.message);
            invalid(error.code, &error.pointer, text, "a configuration is JSON as SPEC 3 has it")
        })?;
        let config = Self::of(&value, path.parent().unwrap_or(Path::new("")))?;
        if let Some(vault) = &config.vault {
            // Told now, with its path, and not as the Vault's no later.
            read_secret(&vault.token_file).map_err(|error: Error| Diagnostic::from(error))?;
        }
        Ok(config)
    }

    fn of(value: &Value, base: &Path) -> Result<Self, Invalid> {
        Section::new(value, "", &["enabled", "local", "test", "vault"])?;
        let empty = Value::object();
        let section =
            |name, pointer, known: &[&str]| Section::new(value.get(name).unwrap_or(&empty), pointer, known);
        let vault = section("vault", "/vault", &["address", "remote", "timeout_ms", "token_file"])?;
        let local = section("local", "/local", &["directory"])?;
        let test = section("test", "/test", &["file", "seed"])?;
        let enabled = enabled(value.get("enabled"))?;
        // What is not enabled is not read either.
        let on = |kind, section| enabled.contains(&kind).then_some(section);
        let vault = on(ProviderKind::Vault, vault).map(|section| vault_of(&section, base)).transpose()?;
        let local =
            on(ProviderKind::LocalDevelopment, local).map(|section| local_of(&section, base)).transpose()?;
        let test = on(ProviderKind::Test, test).map(|section| test_of(&section, base)).transpose()?;
        Ok(Self { enabled, vault, local, test })
    }
}

fn vault_of(section: &Section<'_>, base: &Path) -> Result<Vault, Invalid> {
    let token = section.needed("token_file", "name a file of mode 0600 that holds the Vault's token")?;
    Ok(Vault { address: address(section)?, token_file: base.join(token), timeout: timeout(section)? })
}

fn local_of(section: &Section<'_>, base: &Path) -> Result<PathBuf, Invalid> {
    Ok(base.join(section.needed("directory", "name a directory with files of mode 0600")?))
}

fn test_of(section: &Section<'_>, base: &Path) -> Result<Values, Invalid> {
    match (section.text("seed")?, section.text("file")?) {
        (None, Some(file)) => Ok(Values::File(base.join(file))),
        (Some(_), Some(_)) => {
            let text = "`seed` and `file` both say where values come from".to_owned();
            Err(invalid(Code::UnknownField, "/test/file", text, "keep one of them"))
        }
        (_, None) => Ok(Values::Seed(section.needed("seed", "write a seed, or name a `file`")?.to_owned())),
    }
}
