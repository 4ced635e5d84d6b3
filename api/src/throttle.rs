//! Who asks too often? A bucket of tokens for each principal, a count of failed authentications for each address.

use crate::limits::Limits;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Most that is remembered of either.
const MOST: usize = 65_536;

/// What is remembered of each key, in two generations: what is not asked for while one fills up is forgotten with the
/// older one. Nothing is ever looked through, and never more than [`MOST`] are kept.
#[derive(Debug)]
struct Lately<K, V> {
    new: HashMap<K, V>,
    old: HashMap<K, V>,
    most: usize,
}

impl<K: Eq + Hash, V: Copy> Lately<K, V> {
    fn new(most: usize) -> Self {
        Self { new: HashMap::new(), old: HashMap::new(), most: most / 2 }
    }

    fn get(&self, key: &K) -> Option<V> {
        self.new.get(key).or_else(|| self.old.get(key)).copied()
    }

    fn set(&mut self, key: K, value: V) {
        if self.new.len() >= self.most && !self.new.contains_key(&key) {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(key, value);
    }
}

/// As whom an address is counted: all addresses of an IPv6 network of 64 bits are one peer's to choose from.
pub(crate) fn counted(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V6(peer) if !peer.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(peer.to_bits() >> 64 << 64))
        }
        _ => peer,
    }
}

/// A bucket: thousandths of requests that are left, and when that was so.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u64,
    at: Instant,
}

/// Buckets that fill at one rate up to one size.
#[derive(Debug)]
struct Buckets<K> {
    per_second: u64,
    burst: u64,
    held: Mutex<Lately<K, Bucket>>,
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(per_second: u64, burst: u64) -> Self {
        Self { per_second, burst: burst.saturating_mul(1000), held: Mutex::new(Lately::new(MOST)) }
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> Bucket {
        let passed = u64::try_from(now.duration_since(bucket.at).as_millis()).unwrap_or(u64::MAX);
        let left = bucket.left.saturating_add(passed.saturating_mul(self.per_second)).min(self.burst);
        Bucket { left, at: now }
    }

    /// Takes a request out of the bucket of `key`; the seconds to wait when there is none left.
    fn take(&self, key: K) -> Result<(), u64> {
        let now = Instant::now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held.get(&key).unwrap_or(Bucket { left: self.burst, at: now });
        let bucket = self.filled(known, now);
        let (left, answer) = match bucket.left.checked_sub(1000) {
            Some(left) => (left, Ok(())),
            None => {
                let wait = (1000 - bucket.left).div_ceil(self.per_second.max(1)).div_ceil(1000).max(1);
                (bucket.left, Err(wait))
            }
        };
        held.set(key, Bucket { left, ..bucket });
        answer
    }
}

/// Everything that is counted of clients.
#[derive(Debug)]
pub(crate) struct Throttle {
    principals: Buckets<String>,
    failures: Mutex<Lately<IpAddr, (Instant, u64)>>,
    failures_per_minute: u64,
}

impl Throttle {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            principals: Buckets::new(limits.requests_per_second, limits.requests_burst),
            failures: Mutex::new(Lately::new(MOST)),
            failures_per_minute: limits.failures_per_minute,
        }
    }

    /// One request of a principal; the seconds to wait when it is one too many.
    pub(crate) fn request(&self, principal: &str) -> Result<(), u64> {
        self.principals.take(principal.to_owned())
    }

    /// Whether an address failed too often lately; the seconds to wait when it did.
    pub(crate) fn may_try(&self, peer: IpAddr) -> Result<(), u64> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((since, count)) = failures.get(&counted(peer)) else { return Ok(()) };
        let age = Instant::now().duration_since(since).as_secs();
        if count > self.failures_per_minute && age < 60 { Err(60 - age) } else { Ok(()) }
    }

    /// One failed authentication of an address; the seconds to wait when it is one too many.
    pub(crate) fn failed(&self, peer: IpAddr) -> Result<(), u64> {
        let now = Instant::now();
        let age = |since: Instant| now.duration_since(since).as_secs();
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = counted(peer);
        let lately = failures.get(&peer).filter(|(since, _)| age(*since) < 60);
        let (since, count) = lately.map_or((now, 1), |(since, count)| (since, count + 1));
        failures.set(peer, (since, count));
        if count > self.failures_per_minute { Err(60 - age(since).min(59)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_peer_and_everything_else_its_own() {
        let of = |text: &str| text.parse().ok().map(|peer: IpAddr| counted(peer).to_string());
        assert_eq!(of("2001:db8:1:2:3:4:5:6").as_deref(), Some("2001:db8:1:2::"));
        assert_eq!(of("2001:db8:1:2::9"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::9"), of("2001:db8:1:3::9"));
        assert_eq!(of("::1").as_deref(), Some("::1"));
        assert_eq!(of("192.0.2.7").as_deref(), Some("192.0.2.7"));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_who_goes_on_is_not_forgotten() {
        let mut lately: Lately<u64, u64> = Lately::new(64);
        for n in 0..10_000 {
            let count = lately.get(&u64::MAX).unwrap_or_default();
            lately.set(u64::MAX, count + 1);
            lately.set(n, 0);
            assert!(lately.new.len() + lately.old.len() <= 64, "after {n}");
        }
        assert_eq!(lately.get(&u64::MAX), Some(10_000));
    }
}
