//! Has this digest surely not been seen? A Bloom filter over digests, so that most look-ups never reach the disk.

/// Bits for each digest that it is sized for; with four probes, 1 of 40 absent digests is a "perhaps" when full.
const BITS: usize = 8;
/// Probes for each digest.
const PROBES: u32 = 4;

/// Digests that were added. It forgets none; it may take one for another.
#[derive(Debug)]
pub(crate) struct Bloom {
    words: Vec<u64>,
    room: usize,
    count: usize,
}

impl Bloom {
    /// A filter with room for `expected` digests and as many again.
    pub(crate) fn with_room(expected: usize) -> Self {
        let room = (expected * 2).max(1 << 16);
        let words = (room * BITS / 64).next_power_of_two();
        Self { words: vec![0; words], room, count: 0 }
    }

    /// True once it holds more than it has room for: a larger one should take its place.
    pub(crate) fn is_full(&self) -> bool {
        self.count > self.room
    }

    /// Words and bits to look at. Digests are uniform, so their own bytes choose; each probe stays within a line
    /// of the processor's cache.
    fn probes(&self, digest: &[u8]) -> impl Iterator<Item = (usize, u64)> {
        let half = |from: usize| {
            let bytes = digest.get(from..from + 8).and_then(|b| <[u8; 8]>::try_from(b).ok());
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        let (place, mut bits) = (half(0), half(8));
        let mask = self.words.len() - 1;
        let line = usize::try_from(place).unwrap_or(usize::MAX) & mask & !7;
        (0..PROBES).map(move |_| {
            let word = (line + usize::try_from(bits & 7).unwrap_or(0)) & mask;
            let bit = 1u64 << (bits >> 3 & 63);
            bits >>= 9;
            (word, bit)
        })
    }

    /// Adds a digest of at least 16 bytes.
    pub(crate) fn add(&mut self, digest: &[u8]) {
        let probes: Vec<(usize, u64)> = self.probes(digest).collect();
        for (word, bit) in probes {
            if let Some(word) = self.words.get_mut(word) {
                *word |= bit;
            }
        }
        self.count += 1;
    }

    /// False when the digest was surely not added.
    pub(crate) fn may_have(&self, digest: &[u8]) -> bool {
        self.probes(digest).all(|(word, bit)| self.words.get(word).is_some_and(|w| w & bit != 0))
    }
}
