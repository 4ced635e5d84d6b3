//! Where do live things stand? A hash table that snapshots write in the order of its keys, and the key of what is
//! unique within its scope only.

use hashbrown::{Equivalent, HashMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::hash::{Hash, Hasher};

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

/// Names without anything under them; snapshots write them as a list in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set<K: Hash + Eq>(Table<K, ()>);

impl<K: Hash + Eq> Default for Set<K> {
    fn default() -> Self {
        Self(Table::default())
    }
}

impl<K: Hash + Eq + Ord> Set<K> {
    /// True when this name is among them.
    pub fn has<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> bool {
        self.0.has(key)
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every name, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|row| row.0)
    }

    pub(super) fn insert(&mut self, key: K) -> bool {
        self.0.insert(key, ()).is_none()
    }

    pub(super) fn remove<Q: Hash + Equivalent<K> + ?Sized>(&mut self, key: &Q) -> bool {
        self.0.remove(key).is_some()
    }
}

impl<K: Hash + Eq + Ord + Serialize> Serialize for Set<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.sorted().into_iter().map(|row| row.0))
    }
}

impl<'de, K: Hash + Eq + Ord + Deserialize<'de>> Deserialize<'de> for Set<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys = Vec::<K>::deserialize(deserializer)?;
        Ok(Self(Table(keys.into_iter().map(|key| (key, ())).collect())))
    }
}

/// The key of something whose id is unique within its scope only: scope, a space, id. A space sorts before all that a
/// scope has, so places sort as their scopes and then their ids do.
#[derive(Debug, Clone)]
pub struct Place {
    text: Text,
    split: u16,
}

/// Bytes of a key that stand in the table itself: most do, and one place in memory less is looked at.
const SHORT: usize = 44;

#[derive(Debug, Clone)]
enum Text {
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

/// A place that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At<'a> {
    /// The scope.
    pub scope: &'a str,
    /// The id.
    pub id: &'a str,
}

impl Equivalent<Place> for At<'_> {
    fn equivalent(&self, key: &Place) -> bool {
        key.parts() == (self.scope.as_bytes(), self.id.as_bytes())
    }
}

impl Hash for At<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_parts((self.scope.as_bytes(), self.id.as_bytes()), state);
    }
}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_parts(self.parts(), state);
    }
}

/// The length keeps one pair apart from another that reads the same.
fn hash_parts<H: Hasher>((scope, id): (&[u8], &[u8]), state: &mut H) {
    state.write(scope);
    state.write_usize(scope.len());
    state.write(id);
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Place {}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl Place {
    pub(super) fn new(scope: &str, id: &str) -> Self {
        let split = u16::try_from(scope.len()).unwrap_or(u16::MAX);
        let text = format!("{scope} {id}").into_bytes();
        let mut short = [0; SHORT];
        let text = match (short.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(bytes), Ok(len)) => {
                bytes.copy_from_slice(&text);
                Text::Short(len, short)
            }
            _ => Text::Long(text.into()),
        };
        Self { text, split }
    }

    fn bytes(&self) -> &[u8] {
        match &self.text {
            Text::Short(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Text::Long(bytes) => bytes,
        }
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        let (scope, id) = self.bytes().split_at_checked(self.split.into()).unwrap_or_default();
        (scope, id.get(1..).unwrap_or_default())
    }

    /// The scope.
    pub fn scope(&self) -> &str {
        self.at().scope
    }

    /// The id.
    pub fn id(&self) -> &str {
        self.at().id
    }

    /// The place, to ask with.
    pub fn at(&self) -> At<'_> {
        let (scope, id) = self.parts();
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        At { scope: text(scope), id: text(id) }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.scope, self.id)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(self.bytes()).unwrap_or_default())
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
