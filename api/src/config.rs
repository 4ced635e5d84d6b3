//! How is a server set up? Flags before variables before a file, one table for all three; whatever is wrong is told at
//! once. SPEC 20.

use crate::limits::{LIMITS, Limits};
use crate::log::LogTo;
use chancery_ledger::format::json::{self, Value};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

/// One setting: its flag is `--name` with dashes, its variable `CHANCERY_NAME`, its key in the file `name`.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What counts when nothing else is said.
    pub default: String,
    /// What it is counted in, or what it is.
    pub unit: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// Settings that are no limits.
const TEXTS: &[(&str, &str, &str, &str)] = &[
    ("listen", "127.0.0.1:7878", "address", "Where to listen; port 0 takes a free one"),
    ("metrics_listen", "off", "address", "Where figures are given to anybody who asks, or `off`"),
    ("access_log", "stderr", "off, stderr, or a file", "Where a line for each request goes"),
];

/// Every setting, in the order of SPEC 20.
pub fn settings() -> Vec<Setting> {
    let texts = TEXTS.iter().map(|(name, default, unit, help)| Setting {
        name,
        default: (*default).to_owned(),
        unit,
        help,
    });
    let limits = LIMITS.iter().map(|limit| Setting {
        name: limit.name,
        default: limit.default.to_string(),
        unit: limit.unit,
        help: limit.help,
    });
    texts.chain(limits).collect()
}

/// How the server is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where figures are given to anybody who asks.
    pub metrics_listen: Option<SocketAddr>,
    /// Where a line for each request goes.
    pub access_log: LogTo,
    /// What bounds it.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7878)),
            metrics_listen: None,
            access_log: LogTo::Stderr,
            limits: Limits::default(),
        }
    }
}

/// One value, and where it was said.
#[derive(Debug, Clone)]
pub struct Given {
    /// Name of the setting.
    pub name: String,
    /// The value.
    pub value: String,
    /// Where it stands, for people.
    pub place: String,
}

/// The largest number of a setting.
const MOST: u64 = 9_007_199_254_740_991;

impl Config {
    fn set(&mut self, given: &Given) -> Result<(), String> {
        let Given { name, value, place } = given;
        let address = || value.parse().map_err(|_| format!("{place}: `{value}` is not `address:port`"));
        match name.as_str() {
            "listen" => self.listen = address()?,
            "metrics_listen" if value == "off" => self.metrics_listen = None,
            "metrics_listen" => self.metrics_listen = Some(address()?),
            "access_log" => {
                self.access_log = match value.as_str() {
                    "off" => LogTo::Off,
                    "stderr" => LogTo::Stderr,
                    path => LogTo::File(PathBuf::from(path)),
                }
            }
            name if LIMITS.iter().any(|limit| limit.name == name) => {
                let number = value.parse().ok().filter(|number| (1..=MOST).contains(number));
                let number = number
                    .ok_or_else(|| format!("{place}: `{value}` is not a whole number from 1 to {MOST}"))?;
                self.limits.set(name, number);
            }
            name => {
                let known: Vec<&str> =
                    TEXTS.iter().map(|row| row.0).chain(LIMITS.iter().map(|limit| limit.name)).collect();
                let near = chancery_ledger::domains::nearest(name, &known);
                let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                return Err(format!("{place}: there is no setting `{name}`{hint}"));
            }
        }
        Ok(())
    }

    /// What was given, the last one of a name counting; everything that is wrong with it at once.
    pub fn read(given: &[Given]) -> Result<Self, Vec<String>> {
        let mut config = Self::default();
        let faults: Vec<String> = given.iter().filter_map(|given| config.set(given).err()).collect();
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }
}

/// The settings of a file: JSON of SPEC 3, an object of names with numbers or strings.
pub fn parse_file(name: &str, bytes: &[u8]) -> Result<Vec<Given>, Vec<String>> {
    let document = json::parse(bytes).map_err(|error| vec![format!("{name}: {error}")])?;
    let Value::Object(members) = document else { return Err(vec![format!("{name}: it is not an object")]) };
    let (mut given, mut faults) = (Vec::new(), Vec::new());
    for (member, value) in members {
        let place = format!("{name}: `{member}`");
        match value {
            Value::Int(number) => given.push(Given { name: member, value: number.to_string(), place }),
            Value::Text(value) => given.push(Given { name: member, value, place }),
            other => {
                faults.push(format!("{place} is {}, it must be a number or a string", other.type_name()))
            }
        }
    }
    if faults.is_empty() { Ok(given) } else { Err(faults) }
}
