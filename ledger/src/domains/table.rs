//! Where do live things stand? A hash table that snapshots write in the order of its keys, and the key of what is
//! unique within its scope only.

use hashbrown::{Equivalent, HashMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::hash::Hash;

/// Live things by key. Looking something up allocates nothing.
#[derive(Clone)]
pub struct Table<K, V>(HashMap<K, V>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq + Ord, V> Table<K, V> {
    /// What stands under a key.
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.0.get(key)
    }

    /// True when something stands under a key.
    pub fn has<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn get_mut<Q: Hash + Equivalent<K> + ?Sized>(&mut self, key: &Q) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    pub(super) fn remove<Q: Hash + Equivalent<K> + ?Sized>(&mut self, key: &Q) -> Option<V> {
        self.0.remove(key)
    }

    pub(super) fn entry(
        &mut self,
        key: K,
    ) -> hashbrown::hash_map::Entry<'_, K, V, hashbrown::DefaultHashBuilder> {
        self.0.entry(key)
    }

    /// Number of things.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything, in no order: for what does not depend on one.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter()
    }

    /// Everything, in the order of the keys.
    pub fn sorted(&self) -> Vec<(&K, &V)> {
        let mut rows: Vec<(&K, &V)> = self.0.iter().collect();
        rows.sort_unstable_by_key(|row| row.0);
        rows
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<K: Hash + Eq, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K: Hash + Eq, V: Eq> Eq for Table<K, V> {}

impl<K: Hash + Eq + Ord + Serialize, V: Serialize> Serialize for Table<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.sorted())
    }
}

impl<'de, K: Hash + Eq + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Table<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        HashMap::deserialize(deserializer).map(Self)
    }
}

/// The key of something whose id is unique within its scope only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    scope: Box<str>,
    id: Box<str>,
}

/// A place that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct At<'a> {
    /// The scope.
    pub scope: &'a str,
    /// The id.
    pub id: &'a str,
}

impl Equivalent<Place> for At<'_> {
    fn equivalent(&self, key: &Place) -> bool {
        *self.scope == *key.scope && *self.id == *key.id
    }
}

impl Place {
    pub(super) fn new(scope: &str, id: &str) -> Self {
        Self { scope: scope.into(), id: id.into() }
    }

    /// The scope.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The place, to ask with.
    pub fn at(&self) -> At<'_> {
        At { scope: &self.scope, id: &self.id }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.scope, self.id)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.at())
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        match text.split_once(' ') {
            Some((scope, id)) => Ok(Self::new(scope, id)),
            None => Err(serde::de::Error::custom("a place is a scope and an id")),
        }
    }
}
