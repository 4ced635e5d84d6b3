//! Which root stands for a list of leaves? RFC 6962 with SHA-256, by its frontier. SPEC 7.

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest in the tree.
pub type Hash = [u8; 32];

/// Levels of the tree in one tile: a full tile covers 256 hashes.
pub const TILE_HEIGHT: u32 = 8;

/// The hash of a leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0u8]).chain_update(leaf).finalize().into()
}

/// The hash of a node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1u8]).chain_update(left).chain_update(right).finalize().into()
}

/// The roots of the perfect subtrees of a tree, largest first: all that is needed to grow it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    hashes: Vec<Hash>,
}

/// A perfect subtree that became complete: the hash at `height` and `index` within that height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subtree {
    /// Levels above the leaves.
    pub height: u32,
    /// Index within its height.
    pub index: u64,
    /// Its root.
    pub hash: Hash,
}

impl Frontier {
    /// The frontier of a tree of `size`; `None` when there is not one hash for each bit set in it.
    pub fn from_parts(size: u64, hashes: Vec<Hash>) -> Option<Self> {
        (u64::from(size.count_ones()) == hashes.len() as u64).then_some(Self { size, hashes })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest first.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_with(leaf, |_| ());
    }

    /// Adds a leaf by its hash and tells of each tile root that became complete.
    pub fn push_with(&mut self, leaf: Hash, tile: impl FnMut(Subtree)) {
        self.push_subtree(0, leaf, tile);
    }

    /// Adds a perfect subtree of `2^height` leaves; the size must be a multiple of that.
    pub fn push_subtree(&mut self, height: u32, root: Hash, mut tile: impl FnMut(Subtree)) {
        debug_assert!(self.size.trailing_zeros() >= height || self.size == 0);
        let mut hash = root;
        let mut at = height;
        if at > 0 && at.is_multiple_of(TILE_HEIGHT) {
            tile(Subtree { height: at, index: self.size >> at, hash });
        }
        let mut rest = self.size >> height;
        while rest & 1 == 1 {
            if let Some(left) = self.hashes.pop() {
                hash = node_hash(&left, &hash);
            }
            at += 1;
            rest >>= 1;
            if at.is_multiple_of(TILE_HEIGHT) {
                tile(Subtree { height: at, index: self.size >> at, hash });
            }
        }
        self.hashes.push(hash);
        self.size += 1 << height;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let mut hashes = self.hashes.iter().rev();
        match hashes.next() {
            None => Sha256::digest([]).into(),
            Some(last) => hashes.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

/// The root of `2^k` hashes, taken pairwise; `hashes` is used as scratch.
pub fn perfect_root(hashes: &mut Vec<Hash>) -> Option<Hash> {
    if !hashes.len().is_power_of_two() {
        return None;
    }
    while hashes.len() > 1 {
        for i in 0..hashes.len() / 2 {
            hashes[i] = node_hash(&hashes[2 * i], &hashes[2 * i + 1]);
        }
        hashes.truncate(hashes.len() / 2);
    }
    hashes.pop()
}

/// The perfect subtrees of a tree of `size`, largest first, as (height, index).
pub fn decompose(size: u64) -> Vec<(u32, u64)> {
    let mut start = 0u64;
    (0..u64::BITS)
        .rev()
        .filter(|height| size >> height & 1 == 1)
        .map(|height| {
            let subtree = (height, start >> height);
            start += 1 << height;
            subtree
        })
        .collect()
}

/// The siblings on the way from leaf `index` to the root of a tree of `size`, leaf to root; each is the
/// root of the leaves in the range that `hash_of` is asked for.
pub fn inclusion_path<E>(
    index: u64,
    size: u64,
    hash_of: &mut dyn FnMut(std::ops::Range<u64>) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let (mut from, mut to) = (0, size);
    let mut path = Vec::new();
    while to - from > 1 {
        let split = from + (to - from).next_power_of_two() / 2;
        if index < split {
            path.push(hash_of(split..to)?);
            to = split;
        } else {
            path.push(hash_of(from..split)?);
            from = split;
        }
    }
    path.reverse();
    Ok(path)
}

/// The root that an inclusion path leads to; `None` when the path does not fit index and size.
pub fn root_from_inclusion(index: u64, size: u64, leaf: Hash, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut f, mut s, mut root) = (index, size - 1, leaf);
    for sibling in path {
        if s == 0 {
            return None;
        }
        if f & 1 == 1 || f == s {
            root = node_hash(sibling, &root);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            root = node_hash(&root, sibling);
        }
        f >>= 1;
        s >>= 1;
    }
    (s == 0).then_some(root)
}
