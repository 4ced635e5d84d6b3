//! Where in a text does a fingerprinted value stand? Windows of each length, sieved by a hash that rolls.

use super::forms::views;
use super::{Fingerprint, FingerprintKey};
use std::collections::BTreeMap;

/// The polynomial hash is taken modulo this prime, 2^61-1.
const P: u64 = (1 << 61) - 1;

/// Bits of the table that most windows fail at.
const BITS: usize = 4096;

fn reduce(n: u64) -> u64 {
    if n >= P { n - P } else { n }
}

fn times(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    reduce((wide >> 61) as u64 + (wide as u64 & P))
}

/// The hash of a text that is one byte longer.
fn step(hash: u64, base: u64, byte: u8) -> u64 {
    reduce(times(hash, base) + u64::from(byte))
}

/// The polynomial hash of `bytes`.
pub(super) fn whole(base: u64, bytes: &[u8]) -> u64 {
    let base = base % P;
    bytes.iter().fold(0, |hash, byte| step(hash, base, *byte))
}

/// The part of a hash that a fingerprint carries.
pub(super) fn sieve(hash: u64) -> u32 {
    (hash ^ hash >> 32) as u32
}

/// Fingerprints of one length: their sieves, unmasked.
struct Length {
    bits: [u64; BITS / 64],
    sieves: Vec<(u32, usize)>,
}

impl Length {
    fn add(&mut self, sieve: u32, index: usize) {
        let bit = sieve as usize % BITS;
        self.bits[bit / 64] |= 1 << (bit % 64);
        self.sieves.push((sieve, index));
    }

    fn may_hold(&self, sieve: u32) -> bool {
        let bit = sieve as usize % BITS;
        self.bits[bit / 64] >> (bit % 64) & 1 == 1
    }
}

/// The index of a fingerprint whose value stands in `text`: as it is, or in base64, JSON strings or URLs. `None` when there
/// is none; a wrong find is as likely as a collision of 128 bits.
pub fn find(key: &FingerprintKey, known: &[Fingerprint], text: &str) -> Option<usize> {
    let mut lengths: BTreeMap<usize, Length> = BTreeMap::new();
    for (index, print) in known.iter().enumerate() {
        let length = lengths
            .entry(usize::from(print.len))
            .or_insert_with(|| Length { bits: [0; BITS / 64], sieves: Vec::new() });
        length.add(print.sieve ^ key.mask(&print.tag), index);
    }
    if lengths.keys().next().is_none_or(|shortest| text.len() < *shortest) {
        return None;
    }
    views(text.as_bytes()).iter().find_map(|view| scan(key, known, &lengths, view))
}

fn scan(
    key: &FingerprintKey,
    known: &[Fingerprint],
    lengths: &BTreeMap<usize, Length>,
    text: &[u8],
) -> Option<usize> {
    let base = key.base() % P;
    // Hashes of all beginnings: that of a window is the difference of two of them.
    let mut hashes = Vec::with_capacity(text.len() + 1);
    hashes.push(0);
    let mut hash = 0;
    for byte in text {
        hash = step(hash, base, *byte);
        hashes.push(hash);
    }
    for (length, prints) in lengths {
        let power = (0..*length).fold(1, |power, _| times(power, base));
        let windows = hashes.iter().zip(hashes.get(*length..).unwrap_or_default());
        for (start, (before, after)) in windows.enumerate() {
            let sieve = sieve(reduce(after + P - times(*before, power)));
            if !prints.may_hold(sieve) {
                continue;
            }
            let passed = prints.sieves.iter().filter(|print| print.0 == sieve);
            for (_, index) in passed {
                if key.tag(&text[start..start + length]) == known[*index].tag {
                    return Some(*index);
                }
            }
        }
    }
    None
}
