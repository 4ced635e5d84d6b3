//! How much may a client ask for, and how long may it take? One table: names, defaults, units, help. SPEC 20.

use std::time::Duration;

/// One limit of the server.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Its name in the configuration file; the flag and the variable are made from it.
    pub name: &'static str,
    /// What counts when nothing else is said.
    pub default: u64,
    /// What it is counted in.
    pub unit: &'static str,
    /// What it bounds.
    pub help: &'static str,
}

macro_rules! limits {
    ($($name:ident = $default:literal $unit:literal, $help:literal;)*) => {
        /// The limits that count.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Limits {
            $(#[doc = $help] pub $name: u64,)*
        }

        /// Every limit, in the order of SPEC 20.
        pub const LIMITS: &[Limit] =
            &[$(Limit { name: stringify!($name), default: $default, unit: $unit, help: $help }),*];

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default),* }
            }
        }

        impl Limits {
            /// Sets the limit of this name; false when there is none.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($name) => self.$name = value,)*
                    _ => return false,
                }
                true
            }
        }
    };
}

limits! {
    header_read_ms = 10_000 "ms", "Longest time for the head of a request, from its first byte";
    body_read_ms = 30_000 "ms", "Longest time for the body of a request";
    idle_ms = 60_000 "ms", "Longest time between two requests of a connection";
    answer_ms = 15_000 "ms", "Longest time until a request is answered, its wait for a turn included";
    drain_ms = 30_000 "ms", "Longest time that a stop waits for what is in flight";
    header_bytes = 16_384 "bytes", "Bytes of the head of a request";
    headers = 64 "fields", "Header fields of a request";
    url_bytes = 4_096 "bytes", "Bytes of a request's path and query";
    body_bytes = 1_048_576 "bytes", "Bytes of a request's body";
    connections = 1_024 "connections", "Open connections";
    connections_per_address = 64 "connections", "Open connections of one peer address";
    connections_per_loopback = 1_024 "connections", "Open connections of one loopback address";
    in_flight = 256 "requests", "Requests that are worked on at once";
    waiting = 1_024 "requests", "Requests that wait for their turn";
    streams = 500 "streams", "Open event streams";
    streams_per_principal = 10 "streams", "Open event streams of one principal";
    stream_stall_ms = 30_000 "ms", "Longest time for which a client takes nothing of an answer or a stream";
    heartbeat_ms = 15_000 "ms", "Time between heartbeats of an event stream";
    requests_per_second = 5_000 "requests", "Requests of one principal a second, on the long run";
    requests_burst = 10_000 "requests", "Requests of one principal at once";
    failures_per_minute = 30 "requests", "Failed authentications of one peer address in a minute";
    operations = 64 "operations", "Operations that are remembered";
}

impl Limits {
    /// A limit in milliseconds as a duration.
    pub(crate) fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }
}

/// A limit as a number of things.
pub(crate) fn count(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
